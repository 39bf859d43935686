// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What kind of code an account has
library AccountCode {
    /// @dev Length of an EIP-7702 delegation: a prefix of three bytes and an address.
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @notice Whether the account's code is a delegation (EIP-7702): 0xef0100, then an address.
    /// @dev Such an account belongs to a private key, which can have it run other code tomorrow. No contract's
    /// code begins with 0xef (EIP-3541).
    function isDelegation(address account) internal view returns (bool) {
        if (account.code.length != DELEGATION_LENGTH) return false;
        return bytes3(account.code) == 0xef0100;
    }
}
