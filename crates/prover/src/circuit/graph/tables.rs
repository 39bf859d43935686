//! Tables in secret columns, several entries a row, whose look-ups are several numbers that a
//! challenge makes one of.

use ff::BatchInvert;
use halo2curves::bn256::Fr;

/// count / (β + entry) of every entry, by lane: `tagged` is β and what tells the table's entries
/// from other look-ups, `entries` are (row, lane, the rest of the entry).
pub(super) fn offered(
    counts: &[Vec<Fr>],
    tagged: Fr,
    entries: impl Iterator<Item = (usize, usize, Fr)>,
) -> Vec<Vec<Fr>> {
    // Where there is no entry, a cheating prover alone counts one.
    let there = |count: &Fr| if *count == Fr::zero() { Fr::zero() } else { tagged };
    let mut offered: Vec<Vec<Fr>> =
        counts.iter().map(|counts| counts.iter().map(there).collect()).collect();
    for (row, lane, entry) in entries.filter(|(row, lane, _)| counts[*lane][*row] != Fr::zero()) {
        offered[lane][row] += entry;
    }
    offered.iter_mut().flatten().batch_invert();
    for (offered, counts) in offered.iter_mut().zip(counts) {
        offered.iter_mut().zip(counts).for_each(|(sum, count)| *sum *= count);
    }
    offered
}
