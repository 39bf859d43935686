// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ScoreConsumer} from "../ScoreConsumer.sol";

/// @title Example: votes that weigh as much as a proven score
/// @notice Whoever has a fresh score votes once on a proposal, with the score at that time as weight.
/// @dev The score is a reputation between zero and one: higher is better. One person with many accounts has many
/// votes if the oracle's submitters bring scores for all of them; that is theirs to prevent.
contract ScoreVotes is ScoreConsumer {
    /// @dev What was cast so far, in units of the model's last decimal.
    struct Proposal {
        uint64 end;
        uint96 inFavour;
        uint96 against;
    }

    /// @notice A proposal can be voted on until `end`.
    event Proposed(bytes32 indexed proposal, address indexed proposer, bytes32 indexed text, uint256 end);
    /// @notice `voter` has voted.
    event Voted(bytes32 indexed proposal, address indexed voter, bool inFavour, int256 weight);

    /// @notice It was proposed before.
    error AlreadyProposed(bytes32 proposal);
    /// @notice There is no such proposal, or its end has come.
    error NotOpen(bytes32 proposal);
    /// @notice The voter has voted.
    error AlreadyVoted(bytes32 proposal, address voter);
    /// @notice The result stands at the end only.
    error StillOpen(bytes32 proposal, uint256 end);

    /// @notice Seconds for which a proposal is open.
    uint256 public constant PERIOD = 3 days;

    /// @notice Until when a proposal is open, and the weight for and against it so far, in units of the model's last
    /// decimal. All zero if there is none.
    mapping(bytes32 proposal => Proposal) public proposals;
    /// @notice Whether an account has voted on a proposal.
    mapping(bytes32 proposal => mapping(address voter => bool)) public hasVoted;

    /// @param oracle_ The oracle.
    /// @param modelId_ The model version to rely on.
    constructor(IInferenceOracle oracle_, uint256 modelId_)
        ScoreConsumer(oracle_, modelId_, IModelRegistry.ScoreDirection.HigherIsBetter)
    {}

    /// @notice Opens a proposal, once for each proposer and text: nobody takes a text from anybody else. Whoever has a
    /// score may.
    /// @param text Hash of what is proposed.
    /// @return proposal What it is called: see `proposalOf`.
    function propose(bytes32 text) external returns (bytes32 proposal) {
        proposal = proposalOf(msg.sender, text);
        if (proposals[proposal].end != 0) revert AlreadyProposed(proposal);
        _scoreOf(msg.sender);
        proposals[proposal].end = uint64(block.timestamp + PERIOD);
        emit Proposed(proposal, msg.sender, text, block.timestamp + PERIOD);
    }

    /// @notice Votes with the caller's score.
    function vote(bytes32 proposal, bool inFavour) external {
        Proposal storage open = proposals[proposal];
        if (block.timestamp >= open.end) revert NotOpen(proposal);
        if (hasVoted[proposal][msg.sender]) revert AlreadyVoted(proposal, msg.sender);
        hasVoted[proposal][msg.sender] = true;
        // Scores have 64 bits: 2^32 voters fit.
        int256 weight = _scoreOf(msg.sender);
        if (inFavour) open.inFavour += uint96(uint256(weight));
        else open.against += uint96(uint256(weight));
        emit Voted(proposal, msg.sender, inFavour, weight);
    }

    /// @notice The name of a proposal: the hash of who made it and of its text's hash.
    function proposalOf(address proposer, bytes32 text) public pure returns (bytes32) {
        return keccak256(abi.encode(proposer, text));
    }

    /// @notice Whether a proposal that has ended was accepted.
    function accepted(bytes32 proposal) external view returns (bool) {
        Proposal memory ended = proposals[proposal];
        if (ended.end == 0) revert NotOpen(proposal);
        if (block.timestamp < ended.end) revert StillOpen(proposal, ended.end);
        return ended.inFavour > ended.against;
    }
}
