// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ScoreConsumer} from "../ScoreConsumer.sol";

/// @title Example: collateral by credit score
/// @notice A lender asks for less collateral from borrowers whom an approved model rates well.
/// @dev The score is the proven probability that a credit is a good one: higher is better.
contract CreditLine is ScoreConsumer {
    /// @notice The model rates the borrower too risky for any loan.
    error BorrowerDeclined(address borrower, int256 score);

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    constructor(IInferenceOracle oracle_, uint256 modelId_)
        ScoreConsumer(oracle_, modelId_, IModelRegistry.ScoreDirection.HigherIsBetter)
    {}

    /// @notice Collateral that `borrower` has to post for `amount`, rounded up.
    /// @dev Reverts when the borrower has no fresh score of the pinned model.
    function collateralFor(address borrower, uint256 amount) external view returns (uint256) {
        return Math.ceilDiv(amount * collateralPercent(borrower), 100);
    }

    /// @notice Collateral as a percentage of the loan.
    function collateralPercent(address borrower) public view returns (uint256) {
        int256 score = _scoreOf(borrower);
        // Products, since parts of a scale without decimals are zero.
        if (score * 10 >= one * 9) return 50;
        if (score * 4 >= one * 3) return 100;
        if (score * 2 >= one) return 150;
        revert BorrowerDeclined(borrower, score);
    }
}
