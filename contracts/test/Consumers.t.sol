// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ScoreFeed} from "../src/adapters/ScoreFeed.sol";
import {ClassifierMarket} from "../src/examples/ClassifierMarket.sol";
import {CreditLine} from "../src/examples/CreditLine.sol";
import {FraudGate} from "../src/examples/FraudGate.sol";
import {InsurancePremium} from "../src/examples/InsurancePremium.sol";
import {OutputsConsumer} from "../src/OutputsConsumer.sol";
import {ScoreConsumer} from "../src/ScoreConsumer.sol";
import {ScoreVotes} from "../src/examples/ScoreVotes.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {OutputWords} from "../src/libraries/OutputWords.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A token to send about.
contract Coin is ERC20("Coin", "COIN") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Takes no ether while it is told so, and tries to be paid twice.
contract Better {
    ClassifierMarket private immutable market;
    bool public again;

    constructor(ClassifierMarket market_) payable {
        market = market_;
        market.bet{value: msg.value}(true);
    }

    function claim(bool again_) external {
        again = again_;
        market.claim();
    }

    receive() external payable {
        if (again) market.claim();
    }
}

/// @notice Contracts that read scores: what they let pass, and what they refuse.
contract ConsumersTest is OracleFixture {
    uint256 private fraudModel;
    Coin private coin;

    function setUp() public override {
        super.setUp();
        IModelRegistry.VerificationData memory data = verificationData("fraud", 0, 1, 0, 1_000_000);
        data.direction = IModelRegistry.ScoreDirection.LowerIsBetter;
        fraudModel = registerModel(data);
        approve(fraudModel);
        coin = new Coin();
    }

    /// @dev Records a score with the subject's next nonce.
    function score(address subject, uint256 modelId, int256 value) private {
        Statement memory s = statement(oracle.nonceOf(subject, modelId) + 1, value);
        (s.subject, s.modelId) = (subject, modelId);
        assertAccepted(callOf(s));
    }

    function wrongDirection(uint256 id) private view returns (bytes memory) {
        (IModelRegistry.VerificationData memory data,) = registry.verificationOf(id);
        return abi.encodeWithSelector(ScoreConsumer.WrongScoreDirection.selector, id, data.direction);
    }

    function test_EachConsumerRefusesAModelThatIsReadTheOtherWay() public {
        vm.expectRevert(wrongDirection(creditModel));
        new FraudGate(oracle, creditModel, coin, owner);
        vm.expectRevert(wrongDirection(fraudModel));
        new ScoreVotes(oracle, fraudModel);
        vm.expectRevert(wrongDirection(fraudModel));
        new ClassifierMarket(oracle, fraudModel, borrower, block.timestamp + 1);
    }

    /// @dev A model whose scores are between 0 and `max` in units of 10^-decimals.
    function scaled(uint8 decimals, int64 max, IModelRegistry.ScoreDirection direction)
        private
        returns (uint256 id)
    {
        IModelRegistry.VerificationData memory data =
            verificationData(string(abi.encodePacked("scaled", decimals, direction)), 0, 1, 0, max);
        (data.decimals, data.direction) = (decimals, direction);
        id = registerModel(data);
        approve(id);
    }

    // ------------------------------------------------------------- credit line

    function test_TermsFollowTheScore() public {
        CreditLine line = new CreditLine(oracle, creditModel);
        int256[6] memory scores = [int256(1_000_000), 900_000, 899_999, 750_000, 749_999, 500_000];
        uint256[6] memory percents = [uint256(50), 50, 100, 100, 150, 150];
        for (uint256 i = 0; i < 6; ++i) {
            score(borrower, creditModel, scores[i]);
            vm.assertEq(line.collateralPercent(borrower), percents[i], "percent");
        }
        score(borrower, creditModel, 499_999);
        vm.expectRevert(
            abi.encodeWithSelector(CreditLine.BorrowerDeclined.selector, borrower, int256(499_999))
        );
        line.collateralPercent(borrower);
    }

    function test_AScaleWithoutDecimalsMakesNoBadScoreAGoodOne() public {
        uint256 id = scaled(0, 1, IModelRegistry.ScoreDirection.HigherIsBetter);
        CreditLine line = new CreditLine(oracle, id);
        score(borrower, id, 0);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.BorrowerDeclined.selector, borrower, int256(0)));
        line.collateralPercent(borrower);
        score(borrower, id, 1);
        vm.assertEq(line.collateralPercent(borrower), 50, "the best");
        id = scaled(0, 1, IModelRegistry.ScoreDirection.LowerIsBetter);
        FraudGate gate = new FraudGate(oracle, id, coin, owner);
        coin.mint(borrower, 2);
        vm.startPrank(borrower);
        coin.approve(address(gate), 2);
        vm.stopPrank();
        score(borrower, id, 1);
        vm.prank(borrower);
        vm.assertFalse(gate.send(stranger, 1), "a fraud");
        score(borrower, id, 0);
        vm.prank(borrower);
        vm.assertTrue(gate.send(stranger, 1), "none");
    }

    function testFuzz_CollateralIsRoundedUp(uint128 amount) public {
        CreditLine line = new CreditLine(oracle, creditModel);
        score(borrower, creditModel, 950_000);
        uint256 collateral = line.collateralFor(borrower, amount);
        vm.assertTrue(collateral * 2 >= amount && collateral * 2 <= uint256(amount) + 1, "half, rounded up");
    }

    // -------------------------------------------------------------- fraud gate

    function gateWith(uint256 amount) private returns (FraudGate gate) {
        gate = new FraudGate(oracle, fraudModel, coin, owner);
        coin.mint(borrower, amount);
        vm.prank(borrower);
        coin.approve(address(gate), type(uint256).max);
    }

    function test_AGoodSendersTransferPassesAtOnce() public {
        FraudGate gate = gateWith(100);
        score(borrower, fraudModel, 99_999);
        vm.expectEmit(address(gate));
        emit FraudGate.Passed(borrower, stranger, 60);
        vm.prank(borrower);
        vm.assertTrue(gate.send(stranger, 60), "passed");
        vm.assertEq(coin.balanceOf(stranger), 60, "arrived");
        vm.expectRevert(abi.encodeWithSelector(FraudGate.NothingToTransfer.selector));
        vm.prank(borrower);
        gate.send(stranger, 0);
    }

    function testFuzz_EverythingElseIsHeldAndEndsOnce(uint256 how, bool pass) public {
        FraudGate gate = gateWith(100);
        // Suspicious, never rated, or rated too long ago.
        if (how % 3 == 0) score(borrower, fraudModel, 100_000);
        if (how % 3 == 1) {
            score(borrower, fraudModel, 0);
            vm.warp(block.timestamp + TTL + 1);
        }
        vm.prank(borrower);
        vm.assertFalse(gate.send(stranger, 100), "held");
        vm.assertEq(coin.balanceOf(address(gate)), 100, "with the gate");
        vm.expectRevert(abi.encodeWithSelector(FraudGate.NotTheReviewer.selector, borrower));
        vm.prank(borrower);
        gate.decide(0, true);
        uint256 until = block.timestamp + gate.HOLD();
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(FraudGate.NotYetYours.selector, 0, until));
        vm.prank(borrower);
        gate.takeBack(0);
        if (how % 2 == 0) {
            vm.prank(owner);
            gate.decide(0, pass);
            vm.assertEq(coin.balanceOf(pass ? stranger : borrower), 100, "as decided");
        } else {
            vm.warp(until);
            vm.expectRevert(abi.encodeWithSelector(FraudGate.NotYetYours.selector, 0, until));
            vm.prank(stranger);
            gate.takeBack(0);
            vm.prank(borrower);
            gate.takeBack(0);
            vm.assertEq(coin.balanceOf(borrower), 100, "back");
        }
        vm.expectRevert(abi.encodeWithSelector(FraudGate.NothingToTransfer.selector));
        vm.prank(owner);
        gate.decide(0, true);
        vm.assertEq(coin.balanceOf(address(gate)), 0, "nothing stays");
    }

    /// @dev A score is whatever the model's range allows: what is no probability speaks for nobody.
    function testFuzz_AScoreThatIsNoProbabilityIsHeld(int256 value) public {
        value = bound(value, -50, 2_000_000);
        IModelRegistry.VerificationData memory data = verificationData("wide", 0, 1, -50, 2_000_000);
        data.direction = IModelRegistry.ScoreDirection.LowerIsBetter;
        fraudModel = registerModel(data);
        approve(fraudModel);
        FraudGate gate = gateWith(100);
        score(borrower, fraudModel, value);
        vm.prank(borrower);
        vm.assertEq(gate.send(stranger, 100), value >= 0 && value < 100_000, "passed");
        vm.assertEq(gate.count(), value >= 0 && value < 100_000 ? 0 : 1, "held");
    }

    function test_WhatWouldStayWithTheGateIsRefused() public {
        FraudGate gate = gateWith(100);
        address[2] memory nobodies = [address(gate), address(0)];
        for (uint256 rated = 0; rated < 2; ++rated) {
            for (uint256 i = 0; i < 2; ++i) {
                vm.expectRevert(abi.encodeWithSelector(FraudGate.NoRecipient.selector, nobodies[i]));
                vm.prank(borrower);
                gate.send(nobodies[i], 100);
            }
            score(borrower, fraudModel, 0);
        }
        vm.assertEq(coin.balanceOf(borrower), 100, "nothing moved");
    }

    // ------------------------------------------------------------------- votes

    function test_VotesWeighAsMuchAsScores() public {
        ScoreVotes votes = new ScoreVotes(oracle, creditModel);
        bytes32 text = keccak256("first");
        bytes32 first = votes.proposalOf(borrower, text);
        score(borrower, creditModel, 600_000);
        score(stranger, creditModel, 500_000);
        score(owner, creditModel, 200_000);
        vm.expectEmit(address(votes));
        emit ScoreVotes.Proposed(first, borrower, text, block.timestamp + votes.PERIOD());
        vm.prank(borrower);
        vm.assertEq(votes.propose(text), first, "its name");
        vm.expectRevert(abi.encodeWithSelector(ScoreVotes.AlreadyProposed.selector, first));
        vm.prank(borrower);
        votes.propose(text);
        vm.prank(borrower);
        votes.vote(first, true);
        vm.prank(stranger);
        votes.vote(first, false);
        vm.expectRevert(abi.encodeWithSelector(ScoreVotes.AlreadyVoted.selector, first, stranger));
        vm.prank(stranger);
        votes.vote(first, false);
        uint256 end = block.timestamp + votes.PERIOD();
        vm.expectRevert(abi.encodeWithSelector(ScoreVotes.StillOpen.selector, first, end));
        votes.accepted(first);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, modelOwner, creditModel));
        vm.prank(modelOwner);
        votes.vote(first, false);
        vm.prank(owner);
        votes.vote(first, false);
        vm.warp(end);
        vm.assertFalse(votes.accepted(first), "0.6 against 0.7");
        vm.expectRevert(abi.encodeWithSelector(ScoreVotes.NotOpen.selector, first));
        vm.prank(submitter);
        votes.vote(first, true);
        vm.expectRevert(abi.encodeWithSelector(ScoreVotes.NotOpen.selector, bytes32(0)));
        votes.accepted(bytes32(0));
    }

    function test_NobodyTakesAProposalFromAnybodyElse() public {
        ScoreVotes votes = new ScoreVotes(oracle, creditModel);
        score(stranger, creditModel, 0);
        vm.prank(stranger);
        votes.propose("upgrade");
        vm.warp(block.timestamp + votes.PERIOD());
        score(borrower, creditModel, 1_000_000);
        vm.startPrank(borrower);
        bytes32 own = votes.propose("upgrade");
        votes.vote(own, true);
        vm.stopPrank();
        vm.warp(block.timestamp + votes.PERIOD());
        vm.assertTrue(votes.accepted(own), "on its own");
        vm.assertFalse(votes.accepted(votes.proposalOf(stranger, "upgrade")), "the other");
    }

    // ------------------------------------------------------------------ market

    function market() private returns (ClassifierMarket m) {
        m = new ClassifierMarket(oracle, creditModel, borrower, block.timestamp + 1 days);
        (bool ok,) = payable(stranger).call{value: 3 ether}("");
        (bool too,) = payable(owner).call{value: 1 ether}("");
        vm.assertTrue(ok && too, "funded");
        vm.prank(stranger);
        m.bet{value: 3 ether}(true);
        vm.prank(owner);
        m.bet{value: 1 ether}(false);
    }

    function testFuzz_WinnersShareWhatWasBetAndNoMore(int256 value) public {
        value = bound(value, 0, 1_000_000);
        ClassifierMarket m = market();
        score(borrower, creditModel, 1_000_000 - value);
        vm.expectRevert(
            abi.encodeWithSelector(ClassifierMarket.WrongTime.selector, block.timestamp, m.closes())
        );
        m.resolve();
        vm.warp(m.closes());
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.NoRecordYet.selector, START, m.closes()));
        m.resolve();
        score(borrower, creditModel, value);
        m.resolve();
        bool yes = value >= 500_000;
        vm.assertEq(uint256(m.outcome()), yes ? 1 : 2, "outcome");
        (address winner, address loser) = yes ? (stranger, owner) : (owner, stranger);
        vm.prank(winner);
        m.claim();
        vm.assertEq(winner.balance, 4 ether, "all of it");
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.NothingDue.selector, loser));
        vm.prank(loser);
        m.claim();
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.NothingDue.selector, winner));
        vm.prank(winner);
        m.claim();
        // A later record decides nothing any more.
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.WrongState.selector, m.outcome()));
        m.resolve();
    }

    function test_BetsComeBackWhenNothingIsRecordedInTime() public {
        ClassifierMarket m = market();
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.WrongState.selector, m.outcome()));
        m.claim();
        vm.warp(m.closes() + m.RESOLUTION_PERIOD());
        score(borrower, creditModel, 1);
        m.resolve();
        vm.prank(stranger);
        m.claim();
        vm.prank(owner);
        m.claim();
        vm.assertEq(stranger.balance, 3 ether, "back");
        vm.assertEq(owner.balance, 1 ether, "back");
        vm.expectRevert(
            abi.encodeWithSelector(ClassifierMarket.WrongTime.selector, block.timestamp, m.closes())
        );
        m.bet(true);
    }

    function testFuzz_ARecordMadeInTimeCountsWheneverSomebodyResolves(uint256 when, uint256 later) public {
        ClassifierMarket m = market();
        when = bound(when, 0, m.RESOLUTION_PERIOD() - 1);
        vm.warp(m.closes() + when);
        score(borrower, creditModel, 500_000);
        vm.warp(block.timestamp + bound(later, 0, 400 days));
        m.resolve();
        vm.assertEq(uint256(m.outcome()), 1, "yes");
    }

    function test_ARecordThatIsReplacedAfterTheWeekCountsNoMore() public {
        ClassifierMarket m = market();
        vm.warp(m.closes());
        score(borrower, creditModel, 500_000);
        vm.warp(m.closes() + m.RESOLUTION_PERIOD());
        score(borrower, creditModel, 1);
        m.resolve();
        vm.assertEq(uint256(m.outcome()), 3, "void");
    }

    function test_AScoreThatIsNoProbabilityHoldsNoBetsBack() public {
        uint256 id = scaled(6, 2_000_000, IModelRegistry.ScoreDirection.HigherIsBetter);
        ClassifierMarket m = new ClassifierMarket(oracle, id, borrower, block.timestamp + 1);
        m.bet{value: 1 ether}(true);
        vm.warp(m.closes());
        score(borrower, id, 1_000_001);
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.ScoreOutOfScale.selector, int256(1_000_001)));
        m.resolve();
        vm.warp(m.closes() + m.RESOLUTION_PERIOD());
        m.resolve();
        vm.assertEq(uint256(m.outcome()), 3, "void");
        uint256 before = address(this).balance;
        m.claim();
        vm.assertEq(address(this).balance - before, 1 ether, "back");
    }

    receive() external payable {}

    function test_ABetterCannotBePaidTwice() public {
        ClassifierMarket m = market();
        Better greedy = new Better{value: 1 ether}(m);
        vm.warp(m.closes());
        score(borrower, creditModel, 1_000_000);
        m.resolve();
        vm.expectRevert(abi.encodeWithSelector(ClassifierMarket.PaymentFailed.selector, address(greedy)));
        greedy.claim(true);
        greedy.claim(false);
        vm.assertEq(address(greedy).balance, 1.25 ether, "a fourth of five");
        vm.assertEq(address(m).balance, 3.75 ether, "the rest is the others'");
    }

    function test_AMarketWithoutAWinnerIsVoid() public {
        ClassifierMarket m = new ClassifierMarket(oracle, creditModel, borrower, block.timestamp + 1);
        m.bet{value: 1 ether}(false);
        vm.warp(m.closes());
        score(borrower, creditModel, 500_000);
        m.resolve();
        vm.assertEq(uint256(m.outcome()), 3, "void");
        vm.expectRevert(
            abi.encodeWithSelector(ClassifierMarket.WrongTime.selector, block.timestamp, block.timestamp)
        );
        new ClassifierMarket(oracle, creditModel, borrower, block.timestamp);
    }

    /// @dev A proof made before the market closes may be recorded after: the market cannot tell, and says so.
    function test_AProofMadeBeforeClosingDecidesTheMarket() public {
        ClassifierMarket m = market();
        Statement memory s = statement(1, 1_000_000);
        s.deadline = uint64(m.closes() + 1 days);
        bytes memory early = callOf(s);
        vm.warp(m.closes());
        assertAccepted(early);
        m.resolve();
        vm.assertEq(uint256(m.outcome()), 1, "yes");
    }

    // --------------------------------------------------------- several outputs

    /// @dev A model of three classes' probabilities, and premiums of 100, 400 and 2,000 for 10,000.
    function insurance() private returns (InsurancePremium premiums, uint256 id) {
        id = registerModel(verificationData("risk classes", 0, 3, -5, 1_000_001));
        approve(id);
        uint256[] memory rates = new uint256[](3);
        (rates[0], rates[1], rates[2]) = (100, 400, 2000);
        premiums = new InsurancePremium(oracle, id, rates);
    }

    function triple(int256 a, int256 b, int256 c) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }

    function classes(uint256 id, int256[] memory values) private {
        Statement memory s = statement(oracle.nonceOf(borrower, id) + 1, 0);
        (s.modelId, s.values) = (id, values);
        assertAccepted(callOf(s));
    }

    function test_APremiumIsWeighedByProvenProbabilities() public {
        (InsurancePremium premiums, uint256 id) = insurance();
        int256[] memory values = triple(500_000, 250_000, 250_000);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NoScore.selector, borrower, id));
        premiums.premiumFor(borrower, 10_000, values);
        classes(id, values);
        vm.assertEq(premiums.premiumFor(borrower, 10_000, values), 50 + 100 + 500, "weighed");
        vm.assertEq(premiums.premiumFor(borrower, 1, values), 1, "rounded up");
        // A better class than was proven; the same in the lowest 64 bits; one too few and too many.
        bytes memory lie = abi.encodeWithSelector(OutputWords.OutputsNotProven.selector, borrower, id);
        vm.expectRevert(lie);
        premiums.premiumFor(borrower, 10_000, triple(500_000, 500_000, 0));
        int256 high = 250_000 - 2 ** 64;
        vm.expectRevert(abi.encodeWithSelector(OutputWords.OutputTooWide.selector, 2, high));
        premiums.premiumFor(borrower, 10_000, triple(500_000, 250_000, high));
        for (uint256 count = 0; count < 5; ++count) {
            if (count == 3) continue;
            vm.expectRevert(abi.encodeWithSelector(OutputsConsumer.WrongOutputCount.selector, 3, count));
            premiums.premiumFor(borrower, 10_000, new int256[](count));
        }
        uint256 made = block.timestamp;
        vm.warp(made + TTL + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.StaleScore.selector, borrower, id, made, made + TTL)
        );
        premiums.premiumFor(borrower, 10_000, values);
        // Proven, and no probabilities.
        classes(id, triple(0, -1, 1_000_000));
        vm.expectRevert(abi.encodeWithSelector(OutputsConsumer.OutputOutOfScale.selector, 1, int256(-1)));
        premiums.premiumFor(borrower, 10_000, triple(0, -1, 1_000_000));
        classes(id, triple(0, 0, 1_000_001));
        vm.expectRevert(
            abi.encodeWithSelector(OutputsConsumer.OutputOutOfScale.selector, 2, int256(1_000_001))
        );
        premiums.premiumFor(borrower, 10_000, triple(0, 0, 1_000_001));
    }

    /// @dev A class and its probabilities, or nothing of any class, is no distribution over three classes.
    function test_APremiumIsOfADistribution() public {
        (InsurancePremium premiums, uint256 id) = insurance();
        int256[3][4] memory others = [
            [int256(0), 0, 0],
            [int256(1_000_000), 100_000, 900_000],
            [int256(500_000), 250_000, 260_001],
            [int256(500_000), 250_000, 239_999]
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            int256[] memory values = triple(others[i][0], others[i][1], others[i][2]);
            classes(id, values);
            int256 sum = values[0] + values[1] + values[2];
            vm.expectRevert(abi.encodeWithSelector(OutputsConsumer.OutputsNoDistribution.selector, sum));
            premiums.premiumFor(borrower, 10_000, values);
        }
        // Each class is rounded by itself.
        classes(id, triple(500_000, 250_000, 249_998));
        premiums.premiumFor(borrower, 10_000, triple(500_000, 250_000, 249_998));
    }

    function test_AConsumerOfOutputsPinsTheirNumber() public {
        (InsurancePremium premiums, uint256 id) = insurance();
        vm.assertEq(premiums.outputs(), 3, "as many as rates");
        vm.expectRevert(abi.encodeWithSelector(OutputsConsumer.WrongOutputCount.selector, 2, 3));
        new InsurancePremium(oracle, id, new uint256[](2));
        vm.expectRevert(abi.encodeWithSelector(OutputWords.TooFewOutputs.selector, 1));
        new InsurancePremium(oracle, creditModel, new uint256[](1));
    }

    function test_ConsumersStandBeforeCodeThatStays() public {
        address delegated = named("delegated");
        vm.etch(delegated, abi.encodePacked(hex"ef0100", address(oracle)));
        IInferenceOracle changing = IInferenceOracle(delegated);
        vm.expectRevert(abi.encodeWithSelector(ScoreConsumer.DelegatedAccount.selector, delegated));
        new CreditLine(changing, creditModel);
        vm.expectRevert(abi.encodeWithSelector(ScoreFeed.DelegatedAccount.selector, delegated));
        new ScoreFeed(changing, borrower, creditModel);
        vm.expectRevert(abi.encodeWithSelector(OutputsConsumer.DelegatedAccount.selector, delegated));
        new InsurancePremium(changing, creditModel, new uint256[](1));
    }

    // -------------------------------------------------------------------- feed

    function test_AFeedReadsTheLatestRecordOfItsSubject() public {
        (, uint256 several) = insurance();
        vm.expectRevert(abi.encodeWithSelector(ScoreFeed.NotOneOutput.selector, several, 3));
        new ScoreFeed(oracle, borrower, several);
        ScoreFeed feed = new ScoreFeed(oracle, borrower, creditModel);
        vm.expectRevert(abi.encodeWithSelector(ScoreFeed.NoDataPresent.selector, 0));
        feed.latestRoundData();
        score(borrower, creditModel, 123);
        vm.warp(block.timestamp + 1);
        score(borrower, creditModel, 456);
        (uint80 round, int256 answer, uint256 started, uint256 updated, uint80 answered) =
            feed.latestRoundData();
        vm.assertEq(answer, 456, "answer");
        vm.assertEq(uint256(round), 2, "round");
        vm.assertEq(uint256(answered), 2, "answered in");
        vm.assertEq(updated, block.timestamp, "updated");
        vm.assertEq(started, updated, "started");
        (, answer,,,) = feed.getRoundData(2);
        vm.assertEq(answer, 456, "by its id");
        vm.expectRevert(abi.encodeWithSelector(ScoreFeed.NoDataPresent.selector, 1));
        feed.getRoundData(1);
        vm.assertEq(uint256(feed.decimals()), 6, "the model's decimals");
        vm.assertEq(
            feed.description(),
            string.concat("Proven score of ", Strings.toHexString(borrower), " by model 1"),
            "description"
        );
        // What a price feed's readers have to look at themselves.
        vm.warp(block.timestamp + TTL + 1);
        (,,, updated,) = feed.latestRoundData();
        vm.assertTrue(updated < block.timestamp - TTL, "stale, and it says so");
    }
}
