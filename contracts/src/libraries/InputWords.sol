// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Public input words from numbers
/// @notice The encoding of inputs that a setup declares with `decimals`, so that each is an integer in units of its
/// last decimal. An input in [low, high] becomes (value - low) shifted up to fill the model's `bits`, and `perWord` of
/// them share a word, the first in its lowest bits. `bits` is `input.bits` of the setup's manifest; `perWord` is
/// 252 / bits where the circuit packs inputs (the manifest's shape has a `graph`), else 1.
library InputWords {
    /// @notice The range of an input, in units of its last decimal.
    struct Range {
        int64 low;
        int64 high;
    }

    /// @notice There is a value for each range, or there should be.
    error ValueCountMismatch(uint256 expected, uint256 given);
    /// @notice The value is outside of its range, so that no proof can be made of it.
    error ValueOutOfRange(uint256 index, int256 value, int256 low, int256 high);
    /// @notice The range is none, or has more values than the bits can tell apart.
    error InvalidRange(uint256 index, int256 low, int256 high);
    /// @notice The bits are none or do not fit a word.
    error InvalidLayout(uint256 bits, uint256 perWord);

    /// @notice The words of some values.
    function pack(int256[] memory values, Range[] memory ranges, uint256 bits, uint256 perWord)
        internal
        pure
        returns (uint256[] memory words)
    {
        if (values.length != ranges.length) revert ValueCountMismatch(ranges.length, values.length);
        if (bits == 0 || bits > 62 || perWord == 0 || perWord > 252 / bits) {
            revert InvalidLayout(bits, perWord);
        }
        words = new uint256[]((values.length + perWord - 1) / perWord);
        for (uint256 i = 0; i < values.length; ++i) {
            words[i / perWord] |= _integer(i, values[i], ranges[i], bits) << (i % perWord * bits);
        }
    }

    /// @dev A value as the integer that the circuit computes with.
    function _integer(uint256 index, int256 value, Range memory range, uint256 bits)
        private
        pure
        returns (uint256)
    {
        (int256 low, int256 high) = (range.low, range.high);
        if (low >= high || uint256(high - low) >> bits != 0) revert InvalidRange(index, low, high);
        if (value < low || value > high) revert ValueOutOfRange(index, value, low, high);
        uint256 shift = bits;
        for (uint256 points = uint256(high - low); points != 0; points >>= 1) {
            --shift;
        }
        return uint256(value - low) << shift;
    }
}
