// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IVerdictAccumulator} from "../interfaces/IVerdictAccumulator.sol";
import {IVerdictVerifier} from "../interfaces/IVerdictVerifier.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title A verifier that can be stopped once and for all
/// @notice Stands before one verifier. Its guardian, the owner, can stop it when the verifier is found to be
/// faulty; nobody can start it again. The guardian can do nothing else. A stop ends both ways to ask: `verify`, and
/// `accumulate` for those who pair several proofs at once.
contract VerifierEmergencyStop is IVerdictAccumulator, Ownable2Step {
    using AccountCode for address;

    /// @notice The verifier accepts no proof any more.
    event Stopped(address indexed guardian);

    /// @notice There is no contract at the address, or one whose code a private key can change.
    error NoVerifier(address verifier);
    /// @notice The verifier was stopped.
    error VerifierStopped();
    /// @notice Without a guardian nobody could stop it.
    error GuardianCannotBeRenounced();

    /// @notice The verifier behind.
    IVerdictVerifier public immutable verifier;
    /// @notice Whether it was stopped.
    bool public stopped;

    /// @param verifier_ The verifier behind.
    /// @param guardian Who may stop it.
    constructor(IVerdictVerifier verifier_, address guardian) Ownable(guardian) {
        address behind = address(verifier_);
        if (behind.code.length == 0 || behind.isDelegation()) revert NoVerifier(behind);
        verifier = verifier_;
    }

    /// @notice Stops the verifier for ever. Guardian only.
    function stop() external onlyOwner {
        if (stopped) revert VerifierStopped();
        stopped = true;
        emit Stopped(msg.sender);
    }

    /// @inheritdoc IVerdictVerifier
    function verify(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        override
        returns (bool)
    {
        if (stopped) revert VerifierStopped();
        return verifier.verify(key, keyHash, instances, proof);
    }

    /// @inheritdoc IVerdictAccumulator
    /// @dev Fails if the verifier behind cannot.
    function accumulate(address key, bytes32 keyHash, uint256[] calldata instances, bytes calldata proof)
        external
        view
        override
        returns (uint256[12] memory pairing)
    {
        if (stopped) revert VerifierStopped();
        return IVerdictAccumulator(address(verifier)).accumulate(key, keyHash, instances, proof);
    }

    /// @notice Always reverts: the guardian's part can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert GuardianCannotBeRenounced();
    }
}
