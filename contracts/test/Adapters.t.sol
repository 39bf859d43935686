// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {InferenceProofVerifier} from "../src/adapters/InferenceProofVerifier.sol";
import {InferenceValidator, IValidationRegistry} from "../src/adapters/InferenceValidator.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {SignerRegistry} from "../src/SignerRegistry.sol";
import {PairedVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice ERC-8004's registry as far as validators see it: who was asked may answer.
contract Validations is IValidationRegistry {
    struct Answer {
        uint8 response;
        bytes32 responseHash;
        string tag;
    }

    mapping(bytes32 => address) private _validators;
    mapping(bytes32 => Answer) private _answers;

    function validationRequest(address validator, bytes32 requestHash) external {
        _validators[requestHash] = validator;
    }

    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata,
        bytes32 responseHash,
        string calldata tag
    ) external override {
        require(msg.sender == _validators[requestHash], "not the validator");
        _answers[requestHash] = Answer(response, responseHash, tag);
    }

    function answerTo(bytes32 requestHash) external view returns (Answer memory) {
        return _answers[requestHash];
    }
}

/// @notice Fails without a word.
contract Silent {
    fallback() external {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }
}

/// @notice Other standards' ways to ask the oracle: the same proofs pass, the same are refused.
contract AdaptersTest is OracleFixture {
    InferenceProofVerifier private proofs;
    InferenceValidator private validator;
    Validations private validations;

    function setUp() public override {
        super.setUp();
        IInferenceOracle checked = IInferenceOracle(address(oracle));
        proofs = new InferenceProofVerifier(checked, creditModel);
        validations = new Validations();
        validator = new InferenceValidator(checked, validations);
    }

    function check(Statement memory s, bytes memory proof) private view returns (bool) {
        bytes memory output = abi.encode(s.values);
        return proofs.verify(commitmentOf(s, address(oracle)), keccak256(output), output, proof);
    }

    // ------------------------------------------------------------------ ERC-8274

    function testFuzz_AProofIsValidForItsInputAndOutputOnly(uint64 score, bytes32 other) public view {
        Statement memory s = statement(1, int256(bound(score, 0, 1_000_000)));
        bytes memory proof = encodeProof(s, prove(s));
        vm.assertTrue(check(s, proof), "its own");
        (bytes32 input, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        vm.assume(other != input && other != keccak256(output));
        vm.assertFalse(proofs.verify(other, keccak256(output), output, proof), "another input");
        vm.assertFalse(proofs.verify(input, other, output, proof), "another output's hash");
        s.values[0] = s.values[0] == 0 ? int256(1) : s.values[0] - 1;
        vm.assertFalse(check(s, proof), "another output");
    }

    function testFuzz_AnAlteredProofIsInvalid(uint256 at) public view {
        Statement memory s = statement(1, 600_000);
        bytes memory proof = encodeProof(s, prove(s));
        at = at % proof.length;
        proof[at] = bytes1(uint8(proof[at]) ^ 1);
        vm.assertFalse(check(s, proof), "altered");
    }

    function test_AnotherModelsProofIsInvalid() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        Statement memory s = statement(1, 600_000);
        s.modelId = other;
        vm.assertFalse(check(s, encodeProof(s, prove(s))), "another model");
    }

    function test_AProofIsValidUntilItIsRecordedOrItsDeadlinePasses() public {
        Statement memory s = statement(1, 600_000);
        bytes memory proof = encodeProof(s, prove(s));
        assertAccepted(callOf(s));
        vm.assertFalse(check(s, proof), "recorded");
        s = statement(2, 600_000);
        proof = encodeProof(s, prove(s));
        vm.warp(s.deadline);
        vm.assertTrue(check(s, proof), "the last second");
        vm.warp(s.deadline + 1);
        vm.assertFalse(check(s, proof), "too late");
    }

    /// @dev A call of `verify` with a valid proof of a model whose verifier pairs points.
    function pairedCall() private returns (bytes memory call, uint256 needed) {
        verifier = new PairedVerifier();
        Statement memory s = statement(1, 600_000);
        s.modelId = registerModel(verificationData("paired", 0, 1, 0, 1_000_000));
        approve(s.modelId);
        proofs = new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, prove(s)));
        call = abi.encodeCall(
            proofs.verify, (commitmentOf(s, address(oracle)), keccak256(output), output, proof)
        );
        needed = proofs.CHECK_GAS() + proofs.CHECK_GAS_PER_BYTE() * (output.length + proof.length);
    }

    function testFuzz_TooLittleGasNeverMakesAProofInvalid(uint256 gas_, bool scarce) public {
        (bytes memory call, uint256 needed) = pairedCall();
        gas_ = bound(gas_, 0, scarce ? 400_000 : needed + 100_000);
        (bool ok, bytes memory answer) = address(proofs).staticcall{gas: gas_}(call);
        vm.assertTrue(!ok || abi.decode(answer, (bool)), "valid, or no answer");
        vm.assertTrue(ok || gas_ < needed + 10_000, "enough");
        if (ok || answer.length == 0) return;
        vm.assertEq(
            answer, abi.encodeWithSelector(InferenceProofVerifier.NotEnoughGas.selector, needed), "why"
        );
    }

    function test_ACheckThatSaysNothingIsNoAnswer() public {
        proofs = new InferenceProofVerifier(IInferenceOracle(address(new Silent())), creditModel);
        vm.expectRevert(InferenceProofVerifier.CheckIncomplete.selector);
        proofs.verify(bytes32(0), keccak256(""), "", "");
    }

    /// @dev What the oracle says of a model, whatever proof is brought, is handed on.
    function noAnswer(Statement memory s, bytes memory reason) private {
        proofs = new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, prove(s)));
        bytes32 input = commitmentOf(s, address(oracle));
        vm.expectRevert(reason);
        proofs.verify(input, keccak256(output), output, proof);
    }

    function test_WhatIsNotTheProofsFaultDoesNotMakeItInvalid() public {
        Statement memory s = statement(1, 600_000);
        s.inputWords = new uint256[](1);
        s.modelId = registerModel(verificationData("attested", 1, 1, 0, 1_000_000));
        noAnswer(s, abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, s.modelId));
        approveWith(s.modelId, address(new SignerRegistry(owner)), 1, "schema");
        noAnswer(s, abi.encodeWithSelector(IInferenceOracle.AttestationsRequired.selector, s.modelId));

        s = statement(1, 600_000);
        IModelRegistry.VerificationData memory data = verificationData("batch", 0, 1, 0, 1_000_000);
        data.batch = 2;
        s.modelId = registerModel(data);
        approve(s.modelId);
        noAnswer(s, abi.encodeWithSelector(IInferenceOracle.BatchSizeMismatch.selector, 2, 1));

        s = statement(1, 600_000);
        bytes memory code = address(verifier).code;
        vm.etch(address(verifier), bytes.concat(code, hex"00"));
        noAnswer(s, abi.encodeWithSelector(IInferenceOracle.ModelChanged.selector, creditModel));
        vm.etch(address(verifier), code);
        vm.prank(modelOwner);
        registry.deprecateModel(creditModel);
        noAnswer(
            s,
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, creditModel)
        );
    }

    function test_AProfileNamesChainOracleAndModel() public {
        vm.assertEq(proofs.proofSystem(), "halo2-kzg-bn254-v1", "system");
        bytes32 profile = proofs.proofProfile();
        InferenceProofVerifier other = new InferenceProofVerifier(proofs.oracle(), creditModel + 1);
        vm.assertTrue(other.proofProfile() != profile, "another model");
        vm.chainId(5);
        vm.assertTrue(proofs.proofProfile() != profile, "another chain");
    }

    // ------------------------------------------------------------------ ERC-8004

    function test_AProofAnswersTheRequestThatItIsBoundTo() public {
        Statement memory s = statement(1, 600_000);
        (bytes32 request, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        bytes memory proof = encodeProof(s, prove(s));
        vm.expectRevert(bytes("not the validator"));
        validator.validate(creditModel, request, output, proof);
        validations.validationRequest(address(validator), request);
        vm.prank(stranger);
        validator.validate(creditModel, request, output, proof);
        Validations.Answer memory answer = validations.answerTo(request);
        vm.assertEq(answer.response, 100, "passed");
        vm.assertEq(answer.responseHash, keccak256(output), "outputs");
        vm.assertEq(answer.tag, "halo2-kzg-bn254-v1", "tag");
    }

    function test_WhatIsRecordedFirstIsNotAnswered() public {
        Statement memory s = statement(1, 600_000);
        bytes32 request = commitmentOf(s, address(oracle));
        validations.validationRequest(address(validator), request);
        bytes memory proof = encodeProof(s, prove(s));
        assertAccepted(callOf(s));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 1, 1));
        validator.validate(creditModel, request, abi.encode(s.values), proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
    }

    function test_ThereIsNoAnswerForAModelThatDemandsAttestations() public {
        Statement memory s = statement(1, 600_000);
        s.inputWords = new uint256[](1);
        s.modelId = registerModel(verificationData("attested", 1, 1, 0, 1_000_000));
        approveWith(s.modelId, address(new SignerRegistry(owner)), 1, "schema");
        bytes32 request = commitmentOf(s, address(oracle));
        validations.validationRequest(address(validator), request);
        bytes memory proof = encodeProof(s, prove(s));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.AttestationsRequired.selector, s.modelId));
        validator.validate(s.modelId, request, abi.encode(s.values), proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
    }

    function testFuzz_WhatDoesNotHoldIsNotAnswered(bytes32 request) public {
        Statement memory s = statement(1, 600_000);
        bytes memory proof = encodeProof(s, prove(s));
        vm.assume(request != commitmentOf(s, address(oracle)));
        validations.validationRequest(address(validator), request);
        vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        validator.validate(creditModel, request, abi.encode(s.values), proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
    }
}
