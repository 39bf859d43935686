// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {InferenceOracle} from "../src/InferenceOracle.sol";
import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A registry whose ids do not count up from one.
contract WideRegistry {
    IModelRegistry.VerificationData private _data;

    constructor(IModelRegistry.VerificationData memory data) {
        _data = data;
    }

    function verificationOf(uint256)
        external
        view
        returns (IModelRegistry.VerificationData memory data, bool deprecated)
    {
        return (_data, false);
    }
}

/// @notice What the owner can do, and what nobody can.
contract OracleGovernanceTest is OracleFixture {
    function test_ConstructorRefusesWhatCannotWork() public {
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.RegistryHasNoCode.selector, stranger));
        new InferenceOracle(stranger, owner, TTL);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0)));
        new InferenceOracle(address(registry), address(0), TTL);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.InvalidTimeToLive.selector, 0));
        new InferenceOracle(address(registry), owner, 0);
        uint256 max = oracle.MAX_TIME_TO_LIVE();
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.InvalidTimeToLive.selector, max + 1));
        new InferenceOracle(address(registry), owner, max + 1);
        new InferenceOracle(address(registry), owner, max);
    }

    function test_DeploymentIsReadBack() public view {
        vm.assertEq(oracle.registry(), address(registry), "registry");
        vm.assertEq(oracle.owner(), owner, "owner");
        vm.assertEq(oracle.timeToLive(), TTL, "time to live");
        vm.assertEq(oracle.DOMAIN(), keccak256("verdict.inference.v1"), "domain");
        vm.assertTrue(oracle.PROOF_SYSTEM_ID() == PROOF_SYSTEM, "proof system");
        vm.assertTrue(oracle.proofSystemOf(creditModel) == PROOF_SYSTEM, "proof system of the model");
    }

    // ------------------------------------------------------------------- pause

    function test_PauseStopsWritesAndNeverReads() public {
        assertAccepted(callOf(statement(1, 400_000)));
        vm.prank(owner);
        oracle.pause();
        assertRefused(
            callOf(statement(2, 1)), abi.encodeWithSelector(Pausable.EnforcedPause.selector), "paused"
        );
        vm.assertEq(oracle.latestScore(borrower), 400_000, "latestScore");
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 400_000, "latestScoreOf");
        vm.assertEq(oracle.scoreOf(borrower).score, 400_000, "scoreOf");
        vm.assertEq(oracle.nonceOf(borrower), 1, "nonceOf");
        vm.assertTrue(oracle.isFresh(borrower), "isFresh");

        vm.prank(owner);
        oracle.unpause();
        assertAccepted(callOf(statement(2, 1)));
    }

    // --------------------------------------------------------------- ownership

    function test_OwnershipMovesInTwoSteps() public {
        vm.prank(owner);
        oracle.transferOwnership(stranger);
        vm.assertEq(oracle.owner(), owner, "an offer changes nothing");
        vm.prank(submitter);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, submitter));
        oracle.acceptOwnership();
        vm.prank(stranger);
        oracle.acceptOwnership();
        vm.assertEq(oracle.owner(), stranger, "accepted");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, owner));
        oracle.pause();
    }

    function test_OwnershipCannotBeRenounced() public {
        vm.prank(owner);
        vm.expectRevert(IInferenceOracle.OwnershipCannotBeRenounced.selector);
        oracle.renounceOwnership();
        vm.assertEq(oracle.owner(), owner, "owner");
    }

    function testFuzz_NobodyButTheOwnerGoverns(address caller) public {
        vm.assume(caller != owner);
        bytes[8] memory calls = [
            abi.encodeCall(oracle.pause, ()),
            abi.encodeCall(oracle.unpause, ()),
            abi.encodeCall(oracle.approveModel, (1, bytes32(0))),
            abi.encodeCall(oracle.revokeModel, (1)),
            abi.encodeCall(oracle.addSubmitter, (caller)),
            abi.encodeCall(oracle.removeSubmitter, (submitter)),
            abi.encodeCall(oracle.transferOwnership, (caller)),
            abi.encodeCall(oracle.renounceOwnership, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory answer) = send(caller, calls[i]);
            vm.assertFalse(ok, "governed by someone else");
            vm.assertEq(
                answer, abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller), "reason"
            );
        }
    }

    // ------------------------------------------------------------------ models

    function test_ApprovalNamesTheReviewedVerifier() public {
        uint256 id = registerModel(verificationData("m", 0, 1, 0, 1));
        bytes32 actual = address(verifier).codehash;
        bytes32 reviewed = keccak256("the code that was reviewed");
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.VerifierCodeMismatch.selector, address(verifier), reviewed, actual
            )
        );
        oracle.approveModel(id, reviewed);
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(id);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ModelApproved(id, data.verifier, data.key, data.keyHash);
        oracle.approveModel(id, actual);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelAlreadyApproved.selector, id));
        oracle.approveModel(id, actual);
        vm.stopPrank();
        vm.assertTrue(oracle.isModelApproved(id), "approved");
    }

    function test_AVerifierReplacedBeforeApprovalIsNoticed() public {
        uint256 id = registerModel(verificationData("m", 0, 1, 0, 1));
        bytes32 reviewed = address(verifier).codehash;
        vm.etch(address(verifier), hex"600160005260206000f3");
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.VerifierCodeMismatch.selector,
                address(verifier),
                reviewed,
                address(verifier).codehash
            )
        );
        oracle.approveModel(id, reviewed);
    }

    function test_ModelsThatCannotBeVerifiedAreNotApproved() public {
        bytes32 codeHash = address(verifier).codehash;
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 9));
        oracle.approveModel(9, codeHash);

        uint256 bare = registry.registerModel(commitmentFor(bytes32(0)));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotVerifiable.selector, bare));
        oracle.approveModel(bare, codeHash);
        vm.stopPrank();

        uint256 old = registerModel(verificationData("old", 0, 1, 0, 1));
        vm.prank(modelOwner);
        registry.deprecateModel(old);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, old)
        );
        oracle.approveModel(old, codeHash);
    }

    function test_ModelIdsThatDoNotFitARecordAreNotApproved() public {
        WideRegistry wide = new WideRegistry(verificationData("wide", 0, 1, 0, 1));
        oracle = new InferenceOracle(address(wide), owner, TTL);
        uint256 id = uint256(type(uint32).max) + 1;
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelIdTooLarge.selector, id));
        oracle.approveModel(id, address(verifier).codehash);
        oracle.approveModel(id - 1, address(verifier).codehash);
        vm.stopPrank();
    }

    function test_RevokingIsForApprovedModels() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, 2));
        oracle.revokeModel(2);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ModelRevoked(creditModel);
        oracle.revokeModel(creditModel);
        vm.stopPrank();
        vm.assertFalse(oracle.isModelApproved(creditModel), "revoked");
    }

    // -------------------------------------------------------------- submitters

    function test_SubmittersAreAddedAndRemovedOnce() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.SubmitterAlreadyAllowed.selector, submitter));
        oracle.addSubmitter(submitter);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, stranger));
        oracle.removeSubmitter(stranger);

        vm.expectEmit(address(oracle));
        emit IInferenceOracle.SubmitterRemoved(submitter);
        oracle.removeSubmitter(submitter);
        vm.assertFalse(oracle.isSubmitter(submitter), "removed");
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, submitter));
        oracle.removeSubmitter(submitter);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.SubmitterAdded(submitter);
        oracle.addSubmitter(submitter);
        vm.assertTrue(oracle.isSubmitter(submitter), "added");
        vm.stopPrank();
    }
}
