// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {InferenceOracle} from "../src/InferenceOracle.sol";
import {AttestationFixture} from "./base/AttestationFixture.sol";
import {PairingSum} from "../src/libraries/PairingSum.sol";
import {InputSource} from "../src/sources/InputSource.sol";
import {IInputVoucher} from "../src/interfaces/IInputVoucher.sol";
import {FalseVerifier, IdealAccumulator, IdealVerifier, PairedVerifier} from "./base/IdealVerifier.sol";

/// @notice Takes long to know the inputs of the fixture.
contract LongSource is InputSource {
    uint256 private immutable rounds;

    constructor(bytes32 schema_, uint256 rounds_) InputSource(schema_) {
        rounds = rounds_;
    }

    function inputWordsOf(address) public view override returns (uint256[] memory words) {
        bytes32 hash;
        for (uint256 i = 0; i < rounds; ++i) {
            hash = keccak256(abi.encode(hash));
        }
        words = new uint256[](2);
        (words[0], words[1]) = (12, hash == 0 ? 2 : 1);
    }
}

/// @notice Vouches by somebody else, and says in its own words that it could not: what fails is not empty.
contract Spokesman is IInputVoucher {
    error NobodyVouches();

    IInputVoucher private immutable behind;

    constructor(IInputVoucher behind_) {
        behind = behind_;
    }

    function vouchersOf(address subject, bytes32 schema, bytes32 inputs, bytes calldata attestations)
        external
        view
        returns (uint256, uint256)
    {
        try behind.vouchersOf(subject, schema, inputs, attestations) returns (
            uint256 signers, uint256 count
        ) {
            return (signers, count);
        } catch {
            revert NobodyVouches();
        }
    }

    function signerAt(uint256 index) external view returns (Signer memory) {
        return behind.signerAt(index);
    }
}

/// @notice Vouches in nobody's name.
contract Anonymous is IInputVoucher {
    function vouchersOf(address, bytes32, bytes32, bytes calldata) external pure returns (uint256, uint256) {
        return (0, 1);
    }

    function signerAt(uint256) external pure returns (Signer memory signer) {}
}

