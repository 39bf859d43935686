// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {OutputsConsumer} from "../OutputsConsumer.sol";

/// @title Example: a premium by the probabilities of risk classes
/// @notice A classifier gives the probability of each risk class; the premium is the classes' rates weighed by them.
/// @dev Who asks brings the probabilities, which the event `InferenceVerified` has; the oracle says whether they are
/// those of the record.
contract InsurancePremium is OutputsConsumer {
    /// @notice Premium of a class for a sum of 10,000.
    uint256[] public rates;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param rates_ Premium of each class for a sum of 10,000, in the order of the model's outputs.
    constructor(IInferenceOracle oracle_, uint256 modelId_, uint256[] memory rates_)
        OutputsConsumer(oracle_, modelId_, rates_.length)
    {
        rates = rates_;
    }

    /// @notice What `holder` pays for `sum`, rounded up.
    /// @param probabilities All outputs of the holder's record. Other ones, and those of a record that is not fresh,
    /// revert.
    function premiumFor(address holder, uint256 sum, int256[] calldata probabilities)
        external
        view
        returns (uint256)
    {
        _requireProbabilities(holder, probabilities);
        uint256 weighed;
        for (uint256 i = 0; i < probabilities.length; ++i) {
            weighed += uint256(probabilities[i]) * rates[i];
        }
        return Math.mulDiv(sum, weighed, uint256(one) * 10_000, Math.Rounding.Ceil);
    }
}
