// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ModelQuality} from "../src/examples/ModelQuality.sol";
import {IVerdictVerifier} from "../src/interfaces/IVerdictVerifier.sol";
import {FalseVerifier, IdealVerifier} from "./base/IdealVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

contract ModelQualityTest is TestBase {
    IdealVerifier internal verifier = new IdealVerifier();
    ModelQuality internal quality = new ModelQuality();
    address internal constant KEY = address(0xcafe);
    address internal constant AUDITOR = address(0xa0d1);
    uint256 internal constant SAMPLES_COMMITTED = 0x1234;
    bytes32 internal keyHash;

    function setUp() public {
        vm.etch(KEY, hex"00c0ffee");
        keyHash = KEY.codehash;
        vm.warp(1_000_000);
    }

    function _announce(uint64 samples, bool groups) private returns (bytes32) {
        vm.prank(AUDITOR);
        return quality.announce(verifier, KEY, keyHash, SAMPLES_COMMITTED, samples, groups);
    }

    function _totals(uint256 a, uint256 b, uint256 c, uint256 d)
        private
        pure
        returns (uint256[] memory totals)
    {
        totals = new uint256[](4);
        (totals[0], totals[1], totals[2], totals[3]) = (a, b, c, d);
    }

    function _proof(uint256 commitment, uint256[] memory totals) private view returns (bytes memory) {
        uint256[] memory instances = new uint256[](2 + totals.length);
        instances[1] = commitment;
        for (uint256 i = 0; i < totals.length; ++i) {
            instances[2 + i] = totals[i];
        }
        return verifier.prove(KEY, keyHash, instances);
    }

    function test_figuresAreThoseThatWereProven() public {
        bytes32 id = _announce(200, true);
        vm.expectRevert(abi.encodeWithSelector(ModelQuality.NothingProven.selector, id));
        quality.figuresOf(id);
        uint256[] memory totals = _totals(152, 19, 150, 171);
        bytes memory proof = _proof(SAMPLES_COMMITTED, totals);
        vm.warp(1_000_500);
        quality.prove(id, totals, proof);
        ModelQuality.Figures memory figures = quality.figuresOf(id);
        vm.assertEq(figures.provenAt, 1_000_500, "time");
        vm.assertEq(figures.right, 152, "right");
        vm.assertEq(figures.members[0], 29, "members of group 0");
        vm.assertEq(figures.members[1], 171, "members of group 1");
        vm.assertEq(figures.approved[0], 19, "approved of group 0");
        // 76 %, and 65.517 % against 87.719 %: 22.2021 points.
        vm.assertTrue(quality.isAccurate(id, 7600), "as accurate");
        vm.assertFalse(quality.isAccurate(id, 7601), "not more");
        vm.assertTrue(quality.isEven(id, 2221), "as even");
        vm.assertFalse(quality.isEven(id, 2220), "not more");
        // A test has one outcome, and one time of it.
        vm.warp(1_000_900);
        vm.expectRevert(abi.encodeWithSelector(ModelQuality.ProvenBefore.selector, id));
        quality.prove(id, totals, proof);
        vm.assertEq(quality.figuresOf(id).provenAt, 1_000_500, "time");
    }

    function test_noMoreAreApprovedThanThereAre() public {
        bytes32 id = _announce(200, true);
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory totals = i == 0 ? _totals(200, 101, 0, 100) : _totals(200, 0, 101, 100);
            bytes memory proof = _proof(SAMPLES_COMMITTED, totals);
            vm.expectRevert(ModelQuality.NotTheTotals.selector);
            quality.prove(id, totals, proof);
        }
    }

    function test_aProofOfOtherSamplesOrTotalsIsRefused() public {
        bytes32 id = _announce(200, true);
        uint256[] memory totals = _totals(152, 19, 150, 171);
        bytes memory other = _proof(SAMPLES_COMMITTED + 1, totals);
        vm.expectRevert(IdealVerifier.IdealProofDoesNotHold.selector);
        quality.prove(id, totals, other);
        bytes memory proof = _proof(SAMPLES_COMMITTED, totals);
        for (uint256 i = 0; i < 4; ++i) {
            uint256[] memory better = _totals(152, 19, 150, 171);
            better[i] += 1;
            vm.expectRevert(IdealVerifier.IdealProofDoesNotHold.selector);
            quality.prove(id, better, proof);
        }
    }

    function test_totalsAreAsManyAndNoMoreThanSamples() public {
        bytes32 id = _announce(200, false);
        uint256[] memory totals = _totals(152, 19, 150, 171);
        bytes memory proof = _proof(SAMPLES_COMMITTED, totals);
        vm.expectRevert(ModelQuality.NotTheTotals.selector);
        quality.prove(id, totals, proof);
        uint256[] memory one = new uint256[](1);
        one[0] = 201;
        proof = _proof(SAMPLES_COMMITTED, one);
        vm.expectRevert(ModelQuality.NotTheTotals.selector);
        quality.prove(id, one, proof);
        one[0] = 200;
        proof = _proof(SAMPLES_COMMITTED, one);
        quality.prove(id, one, proof);
        vm.assertTrue(quality.isAccurate(id, 10_000), "all right");
        vm.assertFalse(quality.isEven(id, 10_000), "no groups");
    }

    function test_aTestIsAnAuditorsOwnAndOfAKeyThatIsThere() public {
        bytes32 id = _announce(200, true);
        vm.prank(AUDITOR);
        vm.expectRevert(abi.encodeWithSelector(ModelQuality.AnnouncedBefore.selector, id));
        quality.announce(verifier, KEY, keyHash, SAMPLES_COMMITTED, 200, true);
        vm.assertTrue(
            id != quality.announce(verifier, KEY, keyHash, SAMPLES_COMMITTED, 200, true), "another auditor's"
        );
        vm.expectRevert(ModelQuality.NotATest.selector);
        quality.announce(verifier, KEY, bytes32(uint256(1)), SAMPLES_COMMITTED, 200, true);
        vm.expectRevert(ModelQuality.NotATest.selector);
        quality.announce(verifier, KEY, keyHash, SAMPLES_COMMITTED, 0, true);
        vm.expectRevert(ModelQuality.NotATest.selector);
        quality.announce(IVerdictVerifier(address(0xdead)), KEY, keyHash, SAMPLES_COMMITTED, 200, true);
        uint256[] memory totals = _totals(1, 1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(ModelQuality.UnknownTest.selector, bytes32(uint256(5))));
        quality.prove(bytes32(uint256(5)), totals, "");
    }

    function test_aVerifierThatAnswersFalseProvesNothing() public {
        bytes32 id = quality.announce(new FalseVerifier(), KEY, keyHash, SAMPLES_COMMITTED, 200, true);
        uint256[] memory totals = _totals(1, 1, 1, 1);
        vm.expectRevert(ModelQuality.ProofRefused.selector);
        quality.prove(id, totals, "");
    }

    /// forge-config: default.fuzz.runs = 256
    function testFuzz_evenIsTheDifferenceOfRates(uint64 m1, uint64 a0, uint64 a1, uint16 most) public {
        uint64 samples = 4096;
        m1 = uint64(bound(m1, 1, samples - 1));
        uint64 m0 = samples - m1;
        a0 = uint64(bound(a0, 0, m0));
        a1 = uint64(bound(a1, 0, m1));
        bytes32 id = _announce(samples, true);
        uint256[] memory totals = _totals(a0, a0, a1, m1);
        quality.prove(id, totals, _proof(SAMPLES_COMMITTED, totals));
        // |a0/m0 − a1/m1| ≤ most/10000, times the three denominators.
        int256 difference = int256(uint256(a0)) * int64(m1) - int256(uint256(a1)) * int64(m0);
        if (difference < 0) difference = -difference;
        bool even = uint256(difference) * 10_000 <= uint256(most) * m0 * m1;
        vm.assertEq(quality.isEven(id, most), even, "parity");
    }
}
