// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";

/// @title Example: collateral by credit score
/// @notice A lender asks for less collateral from borrowers whom an approved model rates well. Shows what a
/// consumer has to care about: it pins one model version, and it accepts no stale score.
/// @dev The score is the proven probability of default with `decimals` decimals: lower is better.
contract CreditLine {
    /// @notice The rating model's outputs are not what this contract expects.
    error ScoreOutOfScale(int256 score);
    /// @notice The model rates the borrower too risky for any loan.
    error BorrowerDeclined(address borrower, int256 score);

    /// @notice Where scores come from.
    IInferenceOracle public immutable oracle;
    /// @notice The one model version whose scores count. A successor takes a new contract.
    uint256 public immutable modelId;
    /// @notice Probability of default that stands for certainty.
    int256 public immutable one;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param decimals Decimals of that model's outputs.
    constructor(IInferenceOracle oracle_, uint256 modelId_, uint8 decimals) {
        oracle = oracle_;
        modelId = modelId_;
        one = int256(10 ** uint256(decimals));
    }

    /// @notice Collateral that `borrower` has to post for `amount`.
    /// @dev Reverts when the borrower has no fresh score of the pinned model.
    function collateralFor(address borrower, uint256 amount) external view returns (uint256) {
        return amount * collateralPercent(borrower) / 100;
    }

    /// @notice Collateral as a percentage of the loan.
    function collateralPercent(address borrower) public view returns (uint256) {
        int256 score = oracle.latestScoreOf(borrower, modelId);
        if (score < 0 || score > one) revert ScoreOutOfScale(score);
        if (score <= one / 10) return 50;
        if (score <= one / 4) return 100;
        if (score <= one / 2) return 150;
        revert BorrowerDeclined(borrower, score);
    }
}
