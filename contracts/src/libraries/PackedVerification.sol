// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @dev What became of a model.
enum ModelStatus {
    None,
    Active,
    Deprecated
}

/// @title Verification data in two words
/// @notice The layout in which the registry keeps them and hands them to oracles, which read them for every proof.
/// The key's hash is no part of it: it is that of the key's code.
///
///     first     0..159  verifier        second    0..159  key
///             160..223  outputMin               160..223  outputMax
///             224..239  outputs                 224..239  publicInputs
///             240..247  batch                   240..247  decimals
///             248..255  status                  248..255  direction
///
/// The two smallest and largest outputs are in two's complement.
library PackedVerification {
    /// @notice Packs verification data.
    function pack(IModelRegistry.VerificationData memory data, ModelStatus status)
        internal
        pure
        returns (uint256 first, uint256 second)
    {
        first = uint160(data.verifier) | uint256(uint64(data.outputMin)) << 160 | uint256(data.outputs) << 224
            | uint256(data.batch) << 240 | uint256(status) << 248;
        second = uint160(data.key) | uint256(uint64(data.outputMax)) << 160 | uint256(data.publicInputs)
            << 224 | uint256(data.decimals) << 240 | uint256(data.direction) << 248;
    }

    /// @notice Writes the verification data, with the key hash that is given, into `data`.
    /// @dev Both words are a registry's, so that the direction is one.
    function unpack(
        uint256 first,
        uint256 second,
        bytes32 keyHash,
        IModelRegistry.VerificationData memory data
    ) internal pure {
        data.verifier = address(uint160(first));
        data.key = address(uint160(second));
        data.keyHash = keyHash;
        data.publicInputs = uint16(second >> 224);
        data.outputs = uint16(first >> 224);
        data.batch = uint8(first >> 240);
        data.outputMin = int64(uint64(first >> 160));
        data.outputMax = int64(uint64(second >> 160));
        data.decimals = uint8(second >> 240);
        data.direction = IModelRegistry.ScoreDirection(second >> 248);
    }

    /// @notice The status in the first word.
    function statusOf(uint256 first) internal pure returns (ModelStatus) {
        return ModelStatus(first >> 248);
    }

    /// @notice The first word with another status.
    function withStatus(uint256 first, ModelStatus status) internal pure returns (uint256) {
        return first & (type(uint256).max >> 8) | uint256(status) << 248;
    }
}
