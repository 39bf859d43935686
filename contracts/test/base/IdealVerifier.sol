// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictVerifier} from "../../src/interfaces/IVerdictVerifier.sol";

/// @notice A proof system that is sound by construction: the proof of a statement is the statement's hash,
/// so a proof holds for exactly one key and one list of instances. Tests of the contracts around the verifier
/// can thereby tell a statement that was passed on whole from one that was altered on the way.
contract IdealVerifier is IVerdictVerifier {
    error IdealProofDoesNotHold();
    error IdealKeyHasOtherHash();

    /// @notice Makes the proof of a statement: its hash, then a word that stands for the rest of a proof.
    function prove(address key, bytes32 keyHash, uint256[] calldata instances)
        external
        pure
        returns (bytes memory)
    {
        return abi.encode(keccak256(abi.encode(key, keyHash, instances)), uint256(1));
    }

    /// @inheritdoc IVerdictVerifier
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        virtual
        returns (bool)
    {
        if (key.codehash != keyHash) revert IdealKeyHasOtherHash();
        bytes memory expected = abi.encode(keccak256(abi.encode(key, keyHash, instances)), uint256(1));
        if (keccak256(proof) != keccak256(expected)) revert IdealProofDoesNotHold();
        return true;
    }
}

/// @notice A verifier that breaks its interface's promise: it answers false where it should revert.
contract FalseVerifier is IVerdictVerifier {
    /// @inheritdoc IVerdictVerifier
    function verify(address, bytes32, uint256[] calldata, bytes calldata) external pure returns (bool) {
        return false;
    }
}
