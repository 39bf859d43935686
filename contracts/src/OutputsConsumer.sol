// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {AccountCode} from "./libraries/AccountCode.sol";
import {OutputWords} from "./libraries/OutputWords.sol";

/// @title What every reader of several outputs has to care about
/// @notice Pins one model version and its number of outputs, and takes outputs from whoever calls if they are all of the
/// subject's fresh record. What each of them means is the model's: which way and on what scale it is to be read is for
/// whoever inherits to know.
abstract contract OutputsConsumer {
    using AccountCode for address;

    /// @notice The model, or what was brought, has another number of outputs.
    error WrongOutputCount(uint256 expected, uint256 actual);
    /// @notice An output is no probability.
    error OutputOutOfScale(uint256 index, int256 value);
    /// @notice Together the outputs are further from certainty than rounding takes them: they are not all classes of one
    /// classifier.
    error OutputsNoDistribution(int256 sum);
    /// @notice The oracle's code is an EIP-7702 delegation, which its key's holder can change.
    error DelegatedAccount(address account);

    /// @notice Where outputs come from.
    IInferenceOracle public immutable oracle;
    /// @notice The one model version whose outputs count. A successor takes a new contract.
    uint256 public immutable modelId;
    /// @notice How many outputs it has.
    uint256 public immutable outputs;
    /// @notice Probability that stands for certainty.
    int256 public immutable one;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    /// @param outputs_ How many outputs this contract reads, two or more.
    constructor(IInferenceOracle oracle_, uint256 modelId_, uint256 outputs_) {
        if (address(oracle_).isDelegation()) revert DelegatedAccount(address(oracle_));
        (IModelRegistry.VerificationData memory model,) =
            IModelRegistry(oracle_.registry()).verificationOf(modelId_);
        if (model.outputs != outputs_) revert WrongOutputCount(outputs_, model.outputs);
        if (outputs_ < 2) revert OutputWords.TooFewOutputs(outputs_);
        oracle = oracle_;
        modelId = modelId_;
        outputs = outputs_;
        one = int256(10 ** uint256(model.decimals));
    }

    /// @dev Reverts unless `values` are all outputs of the subject's record, in the model's order, and it is fresh.
    function _requireProven(address subject, int256[] memory values) internal view {
        if (values.length != outputs) revert WrongOutputCount(outputs, values.length);
        OutputWords.requireProven(oracle, subject, modelId, values);
    }

    /// @dev The same of outputs that have to be the probabilities of all classes: each between zero and `one`, and together
    /// `one`, up to a hundredth. A class beside its probabilities may pass for one; whoever inherits knows the model.
    function _requireProbabilities(address subject, int256[] memory values) internal view {
        _requireProven(subject, values);
        int256 sum;
        for (uint256 i = 0; i < values.length; ++i) {
            if (values[i] < 0 || values[i] > one) revert OutputOutOfScale(i, values[i]);
            sum += values[i];
        }
        int256 off = sum < one ? one - sum : sum - one;
        if (off * 100 > one) revert OutputsNoDistribution(sum);
    }
}
