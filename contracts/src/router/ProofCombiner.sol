// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictAccumulator} from "../interfaces/IVerdictAccumulator.sol";
import {AccountCode} from "../libraries/AccountCode.sol";
import {PairingSum} from "../libraries/PairingSum.sol";

/// @title Several proofs for one pairing
/// @notice Checks proofs of any models in one call. Each verification ends in two points, W' and F, with
/// e(W', τ·G2)·e(F, −G2) = 1. Random combinations of all W' and of all F are paired once; a proof that does not hold
/// fails it but with a probability of 2^-128. For contracts that check proofs themselves: they choose verifiers, keys
/// and instances, which say what is proven.
///
/// Trust: none in proofs, keys and instances. The weights are hashes of the whole call, so that no proof can be made
/// for them, and keys of another structured reference string (another τ·G2) are refused, because their pairings
/// cannot be added. EVERY verifier of the list has to be trusted: one that lies about its points, which it can choose
/// when the weights are known, makes a false proof of another one pass. Never take verifiers from who brings proofs. A
/// `VerifierEmergencyStop` or a `VerifierRouter` may stand in the list: what is stopped or removed is refused.
contract ProofCombiner {
    using AccountCode for address;
    using PairingSum for uint256[12];

    /// @notice A proof and what it is of, as `IVerdictVerifier.verify` takes them.
    struct Proof {
        IVerdictAccumulator verifier;
        address key;
        bytes32 keyHash;
        uint256[] instances;
        bytes proof;
    }

    /// @notice One proof does not hold, and with it the call; `reason` is its verifier's error.
    error ProofRefused(uint256 index, bytes reason);
    /// @notice The proof's key belongs to another structured reference string than the first one's.
    error OtherReferenceString(uint256 index);
    /// @notice There is nothing to check.
    error NoProofs();
    /// @notice No contract that accumulates is at the address, or one whose code a private key can change.
    error NoVerifier(uint256 index, address verifier);

    /// @dev What the pairing of a proof alone ends with, as the verifiers say it.
    error PairingFailed();

    /// @notice Reverts unless every proof holds.
    /// @return Always true; failure is a revert that names the proof.
    function verifyAll(Proof[] calldata proofs) external view returns (bool) {
        if (proofs.length == 0) revert NoProofs();
        bytes32 seed = keccak256(msg.data);
        uint256[12] memory sum = _accumulated(proofs, 0);
        for (uint256 i = 1; i < proofs.length; ++i) {
            uint256[12] memory next = _accumulated(proofs, i);
            if (!sum.sameString(next)) revert OtherReferenceString(i);
            sum.add(next, PairingSum.weightOf(seed, i));
        }
        if (!sum.holds()) _refuse(proofs);
        return true;
    }

    /// @dev The pairing's input of one proof.
    function _accumulated(Proof[] calldata proofs, uint256 index)
        private
        view
        returns (uint256[12] memory pairing)
    {
        Proof calldata one = proofs[index];
        address verifier = address(one.verifier);
        if (verifier.code.length == 0 || verifier.isDelegation()) revert NoVerifier(index, verifier);
        bytes memory call =
            abi.encodeCall(one.verifier.accumulate, (one.key, one.keyHash, one.instances, one.proof));
        uint256 before = gasleft();
        // By hand: what a verifier answers instead of twelve words must fail with the proof's index.
        (bool ok, bytes memory answer) = verifier.staticcall(call);
        if (!ok) {
            PairingSum.requireTellingGas(before);
            revert ProofRefused(index, answer);
        }
        if (answer.length != 0x180) revert NoVerifier(index, verifier);
        assembly ("memory-safe") {
            pairing := add(answer, 0x20)
        }
    }

    /// @dev Finds the first proof that does not hold alone. There is one: the sum of those that hold, holds.
    function _refuse(Proof[] calldata proofs) private view {
        for (uint256 i = 0; i < proofs.length; ++i) {
            uint256[12] memory pairing = _accumulated(proofs, i);
            PairingSum.requireTellingGas();
            if (!pairing.holds()) {
                revert ProofRefused(i, abi.encodeWithSelector(PairingFailed.selector));
            }
        }
        revert PairingFailed();
    }
}
