// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title The one encoding of an inference
/// @notice Solidity's own decoder accepts many encodings of equal values: offsets that point anywhere, gaps,
/// bytes at the end. This library accepts one, so that a statement has one calldata.
/// @dev Reads calldata in place and allocates nothing. `verifyInference` and `checkInference` share their
/// parameters and thereby this layout:
///
///     0x04  model id
///     0x24  input commitment
///     0x44  offset of output = 0x80
///     0x64  offset of proof, right behind output
///     0x84  length of output, then output: 0x20, count, values
///     ....  length of proof, then proof: subject, nonce, deadline, 0xa0, offset of zkProof,
///           count, input words, length of zkProof, zkProof, zero padding to a whole word
///
/// Output and proof are whole words long, so there is no padding behind them.
library InferenceEncoding {
    /// @dev What a proof answers, without the inputs.
    struct Request {
        address subject;
        uint256 nonce;
        uint256 deadline;
    }

    /// @dev Selector and four parameter words, then the length of `output`.
    uint256 private constant OUTPUT_AT = 0x04 + 4 * 0x20 + 0x20;
    /// @dev Parameter words inside `proof`: subject, nonce, deadline and two offsets.
    uint256 private constant PROOF_HEAD = 5 * 0x20;
    /// @dev A proof with neither inputs nor zkProof: the head and two lengths.
    uint256 private constant PROOF_MIN = PROOF_HEAD + 2 * 0x20;

    /// @notice Reverts unless `output` and `proof`, both whole words long, lie where the layout says and the
    /// calldata ends with them.
    function requireCanonicalCall(bytes calldata output, bytes calldata proof) internal pure {
        uint256 outputAt;
        uint256 proofAt;
        assembly ("memory-safe") {
            outputAt := output.offset
            proofAt := proof.offset
        }
        if (
            outputAt != OUTPUT_AT || proofAt != OUTPUT_AT + output.length + 0x20
                || msg.data.length != proofAt + proof.length
        ) {
            revert IInferenceOracle.MalformedCalldata();
        }
    }

    /// @notice Decodes `abi.encode(int256[] values)`.
    function decodeOutput(bytes calldata output) internal pure returns (int256[] calldata values) {
        if (output.length < 0x40 || output.length % 0x20 != 0) {
            revert IInferenceOracle.MalformedOutput(output.length);
        }
        if (_word(output, 0) != 0x20) revert IInferenceOracle.MalformedOutput(0);
        uint256 count = (output.length - 0x40) / 0x20;
        if (_word(output, 0x20) != count) revert IInferenceOracle.MalformedOutput(0x20);
        assembly ("memory-safe") {
            values.offset := add(output.offset, 0x40)
            values.length := count
        }
    }

    /// @notice Decodes `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords,
    /// bytes zkProof)`.
    function decodeProof(bytes calldata proof)
        internal
        pure
        returns (Request memory request, uint256[] calldata inputWords, bytes calldata zkProof)
    {
        if (proof.length < PROOF_MIN || proof.length % 0x20 != 0) {
            revert IInferenceOracle.MalformedProof(proof.length);
        }
        uint256 subject = _word(proof, 0);
        if (subject > type(uint160).max) revert IInferenceOracle.MalformedProof(0);
        uint256 deadline = _word(proof, 0x40);
        if (deadline > type(uint64).max) revert IInferenceOracle.MalformedProof(0x40);
        request = Request(address(uint160(subject)), _word(proof, 0x20), deadline);

        inputWords = _inputWords(proof);
        zkProof = _zkProof(proof, PROOF_HEAD + 0x20 + inputWords.length * 0x20);
    }

    /// @dev The array right behind the head.
    function _inputWords(bytes calldata proof) private pure returns (uint256[] calldata inputWords) {
        if (_word(proof, 0x60) != PROOF_HEAD) revert IInferenceOracle.MalformedProof(0x60);
        uint256 count = _word(proof, PROOF_HEAD);
        if (count > (proof.length - PROOF_MIN) / 0x20) revert IInferenceOracle.MalformedProof(PROOF_HEAD);
        assembly ("memory-safe") {
            inputWords.offset := add(proof.offset, add(PROOF_HEAD, 0x20))
            inputWords.length := count
        }
    }

    /// @dev The bytes right behind the array, at `at`, where a length is sure to be. They and their padding
    /// fill `proof` to its end.
    function _zkProof(bytes calldata proof, uint256 at) private pure returns (bytes calldata zkProof) {
        if (_word(proof, 0x80) != at) revert IInferenceOracle.MalformedProof(0x80);
        uint256 length = _word(proof, at);
        uint256 room = proof.length - at - 0x20;
        if (length > room || room - length >= 0x20) revert IInferenceOracle.MalformedProof(at);
        uint256 padding = _word(proof, proof.length - 0x20) & ~(type(uint256).max << (8 * (room - length)));
        if (padding != 0) revert IInferenceOracle.MalformedProof(at + 0x20 + length);
        assembly ("memory-safe") {
            zkProof.offset := add(add(proof.offset, at), 0x20)
            zkProof.length := length
        }
    }

    /// @notice Hash of the public input words; zero when there are none.
    function hashInputs(uint256[] calldata inputWords) internal pure returns (bytes32) {
        return inputWords.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(inputWords));
    }

    /// @notice `keccak256(abi.encode(data))`, by which a statement names what its numbers mean.
    /// @dev The nine fields are values, so the struct lies in memory as it is encoded: it need not be copied.
    function hashVerification(IModelRegistry.VerificationData memory data)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            hash := keccak256(data, mul(9, 0x20))
        }
    }

    /// @dev The word at byte `at`, which the caller knows to be inside `data`.
    function _word(bytes calldata data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, at))
        }
    }
}
