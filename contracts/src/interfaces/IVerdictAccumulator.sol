// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IVerdictVerifier} from "./IVerdictVerifier.sol";

/// @title A generated verifier that can leave its pairing to others
interface IVerdictAccumulator is IVerdictVerifier {
    /// @notice All of `verify` but the pairing, which is left to the caller: NOTHING is proven before that.
    /// @return pairing The pairing's input, which the precompile must find to be 1: W' (x, y), τ·G2, F (x, y),
    /// −G2. The points of G2 are the key's.
    function accumulate(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        returns (uint256[12] memory pairing);
}
