// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IdealAccumulator} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Records lists of inferences at random, good ones and such with something wrong, and keeps its own account.
contract CombinedHandler is OracleFixture {
    address[2] private _subjects = [named("alice"), named("bob")];
    uint256[2] private _models;
    mapping(address subject => mapping(uint256 modelId => uint256)) private _last;
    mapping(address subject => mapping(uint256 modelId => int256)) private _score;

    uint256 public accepted;
    uint256 public refused;
    string public violation;

    function setUp() public override {
        super.setUp();
        verifier = new IdealAccumulator(false);
        for (uint256 i = 0; i < 2; ++i) {
            _models[i] = registerModel(verificationData(i == 0 ? "first" : "second", 0, 1, 0, 1_000_000));
            approve(_models[i]);
        }
    }

    /// @dev Up to four inferences about two subjects by two models. Most nonces grow; one proof may be of another
    /// statement, one that the pairing alone refuses, one late.
    function record(uint256 size, uint256 seed, uint256 fault) external {
        size = 1 + size % 4;
        bool should = fault % 8 > 2;
        uint256 faulty = (fault >> 8) % size;
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](size);
        Statement[] memory statements = new Statement[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            Statement memory s = statement(0, int256(random >> 128) % 1_000_001);
            (s.subject, s.modelId) = (_subjects[random & 1], _models[random >> 1 & 1]);
            uint256 last = _last[s.subject][s.modelId];
            for (uint256 j = 0; j < i; ++j) {
                if (statements[j].subject != s.subject || statements[j].modelId != s.modelId) continue;
                if (statements[j].nonce > last) last = statements[j].nonce;
            }
            s.nonce = last + (random >> 8) % 16;
            should = should && s.nonce > last;
            if (fault % 8 == 0 && i == faulty) s.deadline = uint64(block.timestamp - 1);
            bytes memory proof = prove(s);
            if (fault % 8 == 1 && i == faulty) proof[31] ^= 0x01;
            if (fault % 8 == 2 && i == faulty) proof[63] ^= 0x03;
            statements[i] = s;
            list[i] = IInferenceOracle.Inference(
                s.modelId, commitmentOf(s, address(oracle)), abi.encode(s.values), encodeProof(s, proof), ""
            );
        }
        (bool ok,) = send(submitter, abi.encodeCall(oracle.verifyInferences, (list)));
        if (ok != should) {
            violation = ok ? "recorded what it should refuse" : "refused what it should record";
        }
        if (!ok) {
            ++refused;
            return;
        }
        ++accepted;
        for (uint256 i = 0; i < size; ++i) {
            Statement memory s = statements[i];
            if (s.nonce <= _last[s.subject][s.modelId]) violation = "a nonce did not grow";
            _last[s.subject][s.modelId] = s.nonce;
            _score[s.subject][s.modelId] = s.values[0];
        }
    }

    function passTime(uint256 time) external {
        vm.warp(block.timestamp + time % 1 hours);
    }

    /// @dev All of what was accepted is recorded, and nothing of what was refused.
    function checkRecords() external view {
        for (uint256 i = 0; i < 4; ++i) {
            (address subject, uint256 id) = (_subjects[i & 1], _models[i >> 1]);
            IInferenceOracle.ScoreRecord memory found = oracle.scoreOf(subject, id);
            vm.assertEq(found.nonce, _last[subject][id], "nonce");
            vm.assertEq(int256(found.score), _score[subject][id], "score");
        }
    }
}

/// @notice Several proofs in one call are recorded all or none, under nonces that only grow.
contract CombinedInvariantsTest is OracleFixture {
    CombinedHandler private handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new CombinedHandler();
        handler.setUp();
    }

    /// @dev Tells forge which contract to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Tells forge which functions to call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](3);
        (selectors[0], selectors[1]) = (handler.record.selector, handler.record.selector);
        selectors[2] = handler.passTime.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 16
    function invariant_AListIsRecordedWholeOrNotAtAll() public view {
        vm.assertEq(handler.violation(), "", "violation");
        handler.checkRecords();
    }

    /// @dev Both ends do occur: otherwise the invariant would say nothing.
    function test_TheHandlerBothSucceedsAndFails() public {
        for (uint256 i = 0; i < 64; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.record(seed, seed >> 8, seed >> 16);
        }
        vm.assertTrue(handler.accepted() >= 5, "some are recorded");
        vm.assertTrue(handler.refused() >= 5, "some are refused");
        vm.assertEq(handler.violation(), "", "violation");
        handler.checkRecords();
    }
}
