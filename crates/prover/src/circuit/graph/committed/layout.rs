//! Where hashes stand.

use ff::Field;
use halo2_proofs::plonk::{Column, Fixed};
use halo2curves::bn256::Fr;

use super::{
    CommittedColumns, SALT_BIT, SALT_BITS, VERSION_BIT, VERSIONS,
    poseidon::{Kind, SBOXES, permutation},
};
use crate::{circuit::graph::Layout, shape::Shape};

/// What is claimed of committed inputs: the words are of claims' values, the salt's limbs are the
/// values after the graph's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Number of inputs of an inference that are committed.
    pub count: usize,
    /// Values that hold the salt, the lowest bits first.
    pub salt: Vec<u32>,
    /// The values of each word, the first in the lowest bits.
    pub words: Vec<Vec<u32>>,
}

/// The rows of a hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// The first link row, of the first inference.
    pub first: usize,
    /// Number of words, K: 0 without committed inputs.
    pub words: usize,
}

impl Committed {
    /// Rows from the first link row to the one after the last, of one inference.
    pub(in crate::circuit) fn rows(&self) -> usize {
        if self.words == 0 { 0 } else { (SBOXES + 1) * self.words + 2 }
    }

    /// The link row before permutation `word`, or after all of them.
    pub fn link(&self, word: usize, batch: usize) -> usize {
        self.first + word * (SBOXES + 1) * batch
    }

    /// Where hashes of several inferences are linked, the rows from which a sum is not carried on:
    /// before the second e_0, and before the last hash, other equations begin.
    pub(in crate::circuit::graph) fn passed(&self, shape: &Shape) -> [Option<usize>; 2] {
        let batch = shape.batch();
        let linked = shape.totals() && self.words > 0;
        let last = || self.link(self.words, batch) + batch - 2;
        [linked.then_some(self.first), linked.then(last)]
    }

    /// The rows on which sums are used, of the first inference: link rows and those after them.
    pub(in crate::circuit::graph) fn used(&self, batch: usize) -> impl Iterator<Item = usize> {
        let own = *self;
        let links = (0..own.words + usize::from(own.words > 0)).map(move |w| own.link(w, batch));
        links.flat_map(move |row| [row, row + batch])
    }
}

/// Values that hold a salt in a circuit's shape.
pub(in crate::circuit) fn salt_values(shape: &Shape) -> usize {
    if shape.committed() { SALT_BITS.div_ceil(shape.value_bits()) as usize } else { 0 }
}

/// e_0 but for the salt: the count, of so many inferences hashed together, and the version.
pub(in crate::circuit) fn element_zero(count: usize, inferences: usize) -> Fr {
    let version = VERSIONS[usize::from(inferences > 1)];
    Fr::from(count as u64 * inferences as u64 + (version << VERSION_BIT))
}

/// What one of the salt's unit counts in e_0.
pub(in crate::circuit) fn salt_unit() -> Fr {
    Fr::from(2).pow_vartime([u64::from(SALT_BIT)])
}

impl Layout {
    /// The fixed cells of hashes.
    pub(in crate::circuit::graph) fn hash_cells(
        &self,
        columns: &CommittedColumns,
        set: &mut impl FnMut(Column<Fixed>, usize, Fr),
    ) {
        let (committed, batch) = (&self.committed, self.shape.batch());
        for word in (0..=committed.words).filter(|_| committed.words > 0) {
            let link = committed.link(word, batch);
            (link..link + batch).for_each(|row| set(columns.link, row, Fr::ONE));
            let permutation = permutation().rows.iter().filter(|_| word < committed.words);
            for (index, row) in permutation.enumerate() {
                let kind = match row.kind {
                    Kind::Turn => columns.turn,
                    Kind::Full => columns.full,
                    Kind::Partial => columns.partial,
                };
                let first = link + (index + 1) * batch;
                for at in first..first + batch {
                    set(kind, at, Fr::ONE);
                    set(columns.constant, at, row.constant);
                }
            }
        }
    }
}
