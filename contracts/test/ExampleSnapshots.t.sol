// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {InferenceProofVerifier} from "../src/adapters/InferenceProofVerifier.sol";
import {InferenceValidator, IValidationRegistry} from "../src/adapters/InferenceValidator.sol";
import {ScoreFeed} from "../src/adapters/ScoreFeed.sol";
import {ClassifierMarket} from "../src/examples/ClassifierMarket.sol";
import {CreditLine} from "../src/examples/CreditLine.sol";
import {FraudGate} from "../src/examples/FraudGate.sol";
import {LendingHistory} from "../src/examples/LendingHistory.sol";
import {LendingHistorySource} from "../src/examples/LendingHistorySource.sol";
import {ScoreVotes} from "../src/examples/ScoreVotes.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IVerdictAccumulator} from "../src/interfaces/IVerdictAccumulator.sol";
import {ProofCombiner} from "../src/router/ProofCombiner.sol";
import {VerifierEmergencyStop} from "../src/router/VerifierEmergencyStop.sol";
import {VerifierRouter} from "../src/router/VerifierRouter.sol";
import {IdealAccumulator} from "./base/IdealVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A token to send about.
contract Penny is ERC20("Penny", "PENNY") {
    constructor(address to) {
        _mint(to, 1000);
    }
}

/// @notice Takes every answer, and has agents of one owner alone.
contract AnyValidations is IValidationRegistry {
    address private immutable everyones;

    constructor(address owner) {
        everyones = owner;
    }

    function validationResponse(bytes32, uint8, string calldata, bytes32, string calldata)
        external
        override
    {}

    function getValidationStatus(bytes32)
        external
        view
        override
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        return (address(this), 1, 0, 0, "", 0);
    }

    function getIdentityRegistry() external view override returns (address) {
        return address(this);
    }

    function ownerOf(uint256) external view returns (address) {
        return everyones;
    }
}

