// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLRegistry} from "./interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "./interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "./interfaces/IVerdictVerifier.sol";
import {AccountCode} from "./libraries/AccountCode.sol";
import {InferenceEncoding} from "./libraries/InferenceEncoding.sol";
import {PackedRecord, PackedRecords} from "./libraries/PackedRecord.sol";
import {HALO2_KZG_BN254_V1} from "./libraries/ProofSystem.sol";

/// @title Oracle of proven model scores
/// @notice Records a score when, and only when, a proof shows that an approved model computed it for exactly
/// this request.
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
contract InferenceOracle is IInferenceOracle, Ownable2Step, Pausable, ERC165 {
    using AccountCode for address;

    /// @dev `number` is the submitter's index plus one and never changes once given.
    struct Submitter {
        uint16 number;
        bool allowed;
    }

    /// @notice First word under every input commitment.
    bytes32 public constant DOMAIN = keccak256("verdict.inference.v2");
    /// @notice The proof system of every model here.
    bytes4 public constant PROOF_SYSTEM_ID = HALO2_KZG_BN254_V1;
    /// @notice Longest time in seconds between recording and a request's deadline.
    uint256 public constant MAX_REQUEST_LIFETIME = 30 days;
    /// @notice Largest time to live, in seconds.
    uint256 public constant MAX_TIME_TO_LIVE = 365 days;

    /// @notice Largest distance of a request's nonce from the last one recorded.
    /// @dev Without a bound one request with the largest nonce would bar its subject for ever. With it that
    /// takes more than 10^16 transactions, while a thousand requests may be open or abandoned at a time.
    uint256 public constant MAX_NONCE_STEP = 1000;

    /// @dev The circuit's context has 253 bits, which fit the field.
    uint256 private constant CONTEXT_MASK = (1 << 253) - 1;

    /// @inheritdoc IERCZKMLVerifier
    address public immutable override registry;
    /// @inheritdoc IInferenceOracle
    uint256 public immutable override timeToLive;

    mapping(uint256 modelId => mapping(address subject => PackedRecord)) private _records;
    /// @dev Hash of what was approved (see `_pin`), or zero.
    mapping(uint256 modelId => bytes32) private _approved;
    mapping(address submitter => Submitter) private _submitterOf;
    address[] private _submitters;

    /// @param registry_ The model registry.
    /// @param initialOwner Who chooses models and submitters.
    /// @param timeToLive_ Seconds for which a score stays fresh. Fixed, so that consumers can rely on it.
    constructor(address registry_, address initialOwner, uint256 timeToLive_) Ownable(initialOwner) {
        if (registry_.code.length == 0) revert RegistryHasNoCode(registry_);
        if (registry_.isDelegation()) revert DelegatedAccount(registry_);
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

        // Scores, nonces and deadlines were checked against their widths.
        _records[modelId][request.subject] =
            PackedRecords.pack(score, request.nonce, block.timestamp, request.deadline, submitter.number);
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

        _verify(modelId, inputCommitment, request, inputWords, values, zkProof);
        score = values[0];
    }

    /// @dev Checks the request, packs the instances and calls the model's verifier.
    function _verify(
        uint256 modelId,
        bytes32 inputCommitment,
        InferenceEncoding.Request memory request,
        uint256[] calldata inputWords,
        int256[] calldata values,
        bytes calldata zkProof
    ) private view {
        IModelRegistry.VerificationData memory model = _checkRequest(
            modelId, inputCommitment, request, InferenceEncoding.hashInputs(inputWords)
        );
        uint256[] memory instances = _instances(model, inputCommitment, inputWords, values);
        if (!IVerdictVerifier(model.verifier).verify(model.key, model.keyHash, instances, zkProof)) {
            revert InvalidProof();
        }
    }

    /// @dev Fetches the model and checks that the commitment is that of a request which may be recorded now.
    function _checkRequest(
        uint256 modelId,
        bytes32 inputCommitment,
        InferenceEncoding.Request memory request,
        bytes32 inputs
    ) private view returns (IModelRegistry.VerificationData memory model) {
        bytes32 verificationHash;
        (model, verificationHash) = _approvedModel(modelId);
        if (inputCommitment != _commitment(modelId, verificationHash, request, inputs)) {
            revert InputCommitmentMismatch();
        }
        _checkTimeAndNonce(modelId, request);
    }

    /// @dev Fetches a model and makes sure that it still is what was approved.
    function _approvedModel(uint256 modelId)
        private
        view
        returns (IModelRegistry.VerificationData memory model, bytes32 verificationHash)
    {
        bytes32 approved = _approved[modelId];
        if (approved == 0) revert ModelNotApproved(modelId);
        model = _activeModel(modelId);
        verificationHash = InferenceEncoding.hashVerification(model);
        if (_pin(verificationHash, model.verifier.codehash) != approved) revert ModelChanged(modelId);
    }

    function _activeModel(uint256 modelId) private view returns (IModelRegistry.VerificationData memory) {
        (IModelRegistry.VerificationData memory model, bool deprecated) =
            IModelRegistry(registry).verificationOf(modelId);
        if (deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        return model;
    }

    function _checkTimeAndNonce(uint256 modelId, InferenceEncoding.Request memory request) private view {
        if (block.timestamp > request.deadline) revert DeadlineExpired(request.deadline, block.timestamp);
        uint256 latest = block.timestamp + MAX_REQUEST_LIFETIME;
        if (request.deadline > latest) revert DeadlineTooFar(request.deadline, latest);
        uint256 last = _records[modelId][request.subject].nonce();
        if (request.nonce <= last) revert NonceAlreadyUsed(request.subject, request.nonce, last);
        uint256 largest = Math.min(last + MAX_NONCE_STEP, type(uint64).max);
        if (request.nonce > largest) revert NonceTooFar(request.subject, request.nonce, largest);
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

    function _commitment(
        uint256 modelId,
        bytes32 verificationHash,
        InferenceEncoding.Request memory request,
        bytes32 inputs
    ) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN,
                block.chainid,
                address(this),
                modelId,
                verificationHash,
                request.subject,
                request.nonce,
                request.deadline,
                inputs
            )
        );
    }

    /// @dev What an approval holds on to for every proof.
    function _pin(bytes32 verificationHash, bytes32 verifierCodeHash) private pure returns (bytes32) {
        return keccak256(abi.encode(verificationHash, verifierCodeHash));
    }

    // -------------------------------------------------------------- governance

    /// @inheritdoc IInferenceOracle
    function approveModel(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash
    ) external override onlyOwner {
        if (_approved[modelId] != 0) {
            revert ModelAlreadyApproved(modelId);
        }
        _requireReviewed(modelId, commitment, data);
        _requireCode(data, verifierCodeHash);
        _approved[modelId] = _pin(InferenceEncoding.hashVerification(data), verifierCodeHash);
        emit ModelApproved(modelId, commitment, data, verifierCodeHash);
    }

    /// @dev The registry has what was reviewed.
    function _requireReviewed(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data
    ) private view {
        bytes32 expected = InferenceEncoding.hashVerification(data);
        bytes32 actual = InferenceEncoding.hashVerification(_activeModel(modelId));
        if (actual != expected) revert VerificationDataMismatch(modelId, expected, actual);
        (IERCZKMLRegistry.ModelCommitment memory registered,,) = IModelRegistry(registry).getModel(modelId);
        (expected, actual) = (keccak256(abi.encode(commitment)), keccak256(abi.encode(registered)));
        if (actual != expected) revert ModelCommitmentMismatch(modelId, expected, actual);
    }

    /// @dev Verifier and key have the code that was reviewed, and cannot get another.
    function _requireCode(IModelRegistry.VerificationData calldata data, bytes32 verifierCodeHash)
        private
        view
    {
        if (data.verifier.isDelegation()) revert DelegatedAccount(data.verifier);
        if (data.key.isDelegation()) revert DelegatedAccount(data.key);
        bytes32 actual = data.verifier.codehash;
        if (actual != verifierCodeHash) revert VerifierCodeMismatch(data.verifier, verifierCodeHash, actual);
        actual = data.key.codehash;
        if (actual != data.keyHash) revert KeyCodeMismatch(data.key, data.keyHash, actual);
    }

    /// @inheritdoc IInferenceOracle
    function revokeModel(uint256 modelId) external override onlyOwner {
        if (_approved[modelId] == 0) revert ModelNotApproved(modelId);
        _approved[modelId] = 0;
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
    function latestScoreOf(address subject, uint256 modelId) external view override returns (int256 score) {
        PackedRecord record = _records[modelId][subject];
        if (record.updatedAt() == 0) revert NoScore(subject, modelId);
        uint256 validUntil = record.updatedAt() + timeToLive;
        if (block.timestamp > validUntil) {
            revert StaleScore(subject, modelId, record.updatedAt(), validUntil);
        }
        return record.score();
    }

    /// @inheritdoc IInferenceOracle
    function scoreOf(address subject, uint256 modelId) external view override returns (ScoreRecord memory) {
        PackedRecord record = _records[modelId][subject];
        uint256 number = record.submitter();
        return ScoreRecord({
            score: record.score(),
            nonce: record.nonce(),
            updatedAt: record.updatedAt(),
            deadline: record.deadline(),
            prover: number == 0 ? address(0) : _submitters[number - 1]
        });
    }

    /// @inheritdoc IInferenceOracle
    function isFresh(address subject, uint256 modelId) external view override returns (bool) {
        uint256 updatedAt = _records[modelId][subject].updatedAt();
        return updatedAt != 0 && block.timestamp <= updatedAt + timeToLive;
    }

    /// @inheritdoc IInferenceOracle
    function nonceOf(address subject, uint256 modelId) external view override returns (uint256) {
        return _records[modelId][subject].nonce();
    }

    /// @inheritdoc IInferenceOracle
    function isModelApproved(uint256 modelId) external view override returns (bool) {
        return _approved[modelId] != 0;
    }

    /// @inheritdoc IInferenceOracle
    function isSubmitter(address submitter) external view override returns (bool) {
        return _submitterOf[submitter].allowed;
    }

    /// @inheritdoc IInferenceOracle
    function inputCommitmentOf(
        uint256 modelId,
        address subject,
        uint256 nonce,
        uint64 deadline,
        bytes32 inputs
    ) external view override returns (bytes32) {
        bytes32 verificationHash = InferenceEncoding.hashVerification(_activeModel(modelId));
        InferenceEncoding.Request memory request = InferenceEncoding.Request(subject, nonce, deadline);
        return _commitment(modelId, verificationHash, request, inputs);
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
}
