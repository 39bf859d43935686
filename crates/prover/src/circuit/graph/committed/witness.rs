//! The states of a run's hashes.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;

use super::{
    poseidon::{Permutation, SBOXES, WIDTH, permutation},
    salt_unit,
};
use crate::circuit::graph::Layout;

/// The columns of hashes; empty in circuits without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommittedCells {
    /// State, square, fourth power.
    pub columns: Vec<Vec<Fr>>,
}

impl CommittedCells {
    /// Hashes e_0 … e_K of each inference; where one hash is of all of them, e_0 of those after the
    /// first is the hash so far.
    pub(in crate::circuit::graph) fn new(layout: &Layout, elements: &[Vec<Fr>]) -> Self {
        let committed = &layout.committed;
        if committed.words == 0 {
            return Self::default();
        }
        let batch = layout.shape.batch();
        let mut columns = vec![vec![Fr::ZERO; layout.active_rows()]; WIDTH + 2];
        let Permutation { matrix, rows } = permutation();
        let mut hash = Fr::ZERO;
        for (inference, elements) in elements.iter().enumerate() {
            let [first, words @ ..] = &elements[..] else { continue };
            if inference == 0 || !layout.shape.totals() {
                hash = *first;
            }
            for (word, element) in words.iter().enumerate() {
                let link = committed.link(word, batch) + inference;
                columns[0][link] = hash;
                let mut state = [Fr::ZERO, hash, *element];
                for (index, row) in rows.iter().enumerate() {
                    let at = link + (index + 1) * batch;
                    let square = (state[0] + row.constant).square();
                    let cells = state.into_iter().chain([square, square.square()]);
                    columns.iter_mut().zip(cells).for_each(|(column, cell)| column[at] = cell);
                    state = row.step(matrix, state);
                }
                // The rest of the last state stands beside the hash.
                let end = link + (SBOXES + 1) * batch;
                columns.iter_mut().zip(state).for_each(|(column, cell)| column[end] = cell);
                hash = state[0];
            }
            let after = committed.link(words.len(), batch) + batch + inference;
            columns[1][after] = hash;
        }
        Self { columns }
    }
}

/// e_0 of a count of inputs of each of so many inferences, and a salt.
pub(in crate::circuit) fn first_element(count: usize, inferences: usize, salt: u128) -> Fr {
    super::element_zero(count, inferences) + Fr::from_u128(salt) * salt_unit()
}

impl CommittedCells {
    /// What a row that uses a sum stands for: the first element or a hash on a link row, a word
    /// after it.
    pub(in crate::circuit::graph) fn element(&self, layout: &Layout, row: usize) -> Fr {
        let batch = layout.shape.batch();
        let is_link = ((row - layout.committed.first) / batch).is_multiple_of(SBOXES + 1);
        self.columns[if is_link { 0 } else { 2 }][row]
    }

    /// The columns in the order of their index.
    pub(in crate::circuit) fn columns(&self) -> impl Iterator<Item = &Vec<Fr>> {
        self.columns.iter()
    }
}
