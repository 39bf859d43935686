// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IVerdictAccumulator} from "../interfaces/IVerdictAccumulator.sol";
import {IVerdictVerifier} from "../interfaces/IVerdictVerifier.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title One address for all verifiers
/// @notice The first four bytes of a proof name its verifier: by convention those of the circuit shape's id. For
/// contracts that check proofs themselves and want to follow new shapes without a change of their own. An oracle
/// needs none: it pins each model's verifier. Where that is a router, its owner decides what is proven of the model.
///
/// Trust: the owner adds verifiers, which is to decide what counts as proven from then on. A selector is given
/// once: a removed one leaves a tombstone, so that it never comes to mean another verifier. What ends a verifier under
/// every selector, here and elsewhere, is its own `VerifierEmergencyStop`.
contract VerifierRouter is IVerdictAccumulator, Ownable2Step {
    using AccountCode for address;

    /// @notice Proofs that begin with `selector` are checked by `verifier` from now on.
    event VerifierAdded(bytes4 indexed selector, address indexed verifier);
    /// @notice Proofs that begin with `selector` are refused from now on, for ever.
    event VerifierRemoved(bytes4 indexed selector, address indexed verifier);

    /// @notice No verifier has this selector.
    error SelectorUnknown(bytes4 selector);
    /// @notice A verifier has this selector.
    error SelectorInUse(bytes4 selector);
    /// @notice The verifier with this selector was removed.
    error SelectorRemoved(bytes4 selector);
    /// @notice There is no contract at the address, or one whose code a private key can change.
    error NoVerifier(address verifier);
    /// @notice The proof has no selector.
    error ProofTooShort(uint256 length);
    /// @notice Without an owner no verifier could be removed.
    error OwnershipCannotBeRenounced();

    /// @dev Stands where a removed verifier stood. No contract can be there: the address is a precompile's.
    address private constant TOMBSTONE = address(1);

    mapping(bytes4 selector => address) private _verifiers;

    /// @param initialOwner Who adds and removes verifiers.
    constructor(address initialOwner) Ownable(initialOwner) {}

    /// @notice Adds a verifier. Owner only.
    function addVerifier(bytes4 selector, address verifier) external onlyOwner {
        address current = _verifiers[selector];
        if (current == TOMBSTONE) revert SelectorRemoved(selector);
        if (current != address(0)) revert SelectorInUse(selector);
        if (verifier.code.length == 0 || verifier.isDelegation()) revert NoVerifier(verifier);
        _verifiers[selector] = verifier;
        emit VerifierAdded(selector, verifier);
    }

    /// @notice Removes a selector for ever. Owner only. A verifier that was added under others keeps these.
    function removeVerifier(bytes4 selector) external onlyOwner {
        address verifier = verifierOf(selector);
        _verifiers[selector] = TOMBSTONE;
        emit VerifierRemoved(selector, verifier);
    }

    /// @inheritdoc IVerdictVerifier
    /// @dev The verifier gets the proof without its selector.
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        override
        returns (bool)
    {
        return _named(proof).verify(key, keyHash, instances, proof[4:]);
    }

    /// @inheritdoc IVerdictAccumulator
    /// @dev The verifier gets the proof without its selector, and fails if it cannot.
    function accumulate(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        override
        returns (uint256[12] memory pairing)
    {
        return _named(proof).accumulate(key, keyHash, instances, proof[4:]);
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @notice The verifier with a selector.
    function verifierOf(bytes4 selector) public view returns (address verifier) {
        verifier = _verifiers[selector];
        if (verifier == TOMBSTONE) revert SelectorRemoved(selector);
        if (verifier == address(0)) revert SelectorUnknown(selector);
    }

    /// @dev The verifier that a proof names.
    function _named(bytes calldata proof) private view returns (IVerdictAccumulator) {
        if (proof.length < 4) revert ProofTooShort(proof.length);
        return IVerdictAccumulator(verifierOf(bytes4(proof[:4])));
    }
}
