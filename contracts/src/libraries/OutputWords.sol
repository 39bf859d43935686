// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";

/// @title Several outputs of an inference in one word
/// @notice What an oracle keeps of a model with several outputs (a class and its probabilities, say), beside the
/// record of the first one:
///
///     one output           zero: the record has it
///     two or three         192..255 their number, 0..63 the first, 64..127 the second, 128..191 the third,
///                          in two's complement
///     more                 keccak hash of their words; the event `InferenceVerified` has them
library OutputWords {
    /// @dev Outputs that fit a word with their number.
    uint256 private constant PACKED = 3;

    /// @notice There is a word for two outputs and more; of one, the record has it.
    error TooFewOutputs(uint256 count);
    /// @notice No model has an output that does not fit 64 bits.
    error OutputTooWide(uint256 index, int256 value);
    /// @notice The subject's record by the model has other outputs.
    error OutputsNotProven(address subject, uint256 modelId);

    /// @notice Reverts unless `values` are all outputs of a subject's record by a model, and the record is fresh. For
    /// contracts that are told them by whoever calls.
    function requireProven(IInferenceOracle oracle, address subject, uint256 modelId, int256[] memory values)
        internal
        view
    {
        bytes32 word = wordOf(values);
        // Reverts without a fresh record.
        int256 score = oracle.latestScoreOf(subject, modelId);
        if (score != values[0] || word != oracle.outputsOf(subject, modelId)) {
            revert OutputsNotProven(subject, modelId);
        }
    }

    /// @notice The word of all `values`, never zero. Equal to the oracle's `outputsOf` it says that these are the
    /// outputs of a record; how old it is, `requireProven` looks at too.
    function wordOf(int256[] memory values) internal pure returns (bytes32 word) {
        if (values.length < 2) revert TooFewOutputs(values.length);
        // What is packed is cut; what is hashed is not.
        for (uint256 i = 0; i < values.length && values.length <= PACKED; ++i) {
            if (values[i] != int64(values[i])) revert OutputTooWide(i, values[i]);
        }
        uint256 start;
        assembly ("memory-safe") {
            start := add(values, 0x20)
        }
        return _ofWords(start, values.length);
    }

    /// @notice The word of one inference of a batch. Every output of all inferences comes before the next, so an
    /// inference's are `batch` words apart.
    /// @dev Writes behind the free memory pointer and leaves it.
    function ofInference(int256[] calldata values, uint256 batch, uint256 index)
        internal
        pure
        returns (bytes32 word)
    {
        if (values.length == batch) return 0;
        uint256 start;
        uint256 count;
        assembly ("memory-safe") {
            start := mload(0x40)
            let to := start
            let step := mul(batch, 0x20)
            let from := add(values.offset, mul(index, 0x20))
            let end := add(values.offset, mul(values.length, 0x20))
            for {} lt(from, end) { from := add(from, step) } {
                mstore(to, calldataload(from))
                to := add(to, 0x20)
            }
            count := shr(5, sub(to, start))
        }
        return _ofWords(start, count);
    }

    /// @dev The word of `count` words in memory.
    function _ofWords(uint256 start, uint256 count) private pure returns (bytes32 word) {
        if (count < 2) return 0;
        if (count > PACKED) {
            assembly ("memory-safe") {
                word := keccak256(start, mul(count, 0x20))
            }
            return word;
        }
        assembly ("memory-safe") {
            word := shl(192, count)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let value := and(mload(add(start, mul(i, 0x20))), 0xffffffffffffffff)
                word := or(word, shl(mul(i, 64), value))
            }
        }
    }
}
