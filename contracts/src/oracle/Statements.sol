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

    /// @dev Packs the instances and calls the model's verifier.
    function _verify(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values,
        bytes calldata zkProof
    ) internal view {
        uint256[] memory instances = _instances(model, inputCommitment, inputWords, values);
        if (!IVerdictVerifier(model.verifier).verify(model.key, model.keyHash, instances, zkProof)) {
            revert InvalidProof();
        }
    }

    /// @dev Packs [context, input words, outputs less the smallest output], each output checked to be in range.
    function _instances(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values
    ) internal pure returns (uint256[] memory instances) {
        (uint256 batch, uint256 inputs) = (model.batch, inputWords.length);
        if (inputs != batch * model.publicInputs) {
            revert InputCountMismatch(batch * model.publicInputs, inputs);
        }
        if (values.length != batch * model.outputs) {
            revert OutputCountMismatch(batch * model.outputs, values.length);
        }

        instances = new uint256[](1 + inputs + values.length);
        instances[0] = uint256(inputCommitment) & CONTEXT_MASK;
        (int256 min, int256 max) = (model.outputMin, model.outputMax);
        bool outside;
        assembly ("memory-safe") {
            // The input words follow the array's length and its first element, the outputs follow them.
            let to := add(instances, 0x40)
            calldatacopy(to, inputWords.offset, mul(inputs, 0x20))
            to := add(to, mul(inputs, 0x20))
            let from := values.offset
            let end := add(from, mul(values.length, 0x20))
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
