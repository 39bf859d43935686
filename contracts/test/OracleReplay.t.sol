// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IdealVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A proof is recorded once: nonces, deadlines, and proofs of another subject, chain, oracle or model.
contract OracleReplayTest is OracleFixture {
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
}
