// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IInputSource} from "../interfaces/IInputSource.sol";
import {IInputVoucher} from "../interfaces/IInputVoucher.sol";

/// @title Base of contracts that know a subject's inputs
/// @notice Whoever inherits says what the input words are. See `InputWords` for their encoding.
///
/// Trust: the oracle's owner chooses the source with the model's approval, for good. Whoever can change what the
/// source reads (a borrower who repays, an attacker with a flash loan who moves a balance within one block) changes
/// the inputs: read what cannot be moved for a moment, or averages over time.
abstract contract InputSource is IInputSource, ERC165 {
    /// @inheritdoc IInputSource
    bytes32 public immutable override schema;
    /// @dev When it was deployed, and counts from.
    uint40 private immutable _since;

    /// @param schema_ What the words mean.
    constructor(bytes32 schema_) {
        schema = schema_;
        _since = uint40(block.timestamp);
    }

    /// @inheritdoc IInputSource
    function inputWordsOf(address subject) public view virtual override returns (uint256[] memory words);

    /// @inheritdoc IInputVoucher
    function vouchersOf(address subject, bytes32 schema_, bytes32 inputs, bytes calldata attestations)
        external
        view
        override
        returns (uint256 signers, uint256 count)
    {
        if (attestations.length != 0) revert AttestationsNotTaken();
        if (schema_ != schema) revert SchemaMismatch(schema, schema_);
        bytes32 actual = keccak256(abi.encodePacked(inputWordsOf(subject)));
        if (actual != inputs) revert InputsDiffer(subject, actual, inputs);
        return (1, 1);
    }

    /// @inheritdoc IInputVoucher
    function signerAt(uint256 index) external view override returns (Signer memory signer) {
        if (index != 0) revert SignerUnknownAt(index);
        return Signer({account: address(this), countsFrom: _since, proposedAt: _since, removed: false});
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IInputSource).interfaceId || interfaceId == type(IInputVoucher).interfaceId
            || super.supportsInterface(interfaceId);
    }
}
