// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInputSource} from "../src/interfaces/IInputSource.sol";
import {IInputVoucher} from "../src/interfaces/IInputVoucher.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {LendingHistory} from "../src/examples/LendingHistory.sol";
import {LendingHistorySource} from "../src/examples/LendingHistorySource.sol";
import {InputWords} from "../src/libraries/InputWords.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Calls the library, so that its reverts can be seen.
contract Packing {
    function pack(int256[] memory values, InputWords.Range[] memory ranges, uint256 bits, uint256 perWord)
        external
        pure
        returns (uint256[] memory)
    {
        return InputWords.pack(values, ranges, bits, perWord);
    }
}

/// @notice Inputs that the oracle reads on chain: a score counts only if it is of what the source says by then.
contract InputSourcesTest is OracleFixture {
    bytes32 private constant SCHEMA = keccak256("repaid, defaulted, open");
    uint256 private constant BITS = 14;
    uint256 private constant PER_WORD = 18;
    /// @dev 100 points take 7 of 14 bits.
    uint256 private constant UNIT = 1 << 7;

    LendingHistory private history;
    LendingHistorySource private source;
    Packing private packing;
    uint256 private model;

    function setUp() public override {
        super.setUp();
        history = new LendingHistory();
        source = new LendingHistorySource(history, SCHEMA, BITS, PER_WORD);
        packing = new Packing();
        model = registerModel(verificationData("lending", 1, 1, 0, 1_000_000));
        approveWith(model, address(source), 1, SCHEMA);
    }

    /// @dev An honest statement about what the source says now.
    function current(uint256 nonce) private view returns (Statement memory s) {
        s = statement(nonce, 700_000);
        s.modelId = model;
        s.inputWords = source.inputWordsOf(borrower);
    }

    function differ(Statement memory s) private view returns (bytes memory) {
        bytes32 now_ = keccak256(abi.encodePacked(source.inputWordsOf(borrower)));
        bytes32 given = keccak256(abi.encodePacked(s.inputWords));
        return abi.encodeWithSelector(IInputSource.InputsDiffer.selector, borrower, now_, given);
    }

    function test_AScoreOfWhatTheSourceSaysIsRecordedAndNamesTheSource() public {
        history.lend(borrower, 1000);
        history.repay(borrower, 750);
        history.writeOff(borrower, 50);
        Statement memory s = current(1);
        vm.assertEq(s.inputWords.length, 1, "one word");
        vm.assertEq(s.inputWords[0], UNIT * (75 + 5 * 2 ** BITS + 20 * 4 ** BITS), "shares in hundredths");
        assertAccepted(attestedCall(s, ""));
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(borrower, model);
        vm.assertEq(int256(record.score), 700_000, "score");
        vm.assertEq(record.signers, 1, "the source");
        IInputVoucher.Signer memory signer = source.signerAt(0);
        vm.assertEq(signer.account, address(source), "is its own signer");
        vm.expectRevert(abi.encodeWithSelector(IInputSource.SignerUnknownAt.selector, 1));
        source.signerAt(1);
    }

    function testFuzz_AProofOfOtherInputsIsRefusedWhoeverMadeIt(uint256 word) public {
        history.lend(borrower, 100);
        Statement memory s = current(1);
        vm.assume(word != s.inputWords[0]);
        s.inputWords[0] = word;
        assertUnrecorded(model, attestedCall(s, ""), differ(s), "another word");
    }

    function test_WhatChangedAfterTheProofIsRefused() public {
        history.lend(borrower, 1000);
        history.repay(borrower, 1000);
        Statement memory s = current(1);
        bytes memory data = attestedCall(s, "");
        history.lend(borrower, 1000);
        history.writeOff(borrower, 1000);
        assertUnrecorded(model, data, differ(s), "the past");
        // A proof about somebody else's history.
        s = current(1);
        s.subject = stranger;
        (bool ok,) = send(submitter, attestedCall(s, ""));
        vm.assertFalse(ok, "another's history");
        assertAccepted(attestedCall(current(1), ""));
    }

    function test_AWordMoreOrLessIsRefused() public {
        Statement memory s = current(1);
        uint256[] memory words = new uint256[](2);
        words[0] = s.inputWords[0];
        s.inputWords = words;
        bytes memory reason = abi.encodeWithSelector(IInferenceOracle.InputCountMismatch.selector, 1, 2);
        assertUnrecorded(model, attestedCall(s, ""), reason, "two words");
    }

    function test_StatementsAndOtherSchemasAreNotTaken() public {
        Statement memory s = current(1);
        bytes memory reason = abi.encodeWithSelector(IInputSource.AttestationsNotTaken.selector);
        assertUnrecorded(model, attestedCall(s, hex"00"), reason, "a statement");
        (bool ok,) = send(submitter, callOf(s));
        vm.assertFalse(ok, "without asking the source");
        model = registerModel(verificationData("other", 1, 1, 0, 1_000_000));
        approveWith(model, address(source), 1, "other");
        s.modelId = model;
        reason = abi.encodeWithSelector(IInputSource.SchemaMismatch.selector, SCHEMA, bytes32("other"));
        assertUnrecorded(model, attestedCall(s, ""), reason, "another meaning");
    }

    function test_ASourceSaysWhatItIs() public view {
        vm.assertTrue(source.supportsInterface(type(IInputSource).interfaceId), "a source");
        vm.assertTrue(source.supportsInterface(type(IInputVoucher).interfaceId), "a voucher");
        vm.assertTrue(source.supportsInterface(0x01ffc9a7), "ERC-165");
        vm.assertFalse(source.supportsInterface(0xffffffff), "nothing else");
    }

    // ----------------------------------------------------------------- encoding

    function testFuzz_EveryValueIsFoundAgainInItsWord(
        uint256 count,
        uint256 bits,
        uint256 perWord,
        uint256 seed
    ) public view {
        (count, bits) = (bound(count, 0, 40), bound(bits, 1, 62));
        perWord = bound(perWord, 1, 252 / bits);
        int256[] memory values = new int256[](count);
        InputWords.Range[] memory ranges = new InputWords.Range[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 width = 1 + (random >> 64) % (2 ** bits - 1);
            int64 low = int64(int256(random % 2_000_000)) - 1_000_000;
            ranges[i] = InputWords.Range(low, low + int64(int256(width)));
            values[i] = low + int256((random >> 128) % (width + 1));
        }
        uint256[] memory words = packing.pack(values, ranges, bits, perWord);
        vm.assertEq(words.length, (count + perWord - 1) / perWord, "words");
        for (uint256 i = 0; i < count; ++i) {
            uint256 integer = words[i / perWord] >> (i % perWord * bits) & (2 ** bits - 1);
            uint256 points = uint256(uint64(ranges[i].high - ranges[i].low));
            // The largest power of two by which the whole range still fits.
            uint256 scale = 1;
            while (points * scale * 2 < 2 ** bits) {
                scale *= 2;
            }
            vm.assertEq(integer, uint256(values[i] - ranges[i].low) * scale, "value");
        }
        for (uint256 i = 0; i < words.length; ++i) {
            vm.assertTrue(words[i] >> 252 == 0, "below the modulus");
        }
    }

    function test_WhatHasNoEncodingIsRefused() public {
        int256[] memory values = new int256[](1);
        InputWords.Range[] memory ranges = new InputWords.Range[](1);
        ranges[0] = InputWords.Range(-5, 5);
        int256[2] memory outside = [int256(-6), 6];
        for (uint256 i = 0; i < 2; ++i) {
            values[0] = outside[i];
            vm.expectRevert(
                abi.encodeWithSelector(
                    InputWords.ValueOutOfRange.selector, 0, values[0], int256(-5), int256(5)
                )
            );
            packing.pack(values, ranges, 14, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(InputWords.ValueCountMismatch.selector, 0, 1));
        packing.pack(values, new InputWords.Range[](0), 14, 1);
        uint256[2][4] memory layouts =
            [[uint256(0), 1], [uint256(63), 1], [uint256(14), 0], [uint256(14), 19]];
        for (uint256 i = 0; i < layouts.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(InputWords.InvalidLayout.selector, layouts[i][0], layouts[i][1])
            );
            packing.pack(values, ranges, layouts[i][0], layouts[i][1]);
        }
        vm.expectRevert(abi.encodeWithSelector(InputWords.InvalidLayout.selector, uint256(15), uint256(18)));
        new LendingHistorySource(history, SCHEMA, 15, 18);
        vm.expectRevert(abi.encodeWithSelector(InputWords.InvalidRange.selector, 0, int256(-5), int256(5)));
        packing.pack(values, ranges, 3, 1);
        ranges[0] = InputWords.Range(5, 5);
        vm.expectRevert(abi.encodeWithSelector(InputWords.InvalidRange.selector, 0, int256(5), int256(5)));
        packing.pack(values, ranges, 14, 1);
    }

    // ------------------------------------------------------------------ lending

    function testFuzz_TheSharesOfALoanAreWholeAndAddUp(uint64 borrowed, uint64 repaid, uint64 defaulted)
        public
    {
        borrowed = uint64(bound(borrowed, 0, type(uint64).max / 100));
        repaid = uint64(bound(repaid, 0, borrowed));
        defaulted = uint64(bound(defaulted, 0, borrowed - repaid));
        history.lend(borrower, borrowed);
        history.repay(borrower, repaid);
        history.writeOff(borrower, defaulted);
        vm.assertEq(history.owedBy(borrower), borrowed - repaid - defaulted, "owed");
        uint256 word = source.inputWordsOf(borrower)[0];
        uint256 sum;
        for (uint256 i = 0; i < 3; ++i) {
            sum += (word >> (i * BITS) & (2 ** BITS - 1)) / UNIT;
        }
        vm.assertTrue(borrowed == 0 ? sum == 0 : sum <= 100 && sum >= 98, "shares");
        uint64 owed = borrowed - repaid - defaulted;
        vm.expectRevert(abi.encodeWithSelector(LendingHistory.NothingOwed.selector, borrower, owed, owed + 1));
        history.repay(borrower, owed + 1);
    }

    function test_OnlyTheLenderWritesHistory() public {
        bytes memory reason = abi.encodeWithSelector(LendingHistory.NotLender.selector, borrower);
        vm.startPrank(borrower);
        vm.expectRevert(reason);
        history.lend(borrower, 1);
        vm.expectRevert(reason);
        history.repay(borrower, 0);
        vm.expectRevert(reason);
        history.writeOff(borrower, 0);
        vm.stopPrank();
    }
}
