// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {VerifierEmergencyStop} from "../src/router/VerifierEmergencyStop.sol";
import {VerifierRouter} from "../src/router/VerifierRouter.sol";
import {IdealAccumulator} from "./base/IdealVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

/// @notice Adds, removes, stops and asks at random, and keeps its own account of what each selector means.
contract RouterHandler is TestBase {
    enum State {
        Free,
        Open,
        Removed
    }

    uint256 private constant SELECTORS = 4;

    IdealAccumulator private immutable _ideal = new IdealAccumulator(false);
    VerifierRouter private immutable _router = new VerifierRouter(address(this));
    VerifierEmergencyStop[SELECTORS] private _stops;
    mapping(bytes4 selector => State) private _states;
    mapping(bytes4 selector => uint256) private _meant;
    mapping(uint256 stop => bool) private _stopped;

    uint256 public accepted;
    uint256 public refused;
    string public violation;

    constructor() {
        for (uint256 i = 0; i < SELECTORS; ++i) {
            _stops[i] = new VerifierEmergencyStop(_ideal, address(this));
        }
    }

    function selectorOf(uint256 which) private pure returns (bytes4) {
        return bytes4(uint32(0x01010101 * (1 + which % SELECTORS)));
    }

    function add(uint256 which, uint256 by) external {
        bytes4 selector = selectorOf(which);
        try _router.addVerifier(selector, address(_stops[by % SELECTORS])) {
            if (_states[selector] != State.Free) violation = "a selector was given twice";
            (_states[selector], _meant[selector]) = (State.Open, by % SELECTORS);
        } catch {
            if (_states[selector] == State.Free) violation = "a free selector was refused";
        }
    }

    function remove(uint256 which) external {
        bytes4 selector = selectorOf(which);
        try _router.removeVerifier(selector) {
            if (_states[selector] != State.Open) violation = "nothing was removed";
            _states[selector] = State.Removed;
        } catch {
            if (_states[selector] == State.Open) violation = "could not remove";
        }
    }

    function stop(uint256 which, uint256 seldom) external {
        if (seldom % 4 != 0) return;
        try _stops[which % SELECTORS].stop() {
            if (_stopped[which % SELECTORS]) violation = "stopped twice";
            _stopped[which % SELECTORS] = true;
        } catch {
            if (!_stopped[which % SELECTORS]) violation = "could not stop";
        }
    }

    /// @dev A good proof by a selector, or by the stop itself; it holds while nothing was stopped or removed.
    function ask(uint256 which, uint256 instance, bool accumulate, bool directly) external {
        uint256[] memory instances = new uint256[](1);
        instances[0] = instance;
        address key = address(_ideal);
        bytes memory proof = _ideal.prove(key, key.codehash, instances);
        bytes4 selector = selectorOf(which);
        address asked = directly ? address(_stops[which % SELECTORS]) : address(_router);
        bool should = !_stopped[directly ? which % SELECTORS : _meant[selector]];
        if (!directly) {
            proof = bytes.concat(selector, proof);
            should = should && _states[selector] == State.Open;
        }
        bytes memory call = accumulate
            ? abi.encodeCall(_router.accumulate, (key, key.codehash, instances, proof))
            : abi.encodeCall(_router.verify, (key, key.codehash, instances, proof));
        (bool ok,) = asked.staticcall(call);
        if (ok != should) {
            violation = ok ? "what was stopped or removed verified" : "a good proof was refused";
        }
        if (ok) ++accepted;
        else ++refused;
    }
}

/// @notice Under random use, what is stopped never verifies, and a removed selector never means anything again.
contract RouterInvariantsTest is TestBase {
    RouterHandler private handler;

    function setUp() public {
        handler = new RouterHandler();
    }

    /// @dev Tells forge which contract to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_StopsAndTombstonesAreForEver() public view {
        vm.assertEq(handler.violation(), "", "violation");
    }

    /// @dev Both ends do occur: otherwise the invariant would say nothing.
    function test_TheHandlerBothSucceedsAndFails() public {
        for (uint256 i = 0; i < 128; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            if (i % 2 == 0) handler.add(seed, seed >> 8);
            if (i % 16 == 0) handler.remove(seed >> 16);
            if (i % 16 == 8) handler.stop(seed >> 24, seed >> 32);
            handler.ask(seed >> 40, seed >> 48, seed >> 80 & 1 == 0, seed >> 81 & 1 == 0);
        }
        vm.assertTrue(handler.accepted() >= 5, "some are accepted");
        vm.assertTrue(handler.refused() >= 5, "some are refused");
        vm.assertEq(handler.violation(), "", "violation");
    }
}
