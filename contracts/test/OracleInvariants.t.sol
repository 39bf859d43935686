// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {BatchFixture} from "./base/BatchFixture.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Drives an oracle at random, honestly and not, and keeps its own account of what should be on it.
contract OracleHandler is BatchFixture {
    /// @dev Id of the model whose proofs are of two inferences.
    uint256 private constant BATCHES = 4;

    address[3] public subjects = [named("alice"), named("bob"), named("carol")];
    address[3] public senders;

    /// @dev Account of the last accepted statement of each subject to each model.
    mapping(address subject => mapping(uint256 modelId => IInferenceOracle.ScoreRecord)) private _expected;
    mapping(bytes32 call => bool) public acceptedBefore;
    bytes[] private _history;
    mapping(uint256 modelId => bytes32) private _modelState;

    uint256 public accepted;
    uint256 public acceptedBatches;
    uint256 public refused;
    string public violation;

    function setUp() public override {
        super.setUp();
        senders = [submitter, named("second submitter"), stranger];
        vm.prank(owner);
        oracle.addSubmitter(senders[1]);
        approve(registerModel(verificationData("second", 0, 1, -1000, 1000)));
        registerModel(verificationData("unapproved", 0, 1, -1000, 1000));
        batchModel(2, 1, 1);
        for (uint256 id = 1; id <= BATCHES; ++id) {
            _modelState[id] = stateOf(id);
        }
    }

    // ----------------------------------------------------------------- actions

    /// @dev Where the nonce of an attempt stands, from the last one: mostly in reach, now and then at the bound.
    function nonceAfter(Statement memory s, uint256 step) private view returns (uint256) {
        uint256[5] memory steps = [uint256(0), 1, 2, oracle.MAX_NONCE_STEP(), oracle.MAX_NONCE_STEP() + 1];
        return oracle.nonceOf(s.subject, s.modelId) + steps[step % 5];
    }

    /// @dev An honest statement. It may still be refused: for its sender, model, nonce, time or a pause.
    function submit(uint256 who, uint256 model, uint256 subject, uint256 nonceStep, int256 score, uint256 age)
        external
    {
        Statement memory s = statement(0, bound(score, -1200, 1200));
        s.modelId = 1 + model % 3;
        s.subject = subjects[subject % 3];
        s.nonce = nonceAfter(s, nonceStep);
        s.deadline = uint64(block.timestamp + 10 minutes - age % 20 minutes);
        _attempt(senders[who % 3], s, callOf(s), true);
    }

    /// @dev A statement with the proof of another score.
    function submitTampered(uint256 who, uint256 subject, int256 proven, int256 claimed) external {
        Statement memory s = statement(0, bound(proven, 0, 1000));
        s.subject = subjects[subject % 3];
        s.nonce = oracle.nonceOf(s.subject, s.modelId) + 1;
        bytes memory proof = prove(s);
        claimed = bound(claimed, 0, 1000);
        bool honest = claimed == s.values[0];
        s.values[0] = claimed;
        _attempt(senders[who % 3], s, callWith(s, proof), honest);
    }

    /// @dev A batch about two subjects, perhaps one and the same, honest or with an output that was not proven.
    function submitBatch(uint256 who, uint256 subject, uint256 nonceStep, uint256 age, uint256 tampered)
        external
    {
        Batch memory b = batchOf(BATCHES, 2, 0);
        b.values[0] = int256(tampered % 1_000_001);
        for (uint256 i = 0; i < 2; ++i) {
            b.subjects[i] = subjects[(subject >> (8 * i)) % 3];
            uint256[6] memory steps = [uint256(1), 1, 2, 2, 0, oracle.MAX_NONCE_STEP() + 1];
            b.nonces[i] = oracle.nonceOf(b.subjects[i], BATCHES) + steps[(nonceStep >> (8 * i)) % 6];
            b.deadlines[i] = block.timestamp + 10 minutes - (age >> (8 * i)) % 11 minutes;
        }
        bytes memory data = batchCall(b);
        bool honest = tampered % 8 != 0;
        if (!honest) {
            bytes memory proof = proveBatch(b);
            b.values[tampered >> 4 & 1] += 1;
            data = batchCallWith(b, proof);
        }
        bool should = honest && !oracle.paused() && oracle.isSubmitter(senders[who % 3]);
        uint256[2] memory last;
        for (uint256 i = 0; i < 2; ++i) {
            last[i] = _expected[b.subjects[i]][BATCHES].nonce;
        }
        if (b.subjects[0] == b.subjects[1]) last[1] = b.nonces[0];
        for (uint256 i = 0; i < 2; ++i) {
            should = should && b.nonces[i] > last[i] && b.nonces[i] <= last[i] + oracle.MAX_NONCE_STEP()
                && b.deadlines[i] >= block.timestamp && b.values[i] <= 1_000_000;
        }
        if (!_send(senders[who % 3], data, should)) return;
        ++acceptedBatches;
        for (uint256 i = 0; i < 2; ++i) {
            Statement memory s = requestOf(b, i);
            s.values = new int256[](1);
            s.values[0] = b.values[i];
            _expect(senders[who % 3], s);
        }
    }

    /// @dev A call that was sent before, by whomever.
    function replay(uint256 who, uint256 which) external {
        if (_history.length == 0) return;
        bytes memory data = _history[which % _history.length];
        (bool ok,) = send(senders[who % 3], data);
        if (ok) {
            if (acceptedBefore[keccak256(data)]) violation = "a proof was used twice";
            else violation = "a refused call was accepted later without being tracked";
        }
    }

    function pauseOrUnpause(uint256 seed) external {
        bool paused = oracle.paused();
        vm.startPrank(owner);
        if (paused) oracle.unpause();
        else if (seed % 4 == 0) oracle.pause();
        vm.stopPrank();
    }

    function approveOrRevoke(uint256 model, uint256 seed) external {
        uint256 id = 1 + model % 2;
        if (!oracle.isModelApproved(id)) {
            approve(id);
        } else if (seed % 4 == 0) {
            vm.prank(owner);
            oracle.revokeModel(id);
        }
    }

    function addOrRemoveSubmitter(uint256 seed) external {
        address second = senders[1];
        bool allowed = oracle.isSubmitter(second);
        vm.startPrank(owner);
        if (allowed) oracle.removeSubmitter(second);
        else oracle.addSubmitter(second);
        vm.stopPrank();
        if (seed % 8 == 0) updateModel(seed);
    }

    function updateModel(uint256 seed) public {
        uint256 id = 1 + seed % 3;
        if (registry.successorOf(id) != 0) return;
        vm.prank(modelOwner);
        registry.updateModel(id, commitmentFor(keccak256(abi.encode(seed))));
    }

    function meddle(uint256 what, uint256 model) external {
        uint256 id = 1 + model % 3;
        bytes[4] memory onRegistry = [
            abi.encodeCall(registry.deprecateModel, (id)),
            abi.encodeCall(registry.updateModel, (id, commitmentFor(bytes32(0)))),
            abi.encodeCall(registry.transferModel, (id, stranger)),
            abi.encodeCall(registry.acceptModel, (id))
        ];
        vm.prank(stranger);
        (bool ok,) = address(registry).call(onRegistry[what % 4]);
        if (ok) violation = "a stranger moved a model";
    }

    function passTime(uint256 time) external {
        vm.warp(block.timestamp + time % 1 days);
    }

    // ----------------------------------------------------------------- account

    function _attempt(address sender, Statement memory s, bytes memory data, bool honest) private {
        (IModelRegistry.VerificationData memory model,) = registry.verificationOf(s.modelId);
        uint256 last = _expected[s.subject][s.modelId].nonce;
        bool should = honest && !oracle.paused() && oracle.isSubmitter(sender)
            && oracle.isModelApproved(s.modelId) && s.nonce > last
            && s.nonce <= last + oracle.MAX_NONCE_STEP() && s.deadline >= block.timestamp
            && s.values[0] >= model.outputMin && s.values[0] <= model.outputMax;
        if (_send(sender, data, should)) _expect(sender, s);
    }

    /// @dev Sends a call that should be accepted or not, and remembers it if it was.
    function _send(address sender, bytes memory data, bool should) private returns (bool ok) {
        (ok,) = send(sender, data);
        if (ok != should) {
            violation = ok ? "accepted what it should refuse" : "refused what it should accept";
        }
        if (!ok) {
            ++refused;
            return false;
        }
        ++accepted;
        acceptedBefore[keccak256(data)] = true;
        _history.push(data);
    }

    /// @dev What a statement that was accepted leaves.
    function _expect(address sender, Statement memory s) private {
        _expected[s.subject][s.modelId] = IInferenceOracle.ScoreRecord({
            score: int64(s.values[0]),
            nonce: uint64(s.nonce),
            updatedAt: uint40(block.timestamp),
            deadline: uint40(s.deadline),
            signers: 0,
            prover: sender
        });
    }

    /// @dev Everything about a model that must stay as it was when it was registered.
    function stateOf(uint256 modelId) public view returns (bytes32) {
        (IERCZKMLRegistry.ModelCommitment memory commitment, bool deprecated, address current) =
            registry.getModel(modelId);
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        return keccak256(abi.encode(commitment, deprecated, current, data));
    }

    function checkRecords() external view {
        for (uint256 i = 0; i < subjects.length; ++i) {
            for (uint256 id = 1; id <= BATCHES; ++id) {
                vm.assertEq(
                    abi.encode(oracle.scoreOf(subjects[i], id)),
                    abi.encode(_expected[subjects[i]][id]),
                    "a record is the last accepted statement, paused or not"
                );
            }
        }
    }

    function checkModels() external view {
        for (uint256 id = 1; id <= BATCHES; ++id) {
            vm.assertEq(stateOf(id), _modelState[id], "a registered model never changes");
        }
    }
}

