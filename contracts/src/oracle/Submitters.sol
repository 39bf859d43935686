// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";

/// @title Who may record scores
/// @notice The list that the oracle's owner keeps. Submitters vouch for inputs that no proof speaks of.
abstract contract Submitters is IInferenceOracle, Ownable2Step {
    /// @dev `number` is the submitter's index plus one and never changes once given.
    struct Submitter {
        uint16 number;
        bool allowed;
    }

    mapping(address submitter => Submitter) private _submitterOf;
    address[] private _submitters;

    /// @inheritdoc IInferenceOracle
    function addSubmitter(address submitter) external override onlyOwner {
        // Nobody's, and a number is given for good.
        if (submitter == address(0)) revert SubmitterNotAllowed(submitter);
        Submitter storage entry = _submitterOf[submitter];
        if (entry.allowed) revert SubmitterAlreadyAllowed(submitter);
        if (entry.number == 0) {
            if (_submitters.length == type(uint16).max) revert TooManySubmitters(type(uint16).max);
            _submitters.push(submitter);
            entry.number = uint16(_submitters.length);
        }
        entry.allowed = true;
        emit SubmitterAdded(submitter);
    }

    /// @inheritdoc IInferenceOracle
    function removeSubmitter(address submitter) external override onlyOwner {
        Submitter storage entry = _submitterOf[submitter];
        if (!entry.allowed) revert SubmitterNotAllowed(submitter);
        entry.allowed = false;
        emit SubmitterRemoved(submitter);
    }

    /// @inheritdoc IInferenceOracle
    function isSubmitter(address submitter) external view override returns (bool) {
        return _submitterOf[submitter].allowed;
    }

    /// @dev The caller's number, if the caller may record.
    function _callerNumber() internal view returns (uint256) {
        Submitter memory submitter = _submitterOf[msg.sender];
        if (!submitter.allowed) revert SubmitterNotAllowed(msg.sender);
        return submitter.number;
    }

    /// @dev Whose number it is; zero for zero, which is nobody's.
    function _submitterAt(uint256 number) internal view returns (address) {
        return number == 0 ? address(0) : _submitters[number - 1];
    }
}
