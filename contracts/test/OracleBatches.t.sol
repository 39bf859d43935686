// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {BatchFixture} from "./base/BatchFixture.sol";
import {IdealVerifier} from "./base/IdealVerifier.sol";

/// @notice One proof, many records: what is recorded, and that one bad inference fails all.
contract OracleBatchesTest is BatchFixture {
    uint8 private constant SIZE = 5;

    uint256 private model;

    function setUp() public override {
        super.setUp();
        model = batchModel(SIZE, 2, 3);
    }

    function refused(uint256 index, bytes memory reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceOracle.InferenceRefused.selector, index, reason);
    }

    function assertRecorded(Batch memory b, uint256 index) private view {
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(b.subjects[index], b.modelId);
        vm.assertEq(int256(record.score), b.values[index], "first output of its inference");
        vm.assertEq(record.nonce, b.nonces[index], "nonce");
        vm.assertEq(record.deadline, b.deadlines[index], "deadline");
        vm.assertEq(record.updatedAt, block.timestamp, "time");
        vm.assertEq(record.prover, submitter, "prover");
    }

    function testFuzz_EachInferenceIsRecordedUnderItsRequest(uint8 size, uint64 seed, uint8 words) public {
        size = uint8(bound(size, 2, 40));
        uint256 id = batchModel(size, words % 4, 1 + words % 3);
        Batch memory b = batchOf(id, size, 1 + seed % 1000);
        for (uint256 i = 0; i < b.values.length; ++i) {
            b.values[i] = int256(uint256(keccak256(abi.encode(seed, i))) % 1_000_001);
        }
        bytes memory data = batchCall(b);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ScoreRecorded(b.subjects[0], id, b.values[0], b.nonces[0]);
        assertAccepted(data);
        for (uint256 i = 0; i < size; ++i) {
            assertRecorded(b, i);
        }
    }

    function test_TheProofIsAnnouncedOnceWithAllOutputs() public {
        Batch memory b = batchOf(model, SIZE, 1);
        bytes memory data = batchCall(b);
        vm.expectEmit(address(oracle));
        emit IERCZKMLVerifier.InferenceVerified(model, batchCommitmentOf(b), abi.encode(b.values), submitter);
        assertAccepted(data);
    }

    function test_ABatchOfTheLargestSizeFitsATransaction() public {
        uint256 id = batchModel(type(uint8).max, 0, 1);
        assertAccepted(batchCall(batchOf(id, type(uint8).max, 1)));
        vm.assertLe(vm.lastCallGas().gasTotalUsed, 12_000_000, "below EIP-7825's 2^24");
    }

    function testFuzz_OneStaleRequestFailsTheCallByItsIndex(uint256 which, uint256 fault) public {
        uint256 index = which % SIZE;
        Batch memory b = batchOf(model, SIZE, 7);
        assertAccepted(batchCall(b));
        b = batchOf(model, SIZE, 8);
        address subject = b.subjects[index];
        bytes memory reason;
        if (fault % 4 == 0) {
            b.nonces[index] = 7;
            reason = abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, subject, 7, 7);
        } else if (fault % 4 == 1) {
            b.nonces[index] = 1008;
            reason = abi.encodeWithSelector(IInferenceOracle.NonceTooFar.selector, subject, 1008, 1007);
        } else if (fault % 4 == 2) {
            b.deadlines[index] = block.timestamp - 1;
            reason = abi.encodeWithSelector(
                IInferenceOracle.DeadlineExpired.selector, block.timestamp - 1, block.timestamp
            );
        } else {
            uint256 latest = block.timestamp + oracle.MAX_REQUEST_LIFETIME();
            b.deadlines[index] = latest + 1;
            reason = abi.encodeWithSelector(IInferenceOracle.DeadlineTooFar.selector, latest + 1, latest);
        }
        assertBatchRefused(b, batchCall(b), refused(index, reason), "one stale request");
        // Without it the same batch passes.
        assertAccepted(batchCall(batchOf(model, SIZE, 8)));
    }

    function testFuzz_OneOutputOutOfRangeFailsTheCallByItsIndex(uint256 which, uint256 output) public {
        (uint256 index, uint256 word) = (which % SIZE, output % 3);
        Batch memory b = batchOf(model, SIZE, 1);
        b.values[word * SIZE + index] = 1_000_001;
        bytes memory reason = abi.encodeWithSelector(
            IInferenceOracle.OutputOutOfRange.selector, word, int256(1_000_001), int256(0), int256(1_000_000)
        );
        assertBatchRefused(b, batchCall(b), refused(index, reason), "one output");
    }

    function test_ASubjectTwiceInABatchNeedsGrowingNonces() public {
        Batch memory b = batchOf(model, SIZE, 1);
        b.subjects[3] = b.subjects[1];
        bytes memory reason =
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, b.subjects[1], 1, 1);
        assertBatchRefused(b, batchCall(b), refused(3, reason), "one nonce twice");
        b.nonces[3] = 2;
        assertAccepted(batchCall(b));
        assertRecorded(b, 3);
    }

    function testFuzz_NothingOfAProvenBatchCanBeChanged(uint256 what, uint256 where) public {
        Batch memory b = batchOf(model, SIZE, 1);
        bytes memory zkProof = proveBatch(b);
        bytes32 commitment = batchCommitmentOf(b);
        uint256 index = where % SIZE;
        what = what % 6;
        if (what == 0) b.subjects[index] = stranger;
        else if (what == 1) b.nonces[index] = 2;
        else if (what == 2) b.deadlines[index] += 1;
        else if (what == 3) b.inputWords[where % b.inputWords.length] += 1;
        else if (what == 4) b.values[where % b.values.length] += 1;
        else (b.subjects[0], b.subjects[1]) = (b.subjects[1], b.subjects[0]);
        // Its own commitment, the proof of the other batch.
        bytes memory notProven = abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector);
        assertBatchRefused(b, batchCallWith(b, zkProof), notProven, "foreign proof");
        // The proven commitment: outputs and inputs are instances, requests are in the commitment.
        bytes memory data = abi.encodeCall(
            oracle.verifyInferenceBatch,
            (model, commitment, abi.encode(b.values), abi.encode(packed(b), b.inputWords, zkProof))
        );
        bytes memory mismatch = abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        bool instance = what == 3 || what == 4;
        assertBatchRefused(b, data, instance ? notProven : mismatch, "foreign commitment");
    }

    function test_ReplaysAcrossTimeChainsAndModelsAreRefused() public {
        Batch memory b = batchOf(model, SIZE, 1);
        bytes memory data = batchCall(b);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        assertBatchRefused(
            b, data, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector), "chain"
        );
        vm.chainId(chain);
        (IModelRegistry.VerificationData memory same,) = registry.verificationOf(model);
        uint256 second = registerModel(same);
        approve(second);
        Batch memory other = batchOf(second, SIZE, 1);
        assertBatchRefused(
            other,
            batchCallWith(other, proveBatch(b)),
            abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector),
            "a second id with the same key"
        );
        assertAccepted(data);
        bytes memory reason =
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, b.subjects[0], 1, 1);
        assertBatchRefused(b, data, refused(0, reason), "again");
    }

    function test_AnotherNumberOfRequestsIsRefused() public {
        for (uint256 size = 0; size <= SIZE + 1; ++size) {
            if (size == SIZE) continue;
            Batch memory b = batchOf(model, size, 1);
            assertBatchRefused(
                b,
                batchCallWith(b, ""),
                abi.encodeWithSelector(IInferenceOracle.BatchSizeMismatch.selector, SIZE, size),
                "size"
            );
        }
    }

    function test_AnotherNumberOfInputWordsOrOutputsIsRefused() public {
        Batch memory b = batchOf(model, SIZE, 1);
        b.values = new int256[](SIZE);
        assertBatchRefused(
            b,
            batchCallWith(b, ""),
            abi.encodeWithSelector(IInferenceOracle.OutputCountMismatch.selector, 3 * SIZE, SIZE),
            "outputs"
        );
        b.inputWords = new uint256[](3 * SIZE);
        assertBatchRefused(
            b,
            batchCallWith(b, ""),
            abi.encodeWithSelector(IInferenceOracle.InputCountMismatch.selector, 2 * SIZE, 3 * SIZE),
            "inputs"
        );
    }

    function test_ASingleInferenceAndABatchAreNotTakenForEachOther() public {
        Statement memory s = requestOf(batchOf(model, SIZE, 1), 0);
        s.values = new int256[](3);
        assertRefused(
            callWith(s, ""),
            abi.encodeWithSelector(IInferenceOracle.BatchSizeMismatch.selector, SIZE, 1),
            "one inference to a model of batches"
        );
        Batch memory b = batchOf(creditModel, 1, 1);
        assertBatchRefused(
            b,
            batchCall(b),
            abi.encodeWithSelector(IInferenceOracle.BatchSizeMismatch.selector, 1, 1),
            "a batch of one to a model of single inferences"
        );
    }

    function test_OnlySubmittersRecordAndOnlyUnlessPaused() public {
        Batch memory b = batchOf(model, SIZE, 1);
        bytes memory data = batchCall(b);
        assertRefusedFor(
            stranger,
            data,
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, stranger),
            "a stranger"
        );
        vm.prank(owner);
        oracle.pause();
        assertBatchRefused(b, data, abi.encodeWithSelector(bytes4(keccak256("EnforcedPause()"))), "paused");
        vm.prank(owner);
        oracle.unpause();
        vm.prank(owner);
        oracle.revokeModel(model);
        assertBatchRefused(
            b, data, abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, model), "revoked"
        );
        approve(model);
        assertAccepted(data);
    }

    function test_AModelNeedsAtLeastOneInference() public {
        IModelRegistry.VerificationData memory data = verificationData("none", 0, 1, 0, 1);
        data.batch = 0;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NoInferences.selector));
        registry.registerVerifiableModel(commitmentFor(data.keyHash), data);
    }

    function testFuzz_EveryOtherEncodingOfABatchIsRefused(uint256 at, uint256 word) public {
        Batch memory b = batchOf(model, SIZE, 1);
        bytes memory data = batchCall(b);
        bytes memory original = bytes.concat(data);
        // Any word of the call: offsets, lengths, requests, words, padding.
        at = 4 + 0x20 * (at % ((data.length - 4) / 0x20));
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), at), word)
        }
        bool same = keccak256(data) == keccak256(original);
        (bool ok,) = send(submitter, data);
        vm.assertEq(ok, same, "one calldata for one statement");
        if (same) return;
        (ok,) = send(submitter, bytes.concat(original, hex"00"));
        vm.assertFalse(ok, "a byte behind the end");
        assertAccepted(original);
    }

    function test_AllOutputsOfEachInferenceAreKept() public {
        uint256 id = batchModel(3, 1, 4);
        Batch memory b = batchOf(id, 3, 1);
        assertAccepted(batchCallWith(b, proveBatch(b)));
        for (uint256 i = 0; i < 3; ++i) {
            int256[] memory own = new int256[](4);
            for (uint256 j = 0; j < 4; ++j) {
                own[j] = b.values[3 * j + i];
            }
            bytes32 expected = keccak256(abi.encodePacked(own));
            vm.assertEq(oracle.outputsOf(b.subjects[i], id), expected, "an inference's own");
        }
    }
}