/// @notice The oracle's invariants under random use.
contract OracleInvariantsTest is OracleFixture {
    OracleHandler private handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new OracleHandler();
        handler.setUp();
    }

    /// @dev Tells forge which functions to call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](14);
        // Honest statements are the most interesting ones, so they come more often.
        for (uint256 i = 0; i < 4; ++i) {
            selectors[i] = handler.submit.selector;
        }
        selectors[4] = handler.submitTampered.selector;
        selectors[5] = handler.replay.selector;
        selectors[6] = handler.pauseOrUnpause.selector;
        selectors[7] = handler.approveOrRevoke.selector;
        selectors[8] = handler.addOrRemoveSubmitter.selector;
        selectors[9] = handler.updateModel.selector;
        selectors[10] = handler.meddle.selector;
        selectors[11] = handler.passTime.selector;
        selectors[12] = handler.submitBatch.selector;
        selectors[13] = handler.submitBatch.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev Tells forge which contracts to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_OnlyWhatIsProvenAndAllowedIsRecorded() public view {
        vm.assertEq(handler.violation(), "", "violation");
        handler.checkRecords();
    }

    function invariant_ModelsNeverChange() public view {
        handler.checkModels();
    }

    /// @dev The two paths do occur: otherwise the invariants above would say nothing.
    function test_TheHandlerBothSucceedsAndFails() public {
        for (uint256 i = 0; i < 64; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.submit(seed, seed >> 8, seed >> 16, seed >> 24, int256(seed >> 32), seed >> 40);
            handler.submitBatch(seed >> 48, seed >> 56, seed >> 80, seed >> 104, seed >> 128);
        }
        vm.assertTrue(handler.accepted() >= 5, "some are accepted");
        vm.assertTrue(handler.refused() >= 5, "some are refused");
        vm.assertTrue(handler.acceptedBatches() >= 3, "some batches are accepted");
        vm.assertEq(handler.violation(), "", "violation");
    }
}
