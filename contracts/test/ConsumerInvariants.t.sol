// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ClassifierMarket} from "../src/examples/ClassifierMarket.sol";
import {FraudGate} from "../src/examples/FraudGate.sol";
import {ScoreVotes} from "../src/examples/ScoreVotes.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice A token to send about.
contract Dime is ERC20("Dime", "DIME") {
    constructor(address[3] memory holders) {
        for (uint256 i = 0; i < 3; ++i) {
            _mint(holders[i], 1000);
        }
    }
}

/// @notice Uses a market, a gate and votes at random while scores change and time passes, and keeps its own account of
/// what was paid in, held and cast.
contract ConsumerHandler is OracleFixture {
    address[3] public actors = [named("alice"), named("bob"), named("carol")];
    ClassifierMarket public market;
    FraudGate public gate;
    ScoreVotes public votes;
    Dime public dime;
    uint256 private _suspicion;

    uint256 public paidIn;
    uint256 public paidOut;
    uint256 private _held;
    mapping(bytes32 proposal => uint256) private _cast;
    uint256 public settled;
    uint256 public votesCast;
    string public violation;

    function setUp() public override {
        super.setUp();
        IModelRegistry.VerificationData memory data = verificationData("fraud", 0, 1, 0, 1_000_000);
        data.direction = IModelRegistry.ScoreDirection.LowerIsBetter;
        _suspicion = registerModel(data);
        approve(_suspicion);
        // A scale beyond one: not every score is a probability.
        creditModel = registerModel(verificationData("wide", 0, 1, 0, 1_200_000));
        approve(creditModel);
        market = new ClassifierMarket(oracle, creditModel, actors[0], block.timestamp + 3 days);
        votes = new ScoreVotes(oracle, creditModel);
        dime = new Dime(actors);
        gate = new FraudGate(oracle, _suspicion, dime, owner);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(actors[i]);
            dime.approve(address(gate), type(uint256).max);
        }
    }

    // ----------------------------------------------------------------- actions

    function score(uint256 who, bool suspicion, uint256 value) external {
        Statement memory s = statement(0, int256(bound(value, 0, suspicion ? 200_000 : 1_200_000)));
        (s.subject, s.modelId) = (actors[who % 3], suspicion ? _suspicion : creditModel);
        s.nonce = oracle.nonceOf(s.subject, s.modelId) + 1;
        assertAccepted(callOf(s));
    }

    function passTime(uint256 time) external {
        vm.warp(block.timestamp + time % 1 days);
    }

    function bet(uint256 who, bool yes, uint256 amount) external {
        amount %= 1 ether;
        (bool funded,) = payable(actors[who % 3]).call{value: amount}("");
        vm.prank(actors[who % 3]);
        try market.bet{value: amount}(yes) {
            paidIn += amount;
        } catch {
            if (funded && block.timestamp < market.closes()) violation = "a bet was refused";
        }
    }

    function resolve() external {
        ClassifierMarket.Outcome before = market.outcome();
        try market.resolve() {
            if (before != ClassifierMarket.Outcome.Open) violation = "resolved twice";
        } catch {
            bool over = block.timestamp >= market.closes() + market.RESOLUTION_PERIOD();
            if (over && before == ClassifierMarket.Outcome.Open) violation = "stays open for ever";
        }
    }

    function claim(uint256 who) external {
        address actor = actors[who % 3];
        (uint256 had, uint256 stake) = (actor.balance, market.betOf(actor, true) + market.betOf(actor, false));
        vm.prank(actor);
        try market.claim() {
            paidOut += actor.balance - had;
            if (paidOut > paidIn) violation = "more was paid out than in";
            bool isVoid = market.outcome() == ClassifierMarket.Outcome.Void;
            if (isVoid && actor.balance - had != stake) violation = "another amount came back";
        } catch {
            if (market.outcome() == ClassifierMarket.Outcome.Void && stake != 0) {
                violation = "nothing came back";
            }
        }
    }

    function transfer(uint256 who, uint256 to, uint256 amount) external {
        address from = actors[who % 3];
        amount = 1 + amount % 100;
        if (dime.balanceOf(from) < amount) return;
        vm.prank(from);
        if (!gate.send(actors[to % 3], amount)) _held += amount;
    }

    function settle(uint256 id, bool pass, bool byReviewer) external {
        if (gate.count() == 0) return;
        id %= gate.count();
        (address from,, uint256 amount,) = gate.held(id);
        vm.prank(byReviewer ? owner : from);
        bytes memory call =
            byReviewer ? abi.encodeCall(gate.decide, (id, pass)) : abi.encodeCall(gate.takeBack, (id));
        (bool ok,) = address(gate).call(call);
        if (!ok) return;
        if (amount == 0) violation = "settled twice";
        _held -= amount;
        ++settled;
    }

    function vote(uint256 who, uint256 which, bool inFavour) external {
        bytes32 text = bytes32(which % 3);
        bytes32 proposal = votes.proposalOf(actors[0], text);
        vm.prank(actors[0]);
        try votes.propose(text) {} catch {}
        vm.startPrank(actors[who % 3]);
        bool voted = votes.hasVoted(proposal, actors[who % 3]);
        try votes.vote(proposal, inFavour) {
            if (voted) violation = "voted twice";
            _cast[proposal] += uint256(oracle.latestScoreOf(actors[who % 3], creditModel));
            ++votesCast;
        } catch {}
        vm.stopPrank();
    }

    // ----------------------------------------------------------------- account

    function checkGate() external view {
        uint256 sum = dime.balanceOf(address(gate));
        vm.assertEq(sum, _held, "the gate has what it holds");
        for (uint256 i = 0; i < 3; ++i) {
            sum += dime.balanceOf(actors[i]);
        }
        vm.assertEq(sum, dime.totalSupply(), "nothing is lost");
    }

    function checkVotes() external view {
        for (uint256 i = 0; i < 3; ++i) {
            (, uint96 inFavour, uint96 against) = votes.proposals(bytes32(i));
            vm.assertEq(uint256(inFavour) + against, _cast[bytes32(i)], "votes are what was cast");
        }
    }

    function checkMarket() external view {
        vm.assertEq(address(market).balance, paidIn - paidOut, "the market has what was not paid out");
    }

    /// @dev Whatever happened: when its time is over the market is decided, and everybody who is owed is paid.
    function end() external {
        vm.warp(market.closes() + market.RESOLUTION_PERIOD() + block.timestamp % 1 days);
        if (market.outcome() == ClassifierMarket.Outcome.Open) market.resolve();
        for (uint256 i = 0; i < 3; ++i) {
            this.claim(i);
        }
        // What division leaves is less than a wei for each of them.
        vm.assertLe(address(market).balance, 2, "nothing stays");
    }

    receive() external payable {}
}

