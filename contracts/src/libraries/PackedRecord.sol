// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @dev A score's record as the one word it is stored in. Zero is no record: `updatedAt` is never zero in one.
///
///     bits    0.. 63  score, two's complement
///     bits   64..127  nonce
///     bits  128..167  updatedAt
///     bits  168..207  deadline
///     bits  208..223  submitter: index into the oracle's list, plus one
///     bits  224..255  signers who vouched for the inputs, a bit for each
type PackedRecord is uint256;

using PackedRecords for PackedRecord global;

/// @title Packing of records
/// @notice Builds and takes apart the word, so that a record is written by one SSTORE and read by one SLOAD.
library PackedRecords {
    /// @notice Packs a record. The caller has checked every value against its width.
    /// @param witnesses Who brought it and who vouched: the submitter, and above its 16 bits the signers.
    function pack(int256 score_, uint256 nonce_, uint256 updatedAt_, uint256 deadline_, uint256 witnesses)
        internal
        pure
        returns (PackedRecord)
    {
        return PackedRecord.wrap(
            (uint256(score_) & type(uint64).max) | nonce_ << 64 | updatedAt_ << 128 | deadline_ << 168
                | witnesses << 208
        );
    }

    function score(PackedRecord record) internal pure returns (int64) {
        return int64(uint64(PackedRecord.unwrap(record)));
    }

    function nonce(PackedRecord record) internal pure returns (uint64) {
        return uint64(PackedRecord.unwrap(record) >> 64);
    }

    function updatedAt(PackedRecord record) internal pure returns (uint40) {
        return uint40(PackedRecord.unwrap(record) >> 128);
    }

    function deadline(PackedRecord record) internal pure returns (uint40) {
        return uint40(PackedRecord.unwrap(record) >> 168);
    }

    function submitter(PackedRecord record) internal pure returns (uint16) {
        return uint16(PackedRecord.unwrap(record) >> 208);
    }

    function signers(PackedRecord record) internal pure returns (uint32) {
        return uint32(PackedRecord.unwrap(record) >> 224);
    }
}
