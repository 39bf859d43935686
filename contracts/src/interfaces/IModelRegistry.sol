// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERCZKMLRegistry} from "./IERCZKMLRegistry.sol";

/// @title Registry of models that can be verified on chain
/// @notice ERC-7992's registry, with what a contract needs to check a proof of a model.
///
/// Versioning policy: A MODEL ID IS ONE VERSION. Its commitment never changes, and its verification data is
/// set once. `updateModel` registers the new commitment under a new id and links it as the successor of the
/// old one, which stays as it was. Whoever relies on an id therefore keeps exactly what was reviewed; moving
/// to a successor is that user's own decision.
interface IModelRegistry is IERCZKMLRegistry {
    /// @notice Which way a score is to be read.
    enum ScoreDirection {
        /// Not said, or the outputs are no score. A consumer that ranks by the score must not use the model.
        Unspecified,
        /// More is better: the probability of a good credit.
        HigherIsBetter,
        /// Less is better: the probability of a default.
        LowerIsBetter
    }

    /// @notice All that is needed to check a proof of a model and to read its outputs.
    /// @param verifier Generated verifier of the model's shape.
    /// @param key Data contract holding the verifying key.
    /// @param keyHash Code hash of `key`; equals the commitment's `vkHash`.
    /// @param publicInputs Public input words of one inference; zero when the inputs are private.
    /// @param outputs Outputs of one inference, at least one.
    /// @param batch Inferences that a proof is of, at least one.
    /// @param outputMin Smallest output. An output's instance word is the output minus `outputMin`.
    /// @param outputMax Largest output.
    /// @param decimals Outputs are fixed-point numbers with this many decimals.
    /// @param direction Whether a higher first output is better.
    struct VerificationData {
        address verifier;
        address key;
        bytes32 keyHash;
        uint16 publicInputs;
        uint16 outputs;
        uint8 batch;
        int64 outputMin;
        int64 outputMax;
        uint8 decimals;
        ScoreDirection direction;
    }

    /// @notice `modelId` can be verified from now on.
    event VerificationAttached(
        uint256 indexed modelId, address indexed verifier, address indexed key, VerificationData data
    );
    /// @notice `newModelId` is the next version of `modelId`.
    event ModelSucceeded(uint256 indexed modelId, uint256 indexed newModelId);
    /// @notice `newOwner` may now accept `modelId`.
    event ModelTransferStarted(uint256 indexed modelId, address indexed owner, address indexed newOwner);
    /// @notice `newOwner` owns `modelId`.
    event ModelTransferred(uint256 indexed modelId, address indexed owner, address indexed newOwner);

    /// @notice The model's proofs cannot be checked with verification data of this kind.
    error UnsupportedProofSystem(bytes4 proofSystemId);
    /// @notice The model has no verification data.
    error ModelNotVerifiable(uint256 modelId);
    /// @notice The model has verification data, which is final.
    error VerificationAlreadyAttached(uint256 modelId);
    /// @notice The model already has a next version; update that one.
    error ModelAlreadySucceeded(uint256 modelId, uint256 successor);
    /// @notice There is no contract at the verifier's address.
    error VerifierHasNoCode(address verifier);
    /// @notice The account's code is an EIP-7702 delegation, which its key's holder can change.
    error DelegatedAccount(address account);
    /// @notice The key contract, the data and the commitment do not agree on the key's hash.
    error KeyHashMismatch(address key, bytes32 expected, bytes32 actual);
    /// @notice The key contract's code does not begin with STOP, so it is not mere data.
    error KeyIsNotData(address key);
    /// @notice A model needs at least one output.
    error NoOutputs();
    /// @notice A proof is of at least one inference.
    error NoInferences();
    /// @notice The smallest output is above the largest.
    error InvalidOutputRange(int64 outputMin, int64 outputMax);
    /// @notice More decimals than a 64-bit output can have.
    error TooManyDecimals(uint8 decimals, uint8 max);
    /// @notice Nobody offered this model to `caller`.
    error NotPendingModelOwner(uint256 modelId, address caller);

    /// @notice Registers a model together with its verification data.
    function registerVerifiableModel(ModelCommitment calldata commitment, VerificationData calldata data)
        external
        returns (uint256 modelId);

    /// @notice Publishes the next version of a model together with its verification data.
    function updateVerifiableModel(
        uint256 modelId,
        ModelCommitment calldata newCommitment,
        VerificationData calldata data
    ) external returns (uint256 newModelId);

    /// @notice Gives verification data to a model registered without; only its owner may, and only once.
    function attachVerification(uint256 modelId, VerificationData calldata data) external;

    /// @notice Offers a model to a new owner, who has to accept. Offering it to address zero withdraws.
    function transferModel(uint256 modelId, address newOwner) external;

    /// @notice Accepts a model offered to the caller.
    function acceptModel(uint256 modelId) external;

    /// @notice The verification data of a model, and whether the model is deprecated.
    function verificationOf(uint256 modelId)
        external
        view
        returns (VerificationData memory data, bool deprecated);

    /// @notice The same as two words, for contracts that read them for every proof: `PackedVerification` says what is
    /// where. The key's hash is not among them; it is the code hash of the key.
    function packedVerificationOf(uint256 modelId) external view returns (uint256 first, uint256 second);

    /// @notice The next version of a model, or zero.
    function successorOf(uint256 modelId) external view returns (uint256);

    /// @notice To whom a model is offered, or zero.
    function pendingOwnerOf(uint256 modelId) external view returns (address);

    /// @notice Number of models; ids run from 1 to this.
    function modelCount() external view returns (uint256);
}
