// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLRegistry} from "./interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {AccountCode} from "./libraries/AccountCode.sol";
import {ModelStatus, PackedVerification} from "./libraries/PackedVerification.sol";
import {HALO2_KZG_BN254_V1} from "./libraries/ProofSystem.sol";

/// @title Registry of models that can be verified on chain
/// @notice Anyone may register a model and owns it then. Being registered therefore says nothing about a
/// model: an oracle accepts only models that its own owner approved.
/// @dev A model's commitment and verification data are written once; there is no function to change them,
/// not even for the model's owner. What can change is the owner, the successor (once) and the status (once).
contract ModelRegistry is IModelRegistry, ERC165 {
    using AccountCode for address;

    /// @dev All that is needed to check a proof, in three slots. `first` and `second` are `PackedVerification`'s words;
    /// with them, and the code of the key that they name, an oracle does without the third.
    struct Verification {
        uint256 first;
        uint256 second;
        bytes32 vkHash;
    }

    /// @dev The rest is for people.
    struct Model {
        // slots 0, 1, 2
        Verification verification;
        // slot 3
        address owner;
        bytes4 proofSystemId;
        // slot 4
        address pendingOwner;
        uint96 successor;
        // slots 5, 6, 7
        bytes32 modelHash;
        bytes32 circuitHash;
        string uri;
    }

    /// @notice Most decimals that a 64-bit output can have.
    uint8 public constant MAX_DECIMALS = 18;

    /// @inheritdoc IModelRegistry
    uint256 public override modelCount;

    mapping(uint256 modelId => Model) private _models;

    /// @inheritdoc IERCZKMLRegistry
    function registerModel(ModelCommitment calldata commitment) external override returns (uint256 modelId) {
        return _register(commitment);
    }

    /// @inheritdoc IModelRegistry
    function registerVerifiableModel(ModelCommitment calldata commitment, VerificationData calldata data)
        external
        override
        returns (uint256 modelId)
    {
        modelId = _register(commitment);
        _attach(modelId, data);
    }

    /// @inheritdoc IERCZKMLRegistry
    /// @dev Registers `newCommitment` under a new id, the successor of `modelId`, which itself stays as it is.
    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external override {
        _update(modelId, newCommitment);
    }

    /// @inheritdoc IModelRegistry
    function updateVerifiableModel(
        uint256 modelId,
        ModelCommitment calldata newCommitment,
        VerificationData calldata data
    ) external override returns (uint256 newModelId) {
        newModelId = _update(modelId, newCommitment);
        _attach(newModelId, data);
    }

    /// @inheritdoc IModelRegistry
    function attachVerification(uint256 modelId, VerificationData calldata data) external override {
        _activeModelOfCaller(modelId);
        _attach(modelId, data);
    }

    /// @inheritdoc IERCZKMLRegistry
    function deprecateModel(uint256 modelId) external override {
        Verification storage verification = _activeModelOfCaller(modelId).verification;
        verification.first = PackedVerification.withStatus(verification.first, ModelStatus.Deprecated);
        emit ModelDeprecated(modelId);
    }

    /// @inheritdoc IModelRegistry
    function transferModel(uint256 modelId, address newOwner) external override {
        _modelOfCaller(modelId).pendingOwner = newOwner;
        emit ModelTransferStarted(modelId, msg.sender, newOwner);
    }

    /// @inheritdoc IModelRegistry
    function acceptModel(uint256 modelId) external override {
        Model storage model = _existing(modelId);
        if (model.pendingOwner != msg.sender) revert NotPendingModelOwner(modelId, msg.sender);
        address oldOwner = model.owner;
        model.owner = msg.sender;
        model.pendingOwner = address(0);
        emit ModelTransferred(modelId, oldOwner, msg.sender);
    }

    /// @inheritdoc IERCZKMLRegistry
    function getModel(uint256 modelId)
        external
        view
        override
        returns (ModelCommitment memory commitment, bool deprecated, address owner)
    {
        Model storage model = _existing(modelId);
        return (_commitmentOf(model), _statusOf(model) == ModelStatus.Deprecated, model.owner);
    }

    /// @inheritdoc IModelRegistry
    function verificationOf(uint256 modelId)
        external
        view
        override
        returns (VerificationData memory data, bool deprecated)
    {
        (uint256 first, uint256 second) = _packedVerification(modelId);
        PackedVerification.unpack(first, second, _models[modelId].verification.vkHash, data);
        deprecated = PackedVerification.statusOf(first) == ModelStatus.Deprecated;
    }

    /// @inheritdoc IModelRegistry
    function packedVerificationOf(uint256 modelId)
        external
        view
        override
        returns (uint256 first, uint256 second)
    {
        return _packedVerification(modelId);
    }

    /// @inheritdoc IModelRegistry
    function successorOf(uint256 modelId) external view override returns (uint256) {
        return _existing(modelId).successor;
    }

    /// @inheritdoc IModelRegistry
    function pendingOwnerOf(uint256 modelId) external view override returns (address) {
        return _existing(modelId).pendingOwner;
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLRegistry).interfaceId
            || interfaceId == type(IModelRegistry).interfaceId || super.supportsInterface(interfaceId);
    }

    function _register(ModelCommitment calldata commitment) private returns (uint256 modelId) {
        modelId = ++modelCount;
        Model storage model = _models[modelId];
        model.verification.first = PackedVerification.withStatus(0, ModelStatus.Active);
        model.owner = msg.sender;
        model.modelHash = commitment.modelHash;
        model.circuitHash = commitment.circuitHash;
        model.verification.vkHash = commitment.vkHash;
        model.proofSystemId = commitment.proofSystemId;
        model.uri = commitment.uri;
        emit ModelRegistered(modelId, msg.sender, commitment);
    }

    function _update(uint256 modelId, ModelCommitment calldata newCommitment)
        private
        returns (uint256 newModelId)
    {
        Model storage model = _activeModelOfCaller(modelId);
        if (model.successor != 0) revert ModelAlreadySucceeded(modelId, model.successor);
        newModelId = _register(newCommitment);
        model.successor = uint96(newModelId);
        emit ModelUpdated(modelId, _commitmentOf(model), newCommitment);
        emit ModelSucceeded(modelId, newModelId);
    }

    function _attach(uint256 modelId, VerificationData calldata data) private {
        Model storage model = _models[modelId];
        bytes32 vkHash = model.verification.vkHash;
        if (address(uint160(model.verification.first)) != address(0)) {
            revert VerificationAlreadyAttached(modelId);
        }
        if (model.proofSystemId != HALO2_KZG_BN254_V1) revert UnsupportedProofSystem(model.proofSystemId);
        if (data.verifier.code.length == 0) revert VerifierHasNoCode(data.verifier);
        if (data.verifier.isDelegation()) revert DelegatedAccount(data.verifier);
        if (data.key.isDelegation()) revert DelegatedAccount(data.key);
        if (data.keyHash != vkHash) revert KeyHashMismatch(data.key, vkHash, data.keyHash);
        if (data.key.codehash != data.keyHash) {
            revert KeyHashMismatch(data.key, data.keyHash, data.key.codehash);
        }
        if (data.key.code.length == 0 || data.key.code[0] != 0x00) revert KeyIsNotData(data.key);
        if (data.outputs == 0) revert NoOutputs();
        if (data.batch == 0) revert NoInferences();
        if (data.outputMin > data.outputMax) revert InvalidOutputRange(data.outputMin, data.outputMax);
        if (data.decimals > MAX_DECIMALS) revert TooManyDecimals(data.decimals, MAX_DECIMALS);

        (model.verification.first, model.verification.second) =
            PackedVerification.pack(data, ModelStatus.Active);
        emit VerificationAttached(modelId, data.verifier, data.key, data);
    }

    function _commitmentOf(Model storage model) private view returns (ModelCommitment memory) {
        return ModelCommitment({
            modelHash: model.modelHash,
            circuitHash: model.circuitHash,
            vkHash: model.verification.vkHash,
            proofSystemId: model.proofSystemId,
            uri: model.uri
        });
    }

    /// @dev The two words of a model that has verification data.
    function _packedVerification(uint256 modelId) private view returns (uint256 first, uint256 second) {
        Verification storage verification = _models[modelId].verification;
        (first, second) = (verification.first, verification.second);
        // A key is never at address zero: it has code.
        if (address(uint160(second)) != address(0)) return (first, second);
        _existing(modelId);
        revert ModelNotVerifiable(modelId);
    }

    function _statusOf(Model storage model) private view returns (ModelStatus) {
        return PackedVerification.statusOf(model.verification.first);
    }

    function _existing(uint256 modelId) private view returns (Model storage model) {
        model = _models[modelId];
        if (_statusOf(model) == ModelStatus.None) revert ModelNotFound(modelId);
    }

    function _modelOfCaller(uint256 modelId) private view returns (Model storage model) {
        model = _existing(modelId);
        if (model.owner != msg.sender) revert NotModelOwner(modelId, msg.sender);
    }

    function _activeModelOfCaller(uint256 modelId) private view returns (Model storage model) {
        model = _modelOfCaller(modelId);
        if (_statusOf(model) == ModelStatus.Deprecated) revert ModelAlreadyDeprecated(modelId);
    }
}
