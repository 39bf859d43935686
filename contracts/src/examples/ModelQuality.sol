// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IVerdictVerifier} from "../interfaces/IVerdictVerifier.sol";

/// @title Example: how good a model is, proven on samples that were committed to before
/// @notice An auditor announces a test: a model's key and the commitment to samples with their right answers. Whoever
/// has the model and gets the samples proves how many of its answers are right and, if the test counts them, how many
/// of each of two groups are approved. Samples and weights stay hidden.
/// @dev What a reader relies on: the auditor, who chooses samples, says how many there are, and names the verifier. A
/// model that was fixed before (its key stands on the chain) cannot have been fitted to samples that its maker saw later.
/// The key is the test's, which is another than the one that scores are recorded under: that both are of one model, no
/// proof says. Whoever has the model's file checks both, `verdict setup --check`; of hidden weights its owner alone.
contract ModelQuality {
    /// @dev What is to be proven. `announced` is 0 if there is no such test.
    struct Test {
        IVerdictVerifier verifier;
        uint64 announced;
        bool groups;
        address key;
        uint64 samples;
        bytes32 keyHash;
        uint256 commitment;
    }

    /// @dev What was proven. `provenAt` is 0 until then.
    struct Figures {
        uint64 provenAt;
        uint64 samples;
        uint64 right;
        uint64[2] approved;
        uint64[2] members;
    }

    /// @notice A test was announced.
    event TestAnnounced(
        bytes32 indexed id,
        address indexed auditor,
        bytes32 indexed keyHash,
        uint256 commitment,
        uint64 samples
    );
    /// @notice What a model's answers are worth was proven. Groups are all zero where they are not counted.
    event QualityProven(bytes32 indexed id, uint64 right, uint64[2] approved, uint64[2] members);

    /// @notice The key is not the one named, there is no verifier, or there are no samples.
    error NotATest();
    /// @notice This auditor announced this test before.
    error AnnouncedBefore(bytes32 id);
    /// @notice Nobody announced such a test.
    error UnknownTest(bytes32 id);
    /// @notice Not as many totals as the test counts, or such as the samples cannot have.
    error NotTheTotals();
    /// @notice The verifier answered false.
    error ProofRefused();
    /// @notice Its outcome is recorded.
    error ProvenBefore(bytes32 id);
    /// @notice Nothing was proven about it yet.
    error NothingProven(bytes32 id);

    /// @notice A test, as it was announced.
    mapping(bytes32 id => Test) public announcements;

    mapping(bytes32 id => Figures) private _figures;

    /// @notice Announces a test of the model behind a key. The caller answers for it.
    /// @param verifier The verifier of the key's circuit.
    /// @param key The key's data contract: that of a setup made with `--measure accuracy`, whose id the auditor has
    /// checked: a key's hash does not say what was measured, nor that all inputs are committed to.
    /// @param keyHash Its code hash.
    /// @param commitment What `verdict commit` printed for all samples.
    /// @param samples How many the circuit takes.
    /// @param groups Whether approvals of two groups are counted.
    /// @return id Names the test: a hash of all this and of the caller.
    function announce(
        IVerdictVerifier verifier,
        address key,
        bytes32 keyHash,
        uint256 commitment,
        uint64 samples,
        bool groups
    ) external returns (bytes32 id) {
        if (samples == 0 || address(verifier).code.length == 0 || key.codehash != keyHash) revert NotATest();
        id = keccak256(abi.encode(msg.sender, verifier, key, keyHash, commitment, samples, groups));
        if (announcements[id].announced != 0) revert AnnouncedBefore(id);
        announcements[id] = Test(verifier, uint64(block.timestamp), groups, key, samples, keyHash, commitment);
        emit TestAnnounced(id, msg.sender, keyHash, commitment, samples);
    }

    /// @notice Records what a proof says. Anyone may; a test has one outcome.
    /// @param id The test.
    /// @param totals What the proof states after the commitment: right answers and, if groups are counted, approved of
    /// group 0, approved of group 1, members of group 1.
    /// @param proof The proof, made for no request.
    function prove(bytes32 id, uint256[] calldata totals, bytes calldata proof) external {
        Test memory test = announcements[id];
        if (test.announced == 0) revert UnknownTest(id);
        if (totals.length != (test.groups ? 4 : 1)) revert NotTheTotals();
        // The context is 0: quality is no one's request.
        uint256[] memory instances = new uint256[](2 + totals.length);
        instances[1] = test.commitment;
        for (uint256 i = 0; i < totals.length; ++i) {
            if (totals[i] > test.samples) revert NotTheTotals();
            instances[2 + i] = totals[i];
        }
        if (!test.verifier.verify(test.key, test.keyHash, instances, proof)) revert ProofRefused();
        Figures storage figures = _figures[id];
        if (figures.provenAt != 0) revert ProvenBefore(id);
        figures.provenAt = uint64(block.timestamp);
        figures.samples = test.samples;
        figures.right = uint64(totals[0]);
        if (test.groups) {
            figures.approved = [uint64(totals[1]), uint64(totals[2])];
            figures.members = [test.samples - uint64(totals[3]), uint64(totals[3])];
            if (totals[1] > figures.members[0] || totals[2] > totals[3]) revert NotTheTotals();
        }
        emit QualityProven(id, figures.right, figures.approved, figures.members);
    }

    /// @notice What was proven.
    function figuresOf(bytes32 id) public view returns (Figures memory figures) {
        figures = _figures[id];
        if (figures.provenAt == 0) revert NothingProven(id);
    }

    /// @notice Whether so many of ten thousand answers are right.
    function isAccurate(bytes32 id, uint256 least) external view returns (bool) {
        Figures memory figures = figuresOf(id);
        return uint256(figures.right) * 10_000 >= least * figures.samples;
    }

    /// @notice Whether the approval rates of both groups are at most so many ten-thousandths apart (demographic
    /// parity). False where a group has no members, or none are counted.
    function isEven(bytes32 id, uint256 most) external view returns (bool) {
        Figures memory figures = figuresOf(id);
        (uint256 first, uint256 second) = (figures.members[0], figures.members[1]);
        if (first == 0 || second == 0) return false;
        (uint256 a, uint256 b) = (figures.approved[0] * second, figures.approved[1] * first);
        return (a > b ? a - b : b - a) * 10_000 <= most * first * second;
    }
}
