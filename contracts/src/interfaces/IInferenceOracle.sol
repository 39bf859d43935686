// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERCZKMLVerifier} from "./IERCZKMLVerifier.sol";

/// @title Oracle of proven model scores
/// @notice Checks proofs of inferences and keeps the latest score of each subject.
///
/// A request to score a subject is (subject, nonce, deadline, inputs), where `inputs` is zero for private
/// inputs and otherwise the keccak hash of the public input words. Its commitment, which the proof carries
/// as its first public value, is
/// `keccak256(abi.encode(DOMAIN, chainId, oracle, subject, nonce, deadline, inputs))`.
///
/// For `verifyInference`, `output` is `abi.encode(int256[] values)` and `proof` is
/// `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords, bytes zkProof)`.
/// Only the canonical encoding is accepted: one calldata for one statement.
interface IInferenceOracle is IERCZKMLVerifier {
    /// @notice The latest score of a subject; `updatedAt` is zero when there is none.
    /// @param score First output of the model, a fixed-point number with the model's decimals.
    /// @param nonce Nonce of the request.
    /// @param updatedAt Time of recording.
    /// @param deadline Time until which the request could be recorded.
    /// @param modelId Model (and thus version) that made the score.
    /// @param prover Submitter that brought the proof.
    struct ScoreRecord {
        int64 score;
        uint64 nonce;
        uint40 updatedAt;
        uint40 deadline;
        uint32 modelId;
        address prover;
    }

    /// @notice A new score of `subject` was recorded. `InferenceVerified`, emitted beside it, has all
    /// outputs and the submitter.
    event ScoreRecorded(
        address indexed subject,
        uint256 indexed modelId,
        bytes32 indexed inputCommitment,
        int256 score,
        uint256 nonce,
        uint256 deadline
    );
    /// @notice Proofs of `modelId` are accepted from now on.
    event ModelApproved(uint256 indexed modelId, address verifier, address key, bytes32 keyHash);
    /// @notice Proofs of `modelId` are no longer accepted.
    event ModelRevoked(uint256 indexed modelId);
    /// @notice `submitter` may record scores.
    event SubmitterAdded(address indexed submitter);
    /// @notice `submitter` may no longer record scores.
    event SubmitterRemoved(address indexed submitter);

    /// @notice The caller may not record scores.
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
    /// @notice Records have room for 32-bit model ids.
    error ModelIdTooLarge(uint256 modelId);
    /// @notice The model's verifier has other code than the approval says.
    error VerifierCodeMismatch(address verifier, bytes32 expected, bytes32 actual);
    /// @notice The request can no longer be recorded.
    error DeadlineExpired(uint256 deadline, uint256 timestamp);
    /// @notice The request would live longer than the oracle allows.
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    /// @notice The subject's nonce has to grow with every request.
    error NonceAlreadyUsed(address subject, uint256 given, uint256 last);
    /// @notice Nonces have 64 bits.
    error NonceTooLarge(uint256 nonce);
    /// @notice The model has another number of public input words.
    error InputCountMismatch(uint256 expected, uint256 given);
    /// @notice The model has another number of outputs.
    error OutputCountMismatch(uint256 expected, uint256 given);
    /// @notice An output the model cannot have.
    error OutputOutOfRange(uint256 index, int256 value, int256 min, int256 max);
    /// @notice The subject has no score.
    error NoScore(address subject);
    /// @notice The subject's score is too old to be used.
    error StaleScore(address subject, uint256 updatedAt, uint256 validUntil);
    /// @notice The subject's score comes from another model.
    error ScoreOfOtherModel(address subject, uint256 expected, uint256 recorded);
    /// @notice The time a score stays fresh is zero or beyond reason.
    error InvalidTimeToLive(uint256 timeToLive);
    /// @notice The registry's address has no contract.
    error RegistryHasNoCode(address registry);
    /// @notice Without an owner a paused oracle would stay paused for ever.
    error OwnershipCannotBeRenounced();

    /// @notice Does every check of `verifyInference` except those on the caller and the pause, and records
    /// nothing.
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external view returns (address subject, int256 score);

    /// @notice Accepts proofs of a model.
    /// @param verifierCodeHash Code hash of the verifier that was reviewed.
    function approveModel(uint256 modelId, bytes32 verifierCodeHash) external;

    /// @notice Stops accepting proofs of a model. Scores recorded before stay.
    function revokeModel(uint256 modelId) external;

    /// @notice Allows `submitter` to record scores.
    function addSubmitter(address submitter) external;

    /// @notice Takes that right away. Scores recorded before stay.
    function removeSubmitter(address submitter) external;

    /// @notice Stops recording. Reads go on.
    function pause() external;

    /// @notice Resumes recording.
    function unpause() external;

    /// @notice The latest score of a subject. Reverts when there is none or when it is stale. Use
    /// `latestScoreOf` unless the oracle can have one model only.
    function latestScore(address subject) external view returns (int256 score);

    /// @notice The latest score of a subject by one model. Reverts when there is none, when it is stale, and
    /// when it comes from another model.
    function latestScoreOf(address subject, uint256 modelId) external view returns (int256 score);

    /// @notice The record of a subject, stale or not; all zero when there is none.
    function scoreOf(address subject) external view returns (ScoreRecord memory);

    /// @notice Whether the subject has a score that is not stale.
    function isFresh(address subject) external view returns (bool);

    /// @notice Nonce of the subject's last recorded request; the next one must be greater.
    function nonceOf(address subject) external view returns (uint256);

    /// @notice Seconds for which a score stays fresh after it was recorded.
    function timeToLive() external view returns (uint256);

    /// @notice Whether the oracle accepts proofs of the model.
    function isModelApproved(uint256 modelId) external view returns (bool);

    /// @notice Whether `submitter` may record scores.
    function isSubmitter(address submitter) external view returns (bool);

    /// @notice Commitment of a request to this oracle.
    function inputCommitmentOf(address subject, uint256 nonce, uint64 deadline, bytes32 inputs)
        external
        view
        returns (bytes32);
}
