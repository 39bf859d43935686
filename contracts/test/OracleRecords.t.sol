// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IdealVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice What a proof leaves: the record, its events, its packing, and what it costs to write.
contract OracleRecordsTest is OracleFixture {
    function test_InterfaceIdsAreTheStandards() public view {
        vm.assertTrue(type(IERCZKMLVerifier).interfaceId == bytes4(0x5df65472), "verifier interface id");
        vm.assertTrue(IERCZKMLVerifier.verifyInference.selector == bytes4(0x80b171ef), "selector");
        vm.assertTrue(oracle.supportsInterface(0x5df65472), "ERC-7992");
        vm.assertTrue(oracle.supportsInterface(type(IInferenceOracle).interfaceId), "IInferenceOracle");
        vm.assertTrue(oracle.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertFalse(oracle.supportsInterface(0x29c6ba89), "the storage extension is not offered");
        vm.assertFalse(oracle.supportsInterface(0xffffffff), "the invalid id");
    }

    function test_AProvenScoreIsRecorded() public {
        Statement memory s = statement(7, 123_456);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory data = callOf(s);
        vm.expectEmit(address(oracle));
        emit IERCZKMLVerifier.InferenceVerified(creditModel, commitment, abi.encode(s.values), submitter);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ScoreRecorded(borrower, creditModel, 123_456, 7);
        assertAccepted(data);

        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(borrower, creditModel);
        vm.assertEq(record.score, 123_456, "score");
        vm.assertEq(record.nonce, 7, "nonce");
        vm.assertEq(record.updatedAt, START, "updatedAt");
        vm.assertEq(record.deadline, START + 1 hours, "deadline");
        vm.assertEq(record.prover, submitter, "prover");
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 123_456, "latestScoreOf");
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 7, "nonceOf");
        vm.assertEq(
            oracle.inputCommitmentOf(creditModel, borrower, 7, s.deadline, bytes32(0)),
            commitment,
            "commitment"
        );
    }

    function test_ARecordIsWrittenByOneStore() public {
        for (uint256 nonce = 1; nonce <= 2; ++nonce) {
            bytes memory data = callOf(statement(nonce, 5));
            vm.record();
            assertAccepted(data);
            (, bytes32[] memory writes) = vm.accesses(address(oracle));
            vm.assertEq(writes.length, 1, "stores");
        }
    }

    function test_NoSlotIsReadTwiceForAProof() public {
        bytes memory data = callOf(statement(1, 5));
        vm.record();
        assertAccepted(data);
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(oracle));
        // Paused, the submitter, the approval, the record. A store is listed as a read, too.
        vm.assertEq(reads.length - writes.length, 4, "the oracle's reads");
        (reads,) = vm.accesses(address(registry));
        vm.assertEq(reads.length, 2, "the registry's reads");
    }

    function testFuzz_EveryFieldOfARecordSurvivesPacking(
        int64 score,
        uint64 last,
        uint256 lifetime,
        uint40 time,
        address subject
    ) public {
        uint256 id = registerModel(verificationData("wide", 0, 1, type(int64).min, type(int64).max));
        approve(id);
        vm.warp(bound(time, 1, type(uint40).max - oracle.MAX_REQUEST_LIFETIME()));
        last = uint64(bound(last, 1, type(uint64).max - 1));
        recordNonce(id, subject, last);
        Statement memory s = statement(uint256(last) + 1, score);
        s.modelId = id;
        s.subject = subject;
        s.deadline = uint64(block.timestamp + bound(lifetime, 0, oracle.MAX_REQUEST_LIFETIME()));
        assertAccepted(callOf(s));

        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(subject, id);
        vm.assertEq(record.score, score, "score");
        vm.assertEq(record.nonce, s.nonce, "nonce");
        vm.assertEq(record.updatedAt, block.timestamp, "updatedAt");
        vm.assertEq(record.deadline, s.deadline, "deadline");
        vm.assertEq(record.prover, submitter, "prover");
    }

    function test_PublicInputsAndSeveralOutputsAreProven() public {
        uint256 id = registerModel(verificationData("public", 3, 2, -100, 100));
        approve(id);
        Statement memory s = statement(1, 0);
        s.modelId = id;
        s.inputWords = new uint256[](3);
        (s.inputWords[0], s.inputWords[1], s.inputWords[2]) = (11, 0, 2 ** 200);
        s.values = new int256[](2);
        (s.values[0], s.values[1]) = (-100, 100);
        assertAccepted(callOf(s));
        vm.assertEq(oracle.latestScoreOf(borrower, id), -100, "the first output is the score");

        // The proof holds for these inputs and outputs only.
        bytes memory proof = prove(s);
        s.nonce = 2;
        bytes memory refusal = abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector);
        assertRefused(callWith(s, proof), refusal, "proof of another request");
        proof = prove(s);
        s.values[1] = 99;
        assertRefused(callWith(s, proof), refusal, "second output altered");
        s.values[1] = 100;
        bytes32 commitment = commitmentOf(s, address(oracle));
        s.inputWords[2] = 12;
        bytes memory data = abi.encodeCall(
            oracle.verifyInference, (id, commitment, abi.encode(s.values), encodeProof(s, proof))
        );
        assertRefused(
            data, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector), "input altered"
        );
    }

    function test_CheckInferenceAnswersAnyoneAndRecordsNothing() public {
        Statement memory s = statement(1, 42);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory output = abi.encode(s.values);
        bytes memory proof = encodeProof(s, prove(s));
        vm.prank(owner);
        oracle.pause();
        vm.prank(stranger);
        (address subject, int256 score) = oracle.checkInference(creditModel, commitment, output, proof);
        vm.assertEq(subject, borrower, "subject");
        vm.assertEq(score, 42, "score");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).updatedAt, 0, "nothing recorded");

        proof = encodeProof(s, abi.encode(uint256(1), uint256(1)));
        vm.expectRevert(IdealVerifier.IdealProofDoesNotHold.selector);
        oracle.checkInference(creditModel, commitment, output, proof);
    }
}
