// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {VerifierEmergencyStop} from "../src/router/VerifierEmergencyStop.sol";
import {VerifierRouter} from "../src/router/VerifierRouter.sol";
import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {FalseVerifier, IdealVerifier} from "./base/IdealVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

/// @notice The router: each proof goes to its verifier, and a stop or a tombstone is for ever.
contract VerifierRouterTest is TestBase {
    bytes4 private constant FIRST = 0x11111111;
    bytes4 private constant SECOND = 0x22222222;

    address private owner = named("owner");
    address private guardian = named("guardian");
    address private stranger = named("stranger");
    address private key = named("key");
    IdealVerifier private ideal;
    VerifierEmergencyStop private stoppable;
    VerifierRouter private router;

    function setUp() public {
        vm.etch(key, hex"00aa");
        ideal = new IdealVerifier();
        stoppable = new VerifierEmergencyStop(ideal, guardian);
        router = new VerifierRouter(owner);
        vm.startPrank(owner);
        router.addVerifier(FIRST, address(stoppable));
        router.addVerifier(SECOND, address(new FalseVerifier()));
        vm.stopPrank();
    }

    function proofOf(uint256[] memory instances) private view returns (bytes memory) {
        return ideal.prove(key, key.codehash, instances);
    }

    function check(bytes memory proof, uint256[] memory instances) private view returns (bool) {
        return router.verify(key, key.codehash, instances, proof);
    }

    function testFuzz_AProofGoesToTheVerifierThatItNames(uint256[] memory instances, bytes4 other) public {
        bytes memory proof = proofOf(instances);
        vm.assertTrue(check(bytes.concat(FIRST, proof), instances), "its own");
        vm.assertFalse(check(bytes.concat(SECOND, proof), instances), "the other's word");
        vm.assume(other != FIRST && other != SECOND);
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.SelectorUnknown.selector, other));
        check(bytes.concat(other, proof), instances);
    }

    function testFuzz_AnAlteredProofIsRefused(uint256[] memory instances, uint256 at) public {
        bytes memory proof = bytes.concat(FIRST, proofOf(instances));
        at = 4 + at % (proof.length - 4);
        proof[at] = bytes1(uint8(proof[at]) ^ 1);
        vm.expectRevert(abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector));
        check(proof, instances);
    }

    function test_AProofWithoutASelectorIsRefused() public {
        for (uint256 length = 0; length < 4; ++length) {
            vm.expectRevert(abi.encodeWithSelector(VerifierRouter.ProofTooShort.selector, length));
            check(new bytes(length), new uint256[](0));
        }
    }

    function test_ARemovedSelectorNeverMeansAnotherVerifier() public {
        uint256[] memory instances = new uint256[](2);
        bytes memory proof = bytes.concat(FIRST, proofOf(instances));
        vm.expectEmit(address(router));
        emit VerifierRouter.VerifierRemoved(FIRST, address(stoppable));
        vm.startPrank(owner);
        router.removeVerifier(FIRST);
        bytes memory removed = abi.encodeWithSelector(VerifierRouter.SelectorRemoved.selector, FIRST);
        vm.expectRevert(removed);
        router.addVerifier(FIRST, address(stoppable));
        vm.expectRevert(removed);
        router.removeVerifier(FIRST);
        vm.stopPrank();
        vm.expectRevert(removed);
        check(proof, instances);
    }

    function test_OnlyTheOwnerAddsAndRemovesAndOnlyContracts() public {
        bytes memory unauthorized = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unauthorized);
        router.addVerifier(0x33333333, address(ideal));
        vm.expectRevert(unauthorized);
        router.removeVerifier(FIRST);
        vm.stopPrank();
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.SelectorInUse.selector, FIRST));
        router.addVerifier(FIRST, address(ideal));
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.NoVerifier.selector, stranger));
        router.addVerifier(0x33333333, stranger);
        vm.etch(stranger, abi.encodePacked(hex"ef0100", address(ideal)));
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.NoVerifier.selector, stranger));
        router.addVerifier(0x33333333, stranger);
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.SelectorUnknown.selector, bytes4(0x33333333)));
        router.removeVerifier(0x33333333);
        vm.stopPrank();
    }

    function test_ARouterKeepsAnOwnerWhoRemoves() public {
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.OwnershipCannotBeRenounced.selector));
        vm.prank(owner);
        router.renounceOwnership();
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        vm.prank(stranger);
        router.renounceOwnership();
        vm.assertEq(router.owner(), owner, "the owner");
    }

    function test_AStopStandsBeforeACodeThatStays() public {
        address[3] memory accounts = [address(0), stranger, named("delegated")];
        vm.etch(accounts[2], abi.encodePacked(hex"ef0100", address(ideal)));
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(VerifierEmergencyStop.NoVerifier.selector, accounts[i]));
            new VerifierEmergencyStop(IVerdictVerifier(accounts[i]), guardian);
        }
    }

    function test_AStopIsForEverAndTheGuardiansOnly() public {
        uint256[] memory instances = new uint256[](1);
        bytes memory proof = bytes.concat(FIRST, proofOf(instances));
        vm.assertTrue(check(proof, instances), "before");
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", owner));
        vm.prank(owner);
        stoppable.stop();
        vm.startPrank(guardian);
        vm.expectRevert(abi.encodeWithSelector(VerifierEmergencyStop.GuardianCannotBeRenounced.selector));
        stoppable.renounceOwnership();
        vm.expectEmit(address(stoppable));
        emit VerifierEmergencyStop.Stopped(guardian);
        stoppable.stop();
        bytes memory stopped = abi.encodeWithSelector(VerifierEmergencyStop.VerifierStopped.selector);
        vm.expectRevert(stopped);
        stoppable.stop();
        vm.stopPrank();
        vm.expectRevert(stopped);
        check(proof, instances);
        vm.expectRevert(stopped);
        router.accumulate(key, key.codehash, instances, proof);
        // The verifier behind it goes on for those who ask it themselves.
        vm.assertTrue(ideal.verify(key, key.codehash, instances, proofOf(instances)), "behind");
    }
}
