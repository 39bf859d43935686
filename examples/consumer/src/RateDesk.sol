// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {OutputsConsumer} from "@verdict/contracts/src/OutputsConsumer.sol";
import {IInferenceOracle} from "@verdict/contracts/src/interfaces/IInferenceOracle.sol";

/// @notice Lends at the rate of the class that a classifier of three gives the borrower.
contract RateDesk is OutputsConsumer {
    constructor(IInferenceOracle oracle, uint256 modelId) OutputsConsumer(oracle, modelId, 3) {}

    /// @notice Hundredths of a percent a year, by the likeliest class, the dearer of two that are as likely.
    /// @param classes The probabilities of the borrower's record. Others revert, and so do those of a stale record.
    function rateOf(address borrower, int256[] calldata classes) external view returns (uint256) {
        _requireProbabilities(borrower, classes);
        if (classes[2] >= classes[0] && classes[2] >= classes[1]) return 1500;
        return classes[1] >= classes[0] ? 700 : 300;
    }
}
