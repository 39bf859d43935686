// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title Owner of an oracle whose trust grows slowly
/// @notice Owns an oracle for its own owner. What widens trust (approving a model, adding a submitter, resuming,
/// handing the oracle over) is announced with all its arguments and done after a delay; what narrows it (revoking
/// a model, removing a submitter, pausing, taking an offer of the oracle back) is done at once. Everything that is
/// announced can be taken back until it is done, and lapses if it is not done in time. So it is with the timelock's own
/// owner: who is offered its place takes it after the delay.
/// @dev Calls go to the oracle only, and only to what its owner may do.
contract OracleTimelock is Ownable2Step {
    using AccountCode for address;

    /// @notice The shortest delay.
    uint256 public constant MIN_DELAY = 1 days;
    /// @notice The longest delay.
    uint256 public constant MAX_DELAY = 30 days;
    /// @notice Seconds after the delay in which a call can be done.
    uint256 public constant GRACE = 14 days;

    /// @notice `call` can be done from `readyAt` on.
    event CallScheduled(bytes32 indexed id, bytes call, uint256 readyAt);
    /// @notice The call will not be done.
    event CallCancelled(bytes32 indexed id);
    /// @notice The call was done.
    event CallExecuted(bytes32 indexed id);

    /// @notice There is no contract at the address.
    error OracleHasNoCode(address oracle);
    /// @notice The delay is too short or too long.
    error InvalidDelay(uint256 delay);
    /// @notice The function is none that is done after a delay.
    error NotDelayed(bytes4 selector);
    /// @notice The call is announced already.
    error AlreadyScheduled(bytes32 id);
    /// @notice The call is not announced.
    error NotScheduled(bytes32 id);
    /// @notice The call can be done later.
    error TooEarly(bytes32 id, uint256 readyAt);
    /// @notice The call was to be done earlier, and has to be announced again.
    error TooLate(bytes32 id, uint256 until);
    /// @notice The new owner can take over later.
    error HandoverTooEarly(uint256 readyAt);
    /// @notice The new owner was to take over earlier, and has to be named again.
    error HandoverTooLate(uint256 until);
    /// @notice Without an owner the oracle could not even be paused.
    error OwnershipCannotBeRenounced();

    /// @notice What is owned.
    address public immutable oracle;
    /// @notice Seconds between announcement and deed.
    uint256 public immutable delay;
    /// @notice When a call can be done; zero if it is not announced.
    mapping(bytes32 id => uint256) public readyAt;
    /// @notice When the pending owner can take over.
    uint256 public handoverAt;

    /// @param oracle_ The oracle; its owner offers it to this contract, which takes it by `acceptOracle`.
    /// @param initialOwner Who announces, does and takes back.
    /// @param delay_ Seconds between announcement and deed.
    constructor(address oracle_, address initialOwner, uint256 delay_) Ownable(initialOwner) {
        if (oracle_.code.length == 0 || oracle_.isDelegation()) revert OracleHasNoCode(oracle_);
        if (delay_ < MIN_DELAY || delay_ > MAX_DELAY) revert InvalidDelay(delay_);
        (oracle, delay) = (oracle_, delay_);
    }

    /// @notice Takes the oracle over. Anyone may call it: the oracle's owner has offered it.
    function acceptOracle() external {
        Ownable2Step(oracle).acceptOwnership();
    }

    // ---------------------------------------------------------------- at once

    /// @notice Stops recording.
    function pause() external onlyOwner {
        IInferenceOracle(oracle).pause();
    }

    /// @notice Stops accepting proofs of a model.
    function revokeModel(uint256 modelId) external onlyOwner {
        IInferenceOracle(oracle).revokeModel(modelId);
    }

    /// @notice Takes a submitter's right away.
    function removeSubmitter(address submitter) external onlyOwner {
        IInferenceOracle(oracle).removeSubmitter(submitter);
    }

    /// @notice Takes back an offer of the oracle that was made after its delay and that nobody has taken yet.
    function withdrawOracle() external onlyOwner {
        Ownable2Step(oracle).transferOwnership(address(0));
    }

    // ---------------------------------------------------------- after a delay

    /// @notice Announces a call of the oracle.
    /// @param call Selector and arguments.
    /// @return id By which it is done or taken back: its hash.
    function schedule(bytes calldata call) external onlyOwner returns (bytes32 id) {
        bytes4 selector = bytes4(call);
        if (!_isDelayed(selector)) revert NotDelayed(selector);
        id = keccak256(call);
        uint256 ready = readyAt[id];
        if (ready != 0 && block.timestamp <= ready + GRACE) revert AlreadyScheduled(id);
        readyAt[id] = block.timestamp + delay;
        emit CallScheduled(id, call, block.timestamp + delay);
    }

    /// @notice Takes a call back.
    function cancel(bytes32 id) external onlyOwner {
        _take(id);
        emit CallCancelled(id);
    }

    /// @notice Does a call whose delay is over.
    function execute(bytes calldata call) external onlyOwner {
        bytes32 id = keccak256(call);
        uint256 ready = _take(id);
        if (block.timestamp < ready) revert TooEarly(id, ready);
        if (block.timestamp > ready + GRACE) revert TooLate(id, ready + GRACE);
        emit CallExecuted(id);
        (bool ok, bytes memory answer) = oracle.call(call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @notice Offers the timelock itself to another owner, who can take it after the delay; the zero address takes an
    /// offer back.
    function transferOwnership(address newOwner) public override onlyOwner {
        handoverAt = block.timestamp + delay;
        super.transferOwnership(newOwner);
    }

    /// @notice The pending owner takes over, once the delay is over.
    function acceptOwnership() public override {
        if (block.timestamp < handoverAt) revert HandoverTooEarly(handoverAt);
        if (block.timestamp > handoverAt + GRACE) revert HandoverTooLate(handoverAt + GRACE);
        super.acceptOwnership();
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @dev Takes an announcement off the list.
    function _take(bytes32 id) private returns (uint256 ready) {
        ready = readyAt[id];
        if (ready == 0) revert NotScheduled(id);
        delete readyAt[id];
    }

    function _isDelayed(bytes4 selector) private pure returns (bool) {
        return selector == IInferenceOracle.approveModel.selector
            || selector == IInferenceOracle.approveAttestedModel.selector
            || selector == IInferenceOracle.addSubmitter.selector
            || selector == IInferenceOracle.unpause.selector || selector == Ownable.transferOwnership.selector;
    }
}
