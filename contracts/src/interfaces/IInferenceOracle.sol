// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERCZKMLRegistry} from "./IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "./IERCZKMLVerifier.sol";
import {IModelRegistry} from "./IModelRegistry.sol";

/// @title Oracle of proven model scores
/// @notice Checks proofs of inferences and keeps each subject's latest score by each model.
///
/// A request to score a subject is (model, subject, nonce, deadline, inputs). The model is its id and the hash
/// of its verification data, `keccak256(abi.encode(VerificationData))`: the same proof under another id, or
/// under other decimals, answers another request. `inputs` is zero for private inputs and otherwise the keccak
/// hash of the public input words. The request's commitment, which the proof carries as its first public
/// value, is `keccak256(abi.encode(DOMAIN, chainId, oracle, modelId, verificationHash, subject, nonce,
/// deadline, inputs))`.
///
/// For `verifyInference`, `output` is `abi.encode(int256[] values)` and `proof` is
/// `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords, bytes zkProof)`.
/// Only the canonical encoding is accepted: one calldata for one statement.
///
/// A proof of a batch answers a list of requests to one model, one for each inference. Its first public value is
/// `keccak256(abi.encode(BATCH_DOMAIN, commitments))`, the requests' commitments being a `bytes32[]` in their
/// order. See `verifyInferenceBatch`.
interface IInferenceOracle is IERCZKMLVerifier {
    /// @notice The latest score of a subject by a model; `updatedAt` is zero when there is none.
    /// @param score First output of the model, a fixed-point number with the model's decimals.
    /// @param nonce Nonce of the request.
    /// @param updatedAt Time of recording.
    /// @param deadline Time until which the request could be recorded.
    /// @param signers Bitmap of the data providers who vouched for the inputs, by their indices in the registry
    /// that the model's approval names.
    /// @param prover Submitter that brought the proof.
    struct ScoreRecord {
        int64 score;
        uint64 nonce;
        uint40 updatedAt;
        uint40 deadline;
        uint32 signers;
        address prover;
    }

    /// @notice What an approval may demand beside proofs: that somebody vouches for the inputs.
    /// @param signers Who can, an `IInputVoucher`: a registry of data providers, or a source of inputs on chain.
    /// @param threshold How many have to; 1 for a source.
    /// @param schema What the model's public input words mean.
    struct AttestationPolicy {
        address signers;
        uint8 threshold;
        bytes32 schema;
    }

    /// @notice What a call of `verifyInference`, or of `verifyAttestedInference`, says, as one of several.
    /// @param modelId Id of the model in the registry.
    /// @param inputCommitment Commitment to the inference's inputs and to the request it answers.
    /// @param output ABI-encoded outputs.
    /// @param proof ABI-encoded proof.
    /// @param attestations As `verifyAttestedInference` takes them; empty for a model that demands none.
    struct Inference {
        uint256 modelId;
        bytes32 inputCommitment;
        bytes output;
        bytes proof;
        bytes attestations;
    }

    /// @notice A new score of `subject` was recorded. `InferenceVerified`, emitted beside it once for a proof,
    /// has the commitment, all outputs and the submitter.
    event ScoreRecorded(address indexed subject, uint256 indexed modelId, int256 score, uint256 nonce);
    /// @notice The signers of the bitmap vouched for the inputs of the score whose `ScoreRecorded` is right before
    /// this, by their indices at the voucher that the model's approval names.
    event InputsVouched(address indexed subject, uint256 indexed modelId, uint256 signers);
    /// @notice Proofs of `modelId` are accepted from now on. Says all that was reviewed.
    event ModelApproved(
        uint256 indexed modelId,
        IERCZKMLRegistry.ModelCommitment commitment,
        IModelRegistry.VerificationData data,
        bytes32 verifierCodeHash
    );
    /// @notice Scores of `modelId`, approved beside this, need `threshold` statements of `signers` under `schema`.
    event AttestationsDemanded(
        uint256 indexed modelId, address indexed signers, bytes32 indexed schema, uint256 threshold
    );
    /// @notice Proofs of `modelId` are no longer accepted.
    event ModelRevoked(uint256 indexed modelId);
    /// @notice `submitter` may record scores.
    event SubmitterAdded(address indexed submitter);
    /// @notice `submitter` may no longer record scores.
    event SubmitterRemoved(address indexed submitter);

