// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Who says that a subject has certain inputs
/// @notice What an oracle asks, for a model whose approval names it, before it records a score: a registry of data
/// providers who sign statements (`ISignerRegistry`), or a contract that has the inputs itself (`IInputSource`).
interface IInputVoucher {
    /// @notice A provider whose statements count.
    /// @param account Who signs: a key's account, or a contract that answers by ERC-1271.
    /// @param countsFrom Time from which statements count; zero before the provider has accepted.
    /// @param proposedAt Time of the last proposal.
    /// @param removed Whether the owner has removed it.
    struct Signer {
        address account;
        uint40 countsFrom;
        uint40 proposedAt;
        bool removed;
    }

    /// @notice Who vouches for a subject's inputs. Reverts if any of what is given does not hold.
    /// @param subject Whom the inputs are about.
    /// @param schema What the public input words mean.
    /// @param inputs Keccak hash of the public input words.
    /// @param attestations What those who vouch have said; the voucher says in which form.
    /// @return signers Bitmap of their indices, below 32.
    /// @return count How many they are.
    function vouchersOf(address subject, bytes32 schema, bytes32 inputs, bytes calldata attestations)
        external
        view
        returns (uint256 signers, uint256 count);

    /// @notice The voucher at an index, which is its bit in a bitmap of signers.
    function signerAt(uint256 index) external view returns (Signer memory signer);
}
