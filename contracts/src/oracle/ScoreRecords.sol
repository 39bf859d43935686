// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {InferenceEncoding} from "../libraries/InferenceEncoding.sol";
import {PackedRecord, PackedRecords} from "../libraries/PackedRecord.sol";
import {Submitters} from "./Submitters.sol";

/// @title The latest score of each subject by each model
/// @notice Writes a record when its request may still be recorded, and answers who asks. Nobody can change or
/// delete a record but by a later one.
abstract contract ScoreRecords is Submitters {
    /// @notice Longest time in seconds between recording and a request's deadline.
    uint256 public constant MAX_REQUEST_LIFETIME = 30 days;
    /// @notice Largest time to live, in seconds.
    uint256 public constant MAX_TIME_TO_LIVE = 365 days;

    /// @notice Largest distance of a request's nonce from the last one recorded.
    /// @dev Without a bound one request with the largest nonce would bar its subject for ever. With it that
    /// takes more than 10^16 transactions, while a thousand requests may be open or abandoned at a time.
    uint256 public constant MAX_NONCE_STEP = 1000;

    /// @inheritdoc IInferenceOracle
    uint256 public immutable override timeToLive;

    /// @dev A record in storage, as something that can be pointed at.
    struct Place {
        PackedRecord record;
    }

    mapping(uint256 modelId => mapping(address subject => Place)) private _places;
    /// @dev Of models with several outputs only.
    mapping(uint256 modelId => mapping(address subject => bytes32)) private _outputs;

    /// @param timeToLive_ Seconds for which a score stays fresh. Fixed, so that consumers can rely on it.
    constructor(uint256 timeToLive_) {
        if (timeToLive_ == 0 || timeToLive_ > MAX_TIME_TO_LIVE) revert InvalidTimeToLive(timeToLive_);
        timeToLive = timeToLive_;
    }

    // ------------------------------------------------------------------ writing

    /// @dev Writes the record of a request, or says why that may not be recorded now: the error that says so,
    /// empty if all is well. The score was checked against its width.
    /// @param witnesses The submitter's number, and the bitmap of signers above its 16 bits.
    function _record(InferenceEncoding.Request memory request, int256 score, uint256 witnesses)
        internal
        returns (bytes memory refusal)
    {
        (uint256 modelId, address subject, uint256 nonce) = (request.modelId, request.subject, request.nonce);
        Place storage place = _places[modelId][subject];
        refusal = _refusal(request, place.record.nonce());
        if (refusal.length != 0) return refusal;
        place.record = PackedRecords.pack(score, nonce, block.timestamp, request.deadline, witnesses);
        // Never zero if there are several: a model has as many in every record.
        if (request.outputs != 0) _outputs[modelId][subject] = request.outputs;
        emit ScoreRecorded(subject, modelId, score, nonce);
    }

    /// @dev Why a request may not be recorded now, as the error that says so; empty if it may be.
    /// @param last Nonce of the subject's record by the model.
    function _refusal(InferenceEncoding.Request memory request, uint256 last)
        internal
        view
        returns (bytes memory reason)
    {
        (uint256 nonce, uint256 deadline) = (request.nonce, request.deadline);
        unchecked {
            // Differences of what is too small wrap around to what is too large.
            bool inTime = deadline - block.timestamp <= MAX_REQUEST_LIFETIME;
            bool inReach = nonce - last - 1 < MAX_NONCE_STEP && nonce <= type(uint64).max;
            if (inTime && inReach) return reason;
        }
        if (block.timestamp > deadline) {
            return abi.encodeWithSelector(DeadlineExpired.selector, deadline, block.timestamp);
        }
        uint256 latest = block.timestamp + MAX_REQUEST_LIFETIME;
        if (deadline > latest) return abi.encodeWithSelector(DeadlineTooFar.selector, deadline, latest);
        if (nonce <= last) {
            return abi.encodeWithSelector(NonceAlreadyUsed.selector, request.subject, nonce, last);
        }
        uint256 largest = Math.min(last + MAX_NONCE_STEP, type(uint64).max);
        return abi.encodeWithSelector(NonceTooFar.selector, request.subject, nonce, largest);
    }

    // ------------------------------------------------------------------ reading

    /// @inheritdoc IInferenceOracle
    function latestScoreOf(address subject, uint256 modelId) external view override returns (int256 score) {
        PackedRecord record = _places[modelId][subject].record;
        if (record.updatedAt() == 0) revert NoScore(subject, modelId);
        uint256 validUntil = record.updatedAt() + timeToLive;
        if (block.timestamp > validUntil) {
            revert StaleScore(subject, modelId, record.updatedAt(), validUntil);
        }
        return record.score();
    }

    /// @inheritdoc IInferenceOracle
    function scoreOf(address subject, uint256 modelId) public view override returns (ScoreRecord memory) {
        PackedRecord record = _places[modelId][subject].record;
        return ScoreRecord({
            score: record.score(),
            nonce: record.nonce(),
            updatedAt: record.updatedAt(),
            deadline: record.deadline(),
            signers: record.signers(),
            prover: _submitterAt(record.submitter())
        });
    }

    /// @inheritdoc IInferenceOracle
    function outputsOf(address subject, uint256 modelId) external view override returns (bytes32) {
        return _outputs[modelId][subject];
    }

    /// @inheritdoc IInferenceOracle
    function scoresOf(address[] calldata subjects, uint256 modelId)
        external
        view
        override
        returns (ScoreRecord[] memory records)
    {
        records = new ScoreRecord[](subjects.length);
        for (uint256 i = 0; i < subjects.length; ++i) {
            records[i] = scoreOf(subjects[i], modelId);
        }
    }

    /// @inheritdoc IInferenceOracle
    function isFresh(address subject, uint256 modelId) external view override returns (bool) {
        uint256 updatedAt = _places[modelId][subject].record.updatedAt();
        return updatedAt != 0 && block.timestamp <= updatedAt + timeToLive;
    }

    /// @inheritdoc IInferenceOracle
    function nonceOf(address subject, uint256 modelId) public view override returns (uint256) {
        return _places[modelId][subject].record.nonce();
    }
}
