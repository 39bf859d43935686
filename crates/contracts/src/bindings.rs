//! The contracts' interfaces, as Solidity and as Rust types.
//!
//! One flat list a contract, without inheritance: what a caller of the deployed contract sees. The
//! test `bindings_match_the_compiled_contracts` compares each list with the compiler's ABI.

// The macro's expansion adds items that carry no documentation.
#![allow(missing_docs)]

use alloy_sol_types::{SolCall, sol};

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

        /// A new score of `subject` was recorded. `InferenceVerified`, emitted beside it once for a
        /// proof, has the commitment, all outputs and the submitter.
        event ScoreRecorded(
            address indexed subject, uint256 indexed modelId, int256 score, uint256 nonce
        );
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

        /// Like `approveModel`, and demands attestations for every score. Both are fixed until the model
        /// is revoked.
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

        /// The attestations that the approval of a model demands; all zero if none.
        function attestationPolicyOf(uint256 modelId)
            external
            view
            returns (AttestationPolicy policy);

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

sol! {
    /// Registry of data providers, whose statements about inputs count.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract SignerRegistry {
        constructor(address initialOwner);

        /// A provider whose statements count.
        /// - `account`: Who signs: a key's account, or a contract that answers by ERC-1271.
        /// - `countsFrom`: Time from which statements count; zero before the provider has accepted.
        /// - `proposedAt`: Time of the last proposal.
        /// - `removed`: Whether the owner has removed it.
        struct Signer {
            address account;
            uint40 countsFrom;
            uint40 proposedAt;
            bool removed;
        }

        /// `account` may accept to be a signer, and counts from `countsFrom` at the earliest.
        event SignerProposed(address indexed account, uint256 indexed index, uint256 countsFrom);
        /// `account` has accepted.
        event SignerAccepted(address indexed account, uint256 indexed index);
        /// Statements of `account` do not count any more.
        event SignerRemoved(address indexed account, uint256 indexed index);
        /// `signer` takes back the statement with this EIP-712 digest.
        event AttestationRevoked(address indexed signer, bytes32 indexed digest);
        event EIP712DomainChanged();
        event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner);
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

        /// The account signs already, or may accept to.
        error SignerAlreadyKnown(address account);
        /// The account is no signer, or was removed.
        error SignerUnknown(address account);
        /// Every index of the signer list is taken.
        error TooManySigners(uint256 max);
        /// The list of attestations is not as it should be; the first fault is at byte `at`.
        error MalformedAttestations(uint256 at);
        /// Signers are not in ascending order, each once.
        error SignersOutOfOrder(uint256 index);
        /// The signer does not exist, has not accepted, does not count yet, or was removed.
        error SignerNotCounting(uint256 index);
        /// The statement was issued in the future.
        error AttestationNotYetValid(uint256 index, uint256 issuedAt);
        /// The statement is no longer valid.
        error AttestationExpired(uint256 index, uint256 validUntil);
        /// The signer has taken the statement back.
        error AttestationIsRevoked(uint256 index, bytes32 digest);
        /// The signature is not the signer's of a statement about this subject and these inputs.
        error InvalidAttestation(uint256 index);
        /// Without an owner no signer could be removed.
        error OwnershipCannotBeRenounced();
        /// The caller is not the owner.
        error OwnableUnauthorizedAccount(address account);
        /// Nobody can own through this address.
        error OwnableInvalidOwner(address owner);
        /// Never thrown: the domain's name and version are short.
        error InvalidShortString();
        /// Never thrown either.
        error StringTooLong(string str);

        /// Offers an account to become a signer: the first of two steps. Owner only.
        function proposeSigner(address account) external;
        /// The second step, taken by the account itself. It counts `SIGNER_DELAY` after the proposal.
        function acceptSigner() external;
        /// Ends a signer's right at once. Owner only. Scores recorded before stay.
        function removeSigner(address account) external;
        /// Takes back a statement of the caller's, by its EIP-712 digest.
        function revokeAttestation(bytes32 digest) external;
        /// The signer at an index, which is its bit in a bitmap of signers.
        function signerAt(uint256 index) external view returns (Signer signer);
        /// Index of a signer.
        function signerIndexOf(address account) external view returns (uint256 index);
        /// Number of signers ever proposed; indices run from 0 to below this.
        function signerCount() external view returns (uint256);
        /// Which signers vouch for a subject's inputs. Reverts if any of the statements does not hold.
        function vouchersOf(address subject, bytes32 schema, bytes32 inputs, bytes attestations)
            external
            view
            returns (uint256 signers, uint256 count);
        /// The EIP-712 digest that a provider signs.
        function attestationDigest(
            address subject,
            bytes32 schema,
            bytes32 inputs,
            uint64 issuedAt,
            uint64 validUntil
        ) external view returns (bytes32);

        /// EIP-712's type hash of a statement.
        function ATTESTATION_TYPEHASH() external view returns (bytes32);
        /// Seconds between a proposal and the first statement that counts.
        function SIGNER_DELAY() external view returns (uint256);
        /// Signers that there can be in the registry's life.
        function MAX_SIGNERS() external view returns (uint256);

        /// EIP-5267: the domain of the statements.
        function eip712Domain()
            external
            view
            returns (
                bytes1 fields,
                string name,
                string version,
                uint256 chainId,
                address verifyingContract,
                bytes32 salt,
                uint256[] extensions
            );
        function owner() external view returns (address);
        function pendingOwner() external view returns (address);
        function transferOwnership(address newOwner) external;
        function acceptOwnership() external;
        /// Always reverts: ownership can only be handed over.
        function renounceOwnership() external view;
    }
}

