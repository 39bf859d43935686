// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {IdealVerifier} from "./base/IdealVerifier.sol";
import {BatchFixture} from "./base/BatchFixture.sol";

/// @notice A verifier that looks at its key, as every one does, and at nothing else, so that what is measured is
/// everything around it.
contract FreeVerifier is IVerdictVerifier {
    /// @inheritdoc IVerdictVerifier
    function verify(address key, bytes32 keyHash, uint256[] calldata, bytes calldata)
        external
        view
        returns (bool)
    {
        return key.codehash == keyHash;
    }
}

/// @notice Gas and code size, kept under contracts/snapshots; a test run fails when they change.
/// @dev Regenerate with `FORGE_SNAPSHOT_CHECK=false forge test --match-contract Snapshots`.
/// forge-config: default.isolate = true
contract SnapshotsTest is BatchFixture {
    /// @dev Bytes of a typical proof: about forty words.
    uint256 private constant PROOF_BYTES = 1280;
    /// @dev What one transaction costs before anything runs.
    uint256 private constant TRANSACTION = 21_000;
    /// @dev The key's account is read by a verifier that is called directly, too.
    uint256 private constant KEY_ACCESS = 2600;

    function setUp() public override {
        super.setUp();
        vm.prank(owner);
        oracle.revokeModel(creditModel);
        vm.etch(address(verifier), address(new FreeVerifier()).code);
        approve(creditModel);
    }

    function submit(uint256 nonce, string memory name) private returns (uint256 gasUsed) {
        bytes memory zkProof = new bytes(PROOF_BYTES);
        for (uint256 i = 0; i < PROOF_BYTES; ++i) {
            zkProof[i] = 0x55;
        }
        bytes memory data = callWith(statement(nonce, 123_456), zkProof);
        assertAccepted(data);
        gasUsed = vm.snapshotGasLastCall(name);
        // Non-zero bytes of calldata cost 16, and the proof's own are not overhead.
        return gasUsed - TRANSACTION - KEY_ACCESS - 16 * PROOF_BYTES;
    }

    function test_GasOfRecordingIsWithinBudget() public {
        uint256 first = submit(1, "verifyInference without the proof check, first score of a subject");
        vm.assertLe(first, 55_000, "registry and oracle, first score");
        uint256 later = submit(2, "verifyInference without the proof check, later score of a subject");
        vm.assertLe(later, 38_000, "registry and oracle, later score");
    }

    function submitBatch(uint256 nonce, string memory name) private returns (uint256 gasPerSubject) {
        bytes memory zkProof = new bytes(PROOF_BYTES);
        for (uint256 i = 0; i < PROOF_BYTES; ++i) {
            zkProof[i] = 0x55;
        }
        assertAccepted(batchCallWith(batchOf(creditModel + 1, 64, nonce), zkProof));
        return vm.snapshotGasLastCall(name) / 64;
    }

    /// @dev A proof of 64 inferences of the credit example takes 270,000 gas of its own: 4,250 a subject.
    function test_GasOfABatchIsWithinBudget() public {
        batchModel(64, 0, 1);
        uint256 first = submitBatch(1, "verifyInferenceBatch of 64 without the proof check, first scores");
        vm.assertLe(first, 32_000 - 4250, "a first score");
        uint256 later = submitBatch(2, "verifyInferenceBatch of 64 without the proof check, later scores");
        vm.assertLe(later, 15_000 - 4250, "a later score");
    }

    function test_GasOfReading() public {
        submit(1, "verifyInference without the proof check, first score of a subject");
        oracle.latestScoreOf(borrower, creditModel);
        vm.snapshotGasLastCall("latestScoreOf");
        oracle.scoreOf(borrower, creditModel);
        vm.snapshotGasLastCall("scoreOf");
    }

    function test_CodeSizesAreWithinTheLimit() public {
        vm.snapshotValue("runtime bytes of InferenceOracle", address(oracle).code.length);
        vm.snapshotValue("runtime bytes of ModelRegistry", address(registry).code.length);
        vm.assertLe(address(oracle).code.length, 24_576, "EIP-170");
        vm.assertLe(address(registry).code.length, 24_576, "EIP-170");
    }
}
