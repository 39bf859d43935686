// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {AccountCode} from "../libraries/AccountCode.sol";

/// @title What a validator answers in ERC-8004's validation registry
/// @notice The part of the registry that validators call.
interface IValidationRegistry {
    /// @notice Answers a request that names the caller as its validator: 0 is failed, 100 passed.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice The request with a hash: whom it asks, which agent it is about, and the latest answer.
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        );

    /// @notice The registry of agents, which are tokens of ERC-721.
    function getIdentityRegistry() external view returns (address);
}

/// @title A validator of agents' inferences (ERC-8004)
/// @notice An agent asks the validation registry for a validation by this contract, the request's hash being the
/// input commitment of its inference. Whoever has the proof brings it here, and the registry gets the answer 100 with
/// the hash of the outputs. There is no answer but that one: a proof that does not hold says nothing about the agent.
///
/// The inference has to be about whoever owns the agent when it is validated. Agents change hands, and an answer goes
/// with them: a subject can lend its inference to any agent that is handed over for a moment. Commitments are seen before they are asked for,
/// and anyone can ask with a hash that is somebody else's. The registry takes a hash once, so that one which was taken
/// like this needs a proof with another nonce.
///
/// It asks `checkInference`, so there is no answer for a model that demands attestations or a source, nor for a request
/// that was recorded or has expired: validate first, record then. Who brings the proof need not be a submitter: of
/// private inputs that nobody attests, the answer says that there are some that give these outputs.
contract InferenceValidator {
    using AccountCode for address;

    /// @notice The inference is about somebody else than the agent's owner.
    error NotTheAgentsInference(uint256 agentId, address owner, address subject);
    /// @notice There is no contract at the address.
    error NoContract(address account);

    /// @notice What was answered, under which words a reader finds it.
    string public constant TAG = "halo2-kzg-bn254-v1";
    /// @dev The answer that says passed.
    uint8 private constant PASSED = 100;

    /// @notice Who checks proofs.
    IInferenceOracle public immutable oracle;
    /// @notice Where answers go.
    IValidationRegistry public immutable validations;

    /// @param oracle_ The oracle.
    /// @param validations_ ERC-8004's registry of validations.
    constructor(IInferenceOracle oracle_, IValidationRegistry validations_) {
        _requireContract(address(oracle_));
        _requireContract(address(validations_));
        (oracle, validations) = (oracle_, validations_);
    }

    /// @notice Answers the request whose hash is `inputCommitment`, if the proof holds and is about the owner of the
    /// request's agent. Anyone may call it.
    /// @param modelId The model that made the inference, which is part of the commitment.
    /// @param inputCommitment What the proof is bound to, and the request's hash.
    /// @param output ABI-encoded outputs, as for `verifyInference`.
    /// @param proof ABI-encoded proof, as for `verifyInference`.
    function validate(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        external
    {
        (address subject,) = oracle.checkInference(modelId, inputCommitment, output, proof);
        (, uint256 agentId,,,,) = validations.getValidationStatus(inputCommitment);
        address owner = IERC721(validations.getIdentityRegistry()).ownerOf(agentId);
        if (owner != subject) revert NotTheAgentsInference(agentId, owner, subject);
        validations.validationResponse(inputCommitment, PASSED, "", keccak256(output), TAG);
    }

    /// @dev There is a contract at the address whose code stays.
    function _requireContract(address account) private view {
        if (account.code.length == 0 || account.isDelegation()) revert NoContract(account);
    }
}
