// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {OutputWords} from "../src/libraries/OutputWords.sol";
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

    // ------------------------------------------------------- several outputs

    /// @dev A record of a model with these outputs, each between -5 and 5.
    function recorded(int256[] memory values, uint256 nonce, uint256 id) private {
        Statement memory s = statement(nonce, 0);
        (s.modelId, s.values) = (id, values);
        assertAccepted(callOf(s));
        vm.assertEq(oracle.latestScoreOf(borrower, id), values[0], "the first is the score");
    }

    function modelOf(uint16 outputs) private returns (uint256 id) {
        id = registerModel(verificationData(string(abi.encodePacked("outputs", outputs)), 0, outputs, -5, 5));
        approve(id);
    }

    function test_TwoAndThreeOutputsArePacked() public {
        uint256 id = modelOf(2);
        int256[] memory values = new int256[](2);
        (values[0], values[1]) = (3, -1);
        recorded(values, 1, id);
        uint256 word = uint256(oracle.outputsOf(borrower, id));
        vm.assertEq(word >> 192, uint256(2), "their number");
        vm.assertEq(int256(int64(uint64(word))), int256(3), "the first");
        vm.assertEq(int256(int64(uint64(word >> 64))), int256(-1), "the second");
        vm.assertEq(uint64(word >> 128), uint256(0), "nothing more");
        // A later record's take their place, zeros too.
        recorded(new int256[](2), 2, id);
        vm.assertEq(uint256(oracle.outputsOf(borrower, id)), uint256(2) << 192, "zeros");

        id = modelOf(3);
        values = new int256[](3);
        (values[0], values[1], values[2]) = (-5, 0, 5);
        recorded(values, 1, id);
        word = uint256(oracle.outputsOf(borrower, id));
        vm.assertEq(word, uint256(3) << 192 | uint256(5) << 128 | uint64(int64(-5)), "three");
    }

    function testFuzz_MoreOutputsAreHashed(uint256 count, uint256 seed) public {
        count = bound(count, 4, 20);
        uint256 id = modelOf(uint16(count));
        int256[] memory values = new int256[](count);
        for (uint256 i = 0; i < count; ++i) {
            values[i] = int256(uint256(keccak256(abi.encode(seed, i))) % 11) - 5;
        }
        recorded(values, 1, id);
        bytes32 expected = keccak256(abi.encodePacked(values));
        vm.assertEq(oracle.outputsOf(borrower, id), expected, "their words' hash");
        vm.assertEq(OutputWords.wordOf(values), expected, "what a contract compares with");
        values[count - 1] = 6;
        vm.assertTrue(OutputWords.wordOf(values) != expected, "other outputs");
    }

    function test_OneOutputTakesNoSecondSlot() public {
        vm.record();
        assertAccepted(callOf(statement(1, 7)));
        (, bytes32[] memory writes) = vm.accesses(address(oracle));
        vm.assertEq(writes.length, uint256(1), "slots written");
        vm.assertEq(oracle.outputsOf(borrower, creditModel), bytes32(0), "the record has it");
    }

    function test_OutputsOfARefusedRecordAreNotKept() public {
        uint256 id = modelOf(2);
        int256[] memory values = new int256[](2);
        recorded(values, 2, id);
        bytes32 before = oracle.outputsOf(borrower, id);
        values[1] = 4;
        Statement memory s = statement(1, 0);
        (s.modelId, s.values) = (id, values);
        (bool ok,) = send(submitter, callOf(s));
        vm.assertFalse(ok, "an old nonce");
        vm.assertEq(oracle.outputsOf(borrower, id), before, "unchanged");
    }
}