    /// @notice The caller may not record scores; nobody can be the zero address.
    error SubmitterNotAllowed(address caller);
    /// @notice The submitter is on the list already.
    error SubmitterAlreadyAllowed(address submitter);
    /// @notice Every index of the submitter list is taken.
    error TooManySubmitters(uint256 max);
    /// @notice The call's own parameters are not encoded canonically.
    error MalformedCalldata();
    /// @notice `output` is not canonical; the first fault is at byte `at`.
    error MalformedOutput(uint256 at);
    /// @notice `proof` is not canonical; the first fault is at byte `at`.
    error MalformedProof(uint256 at);
    /// @notice The oracle does not accept proofs of this model.
    error ModelNotApproved(uint256 modelId);
    /// @notice The oracle accepts proofs of this model already.
    error ModelAlreadyApproved(uint256 modelId);
    /// @notice The model was approved before with another demand for attestations, by which its records are read.
    /// Register it anew.
    error OtherPolicyBefore(uint256 modelId);
    /// @notice The registry's commitment of the model is not the one that was reviewed; hashes of both.
    error ModelCommitmentMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
    /// @notice The model's verification data are not those that were reviewed; hashes of both.
    error VerificationDataMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
    /// @notice The model's verifier has other code than the approval says.
    error VerifierCodeMismatch(address verifier, bytes32 expected, bytes32 actual);
    /// @notice The model's key has other code than the verification data say.
    error KeyCodeMismatch(address key, bytes32 expected, bytes32 actual);
    /// @notice The account's code is an EIP-7702 delegation, which its key's holder can change.
    error DelegatedAccount(address account);
    /// @notice The model's verification data or its verifier's code are no longer what was approved.
    error ModelChanged(uint256 modelId);
    /// @notice The request can no longer be recorded.
    error DeadlineExpired(uint256 deadline, uint256 timestamp);
    /// @notice The request would live longer than the oracle allows.
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    /// @notice The nonce of a subject and model has to grow with every request.
    error NonceAlreadyUsed(address subject, uint256 given, uint256 last);
    /// @notice The nonce of a subject and model may grow by a bounded step only.
    error NonceTooFar(address subject, uint256 given, uint256 largest);
    /// @notice A score of the model is recorded with attestations only.
    error AttestationsRequired(uint256 modelId);
    /// @notice The model's approval demands no attestations.
    error AttestationsNotDemanded(uint256 modelId);
    /// @notice Nobody can vouch for the model's inputs: they are private, or its proofs are of batches.
    error ModelNotAttestable(uint256 modelId);
    /// @notice The number of statements demanded is zero or larger than the number of signers there can be.
    error InvalidThreshold(uint256 threshold);
    /// @notice Fewer signers vouch than the approval demands.
    error TooFewAttestations(uint256 demanded, uint256 given);
    /// @notice Proofs of the model are of another number of inferences.
    error BatchSizeMismatch(uint256 expected, uint256 given);
    /// @notice One inference of a batch cannot be recorded, so none is. `reason` is the error that a call for
    /// it alone would have ended with.
    error InferenceRefused(uint256 index, bytes reason);
    /// @notice There are no inferences in the list, or too many.
    error InferenceCountOutOfRange(uint256 given, uint256 max);
    /// @notice The proof's key belongs to another structured reference string than that of the list's first.
    error OtherReferenceString();
    /// @notice The function proves nothing by itself, and is the oracle's own.
    error NotForCallers();
    /// @notice The model has another number of public input words.
    error InputCountMismatch(uint256 expected, uint256 given);
    /// @notice The model has another number of outputs.
    error OutputCountMismatch(uint256 expected, uint256 given);
    /// @notice An output the model cannot have.
    error OutputOutOfRange(uint256 index, int256 value, int256 min, int256 max);
    /// @notice The subject has no score by this model.
    error NoScore(address subject, uint256 modelId);
    /// @notice The subject's score by this model is too old to be used.
    error StaleScore(address subject, uint256 modelId, uint256 updatedAt, uint256 validUntil);
    /// @notice The time a score stays fresh is zero or beyond reason.
    error InvalidTimeToLive(uint256 timeToLive);
    /// @notice The registry's address has no contract.
    error RegistryHasNoCode(address registry);
    /// @notice Without an owner a paused oracle would stay paused for ever.
    error OwnershipCannotBeRenounced();

    /// @notice Does every check of `verifyInference` except those on the caller and the pause, and records
    /// nothing.
    /// @dev Whether the request may be recorded now is looked at last: with a verifier whose errors are its own, a
    /// nonce or a deadline is refused of a proof that holds only.
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external view returns (address subject, int256 score);

