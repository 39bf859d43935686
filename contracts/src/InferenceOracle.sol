// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLVerifier} from "./interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "./interfaces/IVerdictVerifier.sol";
import {InferenceEncoding} from "./libraries/InferenceEncoding.sol";
import {HALO2_KZG_BN254_V1} from "./libraries/ProofSystem.sol";
import {ApprovedModels} from "./oracle/ApprovedModels.sol";
import {ScoreRecords} from "./oracle/ScoreRecords.sol";

/// @title Oracle of proven model scores
/// @notice Records a score when, and only when, a proof shows that an approved model computed it for exactly
/// this request. A proof of a batch records a score for each of its requests, or none.
///
/// What a record proves: the approved model, run on SOME inputs that the prover knew, gave this score, and
/// the proof was made for this chain, oracle, model, subject, nonce and deadline. With private inputs nothing
/// yet proves where the inputs came from. That is what the list of submitters is for: they vouch for the inputs.
///
/// Trust: the owner chooses models and submitters and may pause recording. The owner can neither write,
/// change nor delete a score, nor stop anyone from reading one. An approved model cannot change afterwards:
/// the approval pins its verification data and its verifier's code, and the verifier checks the key's code.
///
/// Replay: a nonce only ever grows, and the proof is bound to it. Two submitters who hold the same proof race
/// for being named as its prover, nothing else.
///
/// Reentrancy: registry and verifiers are called by STATICCALL only, so nothing they call can record.
contract InferenceOracle is IInferenceOracle, ApprovedModels, ScoreRecords, Pausable, ERC165 {
    /// @notice First word under every input commitment.
    bytes32 public constant DOMAIN = keccak256("verdict.inference.v2");
    /// @notice First word under a batch's commitment.
    bytes32 public constant BATCH_DOMAIN = keccak256("verdict.batch.v1");
    /// @notice The proof system of every model here.
    bytes4 public constant PROOF_SYSTEM_ID = HALO2_KZG_BN254_V1;

    /// @dev The circuit's context has 253 bits, which fit the field.
    uint256 private constant CONTEXT_MASK = (1 << 253) - 1;

    /// @param registry_ The model registry.
    /// @param initialOwner Who chooses models and submitters.
    /// @param timeToLive_ Seconds for which a score stays fresh. Fixed, so that consumers can rely on it.
    constructor(address registry_, address initialOwner, uint256 timeToLive_)
        Ownable(initialOwner)
        ApprovedModels(registry_)
        ScoreRecords(timeToLive_)
    {}

    // ------------------------------------------------------------ one inference

    /// @inheritdoc IERCZKMLVerifier
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external override whenNotPaused {
        uint256 submitter = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        int256 score = _check(request, false, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        _refuse(1, 0, _record(request, score, submitter));
    }

    /// @inheritdoc IInferenceOracle
    function verifyAttestedInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        bytes calldata attestations
    ) external override whenNotPaused {
        uint256 witnesses = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        int256 score = _check(request, true, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof, attestations);
        witnesses |= _requireAttested(request, attestations) << 16;
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        _refuse(1, 0, _record(request, score, witnesses));
    }

    /// @inheritdoc IInferenceOracle
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external view override returns (address subject, int256 score) {
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        score = _check(request, false, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        subject = request.subject;
        _refuse(1, 0, _refusal(request, nonceOf(subject, modelId)));
    }

    /// @dev Decodes the statement into `request`, which has the model's id, and checks that its proof holds.
    function _check(
        InferenceEncoding.Request memory request,
        bool attested,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) private view returns (int256) {
        (uint256[] calldata inputWords, bytes calldata zkProof) =
            InferenceEncoding.decodeProof(request, proof);
        request.inputs = InferenceEncoding.hashInputs(inputWords, 1, 0);
        IModelRegistry.VerificationData memory model;
        _fetchModel(request, attested, model);
        if (model.batch != 1) revert BatchSizeMismatch(model.batch, 1);
        if (inputCommitment != InferenceEncoding.commitment(request)) revert InputCommitmentMismatch();
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        _verify(model, inputCommitment, inputWords, values, zkProof);
        return values[0];
    }

    // ------------------------------------------------------------------ batches

    /// @inheritdoc IInferenceOracle
    function verifyInferenceBatch(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external override whenNotPaused {
        uint256 submitter = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        IModelRegistry.VerificationData memory model;
        _fetchModel(request, false, model);
        _verifyBatch(model, inputCommitment, output, proof);
        // Decoded once more: all parts of the statement at once are too many for the stack.
        if (inputCommitment != _recordBatch(request, submitter, output, proof)) {
            revert InputCommitmentMismatch();
        }
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @dev Checks the encoding, the numbers of requests, input words and outputs, and the proof.
    function _verifyBatch(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) private view {
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        (uint256[] calldata requests, uint256[] calldata inputWords, bytes calldata zkProof) =
            InferenceEncoding.decodeBatchProof(proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        if (model.batch == 1 || model.batch != requests.length) {
            revert BatchSizeMismatch(model.batch, requests.length);
        }
        _verify(model, inputCommitment, inputWords, values, zkProof);
    }

    /// @dev Records each inference's first output under its request and returns the batch's commitment.
    function _recordBatch(
        InferenceEncoding.Request memory request,
        uint256 submitter,
        bytes calldata output,
        bytes calldata proof
    ) private returns (bytes32) {
        (uint256[] calldata requests, uint256[] calldata inputWords,) =
            InferenceEncoding.decodeBatchProof(proof);
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        return _recordEach(request, submitter, requests, inputWords, values);
    }

    /// @dev A subject that is in the batch twice needs growing nonces, as in two transactions.
    /// @param request What all requests have in common. The rest is overwritten.
    function _recordEach(
        InferenceEncoding.Request memory request,
        uint256 submitter,
        uint256[] calldata requests,
        uint256[] calldata inputWords,
        int256[] calldata values
    ) private returns (bytes32) {
        uint256 size = requests.length;
        bytes32[] memory words = InferenceEncoding.batchWords(BATCH_DOMAIN, size);
        unchecked {
            for (uint256 i = 0; i < size; ++i) {
                InferenceEncoding.unpack(requests[i], request);
                request.inputs = InferenceEncoding.hashInputs(inputWords, size, i);
                words[3 + i] = InferenceEncoding.commitment(request);
                bytes memory refusal = _record(request, values[i], submitter);
                _refuse(size, i, refusal);
            }
        }
        return InferenceEncoding.hashWords(words);
    }

    // ------------------------------------------------------------- every proof

    /// @dev Says to whom a request is, and fetches its model into `model`.
    function _fetchModel(
        InferenceEncoding.Request memory request,
        bool attested,
        IModelRegistry.VerificationData memory model
    ) private view {
        request.verificationHash = _fetchApproved(request.modelId, attested, model);
        _address(request);
    }

    /// @dev Says to whom a request is.
    function _address(InferenceEncoding.Request memory request) private view {
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
    ) private view {
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
    ) private pure returns (uint256[] memory instances) {
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
    function _refuse(uint256 batch, uint256 index, bytes memory reason) private pure {
        if (reason.length == 0) return;
        if (batch > 1) revert InferenceRefused(index, reason);
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    /// @inheritdoc IInferenceOracle
    function inputCommitmentOf(
        uint256 modelId,
        address subject,
        uint256 nonce,
        uint64 deadline,
        bytes32 inputs
    ) external view override returns (bytes32) {
        InferenceEncoding.Request memory request;
        _address(request);
        request.modelId = modelId;
        request.verificationHash = InferenceEncoding.hashVerification(_activeModel(modelId));
        (request.subject, request.nonce, request.deadline) = (subject, nonce, deadline);
        request.inputs = inputs;
        return InferenceEncoding.commitment(request);
    }

    // -------------------------------------------------------------- governance

    /// @inheritdoc IInferenceOracle
    function pause() external override onlyOwner {
        _pause();
    }

    /// @inheritdoc IInferenceOracle
    function unpause() external override onlyOwner {
        _unpause();
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId
            || interfaceId == type(IInferenceOracle).interfaceId || super.supportsInterface(interfaceId);
    }
}
