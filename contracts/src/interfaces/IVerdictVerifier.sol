// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title A generated proof verifier
/// @notice One such contract exists per circuit shape. It holds no state and no key: the key is a data
/// contract whose runtime code is 0x00 (STOP) followed by the payload, named by the caller.
interface IVerdictVerifier {
    /// @notice Reverts with a custom error unless `proof` proves `instances` under the key stored at `key`.
    /// @param key Address of the key's data contract.
    /// @param keyHash Code hash that `key` must have.
    /// @param instances Public values of the proof: the context, the public inputs, the outputs.
    /// @param proof Proof bytes, followed by the verifier's inverse hints.
    /// @return Always true; failure is a revert.
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        returns (bool);
}