/// @notice Several proofs of several models in one call with one pairing.
contract OracleCombinedTest is AttestationFixture {
    uint256 private second;

    function setUp() public override {
        super.setUp();
        verifier = new IdealAccumulator(false);
        creditModel = registerModel(verificationData("credit again", 0, 1, 0, 1_000_000));
        approve(creditModel);
        second = registerModel(verificationData("second", 1, 2, -50, 50));
        approve(second);
        model = registerModel(verificationData("attested again", 2, 1, 0, 1_000_000));
        approveWith(model, address(signers), 2, SCHEMA);
    }

    /// @dev The second model's outputs 7 and -7 about the borrower.
    function another(uint256 nonce) private view returns (Statement memory s) {
        s = statement(nonce, 7);
        s.modelId = second;
        s.inputWords = new uint256[](1);
        s.inputWords[0] = 99;
        s.values = new int256[](2);
        (s.values[0], s.values[1]) = (7, -7);
    }

    function asInference(Statement memory s, bytes memory zkProof, bytes memory attestations)
        private
        view
        returns (IInferenceOracle.Inference memory)
    {
        return IInferenceOracle.Inference({
            modelId: s.modelId,
            inputCommitment: commitmentOf(s, address(oracle)),
            output: abi.encode(s.values),
            proof: encodeProof(s, zkProof),
            attestations: attestations
        });
    }

    function both(Statement memory s) private view returns (bytes memory) {
        return bytes.concat(signed(s, vouch(0, ALICE)), signed(s, vouch(1, BOB)));
    }

    /// @dev Honest proofs of three models.
    function three(uint256 nonce) private view returns (IInferenceOracle.Inference[] memory list) {
        list = new IInferenceOracle.Inference[](3);
        Statement memory s = statement(nonce, 123_456);
        list[0] = asInference(s, prove(s), "");
        s = another(nonce);
        list[1] = asInference(s, prove(s), "");
        s = attested(nonce);
        list[2] = asInference(s, prove(s), both(s));
    }

    function call(IInferenceOracle.Inference[] memory list) private view returns (bytes memory) {
        return abi.encodeCall(oracle.verifyInferences, (list));
    }

    function records() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                oracle.scoreOf(borrower, creditModel),
                oracle.scoreOf(borrower, second),
                oracle.scoreOf(borrower, model)
            )
        );
    }

    function refused(bytes memory data, bytes memory reason, string memory what) private {
        bytes32 before = records();
        (bool ok, bytes memory answer) = send(submitter, data);
        vm.assertFalse(ok, what);
        vm.assertEq(answer, reason, what);
        vm.assertEq(records(), before, what);
    }

    function refusedAt(
        IInferenceOracle.Inference[] memory list,
        uint256 index,
        bytes memory reason,
        string memory what
    ) private {
        bytes4 selector = IInferenceOracle.InferenceRefused.selector;
        refused(call(list), abi.encodeWithSelector(selector, index, reason), what);
    }

    function test_ScoresOfThreeModelsAreRecordedAtOnce() public {
        bytes memory data = call(three(1));
        IInferenceOracle.Inference[] memory list = three(1);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(oracle));
            emit IERCZKMLVerifier.InferenceVerified(
                list[i].modelId, list[i].inputCommitment, list[i].output, submitter
            );
            vm.expectEmit(address(oracle));
            emit IInferenceOracle.ScoreRecorded(
                borrower, list[i].modelId, i == 1 ? int256(7) : int256(123_456), 1
            );
        }
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.InputsVouched(borrower, model, 3);
        assertAccepted(data);
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 123_456, "the first model's");
        vm.assertEq(oracle.latestScoreOf(borrower, second), 7, "the second model's");
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(borrower, model);
        vm.assertEq(record.signers, 3, "who vouched");
        vm.assertEq(record.prover, submitter, "who brought it");
        vm.assertEq(oracle.scoreOf(borrower, second).signers, 0, "nobody vouched for the second's");
        // Once more: the first one's nonce is used.
        bytes memory used = abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 1, 1);
        refusedAt(list, 0, used, "a replay");
        assertAccepted(call(three(2)));
    }

    function test_OneOfAListMayBeOneAlone() public {
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](1);
        list[0] = three(1)[1];
        assertAccepted(call(list));
        vm.assertEq(oracle.latestScoreOf(borrower, second), 7, "recorded");
        // The same proof is not taken alone afterwards.
        Statement memory s = another(1);
        assertRefused(
            callOf(s),
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 1, 1),
            "a replay beside the list"
        );
    }

    function test_ASubjectMayBeTwiceInAListWithGrowingNonces() public {
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](2);
        (list[0], list[1]) = (three(2)[0], three(1)[0]);
        refusedAt(
            list,
            1,
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 1, 2),
            "falling"
        );
        (list[0], list[1]) = (list[1], list[0]);
        assertAccepted(call(list));
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 2, "the later one stands");
    }

    // ------------------------------------------------------------------- proofs

    /// @dev The proof of inference `index` becomes one whose F is `multiple` of the right one.
    function bent(IInferenceOracle.Inference[] memory list, uint256 index, uint256 multiple) private view {
        Statement memory s = index == 0 ? statement(1, 123_456) : index == 1 ? another(1) : attested(1);
        (bytes32 hash,) = abi.decode(prove(s), (bytes32, uint256));
        list[index].proof = encodeProof(s, abi.encode(hash, multiple));
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_AProofThatThePairingRefusesIsNamedByItsIndex(uint256 index, uint256 multiple) public {
        index = bound(index, 0, 2);
        multiple = bound(multiple, 2, type(uint128).max);
        IInferenceOracle.Inference[] memory list = three(1);
        bent(list, index, multiple);
        bytes memory reason = abi.encodeWithSelector(IERCZKMLVerifier.InvalidProof.selector);
        refusedAt(list, index, reason, "one of three");
    }

    function test_ErrorsThatCancelOutAreFound() public {
        IInferenceOracle.Inference[] memory list = three(1);
        bent(list, 0, 0);
        bent(list, 1, 2);
        refusedAt(
            list, 0, abi.encodeWithSelector(IERCZKMLVerifier.InvalidProof.selector), "0 and 2 for 1 and 1"
        );
    }

    function test_AProofThatItsVerifierRefusesIsNamedByItsIndex() public {
        bytes memory reason = abi.encodeWithSelector(IdealVerifier.IdealProofDoesNotHold.selector);
        for (uint256 i = 0; i < 3; ++i) {
            IInferenceOracle.Inference[] memory list = three(1);
            // Another of the list's proofs, which holds for its own statement.
            Statement memory s = i == 0 ? statement(1, 123_456) : i == 1 ? another(1) : attested(1);
            list[i].proof = encodeProof(s, prove(i == 0 ? another(1) : statement(1, 123_456)));
            refusedAt(list, i, reason, "another statement's");
        }
    }

    /// @dev A proof that fails for want of gas is not said to be false: neither where its verifier multiplies points,
    /// nor where the sum is paired.
    function testFuzz_TooLittleGasNamesNoProof(uint256 gas_) public {
        verifier = new PairedVerifier();
        creditModel = registerModel(verificationData("credit paired", 0, 1, 0, 1_000_000));
        approve(creditModel);
        second = registerModel(verificationData("second paired", 1, 2, -50, 50));
        approve(second);
        model = registerModel(verificationData("attested paired", 2, 1, 0, 1_000_000));
        approveWith(model, address(signers), 2, SCHEMA);
        bytes memory data = call(three(1));
        vm.prank(submitter);
        (bool ok, bytes memory answer) = address(oracle).call{gas: bound(gas_, 100_000, 1_000_000)}(data);
        if (ok || answer.length == 0) return;
        vm.assertEq(answer, abi.encodeWithSelector(PairingSum.NotEnoughGas.selector), "no index");
    }

    /// @dev The same of checks that take longer than any of this package's, and whose voucher has a word for all that
    /// fails: what of the gas is left says it, however much there was.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_TooLittleGasNamesNoProofHoweverLongItsCheckIs(uint256 rounds, uint256 part, bool told)
        public
    {
        rounds = bound(rounds, 1000, 60_000);
        IInputVoucher voucher = new LongSource(SCHEMA, rounds);
        if (told) voucher = new Spokesman(voucher);
        uint256 id = registerModel(verificationData("long", 2, 1, 0, 1_000_000));
        approveWith(id, address(voucher), 1, SCHEMA);
        Statement memory s = attested(1);
        s.modelId = id;
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](1);
        list[0] = asInference(s, prove(s), "");
        uint256 before = gasleft();
        assertAccepted(call(list));
        uint256 used = before - gasleft();
        s = attested(2);
        s.modelId = id;
        list[0] = asInference(s, prove(s), "");
        bytes memory data = call(list);
        vm.prank(submitter);
        (bool ok, bytes memory answer) = address(oracle).call{gas: used * bound(part, 20, 100) / 100}(data);
        if (ok || answer.length == 0) return;
        vm.assertEq(answer, abi.encodeWithSelector(PairingSum.NotEnoughGas.selector), "no index");
    }

    function test_AVerifierThatCannotAccumulateIsRefused() public {
        IdealVerifier honest = verifier;
        verifier = IdealVerifier(address(new FalseVerifier()));
        second = registerModel(verificationData("stubborn", 1, 2, -50, 50));
        approve(second);
        verifier = honest;
        IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](2);
        list[0] = asInference(statement(1, 123_456), prove(statement(1, 123_456)), "");
        list[1] = asInference(another(1), "proof", "");
        refusedAt(list, 1, "", "no accumulate");
    }

    function test_KeysOfAnotherReferenceStringAreNotAddedUp() public {
        verifier = new IdealAccumulator(true);
        second = registerModel(verificationData("elsewhere", 1, 2, -50, 50));
        approve(second);
        IInferenceOracle.Inference[] memory list = three(1);
        refusedAt(
            list, 1, abi.encodeWithSelector(IInferenceOracle.OtherReferenceString.selector), "another tau"
        );
        // Alone its proofs hold.
        IInferenceOracle.Inference[] memory one = new IInferenceOracle.Inference[](1);
        one[0] = list[1];
        assertAccepted(call(one));
    }

    // --------------------------------------------------------------- statements

    function test_WhateverIsWrongIsNamedByItsIndex() public {
        IInferenceOracle.Inference[] memory list = three(1);
        list[1].inputCommitment = bytes32(uint256(1));
        refusedAt(
            list, 1, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector), "commitment"
        );

        list = three(1);
        Statement memory late = another(1);
        late.deadline = uint64(block.timestamp - 1);
        list[1] = asInference(late, prove(late), "");
        refusedAt(
            list,
            1,
            abi.encodeWithSelector(
                IInferenceOracle.DeadlineExpired.selector, block.timestamp - 1, block.timestamp
            ),
            "too late"
        );

        list = three(1);
        list[2].attestations = signed(attested(1), vouch(0, ALICE));
        refusedAt(
            list, 2, abi.encodeWithSelector(IInferenceOracle.TooFewAttestations.selector, 2, 1), "one of two"
        );
        list[2].attestations = "";
        refusedAt(list, 2, abi.encodeWithSelector(IInferenceOracle.TooFewAttestations.selector, 2, 0), "none");
        list = three(1);
        list[0].attestations = list[2].attestations;
        refusedAt(
            list,
            0,
            abi.encodeWithSelector(IInferenceOracle.AttestationsNotDemanded.selector, creditModel),
            "nobody asked"
        );

        list = three(1);
        list[1].output = abi.encode(new int256[](1));
        refusedAt(
            list, 1, abi.encodeWithSelector(IInferenceOracle.OutputCountMismatch.selector, 2, 1), "outputs"
        );

        list = three(1);
        vm.prank(owner);
        oracle.revokeModel(second);
        refusedAt(
            list, 1, abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, second), "revoked"
        );
    }

    /// @dev Of an inference that is refused the list says what a call for it alone says.
    function test_AnErrorIsThatOfTheCallAlone() public {
        for (uint256 i = 0; i < 4; ++i) {
            IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](1);
            Statement memory s = attested(1);
            bytes memory attestations = both(s);
            // Of a model that demands some or none: revoked, and never approved.
            if (i > 1) {
                s = another(1);
                attestations = hex"00";
            }
            if (i % 2 == 0) {
                vm.prank(owner);
                oracle.revokeModel(s.modelId);
            } else {
                s.modelId =
                    registerModel(verificationData("unknown", uint16(s.inputWords.length), 2, -50, 50));
            }
            list[0] = asInference(s, prove(s), attestations);
            (, bytes memory alone) = send(submitter, attestedCall(s, attestations));
            bytes memory unapproved =
                abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, s.modelId);
            vm.assertEq(alone, unapproved, "alone");
            refusedAt(list, 0, alone, "in a list");
        }
    }

    /// @dev An earlier inference's request is looked at when all proofs hold.
    function test_AProofThatFailsIsNamedBeforeARequestThatIsRefused() public {
        assertAccepted(call(three(1)));
        IInferenceOracle.Inference[] memory list = three(1);
        list[2].inputCommitment = bytes32(uint256(1));
        refusedAt(
            list, 2, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector), "its proof"
        );
        bent(list = three(1), 1, 2);
        refusedAt(list, 1, abi.encodeWithSelector(IERCZKMLVerifier.InvalidProof.selector), "its pairing");
        refusedAt(
            three(1),
            0,
            abi.encodeWithSelector(IInferenceOracle.NonceAlreadyUsed.selector, borrower, 1, 1),
            "its request"
        );
    }

    /// @dev Whoever vouched, nobody named among them: both calls tell it.
    function test_AVouchedScoreIsToldAsInACallForItAlone() public {
        uint256 id = registerModel(verificationData("anonymous", 2, 1, 0, 1_000_000));
        approveWith(id, address(new Anonymous()), 1, SCHEMA);
        for (uint256 nonce = 1; nonce < 3; ++nonce) {
            Statement memory s = attested(nonce);
            s.modelId = id;
            IInferenceOracle.Inference[] memory list = new IInferenceOracle.Inference[](1);
            list[0] = asInference(s, prove(s), "");
            bytes memory data = nonce == 1 ? attestedCall(s, "") : call(list);
            vm.expectEmit(address(oracle));
            emit IInferenceOracle.InputsVouched(borrower, id, 0);
            assertAccepted(data);
            vm.assertEq(oracle.scoreOf(borrower, id).prover, submitter, "the record's other fields");
            vm.assertEq(oracle.scoreOf(borrower, id).signers, 0, "nobody");
        }
    }

    function test_AProofOfABatchIsNotOneOfAList() public {
        IModelRegistry.VerificationData memory data = verificationData("batch", 1, 2, -50, 50);
        data.batch = 2;
        second = registerModel(data);
        approve(second);
        IInferenceOracle.Inference[] memory list = three(1);
        refusedAt(
            list, 1, abi.encodeWithSelector(IInferenceOracle.BatchSizeMismatch.selector, 2, 1), "a batch"
        );
    }

    // -------------------------------------------------------------------- calls

    function test_ListsAreBounded() public {
        bytes4 selector = IInferenceOracle.InferenceCountOutOfRange.selector;
        uint256 max = oracle.MAX_INFERENCES();
        refused(
            call(new IInferenceOracle.Inference[](0)), abi.encodeWithSelector(selector, 0, max), "nothing"
        );
        refused(
            call(new IInferenceOracle.Inference[](max + 1)),
            abi.encodeWithSelector(selector, max + 1, max),
            "too many"
        );
    }

    function test_SubmittersAloneAndNotWhilePaused() public {
        bytes memory data = call(three(1));
        (bool ok, bytes memory answer) = send(stranger, data);
        vm.assertFalse(ok, "a stranger");
        vm.assertEq(
            answer, abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, stranger), "why"
        );
        vm.prank(owner);
        oracle.pause();
        refused(data, abi.encodeWithSelector(Pausable.EnforcedPause.selector), "paused");
    }

    function test_TheFirstHalfIsTheOraclesOwn() public {
        IInferenceOracle.Inference memory one = three(1)[0];
        address[3] memory callers = [stranger, submitter, owner];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotForCallers.selector));
            oracle.accumulateInference(one);
        }
    }

    /// @dev One word of the call's head or tails moved, a byte more or less: one calldata for one statement.
    function test_OtherEncodingsOfTheSameListAreRefused() public {
        bytes memory data = call(three(1));
        bytes memory malformed = abi.encodeWithSelector(IInferenceOracle.MalformedCalldata.selector);
        refused(bytes.concat(data, hex"00"), malformed, "a byte more");
        refused(bytes.concat(data, new bytes(32)), malformed, "a word more");
        // The tail of the last one's attestations is padded with zeros.
        bytes memory padded = call(three(1));
        padded[padded.length - 1] = 0x01;
        refused(padded, malformed, "padding");
        // The list's elements in another order in memory: the first two offsets changed over.
        bytes memory swapped = call(three(1));
        for (uint256 i = 0; i < 32; ++i) {
            (swapped[0x44 + i], swapped[0x64 + i]) = (swapped[0x64 + i], swapped[0x44 + i]);
        }
        refused(swapped, malformed, "changed over");
        // Two elements that are one: the second points to the first.
        bytes memory shared = call(three(1));
        for (uint256 i = 0; i < 32; ++i) {
            shared[0x64 + i] = shared[0x44 + i];
        }
        refused(shared, malformed, "shared");
        assertAccepted(data);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_NoByteOfTheCallIsFree(uint256 at, uint8 value) public {
        bytes memory data = call(three(1));
        at = bound(at, 4, data.length - 1);
        vm.assume(data[at] != bytes1(value));
        data[at] = bytes1(value);
        bytes32 before = records();
        (bool ok,) = send(submitter, data);
        vm.assertFalse(ok, "a byte changed");
        vm.assertEq(records(), before, "nothing recorded");
    }

    function test_AllOutputsOfEachAreKept() public {
        assertAccepted(call(three(1)));
        uint256 word = uint256(2) << 192 | uint256(uint64(int64(-7))) << 64 | 7;
        vm.assertEq(uint256(oracle.outputsOf(borrower, second)), word, "7 and -7");
        vm.assertEq(oracle.outputsOf(borrower, creditModel), bytes32(0), "one output");
    }
}
