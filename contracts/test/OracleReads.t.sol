// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {CreditLine} from "../src/examples/CreditLine.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice What consumers read: freshness, the model a score comes from, and the example consumer.
contract OracleReadsTest is OracleFixture {
    function test_NoScoreIsNotAScoreOfZero() public {
        bytes memory none = abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower);
        vm.expectRevert(none);
        oracle.latestScore(borrower);
        vm.expectRevert(none);
        oracle.latestScoreOf(borrower, creditModel);
        vm.assertFalse(oracle.isFresh(borrower), "isFresh");
        vm.assertEq(oracle.nonceOf(borrower), 0, "nonceOf");
        IInferenceOracle.ScoreRecord memory empty;
        vm.assertEq(abi.encode(oracle.scoreOf(borrower)), abi.encode(empty), "scoreOf");
    }

    function test_AStaleScoreIsNotServed() public {
        assertAccepted(callOf(statement(1, 300_000)));
        vm.warp(START + TTL);
        vm.assertEq(oracle.latestScore(borrower), 300_000, "fresh in its last second");
        vm.assertTrue(oracle.isFresh(borrower), "fresh");

        vm.warp(START + TTL + 1);
        bytes memory stale =
            abi.encodeWithSelector(IInferenceOracle.StaleScore.selector, borrower, START, START + TTL);
        vm.expectRevert(stale);
        oracle.latestScore(borrower);
        vm.expectRevert(stale);
        oracle.latestScoreOf(borrower, creditModel);
        vm.assertFalse(oracle.isFresh(borrower), "stale");
        vm.assertEq(oracle.scoreOf(borrower).score, 300_000, "the record is still there");

        assertAccepted(callOf(statement(2, 200_000)));
        vm.assertEq(oracle.latestScore(borrower), 200_000, "a new score is fresh again");
    }

    function test_AScoreOfAnotherModelIsNotTakenForThisOne() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        Statement memory s = statement(1, 10);
        s.modelId = other;
        assertAccepted(callOf(s));
        vm.assertEq(oracle.latestScoreOf(borrower, other), 10, "its own model");
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.ScoreOfOtherModel.selector, borrower, creditModel, other)
        );
        oracle.latestScoreOf(borrower, creditModel);
    }

    function test_CreditLineAsksForCollateralByScore() public {
        CreditLine line = new CreditLine(oracle, creditModel, 6);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower));
        line.collateralFor(borrower, 1 ether);

        int256[6] memory scores = [int256(0), 100_000, 100_001, 250_000, 250_001, 500_000];
        uint256[6] memory percents = [uint256(50), 50, 100, 100, 150, 150];
        for (uint256 i = 0; i < scores.length; ++i) {
            assertAccepted(callOf(statement(i + 1, scores[i])));
            vm.assertEq(line.collateralFor(borrower, 200), 2 * percents[i], "collateral");
        }
        assertAccepted(callOf(statement(7, 500_001)));
        vm.expectRevert(
            abi.encodeWithSelector(CreditLine.BorrowerDeclined.selector, borrower, int256(500_001))
        );
        line.collateralFor(borrower, 200);

        vm.warp(START + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.StaleScore.selector, borrower, START, START + TTL)
        );
        line.collateralFor(borrower, 200);
    }

    function test_CreditLineRefusesScoresOutsideItsScale() public {
        uint256 id = registerModel(verificationData("scale", 0, 1, -10, 10_000_000));
        approve(id);
        CreditLine line = new CreditLine(oracle, id, 6);
        Statement memory s = statement(1, -1);
        s.modelId = id;
        assertAccepted(callOf(s));
        vm.expectRevert(abi.encodeWithSelector(CreditLine.ScoreOutOfScale.selector, int256(-1)));
        line.collateralPercent(borrower);
        s = statement(2, 1_000_001);
        s.modelId = id;
        assertAccepted(callOf(s));
        vm.expectRevert(abi.encodeWithSelector(CreditLine.ScoreOutOfScale.selector, int256(1_000_001)));
        line.collateralPercent(borrower);
    }
}
