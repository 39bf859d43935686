// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {InferenceOracle} from "../src/InferenceOracle.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {FalseVerifier, IdealVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice What is recorded, and what is refused with which error.
contract InferenceOracleTest is OracleFixture {
    function test_InterfaceIdsAreTheStandards() public view {
        vm.assertTrue(type(IERCZKMLVerifier).interfaceId == bytes4(0x5df65472), "verifier interface id");
        vm.assertTrue(IERCZKMLVerifier.verifyInference.selector == bytes4(0x80b171ef), "selector");
        vm.assertTrue(oracle.supportsInterface(0x5df65472), "ERC-7992");
        vm.assertTrue(oracle.supportsInterface(type(IInferenceOracle).interfaceId), "IInferenceOracle");
        vm.assertTrue(oracle.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertFalse(oracle.supportsInterface(0x29c6ba89), "the storage extension is not offered");
        vm.assertFalse(oracle.supportsInterface(0xffffffff), "the invalid id");
    }

    function test_AProvenScoreIsRecorded() public {
        Statement memory s = statement(7, 123_456);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory data = callOf(s);
        vm.expectEmit(address(oracle));
        emit IERCZKMLVerifier.InferenceVerified(creditModel, commitment, abi.encode(s.values), submitter);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ScoreRecorded(borrower, creditModel, commitment, 123_456, 7, s.deadline);
        assertAccepted(data);

        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(borrower, creditModel);
        vm.assertEq(record.score, 123_456, "score");
        vm.assertEq(record.nonce, 7, "nonce");
        vm.assertEq(record.updatedAt, START, "updatedAt");
        vm.assertEq(record.deadline, START + 1 hours, "deadline");
        vm.assertEq(record.prover, submitter, "prover");
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 123_456, "latestScoreOf");
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 7, "nonceOf");
        vm.assertEq(
            oracle.inputCommitmentOf(creditModel, borrower, 7, s.deadline, bytes32(0)),
            commitment,
            "commitment"
        );
    }

    function test_ARecordIsWrittenByOneStore() public {
        for (uint256 nonce = 1; nonce <= 2; ++nonce) {
            bytes memory data = callOf(statement(nonce, 5));
            vm.record();
            assertAccepted(data);
            (, bytes32[] memory writes) = vm.accesses(address(oracle));
            vm.assertEq(writes.length, 1, "stores");
        }
    }

    function test_NoSlotIsReadTwiceForAProof() public {
        bytes memory data = callOf(statement(1, 5));
        vm.record();
        assertAccepted(data);
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(oracle));
        // Paused, the submitter, the approval, the record. A store is listed as a read, too.
        vm.assertEq(reads.length - writes.length, 4, "the oracle's reads");
        (reads,) = vm.accesses(address(registry));
        vm.assertEq(reads.length, 3, "the registry's reads");
    }

    function testFuzz_EveryFieldOfARecordSurvivesPacking(
        int64 score,
        uint64 last,
        uint256 lifetime,
        uint40 time,
        address subject
    ) public {
        uint256 id = registerModel(verificationData("wide", 0, 1, type(int64).min, type(int64).max));
        approve(id);
        vm.warp(bound(time, 1, type(uint40).max - oracle.MAX_REQUEST_LIFETIME()));
        last = uint64(bound(last, 1, type(uint64).max - 1));
        recordNonce(id, subject, last);
        Statement memory s = statement(uint256(last) + 1, score);
        s.modelId = id;
        s.subject = subject;
        s.deadline = uint64(block.timestamp + bound(lifetime, 0, oracle.MAX_REQUEST_LIFETIME()));
        assertAccepted(callOf(s));

        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(subject, id);
        vm.assertEq(record.score, score, "score");
        vm.assertEq(record.nonce, s.nonce, "nonce");
        vm.assertEq(record.updatedAt, block.timestamp, "updatedAt");
        vm.assertEq(record.deadline, s.deadline, "deadline");
        vm.assertEq(record.prover, submitter, "prover");
    }

    function test_PublicInputsAndSeveralOutputsAreProven() public {
        uint256 id = registerModel(verificationData("public", 3, 2, -100, 100));
        approve(id);
        Statement memory s = statement(1, 0);
        s.modelId = id;
        s.inputWords = new uint256[](3);
        (s.inputWords[0], s.inputWords[1], s.inputWords[2]) = (11, 0, 2 ** 200);
        s.values = new int256[](2);
        (s.values[0], s.values[1]) = (-100, 100);
        assertAccepted(callOf(s));
        vm.assertEq(oracle.latestScoreOf(borrower, id), -100, "the first output is the score");

        // The proof holds for these inputs and outputs only.
        bytes memory proof = prove(s);
        s.nonce = 2;
        bytes memory refusal = abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector);
        assertRefused(callWith(s, proof), refusal, "proof of another request");
        proof = prove(s);
        s.values[1] = 99;
        assertRefused(callWith(s, proof), refusal, "second output altered");
        s.values[1] = 100;
        bytes32 commitment = commitmentOf(s, address(oracle));
        s.inputWords[2] = 12;
        bytes memory data = abi.encodeCall(
            oracle.verifyInference, (id, commitment, abi.encode(s.values), encodeProof(s, proof))
        );
        assertRefused(
            data, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector), "input altered"
        );
    }

    function test_CheckInferenceAnswersAnyoneAndRecordsNothing() public {
        Statement memory s = statement(1, 42);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory output = abi.encode(s.values);
        bytes memory proof = encodeProof(s, prove(s));
        vm.prank(owner);
        oracle.pause();
        vm.prank(stranger);
        (address subject, int256 score) = oracle.checkInference(creditModel, commitment, output, proof);
        vm.assertEq(subject, borrower, "subject");
        vm.assertEq(score, 42, "score");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).updatedAt, 0, "nothing recorded");

        proof = encodeProof(s, abi.encode(uint256(1), uint256(1)));
        vm.expectRevert(IdealVerifier.IdealProofDoesNotHold.selector);
        oracle.checkInference(creditModel, commitment, output, proof);
    }

    // ------------------------------------------------------------------ replay

    function test_ReplayOfARecordedProofIsRefused() public {
        bytes memory data = callOf(statement(5, 1));
        assertAccepted(data);
        assertRefused(
            data,
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 5, 5),
            "the same call again"
        );
    }

    function test_ReplayOfAnOvertakenRequestIsRefused() public {
        bytes memory older = callOf(statement(4, 1));
        assertAccepted(callOf(statement(5, 2)));
        assertRefused(
            older,
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 4, 5),
            "an older request"
        );
    }

    /// @dev Makes `nonce` the last one recorded, which honest steps would take ages to reach.
    function recordNonce(uint256 id, address subject, uint64 nonce) private {
        Statement memory s = statement(1, 0);
        (s.modelId, s.subject) = (id, subject);
        vm.record();
        assertAccepted(callOf(s));
        (, bytes32[] memory writes) = vm.accesses(address(oracle));
        uint256 word = uint256(vm.load(address(oracle), writes[0])) & ~(uint256(type(uint64).max) << 64);
        vm.store(address(oracle), writes[0], bytes32(word | uint256(nonce) << 64));
        vm.assertEq(oracle.nonceOf(subject, id), nonce, "set");
    }

    function test_NoncesBeginAtOneAndGrowByBoundedSteps() public {
        uint256 step = oracle.MAX_NONCE_STEP();
        assertRefused(
            callOf(statement(0, 1)),
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 0, 0),
            "nonce 0"
        );
        uint256[4] memory far = [step + 1, type(uint64).max, uint256(type(uint64).max) + 2, type(uint256).max];
        for (uint256 i = 0; i < far.length; ++i) {
            assertRefused(
                callOf(statement(far[i], 1)),
                abi.encodeWithSelector(IInferenceOracle.NonceTooFar.selector, borrower, far[i], step),
                "too far"
            );
        }
        assertAccepted(callOf(statement(step, 1)));
        assertRefused(
            callOf(statement(2 * step + 1, 1)),
            abi.encodeWithSelector(IInferenceOracle.NonceTooFar.selector, borrower, 2 * step + 1, 2 * step),
            "too far from the last one"
        );
        assertAccepted(callOf(statement(step + 1, 1)));
    }

    function test_NobodyCanBarASubjectWithALargeNonce() public {
        // One record with the largest nonce there is, and no later request could be recorded.
        (bool barred,) = send(submitter, callOf(statement(type(uint64).max, 1)));
        vm.assertFalse(barred, "the largest nonce");
        assertAccepted(callOf(statement(1, 1)));
    }

    function test_NoncesHave64Bits() public {
        recordNonce(creditModel, borrower, type(uint64).max - 1);
        uint256 wide = uint256(type(uint64).max) + 1;
        assertRefused(
            callOf(statement(wide, 1)),
            abi.encodeWithSelector(IInferenceOracle.NonceTooFar.selector, borrower, wide, type(uint64).max),
            "a nonce of 65 bits"
        );
        assertAccepted(callOf(statement(type(uint64).max, 1)));
    }

    function test_NoncesOfModelsAreIndependent() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        assertAccepted(callOf(statement(900, 1)));
        Statement memory s = statement(1, 2);
        s.modelId = other;
        assertAccepted(callOf(s));
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 900, "its own");
        vm.assertEq(oracle.nonceOf(borrower, other), 1, "its own");
    }

    function test_ReplayAcrossSubjectsIsRefused() public {
        Statement memory s = statement(1, 1);
        bytes memory proof = prove(s);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory output = abi.encode(s.values);
        s.subject = stranger;
        assertRefused(
            callWith(s, proof),
            abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector),
            "own commitment, foreign proof"
        );
        assertRefused(
            abi.encodeCall(oracle.verifyInference, (creditModel, commitment, output, encodeProof(s, proof))),
            abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector),
            "foreign commitment and proof"
        );
    }

    function test_ReplayAcrossChainsIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        vm.chainId(block.chainid + 1);
        assertRefused(
            data,
            abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector),
            "call made for another chain"
        );
    }

    function test_ReplayAcrossOraclesIsRefused() public {
        Statement memory s = statement(1, 1);
        bytes32 foreign = commitmentOf(s, named("another oracle"));
        bytes memory output = abi.encode(s.values);
        bytes memory proof = proveFor(s, foreign);
        assertRefused(
            abi.encodeCall(oracle.verifyInference, (creditModel, foreign, output, encodeProof(s, proof))),
            abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector),
            "commitment of another oracle"
        );
        assertRefused(
            callWith(s, proof),
            abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector),
            "proof of another oracle"
        );
    }

    function test_ReplayAcrossModelsIsRefused() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        Statement memory s = statement(1, 1);
        bytes memory proof = prove(s);
        s.modelId = other;
        assertRefused(
            callWith(s, proof),
            abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector),
            "proof of another model"
        );
    }

    /// @dev One key under two approved ids that differ in what the numbers mean.
    function test_OneProofIsNotRecordedUnderASecondIdWithOtherDecimals() public {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(creditModel);
        data.decimals = 3;
        assertIsAnotherStatement(registerModel(data));
    }

    function test_OneProofIsNotRecordedUnderASecondIdWithAnotherOffset() public {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(creditModel);
        (data.outputMin, data.outputMax) = (-500_000, 500_000);
        assertIsAnotherStatement(registerModel(data));
    }

    function test_OneProofIsNotRecordedUnderASecondIdWithTheSameData() public {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(creditModel);
        assertIsAnotherStatement(registerModel(data));
    }

    function assertIsAnotherStatement(uint256 second) private {
        approve(second);
        Statement memory s = statement(1, 123_456);
        bytes memory proof = prove(s);
        bytes32 commitment = commitmentOf(s, address(oracle));
        assertAccepted(callWith(s, proof));

        // The value that the same instance word stands for under the second id.
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(second);
        s.modelId = second;
        s.values[0] += data.outputMin;
        bytes memory asProven = abi.encodeCall(
            oracle.verifyInference, (second, commitment, abi.encode(s.values), encodeProof(s, proof))
        );
        assertRefused(
            asProven,
            abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector),
            "the first id's commitment"
        );
        assertRefused(
            callWith(s, proof),
            abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector),
            "the second id's commitment"
        );
        vm.assertEq(oracle.scoreOf(borrower, second).updatedAt, 0, "nothing recorded");
    }

    // ------------------------------------------------------------------ expiry

    function test_ARequestExpiresAfterItsDeadline() public {
        Statement memory s = statement(1, 1);
        bytes memory data = callOf(s);
        vm.warp(uint256(s.deadline) + 1);
        assertRefused(
            data,
            abi.encodeWithSelector(IInferenceOracle.DeadlineExpired.selector, s.deadline, block.timestamp),
            "one second late"
        );
        vm.warp(s.deadline);
        assertAccepted(data);
    }

    function test_ARequestCannotLiveForEver() public {
        Statement memory s = statement(1, 1);
        uint256 latest = START + oracle.MAX_REQUEST_LIFETIME();
        s.deadline = uint64(latest + 1);
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.DeadlineTooFar.selector, s.deadline, latest),
            "one second too far"
        );
        s.deadline = type(uint64).max;
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.DeadlineTooFar.selector, s.deadline, latest),
            "the largest deadline"
        );
        s.deadline = uint64(latest);
        assertAccepted(callOf(s));
    }

    // ----------------------------------------------------------------- outputs

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

    // ------------------------------------------------------ models and proofs

    function test_AModelAnyoneRegisteredIsNotAccepted() public {
        IModelRegistry.VerificationData memory data = verificationData("rogue", 0, 1, 0, 1_000_000);
        vm.prank(stranger);
        uint256 rogue = registry.registerVerifiableModel(commitmentFor(data.keyHash), data);
        Statement memory s = statement(1, 1);
        s.modelId = rogue;
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, rogue),
            "rogue model"
        );
        bytes memory proof = prove(s);
        s.modelId = 999;
        assertRefused(
            callWith(s, proof),
            abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, 999),
            "unknown model"
        );
    }

    function test_ASuccessorIsNotAcceptedUnlessApproved() public {
        IModelRegistry.VerificationData memory data = verificationData("v2", 0, 1, 0, 1_000_000);
        vm.prank(modelOwner);
        uint256 next = registry.updateVerifiableModel(creditModel, commitmentFor(data.keyHash), data);
        Statement memory s = statement(1, 1);
        s.modelId = next;
        assertRefused(
            callOf(s), abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, next), "successor"
        );
        s.modelId = creditModel;
        assertAccepted(callOf(s));
    }

    function test_ADeprecatedModelIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        vm.prank(modelOwner);
        registry.deprecateModel(creditModel);
        assertRefused(
            data,
            abi.encodeWithSelector(
                IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, creditModel
            ),
            "deprecated"
        );
    }

    function test_ARevokedModelIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        vm.prank(owner);
        oracle.revokeModel(creditModel);
        assertRefused(
            data, abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, creditModel), "revoked"
        );
    }

    function test_RecordsOfARevokedModelStayReadable() public {
        assertAccepted(callOf(statement(1, 7)));
        vm.prank(owner);
        oracle.revokeModel(creditModel);
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 7, "by design");
        vm.assertFalse(oracle.isModelApproved(creditModel), "and a consumer can ask");
    }

    function test_AVerifierWhoseCodeChangedAfterApprovalIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        vm.etch(address(verifier), address(new FalseVerifier()).code);
        assertRefused(
            data, abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, creditModel), "other code"
        );
    }

    function test_AForgedProofIsRefused() public {
        Statement memory s = statement(1, 1);
        bytes memory refusal = abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector);
        assertRefused(callWith(s, ""), refusal, "no proof");
        assertRefused(callWith(s, abi.encode(uint256(1), uint256(1))), refusal, "an invented proof");
        bytes memory proof = prove(s);
        s.values[0] = 2;
        assertRefused(callWith(s, proof), refusal, "a tampered score");
    }

    function test_AVerifierThatAnswersFalseIsARefusal() public {
        verifier = IdealVerifier(address(new FalseVerifier()));
        IModelRegistry.VerificationData memory data = verificationData("false", 0, 1, 0, 10);
        uint256 id = registerModel(data);
        approve(id);
        Statement memory s = statement(1, 1);
        s.modelId = id;
        assertRefused(
            callWith(s, "proof"), abi.encodeWithSelector(IERCZKMLVerifier.InvalidProof.selector), "false"
        );
    }

    function test_AChangedKeyContractIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        (IModelRegistry.VerificationData memory model,) = registry.verificationOf(creditModel);
        vm.etch(model.key, hex"00112233");
        assertRefused(
            data, abi.encodeWithSelector(IdealVerifier.IdealKeyHasOtherHash.selector), "another key"
        );
    }

    function test_TheVerifierGetsTheRegisteredKeyAndHash() public {
        // Any other key or hash than the registered ones would not match the ideal proof.
        (IModelRegistry.VerificationData memory model,) = registry.verificationOf(creditModel);
        Statement memory s = statement(1, 77);
        uint256[] memory instances = new uint256[](2);
        instances[0] = uint256(commitmentOf(s, address(oracle))) & (2 ** 253 - 1);
        instances[1] = 77;
        bytes memory proof = verifier.prove(model.key, model.keyHash, instances);
        vm.assertTrue(
            IVerdictVerifier(model.verifier).verify(model.key, model.keyHash, instances, proof), "ideal"
        );
        assertAccepted(callWith(s, proof));
    }

    // -------------------------------------------------------------- submitters

    function test_FrontRunningBySomeoneElseIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        assertRefusedFor(
            stranger,
            data,
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, stranger),
            "a copy sent by a stranger"
        );
        assertRefusedFor(
            owner,
            data,
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, owner),
            "a copy sent by the owner"
        );
        assertAccepted(data);
    }

    function test_ARemovedSubmitterIsRefusedAndItsRecordsStay() public {
        assertAccepted(callOf(statement(1, 1)));
        vm.prank(owner);
        oracle.removeSubmitter(submitter);
        assertRefused(
            callOf(statement(2, 1)),
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, submitter),
            "removed"
        );
        vm.assertEq(oracle.scoreOf(borrower, creditModel).prover, submitter, "the record still names it");
    }

    function test_EachRecordNamesItsOwnSubmitter() public {
        address second = named("second submitter");
        vm.startPrank(owner);
        oracle.addSubmitter(second);
        oracle.removeSubmitter(submitter);
        oracle.addSubmitter(submitter);
        vm.stopPrank();
        assertAccepted(callOf(statement(1, 1)));
        vm.assertEq(
            oracle.scoreOf(borrower, creditModel).prover, submitter, "added again under the same number"
        );
        (bool ok,) = send(second, callOf(statement(2, 1)));
        vm.assertTrue(ok, "second submitter");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).prover, second, "second");
    }
}
