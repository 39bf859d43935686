// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ISignerRegistry} from "../../src/interfaces/ISignerRegistry.sol";
import {SignerRegistry} from "../../src/SignerRegistry.sol";
import {OracleFixture} from "./OracleFixture.sol";

/// @notice A contract that signs by ERC-1271: what its owner's key signs, while it is open.
contract Wallet {
    address private immutable key;
    bool public open = true;

    constructor(address key_) {
        key = key_;
    }

    function close() external {
        open = false;
    }

    function accept(ISignerRegistry signers) external {
        signers.acceptSigner();
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
        bool valid = open && ecrecover(digest, uint8(signature[64]), r, s) == key;
        return valid ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice A model whose scores need two of three signers: two keys and a contract.
abstract contract AttestationFixture is OracleFixture {
    /// @dev A signer's statement before it is packed.
    struct Vouch {
        uint8 index;
        uint256 key;
        uint64 issuedAt;
        uint64 validUntil;
    }

    bytes32 internal constant SCHEMA = keccak256("loans repaid, loans defaulted");
    uint256 internal constant ALICE = 0xa11ce;
    uint256 internal constant BOB = 0xb0b;
    uint256 internal constant WALLET_KEY = 0xca201;

    SignerRegistry internal signers;
    Wallet internal wallet;
    uint256 internal model;

    function setUp() public virtual override {
        super.setUp();
        signers = new SignerRegistry(owner);
        wallet = new Wallet(vm.addr(WALLET_KEY));
        vm.startPrank(owner);
        signers.proposeSigner(vm.addr(ALICE));
        signers.proposeSigner(vm.addr(BOB));
        signers.proposeSigner(address(wallet));
        vm.stopPrank();
        vm.prank(vm.addr(ALICE));
        signers.acceptSigner();
        vm.prank(vm.addr(BOB));
        signers.acceptSigner();
        wallet.accept(signers);
        vm.warp(block.timestamp + signers.SIGNER_DELAY());
        model = registerModel(verificationData("attested", 2, 1, 0, 1_000_000));
        approveWith(model, address(signers), 2, SCHEMA);
    }

    /// @dev A statement about the borrower with public inputs.
    function attested(uint256 nonce) internal view returns (Statement memory s) {
        s = statement(nonce, 123_456);
        s.modelId = model;
        s.inputWords = new uint256[](2);
        (s.inputWords[0], s.inputWords[1]) = (12, 1);
    }

    function vouch(uint8 index, uint256 key) internal view returns (Vouch memory) {
        return Vouch(index, key, uint64(block.timestamp - 1 days), uint64(block.timestamp + 1 days));
    }

    function digestOf(Statement memory s, Vouch memory v) internal view returns (bytes32) {
        bytes32 inputs = keccak256(abi.encodePacked(s.inputWords));
        address signer = v.index < signers.signerCount() ? signers.signerAt(v.index).account : vm.addr(v.key);
        return signers.attestationDigest(signer, s.subject, SCHEMA, inputs, v.issuedAt, v.validUntil);
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function pack(Vouch memory v, bytes memory proof) internal pure returns (bytes memory) {
        return abi.encodePacked(v.index, v.issuedAt, v.validUntil, uint16(proof.length), proof);
    }

    function signed(Statement memory s, Vouch memory v) internal view returns (bytes memory) {
        return pack(v, signature(v.key, digestOf(s, v)));
    }
}
