// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Accepts every proof, so that only the encoding can be at fault.
contract LenientVerifier is IVerdictVerifier {
    /// @inheritdoc IVerdictVerifier
    function verify(address, bytes32, uint256[] calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice One statement has one calldata: each other encoding of the same values is refused.
/// @dev The verifier here accepts everything: a lax decoder would be found out at once.
contract CanonicalCalldataTest is OracleFixture {
    // Positions in the calldata of a statement with one output and `INPUTS` public inputs.
    uint256 private constant OFFSET_OUTPUT = 0x44;
    uint256 private constant OFFSET_PROOF = 0x64;
    uint256 private constant OUTPUT = 0xa4;
    uint256 private constant PROOF = OUTPUT + 0x60 + 0x20;
    uint256 private constant INPUTS = 2;
    uint256 private constant ZK_PROOF = PROOF + 0xa0 + 0x20 + INPUTS * 0x20;

    uint256 private model;

    function setUp() public override {
        super.setUp();
        LenientVerifier lenient = new LenientVerifier();
        vm.etch(address(verifier), address(lenient).code);
        model = registerModel(verificationData("lenient", uint16(INPUTS), 1, 0, 1_000_000));
        approve(model);
    }

    function request(uint256 nonce) private view returns (Statement memory s) {
        s = statement(nonce, 500_000);
        s.modelId = model;
        s.inputWords = new uint256[](INPUTS);
        (s.inputWords[0], s.inputWords[1]) = (3, 4);
    }

    /// @dev A call with a zkProof of 33 bytes: one byte into its second word.
    function goodCall() private view returns (bytes memory) {
        return callWith(request(1), abi.encodePacked(keccak256("proof"), uint8(9)));
    }

    function wordAt(bytes memory data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }

    function withWord(bytes memory data, uint256 at, uint256 word) private pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), at), word)
        }
        return data;
    }

    /// @dev `data` with `extra` put in at byte `at`.
    function inserted(bytes memory data, uint256 at, bytes memory extra) private pure returns (bytes memory) {
        bytes memory head = new bytes(at);
        bytes memory tail = new bytes(data.length - at);
        for (uint256 i = 0; i < data.length; ++i) {
            if (i < at) head[i] = data[i];
            else tail[i - at] = data[i];
        }
        return bytes.concat(head, extra, tail);
    }

    function malformedProof(uint256 at) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceOracle.MalformedProof.selector, at);
    }

    function malformedOutput(uint256 at) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceOracle.MalformedOutput.selector, at);
    }

    function malformedCalldata() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceOracle.MalformedCalldata.selector);
    }

    function test_TheCanonicalEncodingIsAccepted() public {
        bytes memory data = goodCall();
        vm.assertEq(wordAt(data, ZK_PROOF), 33, "the constants above point where they should");
        assertAccepted(data);
    }

    function test_BytesAfterTheEndAreRefused() public {
        assertRefused(bytes.concat(goodCall(), hex"00"), malformedCalldata(), "one zero byte");
        assertRefused(bytes.concat(goodCall(), bytes32(0)), malformedCalldata(), "one zero word");
        assertRefused(bytes.concat(goodCall(), bytes32(uint256(1))), malformedCalldata(), "one word");
    }

    function test_AGapBetweenOutputAndProofIsRefused() public {
        bytes memory data = inserted(goodCall(), PROOF - 0x20, abi.encode(0));
        data = withWord(data, OFFSET_PROOF, wordAt(data, OFFSET_PROOF) + 0x20);
        assertRefused(data, malformedCalldata(), "a gap");
    }

    function test_AGapBeforeOutputIsRefused() public {
        bytes memory data = inserted(goodCall(), OUTPUT - 0x20, abi.encode(0));
        data = withWord(data, OFFSET_OUTPUT, wordAt(data, OFFSET_OUTPUT) + 0x20);
        data = withWord(data, OFFSET_PROOF, wordAt(data, OFFSET_PROOF) + 0x20);
        assertRefused(data, malformedCalldata(), "a gap");
    }

    function test_OutputAndProofInTheOtherOrderAreRefused() public {
        Statement memory s = request(1);
        bytes memory output = abi.encode(s.values);
        bytes memory proof = encodeProof(s, "");
        bytes memory data = bytes.concat(
            abi.encodePacked(oracle.verifyInference.selector, model, commitmentOf(s, address(oracle))),
            abi.encode(0x80 + 0x20 + proof.length, 0x80, proof.length),
            proof,
            abi.encode(output.length),
            output
        );
        assertRefused(data, malformedCalldata(), "swapped");
    }

    function test_OutputReadFromInsideTheProofIsRefused() public {
        Statement memory s = request(1);
        bytes memory output = abi.encode(s.values);
        bytes memory data = callWith(s, bytes.concat(abi.encode(output.length), output));
        // The output's copy inside zkProof would be read, and its proper place could hold anything.
        data = withWord(data, OFFSET_OUTPUT, ZK_PROOF + 0x20 - 0x04);
        assertRefused(data, malformedCalldata(), "output elsewhere");
        data = withWord(data, OUTPUT + 0x40, 123);
        assertRefused(data, malformedCalldata(), "output elsewhere, garbage in its place");
        data = withWord(data, OFFSET_OUTPUT, 0x80);
        assertAccepted(data);
    }

    function test_OutputOffsetsAndCountsAreStrict() public {
        bytes memory data = goodCall();
        assertRefused(withWord(data, OUTPUT, 0x40), malformedOutput(0), "offset of the array");
        data = goodCall();
        assertRefused(withWord(data, OUTPUT, 0), malformedOutput(0), "offset zero");
        data = goodCall();
        assertRefused(withWord(data, OUTPUT + 0x20, 0), malformedOutput(0x20), "count below");
        data = goodCall();
        assertRefused(withWord(data, OUTPUT + 0x20, 2), malformedOutput(0x20), "count above");
        data = goodCall();
        assertRefused(
            withWord(data, OUTPUT + 0x20, 1 << 251 | 1), malformedOutput(0x20), "count that wraps around"
        );
    }

    function test_OutputsThatAreNotWholeWordsAreRefused() public {
        Statement memory s = request(1);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory proof = encodeProof(s, "");
        bytes[4] memory outputs =
            [bytes(""), abi.encode(0x20), abi.encodePacked(abi.encode(s.values), hex"00"), hex"20"];
        for (uint256 i = 0; i < outputs.length; ++i) {
            assertRefused(
                abi.encodeCall(oracle.verifyInference, (model, commitment, outputs[i], proof)),
                malformedOutput(outputs[i].length),
                "length of output"
            );
        }
    }

    function test_ProofsThatAreNotWholeWordsAreRefused() public {
        Statement memory s = request(1);
        bytes32 commitment = commitmentOf(s, address(oracle));
        bytes memory output = abi.encode(s.values);
        bytes[4] memory proofs =
            [bytes(""), new bytes(0xc0), bytes.concat(encodeProof(s, ""), hex"00"), new bytes(0xdf)];
        for (uint256 i = 0; i < proofs.length; ++i) {
            assertRefused(
                abi.encodeCall(oracle.verifyInference, (model, commitment, output, proofs[i])),
                malformedProof(proofs[i].length),
                "length of proof"
            );
        }
    }

    function test_DirtyHighBitsAreRefused() public {
        bytes memory data = goodCall();
        uint256 subject = wordAt(data, PROOF);
        assertRefused(withWord(data, PROOF, subject | 1 << 160), malformedProof(0), "subject");
        data = goodCall();
        uint256 deadline = wordAt(data, PROOF + 0x40);
        assertRefused(withWord(data, PROOF + 0x40, deadline | 1 << 64), malformedProof(0x40), "deadline");
    }

    function test_OffsetsInsideTheProofAreStrict() public {
        uint256[4] memory wrong = [uint256(0), 0x20, 0xc0, type(uint256).max - 0x1f];
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory data = withWord(goodCall(), PROOF + 0x60, wrong[i]);
            assertRefused(data, malformedProof(0x60), "offset of the input words");
            data = withWord(goodCall(), PROOF + 0x80, wrong[i]);
            assertRefused(data, malformedProof(0x80), "offset of zkProof");
        }
    }

    function test_AGapInsideTheProofIsRefused() public {
        bytes memory data = inserted(goodCall(), ZK_PROOF, abi.encode(0));
        data = withWord(data, PROOF - 0x20, wordAt(data, PROOF - 0x20) + 0x20);
        assertRefused(
            withWord(data, PROOF + 0x80, wordAt(data, PROOF + 0x80) + 0x20), malformedProof(0x80), "a gap"
        );
    }

    function test_CountsAndLengthsInsideTheProofAreStrict() public {
        // Two inputs, 33 bytes of zkProof in two words.
        uint256[3] memory counts = [uint256(5), 1 << 251, type(uint256).max];
        for (uint256 i = 0; i < counts.length; ++i) {
            bytes memory data = withWord(goodCall(), PROOF + 0xa0, counts[i]);
            assertRefused(data, malformedProof(0xa0), "count of input words");
        }
        bytes memory fewer = withWord(goodCall(), PROOF + 0xa0, 1);
        assertRefused(fewer, malformedProof(0x80), "one input word hidden");
        uint256[5] memory lengths = [uint256(0), 1, 32, 65, type(uint256).max];
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes memory data = withWord(goodCall(), ZK_PROOF, lengths[i]);
            assertRefused(data, malformedProof(ZK_PROOF - PROOF), "length of zkProof");
        }
    }

    function test_PaddingMustBeZero() public {
        uint256 end = ZK_PROOF + 0x20 + 33;
        for (uint256 at = end; at < end + 31; ++at) {
            bytes memory data = goodCall();
            data[at] = 0x01;
            assertRefused(data, malformedProof(end - PROOF), "padding");
        }
    }

    function test_ATrailingWordInsideTheProofIsRefused() public {
        bytes memory data = bytes.concat(goodCall(), bytes32(0));
        data = withWord(data, PROOF - 0x20, wordAt(data, PROOF - 0x20) + 0x20);
        assertRefused(data, malformedProof(ZK_PROOF - PROOF), "a word behind zkProof");
    }

    function test_EveryShorterCalldataIsRefused() public {
        bytes memory data = goodCall();
        while (data.length > 0) {
            assembly ("memory-safe") {
                mstore(data, sub(mload(data), 1))
            }
            (bool ok,) = send(submitter, data);
            vm.assertFalse(ok, "truncated calldata accepted");
        }
    }

    function testFuzz_AppendedBytesAreRefused(bytes memory extra) public {
        vm.assume(extra.length > 0);
        assertRefused(bytes.concat(goodCall(), extra), malformedCalldata(), "appended bytes");
    }

    /// @dev With a verifier that takes any proof, the bytes of zkProof and of the output's value are the only
    /// ones that may differ: the rest is fixed by the encoding or bound by the commitment.
    function testFuzz_NoOtherEncodingOfTheSameStatementExists(uint256 at, uint256 word) public {
        bytes memory data = goodCall();
        at = bound(at, 0, data.length - 0x20);
        vm.assume(wordAt(data, at) != word);
        bool touchesOutput = at > OUTPUT + 0x20 && at < OUTPUT + 0x60;
        bool touchesProof = at > ZK_PROOF && at < ZK_PROOF + 0x20 + 33;
        vm.assume(!touchesOutput && !touchesProof);
        (bool ok,) = send(submitter, withWord(data, at, word));
        vm.assertFalse(ok, "a second encoding was accepted");
    }

    /// @dev With the ideal verifier not even those bytes may differ.
    function test_EveryChangedByteIsRefused() public {
        Statement memory s = statement(1, 500_000);
        OracleFixture.setUp();
        bytes memory data = callOf(s);
        for (uint256 i = 0; i < data.length; ++i) {
            bytes1 original = data[i];
            data[i] = original ^ 0x01;
            (bool ok,) = send(submitter, data);
            vm.assertFalse(ok, "a changed byte was accepted");
            data[i] = original ^ 0x80;
            (ok,) = send(submitter, data);
            vm.assertFalse(ok, "a changed byte was accepted");
            data[i] = original;
        }
        assertAccepted(data);
    }
}
