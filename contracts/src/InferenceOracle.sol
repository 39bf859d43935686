// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLVerifier} from "./interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "./interfaces/IVerdictVerifier.sol";
import {InferenceEncoding} from "./libraries/InferenceEncoding.sol";
import {HALO2_KZG_BN254_V1} from "./libraries/ProofSystem.sol";

/// @title Oracle of proven model scores
/// @notice Records a score when, and only when, a proof shows that an approved model computed it for exactly
/// this request.
///
/// What a record proves: the approved model, run on SOME inputs that the prover knew, gave this score, and
/// the proof was made for this chain, oracle, subject, nonce and deadline. With private inputs nothing yet
/// proves where the inputs came from. That is what the list of submitters is for: they vouch for the inputs.
///
/// Trust: the owner chooses models and submitters and may pause recording. The owner can neither write,
/// change nor delete a score, nor stop anyone from reading one. An approved model cannot change afterwards
/// (see `IModelRegistry`); approval names the verifier's code hash, so it covers what was reviewed.
///
/// Replay: a subject's nonce only ever grows, and the proof is bound to it. Two submitters who hold the same
/// proof race for being named as its prover, nothing else.
contract InferenceOracle is IInferenceOracle, Ownable2Step, Pausable, ERC165 {
    /// @dev One record fits one storage slot; the submitter is an index into `_submitters`, plus one.
    struct PackedRecord {
        int64 score;
        uint64 nonce;
        uint40 updatedAt;
        uint40 deadline;
        uint32 modelId;
        uint16 submitter;
    }

    /// @dev `number` is the submitter's index plus one and never changes once given.
    struct Submitter {
        uint16 number;
        bool allowed;
    }

    /// @notice First word under every input commitment.
    bytes32 public constant DOMAIN = keccak256("verdict.inference.v1");
    /// @notice The proof system of every model here.
    bytes4 public constant PROOF_SYSTEM_ID = HALO2_KZG_BN254_V1;
    /// @notice Longest time in seconds between recording and a request's deadline.
    uint256 public constant MAX_REQUEST_LIFETIME = 30 days;
    /// @notice Largest time to live, in seconds.
    uint256 public constant MAX_TIME_TO_LIVE = 365 days;

    /// @dev The circuit's context has 253 bits, which fit the field.
    uint256 private constant CONTEXT_MASK = (1 << 253) - 1;

    /// @inheritdoc IERCZKMLVerifier
    address public immutable override registry;
    /// @inheritdoc IInferenceOracle
    uint256 public immutable override timeToLive;

    mapping(address subject => PackedRecord) private _records;
    mapping(uint256 modelId => bool) private _approved;
    mapping(address submitter => Submitter) private _submitterOf;
    address[] private _submitters;

    /// @param registry_ The model registry.
    /// @param initialOwner Who chooses models and submitters.
    /// @param timeToLive_ Seconds for which a score stays fresh. Fixed, so that consumers can rely on it.
    constructor(address registry_, address initialOwner, uint256 timeToLive_) Ownable(initialOwner) {
        if (registry_.code.length == 0) revert RegistryHasNoCode(registry_);
        if (timeToLive_ == 0 || timeToLive_ > MAX_TIME_TO_LIVE) revert InvalidTimeToLive(timeToLive_);
        registry = registry_;
        timeToLive = timeToLive_;
    }

    // ------------------------------------------------------------------ proofs

    /// @inheritdoc IERCZKMLVerifier
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external override whenNotPaused {
        Submitter memory submitter = _submitterOf[msg.sender];
        if (!submitter.allowed) revert SubmitterNotAllowed(msg.sender);

        (InferenceEncoding.Request memory request, int256 score) =
            _check(modelId, inputCommitment, output, proof);

        // Every cast below is safe: scores, nonces, deadlines and model ids were checked against the widths.
        _records[request.subject] = PackedRecord({
            score: int64(score),
            nonce: uint64(request.nonce),
            updatedAt: uint40(block.timestamp),
            deadline: uint40(request.deadline),
            modelId: uint32(modelId),
            submitter: submitter.number
        });
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        emit ScoreRecorded(request.subject, modelId, inputCommitment, score, request.nonce, request.deadline);
    }

    /// @inheritdoc IInferenceOracle
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external view override returns (address subject, int256 score) {
        InferenceEncoding.Request memory request;
        (request, score) = _check(modelId, inputCommitment, output, proof);
        subject = request.subject;
    }

    /// @dev Decodes the statement, checks that it may be recorded now, and that its proof holds.
    function _check(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        private
        view
        returns (InferenceEncoding.Request memory request, int256 score)
    {
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        uint256[] calldata inputWords;
        bytes calldata zkProof;
        (request, inputWords, zkProof) = InferenceEncoding.decodeProof(proof);
        InferenceEncoding.requireCanonicalCall(output, proof);

        if (!_approved[modelId]) revert ModelNotApproved(modelId);
        bytes32 expected = _commitment(
            request.subject, request.nonce, request.deadline, InferenceEncoding.hashInputs(inputWords)
        );
        if (inputCommitment != expected) revert InputCommitmentMismatch();
        _checkTimeAndNonce(request);

        _verify(modelId, inputCommitment, inputWords, values, zkProof);
        score = values[0];
    }

    /// @dev Fetches the model, packs its instances and calls its verifier.
    function _verify(
        uint256 modelId,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values,
        bytes calldata zkProof
    ) private view {
        IModelRegistry.VerificationData memory model = _activeModel(modelId);
        uint256[] memory instances = _instances(model, inputCommitment, inputWords, values);
        if (!IVerdictVerifier(model.verifier).verify(model.key, model.keyHash, instances, zkProof)) {
            revert InvalidProof();
        }
    }

    function _activeModel(uint256 modelId) private view returns (IModelRegistry.VerificationData memory) {
        (IModelRegistry.VerificationData memory model, bool deprecated) =
            IModelRegistry(registry).verificationOf(modelId);
        if (deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        return model;
    }

    function _checkTimeAndNonce(InferenceEncoding.Request memory request) private view {
        if (block.timestamp > request.deadline) revert DeadlineExpired(request.deadline, block.timestamp);
        uint256 latest = block.timestamp + MAX_REQUEST_LIFETIME;
        if (request.deadline > latest) revert DeadlineTooFar(request.deadline, latest);
        if (request.nonce > type(uint64).max) revert NonceTooLarge(request.nonce);
        uint256 last = _records[request.subject].nonce;
        if (request.nonce <= last) revert NonceAlreadyUsed(request.subject, request.nonce, last);
    }

    /// @dev Packs [context, input words, outputs less the smallest output], each output checked to be in range.
    function _instances(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        uint256[] calldata inputWords,
        int256[] calldata values
    ) private pure returns (uint256[] memory instances) {
        uint256 inputs = inputWords.length;
        if (inputs != model.publicInputs) revert InputCountMismatch(model.publicInputs, inputs);
        if (values.length != model.outputs) revert OutputCountMismatch(model.outputs, values.length);

        instances = new uint256[](1 + inputs + values.length);
        instances[0] = uint256(inputCommitment) & CONTEXT_MASK;
        assembly ("memory-safe") {
            // The input words follow the array's length and its first element.
            calldatacopy(add(instances, 0x40), inputWords.offset, mul(inputs, 0x20))
        }
        (int256 min, int256 max) = (model.outputMin, model.outputMax);
        for (uint256 i = 0; i < values.length; ++i) {
            int256 value = values[i];
            if (value < min || value > max) revert OutputOutOfRange(i, value, min, max);
            instances[1 + inputs + i] = uint256(value - min);
        }
    }

    function _commitment(address subject, uint256 nonce, uint256 deadline, bytes32 inputs)
        private
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(DOMAIN, block.chainid, address(this), subject, nonce, deadline, inputs));
    }

    // -------------------------------------------------------------- governance

    /// @inheritdoc IInferenceOracle
    function approveModel(uint256 modelId, bytes32 verifierCodeHash) external override onlyOwner {
        if (_approved[modelId]) revert ModelAlreadyApproved(modelId);
        if (modelId > type(uint32).max) revert ModelIdTooLarge(modelId);
        IModelRegistry.VerificationData memory model = _activeModel(modelId);
        bytes32 actual = model.verifier.codehash;
        if (actual != verifierCodeHash) {
            revert VerifierCodeMismatch(model.verifier, verifierCodeHash, actual);
        }
        _approved[modelId] = true;
        emit ModelApproved(modelId, model.verifier, model.key, model.keyHash);
    }

    /// @inheritdoc IInferenceOracle
    function revokeModel(uint256 modelId) external override onlyOwner {
        if (!_approved[modelId]) revert ModelNotApproved(modelId);
        _approved[modelId] = false;
        emit ModelRevoked(modelId);
    }

    /// @inheritdoc IInferenceOracle
    function addSubmitter(address submitter) external override onlyOwner {
        Submitter storage entry = _submitterOf[submitter];
        if (entry.allowed) revert SubmitterAlreadyAllowed(submitter);
        if (entry.number == 0) {
            if (_submitters.length == type(uint16).max) revert TooManySubmitters(type(uint16).max);
            _submitters.push(submitter);
            entry.number = uint16(_submitters.length);
        }
        entry.allowed = true;
        emit SubmitterAdded(submitter);
    }

    /// @inheritdoc IInferenceOracle
    function removeSubmitter(address submitter) external override onlyOwner {
        Submitter storage entry = _submitterOf[submitter];
        if (!entry.allowed) revert SubmitterNotAllowed(submitter);
        entry.allowed = false;
        emit SubmitterRemoved(submitter);
    }

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

    // ------------------------------------------------------------------- reads

    /// @inheritdoc IInferenceOracle
    function latestScore(address subject) external view override returns (int256 score) {
        return _fresh(subject).score;
    }

    /// @inheritdoc IInferenceOracle
    function latestScoreOf(address subject, uint256 modelId) external view override returns (int256 score) {
        PackedRecord memory record = _fresh(subject);
        if (record.modelId != modelId) revert ScoreOfOtherModel(subject, modelId, record.modelId);
        return record.score;
    }

    /// @inheritdoc IInferenceOracle
    function scoreOf(address subject) external view override returns (ScoreRecord memory) {
        PackedRecord memory record = _records[subject];
        return ScoreRecord({
            score: record.score,
            nonce: record.nonce,
            updatedAt: record.updatedAt,
            deadline: record.deadline,
            modelId: record.modelId,
            prover: record.submitter == 0 ? address(0) : _submitters[record.submitter - 1]
        });
    }

    /// @inheritdoc IInferenceOracle
    function isFresh(address subject) external view override returns (bool) {
        uint256 updatedAt = _records[subject].updatedAt;
        return updatedAt != 0 && block.timestamp <= updatedAt + timeToLive;
    }

    /// @inheritdoc IInferenceOracle
    function nonceOf(address subject) external view override returns (uint256) {
        return _records[subject].nonce;
    }

    /// @inheritdoc IInferenceOracle
    function isModelApproved(uint256 modelId) external view override returns (bool) {
        return _approved[modelId];
    }

    /// @inheritdoc IInferenceOracle
    function isSubmitter(address submitter) external view override returns (bool) {
        return _submitterOf[submitter].allowed;
    }

    /// @inheritdoc IInferenceOracle
    function inputCommitmentOf(address subject, uint256 nonce, uint64 deadline, bytes32 inputs)
        external
        view
        override
        returns (bytes32)
    {
        return _commitment(subject, nonce, deadline, inputs);
    }

    /// @inheritdoc IERCZKMLVerifier
    function proofSystemOf(uint256 modelId) external view override returns (bytes4) {
        (IModelRegistry.ModelCommitment memory commitment,,) = IModelRegistry(registry).getModel(modelId);
        return commitment.proofSystemId;
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId
            || interfaceId == type(IInferenceOracle).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev The record of a subject, or a revert when there is none or it is stale.
    function _fresh(address subject) private view returns (PackedRecord memory record) {
        record = _records[subject];
        if (record.updatedAt == 0) revert NoScore(subject);
        uint256 validUntil = record.updatedAt + timeToLive;
        if (block.timestamp > validUntil) revert StaleScore(subject, record.updatedAt, validUntil);
    }
}
