// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "../interfaces/IVerdictVerifier.sol";
import {InferenceEncoding} from "../libraries/InferenceEncoding.sol";
import {ApprovedModels} from "./ApprovedModels.sol";

/// @title What a proof states
/// @notice Makes a proof's public values from a statement, and asks the model's verifier.
abstract contract Statements is ApprovedModels {
    /// @notice First word under every input commitment.
    bytes32 public constant DOMAIN = keccak256("verdict.inference.v2");

    /// @dev The circuit's context has 253 bits, which fit the field.
    uint256 private constant CONTEXT_MASK = (1 << 253) - 1;

    /// @dev Decodes a statement of one inference into `request`, which has the model's id, and makes sure that it is the
    /// one that is committed to.
    /// @param model Overwritten with the model.
    function _decode(
        InferenceEncoding.Request memory request,
        IModelRegistry.VerificationData memory model,
        bool attested,
        bytes32 inputCommitment,
        bytes calldata proof
    ) internal view returns (uint256[] calldata inputWords, bytes calldata zkProof) {
        (inputWords, zkProof) = InferenceEncoding.decodeProof(request, proof);
        request.inputs = InferenceEncoding.hashInputs(inputWords, 1, 0);
        _fetchModel(request, attested, model);
        if (model.batch != 1) revert BatchSizeMismatch(model.batch, 1);
        if (inputCommitment != InferenceEncoding.commitment(request)) revert InputCommitmentMismatch();
    }

    /// @dev Says to whom a request is, and fetches its model into `model`.
    function _fetchModel(
        InferenceEncoding.Request memory request,
        bool attested,
        IModelRegistry.VerificationData memory model
    ) internal view {
        request.verificationHash = _fetchApproved(request.modelId, attested, model);
        _address(request);
    }

    /// @dev Says to whom a request is.
    function _address(InferenceEncoding.Request memory request) internal view {
        request.domain = DOMAIN;
        request.chainId = block.chainid;
        request.oracle = address(this);
    }

    /// @dev Makes sure that the model's verifier accepts the proof.
    function _verify(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values,
        bytes calldata zkProof
    ) internal view {
        bytes4 selector = IVerdictVerifier.verify.selector;
        uint256 answer = _ask(selector, model, inputCommitment, inputWords, values, zkProof);
        bool accepted;
        assembly ("memory-safe") {
            accepted := and(gt(returndatasize(), 0x1f), eq(mload(answer), 1))
        }
        if (!accepted) revert InvalidProof();
    }

    /// @dev Asks the model's verifier about the proof: `verify` and `accumulate` take the same arguments. Its errors
    /// are the caller's.
    /// @return answer Where in memory the first twelve words of its answer lie, behind the free memory pointer.
    function _ask(
        bytes4 selector,
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values,
        bytes calldata zkProof
    ) internal view returns (uint256 answer) {
        _requireCounts(model, inputWords.length, values.length);
        // The call is put together from the calldata at once: selector, key, key hash, two offsets; the instances,
        // which are the context, the input words and the outputs; the proof, and zeros to a whole word.
        assembly ("memory-safe") {
            answer := mload(0x40)
            mstore(answer, selector)
            mstore(add(answer, 0x04), mload(add(model, 0x20)))
            mstore(add(answer, 0x24), mload(add(model, 0x40)))
            mstore(add(answer, 0x44), 0x80)
            let count := add(add(inputWords.length, values.length), 1)
            mstore(add(answer, 0x64), add(0xa0, shl(5, count)))
            mstore(add(answer, 0x84), count)
            mstore(add(answer, 0xa4), and(inputCommitment, CONTEXT_MASK))
            calldatacopy(add(answer, 0xc4), inputWords.offset, shl(5, inputWords.length))
            let at := add(add(answer, 0xa4), shl(5, count))
            mstore(at, zkProof.length)
            at := add(at, 0x20)
            mstore(add(at, zkProof.length), 0)
            calldatacopy(at, zkProof.offset, zkProof.length)
        }
        unchecked {
            _putOutputs(model, values, answer + 0xc4 + inputWords.length * 0x20);
        }
        assembly ("memory-safe") {
            let words := add(inputWords.length, values.length)
            let size := add(add(0xe4, shl(5, words)), and(add(zkProof.length, 0x1f), not(0x1f)))
            if iszero(staticcall(gas(), mload(model), answer, size, answer, 0x180)) {
                returndatacopy(answer, 0, returndatasize())
                revert(answer, returndatasize())
            }
        }
    }

    /// @dev As many input words and outputs as all inferences of a proof have.
    function _requireCounts(IModelRegistry.VerificationData memory model, uint256 inputs, uint256 outputs)
        private
        pure
    {
        unchecked {
            uint256 batch = model.batch;
            if (inputs != batch * model.publicInputs) {
                revert InputCountMismatch(batch * model.publicInputs, inputs);
            }
            if (outputs != batch * model.outputs) revert OutputCountMismatch(batch * model.outputs, outputs);
        }
    }

    /// @dev Writes the outputs less the smallest output to memory at `to`, each checked to be in range.
    function _putOutputs(IModelRegistry.VerificationData memory model, int256[] calldata values, uint256 to)
        private
        pure
    {
        (int256 min, int256 max) = (model.outputMin, model.outputMax);
        bool outside;
        assembly ("memory-safe") {
            let from := values.offset
            let end := add(from, shl(5, values.length))
            // What is below the smallest wraps around and is above the span.
            let span := sub(max, min)
            for {} lt(from, end) { from := add(from, 0x20) } {
                let word := sub(calldataload(from), min)
                outside := or(outside, gt(word, span))
                mstore(to, word)
                to := add(to, 0x20)
            }
        }
        if (outside) _refuseOutput(model, values);
    }

    /// @dev Reverts with the first output that is out of range.
    function _refuseOutput(IModelRegistry.VerificationData memory model, int256[] calldata values)
        private
        pure
    {
        (int256 min, int256 max, uint256 batch) = (model.outputMin, model.outputMax, model.batch);
        for (uint256 i = 0; i < values.length; ++i) {
            int256 value = values[i];
            if (value >= min && value <= max) continue;
            bytes4 selector = OutputOutOfRange.selector;
            _refuse(batch, i % batch, abi.encodeWithSelector(selector, i / batch, value, min, max));
        }
    }

    /// @dev Reverts with an inference's error, if it has one. In a batch the error is wrapped, to say which
    /// inference's it is.
    function _refuse(uint256 batch, uint256 index, bytes memory reason) internal pure {
        if (reason.length == 0) return;
        if (batch > 1) revert InferenceRefused(index, reason);
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }
}
