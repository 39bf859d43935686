// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {OracleTimelock} from "../src/governance/OracleTimelock.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice An oracle under a timelock: what widens trust waits, what narrows it doesn't.
contract OracleTimelockTest is OracleFixture {
    uint256 private constant DELAY = 3 days;

    address private admin = named("admin");
    OracleTimelock private lock;
    uint256 private newModel;
    /// @dev When each call was announced, if it is.
    mapping(bytes32 => uint256) private _announced;

    function setUp() public override {
        super.setUp();
        newModel = registerModel(verificationData("new", 0, 1, 0, 1_000_000));
        lock = new OracleTimelock(address(oracle), admin, DELAY);
        vm.prank(owner);
        oracle.transferOwnership(address(lock));
        lock.acceptOracle();
    }

    function approval() private view returns (bytes memory) {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(newModel);
        return abi.encodeCall(
            oracle.approveModel, (newModel, commitmentFor(data.keyHash), data, data.verifier.codehash)
        );
    }

    function announce(bytes memory call) private returns (bytes32) {
        vm.prank(admin);
        return lock.schedule(call);
    }

    function execute(bytes memory call) private {
        vm.prank(admin);
        lock.execute(call);
    }

    function refuses(bytes memory call, bytes memory reason) private {
        vm.expectRevert(reason);
        execute(call);
    }

    function testFuzz_AnApprovalIsDoneBetweenItsDelayAndItsEndOnly(uint256 wait) public {
        bytes memory call = approval();
        vm.expectEmit(address(lock));
        emit OracleTimelock.CallScheduled(keccak256(call), call, START + DELAY);
        bytes32 id = announce(call);
        wait = bound(wait, 0, 40 days);
        vm.warp(START + wait);
        if (wait < DELAY) {
            refuses(call, abi.encodeWithSelector(OracleTimelock.TooEarly.selector, id, START + DELAY));
        } else if (wait > DELAY + 14 days) {
            uint256 until = START + DELAY + 14 days;
            refuses(call, abi.encodeWithSelector(OracleTimelock.TooLate.selector, id, until));
        } else {
            execute(call);
        }
        bool inTime = wait >= DELAY && wait <= DELAY + 14 days;
        vm.assertEq(oracle.isModelApproved(newModel), inTime, "approved");
    }

    function test_WhatIsAnnouncedIsDoneOnceAndNothingElse() public {
        bytes memory call = approval();
        bytes32 id = announce(call);
        vm.expectRevert(abi.encodeWithSelector(OracleTimelock.AlreadyScheduled.selector, id));
        announce(call);
        vm.warp(START + DELAY);
        bytes memory other = abi.encodeCall(oracle.addSubmitter, (stranger));
        refuses(other, abi.encodeWithSelector(OracleTimelock.NotScheduled.selector, keccak256(other)));
        execute(call);
        refuses(call, abi.encodeWithSelector(OracleTimelock.NotScheduled.selector, id));
        // The oracle's own refusal is handed on.
        announce(call);
        vm.warp(START + 2 * DELAY);
        refuses(call, abi.encodeWithSelector(IInferenceOracle.ModelAlreadyApproved.selector, newModel));
    }

    function test_WhatIsTakenBackIsNotDone() public {
        bytes memory call = approval();
        bytes32 id = announce(call);
        vm.startPrank(admin);
        lock.cancel(id);
        bytes memory unknown = abi.encodeWithSelector(OracleTimelock.NotScheduled.selector, id);
        vm.expectRevert(unknown);
        lock.cancel(id);
        vm.stopPrank();
        vm.warp(START + DELAY);
        refuses(call, unknown);
        // Announced again it waits again.
        announce(call);
        refuses(call, abi.encodeWithSelector(OracleTimelock.TooEarly.selector, id, START + 2 * DELAY));
    }

    function test_WhatNarrowsTrustIsDoneAtOnce() public {
        vm.startPrank(admin);
        lock.pause();
        lock.revokeModel(creditModel);
        lock.removeSubmitter(submitter);
        vm.stopPrank();
        vm.assertTrue(oracle.paused(), "paused");
        vm.assertFalse(oracle.isModelApproved(creditModel), "revoked");
        vm.assertFalse(oracle.isSubmitter(submitter), "removed");
        bytes memory resume = abi.encodeCall(oracle.unpause, ());
        announce(resume);
        vm.warp(START + DELAY);
        execute(resume);
        vm.assertFalse(oracle.paused(), "resumed after the delay");
    }

    function testFuzz_OnlyWhatTheOwnerMayDoIsAnnounced(bytes4 selector) public {
        vm.assume(
            selector != oracle.approveModel.selector && selector != oracle.approveAttestedModel.selector
                && selector != oracle.addSubmitter.selector && selector != oracle.unpause.selector
                && selector != oracle.transferOwnership.selector
        );
        vm.expectRevert(abi.encodeWithSelector(OracleTimelock.NotDelayed.selector, selector));
        announce(abi.encodePacked(selector, uint256(1)));
    }

    function test_OnlyTheAdminActs() public {
        bytes memory reason = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", owner);
        bytes memory call = approval();
        vm.startPrank(owner);
        vm.expectRevert(reason);
        lock.schedule(call);
        vm.expectRevert(reason);
        lock.execute(call);
        vm.expectRevert(reason);
        lock.cancel(0);
        vm.expectRevert(reason);
        lock.pause();
        vm.expectRevert(reason);
        lock.revokeModel(creditModel);
        vm.expectRevert(reason);
        lock.removeSubmitter(submitter);
        vm.expectRevert(reason);
        lock.withdrawOracle();
        vm.stopPrank();
        vm.expectRevert(OracleTimelock.OwnershipCannotBeRenounced.selector);
        vm.prank(admin);
        lock.renounceOwnership();
        uint256[2] memory delays = [uint256(1 days - 1), 30 days + 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(OracleTimelock.InvalidDelay.selector, delays[i]));
            new OracleTimelock(address(oracle), admin, delays[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(OracleTimelock.OracleHasNoCode.selector, stranger));
        new OracleTimelock(stranger, admin, DELAY);
    }

    /// @dev What was announced while the model was approved, the submitter listed or recording going on, does not undo a
    /// later revocation, removal or pause without a delay of its own.
    function test_WhatIsNarrowedIsWidenedAgainAfterADelayOnly() public {
        newModel = creditModel;
        bytes memory attested = abi.encodePacked(oracle.approveAttestedModel.selector, attestedArguments());
        bytes[4] memory calls = [
            approval(),
            attested,
            abi.encodeCall(oracle.addSubmitter, (submitter)),
            abi.encodeCall(oracle.unpause, ())
        ];
        bytes memory other = abi.encodeCall(oracle.addSubmitter, (stranger));
        for (uint256 i = 0; i < 4; ++i) {
            announce(calls[i]);
        }
        announce(other);
        vm.warp(START + DELAY);
        vm.startPrank(admin);
        lock.revokeModel(creditModel);
        lock.removeSubmitter(submitter);
        lock.pause();
        vm.stopPrank();
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 id = keccak256(calls[i]);
            refuses(calls[i], abi.encodeWithSelector(OracleTimelock.NarrowedSince.selector, id));
            // Announced anew at once, in the block of the deed that it undoes.
            announce(calls[i]);
            vm.expectRevert(abi.encodeWithSelector(OracleTimelock.AlreadyScheduled.selector, id));
            announce(calls[i]);
            refuses(calls[i], abi.encodeWithSelector(OracleTimelock.TooEarly.selector, id, START + 2 * DELAY));
        }
        // Another submitter was not removed.
        execute(other);
        vm.warp(START + 2 * DELAY);
        execute(calls[0]);
        execute(calls[2]);
        execute(calls[3]);
        vm.assertTrue(
            oracle.isModelApproved(creditModel) && oracle.isSubmitter(submitter) && !oracle.paused(), "again"
        );
    }

    function attestedArguments() private view returns (bytes memory) {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(newModel);
        return abi.encode(
            newModel,
            commitmentFor(data.keyHash),
            data,
            data.verifier.codehash,
            IInferenceOracle.AttestationPolicy(address(registry), 1, "schema")
        );
    }

    function test_AnOfferThatIsTakenBackTakesTheAnnouncedOnesWithIt() public {
        bytes memory call = abi.encodeCall(oracle.transferOwnership, (stranger));
        bytes memory other = abi.encodeCall(oracle.transferOwnership, (borrower));
        announce(call);
        announce(other);
        vm.warp(START + DELAY);
        execute(call);
        vm.prank(admin);
        lock.withdrawOracle();
        refuses(other, abi.encodeWithSelector(OracleTimelock.NarrowedSince.selector, keccak256(other)));
    }

    /// @dev One call has one hash: otherwise one would be taken back and its twin be done.
    function test_OtherEncodingsOfACallAreNotAnnounced() public {
        bytes[5] memory calls = [
            approval(),
            abi.encodePacked(oracle.approveAttestedModel.selector, attestedArguments()),
            abi.encodeCall(oracle.addSubmitter, (stranger)),
            abi.encodeCall(oracle.transferOwnership, (stranger)),
            abi.encodeCall(oracle.unpause, ())
        ];
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory reason =
                abi.encodeWithSelector(OracleTimelock.NotCanonical.selector, bytes4(calls[i]));
            bytes memory more = bytes.concat(calls[i], hex"00");
            vm.expectRevert(reason);
            announce(more);
            more = bytes.concat(calls[i], new bytes(32));
            vm.expectRevert(reason);
            announce(more);
            announce(calls[i]);
            if (i == 4) break;
            vm.expectRevert(reason);
            announce(abi.encodePacked(bytes4(calls[i])));
            if (i > 1) {
                // Bits above the address.
                calls[i][4] = 0x01;
                vm.expectRevert(reason);
                announce(calls[i]);
                continue;
            }
            // The commitment a word further on.
            bytes memory moved = bytes.concat(calls[i], new bytes(32));
            uint256 at = i == 0 ? 14 : 17;
            for (uint256 k = moved.length - 1; k >= 4 + (at + 1) * 32; --k) {
                moved[k] = moved[k - 32];
            }
            moved[4 + 63] = bytes1(uint8(moved[4 + 63]) + 32);
            vm.expectRevert(reason);
            announce(moved);
        }
    }

    /// forge-config: default.fuzz.runs = 256
    function testFuzz_NoByteOfAnAnnouncedCallIsFree(uint256 at, uint8 value) public {
        bytes memory call = approval();
        announce(call);
        at = bound(at, 4, call.length - 1);
        vm.assume(call[at] != bytes1(value));
        call[at] = bytes1(value);
        vm.prank(admin);
        (bool ok,) = address(lock).call(abi.encodeCall(lock.schedule, (call)));
        if (!ok) return;
        // It is another call, then: the oracle takes one of the two at most.
        vm.warp(START + DELAY);
        vm.prank(admin);
        (ok,) = address(lock).call(abi.encodeCall(lock.execute, (call)));
        vm.assertFalse(ok, "another way to say it");
    }

    function test_WithoutAnOfferNobodyTakesOver() public {
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        vm.prank(stranger);
        lock.acceptOwnership();
    }

    function test_TheOracleCanBeHandedOver() public {
        bytes memory call = abi.encodeCall(oracle.transferOwnership, (stranger));
        announce(call);
        vm.warp(START + DELAY);
        execute(call);
        vm.prank(stranger);
        oracle.acceptOwnership();
        vm.assertEq(oracle.owner(), stranger, "handed over");
    }

    function test_AnOfferOfTheOracleIsTakenBackAtOnce() public {
        bytes memory call = abi.encodeCall(oracle.transferOwnership, (stranger));
        announce(call);
        vm.warp(START + DELAY);
        execute(call);
        vm.prank(admin);
        lock.withdrawOracle();
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        vm.prank(stranger);
        oracle.acceptOwnership();
        vm.assertEq(oracle.owner(), address(lock), "still the timelock's");
        // Made anew it waits anew.
        announce(call);
        refuses(
            call, abi.encodeWithSelector(OracleTimelock.TooEarly.selector, keccak256(call), START + 2 * DELAY)
        );
    }

    function testFuzz_TheTimelockIsHandedOverBetweenItsDelayAndItsEndOnly(uint256 wait) public {
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", owner));
        vm.prank(owner);
        lock.transferOwnership(owner);
        vm.prank(admin);
        lock.transferOwnership(stranger);
        wait = bound(wait, 0, 40 days);
        vm.warp(START + wait);
        (bytes4 early, bytes4 late) =
            (OracleTimelock.HandoverTooEarly.selector, OracleTimelock.HandoverTooLate.selector);
        bool inTime = wait >= DELAY && wait <= DELAY + 14 days;
        if (wait < DELAY) vm.expectRevert(abi.encodeWithSelector(early, START + DELAY));
        else if (!inTime) vm.expectRevert(abi.encodeWithSelector(late, START + DELAY + 14 days));
        vm.prank(stranger);
        lock.acceptOwnership();
        vm.assertEq(lock.owner(), inTime ? stranger : admin, "owner");
    }

    function test_AnOfferOfTheTimelockIsTakenBackOrMadeAnew() public {
        vm.prank(admin);
        lock.transferOwnership(stranger);
        vm.warp(START + DELAY);
        vm.prank(admin);
        lock.transferOwnership(borrower);
        vm.expectRevert(abi.encodeWithSelector(OracleTimelock.HandoverTooEarly.selector, START + 2 * DELAY));
        vm.prank(borrower);
        lock.acceptOwnership();
        vm.prank(admin);
        lock.transferOwnership(address(0));
        vm.warp(START + 2 * DELAY);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", borrower));
        vm.prank(borrower);
        lock.acceptOwnership();
        vm.assertEq(lock.owner(), admin, "still the admin's");
    }

    /// @dev Whatever is announced, taken back and done at whatever times: what is done was announced the delay ago, and
    /// not taken back since.
    function testFuzz_NoOrderOfCallsDoesAnythingEarly(uint256 seed) public {
        uint256 time = START;
        for (uint256 i = 0; i < 24; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            time += random % 4 days;
            vm.warp(time);
            bytes memory call =
                abi.encodeCall(oracle.addSubmitter, (address(uint160(1 + (random >> 64) % 3))));
            bytes32 id = keccak256(call);
            uint256 action = (random >> 128) % 3;
            bool listed = oracle.isSubmitter(address(uint160(1 + (random >> 64) % 3)));
            uint256 from = _announced[id] + DELAY;
            vm.prank(admin);
            if (action == 0) {
                bool free = _announced[id] == 0 || time > from + 14 days;
                (bool ok,) = address(lock).call(abi.encodeCall(lock.schedule, (call)));
                vm.assertEq(ok, free, "announced once");
                if (ok) _announced[id] = time;
            } else if (action == 1) {
                (bool ok,) = address(lock).call(abi.encodeCall(lock.cancel, (id)));
                vm.assertEq(ok, _announced[id] != 0, "taken back");
                _announced[id] = 0;
            } else {
                (bool ok,) = address(lock).call(abi.encodeCall(lock.execute, (call)));
                bool inTime = _announced[id] != 0 && time >= from && time <= from + 14 days;
                vm.assertEq(ok, inTime && !listed, "done in time only");
                if (ok) _announced[id] = 0;
            }
        }
    }
}
