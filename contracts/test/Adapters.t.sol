// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {InferenceProofVerifier, IProofVerifier} from "../src/adapters/InferenceProofVerifier.sol";
import {InferenceValidator, IValidationRegistry} from "../src/adapters/InferenceValidator.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {SignerRegistry} from "../src/SignerRegistry.sol";
import {VerifierRouter} from "../src/router/VerifierRouter.sol";
import {VerifierEmergencyStop} from "../src/router/VerifierEmergencyStop.sol";
import {PairedVerifier} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice ERC-8004's registries as far as validators see them: an agent's owner asks with a hash, once; who was asked may
/// answer.
contract Validations is IValidationRegistry {
    struct Answer {
        uint256 agentId;
        uint8 response;
        bytes32 responseHash;
        string tag;
    }

    mapping(bytes32 => address) private _validators;
    mapping(bytes32 => Answer) private _answers;
    /// @dev As of the registry of agents.
    mapping(uint256 agentId => address) public ownerOf;

    function register(uint256 agentId, address owner) external {
        ownerOf[agentId] = owner;
    }

    function validationRequest(address validator, uint256 agentId, bytes32 requestHash) external {
        require(_validators[requestHash] == address(0), "asked before");
        require(ownerOf[agentId] == msg.sender, "not the agent's owner");
        _validators[requestHash] = validator;
        _answers[requestHash].agentId = agentId;
    }

    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata,
        bytes32 responseHash,
        string calldata tag
    ) external override {
        require(msg.sender == _validators[requestHash], "not the validator");
        _answers[requestHash] = Answer(_answers[requestHash].agentId, response, responseHash, tag);
    }

    function getValidationStatus(bytes32 requestHash)
        external
        view
        override
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        Answer memory answer = _answers[requestHash];
        require(_validators[requestHash] != address(0), "not the validator");
        return (_validators[requestHash], answer.agentId, answer.response, answer.responseHash, answer.tag, 0);
    }

    function getIdentityRegistry() external view override returns (address) {
        return address(this);
    }

    function answerTo(bytes32 requestHash) external view returns (Answer memory) {
        return _answers[requestHash];
    }
}

