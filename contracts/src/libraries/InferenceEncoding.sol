// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title The one encoding of an inference
/// @notice Solidity's own decoder accepts many encodings of equal values: offsets that point anywhere, gaps,
/// bytes at the end. This library accepts one, so that a statement has one calldata.
/// @dev Sums of lengths and places are unchecked: all of them are inside of the calldata, and so small.
/// Reads calldata in place. `verifyInference`, `checkInference` and `verifyInferenceBatch` share their
/// parameters and thereby this layout:
///
///     0x04  model id
///     0x24  input commitment
///     0x44  offset of output = 0x80
///     0x64  offset of proof, right behind output
///     0x84  length of output, then output: 0x20, count, values
///     ....  length of proof, then proof: subject, nonce, deadline, 0xa0, offset of zkProof,
///           count, input words, length of zkProof, zkProof, zero padding to a whole word;
///           of a batch: 0x60, offsets of input words and zkProof, count, packed requests, the rest as above
///
/// Output and proof are whole words long, so there is no padding behind them.
library InferenceEncoding {
    /// @dev What a proof of one inference answers. The first nine fields are values, so the struct lies in memory as
    /// it is encoded. The last is no part of what is asked: it is the answer, all outputs in a word.
    struct Request {
        bytes32 domain;
        uint256 chainId;
        address oracle;
        uint256 modelId;
        bytes32 verificationHash;
        address subject;
        uint256 nonce;
        uint256 deadline;
        bytes32 inputs;
        bytes32 outputs;
    }

    /// @dev Parameter words inside `proof`: subject, nonce, deadline and two offsets.
    uint256 private constant PROOF_HEAD = 5 * 0x20;
    /// @dev A proof with neither inputs nor zkProof: the head and two lengths.
    uint256 private constant PROOF_MIN = PROOF_HEAD + 2 * 0x20;
    /// @dev The same of a batch: three offsets, and three lengths behind them.
    uint256 private constant BATCH_HEAD = 3 * 0x20;
    uint256 private constant BATCH_MIN = BATCH_HEAD + 3 * 0x20;

    /// @notice Reverts unless `output` and `proof`, both whole words long, lie where the layout says and the
    /// calldata ends with them.
    function requireCanonicalCall(bytes calldata output, bytes calldata proof) internal pure {
        if (msg.data.length != _end(0x04 + 4 * 0x20, output, proof)) {
            revert IInferenceOracle.MalformedCalldata();
        }
    }

    /// @notice The same for a call with a fifth parameter, with which and whose zero padding it ends.
    function requireCanonicalCall(bytes calldata output, bytes calldata proof, bytes calldata last)
        internal
        pure
    {
        if (msg.data.length != _endOf(0x04 + 5 * 0x20, output, proof, last)) {
            revert IInferenceOracle.MalformedCalldata();
        }
    }

    /// @notice The same for a call whose one parameter is a list of inferences, each right behind the one before.
    function requireCanonicalList(IInferenceOracle.Inference[] calldata inferences) internal pure {
        uint256 end;
        assembly ("memory-safe") {
            end := inferences.offset
        }
        bool fits = end == 0x04 + 2 * 0x20;
        end += inferences.length * 0x20;
        for (uint256 i = 0; i < inferences.length; ++i) {
            IInferenceOracle.Inference calldata inference = inferences[i];
            uint256 at;
            assembly ("memory-safe") {
                at := inference
            }
            fits = fits && at == end;
            end = _endOf(at + 5 * 0x20, inference.output, inference.proof, inference.attestations);
        }
        if (!fits || msg.data.length != end) revert IInferenceOracle.MalformedCalldata();
    }

    /// @dev Where `last` and its zero padding end, if it follows `proof`.
    function _endOf(uint256 head, bytes calldata output, bytes calldata proof, bytes calldata last)
        private
        pure
        returns (uint256 end)
    {
        uint256 at;
        assembly ("memory-safe") {
            at := last.offset
        }
        uint256 room = (last.length + 0x1f) / 0x20 * 0x20;
        if (at != _end(head, output, proof) + 0x20) revert IInferenceOracle.MalformedCalldata();
        end = at + room;
        if (room == last.length) return end;
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(sub(end, 0x20))
        }
        if (word << (8 * (0x20 - (room - last.length))) != 0) revert IInferenceOracle.MalformedCalldata();
    }

    /// @dev Where `proof` ends, if `output` follows the parameters' words, which end at `head`, and `proof` it.
    function _end(uint256 head, bytes calldata output, bytes calldata proof) private pure returns (uint256) {
        uint256 outputAt;
        uint256 proofAt;
        assembly ("memory-safe") {
            outputAt := output.offset
            proofAt := proof.offset
        }
        unchecked {
            if (outputAt != head + 0x20 || proofAt != outputAt + output.length + 0x20) {
                revert IInferenceOracle.MalformedCalldata();
            }
            return proofAt + proof.length;
        }
    }

    /// @notice Decodes `abi.encode(int256[] values)`.
    function decodeOutput(bytes calldata output) internal pure returns (int256[] calldata values) {
        if (output.length < 0x40 || output.length % 0x20 != 0) {
            revert IInferenceOracle.MalformedOutput(output.length);
        }
        if (_word(output, 0) != 0x20) revert IInferenceOracle.MalformedOutput(0);
        unchecked {
            uint256 count = (output.length - 0x40) / 0x20;
            if (_word(output, 0x20) != count) revert IInferenceOracle.MalformedOutput(0x20);
            assembly ("memory-safe") {
                values.offset := add(output.offset, 0x40)
                values.length := count
            }
        }
    }

    /// @notice Decodes `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords,
    /// bytes zkProof)`, the first three into `request`.
    function decodeProof(Request memory request, bytes calldata proof)
        internal
        pure
        returns (uint256[] calldata inputWords, bytes calldata zkProof)
    {
        if (proof.length < PROOF_MIN || proof.length % 0x20 != 0) {
            revert IInferenceOracle.MalformedProof(proof.length);
        }
        uint256 subject = _word(proof, 0);
        if (subject > type(uint160).max) revert IInferenceOracle.MalformedProof(0);
        uint256 deadline = _word(proof, 0x40);
        if (deadline > type(uint64).max) revert IInferenceOracle.MalformedProof(0x40);
        request.subject = address(uint160(subject));
        request.nonce = _word(proof, 0x20);
        request.deadline = deadline;

        inputWords = _array(proof, 0x60, PROOF_HEAD, 0x20);
        unchecked {
            zkProof = _zkProof(proof, 0x80, PROOF_HEAD + 0x20 + inputWords.length * 0x20);
        }
    }

    /// @notice Decodes `abi.encode(uint256[] requests, uint256[] inputWords, bytes zkProof)`.
    function decodeBatchProof(bytes calldata proof)
        internal
        pure
        returns (uint256[] calldata requests, uint256[] calldata inputWords, bytes calldata zkProof)
    {
        if (proof.length < BATCH_MIN || proof.length % 0x20 != 0) {
            revert IInferenceOracle.MalformedProof(proof.length);
        }
        requests = _array(proof, 0, BATCH_HEAD, 0x40);
        unchecked {
            uint256 at = BATCH_HEAD + 0x20 + requests.length * 0x20;
            inputWords = _array(proof, 0x20, at, 0x20);
            zkProof = _zkProof(proof, 0x40, at + 0x20 + inputWords.length * 0x20);
        }
    }

    /// @dev The array at `at`, where a length is sure to be, which the word at `field` names. At least `rest`
    /// bytes follow it.
    function _array(bytes calldata proof, uint256 field, uint256 at, uint256 rest)
        private
        pure
        returns (uint256[] calldata words)
    {
        if (_word(proof, field) != at) revert IInferenceOracle.MalformedProof(field);
        uint256 count = _word(proof, at);
        unchecked {
            // What is subtracted is inside of the proof.
            if (count > (proof.length - at - 0x20 - rest) / 0x20) revert IInferenceOracle.MalformedProof(at);
        }
        assembly ("memory-safe") {
            words.offset := add(add(proof.offset, at), 0x20)
            words.length := count
        }
    }

    /// @dev The bytes at `at`, where a length is sure to be, which the word at `field` names. They and their
    /// padding fill `proof` to its end.
    function _zkProof(bytes calldata proof, uint256 field, uint256 at)
        private
        pure
        returns (bytes calldata zkProof)
    {
        if (_word(proof, field) != at) revert IInferenceOracle.MalformedProof(field);
        unchecked {
            uint256 length = _word(proof, at);
            uint256 room = proof.length - at - 0x20;
            if (length > room || room - length >= 0x20) revert IInferenceOracle.MalformedProof(at);
            uint256 padding =
                _word(proof, proof.length - 0x20) & ~(type(uint256).max << (8 * (room - length)));
            if (padding != 0) revert IInferenceOracle.MalformedProof(at + 0x20 + length);
            assembly ("memory-safe") {
                zkProof.offset := add(add(proof.offset, at), 0x20)
                zkProof.length := length
            }
        }
    }

    /// @notice Hash of the public input words of one inference of a batch; zero when there are none. Every
    /// word of all inferences comes before the next, so an inference's are `batch` words apart.
    /// @dev Writes behind the free memory pointer and leaves it.
    function hashInputs(uint256[] calldata inputWords, uint256 batch, uint256 index)
        internal
        pure
        returns (bytes32 hash)
    {
        if (inputWords.length == 0) return 0;
        assembly ("memory-safe") {
            let start := mload(0x40)
            let to := start
            let step := mul(batch, 0x20)
            let from := add(inputWords.offset, mul(index, 0x20))
            let end := add(inputWords.offset, mul(inputWords.length, 0x20))
            for {} lt(from, end) { from := add(from, step) } {
                mstore(to, calldataload(from))
                to := add(to, 0x20)
            }
            hash := keccak256(start, sub(to, start))
        }
    }

    /// @notice Puts what is a request's own, packed into one word, into `request`. From the top: subject
    /// (160 bits), nonce (56), deadline (40). Nonces grow by bounded steps, so that 56 bits are never used up.
    function unpack(uint256 word, Request memory request) internal pure {
        request.subject = address(uint160(word >> 96));
        request.nonce = uint56(word >> 40);
        request.deadline = uint40(word);
    }

    /// @notice The hash of a request's first nine words: the commitment to which a proof is bound.
    function commitment(Request memory request) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(request, mul(9, 0x20))
        }
    }

    /// @notice The words of `abi.encode(domain, commitments)` for `size` commitments, which begin at word 3.
    function batchWords(bytes32 domain, uint256 size) internal pure returns (bytes32[] memory words) {
        words = new bytes32[](3 + size);
        (words[0], words[1], words[2]) = (domain, bytes32(uint256(0x40)), bytes32(size));
    }

    /// @notice Hash of all words, one behind the other.
    function hashWords(bytes32[] memory words) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(words, 0x20), mul(mload(words), 0x20))
        }
    }

    /// @notice `keccak256(abi.encode(data))`, by which a statement names what its numbers mean.
    /// @dev The ten fields are values, so the struct lies in memory as it is encoded: it need not be copied.
    function hashVerification(IModelRegistry.VerificationData memory data)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            hash := keccak256(data, mul(10, 0x20))
        }
    }

    /// @dev The word at byte `at`, which the caller knows to be inside `data`.
    function _word(bytes calldata data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, at))
        }
    }
}
