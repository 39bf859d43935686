// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {InferenceOracle} from "@verdict/contracts/src/InferenceOracle.sol";
import {ModelRegistry} from "@verdict/contracts/src/ModelRegistry.sol";
import {ScoreConsumer} from "@verdict/contracts/src/ScoreConsumer.sol";
import {IERCZKMLRegistry} from "@verdict/contracts/src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceOracle} from "@verdict/contracts/src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "@verdict/contracts/src/interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "@verdict/contracts/src/interfaces/IVerdictVerifier.sol";
import {OutputWords} from "@verdict/contracts/src/libraries/OutputWords.sol";
import {HALO2_KZG_BN254_V1} from "@verdict/contracts/src/libraries/ProofSystem.sol";
import {LoanDesk} from "../src/LoanDesk.sol";
import {RateDesk} from "../src/RateDesk.sol";

/// @notice forge-std has this and more; the example does without another dependency.
interface Vm {
    function warp(uint256 timestamp) external;
    function expectRevert(bytes calldata reason) external;
}

/// @notice Takes the one proof that it is told of, in place of a verifier that `verdict codegen` made: these tests are
/// about the desk.
contract StandIn is IVerdictVerifier {
    /// @inheritdoc IVerdictVerifier
    function verify(address, bytes32, uint256[] calldata, bytes calldata proof) external pure returns (bool) {
        return keccak256(proof) == keccak256("proof");
    }
}

contract LoanDeskTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant TTL = 7 days;
    address private constant BORROWER = address(0xb0b);

    InferenceOracle private oracle;
    LoanDesk private desk;

    function setUp() public {
        vm.warp(1_800_000_000);
        ModelRegistry registry = new ModelRegistry();
        oracle = new InferenceOracle(address(registry), address(this), TTL);
        uint256 modelId = approved(registry, IModelRegistry.ScoreDirection.HigherIsBetter, 1);
        desk = new LoanDesk(oracle, modelId);
        oracle.addSubmitter(address(this));
    }

    /// @dev Registers a model of outputs between zero and one, with three decimals, and approves it.
    function approved(ModelRegistry registry, IModelRegistry.ScoreDirection direction, uint16 outputs)
        private
        returns (uint256 modelId)
    {
        IModelRegistry.VerificationData memory data;
        (data.verifier, data.key) = (address(new StandIn()), address(new Key()));
        data.keyHash = data.key.codehash;
        (data.outputs, data.batch, data.outputMax, data.decimals) = (outputs, 1, 1000, 3);
        data.direction = direction;
        IERCZKMLRegistry.ModelCommitment memory commitment;
        (commitment.vkHash, commitment.proofSystemId) = (data.keyHash, HALO2_KZG_BN254_V1);
        modelId = registry.registerVerifiableModel(commitment, data);
        oracle.approveModel(modelId, commitment, data, data.verifier.codehash);
    }

    function record(uint256 nonce, int256 score) private {
        int256[] memory values = new int256[](1);
        values[0] = score;
        record(desk.modelId(), nonce, values);
    }

    function record(uint256 modelId, uint256 nonce, int256[] memory values) private {
        uint64 deadline = uint64(block.timestamp + 1 hours);
        bytes32 commitment = oracle.inputCommitmentOf(modelId, BORROWER, nonce, deadline, 0);
        bytes memory proof = abi.encode(BORROWER, nonce, deadline, new uint256[](0), bytes("proof"));
        oracle.verifyInference(modelId, commitment, abi.encode(values), proof);
    }

    function triple(int256 a, int256 b, int256 c) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }

    function test_TheRateIsThatOfTheLikeliestClass() public {
        uint256 id =
            approved(ModelRegistry(oracle.registry()), IModelRegistry.ScoreDirection.HigherIsBetter, 3);
        RateDesk rates = new RateDesk(oracle, id);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, BORROWER, id));
        rates.rateOf(BORROWER, triple(1000, 0, 0));
        record(id, 1, triple(300, 300, 400));
        require(rates.rateOf(BORROWER, triple(300, 300, 400)) == 1500, "the third");
        vm.expectRevert(abi.encodeWithSelector(OutputWords.OutputsNotProven.selector, BORROWER, id));
        rates.rateOf(BORROWER, triple(1000, 0, 0));
        record(id, 2, triple(300, 600, 100));
        require(rates.rateOf(BORROWER, triple(300, 600, 100)) == 700, "the second");
        record(id, 3, triple(900, 0, 100));
        require(rates.rateOf(BORROWER, triple(900, 0, 100)) == 300, "the first");
        vm.warp(block.timestamp + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.StaleScore.selector,
                BORROWER,
                id,
                block.timestamp - TTL - 1,
                block.timestamp - 1
            )
        );
        rates.rateOf(BORROWER, triple(900, 0, 100));
    }

    function test_TheLimitGrowsWithTheScore() public {
        record(1, 500);
        require(desk.limitOf(BORROWER) == 0, "one half");
        record(2, 750);
        require(desk.limitOf(BORROWER) == desk.LARGEST() / 2, "three quarters");
        record(3, 1000);
        require(desk.limitOf(BORROWER) == desk.LARGEST(), "certainty");
    }

    function test_NothingIsLentWithoutAFreshScore() public {
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, BORROWER, desk.modelId()));
        desk.limitOf(BORROWER);
        record(1, 900);
        uint256 recorded = block.timestamp;
        vm.warp(recorded + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.StaleScore.selector, BORROWER, desk.modelId(), recorded, recorded + TTL
            )
        );
        desk.limitOf(BORROWER);
    }

    function test_AModelOfDefaultsIsRefused() public {
        IModelRegistry.ScoreDirection direction = IModelRegistry.ScoreDirection.LowerIsBetter;
        uint256 other = approved(ModelRegistry(oracle.registry()), direction, 1);
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.WrongScoreDirection.selector, other, direction));
        new LoanDesk(oracle, other);
    }
}

/// @notice A key's data contract: its code begins with STOP.
contract Key {
    constructor() {
        assembly ("memory-safe") {
            mstore(0x00, 0x0001020304)
            return(0x1b, 0x05)
        }
    }
}