sol! {
    /// Inputs that are on chain.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract InputSource {
        /// A source takes no statements.
        error AttestationsNotTaken();
        /// The source's words mean something else.
        error SchemaMismatch(bytes32 expected, bytes32 given);
        /// The subject has other inputs by now than the proof was made on; hashes of both.
        error InputsDiffer(address subject, bytes32 expected, bytes32 given);
        /// There is one signer, the source, at index 0.
        error SignerUnknownAt(uint256 index);

        /// What the words mean.
        function schema() external view returns (bytes32);
        /// The public input words of a subject as they are now.
        function inputWordsOf(address subject) external view returns (uint256[] words);
        /// Whether the contract has the interface (ERC-165).
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
    }
}

/// ERC-165's id of the interface that sources of inputs have.
pub const INPUT_SOURCE_INTERFACE: [u8; 4] = {
    let (schema, words) =
        (InputSource::schemaCall::SELECTOR, InputSource::inputWordsOfCall::SELECTOR);
    [schema[0] ^ words[0], schema[1] ^ words[1], schema[2] ^ words[2], schema[3] ^ words[3]]
};

sol! {
    /// Generated verifier of one circuit shape.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract VerdictVerifier {
        /// The proof has another length than proofs of this shape.
        error InvalidProofLength();
        /// The call's parameters are not encoded canonically.
        error NonCanonicalCalldata();
        /// The key contract does not have the registered hash, or holds no key of this shape.
        error InvalidKey();
        /// The key is for another number of instances.
        error InvalidInstanceCount();
        /// An instance is no field element.
        error InstanceOutOfRange();
        /// A point of the proof is not on the curve.
        error InvalidPoint();
        /// A scalar of the proof is no field element.
        error ScalarOutOfRange();
        /// The inverse hint at the proof's end is wrong.
        error InvalidInverse();
        /// The proof does not hold.
        error PairingFailed();

        /// Id of the circuit shape.
        function SHAPE_ID() external view returns (bytes32);
        /// Bytes of a proof, the inverse hint included.
        function PROOF_LENGTH() external view returns (uint256);

        /// Reverts with a custom error unless `proof` proves `instances` under the key stored at `key`.
        /// - `key`: Address of the key's data contract.
        /// - `keyHash`: Code hash that `key` must have.
        /// - `instances`: Public values of the proof: the context, the public inputs, the outputs.
        /// - `proof`: Proof bytes, followed by the verifier's inverse hints.
        /// Returns: Always true; failure is a revert.
        function verify(address key, bytes32 keyHash, uint256[] instances, bytes proof)
            external
            view
            returns (bool);
    }
}

/// The oracle takes the registry's structures; the compiler names them alike, Rust knows two types.
impl From<ModelRegistry::ModelCommitment> for InferenceOracle::ModelCommitment {
    fn from(commitment: ModelRegistry::ModelCommitment) -> Self {
        let ModelRegistry::ModelCommitment { modelHash, circuitHash, vkHash, proofSystemId, uri } =
            commitment;
        Self { modelHash, circuitHash, vkHash, proofSystemId, uri }
    }
}

impl From<ModelRegistry::VerificationData> for InferenceOracle::VerificationData {
    fn from(data: ModelRegistry::VerificationData) -> Self {
        Self {
            verifier: data.verifier,
            key: data.key,
            keyHash: data.keyHash,
            publicInputs: data.publicInputs,
            outputs: data.outputs,
            batch: data.batch,
            outputMin: data.outputMin,
            outputMax: data.outputMax,
            decimals: data.decimals,
            direction: data.direction.into(),
        }
    }
}

impl From<ModelRegistry::ScoreDirection> for InferenceOracle::ScoreDirection {
    fn from(direction: ModelRegistry::ScoreDirection) -> Self {
        match direction {
            ModelRegistry::ScoreDirection::HigherIsBetter => Self::HigherIsBetter,
            ModelRegistry::ScoreDirection::LowerIsBetter => Self::LowerIsBetter,
            _ => Self::Unspecified,
        }
    }
}