/// @notice What reading and checking scores costs elsewhere than in the oracle, as whole transactions; kept under
/// contracts/snapshots. Proofs are ideal: their verifier costs next to nothing.
/// @dev Regenerate with `FORGE_SNAPSHOT_CHECK=false forge test --match-contract Snapshots`.
/// forge-config: default.isolate = true
contract ExampleSnapshotsTest is OracleFixture {
    uint256 private suspicion;

    function setUp() public override {
        super.setUp();
        verifier = new IdealAccumulator(false);
        creditModel = registerModel(verificationData("combined", 0, 1, 0, 1_000_000));
        approve(creditModel);
        IModelRegistry.VerificationData memory data = verificationData("fraud", 0, 1, 0, 1_000_000);
        data.direction = IModelRegistry.ScoreDirection.LowerIsBetter;
        suspicion = registerModel(data);
        approve(suspicion);
        score(creditModel, 1, 950_000);
        score(suspicion, 1, 1000);
    }

    function score(uint256 modelId, uint256 nonce, int256 value) private {
        Statement memory s = statement(nonce, value);
        s.modelId = modelId;
        assertAccepted(callOf(s));
    }

    function test_Consumers() public {
        CreditLine line = new CreditLine(oracle, creditModel);
        line.collateralFor(borrower, 1000);
        vm.snapshotGasLastCall("CreditLine.collateralFor");

        ScoreVotes votes = new ScoreVotes(oracle, creditModel);
        vm.startPrank(borrower);
        bytes32 proposal = votes.propose("text");
        votes.vote(proposal, true);
        vm.snapshotGasLastCall("ScoreVotes.vote");

        Penny penny = new Penny(borrower);
        FraudGate gate = new FraudGate(oracle, suspicion, penny, owner);
        penny.approve(address(gate), 1000);
        vm.assertTrue(gate.send(stranger, 10), "passes");
        vm.snapshotGasLastCall("FraudGate.send, at once");
        vm.stopPrank();

        ClassifierMarket market =
            new ClassifierMarket(oracle, creditModel, borrower, block.timestamp + 1 days);
        market.bet{value: 1}(true);
        vm.warp(block.timestamp + 1 days);
        score(creditModel, 2, 950_000);
        market.resolve();
        vm.snapshotGasLastCall("ClassifierMarket.resolve");
        ScoreFeed feed = new ScoreFeed(oracle, borrower, creditModel);
        feed.latestRoundData();
        vm.snapshotGasLastCall("ScoreFeed.latestRoundData");
    }

    function test_Adapters() public {
        IInferenceOracle checked = IInferenceOracle(address(oracle));
        Statement memory s = statement(2, 123_456);
        bytes32 commitment = commitmentOf(s, address(oracle));
        (bytes memory output, bytes memory proof) = (abi.encode(s.values), encodeProof(s, prove(s)));
        InferenceProofVerifier proofs = new InferenceProofVerifier(checked, creditModel);
        bytes memory metadata = proofs.deploymentMetadata();
        bytes memory both = abi.encode(output, proof);
        vm.assertTrue(proofs.verify(commitment, keccak256(output), metadata, both), "valid");
        vm.snapshotGasLastCall("InferenceProofVerifier.verify");
        InferenceValidator validator = new InferenceValidator(checked, new AnyValidations(borrower));
        validator.validate(creditModel, commitment, output, proof);
        vm.snapshotGasLastCall("InferenceValidator.validate");
    }

    function test_Sources() public {
        bytes32 schema = keccak256("repaid, defaulted, open");
        LendingHistory history = new LendingHistory();
        LendingHistorySource source = new LendingHistorySource(history, schema, 14, 18);
        history.lend(borrower, 1000);
        history.repay(borrower, 750);
        source.inputWordsOf(borrower);
        vm.snapshotGasLastCall("LendingHistorySource.inputWordsOf");
        uint256 model = registerModel(verificationData("lending", 1, 1, 0, 1_000_000));
        approveWith(model, address(source), 1, schema);
        Statement memory s = statement(1, 700_000);
        s.modelId = model;
        s.inputWords = source.inputWordsOf(borrower);
        assertAccepted(attestedCall(s, ""));
        vm.snapshotGasLastCall("verifyAttestedInference of a source's words, without the proof check");
    }

    /// @dev Three proofs, with the pairing; weights cost the multiplications that they cost real proofs.
    function test_SeveralProofs() public {
        ProofCombiner.Proof[] memory proofs = new ProofCombiner.Proof[](3);
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](3);
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(creditModel);
        for (uint256 i = 0; i < 3; ++i) {
            Statement memory s = statement(2 + i, 123_456);
            bytes32 commitment = commitmentOf(s, address(oracle));
            list[i] = IInferenceOracle.Inference(
                creditModel, commitment, abi.encode(s.values), encodeProof(s, prove(s)), ""
            );
            uint256[] memory instances = new uint256[](1);
            instances[0] = i;
            proofs[i] = ProofCombiner.Proof(
                IVerdictAccumulator(data.verifier),
                data.key,
                data.keyHash,
                instances,
                verifier.prove(data.key, data.keyHash, instances)
            );
        }
        ProofCombiner combiner = new ProofCombiner();
        combiner.verifyAll(proofs);
        vm.snapshotGasLastCall("ProofCombiner.verifyAll of three, without the rest of the proof checks");
        assertAccepted(abi.encodeCall(oracle.verifyInferences, (list)));
        vm.snapshotGasLastCall("verifyInferences of three later scores, without the rest of the proof checks");

        VerifierRouter router = new VerifierRouter(owner);
        VerifierEmergencyStop stop = new VerifierEmergencyStop(IVerdictAccumulator(data.verifier), owner);
        vm.prank(owner);
        router.addVerifier(0x01020304, address(stop));
        bytes memory routed = bytes.concat(hex"01020304", proofs[0].proof);
        router.verify(data.key, data.keyHash, proofs[0].instances, routed);
        vm.snapshotGasLastCall("VerifierRouter.verify by a stop, without the proof check");
    }
}
