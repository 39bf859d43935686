// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {AccountCode} from "./libraries/AccountCode.sol";

/// @title What every reader of scores has to care about
/// @notice Pins one model version, makes sure which way its scores are to be read and on what scale, and takes no
/// score that is stale or outside the scale. `OutputsConsumer` is the same for models with several outputs.
abstract contract ScoreConsumer {
    using AccountCode for address;

    /// @notice The model's scores are to be read the other way, or it does not say how.
    error WrongScoreDirection(uint256 modelId, IModelRegistry.ScoreDirection direction);
    /// @notice The model has several outputs; this contract would read the first and ignore the rest.
    error NotOneOutput(uint256 modelId, uint256 outputs);
    /// @notice The score is no probability.
    error ScoreOutOfScale(int256 score);
    /// @notice The oracle's code is an EIP-7702 delegation, which its key's holder can change.
    error DelegatedAccount(address account);

    /// @notice Where scores come from.
    IInferenceOracle public immutable oracle;
    /// @notice The one model version whose scores count. A successor takes a new contract.
    uint256 public immutable modelId;
    /// @notice Probability that stands for certainty.
    int256 public immutable one;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param direction Which way this contract reads scores.
    constructor(IInferenceOracle oracle_, uint256 modelId_, IModelRegistry.ScoreDirection direction) {
        if (address(oracle_).isDelegation()) revert DelegatedAccount(address(oracle_));
        (IModelRegistry.VerificationData memory model,) =
            IModelRegistry(oracle_.registry()).verificationOf(modelId_);
        if (model.direction != direction) revert WrongScoreDirection(modelId_, model.direction);
        if (model.outputs != 1) revert NotOneOutput(modelId_, model.outputs);
        oracle = oracle_;
        modelId = modelId_;
        one = int256(10 ** uint256(model.decimals));
    }

    /// @dev The subject's score, between zero and `one`. Reverts when there is none, or when it is stale.
    function _scoreOf(address subject) internal view returns (int256 score) {
        score = oracle.latestScoreOf(subject, modelId);
        if (score < 0 || score > one) revert ScoreOutOfScale(score);
    }
}
