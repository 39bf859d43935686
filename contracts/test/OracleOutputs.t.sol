// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Numbers of inputs and outputs, and the range of the outputs.
contract OracleOutputsTest is OracleFixture {
    function testFuzz_AnOutputOutsideItsRangeIsRefused(int256 value) public {
        vm.assume(value < 0 || value > 1_000_000);
        assertRefused(
            callOf(statement(1, value)),
            abi.encodeWithSelector(
                IInferenceOracle.OutputOutOfRange.selector, 0, value, int256(0), int256(1_000_000)
            ),
            "out of range"
        );
    }

    function test_OutputsAtTheEdgesOfTheRangeAreAccepted() public {
        assertAccepted(callOf(statement(1, 0)));
        assertAccepted(callOf(statement(2, 1_000_000)));
        assertRefused(
            callOf(statement(3, -1)),
            abi.encodeWithSelector(
                IInferenceOracle.OutputOutOfRange.selector, 0, int256(-1), int256(0), int256(1_000_000)
            ),
            "below"
        );
        assertRefused(
            callOf(statement(3, 1_000_001)),
            abi.encodeWithSelector(
                IInferenceOracle.OutputOutOfRange.selector, 0, int256(1_000_001), int256(0), int256(1_000_000)
            ),
            "above"
        );
    }

    function test_EveryOutputIsRangeChecked() public {
        uint256 id = registerModel(verificationData("three", 0, 3, -5, 5));
        approve(id);
        Statement memory s = statement(1, 0);
        s.modelId = id;
        s.values = new int256[](3);
        s.values[2] = 6;
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(
                IInferenceOracle.OutputOutOfRange.selector, 2, int256(6), int256(-5), int256(5)
            ),
            "the last output"
        );
    }

    function test_TooManyAndTooFewOutputsAreRefused() public {
        Statement memory s = statement(1, 0);
        s.values = new int256[](0);
        assertRefused(
            callWith(s, ""),
            abi.encodeWithSelector(IInferenceOracle.OutputCountMismatch.selector, 1, 0),
            "no output"
        );
        s.values = new int256[](2);
        assertRefused(
            callOf(s), abi.encodeWithSelector(IInferenceOracle.OutputCountMismatch.selector, 1, 2), "two"
        );
    }

    function test_TooManyAndTooFewInputsAreRefused() public {
        Statement memory s = statement(1, 0);
        s.inputWords = new uint256[](1);
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.InputCountMismatch.selector, 0, 1),
            "public inputs to a model with private ones"
        );
        s.modelId = registerModel(verificationData("public", 2, 1, 0, 1));
        approve(s.modelId);
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.InputCountMismatch.selector, 2, 1),
            "one of two"
        );
    }

    function test_AnInputCannotPassAsAnOutput() public {
        // The same three instance words, split one input further to the right.
        uint256 id = registerModel(verificationData("split", 1, 2, 0, 10));
        approve(id);
        Statement memory s = statement(1, 0);
        s.modelId = id;
        s.inputWords = new uint256[](2);
        assertRefused(
            callOf(s), abi.encodeWithSelector(IInferenceOracle.InputCountMismatch.selector, 1, 2), "shifted"
        );
    }
}
