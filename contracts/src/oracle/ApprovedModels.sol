// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERCZKMLRegistry} from "../interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "../interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IInputVoucher} from "../interfaces/IInputVoucher.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {AccountCode} from "../libraries/AccountCode.sol";
import {InferenceEncoding} from "../libraries/InferenceEncoding.sol";
import {ModelStatus, PackedVerification} from "../libraries/PackedVerification.sol";

/// @title Models whose proofs an oracle accepts
/// @notice An approval pins a model's verification data and its verifier's code, and the verifier checks the
/// key's code: what was approved cannot change afterwards.
abstract contract ApprovedModels is IInferenceOracle, Ownable2Step {
    using AccountCode for address;

    /// @dev The bit of an approval that says that attestations are demanded.
    uint256 private constant ATTESTED = 1;
    /// @dev Hash of the policy that demands nothing, which is three words of zeros.
    bytes32 private constant NOTHING = keccak256(abi.encode(0, 0, 0));
    /// @dev A record has a bit for each signer.
    uint256 private constant MAX_SIGNERS = 32;

    /// @inheritdoc IERCZKMLVerifier
    address public immutable override registry;

    /// @dev Hash of what was approved (see `_pin`), or zero. Its lowest bit says whether attestations are demanded.
    mapping(uint256 modelId => bytes32) private _approved;
    mapping(uint256 modelId => AttestationPolicy) private _policies;
    /// @inheritdoc IInferenceOracle
    mapping(uint256 modelId => bytes32) public override demandOf;

    /// @param registry_ The model registry.
    constructor(address registry_) {
        if (registry_.code.length == 0) revert RegistryHasNoCode(registry_);
        if (registry_.isDelegation()) revert DelegatedAccount(registry_);
        registry = registry_;
    }

    /// @inheritdoc IInferenceOracle
    function approveModel(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash
    ) external override onlyOwner {
        _approve(modelId, commitment, data, verifierCodeHash, NOTHING);
    }

    /// @inheritdoc IInferenceOracle
    function approveAttestedModel(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash,
        AttestationPolicy calldata policy
    ) external override onlyOwner {
        if (policy.threshold == 0 || policy.threshold > MAX_SIGNERS) {
            revert InvalidThreshold(policy.threshold);
        }
        if (policy.signers.code.length == 0) revert RegistryHasNoCode(policy.signers);
        if (policy.signers.isDelegation()) revert DelegatedAccount(policy.signers);
        if (data.publicInputs == 0 || data.batch != 1) revert ModelNotAttestable(modelId);
        _approve(modelId, commitment, data, verifierCodeHash, keccak256(abi.encode(policy)));
        _approved[modelId] |= bytes32(ATTESTED);
        _policies[modelId] = policy;
        emit AttestationsDemanded(modelId, policy.signers, policy.schema, policy.threshold);
    }

    /// @inheritdoc IInferenceOracle
    function revokeModel(uint256 modelId) external override onlyOwner {
        if (_approved[modelId] == 0) revert ModelNotApproved(modelId);
        delete _approved[modelId];
        emit ModelRevoked(modelId);
    }

    /// @inheritdoc IInferenceOracle
    function isModelApproved(uint256 modelId) external view override returns (bool) {
        return _approved[modelId] != 0;
    }

    /// @inheritdoc IInferenceOracle
    function attestationPolicyOf(uint256 modelId)
        external
        view
        override
        returns (AttestationPolicy memory policy)
    {
        return _policies[modelId];
    }

    /// @inheritdoc IERCZKMLVerifier
    function proofSystemOf(uint256 modelId) external view override returns (bytes4) {
        (IModelRegistry.ModelCommitment memory commitment,,) = IModelRegistry(registry).getModel(modelId);
        return commitment.proofSystemId;
    }

    function _approve(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash,
        bytes32 demand
    ) private {
        if (_approved[modelId] != 0) {
            revert ModelAlreadyApproved(modelId);
        }
        // Records name their signers by what was demanded, so that it stays for all of the model's.
        bytes32 before = demandOf[modelId];
        if (before != 0 && before != demand) revert OtherPolicyBefore(modelId);
        demandOf[modelId] = demand;
        _requireReviewed(modelId, commitment, data);
        _requireCode(data, verifierCodeHash);
        _approved[modelId] = _pin(InferenceEncoding.hashVerification(data), verifierCodeHash);
        emit ModelApproved(modelId, commitment, data, verifierCodeHash);
    }

    /// @dev Fetches a model into `model` and makes sure that it still is what was approved.
    /// @param attested Whether attestations are given, which has to be as the approval demands.
    /// @param model Overwritten. Solidity would allot a returned one anew in every function that hands it on.
    function _fetchApproved(uint256 modelId, bool attested, IModelRegistry.VerificationData memory model)
        internal
        view
        returns (bytes32 verificationHash)
    {
        bytes32 approved = _approved[modelId];
        if (approved == 0) revert ModelNotApproved(modelId);
        bool demanded = uint256(approved) & ATTESTED != 0;
        if (demanded && !attested) revert AttestationsRequired(modelId);
        if (attested && !demanded) revert AttestationsNotDemanded(modelId);
        (uint256 first, uint256 second) = IModelRegistry(registry).packedVerificationOf(modelId);
        if (PackedVerification.statusOf(first) != ModelStatus.Active) {
            revert VerificationRefused_ModelDeprecated(modelId);
        }
        // The key's hash is taken from its code, which the verifier reads next, and compared by way of the pin.
        PackedVerification.unpack(first, second, address(uint160(second)).codehash, model);
        verificationHash = InferenceEncoding.hashVerification(model);
        bytes32 pin = _pin(verificationHash, model.verifier.codehash);
        if (pin != approved & ~bytes32(ATTESTED)) revert ModelChanged(modelId);
    }

    /// @dev Whether the model's approval demands attestations.
    function _demandsAttestations(uint256 modelId) internal view returns (bool) {
        return uint256(_approved[modelId]) & ATTESTED != 0;
    }

    /// @dev The signers who vouch for a request's inputs, as many as the model's policy demands.
    function _requireAttested(InferenceEncoding.Request memory request, bytes calldata attestations)
        internal
        view
        returns (uint256 signers)
    {
        AttestationPolicy memory policy = _policies[request.modelId];
        uint256 count;
        (signers, count) = IInputVoucher(policy.signers)
            .vouchersOf(request.subject, policy.schema, request.inputs, attestations);
        if (count < policy.threshold) revert TooFewAttestations(policy.threshold, count);
        return uint32(signers);
    }

    function _activeModel(uint256 modelId) internal view returns (IModelRegistry.VerificationData memory) {
        (IModelRegistry.VerificationData memory model, bool deprecated) =
            IModelRegistry(registry).verificationOf(modelId);
        if (deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        return model;
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

    /// @dev What an approval holds on to for every proof.
    function _pin(bytes32 verificationHash, bytes32 verifierCodeHash) private pure returns (bytes32) {
        return keccak256(abi.encode(verificationHash, verifierCodeHash)) & ~bytes32(ATTESTED);
    }
}
