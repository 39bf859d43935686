// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLVerifier} from "../interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {AccountCode} from "../libraries/AccountCode.sol";
import {VerifierEmergencyStop} from "../router/VerifierEmergencyStop.sol";
import {VerifierRouter} from "../router/VerifierRouter.sol";

/// @title The algorithm layer of ERC-8274, as its draft has it
/// @notice Whether a proof is valid for an input and an output.
interface IProofVerifier {
    /// @notice True if the proof shows that the output belongs to the input.
    /// @param inputHash Names the input.
    /// @param outputHash Names the output.
    /// @param metadata What a deployment verifies with, the same for all its inferences.
    /// @param proof Whatever the proof system takes.
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        returns (bool valid);

    /// @notice Name of the proof system: its paradigm, a slash, its variant.
    function proofSystem() external view returns (string memory);

    /// @notice What exactly is verified.
    function proofProfile() external view returns (bytes32);
}

/// @title One model's proofs as ERC-8274 asks for them
/// @notice `inputHash` is the commitment of a request to the oracle, which names the model, the subject and the
/// inputs. `outputHash` is the keccak hash of the oracle's `output`. `metadata` is the deployment's,
/// `abi.encode(oracle, modelId)`, whatever is inferred. `proof` is `abi.encode(output, proof)` of the oracle's `output`
/// and `proof`.
///
/// The answer is that of the proof alone: nobody who records it, and no clock, makes it another. Replay is for the layer
/// above to see to, and a nonce or deadline for whoever records. There is an answer only where the check was made.
/// `verify` reverts with `NotEnoughGas` when a check might run out of gas, since whoever brings the transaction of a
/// contract that acts on `false` chooses how much there is; and with the oracle's own error when that says nothing of
/// the proof: the model is not approved, was changed or withdrawn, demands attestations or a source of inputs, for
/// which this interface has no place, or is one of batches; its verifier was stopped, or is a router that has no verifier
/// for the proof.
/// @dev Asks `checkInference`, so neither the list of submitters nor a pause counts: of private inputs that nobody
/// attests, a valid proof says that there are some.
contract InferenceProofVerifier is IProofVerifier, ERC165 {
    using AccountCode for address;

    /// @notice A check might run out of gas: give `needed` to the call, and a 64th more for each call around it.
    error NotEnoughGas(uint256 needed);
    /// @notice `metadata` is not this deployment's.
    error MetadataMismatch();
    /// @notice The check ended without saying why, or may have ended for want of gas.
    error CheckIncomplete();
    /// @notice There is no contract at the address.
    error OracleHasNoCode(address oracle);

    /// @notice Gas that has to be there for a check: more than twice what any takes but for what it reads.
    /// @dev A check that lacks gas ends like one of a proof that does not hold: a precompile that fails takes all gas
    /// but a 64th, whether it is too little or its points are none.
    uint256 public constant CHECK_GAS = 2_000_000;
    /// @notice Gas beside it for each byte of the proof.
    uint256 public constant CHECK_GAS_PER_BYTE = 50;

    /// @notice Who checks.
    IInferenceOracle public immutable oracle;
    /// @notice Whose proofs.
    uint256 public immutable modelId;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version whose proofs are checked.
    constructor(IInferenceOracle oracle_, uint256 modelId_) {
        if (address(oracle_).code.length == 0 || address(oracle_).isDelegation()) {
            revert OracleHasNoCode(address(oracle_));
        }
        (oracle, modelId) = (oracle_, modelId_);
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        override
        returns (bool valid)
    {
        if (keccak256(metadata) != keccak256(deploymentMetadata())) revert MetadataMismatch();
        (bool whole, bytes calldata output, bytes calldata statement) = _split(proof);
        if (!whole || keccak256(output) != outputHash) return false;
        uint256 before = _requireCheckGas(proof.length);
        try oracle.checkInference(modelId, inputHash, output, statement) {
            return true;
        } catch (bytes memory reason) {
            // A check that takes more than any known one: see `PairingSum.requireTellingGas`.
            if (reason.length == 0 || gasleft() < before / 8) revert CheckIncomplete();
            if (_isOfRequest(bytes4(reason))) return true;
            if (!_isOfProof(bytes4(reason))) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
            return false;
        }
    }

    /// @notice What whoever verifies by this contract stores and hands to `verify`.
    function deploymentMetadata() public view returns (bytes memory) {
        return abi.encode(oracle, modelId);
    }

    /// @inheritdoc IProofVerifier
    function proofSystem() public pure override returns (string memory) {
        return "zk/halo2-kzg-bn254-v1";
    }

    /// @inheritdoc IProofVerifier
    /// @dev Another model, oracle or chain is another profile.
    function proofProfile() external view override returns (bytes32) {
        bytes32 salt = keccak256(abi.encode(block.chainid, oracle, modelId));
        return keccak256(abi.encodePacked(proofSystem(), salt));
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IProofVerifier).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev What gas is left, if it is enough for a check.
    function _requireCheckGas(uint256 proofLength) private view returns (uint256 left) {
        uint256 needed = CHECK_GAS + CHECK_GAS_PER_BYTE * proofLength;
        left = gasleft();
        if (left < needed) revert NotEnoughGas(needed);
    }

    /// @dev The parts of `abi.encode(output, statement)`, if `both` is that and nothing else. The oracle takes whole
    /// words only, so that none is padded.
    function _split(bytes calldata both)
        private
        pure
        returns (bool whole, bytes calldata output, bytes calldata statement)
    {
        (output, statement) = (both[:0], both[:0]);
        if (both.length < 0x80 || both.length % 0x20 != 0) return (false, output, statement);
        uint256 length = uint256(bytes32(both[0x40:]));
        if (length % 0x20 != 0 || length > both.length - 0x80) return (false, output, statement);
        uint256 second = 0x60 + length;
        uint256 rest = both.length - second - 0x20;
        whole = uint256(bytes32(both)) == 0x40 && uint256(bytes32(both[0x20:])) == second
            && uint256(bytes32(both[second:])) == rest;
        (output, statement) = (both[0x60:second], both[second + 0x20:]);
    }

    /// @dev Whether an error of the check is about when a request may be recorded. The oracle looks at that last, when
    /// the proof was found to hold.
    function _isOfRequest(bytes4 error_) private pure returns (bool) {
        return error_ == IInferenceOracle.NonceAlreadyUsed.selector
            || error_ == IInferenceOracle.NonceTooFar.selector
            || error_ == IInferenceOracle.DeadlineExpired.selector
            || error_ == IInferenceOracle.DeadlineTooFar.selector;
    }

    /// @dev Whether an error of the check is about what was brought, and not about the model or whether its verifier can
    /// be asked.
    function _isOfProof(bytes4 error_) private pure returns (bool) {
        return error_ != IInferenceOracle.ModelNotApproved.selector
            && error_ != IInferenceOracle.ModelChanged.selector
            && error_ != IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector
            && error_ != IInferenceOracle.AttestationsRequired.selector
            && error_ != IInferenceOracle.BatchSizeMismatch.selector
            && error_ != VerifierEmergencyStop.VerifierStopped.selector
            && error_ != VerifierRouter.SelectorRemoved.selector
            && error_ != VerifierRouter.SelectorUnknown.selector;
    }
}
