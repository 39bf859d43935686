// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ScoreConsumer} from "../ScoreConsumer.sol";

/// @title Example: a market that a classifier resolves
/// @notice Anyone bets ether on yes or no until the market closes. A record about the market's subject that is made
/// in the week after that resolves it, whenever somebody calls: yes, if the classifier's probability is one half or
/// more. Winners share all bets in proportion to theirs. Without a record in time, or without a winner, bets are
/// returned.
/// @dev Anyone may resolve, and the latest record counts, since the oracle keeps no other: who would not wait for a
/// later one calls first. One that replaces the record after the week leaves none in time. The score is the
/// probability of yes: higher is better.
///
/// When a proof was made is in no record: one made before closing and recorded after it decides the market, and whoever
/// has it, or knows the inputs of a public model, bets knowing the answer. So a market is for questions whose inputs
/// nobody has before it closes, and for betters who trust the oracle's submitters not to bet.
contract ClassifierMarket is ScoreConsumer {
    enum Outcome {
        Open,
        Yes,
        No,
        Void
    }

    /// @notice `better` put `amount` on an answer.
    event Bet(address indexed better, bool yes, uint256 amount);
    /// @notice The market is decided.
    event Resolved(Outcome outcome, int256 score);
    /// @notice `better` has got what was due.
    event Paid(address indexed better, uint256 amount);

    /// @notice Bets are over, or not over yet.
    error WrongTime(uint256 timestamp, uint256 closes);
    /// @notice The market is decided, or not yet.
    error WrongState(Outcome outcome);
    /// @notice No record about the subject was made after the market closed.
    error NoRecordYet(uint256 updatedAt, uint256 closes);
    /// @notice Nothing is due to the caller.
    error NothingDue(address better);
    /// @notice The ether could not be sent.
    error PaymentFailed(address better);

    /// @notice Seconds after closing in which a record is in time.
    uint256 public constant RESOLUTION_PERIOD = 7 days;

    /// @notice Whom or what the question is about, as the oracle knows it.
    address public immutable subject;
    /// @notice Time from which no bets are taken.
    uint256 public immutable closes;
    /// @notice How it ended.
    Outcome public outcome;
    /// @notice All bets on an answer.
    mapping(bool yes => uint256) public total;
    /// @notice A better's bets on an answer.
    mapping(address better => mapping(bool yes => uint256)) public betOf;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param subject_ Whom or what the question is about.
    /// @param closes_ Time from which no bets are taken.
    constructor(IInferenceOracle oracle_, uint256 modelId_, address subject_, uint256 closes_)
        ScoreConsumer(oracle_, modelId_, IModelRegistry.ScoreDirection.HigherIsBetter)
    {
        if (closes_ <= block.timestamp) revert WrongTime(block.timestamp, closes_);
        subject = subject_;
        closes = closes_;
    }

    /// @notice Bets the ether that comes with the call.
    function bet(bool yes) external payable {
        if (block.timestamp >= closes) revert WrongTime(block.timestamp, closes);
        total[yes] += msg.value;
        betOf[msg.sender][yes] += msg.value;
        emit Bet(msg.sender, yes, msg.value);
    }

    /// @notice Decides the market by the subject's record, or voids it when none that is a probability came in time.
    function resolve() external {
        if (outcome != Outcome.Open) revert WrongState(outcome);
        if (block.timestamp < closes) revert WrongTime(block.timestamp, closes);
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(subject, modelId);
        bool inTime = record.updatedAt >= closes && record.updatedAt < closes + RESOLUTION_PERIOD;
        bool inScale = record.score >= 0 && record.score <= one;
        if (inTime && inScale) {
            // What was recorded in time counts, however fresh it is when somebody resolves.
            bool yes = record.score >= (one + 1) / 2;
            outcome = total[yes] == 0 ? Outcome.Void : yes ? Outcome.Yes : Outcome.No;
        } else {
            if (block.timestamp < closes + RESOLUTION_PERIOD) {
                if (!inTime) revert NoRecordYet(record.updatedAt, closes);
                revert ScoreOutOfScale(record.score);
            }
            outcome = Outcome.Void;
        }
        emit Resolved(outcome, record.score);
    }

    /// @notice Pays the caller's share, or returns the caller's bets.
    function claim() external {
        if (outcome == Outcome.Open) revert WrongState(outcome);
        (uint256 yes, uint256 no) = (betOf[msg.sender][true], betOf[msg.sender][false]);
        delete betOf[msg.sender][true];
        delete betOf[msg.sender][false];
        uint256 due = yes + no;
        if (outcome != Outcome.Void) {
            bool won = outcome == Outcome.Yes;
            due = (won ? yes : no) * (total[true] + total[false]) / total[won];
        }
        if (due == 0) revert NothingDue(msg.sender);
        emit Paid(msg.sender, due);
        (bool sent,) = msg.sender.call{value: due}("");
        if (!sent) revert PaymentFailed(msg.sender);
    }
}
