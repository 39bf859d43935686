//! Of the inference oracle.

use alloy_sol_types::sol;

sol! {
    /// Oracle of proven model scores.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract InferenceOracle {
        constructor(address registry, address initialOwner, uint256 timeToLive);

        /// A proof of one inference was accepted.
        event InferenceVerified(
            uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
        );

        /// The proof does not hold.
        error InvalidProof();
        /// The proof holds, but for another model.
        error ModelMismatch();
        /// The commitment is not that of the request which came with the proof.
        error InputCommitmentMismatch();
        /// The output does not follow the model's schema.
        error OutputMismatch();
        /// Proofs of this system cannot be checked here.
        error UnsupportedProofSystem(bytes4 proofSystemId);
        /// The model's owner has withdrawn it.
        error VerificationRefused_ModelDeprecated(uint256 modelId);

        /// Checks the proof of an inference and reverts unless it holds.
        /// - `modelId`: Id of the model in the registry.
        /// - `inputCommitment`: Commitment to the inference's inputs and to the request it answers.
        /// - `output`: ABI-encoded outputs.
        /// - `proof`: ABI-encoded proof.
        function verifyInference(
            uint256 modelId,
            bytes32 inputCommitment,
            bytes output,
            bytes proof
        ) external;

        /// The proof system of a model.
        function proofSystemOf(uint256 modelId) external view returns (bytes4);

        /// The registry that model ids refer to.
        function registry() external view returns (address);

        /// What the registry says about a model; see `ModelRegistry`.
        struct ModelCommitment {
            bytes32 modelHash;
            bytes32 circuitHash;
            bytes32 vkHash;
            bytes4 proofSystemId;
            string uri;
        }

        /// See `ModelRegistry`.
        enum ScoreDirection { Unspecified, HigherIsBetter, LowerIsBetter }

        /// All that is needed to check a proof of a model; see `ModelRegistry`.
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

        /// The latest score of a subject by a model; `updatedAt` is zero when there is none.
        /// - `score`: First output of the model, a fixed-point number with the model's decimals.
        /// - `nonce`: Nonce of the request.
        /// - `updatedAt`: Time of recording.
        /// - `deadline`: Time until which the request could be recorded.
        /// - `signers`: Bitmap of the data providers who vouched for the inputs.
        /// - `prover`: Submitter that brought the proof.
        struct ScoreRecord {
            int64 score;
            uint64 nonce;
            uint40 updatedAt;
            uint40 deadline;
            uint32 signers;
            address prover;
        }

        /// What an approval may demand beside proofs: statements of data providers.
        /// - `signers`: Registry of the providers, a `SignerRegistry`.
        /// - `threshold`: How many have to vouch.
        /// - `schema`: What the model's public input words mean.
        struct AttestationPolicy {
            address signers;
            uint8 threshold;
            bytes32 schema;
        }

        /// What a call of `verifyInference`, or of `verifyAttestedInference`, says, as one of several.
        /// - `modelId`: Id of the model in the registry.
        /// - `inputCommitment`: Commitment to the inference's inputs and to the request it answers.
        /// - `output`: ABI-encoded outputs.
        /// - `proof`: ABI-encoded proof.
        /// - `attestations`: As `verifyAttestedInference` takes them; empty for a model that demands none.
        struct Inference {
            uint256 modelId;
            bytes32 inputCommitment;
            bytes output;
            bytes proof;
            bytes attestations;
        }

        /// A new score of `subject` was recorded. `InferenceVerified`, emitted beside it once for a
        /// proof, has the commitment, all outputs and the submitter.
        event ScoreRecorded(
            address indexed subject, uint256 indexed modelId, int256 score, uint256 nonce
        );
        /// The signers of the bitmap vouched for the inputs of the score whose `ScoreRecorded` is
        /// right before this.
        event InputsVouched(address indexed subject, uint256 indexed modelId, uint256 signers);
        /// Proofs of `modelId` are accepted from now on. Says all that was reviewed.
        event ModelApproved(
            uint256 indexed modelId,
            ModelCommitment commitment,
            VerificationData data,
            bytes32 verifierCodeHash
        );
        /// Scores of `modelId`, approved beside this, need `threshold` statements of `signers` under
        /// `schema`.
        event AttestationsDemanded(
            uint256 indexed modelId,
            address indexed signers,
            bytes32 indexed schema,
            uint256 threshold
        );
        /// Proofs of `modelId` are no longer accepted.
        event ModelRevoked(uint256 indexed modelId);
        /// `submitter` may record scores.
        event SubmitterAdded(address indexed submitter);
        /// `submitter` may no longer record scores.
        event SubmitterRemoved(address indexed submitter);

        /// The caller may not record scores.
        error SubmitterNotAllowed(address caller);
        /// The submitter is on the list already.
        error SubmitterAlreadyAllowed(address submitter);
        /// Every index of the submitter list is taken.
        error TooManySubmitters(uint256 max);
        /// The call's own parameters are not encoded canonically.
        error MalformedCalldata();
        /// `output` is not canonical; the first fault is at byte `at`.
        error MalformedOutput(uint256 at);
        /// `proof` is not canonical; the first fault is at byte `at`.
        error MalformedProof(uint256 at);
        /// The oracle does not accept proofs of this model.
        error ModelNotApproved(uint256 modelId);
        /// The oracle accepts proofs of this model already.
        error ModelAlreadyApproved(uint256 modelId);
        /// The model was approved before with another demand for attestations, by which its records
        /// are read.
        error OtherPolicyBefore(uint256 modelId);
        /// The registry's commitment of the model is not the one that was reviewed; hashes of both.
        error ModelCommitmentMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
        /// The model's verification data are not those that were reviewed; hashes of both.
        error VerificationDataMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
        /// The model's verifier has other code than the approval says.
        error VerifierCodeMismatch(address verifier, bytes32 expected, bytes32 actual);
        /// The model's key has other code than the verification data say.
        error KeyCodeMismatch(address key, bytes32 expected, bytes32 actual);
        /// The account's code is an EIP-7702 delegation, which its key's holder can change.
        error DelegatedAccount(address account);
        /// The model's verification data or its verifier's code are no longer what was approved.
        error ModelChanged(uint256 modelId);
        /// The request can no longer be recorded.
        error DeadlineExpired(uint256 deadline, uint256 timestamp);
        /// The request would live longer than the oracle allows.
        error DeadlineTooFar(uint256 deadline, uint256 latest);
        /// The nonce of a subject and model has to grow with every request.
        error NonceAlreadyUsed(address subject, uint256 given, uint256 last);
        /// The nonce of a subject and model may grow by a bounded step only.
        error NonceTooFar(address subject, uint256 given, uint256 largest);
        /// A score of the model is recorded with attestations only.
        error AttestationsRequired(uint256 modelId);
        /// The model's approval demands no attestations.
        error AttestationsNotDemanded(uint256 modelId);
        /// Nobody can vouch for the model's inputs: they are private, or its proofs are of batches.
        error ModelNotAttestable(uint256 modelId);
        /// The number of statements demanded is zero or larger than the number of signers there can be.
        error InvalidThreshold(uint256 threshold);
        /// Fewer signers vouch than the approval demands.
        error TooFewAttestations(uint256 demanded, uint256 given);
        /// Proofs of the model are of another number of inferences.
        error BatchSizeMismatch(uint256 expected, uint256 given);
        /// One inference of a batch cannot be recorded, so none is. `reason` is the error that a call
        /// for it alone would have ended with.
        error InferenceRefused(uint256 index, bytes reason);
        /// There are no inferences in the list, or too many.
        error InferenceCountOutOfRange(uint256 given, uint256 max);
        /// The proof's key belongs to another structured reference string than that of the list's first.
        error OtherReferenceString();
        /// The function proves nothing by itself, and is the oracle's own.
        error NotForCallers();
        /// A point is none of the curve's, which no verifier ends with.
        error NotOnCurve();
        /// Too little gas is left to tell a proof that does not hold from a check that ran out of gas.
        error NotEnoughGas();
        /// The model has another number of public input words.
        error InputCountMismatch(uint256 expected, uint256 given);
        /// The model has another number of outputs.
        error OutputCountMismatch(uint256 expected, uint256 given);
        /// An output the model cannot have.
        error OutputOutOfRange(uint256 index, int256 value, int256 min, int256 max);
        /// The subject has no score by this model.
        error NoScore(address subject, uint256 modelId);
        /// The subject's score by this model is too old to be used.
        error StaleScore(address subject, uint256 modelId, uint256 updatedAt, uint256 validUntil);
        /// The time a score stays fresh is zero or beyond reason.
        error InvalidTimeToLive(uint256 timeToLive);
        /// The registry's address has no contract.
        error RegistryHasNoCode(address registry);
        /// Without an owner a paused oracle would stay paused for ever.
        error OwnershipCannotBeRenounced();

        /// Does every check of `verifyInference` except those on the caller and the pause, and records
        /// nothing.
        function checkInference(
            uint256 modelId,
            bytes32 inputCommitment,
            bytes output,
            bytes proof
        ) external view returns (address subject, int256 score);

        /// Checks the proof of a batch of inferences and records a score for each of its requests. One
        /// that cannot be recorded fails the call with `InferenceRefused`, whatever the others are.
        /// - `modelId`: Id of a model whose proofs are of as many inferences as there are requests.
        /// - `inputCommitment`: Commitment of the batch.
        /// - `output`: `abi.encode(int256[] values)`: the first output of every inference, then the
        ///   second of every one, and so on.
        /// - `proof`: `abi.encode(uint256[] requests, uint256[] inputWords, bytes zkProof)`; a request is
        ///   one word.
        function verifyInferenceBatch(
            uint256 modelId,
            bytes32 inputCommitment,
            bytes output,
            bytes proof
        ) external;

        /// Checks several proofs, of any models that are approved, with one pairing, and records the score of each.
        /// One that cannot be recorded fails the call by its index.
        function verifyInferences(Inference[] inferences) external;

        /// The first half of it for one inference, which the oracle asks of itself: nothing is proven.
        function accumulateInference(Inference inference) external view returns (uint256[18] found);

        /// Accepts proofs of a model, if it is exactly what was reviewed. Take the arguments from what was
        /// reviewed, never from the registry they are compared with.
        /// - `commitment`: The commitment that was reviewed.
        /// - `data`: The verification data that were reviewed, the key's hash among them.
        /// - `verifierCodeHash`: Code hash of the verifier that was reviewed.
        function approveModel(
            uint256 modelId,
            ModelCommitment commitment,
            VerificationData data,
            bytes32 verifierCodeHash
        ) external;

        /// Like `approveModel`, and demands attestations for every score. What a model demands is fixed
        /// by its first approval, for good.
        function approveAttestedModel(
            uint256 modelId,
            ModelCommitment commitment,
            VerificationData data,
            bytes32 verifierCodeHash,
            AttestationPolicy policy
        ) external;

        /// Like `verifyInference`, for a model whose approval demands attestations.
        /// - `attestations`: As `SignerRegistry.vouchersOf` takes them.
        function verifyAttestedInference(
            uint256 modelId,
            bytes32 inputCommitment,
            bytes output,
            bytes proof,
            bytes attestations
        ) external;

        /// Stops accepting proofs of a model. Scores recorded before stay, and stay readable.
        function revokeModel(uint256 modelId) external;

        /// Allows `submitter` to record scores.
        function addSubmitter(address submitter) external;

        /// Takes that right away. Scores recorded before stay.
        function removeSubmitter(address submitter) external;

        /// Stops recording. Reads go on.
        function pause() external;

        /// Resumes recording.
        function unpause() external;

        /// The latest score of a subject by a model. Reverts when there is none or when it is stale.
        function latestScoreOf(address subject, uint256 modelId) external view returns (int256 score);

        /// The record of a subject by a model, stale or not; all zero when there is none.
        function scoreOf(address subject, uint256 modelId) external view returns (ScoreRecord);
        /// All outputs of the record of a subject by a model with several, in one word: two or three are packed, more are
        /// hashed. Zero for a model with one output, which `scoreOf` has, and when there is no record.
        function outputsOf(address subject, uint256 modelId) external view returns (bytes32);

        /// The records of several subjects by a model, each as `scoreOf` gives it.
        function scoresOf(address[] subjects, uint256 modelId)
            external
            view
            returns (ScoreRecord[] records);

        /// Whether the subject has a score by the model that is not stale.
        function isFresh(address subject, uint256 modelId) external view returns (bool);

        /// Nonce of the last recorded request about the subject to the model. The next one must be
        /// greater, by `MAX_NONCE_STEP` at most.
        function nonceOf(address subject, uint256 modelId) external view returns (uint256);

        /// Seconds for which a score stays fresh after it was recorded.
        function timeToLive() external view returns (uint256);

        /// Whether the oracle accepts proofs of the model.
        function isModelApproved(uint256 modelId) external view returns (bool);

        /// The attestations that a model demands since its first approval; all zero if none.
        function attestationPolicyOf(uint256 modelId)
            external
            view
            returns (AttestationPolicy policy);

        /// Hash of what a model demands since its first approval; before it zero.
        function demandOf(uint256 modelId) external view returns (bytes32);

        /// Whether `submitter` may record scores.
        function isSubmitter(address submitter) external view returns (bool);

        /// Commitment of a request to this oracle, with the verification data that the registry has.
        function inputCommitmentOf(
            uint256 modelId,
            address subject,
            uint256 nonce,
            uint64 deadline,
            bytes32 inputs
        ) external view returns (bytes32);

        /// Whether the contract has the interface (ERC-165).
        function supportsInterface(bytes4 interfaceId) external view returns (bool);

        /// First word under every input commitment.
        function DOMAIN() external view returns (bytes32);
        /// First word under a batch's commitment.
        function BATCH_DOMAIN() external view returns (bytes32);
        /// The proof system of every model here.
        function PROOF_SYSTEM_ID() external view returns (bytes4);
        /// Most inferences that one call of `verifyInferences` records.
        function MAX_INFERENCES() external view returns (uint256);
        /// Longest time in seconds between recording and a request's deadline.
        function MAX_REQUEST_LIFETIME() external view returns (uint256);
        /// Largest distance of a request's nonce from the last one recorded.
        function MAX_NONCE_STEP() external view returns (uint256);
        /// Largest time to live, in seconds.
        function MAX_TIME_TO_LIVE() external view returns (uint256);

        event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner);
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
        event Paused(address account);
        event Unpaused(address account);

        /// The caller is not the owner.
        error OwnableUnauthorizedAccount(address account);
        /// Nobody can own through this address.
        error OwnableInvalidOwner(address owner);
        /// Recording is paused.
        error EnforcedPause();
        /// Recording is not paused.
        error ExpectedPause();

        function owner() external view returns (address);
        function pendingOwner() external view returns (address);
        function transferOwnership(address newOwner) external;
        function acceptOwnership() external;
        /// Always reverts: ownership can only be handed over.
        function renounceOwnership() external view;
        function paused() external view returns (bool);
    }
}
