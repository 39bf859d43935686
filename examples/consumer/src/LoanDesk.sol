// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ScoreConsumer} from "@verdict/contracts/src/ScoreConsumer.sol";
import {IInferenceOracle} from "@verdict/contracts/src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "@verdict/contracts/src/interfaces/IModelRegistry.sol";

/// @notice Lends up to a limit that grows with the borrower's proven score.
contract LoanDesk is ScoreConsumer {
    uint256 public constant LARGEST = 10_000e6;

    constructor(IInferenceOracle oracle, uint256 modelId)
        ScoreConsumer(oracle, modelId, IModelRegistry.ScoreDirection.HigherIsBetter)
    {}

    /// @notice Nothing below a score of one half, then in proportion. Reverts without a fresh score.
    function limitOf(address borrower) external view returns (uint256) {
        int256 above = 2 * _scoreOf(borrower) - one;
        return above <= 0 ? 0 : LARGEST * uint256(above) / uint256(one);
    }
}