    /// @notice Checks the proof of a batch of inferences and records a score for each of its requests. One that
    /// cannot be recorded fails the call with `InferenceRefused`, whatever the others are.
    ///
    /// `output` is `abi.encode(int256[] values)`: the first output of every inference, then the second of every
    /// one, and so on. `proof` is `abi.encode(uint256[] requests, uint256[] inputWords, bytes zkProof)`, the
    /// input words in the same order as the outputs. A request is one word: subject (160 bits), nonce (56),
    /// deadline (40), the subject on top.
    /// @dev Submitters only, as `verifyInference`. A batch is as large as the model says, 255 at most.
    /// @param modelId Id of a model whose proofs are of as many inferences as there are requests.
    /// @param inputCommitment Commitment of the batch.
    /// @param output ABI-encoded outputs.
    /// @param proof ABI-encoded proof.
    function verifyInferenceBatch(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Checks several proofs, of any models that are approved, with one pairing, and records the score of each.
    /// One that cannot be recorded fails the call with `InferenceRefused` and its index: the first whose statement or
    /// proof is refused; if none is, the first that fails the pairing; if all proofs hold, the first whose request is
    /// refused. Where less than an eighth of the gas was left after a check that failed, it may have lacked gas: the call
    /// fails with `NotEnoughGas`, and names none.
    /// @dev Submitters only, as `verifyInference`. Verifiers have to be `IVerdictAccumulator`s. Models of batches have
    /// `verifyInferenceBatch`. A subject may occur several times, with growing nonces.
    function verifyInferences(Inference[] calldata inferences) external;

    /// @notice Accepts proofs of a model, if it is exactly what was reviewed. Verification data and the
    /// verifier's code are pinned: should either ever differ, proofs are refused.
    /// @dev A key holds τ·G2, so who makes up the key can forge proofs: the approval has to name its hash, which
    /// is in `data`. Take the arguments from what was reviewed, never from the registry they are compared with.
    /// @param commitment The commitment that was reviewed.
    /// @param data The verification data that were reviewed, the key's hash among them.
    /// @param verifierCodeHash Code hash of the verifier that was reviewed.
    function approveModel(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash
    ) external;

    /// @notice Like `approveModel`, and demands attestations for every score. What a model demands is fixed by its first
    /// approval, for good: records say who vouched by the voucher's indices. Another demand takes another model id.
    /// @dev Nobody asks the voucher whether the policy can be met. A source with another threshold than 1 or another
    /// schema, and a registry with fewer signers than the threshold, make a model of which no score can be recorded.
    /// @param policy Who has to vouch, how many, and for what; the voucher has to have code.
    function approveAttestedModel(
        uint256 modelId,
        IERCZKMLRegistry.ModelCommitment calldata commitment,
        IModelRegistry.VerificationData calldata data,
        bytes32 verifierCodeHash,
        AttestationPolicy calldata policy
    ) external;

    /// @notice Like `verifyInference`, for a model whose approval demands attestations.
    /// @param attestations As the `vouchersOf` of the approval's voucher takes them; none for a source.
    function verifyAttestedInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        bytes calldata attestations
    ) external;

    /// @notice Stops accepting proofs of a model. Scores recorded before stay, and stay readable, and so does what the
    /// model demands.
    function revokeModel(uint256 modelId) external;

    /// @notice Allows `submitter` to record scores.
    function addSubmitter(address submitter) external;

    /// @notice Takes that right away. Scores recorded before stay.
    function removeSubmitter(address submitter) external;

    /// @notice Stops recording. Reads go on.
    function pause() external;

    /// @notice Resumes recording.
    function unpause() external;

    /// @notice The latest score of a subject by a model. Reverts when there is none or when it is stale.
    /// @dev A model that was revoked keeps its scores. To do without them, ask `isModelApproved` too.
    function latestScoreOf(address subject, uint256 modelId) external view returns (int256 score);

    /// @notice The record of a subject by a model, stale or not; all zero when there is none.
    function scoreOf(address subject, uint256 modelId) external view returns (ScoreRecord memory);

    /// @notice All outputs of the record of a subject by a model with several, in one word: two or three are packed,
    /// more are hashed, as `OutputWords` says. Zero for a model with one output, which `scoreOf` has, and when there is
    /// no record.
    function outputsOf(address subject, uint256 modelId) external view returns (bytes32);

    /// @notice The records of several subjects by a model, each as `scoreOf` gives it.
    function scoresOf(address[] calldata subjects, uint256 modelId)
        external
        view
        returns (ScoreRecord[] memory records);

    /// @notice Whether the subject has a score by the model that is not stale.
    function isFresh(address subject, uint256 modelId) external view returns (bool);

    /// @notice Nonce of the last recorded request about the subject to the model. The next one must be
    /// greater, by `MAX_NONCE_STEP` at most.
    function nonceOf(address subject, uint256 modelId) external view returns (uint256);

    /// @notice Seconds for which a score stays fresh after it was recorded.
    function timeToLive() external view returns (uint256);

    /// @notice Whether the oracle accepts proofs of the model.
    function isModelApproved(uint256 modelId) external view returns (bool);

    /// @notice The attestations that a model demands since its first approval, revoked or not; all zero if none.
    function attestationPolicyOf(uint256 modelId) external view returns (AttestationPolicy memory policy);

    /// @notice `keccak256(abi.encode(attestationPolicyOf(modelId)))` from the model's first approval on, before it zero.
    function demandOf(uint256 modelId) external view returns (bytes32);

    /// @notice Whether `submitter` may record scores.
    function isSubmitter(address submitter) external view returns (bool);

    /// @notice Commitment of a request to this oracle, with the verification data that the registry has.
    function inputCommitmentOf(
        uint256 modelId,
        address subject,
        uint256 nonce,
        uint64 deadline,
        bytes32 inputs
    ) external view returns (bytes32);
}
