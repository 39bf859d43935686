// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title One subject's score as a price feed is read
/// @notice Has the functions of Chainlink's AggregatorV3Interface, for contracts that know these. A round is a
/// record and its id the request's nonce; rounds are not contiguous, and the latest one only is kept.
/// @dev Like a price feed it returns stale answers with the time they were made: readers compare `updatedAt`. It
/// says nothing of which way a score is to be read.
contract ScoreFeed {
    using AccountCode for address;

    /// @notice No such round is kept; Chainlink's own words for it.
    error NoDataPresent(uint80 roundId);
    /// @notice The model has several outputs; a feed has one.
    error NotOneOutput(uint256 modelId, uint256 outputs);
    /// @notice The oracle's code is an EIP-7702 delegation, which its key's holder can change.
    error DelegatedAccount(address account);

    /// @notice Version of the feed.
    uint256 public constant version = 1;

    /// @notice Where scores come from.
    IInferenceOracle public immutable oracle;
    /// @notice Whom the score is about.
    address public immutable subject;
    /// @notice The model version whose scores are read.
    uint256 public immutable modelId;
    /// @notice Decimals of an answer.
    uint8 public immutable decimals;

    /// @param oracle_ The oracle.
    /// @param subject_ Whom the score is about.
    /// @param modelId_ The model version to read.
    constructor(IInferenceOracle oracle_, address subject_, uint256 modelId_) {
        if (address(oracle_).isDelegation()) revert DelegatedAccount(address(oracle_));
        (IModelRegistry.VerificationData memory model,) =
            IModelRegistry(oracle_.registry()).verificationOf(modelId_);
        if (model.outputs != 1) revert NotOneOutput(modelId_, model.outputs);
        oracle = oracle_;
        subject = subject_;
        modelId = modelId_;
        decimals = model.decimals;
    }

    /// @notice What the feed is of: whose score, by which model.
    function description() external view returns (string memory) {
        return string.concat(
            "Proven score of ", Strings.toHexString(subject), " by model ", Strings.toString(modelId)
        );
    }

    /// @notice The latest record.
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(subject, modelId);
        if (record.updatedAt == 0) revert NoDataPresent(0);
        return (record.nonce, record.score, record.updatedAt, record.updatedAt, record.nonce);
    }

    /// @notice The record with this nonce, if it is the latest.
    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(subject, modelId);
        if (record.updatedAt == 0 || record.nonce != roundId) revert NoDataPresent(roundId);
        return (roundId, record.score, record.updatedAt, record.updatedAt, roundId);
    }
}
