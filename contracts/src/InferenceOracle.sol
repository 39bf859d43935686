// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERCZKMLVerifier} from "./interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "./interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IVerdictAccumulator} from "./interfaces/IVerdictAccumulator.sol";
import {InferenceEncoding} from "./libraries/InferenceEncoding.sol";
import {OutputWords} from "./libraries/OutputWords.sol";
import {PairingSum} from "./libraries/PairingSum.sol";
import {HALO2_KZG_BN254_V1} from "./libraries/ProofSystem.sol";
import {ApprovedModels} from "./oracle/ApprovedModels.sol";
import {ScoreRecords} from "./oracle/ScoreRecords.sol";
import {Statements} from "./oracle/Statements.sol";

/// @title Oracle of proven model scores
/// @notice Records a score when, and only when, a proof shows that an approved model computed it for exactly
/// this request. A proof of a batch records a score for each of its requests, or none.
///
/// What a record proves: the approved model, run on SOME inputs that the prover knew, gave this score, and
/// the proof was made for this chain, oracle, model, subject, nonce and deadline. With private inputs nothing
/// yet proves where the inputs came from. That is what the list of submitters is for: they vouch for the inputs.
///
/// Trust: the owner chooses models and submitters and may pause recording. The owner can neither write,
/// change nor delete a score, nor stop anyone from reading one. An approved model cannot change afterwards:
/// the approval pins its verification data and its verifier's code, and the verifier checks the key's code.
///
/// Replay: a nonce only ever grows, and the proof is bound to it. Two submitters who hold the same proof race
/// for being named as its prover, nothing else.
///
/// Several proofs with one pairing: every verifier among them has to be honest about its points. All are approved by
/// code hash, so that is the owner's review; one that lies, which is told what it could lie for, could pass a false proof
/// of another model's.
///
/// Reentrancy: registry and verifiers are called by STATICCALL only, so nothing they call can record.
contract InferenceOracle is IInferenceOracle, Statements, ScoreRecords, Pausable, ERC165 {
    using PairingSum for uint256[12];

    /// @notice First word under a batch's commitment.
    bytes32 public constant BATCH_DOMAIN = keccak256("verdict.batch.v1");
    /// @notice The proof system of every model here.
    bytes4 public constant PROOF_SYSTEM_ID = HALO2_KZG_BN254_V1;
    /// @notice Most inferences that one call of `verifyInferences` records.
    uint256 public constant MAX_INFERENCES = 64;

    /// @param registry_ The model registry.
    /// @param initialOwner Who chooses models and submitters.
    /// @param timeToLive_ Seconds for which a score stays fresh. Fixed, so that consumers can rely on it.
    constructor(address registry_, address initialOwner, uint256 timeToLive_)
        Ownable(initialOwner)
        ApprovedModels(registry_)
        ScoreRecords(timeToLive_)
    {}

    // ------------------------------------------------------------ one inference

    /// @inheritdoc IERCZKMLVerifier
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external override whenNotPaused {
        uint256 submitter = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        int256 score = _check(request, false, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        _refuse(1, 0, _record(request, score, submitter));
    }

    /// @inheritdoc IInferenceOracle
    function verifyAttestedInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        bytes calldata attestations
    ) external override whenNotPaused {
        uint256 witnesses = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        int256 score = _check(request, true, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof, attestations);
        witnesses |= _requireAttested(request, attestations) << 16;
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        _refuse(1, 0, _record(request, score, witnesses));
        _tellVouched(request, witnesses >> 16);
    }

    /// @inheritdoc IInferenceOracle
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external view override returns (address subject, int256 score) {
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        score = _check(request, false, inputCommitment, output, proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        subject = request.subject;
        _refuse(1, 0, _refusal(request, nonceOf(subject, modelId)));
    }

    /// @dev A record is overwritten by the next one; who vouched for it is told for good.
    function _tellVouched(InferenceEncoding.Request memory request, uint256 signers) private {
        emit InputsVouched(request.subject, request.modelId, signers);
    }

    /// @dev Decodes the statement into `request`, which has the model's id, and checks that its proof holds.
    function _check(
        InferenceEncoding.Request memory request,
        bool attested,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) private view returns (int256) {
        IModelRegistry.VerificationData memory model;
        (uint256[] calldata inputWords, bytes calldata zkProof) =
            _decode(request, model, attested, inputCommitment, proof);
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        _verify(model, inputCommitment, inputWords, values, zkProof);
        request.outputs = OutputWords.ofInference(values, 1, 0);
        return values[0];
    }

    // ------------------------------------------------------------------ batches

    /// @inheritdoc IInferenceOracle
    function verifyInferenceBatch(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external override whenNotPaused {
        uint256 submitter = _callerNumber();
        InferenceEncoding.Request memory request;
        request.modelId = modelId;
        IModelRegistry.VerificationData memory model;
        _fetchModel(request, false, model);
        _verifyBatch(model, inputCommitment, output, proof);
        // Decoded once more: all parts of the statement at once are too many for the stack.
        if (inputCommitment != _recordBatch(request, submitter, output, proof)) {
            revert InputCommitmentMismatch();
        }
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @dev Checks the encoding, the numbers of requests, input words and outputs, and the proof.
    function _verifyBatch(
        IModelRegistry.VerificationData memory model,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) private view {
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        (uint256[] calldata requests, uint256[] calldata inputWords, bytes calldata zkProof) =
            InferenceEncoding.decodeBatchProof(proof);
        InferenceEncoding.requireCanonicalCall(output, proof);
        if (model.batch == 1 || model.batch != requests.length) {
            revert BatchSizeMismatch(model.batch, requests.length);
        }
        _verify(model, inputCommitment, inputWords, values, zkProof);
    }

    /// @dev Records each inference's first output under its request and returns the batch's commitment.
    function _recordBatch(
        InferenceEncoding.Request memory request,
        uint256 submitter,
        bytes calldata output,
        bytes calldata proof
    ) private returns (bytes32) {
        (uint256[] calldata requests, uint256[] calldata inputWords,) =
            InferenceEncoding.decodeBatchProof(proof);
        int256[] calldata values = InferenceEncoding.decodeOutput(output);
        return _recordEach(request, submitter, requests, inputWords, values);
    }

    /// @dev A subject that is in the batch twice needs growing nonces, as in two transactions.
    /// @param request What all requests have in common. The rest is overwritten.
    function _recordEach(
        InferenceEncoding.Request memory request,
        uint256 submitter,
        uint256[] calldata requests,
        uint256[] calldata inputWords,
        int256[] calldata values
    ) private returns (bytes32) {
        uint256 size = requests.length;
        bytes32[] memory words = InferenceEncoding.batchWords(BATCH_DOMAIN, size);
        unchecked {
            for (uint256 i = 0; i < size; ++i) {
                InferenceEncoding.unpack(requests[i], request);
                request.inputs = InferenceEncoding.hashInputs(inputWords, size, i);
                request.outputs = OutputWords.ofInference(values, size, i);
                words[3 + i] = InferenceEncoding.commitment(request);
                bytes memory refusal = _record(request, values[i], submitter);
                _refuse(size, i, refusal);
            }
        }
        return InferenceEncoding.hashWords(words);
    }

    // ---------------------------------------------------------- several proofs

    /// @inheritdoc IInferenceOracle
    function verifyInferences(Inference[] calldata inferences) external override whenNotPaused {
        uint256 submitter = _callerNumber();
        uint256 size = inferences.length;
        if (size == 0 || size > MAX_INFERENCES) revert InferenceCountOutOfRange(size, MAX_INFERENCES);
        InferenceEncoding.requireCanonicalList(inferences);
        uint256[18][] memory all = _accumulateAll(inferences);
        InferenceEncoding.Request memory request;
        for (uint256 i = 0; i < size; ++i) {
            Inference calldata inference = inferences[i];
            emit InferenceVerified(inference.modelId, inference.inputCommitment, inference.output, msg.sender);
            uint256[18] memory one = all[i];
            request.modelId = inference.modelId;
            (request.subject, request.nonce, request.deadline) = (address(uint160(one[0])), one[1], one[2]);
            request.outputs = bytes32(one[5]);
            bytes memory refusal = _record(request, int256(one[3]), submitter | one[4] << 16);
            if (refusal.length != 0) revert InferenceRefused(i, refusal);
            if (one[0] >> 160 != 0) _tellVouched(request, one[4]);
        }
    }

    /// @dev Checks all proofs. The pairing of their sum holds if that of each does; a proof that does not hold fails
    /// it but with a probability of 2^-128.
    function _accumulateAll(Inference[] calldata inferences) private view returns (uint256[18][] memory all) {
        bytes32 seed = keccak256(msg.data);
        all = new uint256[18][](inferences.length);
        uint256[12] memory sum;
        for (uint256 i = 0; i < inferences.length; ++i) {
            uint256 before = gasleft();
            // A call, so that an error of whatever part can be told with the inference's index.
            try this.accumulateInference(inferences[i]) returns (uint256[18] memory one) {
                all[i] = one;
            } catch (bytes memory reason) {
                PairingSum.requireTellingGas(before);
                revert InferenceRefused(i, reason);
            }
            uint256[12] memory next = _pairingOf(all[i]);
            if (i == 0) {
                sum = next;
                continue;
            }
            if (!sum.sameString(next)) {
                revert InferenceRefused(i, abi.encodeWithSelector(OtherReferenceString.selector));
            }
            sum.add(next, PairingSum.weightOf(seed, i));
        }
        if (sum.holds()) return all;
        for (uint256 i = 0; i < all.length; ++i) {
            PairingSum.requireTellingGas();
            if (!_pairingOf(all[i]).holds()) {
                revert InferenceRefused(i, abi.encodeWithSelector(InvalidProof.selector));
            }
        }
        revert InvalidProof();
    }

    /// @dev The pairing's input, copied, behind what is recorded.
    function _pairingOf(uint256[18] memory found) private pure returns (uint256[12] memory pairing) {
        assembly ("memory-safe") {
            mcopy(pairing, add(found, 0xc0), 0x180)
        }
    }

    /// @notice The first half of `verifyInferences` for one of its inferences, which the oracle asks of itself.
    /// @dev NOTHING is proven by it, so nobody else may call it.
    /// @return found Subject, and above its 160 bits whether attestations were asked for; nonce, deadline, score,
    /// signers, outputs, and the pairing's input.
    function accumulateInference(Inference calldata inference)
        external
        view
        returns (uint256[18] memory found)
    {
        if (msg.sender != address(this)) revert NotForCallers();
        InferenceEncoding.Request memory request;
        request.modelId = inference.modelId;
        // None are given where a source is demanded, and some may be where nothing is: `_fetchApproved` compares.
        bool attested = inference.attestations.length != 0 || _demandsAttestations(inference.modelId);
        uint256[12] memory pairing;
        (found[3], pairing) = _accumulate(request, inference, attested);
        (found[0], found[1], found[2]) = (uint160(request.subject), request.nonce, request.deadline);
        if (attested) found[4] = _requireAttested(request, inference.attestations);
        found[5] = uint256(request.outputs);
        assembly ("memory-safe") {
            mstore(found, or(mload(found), shl(160, attested)))
            mcopy(add(found, 0xc0), pairing, 0x180)
        }
    }

    /// @dev Checks a proof but for its pairing.
    function _accumulate(
        InferenceEncoding.Request memory request,
        Inference calldata inference,
        bool attested
    ) private view returns (uint256 score, uint256[12] memory pairing) {
        IModelRegistry.VerificationData memory model;
        (uint256[] calldata inputWords, bytes calldata zkProof) =
            _decode(request, model, attested, inference.inputCommitment, inference.proof);
        int256[] calldata values = InferenceEncoding.decodeOutput(inference.output);
        bytes4 selector = IVerdictAccumulator.accumulate.selector;
        uint256 answer = _ask(selector, model, inference.inputCommitment, inputWords, values, zkProof);
        bool whole;
        assembly ("memory-safe") {
            whole := eq(returndatasize(), 0x180)
            pairing := answer
            mstore(0x40, add(answer, 0x180))
        }
        if (!whole) revert InvalidProof();
        request.outputs = OutputWords.ofInference(values, 1, 0);
        score = uint256(values[0]);
    }

    // ------------------------------------------------------------------ reading

    /// @inheritdoc IInferenceOracle
    function inputCommitmentOf(
        uint256 modelId,
        address subject,
        uint256 nonce,
        uint64 deadline,
        bytes32 inputs
    ) external view override returns (bytes32) {
        InferenceEncoding.Request memory request;
        _address(request);
        request.modelId = modelId;
        request.verificationHash = InferenceEncoding.hashVerification(_activeModel(modelId));
        (request.subject, request.nonce, request.deadline) = (subject, nonce, deadline);
        request.inputs = inputs;
        return InferenceEncoding.commitment(request);
    }

    // -------------------------------------------------------------- governance

    /// @inheritdoc IInferenceOracle
    function pause() external override onlyOwner {
        _pause();
    }

    /// @inheritdoc IInferenceOracle
    function unpause() external override onlyOwner {
        _unpause();
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId
            || interfaceId == type(IInferenceOracle).interfaceId || super.supportsInterface(interfaceId);
    }
}
