//! Of the model registry.

use alloy_sol_types::sol;

sol! {
    /// Registry of models that can be verified on chain (ERC-7992 and verification data).
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract ModelRegistry {
        /// - `modelHash`: Hash of the model's weights and architecture.
        /// - `circuitHash`: Hash naming the circuit.
        /// - `vkHash`: Hash of the verifying key.
        /// - `proofSystemId`: First four bytes of the keccak hash of the proof system's canonical name.
        /// - `uri`: Where to read more about the model; may be empty.
        struct ModelCommitment {
            bytes32 modelHash;
            bytes32 circuitHash;
            bytes32 vkHash;
            bytes4 proofSystemId;
            string uri;
        }

        /// `owner` registered `commitment` as `modelId`.
        event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
        /// `modelId` got a successor; see the implementation's versioning policy.
        event ModelUpdated(
            uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment
        );
        /// `modelId` must not be used any more.
        event ModelDeprecated(uint256 indexed modelId);

        /// No model has this id.
        error ModelNotFound(uint256 modelId);
        /// `caller` may not change this model.
        error NotModelOwner(uint256 modelId, address caller);
        /// The model is deprecated, which is final. Called `ModelDeprecated` in the draft.
        error ModelAlreadyDeprecated(uint256 modelId);

        /// Registers a model owned by the caller.
        function registerModel(ModelCommitment commitment) external returns (uint256 modelId);

        /// Publishes the next version of a model; only its owner may.
        function updateModel(uint256 modelId, ModelCommitment newCommitment) external;

        /// Withdraws a model for ever; only its owner may.
        function deprecateModel(uint256 modelId) external;

        /// Reads a model.
        function getModel(uint256 modelId)
            external
            view
            returns (ModelCommitment commitment, bool deprecated, address owner);

        /// Which way a score is to be read.
        enum ScoreDirection {
            /// Not said, or the outputs are no score.
            Unspecified,
            /// More is better: the probability of a good credit.
            HigherIsBetter,
            /// Less is better: the probability of a default.
            LowerIsBetter
        }

        /// All that is needed to check a proof of a model and to read its outputs.
        /// - `verifier`: Generated verifier of the model's shape.
        /// - `key`: Data contract holding the verifying key.
        /// - `keyHash`: Code hash of `key`; equals the commitment's `vkHash`.
        /// - `publicInputs`: Public input words of one inference; zero when the inputs are private.
        /// - `outputs`: Outputs of one inference, at least one.
        /// - `batch`: Inferences that a proof is of, at least one.
        /// - `outputMin`: Smallest output. An output's instance word is the output minus `outputMin`.
        /// - `outputMax`: Largest output.
        /// - `decimals`: Outputs are fixed-point numbers with this many decimals.
        /// - `direction`: Whether a higher first output is better.
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

        /// `modelId` can be verified from now on.
        event VerificationAttached(
            uint256 indexed modelId, address indexed verifier, address indexed key, VerificationData data
        );
        /// `newModelId` is the next version of `modelId`.
        event ModelSucceeded(uint256 indexed modelId, uint256 indexed newModelId);
        /// `newOwner` may now accept `modelId`.
        event ModelTransferStarted(uint256 indexed modelId, address indexed owner, address indexed newOwner);
        /// `newOwner` owns `modelId`.
        event ModelTransferred(uint256 indexed modelId, address indexed owner, address indexed newOwner);

        /// The model's proofs cannot be checked with verification data of this kind.
        error UnsupportedProofSystem(bytes4 proofSystemId);
        /// The model has no verification data.
        error ModelNotVerifiable(uint256 modelId);
        /// The model has verification data, which is final.
        error VerificationAlreadyAttached(uint256 modelId);
        /// The model already has a next version; update that one.
        error ModelAlreadySucceeded(uint256 modelId, uint256 successor);
        /// There is no contract at the verifier's address.
        error VerifierHasNoCode(address verifier);
        /// The account's code is an EIP-7702 delegation, which its key's holder can change.
        error DelegatedAccount(address account);
        /// The key contract, the data and the commitment do not agree on the key's hash.
        error KeyHashMismatch(address key, bytes32 expected, bytes32 actual);
        /// The key contract's code does not begin with STOP, so it is not mere data.
        error KeyIsNotData(address key);
        /// A model needs at least one output.
        error NoOutputs();
        /// A proof is of at least one inference.
        error NoInferences();
        /// The smallest output is above the largest.
        error InvalidOutputRange(int64 outputMin, int64 outputMax);
        /// More decimals than a 64-bit output can have.
        error TooManyDecimals(uint8 decimals, uint8 max);
        /// Nobody offered this model to `caller`.
        error NotPendingModelOwner(uint256 modelId, address caller);

        /// Registers a model together with its verification data.
        function registerVerifiableModel(
            ModelCommitment commitment,
            VerificationData data
        ) external returns (uint256 modelId);

        /// Publishes the next version of a model together with its verification data.
        function updateVerifiableModel(
            uint256 modelId,
            ModelCommitment newCommitment,
            VerificationData data
        ) external returns (uint256 newModelId);

        /// Gives verification data to a model registered without; only its owner may, and only once.
        function attachVerification(uint256 modelId, VerificationData data) external;

        /// Offers a model to a new owner, who has to accept. Offering it to address zero withdraws.
        function transferModel(uint256 modelId, address newOwner) external;

        /// Accepts a model offered to the caller.
        function acceptModel(uint256 modelId) external;

        /// The verification data of a model, and whether the model is deprecated.
        function verificationOf(uint256 modelId)
            external
            view
            returns (VerificationData data, bool deprecated);

        /// The same as two words, for contracts that read them for every proof.
        function packedVerificationOf(uint256 modelId)
            external
            view
            returns (uint256 first, uint256 second);

        /// The next version of a model, or zero.
        function successorOf(uint256 modelId) external view returns (uint256);

        /// To whom a model is offered, or zero.
        function pendingOwnerOf(uint256 modelId) external view returns (address);

        /// Number of models; ids run from 1 to this.
        function modelCount() external view returns (uint256);

        /// Most decimals that a 64-bit output can have.
        function MAX_DECIMALS() external view returns (uint8);

        /// Whether the contract has the interface (ERC-165).
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
    }
}
