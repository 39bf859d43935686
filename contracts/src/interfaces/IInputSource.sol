// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInputVoucher} from "./IInputVoucher.sol";

/// @title Inputs that are on chain
/// @notice Knows the public input words of a subject itself: balances, positions, past repayments. An oracle that
/// approves a model with a source as its voucher (threshold 1) reads the words when it verifies a proof, and
/// records the score only if the proof was made on exactly these. Who submits brings no attestations.
interface IInputSource is IInputVoucher {
    /// @notice A source takes no statements.
    error AttestationsNotTaken();
    /// @notice The source's words mean something else.
    error SchemaMismatch(bytes32 expected, bytes32 given);
    /// @notice The subject has other inputs by now than the proof was made on; hashes of both.
    error InputsDiffer(address subject, bytes32 expected, bytes32 given);
    /// @notice There is one signer, the source, at index 0.
    error SignerUnknownAt(uint256 index);

    /// @notice What the words mean: the schema that the model's approval names.
    function schema() external view returns (bytes32);

    /// @notice The public input words of a subject as they are now, in the encoding of the schema.
    function inputWordsOf(address subject) external view returns (uint256[] memory words);
}