/// @notice Under random use the examples conserve what they are trusted with.
contract ConsumerInvariantsTest is OracleFixture {
    ConsumerHandler private handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new ConsumerHandler();
        handler.setUp();
        (bool ok,) = payable(address(handler)).call{value: 2 ** 90}("");
        vm.assertTrue(ok, "funded");
    }

    /// @dev Tells forge which contract to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Tells forge which functions to call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        (selectors[0], selectors[1]) = (handler.score.selector, handler.passTime.selector);
        (selectors[2], selectors[3]) = (handler.bet.selector, handler.resolve.selector);
        (selectors[4], selectors[5]) = (handler.claim.selector, handler.transfer.selector);
        (selectors[6], selectors[7]) = (handler.settle.selector, handler.vote.selector);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 32
    function invariant_NothingIsLostOrMade() public view {
        vm.assertEq(handler.violation(), "", "violation");
        handler.checkMarket();
        handler.checkGate();
        handler.checkVotes();
    }

    /// @dev The end of each run.
    function afterInvariant() public {
        handler.end();
    }

    /// @dev All of it does occur: otherwise the invariants would say nothing.
    function test_TheHandlerBetsSettlesVotesAndIsPaid() public {
        for (uint256 i = 0; i < 96; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.score(seed, seed >> 8 & 1 == 0, seed >> 16 & type(uint64).max);
            handler.bet(seed >> 80, seed >> 88 & 1 == 0, seed >> 96 & type(uint64).max);
            handler.transfer(seed >> 160, seed >> 168, seed >> 176);
            handler.settle(seed >> 184, seed >> 192 & 1 == 0, seed >> 193 & 1 == 0);
            handler.vote(seed >> 200, seed >> 208, seed >> 216 & 1 == 0);
            if (i % 8 == 0) handler.passTime(seed >> 224);
            if (i % 16 == 0) handler.resolve();
            if (i > 80) handler.claim(seed);
        }
        handler.end();
        invariant_NothingIsLostOrMade();
        vm.assertTrue(handler.paidIn() > 1 ether, "bets");
        vm.assertTrue(handler.settled() >= 5, "settled");
        vm.assertTrue(handler.votesCast() >= 5, "votes");
    }
}
