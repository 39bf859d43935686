// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictAccumulator} from "../src/interfaces/IVerdictAccumulator.sol";
import {ProofCombiner} from "../src/router/ProofCombiner.sol";
import {PairingSum} from "../src/libraries/PairingSum.sol";
import {VerifierEmergencyStop} from "../src/router/VerifierEmergencyStop.sol";
import {VerifierRouter} from "../src/router/VerifierRouter.sol";
import {IdealAccumulator, IdealVerifier, PairedVerifier} from "./base/IdealVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

/// @notice Leaves points behind that are none, and nothing of G2.
contract Astray {
    function accumulate(address, bytes32, uint256[] calldata, bytes calldata)
        external
        pure
        returns (uint256[12] memory pairing)
    {
        (pairing[0], pairing[6]) = (1, 1);
    }
}

/// @notice Answers with some bytes whatever it is asked.
contract Terse {
    uint256 private immutable length;

    constructor(uint256 length_) {
        length = length_;
    }

    fallback() external {
        uint256 size = length;
        assembly ("memory-safe") {
            return(0x80, size)
        }
    }
}

/// @notice Takes long, and says in its own words that it could not.
contract LongVerifier {
    error NotFound();

    IdealAccumulator private immutable behind = new IdealAccumulator(false);
    uint256 private immutable rounds;

    constructor(uint256 rounds_) {
        rounds = rounds_;
    }

    function work() external view returns (bytes32 hash) {
        for (uint256 i = 0; i < rounds; ++i) {
            hash = keccak256(abi.encode(hash));
        }
    }

    function accumulate(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        returns (uint256[12] memory pairing)
    {
        try this.work() {}
        catch {
            revert NotFound();
        }
        return behind.accumulate(key, keyHash, instances, proof);
    }
}

/// @notice Several proofs for one pairing, without an oracle. Real proofs are combined in the generator's tests.
contract ProofCombinerTest is TestBase {
    ProofCombiner private combiner;
    IdealAccumulator private verifier;

    function setUp() public {
        combiner = new ProofCombiner();
        verifier = new IdealAccumulator(false);
    }

    /// @dev A proof whose F is `multiple` of the right one.
    function proof(IdealAccumulator by, uint256 instance, uint256 multiple)
        private
        view
        returns (ProofCombiner.Proof memory)
    {
        (address key, bytes32 keyHash) = (address(this), address(this).codehash);
        uint256[] memory instances = new uint256[](1);
        instances[0] = instance;
        (bytes32 hash,) = abi.decode(by.prove(key, keyHash, instances), (bytes32, uint256));
        return ProofCombiner.Proof(by, key, keyHash, instances, abi.encode(hash, multiple));
    }

    function list(uint256 first, uint256 second, uint256 third)
        private
        view
        returns (ProofCombiner.Proof[] memory proofs)
    {
        proofs = new ProofCombiner.Proof[](3);
        (proofs[0], proofs[1]) = (proof(verifier, 1, first), proof(verifier, 2, second));
        proofs[2] = proof(verifier, 3, third);
    }

    function refusal(uint256 index, bytes4 reason) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(ProofCombiner.ProofRefused.selector, index, abi.encodeWithSelector(reason));
    }

    function test_ProofsThatHoldAreAccepted() public view {
        vm.assertTrue(combiner.verifyAll(list(1, 1, 1)), "three");
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_OneThatDoesNotHoldIsNamed(uint256 index, uint128 multiple) public {
        index = bound(index, 0, 2);
        vm.assume(multiple != 1);
        uint256[3] memory multiples = [uint256(1), 1, 1];
        multiples[index] = multiple;
        ProofCombiner.Proof[] memory proofs = list(multiples[0], multiples[1], multiples[2]);
        vm.expectRevert(refusal(index, ProofCombiner.PairingFailed.selector));
        combiner.verifyAll(proofs);
    }

    function test_ErrorsThatCancelOutAreFound() public {
        ProofCombiner.Proof[] memory proofs = list(0, 2, 1);
        vm.expectRevert(refusal(0, ProofCombiner.PairingFailed.selector));
        combiner.verifyAll(proofs);
    }

    function testFuzz_TooLittleGasNamesNoProof(uint256 gas_) public {
        verifier = new PairedVerifier();
        bytes memory data = abi.encodeCall(combiner.verifyAll, (list(1, 1, 1)));
        (bool ok, bytes memory answer) = address(combiner).staticcall{gas: bound(gas_, 0, 800_000)}(data);
        if (ok || answer.length == 0) return;
        vm.assertEq(answer, abi.encodeWithSelector(PairingSum.NotEnoughGas.selector), "no index");
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_TooLittleGasNamesNoProofHoweverLongItsCheckIs(uint256 rounds, uint256 part) public {
        ProofCombiner.Proof[] memory proofs = list(1, 1, 1);
        proofs[1].verifier = IVerdictAccumulator(address(new LongVerifier(bound(rounds, 1000, 60_000))));
        uint256 before = gasleft();
        combiner.verifyAll(proofs);
        uint256 gas_ = (before - gasleft()) * bound(part, 20, 100) / 100;
        (bool ok, bytes memory answer) =
            address(combiner).staticcall{gas: gas_}(abi.encodeCall(combiner.verifyAll, (proofs)));
        if (ok || answer.length == 0) return;
        vm.assertEq(answer, abi.encodeWithSelector(PairingSum.NotEnoughGas.selector), "no index");
    }

    function test_WhatIsNoAnswerOfAVerifierIsRefusedByItsIndex() public {
        ProofCombiner.Proof[] memory proofs = list(1, 1, 1);
        uint256[4] memory lengths = [uint256(0), 0x20, 0x17f, 0x1a0];
        for (uint256 i = 0; i < 4; ++i) {
            address terse = address(new Terse(lengths[i]));
            proofs[i % 3].verifier = IVerdictAccumulator(terse);
            vm.expectRevert(abi.encodeWithSelector(ProofCombiner.NoVerifier.selector, i % 3, terse));
            combiner.verifyAll(proofs);
            proofs[i % 3].verifier = verifier;
        }
        address delegated = named("delegated");
        vm.etch(delegated, abi.encodePacked(hex"ef0100", address(verifier)));
        proofs[1].verifier = IVerdictAccumulator(delegated);
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.NoVerifier.selector, 1, delegated));
        combiner.verifyAll(proofs);
    }

    function test_AStopAndARouterMayStandBeforeAVerifier() public {
        VerifierEmergencyStop stop = new VerifierEmergencyStop(verifier, address(this));
        VerifierRouter router = new VerifierRouter(address(this));
        router.addVerifier(0x11111111, address(stop));
        ProofCombiner.Proof[] memory proofs = list(1, 1, 1);
        proofs[0].verifier = stop;
        (proofs[2].verifier, proofs[2].proof) = (router, bytes.concat(hex"11111111", proofs[2].proof));
        vm.assertTrue(combiner.verifyAll(proofs), "by all ways");
        stop.stop();
        vm.expectRevert(refusal(0, VerifierEmergencyStop.VerifierStopped.selector));
        combiner.verifyAll(proofs);
        proofs[0].verifier = verifier;
        vm.expectRevert(refusal(2, VerifierEmergencyStop.VerifierStopped.selector));
        combiner.verifyAll(proofs);
        router.removeVerifier(0x11111111);
        bytes memory reason =
            abi.encodeWithSelector(VerifierRouter.SelectorRemoved.selector, bytes4(0x11111111));
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.ProofRefused.selector, 2, reason));
        combiner.verifyAll(proofs);
        proofs[2].proof = hex"111111";
        reason = abi.encodeWithSelector(VerifierRouter.ProofTooShort.selector, 3);
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.ProofRefused.selector, 2, reason));
        combiner.verifyAll(proofs);
    }

    function test_WhatCannotBeCombinedIsRefused() public {
        ProofCombiner.Proof[] memory proofs = new ProofCombiner.Proof[](0);
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.NoProofs.selector));
        combiner.verifyAll(proofs);

        proofs = list(1, 1, 1);
        proofs[1].instances[0] = 7;
        vm.expectRevert(refusal(1, IdealVerifier.IdealProofDoesNotHold.selector));
        combiner.verifyAll(proofs);

        proofs = list(1, 1, 1);
        proofs[2] = proof(new IdealAccumulator(true), 3, 1);
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.OtherReferenceString.selector, 2));
        combiner.verifyAll(proofs);

        proofs = new ProofCombiner.Proof[](2);
        proofs[0] = proof(verifier, 1, 1);
        proofs[0].verifier = IVerdictAccumulator(address(new Astray()));
        proofs[1] = proofs[0];
        vm.expectRevert(PairingSum.NotOnCurve.selector);
        combiner.verifyAll(proofs);

        proofs = list(1, 1, 1);
        address nobody = named("nobody");
        proofs[2].verifier = IVerdictAccumulator(nobody);
        vm.expectRevert(abi.encodeWithSelector(ProofCombiner.NoVerifier.selector, 2, nobody));
        combiner.verifyAll(proofs);
    }
}
