// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {CreditLine} from "../src/examples/CreditLine.sol";
import {ScoreConsumer} from "../src/ScoreConsumer.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice What consumers read: freshness, the model a score comes from, and the example consumer.
contract OracleReadsTest is OracleFixture {
    function test_NoScoreIsNotAScoreOfZero() public {
        bytes memory none = abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower, creditModel);
        vm.expectRevert(none);
        oracle.latestScoreOf(borrower, creditModel);
        vm.assertFalse(oracle.isFresh(borrower, creditModel), "isFresh");
        vm.assertEq(oracle.nonceOf(borrower, creditModel), 0, "nonceOf");
        IInferenceOracle.ScoreRecord memory empty;
        vm.assertEq(abi.encode(oracle.scoreOf(borrower, creditModel)), abi.encode(empty), "scoreOf");
    }

    function test_AStaleScoreIsNotServed() public {
        assertAccepted(callOf(statement(1, 300_000)));
        vm.warp(START + TTL);
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 300_000, "fresh in its last second");
        vm.assertTrue(oracle.isFresh(borrower, creditModel), "fresh");

        vm.warp(START + TTL + 1);
        bytes memory stale = abi.encodeWithSelector(
            IInferenceOracle.StaleScore.selector, borrower, creditModel, START, START + TTL
        );
        vm.expectRevert(stale);
        oracle.latestScoreOf(borrower, creditModel);
        vm.assertFalse(oracle.isFresh(borrower, creditModel), "stale");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).score, 300_000, "the record is still there");

        assertAccepted(callOf(statement(2, 200_000)));
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 200_000, "a new score is fresh again");
    }

    function test_ASecondModelsScoreHidesNothing() public {
        uint256 other = registerModel(verificationData("other", 0, 1, 0, 1_000_000));
        approve(other);
        assertAccepted(callOf(statement(1, 300_000)));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower, other));
        oracle.latestScoreOf(borrower, other);
        vm.assertFalse(oracle.isFresh(borrower, other), "no score by this one");

        Statement memory s = statement(1, 10);
        s.modelId = other;
        assertAccepted(callOf(s));
        vm.assertEq(oracle.latestScoreOf(borrower, other), 10, "its own");
        vm.assertEq(oracle.latestScoreOf(borrower, creditModel), 300_000, "its own");
    }

    function test_CreditLineAsksForLessCollateralTheBetterTheScore() public {
        CreditLine line = new CreditLine(oracle, creditModel);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower, creditModel));
        line.collateralFor(borrower, 1 ether);

        int256[6] memory scores = [int256(1_000_000), 900_000, 899_999, 750_000, 749_999, 500_000];
        uint256[6] memory percents = [uint256(50), 50, 100, 100, 150, 150];
        for (uint256 i = 0; i < scores.length; ++i) {
            assertAccepted(callOf(statement(i + 1, scores[i])));
            vm.assertEq(line.collateralFor(borrower, 200), 2 * percents[i], "collateral");
        }
        // The worst score there is: a certain default.
        int256[2] memory bad = [int256(499_999), 0];
        for (uint256 i = 0; i < bad.length; ++i) {
            assertAccepted(callOf(statement(7 + i, bad[i])));
            vm.expectRevert(abi.encodeWithSelector(CreditLine.BorrowerDeclined.selector, borrower, bad[i]));
            line.collateralFor(borrower, 200);
        }

        vm.warp(START + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.StaleScore.selector, borrower, creditModel, START, START + TTL
            )
        );
        line.collateralFor(borrower, 200);
    }

    function test_CreditLineRefusesAModelWhoseDirectionIsNotItsOwn() public {
        IModelRegistry.ScoreDirection[2] memory wrong =
            [IModelRegistry.ScoreDirection.LowerIsBetter, IModelRegistry.ScoreDirection.Unspecified];
        for (uint256 i = 0; i < wrong.length; ++i) {
            IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1_000_000);
            data.direction = wrong[i];
            uint256 id = registerModel(data);
            approve(id);
            vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.WrongScoreDirection.selector, id, wrong[i]));
            new CreditLine(oracle, id);
        }
    }

    function test_CreditLineTakesItsScaleFromTheModel() public {
        IModelRegistry.VerificationData memory data = verificationData("m", 0, 1, 0, 1000);
        data.decimals = 3;
        uint256 id = registerModel(data);
        vm.assertEq(new CreditLine(oracle, id).one(), 1000, "three decimals");
        data.outputs = 2;
        id = registerModel(data);
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.NotOneOutput.selector, id, 2));
        new CreditLine(oracle, id);
    }

    function test_CreditLineRefusesScoresOutsideItsScale() public {
        uint256 id = registerModel(verificationData("scale", 0, 1, -10, 10_000_000));
        approve(id);
        CreditLine line = new CreditLine(oracle, id);
        Statement memory s = statement(1, -1);
        s.modelId = id;
        assertAccepted(callOf(s));
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.ScoreOutOfScale.selector, int256(-1)));
        line.collateralPercent(borrower);
        s = statement(2, 1_000_001);
        s.modelId = id;
        assertAccepted(callOf(s));
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.ScoreOutOfScale.selector, int256(1_000_001)));
        line.collateralPercent(borrower);
    }
}
