// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Registry of machine-learning model commitments (ERC-7992)
/// @notice Interface id 0xd28519b1.
/// @dev One name differs from the published draft. There, an event and an error are both called
/// `ModelDeprecated`, which Solidity refuses: the two share a namespace. The event keeps its name, because
/// indexers depend on its topic; the error is `ModelAlreadyDeprecated` here. Interface ids are made of
/// function selectors only, so the id is the draft's.
interface IERCZKMLRegistry {
    /// @param modelHash Hash of the model's weights and architecture.
    /// @param circuitHash Hash naming the circuit.
    /// @param vkHash Hash of the verifying key.
    /// @param proofSystemId First four bytes of the keccak hash of the proof system's canonical name.
    /// @param uri Where to read more about the model; may be empty.
    struct ModelCommitment {
        bytes32 modelHash;
        bytes32 circuitHash;
        bytes32 vkHash;
        bytes4 proofSystemId;
        string uri;
    }

    /// @notice `owner` registered `commitment` as `modelId`.
    event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
    /// @notice `modelId` got a successor; see the implementation's versioning policy.
    event ModelUpdated(uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment);
    /// @notice `modelId` must not be used any more.
    event ModelDeprecated(uint256 indexed modelId);

    /// @notice No model has this id.
    error ModelNotFound(uint256 modelId);
    /// @notice `caller` may not change this model.
    error NotModelOwner(uint256 modelId, address caller);
    /// @notice The model is deprecated, which is final. Called `ModelDeprecated` in the draft.
    error ModelAlreadyDeprecated(uint256 modelId);

    /// @notice Registers a model owned by the caller.
    function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId);

    /// @notice Publishes the next version of a model; only its owner may.
    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external;

    /// @notice Withdraws a model for ever; only its owner may.
    function deprecateModel(uint256 modelId) external;

    /// @notice Reads a model.
    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner);
}
