// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {OutputWords} from "../src/libraries/OutputWords.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Asks by the library what a contract would.
contract OutputsReader {
    function requireProven(
        IInferenceOracle oracle,
        address subject,
        uint256 modelId,
        int256[] calldata values
    ) external view {
        OutputWords.requireProven(oracle, subject, modelId, values);
    }

    function wordOf(int256[] calldata values) external pure returns (bytes32) {
        return OutputWords.wordOf(values);
    }
}

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

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_OutputsAreProvenOrRefused(uint256 count, uint256 at, int256 lie) public {
        count = bound(count, 2, 6);
        OutputsReader reader = new OutputsReader();
        uint256 id = modelOf(uint16(count));
        int256[] memory values = new int256[](count);
        for (uint256 i = 0; i < count; ++i) {
            values[i] = int256(i) - 3;
        }
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower, id));
        reader.requireProven(oracle, borrower, id, values);
        recorded(values, 1, id);
        reader.requireProven(oracle, borrower, id, values);
        at = at % count;
        vm.assume(lie != values[at]);
        (bool ok,) = address(reader)
            .staticcall(abi.encodeCall(reader.requireProven, (oracle, borrower, id, with(values, at, lie))));
        vm.assertFalse(ok, "one lie");
        // What is cut to 64 bits is the same.
        unchecked {
            lie = values[at] + (lie << 64);
        }
        if (lie != values[at]) {
            vm.expectRevert(
                count > 3
                    ? abi.encodeWithSelector(OutputWords.OutputsNotProven.selector, borrower, id)
                    : abi.encodeWithSelector(OutputWords.OutputTooWide.selector, at, lie)
            );
            reader.requireProven(oracle, borrower, id, with(values, at, lie));
        }
        uint256 made = block.timestamp;
        vm.warp(made + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.StaleScore.selector, borrower, id, made, made + TTL)
        );
        reader.requireProven(oracle, borrower, id, values);
    }

    function with(int256[] memory values, uint256 at, int256 value)
        private
        pure
        returns (int256[] memory other)
    {
        other = new int256[](values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            other[i] = i == at ? value : values[i];
        }
    }

    function test_FewerThanTwoOutputsHaveNoWord() public {
        OutputsReader reader = new OutputsReader();
        assertAccepted(callOf(statement(1, 7)));
        uint256[3] memory ids = [creditModel, modelOf(2), modelOf(4)];
        for (uint256 count = 0; count < 2; ++count) {
            int256[] memory values = new int256[](count);
            if (count == 1) values[0] = 7;
            bytes memory few = abi.encodeWithSelector(OutputWords.TooFewOutputs.selector, count);
            vm.expectRevert(few);
            reader.wordOf(values);
            // Neither where there is a record of one output, nor where there is none of several.
            for (uint256 i = 0; i < 3; ++i) {
                vm.expectRevert(few);
                reader.requireProven(oracle, borrower, ids[i], values);
            }
        }
        int256[2] memory wide = [int256(type(int64).max) + 1, int256(type(int64).min) - 1];
        for (uint256 i = 0; i < 2; ++i) {
            int256[] memory values = new int256[](3);
            values[1 + i] = wide[i];
            vm.expectRevert(abi.encodeWithSelector(OutputWords.OutputTooWide.selector, 1 + i, wide[i]));
            reader.wordOf(values);
        }
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
