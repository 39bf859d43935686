// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {InferenceOracle} from "@verdict/contracts/src/InferenceOracle.sol";
import {ModelRegistry} from "@verdict/contracts/src/ModelRegistry.sol";
import {ScoreConsumer} from "@verdict/contracts/src/ScoreConsumer.sol";
import {IERCZKMLRegistry} from "@verdict/contracts/src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceOracle} from "@verdict/contracts/src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "@verdict/contracts/src/interfaces/IModelRegistry.sol";
import {IVerdictVerifier} from "@verdict/contracts/src/interfaces/IVerdictVerifier.sol";
import {HALO2_KZG_BN254_V1} from "@verdict/contracts/src/libraries/ProofSystem.sol";
import {LoanDesk} from "../src/LoanDesk.sol";

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
        uint256 modelId = approved(registry, IModelRegistry.ScoreDirection.HigherIsBetter);
        desk = new LoanDesk(oracle, modelId);
        oracle.addSubmitter(address(this));
    }

    /// @dev Registers a model of one output between zero and one, with three decimals, and approves it.
    function approved(ModelRegistry registry, IModelRegistry.ScoreDirection direction)
        private
        returns (uint256 modelId)
    {
        IModelRegistry.VerificationData memory data;
        (data.verifier, data.key) = (address(new StandIn()), address(new Key()));
        data.keyHash = data.key.codehash;
        (data.outputs, data.batch, data.outputMax, data.decimals) = (1, 1, 1000, 3);
        data.direction = direction;
        IERCZKMLRegistry.ModelCommitment memory commitment;
        (commitment.vkHash, commitment.proofSystemId) = (data.keyHash, HALO2_KZG_BN254_V1);
        modelId = registry.registerVerifiableModel(commitment, data);
        oracle.approveModel(modelId, commitment, data, data.verifier.codehash);
    }

    function record(uint256 nonce, int256 score) private {
        int256[] memory values = new int256[](1);
        values[0] = score;
        uint64 deadline = uint64(block.timestamp + 1 hours);
        bytes32 commitment = oracle.inputCommitmentOf(desk.modelId(), BORROWER, nonce, deadline, 0);
        bytes memory proof = abi.encode(BORROWER, nonce, deadline, new uint256[](0), bytes("proof"));
        oracle.verifyInference(desk.modelId(), commitment, abi.encode(values), proof);
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
        uint256 other = approved(ModelRegistry(oracle.registry()), direction);
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
