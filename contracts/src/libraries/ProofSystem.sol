// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @dev ERC-7992's id of Verdict's proof system: halo2 with KZG commitments over BN254, version 1.
bytes4 constant HALO2_KZG_BN254_V1 = bytes4(keccak256("halo2-kzg-bn254-v1"));
