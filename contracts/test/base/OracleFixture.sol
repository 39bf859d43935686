// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {InferenceOracle} from "../../src/InferenceOracle.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceOracle} from "../../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IdealVerifier} from "./IdealVerifier.sol";
import {TestBase} from "./TestBase.sol";

/// @notice A registry with one approved model, an oracle with one submitter, and statements to submit.
/// @dev The model has private inputs and one output between 0 and 1 with 6 decimals, like a credit model.
abstract contract OracleFixture is TestBase {
    /// @dev What one call of `verifyInference` says.
    struct Statement {
        uint256 modelId;
        address subject;
        uint256 nonce;
        uint64 deadline;
        uint256[] inputWords;
        int256[] values;
    }

    bytes4 internal constant PROOF_SYSTEM = bytes4(keccak256("halo2-kzg-bn254-v1"));
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant TTL = 7 days;

    address internal owner = named("owner");
    address internal modelOwner = named("model owner");
    address internal submitter = named("submitter");
    address internal borrower = named("borrower");
    address internal stranger = named("stranger");

    ModelRegistry internal registry;
    InferenceOracle internal oracle;
    IdealVerifier internal verifier;
    uint256 internal creditModel;

    function setUp() public virtual {
        vm.warp(START);
        registry = new ModelRegistry();
        oracle = new InferenceOracle(address(registry), owner, TTL);
        verifier = new IdealVerifier();
        creditModel = registerModel(verificationData("credit", 0, 1, 0, 1_000_000));
        approve(creditModel);
        vm.prank(owner);
        oracle.addSubmitter(submitter);
    }

    // ------------------------------------------------------------------ models

    /// @dev Deploys a key contract, STOP and then `payload`, with the loader that the programs use.
    function deployKey(bytes memory payload) internal returns (address key) {
        bytes memory code =
            abi.encodePacked(hex"61", uint16(payload.length + 1), hex"80600a5f395ff3", hex"00", payload);
        assembly ("memory-safe") {
            key := create(0, add(code, 0x20), mload(code))
        }
        vm.assertTrue(key != address(0), "key contract deployed");
    }

    function verificationData(
        string memory name,
        uint16 publicInputs,
        uint16 outputs,
        int64 outputMin,
        int64 outputMax
    ) internal returns (IModelRegistry.VerificationData memory) {
        address key = deployKey(bytes(name));
        return IModelRegistry.VerificationData({
            verifier: address(verifier),
            key: key,
            keyHash: key.codehash,
            publicInputs: publicInputs,
            outputs: outputs,
            batch: 1,
            outputMin: outputMin,
            outputMax: outputMax,
            decimals: 6,
            direction: IModelRegistry.ScoreDirection.HigherIsBetter
        });
    }

    function commitmentFor(bytes32 keyHash) internal pure returns (IERCZKMLRegistry.ModelCommitment memory) {
        return IERCZKMLRegistry.ModelCommitment({
            modelHash: keccak256("model"),
            circuitHash: keccak256("shape"),
            vkHash: keyHash,
            proofSystemId: PROOF_SYSTEM,
            uri: "ipfs://model-card"
        });
    }

    function registerModel(IModelRegistry.VerificationData memory data) internal returns (uint256) {
        vm.prank(modelOwner);
        return registry.registerVerifiableModel(commitmentFor(data.keyHash), data);
    }

    function approve(uint256 modelId) internal {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        approveReviewed(modelId, data, data.verifier.codehash);
    }

    /// @dev The owner approves a model that was reviewed with these data, whatever the registry says.
    function approveReviewed(
        uint256 modelId,
        IModelRegistry.VerificationData memory data,
        bytes32 verifierCodeHash
    ) internal {
        vm.prank(owner);
        oracle.approveModel(modelId, commitmentFor(data.keyHash), data, verifierCodeHash);
    }

    /// @dev The owner approves a model whose scores need somebody's word for the inputs.
    function approveWith(uint256 modelId, address signers, uint8 threshold, bytes32 schema) internal {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        vm.prank(owner);
        oracle.approveAttestedModel(
            modelId,
            commitmentFor(data.keyHash),
            data,
            data.verifier.codehash,
            IInferenceOracle.AttestationPolicy(signers, threshold, schema)
        );
    }

    // -------------------------------------------------------------- statements

    /// @dev The credit model's `score` for the borrower.
    function statement(uint256 nonce, int256 score) internal view returns (Statement memory s) {
        s.modelId = creditModel;
        s.subject = borrower;
        s.nonce = nonce;
        s.deadline = uint64(block.timestamp + 1 hours);
        s.inputWords = new uint256[](0);
        s.values = new int256[](1);
        s.values[0] = score;
    }

    /// @dev Hash of the verification data in the registry; zero for an id that has none.
    function verificationHashOf(uint256 modelId) internal view returns (bytes32) {
        if (modelId > registry.modelCount()) return 0;
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(modelId);
        return keccak256(abi.encode(data));
    }

    function commitmentOf(Statement memory s, address oracle_) internal view returns (bytes32) {
        bytes32 inputs = s.inputWords.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(s.inputWords));
        return keccak256(
            abi.encode(
                keccak256("verdict.inference.v2"),
                block.chainid,
                oracle_,
                s.modelId,
                verificationHashOf(s.modelId),
                s.subject,
                s.nonce,
                s.deadline,
                inputs
            )
        );
    }

    /// @dev An honest proof: of these values, for this oracle and this chain.
    function prove(Statement memory s) internal view returns (bytes memory) {
        return proveFor(s, commitmentOf(s, address(oracle)));
    }

    function proveFor(Statement memory s, bytes32 commitment) internal view returns (bytes memory) {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(s.modelId);
        uint256[] memory instances = new uint256[](1 + s.inputWords.length + s.values.length);
        instances[0] = uint256(commitment) % 2 ** 253;
        for (uint256 i = 0; i < s.inputWords.length; ++i) {
            instances[1 + i] = s.inputWords[i];
        }
        for (uint256 i = 0; i < s.values.length; ++i) {
            unchecked {
                instances[1 + s.inputWords.length + i] = uint256(s.values[i] - data.outputMin);
            }
        }
        return verifier.prove(data.key, data.keyHash, instances);
    }

    function encodeProof(Statement memory s, bytes memory zkProof) internal pure returns (bytes memory) {
        return abi.encode(s.subject, s.nonce, s.deadline, s.inputWords, zkProof);
    }

    /// @dev The whole call of `verifyInference` with an honest proof.
    function callOf(Statement memory s) internal view returns (bytes memory) {
        return callWith(s, prove(s));
    }

    function callWith(Statement memory s, bytes memory zkProof) internal view returns (bytes memory) {
        return abi.encodeCall(
            oracle.verifyInference,
            (s.modelId, commitmentOf(s, address(oracle)), abi.encode(s.values), encodeProof(s, zkProof))
        );
    }

    /// @dev The whole call of `verifyAttestedInference` with an honest proof and these attestations.
    function attestedCall(Statement memory s, bytes memory attestations)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            oracle.verifyAttestedInference,
            (
                s.modelId,
                commitmentOf(s, address(oracle)),
                abi.encode(s.values),
                encodeProof(s, prove(s)),
                attestations
            )
        );
    }

    /// @dev The call fails with exactly `reason`, and leaves the borrower's record by a model as it is.
    function assertUnrecorded(uint256 modelId, bytes memory data, bytes memory reason, string memory what)
        internal
    {
        bytes32 before = keccak256(abi.encode(oracle.scoreOf(borrower, modelId)));
        (bool ok, bytes memory answer) = send(submitter, data);
        vm.assertFalse(ok, what);
        vm.assertEq(answer, reason, what);
        vm.assertEq(keccak256(abi.encode(oracle.scoreOf(borrower, modelId))), before, what);
    }

    /// @dev Sends a call to the oracle as `sender`.
    function send(address sender, bytes memory data) internal returns (bool ok, bytes memory answer) {
        vm.prank(sender);
        return address(oracle).call(data);
    }

    function assertAccepted(bytes memory data) internal {
        (bool ok, bytes memory answer) = send(submitter, data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    /// @dev The call fails with exactly `reason`, and no record changes.
    function assertRefused(bytes memory data, bytes memory reason, string memory what) internal {
        assertRefusedFor(submitter, data, reason, what);
    }

    function assertRefusedFor(address sender, bytes memory data, bytes memory reason, string memory what)
        internal
    {
        bytes32 before = keccak256(abi.encode(oracle.scoreOf(borrower, creditModel)));
        (bool ok, bytes memory answer) = send(sender, data);
        vm.assertFalse(ok, string.concat("accepted: ", what));
        vm.assertEq(answer, reason, what);
        vm.assertEq(keccak256(abi.encode(oracle.scoreOf(borrower, creditModel))), before, what);
    }

    /// @dev Makes `nonce` the last one recorded, which honest steps would take ages to reach.
    function recordNonce(uint256 id, address subject, uint64 nonce) internal {
        Statement memory s = statement(1, 0);
        (s.modelId, s.subject) = (id, subject);
        vm.record();
        assertAccepted(callOf(s));
        (, bytes32[] memory writes) = vm.accesses(address(oracle));
        uint256 word = uint256(vm.load(address(oracle), writes[0])) & ~(uint256(type(uint64).max) << 64);
        vm.store(address(oracle), writes[0], bytes32(word | uint256(nonce) << 64));
        vm.assertEq(oracle.nonceOf(subject, id), nonce, "set");
    }
}
