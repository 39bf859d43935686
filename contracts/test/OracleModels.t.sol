// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {FalseVerifier, IdealVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Which models, verifiers, keys and proofs are accepted.
contract OracleModelsTest is OracleFixture {
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
            data, abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, creditModel), "another key"
        );
        vm.etch(model.key, "");
        assertRefused(
            data, abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, creditModel), "no key"
        );
        vm.etch(model.key, abi.encodePacked(hex"ef0100", stranger));
        assertRefused(
            data, abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, creditModel), "a delegation"
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
}
