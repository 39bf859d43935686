// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title A sum of pairings
/// @notice What verifiers leave behind (`IVerdictAccumulator`), added up with weights so that it is paired once.
/// @dev A pairing's input has twelve words: W' (x, y), τ·G2, F (x, y), −G2.
library PairingSum {
    /// @notice A point is none of the curve's, which no verifier ends with.
    error NotOnCurve();
    /// @notice Too little gas is left to tell a proof that does not hold from a check that ran out of gas.
    error NotEnoughGas();

    /// @dev More than a pairing takes, and more than is left when one of the precompiles ran out of gas.
    uint256 private constant TELLING_GAS = 200_000;
    /// @dev The part of a call's gas that has to be left: one that runs out of it leaves a 64th for each call it is
    /// deep, which is less than an eighth down to a depth of eight.
    uint256 private constant TELLING_PART = 8;
    uint256 private constant EC_ADD = 6;
    uint256 private constant EC_MUL = 7;
    uint256 private constant EC_PAIRING = 8;

    /// @notice Weight of the proof at `index`: 128 bits of a hash that depends on the whole call, so that no proof can
    /// be made for it.
    function weightOf(bytes32 seed, uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, index))) & type(uint128).max;
    }

    /// @notice Whether both belong to one structured reference string: their points of G2 are the same.
    function sameString(uint256[12] memory a, uint256[12] memory b) internal pure returns (bool same) {
        assembly ("memory-safe") {
            same := and(
                eq(keccak256(add(a, 0x40), 0x80), keccak256(add(b, 0x40), 0x80)),
                eq(keccak256(add(a, 0x100), 0x80), keccak256(add(b, 0x100), 0x80))
            )
        }
    }

    /// @notice Adds `weight` times `next` to `sum`, which has the same points of G2.
    function add(uint256[12] memory sum, uint256[12] memory next, uint256 weight) internal view {
        _add(sum, 0x00, next, weight);
        _add(sum, 0xc0, next, weight);
    }

    /// @notice Reverts when the precompile that just failed may have failed for want of gas, or the next one may. Who
    /// chooses a call's gas must not choose which proof is said not to hold.
    function requireTellingGas() internal view {
        if (gasleft() < TELLING_GAS) revert NotEnoughGas();
    }

    /// @notice The same of a call of whatever length that just failed, of a verifier or of somebody who vouches.
    /// @param before What was left before the call.
    function requireTellingGas(uint256 before) internal view {
        if (gasleft() < before / TELLING_PART) revert NotEnoughGas();
    }

    /// @notice Whether it is 1. False also when the gas does not suffice: see `requireTellingGas`.
    function holds(uint256[12] memory pairing) internal view returns (bool ok) {
        assembly ("memory-safe") {
            mstore(0x00, 0)
            ok := staticcall(gas(), EC_PAIRING, pairing, 0x180, 0x00, 0x20)
            ok := and(eq(mload(0x00), 1), ok)
        }
    }

    /// @dev Adds `weight` times the point at byte `at` of `next` to that of `sum`.
    function _add(uint256[12] memory sum, uint256 at, uint256[12] memory next, uint256 weight) private view {
        bool ok;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let point := add(sum, at)
            mcopy(free, add(next, at), 0x40)
            mstore(add(free, 0x40), weight)
            ok := staticcall(gas(), EC_MUL, free, 0x60, free, 0x40)
            mcopy(add(free, 0x40), point, 0x40)
            ok := and(staticcall(gas(), EC_ADD, free, 0x80, point, 0x40), ok)
        }
        if (!ok) {
            requireTellingGas();
            revert NotOnCurve();
        }
    }
}
