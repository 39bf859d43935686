// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERCZKMLRegistry} from "../interfaces/IERCZKMLRegistry.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title Owner of an oracle whose trust grows slowly
/// @notice Owns an oracle for its own owner. What widens trust (approving a model, adding a submitter, resuming,
/// handing the oracle over) is announced with all its arguments and done after a delay; what narrows it (revoking
/// a model, removing a submitter, pausing, taking an offer of the oracle back) is done at once, and voids what was
/// announced before to the contrary, so that it is never undone without a delay. Everything that is announced can be
/// taken back until it is done, and lapses if it is not done in time. So it is with the timelock's own owner: who is
/// offered its place takes it after the delay.
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
    /// @notice The call is not encoded as ABI encoders do it: its hash would not be the only one of what it does.
    error NotCanonical(bytes4 selector);
    /// @notice The call is announced already.
    error AlreadyScheduled(bytes32 id);
    /// @notice The call is not announced.
    error NotScheduled(bytes32 id);
    /// @notice The call can be done later.
    error TooEarly(bytes32 id, uint256 readyAt);
    /// @notice The call was to be done earlier, and has to be announced again.
    error TooLate(bytes32 id, uint256 until);
    /// @notice What the call widens was narrowed since it was announced: it has to be announced again.
    error NarrowedSince(bytes32 id);
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
    /// @dev How often something was narrowed: see `_subjectOf`.
    mapping(bytes32 subject => uint256) private _narrowings;
    /// @dev That number when a call was announced.
    mapping(bytes32 id => uint256) private _narrowingsAt;
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
        ++_narrowings[_subjectOf(IInferenceOracle.unpause.selector, 0)];
        IInferenceOracle(oracle).pause();
    }

    /// @notice Stops accepting proofs of a model.
    function revokeModel(uint256 modelId) external onlyOwner {
        ++_narrowings[_subjectOf(IInferenceOracle.approveModel.selector, modelId)];
        IInferenceOracle(oracle).revokeModel(modelId);
    }

    /// @notice Takes a submitter's right away.
    function removeSubmitter(address submitter) external onlyOwner {
        ++_narrowings[_subjectOf(IInferenceOracle.addSubmitter.selector, uint160(submitter))];
        IInferenceOracle(oracle).removeSubmitter(submitter);
    }

    /// @notice Takes back an offer of the oracle that was made after its delay and that nobody has taken yet, and every
    /// offer that is announced.
    function withdrawOracle() external onlyOwner {
        ++_narrowings[_subjectOf(Ownable.transferOwnership.selector, 0)];
        Ownable2Step(oracle).transferOwnership(address(0));
    }

    // ---------------------------------------------------------- after a delay

    /// @notice Announces a call of the oracle.
    /// @param call Selector and arguments, as ABI encoders encode them.
    /// @return id By which it is done or taken back: its hash.
    function schedule(bytes calldata call) external onlyOwner returns (bytes32 id) {
        bytes4 selector = bytes4(call);
        if (!_isDelayed(selector)) revert NotDelayed(selector);
        id = keccak256(call);
        // A call, since what cannot be decoded ends in an error without a word.
        try this.encodingOf(call) returns (bytes32 encoding) {
            if (encoding != id) revert NotCanonical(selector);
        } catch {
            revert NotCanonical(selector);
        }
        uint256 ready = readyAt[id];
        uint256 narrowings = _narrowings[_subjectOfCall(call)];
        bool stands = block.timestamp <= ready + GRACE && _narrowingsAt[id] == narrowings;
        if (ready != 0 && stands) revert AlreadyScheduled(id);
        (readyAt[id], _narrowingsAt[id]) = (block.timestamp + delay, narrowings);
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
        if (_narrowingsAt[id] != _narrowings[_subjectOfCall(call)]) revert NarrowedSince(id);
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
        if (msg.sender != pendingOwner()) revert OwnableUnauthorizedAccount(msg.sender);
        if (block.timestamp < handoverAt) revert HandoverTooEarly(handoverAt);
        if (block.timestamp > handoverAt + GRACE) revert HandoverTooLate(handoverAt + GRACE);
        super.acceptOwnership();
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @notice Hash of a call that may be announced, encoded as ABI encoders do it. Reverts if it cannot be decoded.
    function encodingOf(bytes calldata call) external pure returns (bytes32) {
        bytes4 selector = bytes4(call);
        bytes calldata given = call[4:];
        bytes memory arguments;
        if (selector == IInferenceOracle.approveModel.selector) {
            (
                uint256 modelId,
                IERCZKMLRegistry.ModelCommitment memory commitment,
                IModelRegistry.VerificationData memory data,
                bytes32 codeHash
            ) = abi.decode(
                given, (uint256, IERCZKMLRegistry.ModelCommitment, IModelRegistry.VerificationData, bytes32)
            );
            arguments = abi.encode(modelId, commitment, data, codeHash);
        } else if (selector == IInferenceOracle.approveAttestedModel.selector) {
            (
                uint256 modelId,
                IERCZKMLRegistry.ModelCommitment memory commitment,
                IModelRegistry.VerificationData memory data,
                bytes32 codeHash,
                IInferenceOracle.AttestationPolicy memory policy
            ) = abi.decode(
                given,
                (
                    uint256,
                    IERCZKMLRegistry.ModelCommitment,
                    IModelRegistry.VerificationData,
                    bytes32,
                    IInferenceOracle.AttestationPolicy
                )
            );
            arguments = abi.encode(modelId, commitment, data, codeHash, policy);
        } else if (selector != IInferenceOracle.unpause.selector) {
            arguments = abi.encode(abi.decode(given, (address)));
        }
        return keccak256(bytes.concat(selector, arguments));
    }

    /// @dev Takes an announcement off the list.
    function _take(bytes32 id) private returns (uint256 ready) {
        ready = readyAt[id];
        if (ready == 0) revert NotScheduled(id);
        delete readyAt[id];
    }

    /// @dev What a call that is announced widens, and its counterpart narrows: a model, a submitter, recording, or who
    /// owns the oracle.
    function _subjectOfCall(bytes calldata call) private pure returns (bytes32) {
        return _subjectOf(bytes4(call), call.length < 36 ? 0 : uint256(bytes32(call[4:36])));
    }

    /// @param first The call's first argument, which counts for models and submitters.
    function _subjectOf(bytes4 selector, uint256 first) private pure returns (bytes32) {
        if (selector == IInferenceOracle.approveAttestedModel.selector) {
            selector = IInferenceOracle.approveModel.selector;
        } else if (selector == Ownable.transferOwnership.selector) {
            first = 0;
        }
        return keccak256(abi.encode(selector, first));
    }

    function _isDelayed(bytes4 selector) private pure returns (bool) {
        return selector == IInferenceOracle.approveModel.selector
            || selector == IInferenceOracle.approveAttestedModel.selector
            || selector == IInferenceOracle.addSubmitter.selector
            || selector == IInferenceOracle.unpause.selector || selector == Ownable.transferOwnership.selector;
    }
}
