// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Verifier of machine-learning inferences (ERC-7992)
/// @notice Interface id 0x5df65472; `verifyInference` has the selector 0x80b171ef.
interface IERCZKMLVerifier {
    /// @notice A proof of one inference was accepted.
    event InferenceVerified(
        uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
    );

    /// @notice The proof does not hold.
    error InvalidProof();
    /// @notice The proof holds, but for another model.
    error ModelMismatch();
    /// @notice The commitment is not that of the request which came with the proof.
    error InputCommitmentMismatch();
    /// @notice The output does not follow the model's schema.
    error OutputMismatch();
    /// @notice Proofs of this system cannot be checked here.
    error UnsupportedProofSystem(bytes4 proofSystemId);
    /// @notice The model's owner has withdrawn it.
    error VerificationRefused_ModelDeprecated(uint256 modelId);

    /// @notice Checks the proof of an inference and reverts unless it holds.
    /// @param modelId Id of the model in the registry.
    /// @param inputCommitment Commitment to the inference's inputs and to the request it answers.
    /// @param output ABI-encoded outputs.
    /// @param proof ABI-encoded proof.
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice The proof system of a model.
    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    /// @notice The registry that model ids refer to.
    function registry() external view returns (address registryAddress);
}
