// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ScoreConsumer} from "../ScoreConsumer.sol";

/// @title Example: a gate that holds suspicious transfers
/// @notice A transfer goes through at once if the model rates its sender unlikely to be a fraud. Otherwise, and
/// when there is no fresh score between zero and one, it is held: a reviewer sends it on or back, and after a week its sender may take
/// it back.
/// @dev The score is the probability of fraud: lower is better. For tokens that transfer what they are told to.
contract FraudGate is ScoreConsumer {
    using SafeERC20 for IERC20;

    /// @dev A transfer that waits. No amount means that it is settled.
    struct Held {
        address from;
        address to;
        uint256 amount;
        uint256 until;
    }

    /// @notice Seconds after which a sender may take a held transfer back.
    uint256 public constant HOLD = 7 days;

    /// @notice A transfer went through at once.
    event Passed(address indexed from, address indexed to, uint256 amount);
    /// @notice A transfer waits under `id`.
    event TransferHeld(uint256 indexed id, address indexed from, address indexed to, uint256 amount);
    /// @notice A held transfer ended: with its recipient, or with its sender.
    event Settled(uint256 indexed id, address indexed receiver, uint256 amount);

    /// @notice Nobody can be paid at the address: nobody's, or the gate's own.
    error NoRecipient(address to);
    /// @notice Nothing to transfer, or nothing that waits.
    error NothingToTransfer();
    /// @notice Only the reviewer decides.
    error NotTheReviewer(address caller);
    /// @notice Only the sender may take it back, and only later.
    error NotYetYours(uint256 id, uint256 until);

    /// @notice The token.
    IERC20 public immutable token;
    /// @notice Who decides about held transfers.
    address public immutable reviewer;
    /// @notice Transfers held so far; the next one's id.
    uint256 public count;

    /// @notice A transfer that waits: from whom, to whom, how much, and from when on its sender may take it back. All
    /// zero if there is none, or it is settled.
    mapping(uint256 id => Held) public held;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param token_ The token that passes the gate.
    /// @param reviewer_ Who decides about held transfers.
    constructor(IInferenceOracle oracle_, uint256 modelId_, IERC20 token_, address reviewer_)
        ScoreConsumer(oracle_, modelId_, IModelRegistry.ScoreDirection.LowerIsBetter)
    {
        token = token_;
        reviewer = reviewer_;
    }

    /// @notice Sends `amount`, which the caller has approved, to `to`, now or after a review.
    /// @return passed Whether it went through at once.
    function send(address to, uint256 amount) external returns (bool passed) {
        if (amount == 0) revert NothingToTransfer();
        if (to == address(0) || to == address(this)) revert NoRecipient(to);
        passed = _isGood(msg.sender);
        if (passed) {
            emit Passed(msg.sender, to, amount);
            token.safeTransferFrom(msg.sender, to, amount);
            return true;
        }
        uint256 id = count++;
        held[id] = Held(msg.sender, to, amount, block.timestamp + HOLD);
        emit TransferHeld(id, msg.sender, to, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice The reviewer sends a held transfer on, or back.
    function decide(uint256 id, bool pass) external {
        if (msg.sender != reviewer) revert NotTheReviewer(msg.sender);
        _settle(id, pass ? held[id].to : held[id].from);
    }

    /// @notice The sender of a transfer that nobody decided about takes it back.
    function takeBack(uint256 id) external {
        Held memory transfer = held[id];
        if (transfer.from != msg.sender || block.timestamp < transfer.until) {
            revert NotYetYours(id, transfer.until);
        }
        _settle(id, msg.sender);
    }

    /// @dev Without a fresh score that is a probability nothing speaks for the sender.
    function _isGood(address sender) private view returns (bool) {
        if (!oracle.isFresh(sender, modelId)) return false;
        // Not `_scoreOf`, which reverts outside the scale: the transfer is to be held.
        int256 score = oracle.latestScoreOf(sender, modelId);
        return score >= 0 && score * 10 < one;
    }

    function _settle(uint256 id, address receiver) private {
        uint256 amount = held[id].amount;
        if (amount == 0) revert NothingToTransfer();
        delete held[id];
        emit Settled(id, receiver, amount);
        token.safeTransfer(receiver, amount);
    }
}
