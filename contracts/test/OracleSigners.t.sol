// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ISignerRegistry} from "../src/interfaces/ISignerRegistry.sol";
import {AttestationFixture} from "./base/AttestationFixture.sol";

/// @notice The list of data providers: two steps, a delay, removal, indices that stay.
contract OracleSignersTest is AttestationFixture {
    uint256 private constant CAROL = 0xca401;

    function notCounting(uint256 index) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISignerRegistry.SignerNotCounting.selector, index);
    }

    /// @dev Carol, signer 3, beside Alice.
    function carolCall(uint256 nonce) private view returns (bytes memory) {
        Statement memory s = attested(nonce);
        return attestedCall(s, bytes.concat(signed(s, vouch(0, ALICE)), signed(s, vouch(3, CAROL))));
    }

    function propose(address account) private {
        vm.prank(owner);
        signers.proposeSigner(account);
    }

    function test_ANewSignerCountsAfterItAcceptedAndTheDelayIsOver() public {
        address carol = vm.addr(CAROL);
        assertUnrecorded(model, carolCall(1), notCounting(3), "unknown");
        vm.expectEmit(address(signers));
        emit ISignerRegistry.SignerProposed(carol, 3, block.timestamp + signers.SIGNER_DELAY());
        propose(carol);
        uint256 start = block.timestamp;
        vm.warp(start + 30 days);
        assertUnrecorded(model, carolCall(1), notCounting(3), "has not accepted");
        vm.warp(start);
        vm.expectEmit(address(signers));
        emit ISignerRegistry.SignerAccepted(carol, 3);
        vm.prank(carol);
        signers.acceptSigner();
        vm.warp(start + signers.SIGNER_DELAY() - 1);
        assertUnrecorded(model, carolCall(1), notCounting(3), "too early");
        vm.warp(start + signers.SIGNER_DELAY());
        assertAccepted(carolCall(1));
        vm.assertEq(oracle.scoreOf(borrower, model).signers, 9, "signers 0 and 3");
    }

    function test_RemovalIsImmediateAndForGood() public {
        Statement memory s = attested(1);
        bytes memory data =
            attestedCall(s, bytes.concat(signed(s, vouch(0, ALICE)), signed(s, vouch(1, BOB))));
        address bob = vm.addr(BOB);
        vm.expectEmit(address(signers));
        emit ISignerRegistry.SignerRemoved(bob, 1);
        vm.prank(owner);
        signers.removeSigner(bob);
        assertUnrecorded(model, data, notCounting(1), "removed");
        bytes memory unknown = abi.encodeWithSelector(ISignerRegistry.SignerUnknown.selector, bob);
        vm.expectRevert(unknown);
        vm.prank(bob);
        signers.acceptSigner();
        vm.expectRevert(unknown);
        vm.prank(owner);
        signers.removeSigner(bob);
        bytes memory gone = abi.encodeWithSelector(ISignerRegistry.SignerRemovedForGood.selector, bob);
        vm.expectRevert(gone);
        propose(bob);
        vm.warp(block.timestamp + 400 days);
        vm.expectRevert(gone);
        propose(bob);
        vm.assertEq(signers.signerIndexOf(bob), 1, "the index stays");
        vm.assertTrue(signers.signerAt(1).removed, "and says so");
    }

    /// @dev A date is the signer's word: a statement signed before a removal may have one after it.
    function testFuzz_NothingThatARemovedSignerEverSignedCounts(uint256 issued, uint256 wait) public {
        address bob = vm.addr(BOB);
        uint64 start = uint64(block.timestamp);
        issued = bound(issued, 0, 60 days);
        Vouch memory v = Vouch(1, BOB, uint64(start + issued), uint64(start + issued + 30 days));
        bytes memory old = signed(attested(1), v);
        vm.prank(owner);
        signers.removeSigner(bob);
        (bool back,) = ownersCall(abi.encodeCall(signers.proposeSigner, (bob)));
        vm.assertFalse(back, "proposed again");
        (back,) = signersCall(bob);
        vm.assertFalse(back, "accepted again");
        vm.warp(start + issued + bound(wait, 0, 30 days));
        Statement memory s = attested(1);
        bytes memory data = attestedCall(s, bytes.concat(signed(s, vouch(0, ALICE)), old));
        assertUnrecorded(model, data, notCounting(1), "whatever its date");
    }

    function ownersCall(bytes memory call) private returns (bool ok, bytes memory answer) {
        vm.prank(owner);
        return address(signers).call(call);
    }

    function signersCall(address account) private returns (bool ok, bytes memory answer) {
        vm.prank(account);
        return address(signers).call(abi.encodeCall(signers.acceptSigner, ()));
    }

    function test_AProviderReturnsWithAnotherAccount() public {
        vm.prank(owner);
        signers.removeSigner(vm.addr(BOB));
        propose(vm.addr(CAROL));
        vm.prank(vm.addr(CAROL));
        signers.acceptSigner();
        assertUnrecorded(model, carolCall(1), notCounting(3), "the delay");
        vm.warp(block.timestamp + signers.SIGNER_DELAY());
        assertAccepted(carolCall(1));
    }

    function test_TheZeroAddressTakesNoIndex() public {
        uint256 before = signers.signerCount();
        vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.SignerUnknown.selector, address(0)));
        propose(address(0));
        vm.assertEq(signers.signerCount(), before, "indices are given for good");
    }

    function testFuzz_AnOfferLapses(uint256 wait) public {
        address carol = vm.addr(CAROL);
        propose(carol);
        uint256 until = block.timestamp + signers.OFFER_PERIOD();
        wait = bound(wait, 0, 400 days);
        vm.warp(block.timestamp + wait);
        bool inTime = block.timestamp <= until;
        if (!inTime) {
            vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.OfferLapsed.selector, carol, until));
        }
        vm.prank(carol);
        signers.acceptSigner();
        vm.assertEq(signers.signerAt(3).countsFrom != 0, inTime, "accepted");
        if (inTime) {
            vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.SignerAlreadyKnown.selector, carol));
        }
        propose(carol);
        if (inTime) return;
        // Made again, it has the delay before it again.
        vm.prank(carol);
        signers.acceptSigner();
        vm.assertEq(signers.signerAt(3).countsFrom, block.timestamp + signers.SIGNER_DELAY(), "later");
        vm.assertEq(signers.signerCount(), 4, "one index");
    }

    function test_AnOpenOfferIsNotMadeTwiceAndCanBeTakenBack() public {
        address carol = vm.addr(CAROL);
        propose(carol);
        vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.SignerAlreadyKnown.selector, carol));
        propose(carol);
        vm.prank(owner);
        signers.removeSigner(carol);
        vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.SignerUnknown.selector, carol));
        vm.prank(carol);
        signers.acceptSigner();
        vm.expectRevert(notCounting(4));
        signers.signerAt(4);
        // Nothing of it ever counted: the offer can be made again, under the same index.
        propose(carol);
        vm.prank(carol);
        signers.acceptSigner();
        vm.assertEq(signers.signerIndexOf(carol), 3, "the index stays");
        vm.assertFalse(signers.signerAt(3).removed, "a signer");
    }

    function test_OnlyTheOwnerProposesAndRemovesAndOnlyTheSignerAccepts() public {
        bytes memory unauthorized = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unauthorized);
        signers.proposeSigner(stranger);
        vm.expectRevert(unauthorized);
        signers.removeSigner(address(wallet));
        vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.SignerUnknown.selector, stranger));
        signers.acceptSigner();
        vm.stopPrank();
        bytes memory known =
            abi.encodeWithSelector(ISignerRegistry.SignerAlreadyKnown.selector, address(wallet));
        vm.expectRevert(known);
        vm.prank(owner);
        signers.proposeSigner(address(wallet));
        vm.expectRevert(known);
        wallet.accept(signers);
    }

    function test_ThereAreThirtyTwoSignersAtMost() public {
        for (uint160 i = 3; i < signers.MAX_SIGNERS(); ++i) {
            propose(address(0x1000 + i));
        }
        vm.assertEq(signers.signerCount(), 32, "all");
        vm.assertEq(signers.signerAt(31).account, address(0x1000 + 31), "the last");
        vm.expectRevert(abi.encodeWithSelector(ISignerRegistry.TooManySigners.selector, 32));
        propose(address(0x2000));
    }
}
