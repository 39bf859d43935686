// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ModelStatus, PackedVerification} from "../src/libraries/PackedVerification.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Registration, versions and ownership of models.
contract ModelRegistryTest is OracleFixture {
    function test_InterfaceIdIsTheStandards() public view {
        vm.assertTrue(type(IERCZKMLRegistry).interfaceId == bytes4(0xd28519b1), "registry interface id");
        vm.assertTrue(registry.supportsInterface(0xd28519b1), "ERC-7992");
        vm.assertTrue(registry.supportsInterface(type(IModelRegistry).interfaceId), "IModelRegistry");
        vm.assertTrue(registry.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertFalse(registry.supportsInterface(0xffffffff), "the invalid id");
    }

    function test_RegisteredModelIsReadBack() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 3, 2, -7, 9);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentFor(data.keyHash);
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelRegistered(2, modelOwner, commitment);
        vm.expectEmit(address(registry));
        emit IModelRegistry.VerificationAttached(2, data.verifier, data.key, data);
        vm.prank(modelOwner);
        uint256 id = registry.registerVerifiableModel(commitment, data);

        vm.assertEq(id, 2, "ids count up from 1");
        vm.assertEq(registry.modelCount(), 2, "count");
        (IERCZKMLRegistry.ModelCommitment memory read, bool deprecated, address readOwner) =
            registry.getModel(id);
        vm.assertEq(abi.encode(read), abi.encode(commitment), "commitment");
        vm.assertFalse(deprecated, "deprecated");
        vm.assertEq(readOwner, modelOwner, "owner");
        (IModelRegistry.VerificationData memory readData, bool dead) = registry.verificationOf(id);
        vm.assertEq(abi.encode(readData), abi.encode(data), "verification data");
        vm.assertFalse(dead, "deprecated");
    }

    function testFuzz_VerificationDataSurvivesPacking(
        uint16 publicInputs,
        uint16 outputs,
        int64 outputMin,
        int64 outputMax,
        uint8 decimals,
        uint8 direction
    ) public {
        vm.assume(outputs != 0 && outputMin <= outputMax);
        IModelRegistry.VerificationData memory data =
            verificationData("packed", publicInputs, outputs, outputMin, outputMax);
        data.decimals = uint8(bound(decimals, 0, registry.MAX_DECIMALS()));
        data.direction = IModelRegistry.ScoreDirection(direction % 3);
        uint256 id = registerModel(data);
        (IModelRegistry.VerificationData memory read,) = registry.verificationOf(id);
        vm.assertEq(abi.encode(read), abi.encode(data), "verification data");

        (uint256 first, uint256 second) = registry.packedVerificationOf(id);
        IModelRegistry.VerificationData memory unpacked;
        PackedVerification.unpack(first, second, data.keyHash, unpacked);
        vm.assertEq(abi.encode(unpacked), abi.encode(data), "what an oracle makes of the words");
        vm.assertTrue(PackedVerification.statusOf(first) == ModelStatus.Active, "active");
        vm.prank(modelOwner);
        registry.deprecateModel(id);
        (uint256 late, uint256 same) = registry.packedVerificationOf(id);
        vm.assertTrue(PackedVerification.statusOf(late) == ModelStatus.Deprecated, "deprecated");
        vm.assertEq(late << 8, first << 8, "nothing but the status changes");
        vm.assertEq(same, second, "nothing but the status changes");
    }

    function test_UnknownIdsAreNotFound() public {
        uint256[3] memory ids = [uint256(0), 2, type(uint256).max];
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes memory notFound = abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, ids[i]);
            vm.expectRevert(notFound);
            registry.getModel(ids[i]);
            vm.expectRevert(notFound);
            registry.verificationOf(ids[i]);
            vm.expectRevert(notFound);
            registry.packedVerificationOf(ids[i]);
            vm.expectRevert(notFound);
            registry.successorOf(ids[i]);
            vm.expectRevert(notFound);
            registry.pendingOwnerOf(ids[i]);
            vm.expectRevert(notFound);
            registry.deprecateModel(ids[i]);
            vm.expectRevert(notFound);
            registry.acceptModel(ids[i]);
        }
    }

    // ------------------------------------------------------- verification data

    function assertNotAttachable(
        IERCZKMLRegistry.ModelCommitment memory commitment,
        IModelRegistry.VerificationData memory data,
        bytes memory reason
    ) private {
        uint256 count = registry.modelCount();
        vm.expectRevert(reason);
        registry.registerVerifiableModel(commitment, data);
        vm.assertEq(registry.modelCount(), count, "nothing registered");
    }

    function test_WrongKeyHashIsRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        bytes32 other = keccak256("another key");
        assertNotAttachable(
            commitmentFor(other),
            data,
            abi.encodeWithSelector(IModelRegistry.KeyHashMismatch.selector, data.key, other, data.keyHash)
        );
        bytes32 actual = data.keyHash;
        data.keyHash = other;
        assertNotAttachable(
            commitmentFor(other),
            data,
            abi.encodeWithSelector(IModelRegistry.KeyHashMismatch.selector, data.key, other, actual)
        );
    }

    function test_KeyThatIsNoDataContractIsRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        // A contract with code that can run, under its true hash.
        data.key = address(verifier);
        data.keyHash = address(verifier).codehash;
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.KeyIsNotData.selector, data.key)
        );
        // Accounts without code have a hash too: that of nothing, or zero.
        vm.etch(stranger, "");
        data.key = stranger;
        data.keyHash = stranger.codehash;
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.KeyIsNotData.selector, stranger)
        );
    }

    function test_VerifierWithoutCodeIsRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        data.verifier = stranger;
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.VerifierHasNoCode.selector, stranger)
        );
        data.verifier = address(0);
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.VerifierHasNoCode.selector, address(0))
        );
    }

    function test_DelegatedAccountsAreRefused() public {
        // An account with a private key, whose holder can have it run other code at any time.
        vm.etch(stranger, abi.encodePacked(hex"ef0100", address(verifier)));
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        (address honest, bytes memory refusal) =
            (data.verifier, abi.encodeWithSelector(IModelRegistry.DelegatedAccount.selector, stranger));
        data.verifier = stranger;
        assertNotAttachable(commitmentFor(data.keyHash), data, refusal);
        (data.verifier, data.key, data.keyHash) = (honest, stranger, stranger.codehash);
        assertNotAttachable(commitmentFor(data.keyHash), data, refusal);
    }

    function test_CodeThatOnlyResemblesADelegationIsAContract() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        // Of a delegation's length, without its prefix.
        data.verifier = deployKey(new bytes(22));
        registerModel(data);
        vm.assertEq(data.verifier.code.length, 23, "length");
    }

    function test_ImpossibleOutputsAreRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 0, 0, 1);
        assertNotAttachable(
            commitmentFor(data.keyHash), data, abi.encodeWithSelector(IModelRegistry.NoOutputs.selector)
        );
        data = verificationData("m", 0, 1, 2, 1);
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.InvalidOutputRange.selector, int64(2), int64(1))
        );
        data = verificationData("m", 0, 1, 0, 1);
        data.decimals = 19;
        assertNotAttachable(
            commitmentFor(data.keyHash),
            data,
            abi.encodeWithSelector(IModelRegistry.TooManyDecimals.selector, uint8(19), uint8(18))
        );
    }

    function test_OtherProofSystemIsRefused() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentFor(data.keyHash);
        commitment.proofSystemId = bytes4(keccak256("groth16-bn254-v1"));
        assertNotAttachable(
            commitment,
            data,
            abi.encodeWithSelector(IModelRegistry.UnsupportedProofSystem.selector, commitment.proofSystemId)
        );
    }

    function test_VerificationDataIsAttachedOnceAndByTheOwner() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        vm.prank(modelOwner);
        uint256 id = registry.registerModel(commitmentFor(data.keyHash));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotVerifiable.selector, id));
        registry.verificationOf(id);

        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, id, stranger));
        registry.attachVerification(id, data);

        vm.startPrank(modelOwner);
        registry.attachVerification(id, data);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.VerificationAlreadyAttached.selector, id));
        registry.attachVerification(id, data);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- versions

    function test_SilentModelSwapIsImpossible() public {
        bytes32 model = _stateOf(creditModel);
        IModelRegistry.VerificationData memory other = verificationData("other", 0, 1, 0, 5);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentFor(other.keyHash);
        (IERCZKMLRegistry.ModelCommitment memory old,,) = registry.getModel(creditModel);

        vm.startPrank(modelOwner);
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelRegistered(2, modelOwner, commitment);
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelUpdated(creditModel, old, commitment);
        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelSucceeded(creditModel, 2);
        uint256 next = registry.updateVerifiableModel(creditModel, commitment, other);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.VerificationAlreadyAttached.selector, creditModel)
        );
        registry.attachVerification(creditModel, other);
        vm.stopPrank();

        vm.assertEq(next, 2, "an update is a new id");
        vm.assertEq(registry.successorOf(creditModel), next, "linked");
        vm.assertEq(_stateOf(creditModel), model, "the old version is what it was");
        vm.assertFalse(oracle.isModelApproved(next), "nobody approved the successor");
    }

    function test_VersionsAreOneChain() public {
        vm.startPrank(modelOwner);
        registry.updateModel(creditModel, commitmentFor(bytes32(0)));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelAlreadySucceeded.selector, creditModel, 2));
        registry.updateModel(creditModel, commitmentFor(bytes32(0)));
        registry.updateModel(2, commitmentFor(bytes32(0)));
        vm.stopPrank();
        vm.assertEq(registry.successorOf(2), 3, "the newest version is updated");
    }

    function test_OnlyTheOwnerMovesAModel() public {
        bytes memory refusal =
            abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, creditModel, stranger);
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1);
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        registry.updateModel(creditModel, commitmentFor(bytes32(0)));
        vm.expectRevert(refusal);
        registry.updateVerifiableModel(creditModel, commitmentFor(data.keyHash), data);
        vm.expectRevert(refusal);
        registry.attachVerification(creditModel, data);
        vm.expectRevert(refusal);
        registry.deprecateModel(creditModel);
        vm.expectRevert(refusal);
        registry.transferModel(creditModel, stranger);
        vm.stopPrank();
    }

    function test_DeprecationIsFinal() public {
        vm.startPrank(modelOwner);
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelDeprecated(creditModel);
        registry.deprecateModel(creditModel);
        bytes memory refusal =
            abi.encodeWithSelector(IERCZKMLRegistry.ModelAlreadyDeprecated.selector, creditModel);
        vm.expectRevert(refusal);
        registry.deprecateModel(creditModel);
        vm.expectRevert(refusal);
        registry.updateModel(creditModel, commitmentFor(bytes32(0)));
        vm.stopPrank();

        (, bool deprecated,) = registry.getModel(creditModel);
        vm.assertTrue(deprecated, "getModel");
        (, deprecated) = registry.verificationOf(creditModel);
        vm.assertTrue(deprecated, "verificationOf");
    }

    // --------------------------------------------------------------- ownership

    function test_OwnershipOfAModelMovesInTwoSteps() public {
        vm.prank(modelOwner);
        registry.transferModel(creditModel, stranger);
        (,, address current) = registry.getModel(creditModel);
        vm.assertEq(current, modelOwner, "an offer changes nothing");
        vm.assertEq(registry.pendingOwnerOf(creditModel), stranger, "offered");

        vm.prank(submitter);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.NotPendingModelOwner.selector, creditModel, submitter)
        );
        registry.acceptModel(creditModel);

        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelTransferred(creditModel, modelOwner, stranger);
        vm.prank(stranger);
        registry.acceptModel(creditModel);
        (,, current) = registry.getModel(creditModel);
        vm.assertEq(current, stranger, "accepted");

        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.NotPendingModelOwner.selector, creditModel, stranger)
        );
        registry.acceptModel(creditModel);
        vm.prank(modelOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, creditModel, modelOwner)
        );
        registry.deprecateModel(creditModel);
    }

    function test_AnOfferCanBeWithdrawn() public {
        vm.startPrank(modelOwner);
        registry.transferModel(creditModel, stranger);
        registry.transferModel(creditModel, address(0));
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.NotPendingModelOwner.selector, creditModel, stranger)
        );
        registry.acceptModel(creditModel);
    }

    function _stateOf(uint256 modelId) private view returns (bytes32) {
        (IERCZKMLRegistry.ModelCommitment memory commitment, bool deprecated, address current) =
            registry.getModel(modelId);
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        return keccak256(abi.encode(commitment, deprecated, current, data));
    }
}
