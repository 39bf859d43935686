// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictAccumulator} from "../../src/interfaces/IVerdictAccumulator.sol";
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
        public
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

/// @notice An ideal verifier that leaves a pairing to the caller: of the generator with itself. The second word of a
/// proof says what F is a multiple of it, so that 1 alone is right.
contract IdealAccumulator is IdealVerifier, IVerdictAccumulator {
    uint256 private constant P =
        21_888_242_871_839_275_222_246_405_745_257_275_088_696_311_157_297_823_662_689_037_894_645_226_208_583;
    uint256 private constant X1 =
        11_559_732_032_986_387_107_991_004_021_392_285_783_925_812_861_821_192_530_917_403_151_452_391_805_634;
    uint256 private constant X0 =
        10_857_046_999_023_057_135_944_570_762_232_829_481_370_756_359_578_518_086_990_519_993_285_655_852_781;
    uint256 private constant Y1 =
        4_082_367_875_863_433_681_332_203_403_145_435_568_316_851_327_593_401_208_105_741_076_214_120_093_531;
    uint256 private constant Y0 =
        8_495_653_923_123_431_417_604_973_247_489_272_438_418_190_587_263_600_148_770_280_649_306_958_101_930;

    /// @dev Whether the key belongs to another reference string, one with τ = −1.
    bool private immutable _other;

    constructor(bool other) {
        _other = other;
    }

    /// @inheritdoc IdealVerifier
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        public
        view
        virtual
        override(IdealVerifier, IVerdictVerifier)
        returns (bool)
    {
        return super.verify(key, keyHash, instances, proof);
    }

    /// @inheritdoc IVerdictAccumulator
    function accumulate(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        public
        view
        returns (uint256[12] memory pairing)
    {
        if (key.codehash != keyHash) revert IdealKeyHasOtherHash();
        (bytes32 statement, uint256 multiple) = abi.decode(proof, (bytes32, uint256));
        if (statement != keccak256(abi.encode(key, keyHash, instances))) revert IdealProofDoesNotHold();
        (uint256 x, uint256 y) = _times(multiple);
        if (_other) y = (P - y) % P;
        (uint256 y1, uint256 y0) = _other ? (P - Y1, P - Y0) : (Y1, Y0);
        return [1, 2, X1, X0, y1, y0, x, y, X1, X0, P - Y1, P - Y0];
    }

    function _times(uint256 multiple) internal view virtual returns (uint256 x, uint256 y) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(1, 2, multiple));
        require(ok, "ecMul");
        return abi.decode(point, (uint256, uint256));
    }
}

/// @notice An ideal verifier that takes about as much gas as generated ones and ends as they do: the curve's precompiles
/// get all gas that is left, and what they fail for, too little gas included, is `PairingFailed`.
contract PairedVerifier is IdealAccumulator {
    error PairingFailed();

    constructor() IdealAccumulator(false) {}

    /// @inheritdoc IdealAccumulator
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        public
        view
        override
        returns (bool)
    {
        uint256[12] memory pairing = accumulate(key, keyHash, instances, proof);
        (bool ok, bytes memory answer) = address(8).staticcall(abi.encode(pairing));
        if (!ok || abi.decode(answer, (uint256)) != 1) revert PairingFailed();
        return true;
    }

    function _times(uint256 multiple) internal view override returns (uint256 x, uint256 y) {
        for (uint256 i = 0; i < 20; ++i) {
            (x, y) = _product(multiple);
        }
    }

    function _product(uint256 multiple) private view returns (uint256 x, uint256 y) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(1, 2, multiple));
        if (!ok) revert PairingFailed();
        return abi.decode(point, (uint256, uint256));
    }
}

/// @notice A verifier that breaks its interface's promise: it answers false where it should revert.
contract FalseVerifier is IVerdictVerifier {
    /// @inheritdoc IVerdictVerifier
    function verify(address, bytes32, uint256[] calldata, bytes calldata) external pure returns (bool) {
        return false;
    }
}
