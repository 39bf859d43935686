// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title Example: collateral by credit score
/// @notice A lender asks for less collateral from borrowers whom an approved model rates well. Shows what a
/// consumer has to care about: it pins one model version, it makes sure which way that model's scores are to
/// be read and on what scale, and it accepts no stale score.
/// @dev The score is the proven probability that a credit is a good one: higher is better.
contract CreditLine {
    /// @notice The model's scores are to be read the other way, or it does not say how.
    error WrongScoreDirection(uint256 modelId, IModelRegistry.ScoreDirection direction);
    /// @notice The model has several outputs; this contract would read the first and ignore the rest.
    error NotOneOutput(uint256 modelId, uint256 outputs);
    /// @notice The score is no probability.
    error ScoreOutOfScale(int256 score);
    /// @notice The model rates the borrower too risky for any loan.
    error BorrowerDeclined(address borrower, int256 score);

    /// @notice Where scores come from.
    IInferenceOracle public immutable oracle;
    /// @notice The one model version whose scores count. A successor takes a new contract.
    uint256 public immutable modelId;
    /// @notice Probability that stands for certainty.
    int256 public immutable one;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    constructor(IInferenceOracle oracle_, uint256 modelId_) {
        (IModelRegistry.VerificationData memory model,) =
            IModelRegistry(oracle_.registry()).verificationOf(modelId_);
        if (model.direction != IModelRegistry.ScoreDirection.HigherIsBetter) {
            revert WrongScoreDirection(modelId_, model.direction);
        }
        if (model.outputs != 1) revert NotOneOutput(modelId_, model.outputs);
        oracle = oracle_;
        modelId = modelId_;
        one = int256(10 ** uint256(model.decimals));
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
        if (score >= one * 9 / 10) return 50;
        if (score >= one * 3 / 4) return 100;
        if (score >= one / 2) return 150;
        revert BorrowerDeclined(borrower, score);
    }
}
