// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ISignerRegistry} from "../src/interfaces/ISignerRegistry.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {SignerRegistry} from "../src/SignerRegistry.sol";
import {AttestationFixture, Wallet} from "./base/AttestationFixture.sol";

/// @notice Statements of data providers: which count, which are refused, and what a record says of them.
contract OracleAttestationsTest is AttestationFixture {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function both(Statement memory s) private view returns (bytes memory) {
        return bytes.concat(signed(s, vouch(0, ALICE)), signed(s, vouch(1, BOB)));
    }

    /// @dev Alice's good statement and then another one.
    function withAlice(Statement memory s, bytes memory second) private view returns (bytes memory) {
        return attestedCall(s, bytes.concat(signed(s, vouch(0, ALICE)), second));
    }

    function invalid(uint256 index) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISignerRegistry.InvalidAttestation.selector, index);
    }

    function test_ARecordSaysWhoVouched() public {
        Statement memory s = attested(1);
        assertAccepted(attestedCall(s, both(s)));
        IInferenceOracle.ScoreRecord memory record = oracle.scoreOf(borrower, model);
        vm.assertEq(record.signers, 3, "signers 0 and 1");
        vm.assertEq(record.prover, submitter, "the submitter beside them");
        vm.assertEq(int256(record.score), 123_456, "score");
        s = attested(2);
        assertAccepted(withAlice(s, signed(s, vouch(2, WALLET_KEY))));
        vm.assertEq(oracle.scoreOf(borrower, model).signers, 5, "signers 0 and 2");
    }

    function testFuzz_AnySubsetThatIsLargeEnoughCounts(uint8 subset) public {
        Statement memory s = attested(1);
        uint256[3] memory keys = [ALICE, BOB, WALLET_KEY];
        bytes memory list;
        uint256 count;
        for (uint8 i = 0; i < 3; ++i) {
            if (subset >> i & 1 == 0) continue;
            list = bytes.concat(list, signed(s, vouch(i, keys[i])));
            ++count;
        }
        if (count >= 2) {
            assertAccepted(attestedCall(s, list));
            vm.assertEq(oracle.scoreOf(borrower, model).signers, subset & 7, "bitmap");
        } else {
            bytes memory reason =
                abi.encodeWithSelector(IInferenceOracle.TooFewAttestations.selector, 2, count);
            assertUnrecorded(model, attestedCall(s, list), reason, "too few");
        }
    }

    /// forge-config: default.isolate = true
    function test_WhatTwoStatementsCost() public {
        Statement memory s = attested(1);
        bytes32 inputs = keccak256(abi.encodePacked(s.inputWords));
        signers.vouchersOf(s.subject, SCHEMA, inputs, both(s));
        vm.snapshotGasLastCall("vouchersOf two keys, as a transaction");
        vm.snapshotValue("runtime bytes of SignerRegistry", address(signers).code.length);
    }

    function test_ADuplicatedSignerIsRefused() public {
        Statement memory s = attested(1);
        Vouch memory again = vouch(0, ALICE);
        again.issuedAt -= 1;
        bytes memory reason = abi.encodeWithSelector(ISignerRegistry.SignersOutOfOrder.selector, 0);
        assertUnrecorded(model, withAlice(s, signed(s, again)), reason, "twice");
        bytes memory reversed = bytes.concat(signed(s, vouch(1, BOB)), signed(s, vouch(0, ALICE)));
        assertUnrecorded(model, attestedCall(s, reversed), reason, "in another order");
    }

    function test_AnExpiredAndAFutureStatementAreRefused() public {
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        (v.issuedAt, v.validUntil) = (uint64(block.timestamp), uint64(block.timestamp));
        assertAccepted(withAlice(s, signed(s, v)));
        s = attested(2);
        v.validUntil = uint64(block.timestamp - 1);
        bytes memory reason =
            abi.encodeWithSelector(ISignerRegistry.AttestationExpired.selector, 1, v.validUntil);
        assertUnrecorded(model, withAlice(s, signed(s, v)), reason, "expired");
        (v.issuedAt, v.validUntil) = (uint64(block.timestamp + 1), uint64(block.timestamp + 2));
        reason = abi.encodeWithSelector(ISignerRegistry.AttestationNotYetValid.selector, 1, v.issuedAt);
        assertUnrecorded(model, withAlice(s, signed(s, v)), reason, "of the future");
    }

    function testFuzz_NoStatementIsValidForLongerThanAMonth(uint64 age, uint64 validity) public {
        uint256 most = signers.MAX_VALIDITY();
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        age = uint64(bound(age, 0, 60 days));
        v.issuedAt = uint64(block.timestamp) - age;
        v.validUntil = v.issuedAt + uint64(bound(validity, age, 120 days));
        bytes memory data = withAlice(s, signed(s, v));
        if (v.validUntil - v.issuedAt > most) {
            bytes memory reason = abi.encodeWithSelector(ISignerRegistry.AttestationTooLong.selector, 1, most);
            assertUnrecorded(model, data, reason, "too long");
        } else {
            assertAccepted(data);
        }
    }

    /// @dev What is left to the provider: both hold, and who brings them chooses.
    function test_StatementsOnDifferentInputsOfASubjectAllCountUntilRevoked() public {
        Statement memory better = attested(1);
        Statement memory worse = attested(2);
        worse.inputWords[1] = 7;
        assertAccepted(attestedCall(better, both(better)));
        assertAccepted(attestedCall(worse, both(worse)));
        better.nonce = 3;
        bytes memory data = attestedCall(better, both(better));
        bytes32 digest = digestOf(better, vouch(0, ALICE));
        vm.prank(vm.addr(ALICE));
        signers.revokeAttestation(digest);
        assertUnrecorded(
            model,
            data,
            abi.encodeWithSelector(ISignerRegistry.AttestationIsRevoked.selector, 0, digest),
            "taken back"
        );
    }

    function test_TimesAreWhatWasSigned() public {
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        bytes memory old = signature(BOB, digestOf(s, v));
        v.validUntil += 1;
        assertUnrecorded(model, withAlice(s, pack(v, old)), invalid(1), "valid longer than was signed");
        v.validUntil -= 1;
        v.issuedAt -= 1;
        assertUnrecorded(model, withAlice(s, pack(v, old)), invalid(1), "issued earlier");
    }

    function test_ARevokedStatementIsRefusedAndOthersAreNot() public {
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        bytes32 digest = digestOf(s, v);
        // Not the signer's own revocation.
        vm.prank(stranger);
        signers.revokeAttestation(digest);
        assertAccepted(withAlice(s, signed(s, v)));
        vm.prank(vm.addr(BOB));
        signers.revokeAttestation(digest);
        s = attested(2);
        bytes memory reason = abi.encodeWithSelector(ISignerRegistry.AttestationIsRevoked.selector, 1, digest);
        assertUnrecorded(model, withAlice(s, signed(s, v)), reason, "revoked");
        v.issuedAt += 1;
        assertAccepted(withAlice(s, signed(s, v)));
    }

    function test_ForeignDomainsSubjectsSchemasAndInputsAreRefused() public {
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        Statement memory other = attested(1);
        other.subject = stranger;
        assertUnrecorded(
            model, withAlice(s, pack(v, signature(BOB, digestOf(other, v)))), invalid(1), "subject"
        );
        other = attested(1);
        other.inputWords[1] = 0;
        assertUnrecorded(
            model, withAlice(s, pack(v, signature(BOB, digestOf(other, v)))), invalid(1), "inputs"
        );
        bytes32 inputs = keccak256(abi.encodePacked(s.inputWords));
        bytes32 digest =
            signers.attestationDigest(vm.addr(BOB), borrower, bytes32(0), inputs, v.issuedAt, v.validUntil);
        assertUnrecorded(model, withAlice(s, pack(v, signature(BOB, digest))), invalid(1), "schema");
        SignerRegistry second = new SignerRegistry(owner);
        digest = second.attestationDigest(vm.addr(BOB), borrower, SCHEMA, inputs, v.issuedAt, v.validUntil);
        assertUnrecorded(
            model, withAlice(s, pack(v, signature(BOB, digest))), invalid(1), "another registry's"
        );
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        digest = digestOf(s, v);
        vm.chainId(chain);
        assertUnrecorded(model, withAlice(s, pack(v, signature(BOB, digest))), invalid(1), "another chain's");
    }

    /// @dev Proposes a contract of a key's, which accepts.
    function addWallet(uint256 key) private returns (uint8 index) {
        Wallet added = new Wallet(vm.addr(key));
        vm.prank(owner);
        signers.proposeSigner(address(added));
        added.accept(signers);
        vm.warp(block.timestamp + signers.SIGNER_DELAY());
        return uint8(signers.signerIndexOf(address(added)));
    }

    function test_OneSignatureIsOfOneAccount() public {
        uint8 second = addWallet(ALICE);
        Statement memory s = attested(1);
        Vouch memory v = vouch(0, ALICE);
        bytes memory once = signature(ALICE, digestOf(s, v));
        v.index = second;
        // The wallet takes whatever its key signed, and this was signed for the key's own account.
        assertUnrecorded(model, withAlice(s, pack(v, once)), invalid(second), "twice the same signature");
        assertAccepted(withAlice(s, signed(s, v)));
    }

    function test_WhatWasSignedForARemovedAccountCountsForNoOtherOne() public {
        Statement memory s = attested(1);
        Vouch memory v = Vouch(2, WALLET_KEY, uint64(block.timestamp), uint64(block.timestamp + 10 days));
        bytes memory old = signature(WALLET_KEY, digestOf(s, v));
        vm.prank(owner);
        signers.removeSigner(address(wallet));
        v.index = addWallet(WALLET_KEY);
        s.deadline = uint64(block.timestamp + 1 hours);
        assertUnrecorded(model, withAlice(s, pack(v, old)), invalid(v.index), "the removed account's");
    }

    function test_MalleableAndOddSignaturesAreRefused() public {
        Statement memory s = attested(1);
        Vouch memory v = vouch(1, BOB);
        (uint8 parity, bytes32 r, bytes32 low) = vm.sign(BOB, digestOf(s, v));
        bytes memory high = abi.encodePacked(r, bytes32(ORDER - uint256(low)), uint8(55 - parity));
        assertUnrecorded(model, withAlice(s, pack(v, high)), invalid(1), "the other s");
        assertUnrecorded(model, withAlice(s, pack(v, "")), invalid(1), "no signature");
        bytes memory compact = abi.encodePacked(r, uint256(low) | uint256(parity - 27) << 255);
        assertUnrecorded(model, withAlice(s, pack(v, compact)), invalid(1), "the form of 64 bytes");
        bytes memory long = abi.encodePacked(r, low, parity, uint8(0));
        assertUnrecorded(model, withAlice(s, pack(v, long)), invalid(1), "a byte too many");
        assertUnrecorded(
            model, withAlice(s, pack(v, abi.encodePacked(r, low, uint8(0)))), invalid(1), "no parity"
        );
        assertUnrecorded(model, withAlice(s, signed(s, vouch(1, ALICE))), invalid(1), "another signer's");
        assertAccepted(withAlice(s, signed(s, v)));
    }

    function test_AContractMaySignAndStopToDoSo() public {
        Statement memory s = attested(1);
        assertAccepted(withAlice(s, signed(s, vouch(2, WALLET_KEY))));
        s = attested(2);
        assertUnrecorded(model, withAlice(s, signed(s, vouch(2, BOB))), invalid(2), "not its key");
        wallet.close();
        assertUnrecorded(model, withAlice(s, signed(s, vouch(2, WALLET_KEY))), invalid(2), "closed");
    }

    function testFuzz_OneListHasOneEncoding(uint256 at, uint8 flip) public {
        Statement memory s = attested(1);
        bytes memory good = attestedCall(s, both(s));
        bytes memory data = bytes.concat(good);
        // Anything behind the model's id: statement, proof, attestations, padding, lengths, offsets.
        at = 0x24 + at % (data.length - 0x24);
        data[at] = bytes1(uint8(data[at]) ^ uint8(bound(flip, 1, 255)));
        (bool ok,) = send(submitter, data);
        vm.assertFalse(ok, "a byte of the call was changed");
        (ok,) = send(submitter, bytes.concat(good, hex"00"));
        vm.assertFalse(ok, "a byte behind the end");
        assertAccepted(good);
    }

    function test_ATruncatedListIsRefused() public {
        Statement memory s = attested(1);
        bytes memory list = both(s);
        uint256 second = list.length / 2;
        for (uint256 length = second + 1; length < list.length; length += 9) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = list[i];
            }
            bytes memory reason =
                abi.encodeWithSelector(ISignerRegistry.MalformedAttestations.selector, second);
            assertUnrecorded(model, attestedCall(s, cut), reason, "cut");
        }
    }

    function test_NoneIsRecordedWithoutAttestationsWhereTheyAreDemanded() public {
        Statement memory s = attested(1);
        bytes memory required = abi.encodeWithSelector(IInferenceOracle.AttestationsRequired.selector, model);
        assertUnrecorded(model, callOf(s), required, "verifyInference");
        bytes memory check = abi.encodeCall(
            oracle.checkInference,
            (model, commitmentOf(s, address(oracle)), abi.encode(s.values), encodeProof(s, prove(s)))
        );
        assertUnrecorded(model, check, required, "checkInference");
        Statement memory free = statement(1, 1);
        assertUnrecorded(
            model,
            attestedCall(free, ""),
            abi.encodeWithSelector(IInferenceOracle.AttestationsNotDemanded.selector, creditModel),
            "where none are demanded"
        );
    }

    /// @dev Approves `model` with a policy, which has to end with `reason`, or without one if that is empty.
    function reapprove(IInferenceOracle.AttestationPolicy memory policy, bytes memory reason) private {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(model);
        if (reason.length != 0) vm.expectRevert(reason);
        vm.prank(owner);
        oracle.approveAttestedModel(model, commitmentFor(data.keyHash), data, data.verifier.codehash, policy);
    }

    function test_WhatWasDemandedFirstIsDemandedForGood() public {
        bytes memory other = abi.encodeWithSelector(IInferenceOracle.OtherPolicyBefore.selector, model);
        IInferenceOracle.AttestationPolicy memory policy = oracle.attestationPolicyOf(model);
        vm.assertEq(oracle.demandOf(model), keccak256(abi.encode(policy)), "its hash");
        vm.prank(owner);
        oracle.revokeModel(model);
        vm.assertEq(oracle.demandOf(model), keccak256(abi.encode(policy)), "stays");
        SignerRegistry puppets = new SignerRegistry(owner);
        reapprove(IInferenceOracle.AttestationPolicy(address(puppets), 2, SCHEMA), other);
        reapprove(IInferenceOracle.AttestationPolicy(address(signers), 1, SCHEMA), other);
        reapprove(IInferenceOracle.AttestationPolicy(address(signers), 2, "other"), other);
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(model);
        vm.expectRevert(other);
        vm.prank(owner);
        oracle.approveModel(model, commitmentFor(data.keyHash), data, data.verifier.codehash);
        vm.assertFalse(oracle.isModelApproved(model), "by none of these");
        reapprove(policy, "");
        Statement memory s = attested(1);
        assertAccepted(attestedCall(s, both(s)));
        // The same model under a new id may demand something else.
        uint256 anew = registerModel(data);
        vm.assertEq(oracle.demandOf(anew), bytes32(0), "never approved");
        approveWith(anew, address(puppets), 1, "other");
        vm.assertEq(oracle.attestationPolicyOf(anew).signers, address(puppets), "another id");
    }

    function test_WhereNothingWasDemandedFirstNothingIsDemandedForGood() public {
        model = registerModel(verificationData("free", 1, 1, 0, 1));
        approve(model);
        vm.prank(owner);
        oracle.revokeModel(model);
        reapprove(
            IInferenceOracle.AttestationPolicy(address(signers), 1, SCHEMA),
            abi.encodeWithSelector(IInferenceOracle.OtherPolicyBefore.selector, model)
        );
        vm.assertEq(oracle.attestationPolicyOf(model).threshold, 0, "nothing");
        approve(model);
        vm.assertTrue(oracle.isModelApproved(model), "as before");
    }

    /// @dev Bits of a record are read by the model's policy: the owner must not be able to put another one there.
    function test_ARecordsSignersKeepTheirMeaningWhateverTheOwnerDoes() public {
        Statement memory s = attested(1);
        assertAccepted(attestedCall(s, both(s)));
        vm.prank(owner);
        oracle.revokeModel(model);
        SignerRegistry puppets = new SignerRegistry(owner);
        vm.prank(owner);
        puppets.proposeSigner(stranger);
        reapprove(
            IInferenceOracle.AttestationPolicy(address(puppets), 1, SCHEMA),
            abi.encodeWithSelector(IInferenceOracle.OtherPolicyBefore.selector, model)
        );
        vm.assertEq(oracle.scoreOf(borrower, model).signers, 3, "signers 0 and 1");
        vm.assertEq(oracle.attestationPolicyOf(model).signers, address(signers), "of the same registry");
        vm.assertEq(signers.signerAt(0).account, vm.addr(ALICE), "Alice is 0");
    }

    function test_AnEventSaysWhoVouchedForEachScore() public {
        Statement memory s = attested(1);
        bytes memory data = attestedCall(s, both(s));
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ScoreRecorded(borrower, model, 123_456, 1);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.InputsVouched(borrower, model, 3);
        assertAccepted(data);
        s = attested(2);
        data = withAlice(s, signed(s, vouch(2, WALLET_KEY)));
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.ScoreRecorded(borrower, model, 123_456, 2);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.InputsVouched(borrower, model, 5);
        assertAccepted(data);
    }

    function test_ARevokedModelKeepsItsPolicyAndTakesNoScores() public {
        vm.assertEq(oracle.attestationPolicyOf(model).schema, SCHEMA, "schema");
        vm.assertEq(oracle.attestationPolicyOf(model).threshold, 2, "threshold");
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(model);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelAlreadyApproved.selector, model));
        oracle.approveModel(model, commitmentFor(data.keyHash), data, data.verifier.codehash);
        vm.prank(owner);
        oracle.revokeModel(model);
        vm.assertEq(oracle.attestationPolicyOf(model).threshold, 2, "records are read by it");
        Statement memory s = attested(1);
        bytes memory reason = abi.encodeWithSelector(IInferenceOracle.ModelNotApproved.selector, model);
        assertUnrecorded(model, attestedCall(s, both(s)), reason, "revoked");
    }

    function test_NobodyCanVouchForPrivateInputsOrDemandNonsense() public {
        uint256 hidden = registerModel(verificationData("hidden", 0, 1, 0, 1));
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(hidden);
        IInferenceOracle.AttestationPolicy memory policy =
            IInferenceOracle.AttestationPolicy(address(signers), 1, SCHEMA);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ModelNotAttestable.selector, hidden));
        vm.prank(owner);
        oracle.approveAttestedModel(hidden, commitmentFor(data.keyHash), data, data.verifier.codehash, policy);
        for (uint8 i = 0; i < 2; ++i) {
            policy.threshold = i == 0 ? 0 : 33;
            vm.expectRevert(
                abi.encodeWithSelector(IInferenceOracle.InvalidThreshold.selector, policy.threshold)
            );
            vm.prank(owner);
            oracle.approveAttestedModel(
                hidden, commitmentFor(data.keyHash), data, data.verifier.codehash, policy
            );
        }
    }
}
