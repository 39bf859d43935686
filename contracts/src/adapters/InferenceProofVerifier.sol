// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {HALO2_KZG_BN254_V1} from "../libraries/ProofSystem.sol";

/// @title The algorithm layer of ERC-8274, as its draft has it
/// @notice Whether a proof is valid for an input and an output.
interface IProofVerifier {
    /// @notice True if the proof shows that the output belongs to the input.
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        returns (bool valid);

    /// @notice Name of the proof system.
    function proofSystem() external view returns (string memory);

    /// @notice What exactly is verified.
    function proofProfile() external view returns (bytes32);
}

/// @title One model's proofs as ERC-8274 asks for them
/// @notice `inputHash` is the commitment of a request to the oracle, which names the model, the subject and the
/// inputs; `outputHash` is the keccak hash of `metadata`, which is the oracle's `output`; `proof` is the oracle's
/// `proof`.
/// @dev Asks `checkInference`, so a proof is valid while its request could be recorded: not when it was already, nor
/// after its deadline.
contract InferenceProofVerifier is IProofVerifier {
    /// @notice The check ended without saying why, as one does that runs out of gas.
    error CheckIncomplete();

    /// @notice Who checks.
    IInferenceOracle public immutable oracle;
    /// @notice Whose proofs.
    uint256 public immutable modelId;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version whose proofs are checked.
    constructor(IInferenceOracle oracle_, uint256 modelId_) {
        (oracle, modelId) = (oracle_, modelId_);
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        override
        returns (bool valid)
    {
        if (keccak256(metadata) != outputHash) return false;
        try oracle.checkInference(modelId, inputHash, metadata, proof) {
            return true;
        } catch (bytes memory reason) {
            // Who gives too little gas must not make a proof look invalid.
            if (reason.length == 0) revert CheckIncomplete();
            return false;
        }
    }

    /// @inheritdoc IProofVerifier
    function proofSystem() external pure override returns (string memory) {
        return "halo2-kzg-bn254-v1";
    }

    /// @inheritdoc IProofVerifier
    /// @dev Another model, oracle or chain is another profile.
    function proofProfile() external view override returns (bytes32) {
        return keccak256(abi.encode(HALO2_KZG_BN254_V1, block.chainid, oracle, modelId));
    }
}
