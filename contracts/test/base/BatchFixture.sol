// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {OracleFixture} from "./OracleFixture.sol";

/// @notice Batches of inferences beside the single ones.
abstract contract BatchFixture is OracleFixture {
    /// @dev What one call of `verifyInferenceBatch` says. Input words and values come word by word: the first
    /// of every inference, then the second of every one.
    struct Batch {
        uint256 modelId;
        address[] subjects;
        uint256[] nonces;
        uint256[] deadlines;
        uint256[] inputWords;
        int256[] values;
    }

    /// @dev A model whose proofs are of `size` inferences, with outputs as the credit model's.
    function batchModel(uint8 size, uint16 publicInputs, uint16 outputs) internal returns (uint256 id) {
        IModelRegistry.VerificationData memory data =
            verificationData(string(abi.encodePacked("batch", size)), publicInputs, outputs, 0, 1_000_000);
        data.batch = size;
        id = registerModel(data);
        approve(id);
    }

    /// @dev Requests about `size` subjects, with the nonce each.
    function batchOf(uint256 modelId, uint256 size, uint256 nonce) internal view returns (Batch memory b) {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        b.modelId = modelId;
        b.subjects = new address[](size);
        b.nonces = new uint256[](size);
        b.deadlines = new uint256[](size);
        b.inputWords = new uint256[](size * data.publicInputs);
        b.values = new int256[](size * data.outputs);
        for (uint256 i = 0; i < size; ++i) {
            b.subjects[i] = address(uint160(uint256(keccak256(abi.encode("subject", i)))));
            b.nonces[i] = nonce;
            b.deadlines[i] = block.timestamp + 1 hours + i;
        }
        for (uint256 i = 0; i < b.inputWords.length; ++i) {
            b.inputWords[i] = 1000 + i;
        }
        for (uint256 i = 0; i < b.values.length; ++i) {
            b.values[i] = int256(500_000 + i);
        }
    }

    /// @dev The request of inference `index`, as a statement of its own.
    function requestOf(Batch memory b, uint256 index) internal pure returns (Statement memory s) {
        uint256 size = b.subjects.length;
        s.modelId = b.modelId;
        s.subject = b.subjects[index];
        s.nonce = b.nonces[index];
        s.deadline = uint64(b.deadlines[index]);
        s.inputWords = new uint256[](b.inputWords.length / size);
        for (uint256 i = 0; i < s.inputWords.length; ++i) {
            s.inputWords[i] = b.inputWords[i * size + index];
        }
    }

    function batchCommitmentOf(Batch memory b) internal view returns (bytes32) {
        bytes32[] memory commitments = new bytes32[](b.subjects.length);
        for (uint256 i = 0; i < commitments.length; ++i) {
            commitments[i] = commitmentOf(requestOf(b, i), address(oracle));
        }
        return keccak256(abi.encode(keccak256("verdict.batch.v1"), commitments));
    }

    function proveBatch(Batch memory b) internal view returns (bytes memory) {
        Statement memory s;
        (s.modelId, s.inputWords, s.values) = (b.modelId, b.inputWords, b.values);
        return proveFor(s, batchCommitmentOf(b));
    }

    function packed(Batch memory b) internal pure returns (uint256[] memory requests) {
        requests = new uint256[](b.subjects.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            requests[i] = uint256(uint160(b.subjects[i])) << 96 | b.nonces[i] << 40 | b.deadlines[i];
        }
    }

    /// @dev The whole call with an honest proof.
    function batchCall(Batch memory b) internal view returns (bytes memory) {
        return batchCallWith(b, proveBatch(b));
    }

    function batchCallWith(Batch memory b, bytes memory zkProof) internal view returns (bytes memory) {
        bytes memory proof = abi.encode(packed(b), b.inputWords, zkProof);
        return abi.encodeCall(
            oracle.verifyInferenceBatch, (b.modelId, batchCommitmentOf(b), abi.encode(b.values), proof)
        );
    }

    /// @dev Hash of the records of all the batch's subjects.
    function recordsOf(Batch memory b) internal view returns (bytes32) {
        return keccak256(abi.encode(oracle.scoresOf(b.subjects, b.modelId)));
    }

    /// @dev The call fails with exactly `reason`, and no record of the batch changes.
    function assertBatchRefused(Batch memory b, bytes memory data, bytes memory reason, string memory what)
        internal
    {
        bytes32 before = recordsOf(b);
        (bool ok, bytes memory answer) = send(submitter, data);
        vm.assertFalse(ok, string.concat("accepted: ", what));
        vm.assertEq(answer, reason, what);
        vm.assertEq(recordsOf(b), before, what);
    }
}