/// @notice ERC-8274's outer layer: its metadata are set when it is deployed, and whoever settles brings hashes and a proof.
contract AgentVerifier {
    IProofVerifier private immutable proofs;
    bytes private _metadata;

    constructor(IProofVerifier proofs_, bytes memory metadata) {
        proofs = proofs_;
        _metadata = metadata;
    }

    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata proof)
        external
        view
        returns (bool)
    {
        return proofs.verify(inputHash, outputHash, _metadata, proof);
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

/// @notice Checks for longer than any oracle, and says in its own words that it could not.
contract LongCheck {
    error Refused();

    uint256 private immutable rounds;

    constructor(uint256 rounds_) {
        rounds = rounds_;
    }

    function work() external view returns (bytes32 hash) {
        for (uint256 i = 0; i < rounds; ++i) {
            hash = keccak256(abi.encode(hash));
        }
    }

    function checkInference(uint256, bytes32, bytes calldata, bytes calldata)
        external
        view
        returns (address, int256)
    {
        try this.work() {}
        catch {
            revert Refused();
        }
        return (address(0), 0);
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
        validations.register(1, borrower);
        validations.register(2, stranger);
    }

    /// @dev An agent's owner asks for a validation.
    function ask(uint256 agentId, bytes32 request) private {
        vm.prank(validations.ownerOf(agentId));
        validations.validationRequest(address(validator), agentId, request);
    }

    function verify(bytes32 inputHash, bytes32 outputHash, bytes memory proof) private view returns (bool) {
        return proofs.verify(inputHash, outputHash, proofs.deploymentMetadata(), proof);
    }

    function check(Statement memory s, bytes memory proof) private view returns (bool) {
        bytes memory output = abi.encode(s.values);
        return verify(commitmentOf(s, address(oracle)), keccak256(output), abi.encode(output, proof));
    }

    // ------------------------------------------------------------------ ERC-8274

    function testFuzz_AProofIsValidForItsInputAndOutputOnly(uint64 score, bytes32 other) public view {
        Statement memory s = statement(1, int256(bound(score, 0, 1_000_000)));
        bytes memory proof = encodeProof(s, prove(s));
        vm.assertTrue(check(s, proof), "its own");
        (bytes32 input, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        vm.assume(other != input && other != keccak256(output));
        bytes memory both = abi.encode(output, proof);
        vm.assertFalse(verify(other, keccak256(output), both), "another input");
        vm.assertFalse(verify(input, other, both), "another output's hash");
        s.values[0] = s.values[0] == 0 ? int256(1) : s.values[0] - 1;
        vm.assertFalse(check(s, proof), "another output");
    }

    function testFuzz_AnAlteredProofIsInvalid(uint256 at) public view {
        Statement memory s = statement(1, 600_000);
        (bytes32 input, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        bytes memory both = abi.encode(output, encodeProof(s, prove(s)));
        at = at % both.length;
        both[at] = bytes1(uint8(both[at]) ^ 1);
        vm.assertFalse(verify(input, keccak256(output), both), "altered");
    }

    function testFuzz_WhatIsNoPairOfOutputAndProofIsInvalid(bytes memory both, uint256 length) public view {
        vm.assertFalse(verify(0, keccak256(""), both), "anything");
        Statement memory s = statement(1, 600_000);
        (bytes32 input, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        bytes memory good = abi.encode(output, encodeProof(s, prove(s)));
        bytes memory cut = new bytes(length % good.length);
        for (uint256 i = 0; i < cut.length; ++i) {
            cut[i] = good[i];
        }
        vm.assertFalse(verify(input, keccak256(output), cut), "cut");
        vm.assertFalse(verify(input, keccak256(output), bytes.concat(good, bytes32(0))), "a word more");
        vm.assertTrue(verify(input, keccak256(output), good), "as it was");
    }

    function test_OneDeploymentVerifiesInferencesOfDifferentOutputs() public {
        AgentVerifier agent = new AgentVerifier(proofs, proofs.deploymentMetadata());
        for (uint256 nonce = 1; nonce < 3; ++nonce) {
            Statement memory s = statement(nonce, int256(600_000 + nonce));
            bytes memory output = abi.encode(s.values);
            bytes memory both = abi.encode(output, encodeProof(s, prove(s)));
            bytes32 input = commitmentOf(s, address(oracle));
            vm.assertTrue(agent.verify(input, keccak256(output), both), "valid");
            vm.assertFalse(agent.verify(input, keccak256("other"), both), "of its own output only");
        }
    }

    function test_AnotherDeploymentsMetadataSayNothingOfAProof() public {
        bytes[3] memory others = [
            bytes(""),
            abi.encode(address(oracle), creditModel + 1),
            abi.encode(address(validations), creditModel)
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(InferenceProofVerifier.MetadataMismatch.selector);
            proofs.verify(0, 0, others[i], "");
        }
    }

    function test_WhoAsksIsToldWhatTheVerifierIs() public view {
        vm.assertTrue(proofs.supportsInterface(type(IProofVerifier).interfaceId), "ERC-8274");
        vm.assertTrue(proofs.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertFalse(proofs.supportsInterface(0xffffffff), "nothing else");
    }

    function test_AnAdapterStandsBeforeContracts() public {
        IInferenceOracle none = IInferenceOracle(stranger);
        vm.expectRevert(abi.encodeWithSelector(InferenceProofVerifier.OracleHasNoCode.selector, stranger));
        new InferenceProofVerifier(none, creditModel);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.NoContract.selector, stranger));
        new InferenceValidator(none, validations);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.NoContract.selector, stranger));
        new InferenceValidator(IInferenceOracle(address(oracle)), IValidationRegistry(stranger));
        // Nor before an account whose code may change.
        address delegated = named("delegated");
        vm.etch(delegated, abi.encodePacked(hex"ef0100", address(oracle)));
        vm.expectRevert(abi.encodeWithSelector(InferenceProofVerifier.OracleHasNoCode.selector, delegated));
        new InferenceProofVerifier(IInferenceOracle(delegated), creditModel);
        vm.expectRevert(abi.encodeWithSelector(InferenceValidator.NoContract.selector, delegated));
        new InferenceValidator(IInferenceOracle(delegated), validations);
    }

    function test_AStoppedVerifierMakesNoProofInvalid() public {
        VerifierEmergencyStop stop = new VerifierEmergencyStop(verifier, owner);
        IModelRegistry.VerificationData memory data = verificationData("stop", 0, 1, 0, 1_000_000);
        data.verifier = address(stop);
        Statement memory s = statement(1, 600_000);
        s.modelId = registerModel(data);
        approve(s.modelId);
        InferenceProofVerifier behind =
            new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        (bytes32 input, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        bytes memory both = abi.encode(output, encodeProof(s, prove(s)));
        bytes memory metadata = behind.deploymentMetadata();
        vm.assertTrue(behind.verify(input, keccak256(output), metadata, both), "it holds");
        vm.prank(owner);
        stop.stop();
        vm.expectRevert(VerifierEmergencyStop.VerifierStopped.selector);
        behind.verify(input, keccak256(output), metadata, both);
    }

    /// @dev A router answers for the verifiers that it has: one that it has no more, or not yet, was not asked.
    function test_ARouterWithoutAVerifierMakesNoProofInvalid() public {
        VerifierRouter router = new VerifierRouter(owner);
        vm.prank(owner);
        router.addVerifier(0x11111111, address(verifier));
        IModelRegistry.VerificationData memory data = verificationData("routed", 0, 1, 0, 1_000_000);
        data.verifier = address(router);
        Statement memory s = statement(1, 600_000);
        s.modelId = registerModel(data);
        approve(s.modelId);
        proofs = new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        vm.assertTrue(check(s, encodeProof(s, bytes.concat(hex"11111111", prove(s)))), "it holds");
        vm.assertFalse(check(s, encodeProof(s, bytes.concat(hex"11111111", "no proof"))), "it does not");
        vm.assertFalse(check(s, encodeProof(s, hex"11")), "no selector");
        unanswered(s, bytes.concat(hex"22222222", prove(s)), VerifierRouter.SelectorUnknown.selector);
        vm.prank(owner);
        router.removeVerifier(0x11111111);
        unanswered(s, bytes.concat(hex"11111111", prove(s)), VerifierRouter.SelectorRemoved.selector);
    }

    /// @dev The router's error about a proof's selector is handed on.
    function unanswered(Statement memory s, bytes memory zkProof, bytes4 error_) private {
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, zkProof));
        (bytes32 input, bytes memory both) = (commitmentOf(s, address(oracle)), abi.encode(output, proof));
        bytes memory metadata = proofs.deploymentMetadata();
        vm.expectRevert(abi.encodeWithSelector(error_, bytes4(zkProof)));
        proofs.verify(input, keccak256(output), metadata, both);
    }

    function test_AnotherModelsProofIsInvalid() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        Statement memory s = statement(1, 600_000);
        s.modelId = other;
        vm.assertFalse(check(s, encodeProof(s, prove(s))), "another model");
    }

    /// @dev A job whose proof is called false is rejected: neither who records first nor the clock may do that. What does
    /// not hold stays false all the same.
    function test_ARecordOrTheClockMakesNoOtherAnswer() public {
        Statement memory s = statement(1, 600_000);
        Statement memory lie = statement(1, 600_000);
        bytes memory proof = encodeProof(s, prove(s));
        lie.values[0] = 600_001;
        bytes memory other = encodeProof(lie, prove(s));
        assertAccepted(callOf(s));
        vm.assertTrue(check(s, proof), "recorded");
        vm.assertFalse(check(lie, other), "a lie about what was recorded");
        assertAccepted(callOf(statement(2, 600_000)));
        vm.assertTrue(check(s, proof), "overtaken");
        vm.warp(s.deadline + 1);
        vm.assertTrue(check(s, proof), "too late to be recorded");
        vm.assertFalse(check(lie, other), "a lie, too late");
        vm.warp(s.deadline - oracle.MAX_REQUEST_LIFETIME() - 1);
        vm.assertTrue(check(s, proof), "too early to be recorded");
        s = statement(2 + oracle.MAX_NONCE_STEP() + 1, 600_000);
        vm.assertTrue(check(s, encodeProof(s, prove(s))), "too far ahead to be recorded");
    }

    /// @dev A call of `verify` with a valid proof of a model whose verifier pairs points.
    function pairedCall() private returns (bytes memory call, uint256 needed) {
        verifier = new PairedVerifier();
        Statement memory s = statement(1, 600_000);
        s.modelId = registerModel(verificationData("paired", 0, 1, 0, 1_000_000));
        approve(s.modelId);
        proofs = new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, prove(s)));
        bytes memory both = abi.encode(output, proof);
        call = abi.encodeCall(
            proofs.verify,
            (commitmentOf(s, address(oracle)), keccak256(output), proofs.deploymentMetadata(), both)
        );
        needed = proofs.CHECK_GAS() + proofs.CHECK_GAS_PER_BYTE() * both.length;
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

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_ALongCheckThatLackedGasIsNoAnswer(uint256 rounds, uint256 part) public {
        rounds = bound(rounds, 1000, 40_000);
        IInferenceOracle long = IInferenceOracle(address(new LongCheck(rounds)));
        proofs = new InferenceProofVerifier(long, creditModel);
        bytes memory both = abi.encode(bytes(""), bytes(""));
        bytes memory call =
            abi.encodeCall(proofs.verify, (0, keccak256(""), proofs.deploymentMetadata(), both));
        uint256 before = gasleft();
        (bool ok, bytes memory answer) = address(proofs).staticcall(call);
        vm.assertTrue(ok && abi.decode(answer, (bool)), "with enough");
        uint256 gas_ = 2_100_000 + (before - gasleft()) * bound(part, 0, 100) / 100;
        (ok, answer) = address(proofs).staticcall{gas: gas_}(call);
        vm.assertTrue(!ok || abi.decode(answer, (bool)), "valid, or no answer");
    }

    function test_ACheckThatSaysNothingIsNoAnswer() public {
        proofs = new InferenceProofVerifier(IInferenceOracle(address(new Silent())), creditModel);
        bytes memory metadata = proofs.deploymentMetadata();
        bytes memory both = abi.encode(bytes(""), bytes(""));
        vm.expectRevert(InferenceProofVerifier.CheckIncomplete.selector);
        proofs.verify(bytes32(0), keccak256(""), metadata, both);
    }

    /// @dev What the oracle says of a model, whatever proof is brought, is handed on.
    function noAnswer(Statement memory s, bytes memory reason) private {
        proofs = new InferenceProofVerifier(IInferenceOracle(address(oracle)), s.modelId);
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, prove(s)));
        (bytes32 input, bytes memory both) = (commitmentOf(s, address(oracle)), abi.encode(output, proof));
        bytes memory metadata = proofs.deploymentMetadata();
        vm.expectRevert(reason);
        proofs.verify(input, keccak256(output), metadata, both);
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
        vm.assertEq(proofs.proofSystem(), "zk/halo2-kzg-bn254-v1", "paradigm and variant");
        bytes32 profile = proofs.proofProfile();
        bytes32 salt = keccak256(abi.encode(block.chainid, address(oracle), creditModel));
        bytes32 expected = keccak256(abi.encodePacked(proofs.proofSystem(), salt));
        vm.assertEq(profile, expected, "of system and salt");
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
        ask(1, request);
        vm.prank(stranger);
        validator.validate(creditModel, request, output, proof);
        Validations.Answer memory answer = validations.answerTo(request);
        vm.assertEq(answer.response, 100, "passed");
        vm.assertEq(answer.responseHash, keccak256(output), "outputs");
        vm.assertEq(answer.tag, "halo2-kzg-bn254-v1", "tag");
    }

    /// @dev A stranger who saw the borrower's commitment asks with it first, for an agent of its own.
    function test_AnInferencePassesForItsSubjectsAgentsOnly() public {
        Statement memory s = statement(1, 600_000);
        (bytes32 request, bytes memory output) = (commitmentOf(s, address(oracle)), abi.encode(s.values));
        bytes memory proof = encodeProof(s, prove(s));
        ask(2, request);
        bytes memory reason =
            abi.encodeWithSelector(InferenceValidator.NotTheAgentsInference.selector, 2, stranger, borrower);
        vm.expectRevert(reason);
        vm.prank(stranger);
        validator.validate(creditModel, request, output, proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
        // The hash is taken; another nonce makes another.
        s = statement(2, 600_000);
        (request, proof) = (commitmentOf(s, address(oracle)), encodeProof(s, prove(s)));
        ask(1, request);
        validator.validate(creditModel, request, output, proof);
        vm.assertEq(validations.answerTo(request).response, 100, "its own");
    }

    function test_WhatIsRecordedFirstIsNotAnswered() public {
        Statement memory s = statement(1, 600_000);
        bytes32 request = commitmentOf(s, address(oracle));
        ask(1, request);
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
        ask(1, request);
        bytes memory proof = encodeProof(s, prove(s));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.AttestationsRequired.selector, s.modelId));
        validator.validate(s.modelId, request, abi.encode(s.values), proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
    }

    function testFuzz_WhatDoesNotHoldIsNotAnswered(bytes32 request) public {
        Statement memory s = statement(1, 600_000);
        bytes memory proof = encodeProof(s, prove(s));
        vm.assume(request != commitmentOf(s, address(oracle)));
        ask(1, request);
        vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        validator.validate(creditModel, request, abi.encode(s.values), proof);
        vm.assertEq(validations.answerTo(request).response, 0, "no answer");
    }
}
