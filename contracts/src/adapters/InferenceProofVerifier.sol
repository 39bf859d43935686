// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERCZKMLVerifier} from "../interfaces/IERCZKMLVerifier.sol";
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
///
/// There is an answer only where the check was made. `verify` reverts with `NotEnoughGas` when a check might run out of
/// gas, since whoever brings the transaction of a contract that acts on `false` chooses how much there is; and with the
/// oracle's own error when that says nothing of the proof: the model is not approved, was changed or withdrawn, demands
/// attestations or a source of inputs, for which this interface has no place, or is one of batches.
/// @dev Asks `checkInference`, so a proof is valid while its request could be recorded: not when it was already, nor
/// after its deadline. Neither the list of submitters nor a pause counts: of private inputs that nobody attests, a
/// valid proof says that there are some.
contract InferenceProofVerifier is IProofVerifier {
    /// @notice A check might run out of gas: give `needed` to the call, and a 64th more for each call around it.
    error NotEnoughGas(uint256 needed);
    /// @notice The check ended without saying why.
    error CheckIncomplete();

    /// @notice Gas that has to be there for a check: more than twice what any takes but for what it reads.
    /// @dev A check that lacks gas ends like one of a proof that does not hold: a precompile that fails takes all gas
    /// but a 64th, whether it is too little or its points are none.
    uint256 public constant CHECK_GAS = 2_000_000;
    /// @notice Gas beside it for each byte of the output and the proof.
    uint256 public constant CHECK_GAS_PER_BYTE = 50;

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
        uint256 needed = CHECK_GAS + CHECK_GAS_PER_BYTE * (metadata.length + proof.length);
        if (gasleft() < needed) revert NotEnoughGas(needed);
        try oracle.checkInference(modelId, inputHash, metadata, proof) {
            return true;
        } catch (bytes memory reason) {
            if (reason.length == 0) revert CheckIncomplete();
            if (!_isOfProof(bytes4(reason))) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
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

    /// @dev Whether an error of the check is about what was brought, and not about the model whatever is brought.
    function _isOfProof(bytes4 error_) private pure returns (bool) {
        return error_ != IInferenceOracle.ModelNotApproved.selector
            && error_ != IInferenceOracle.ModelChanged.selector
            && error_ != IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector
            && error_ != IInferenceOracle.AttestationsRequired.selector
            && error_ != IInferenceOracle.BatchSizeMismatch.selector;
    }
}
