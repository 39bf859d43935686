// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {InferenceOracle} from "../src/InferenceOracle.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ModelStatus, PackedVerification} from "../src/libraries/PackedVerification.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A registry with one model that can be anything, at any time.
contract HandRegistry {
    IERCZKMLRegistry.ModelCommitment private _commitment;
    IModelRegistry.VerificationData private _data;

    function set(
        IERCZKMLRegistry.ModelCommitment memory commitment,
        IModelRegistry.VerificationData memory data
    ) external {
        (_commitment, _data) = (commitment, data);
    }

    function modelCount() external pure returns (uint256) {
        return 1;
    }

    function getModel(uint256)
        external
        view
        returns (IERCZKMLRegistry.ModelCommitment memory commitment, bool deprecated, address owner)
    {
        return (_commitment, false, address(this));
    }

    function verificationOf(uint256)
        external
        view
        returns (IModelRegistry.VerificationData memory data, bool deprecated)
    {
        return (_data, false);
    }

    function packedVerificationOf(uint256) external view returns (uint256 first, uint256 second) {
        return PackedVerification.pack(_data, ModelStatus.Active);
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
        vm.assertEq(oracle.DOMAIN(), keccak256("verdict.inference.v2"), "domain");
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
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 400_000, "latestScoreOf");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).score, 400_000, "scoreOf");
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 1, "nonceOf");
        vm.assertTrue(oracle.isFresh(borrower, creditModel), "isFresh");

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
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(creditModel);
        bytes[8] memory calls = [
            abi.encodeCall(oracle.pause, ()),
            abi.encodeCall(oracle.unpause, ()),
            abi.encodeCall(oracle.approveModel, (1, commitmentFor(data.keyHash), data, bytes32(0))),
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

    function test_ApprovalSaysAllThatWasReviewed() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        uint256 id = registerModel(data);
        bytes32 codeHash = address(verifier).codehash;
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ModelApproved(id, commitmentFor(data.keyHash), data, codeHash);
        approveReviewed(id, data, codeHash);
        vm.assertTrue(oracle.isModelApproved(id), "approved");
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelAlreadyApproved.selector, id));
        approveReviewed(id, data, codeHash);
    }

    function test_ApprovalNamesTheReviewedVerifier() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        uint256 id = registerModel(data);
        bytes32 reviewed = keccak256("the code that was reviewed");
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.VerifierCodeMismatch.selector,
                address(verifier),
                reviewed,
                address(verifier).codehash
            )
        );
        approveReviewed(id, data, reviewed);
    }

    function test_AVerifierReplacedBeforeApprovalIsNoticed() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        uint256 id = registerModel(data);
        bytes32 reviewed = address(verifier).codehash;
        vm.etch(address(verifier), hex"600160005260206000f3");
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.VerifierCodeMismatch.selector,
                address(verifier),
                reviewed,
                address(verifier).codehash
            )
        );
        approveReviewed(id, data, reviewed);
    }

    /// @dev A stranger registers a model of its own under the id that the owner is about to approve.
    function test_AStrangersModelUnderTheSameIdIsNotApproved() public {
        IModelRegistry.VerificationData memory ours = verificationData("ours", 0, 1, 0, 1_000_000);
        IModelRegistry.VerificationData memory theirs = verificationData("hostile key", 0, 1, 0, 1_000_000);
        vm.prank(stranger);
        uint256 id = registry.registerVerifiableModel(commitmentFor(theirs.keyHash), theirs);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.VerificationDataMismatch.selector,
                id,
                keccak256(abi.encode(ours)),
                keccak256(abi.encode(theirs))
            )
        );
        approveReviewed(id, ours, address(verifier).codehash);
        vm.assertFalse(oracle.isModelApproved(id), "approved");
    }

    function test_EveryFieldOfTheVerificationDataIsReviewed() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1_000_000);
        uint256 id = registerModel(data);
        bytes32 actual = keccak256(abi.encode(data));
        for (uint256 field = 0; field < 9; ++field) {
            IModelRegistry.VerificationData memory other =
                abi.decode(abi.encode(data), (IModelRegistry.VerificationData));
            if (field == 0) other.verifier = stranger;
            if (field == 1) other.key = stranger;
            if (field == 2) other.keyHash = keccak256("another key");
            if (field == 3) other.publicInputs = 1;
            if (field == 4) other.outputs = 2;
            if (field == 5) other.outputMin = -1;
            if (field == 6) other.outputMax = 2;
            if (field == 7) other.decimals = 5;
            if (field == 8) other.direction = IModelRegistry.ScoreDirection.LowerIsBetter;
            vm.expectRevert(
                abi.encodeWithSelector(
                    IInferenceOracle.VerificationDataMismatch.selector,
                    id,
                    keccak256(abi.encode(other)),
                    actual
                )
            );
            approveReviewed(id, other, address(verifier).codehash);
        }
        approveReviewed(id, data, address(verifier).codehash);
    }

    function test_EveryFieldOfTheCommitmentIsReviewed() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1_000_000);
        uint256 id = registerModel(data);
        bytes32 codeHash = address(verifier).codehash;
        bytes32 actual = keccak256(abi.encode(commitmentFor(data.keyHash)));
        for (uint256 field = 0; field < 5; ++field) {
            IERCZKMLRegistry.ModelCommitment memory other = commitmentFor(data.keyHash);
            if (field == 0) other.modelHash = keccak256("another model");
            if (field == 1) other.circuitHash = 0;
            if (field == 2) other.vkHash = 0;
            if (field == 3) other.proofSystemId = 0;
            if (field == 4) other.uri = "ipfs://another-card";
            vm.expectRevert(
                abi.encodeWithSelector(
                    IInferenceOracle.ModelCommitmentMismatch.selector,
                    id,
                    keccak256(abi.encode(other)),
                    actual
                )
            );
            vm.prank(owner);
            oracle.approveModel(id, other, data, codeHash);
        }
    }

    /// @dev Against the model registry this cannot happen: it refuses such accounts itself.
    function test_DelegatedAccountsAreNotApproved() public {
        bytes memory delegation = abi.encodePacked(hex"ef0100", address(verifier));
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        HandRegistry hand = new HandRegistry();
        oracle = new InferenceOracle(address(hand), owner, TTL);
        bytes32 codeHash = address(verifier).codehash;

        address honest = data.verifier;
        data.verifier = stranger;
        vm.etch(stranger, delegation);
        hand.set(commitmentFor(data.keyHash), data);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.DelegatedAccount.selector, stranger));
        approveReviewed(1, data, stranger.codehash);

        (data.verifier, data.key, data.keyHash) = (honest, stranger, stranger.codehash);
        hand.set(commitmentFor(data.keyHash), data);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.DelegatedAccount.selector, stranger));
        approveReviewed(1, data, codeHash);

        data.key = deployKey("another key than the hash says");
        hand.set(commitmentFor(data.keyHash), data);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.KeyCodeMismatch.selector, data.key, data.keyHash, data.key.codehash
            )
        );
        approveReviewed(1, data, codeHash);

        data.keyHash = data.key.codehash;
        hand.set(commitmentFor(data.keyHash), data);
        approveReviewed(1, data, codeHash);
    }

    function test_ARegistryThatIsADelegatedAccountIsRefused() public {
        vm.etch(stranger, abi.encodePacked(hex"ef0100", address(registry)));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.DelegatedAccount.selector, stranger));
        new InferenceOracle(stranger, owner, TTL);
    }

    /// @dev A registry that breaks its promise: what was approved is what counts.
    function test_ARegistryThatChangesAModelAfterApprovalIsRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1_000_000);
        HandRegistry hand = new HandRegistry();
        hand.set(commitmentFor(data.keyHash), data);
        oracle = new InferenceOracle(address(hand), owner, TTL);
        approveReviewed(1, data, address(verifier).codehash);
        vm.prank(owner);
        oracle.addSubmitter(submitter);

        registry = ModelRegistry(address(hand));
        data.decimals = 0;
        hand.set(commitmentFor(data.keyHash), data);
        Statement memory s = statement(1, 1);
        s.modelId = 1;
        assertRefused(callOf(s), abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, 1), "changed");
        data.decimals = 6;
        hand.set(commitmentFor(data.keyHash), data);
        assertAccepted(callOf(s));
    }

    function test_ModelsThatCannotBeVerifiedAreNotApproved() public {
        bytes32 codeHash = address(verifier).codehash;
        IModelRegistry.VerificationData memory data = verificationData("old", 0, 1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 9));
        approveReviewed(9, data, codeHash);

        uint256 bare = registry.registerModel(commitmentFor(bytes32(0)));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotVerifiable.selector, bare));
        approveReviewed(bare, data, codeHash);

        uint256 old = registerModel(data);
        vm.prank(modelOwner);
        registry.deprecateModel(old);
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, old)
        );
        approveReviewed(old, data, codeHash);
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
