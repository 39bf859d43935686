//! The chain circuit: dense layers in a row, with the fewest commitments.

pub mod config;
pub mod layout;
pub mod model;
#[cfg(test)]
mod tests;
pub mod witness;

use halo2_proofs::plonk::{Column, Fixed};
use halo2curves::bn256::Fr;

pub use self::{
    config::Columns,
    layout::{Block, Layout},
    model::Chain,
    witness::{FirstPhase, SecondPhase},
};
use super::field;

impl Columns {
    /// The columns by their index.
    pub fn by_index(self) -> super::Columns {
        let structural = [self.table, self.value, self.swap, self.active];
        super::Columns {
            advice: vec![
                vec![self.limbs, self.signs],
                vec![self.horner, self.collected, self.open, self.logup],
            ],
            fixed: self.weights.iter().copied().chain(structural).collect(),
            secret: self.weights,
            challenges: vec![self.beta, self.rho],
        }
    }
}

impl Layout {
    /// Every fixed cell that is not zero.
    pub fn fixed_cells(&self, columns: &Columns, mut set: impl FnMut(Column<Fixed>, usize, Fr)) {
        for (column, weights) in columns.weights.iter().zip(&self.weights) {
            for (row, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0) {
                set(*column, row, field(*weight));
            }
        }
        self.table.iter().for_each(|(row, entry)| set(columns.table, *row, Fr::from(*entry)));
        self.public_ends.iter().for_each(|row| set(columns.table, *row, Fr::one()));
        self.blocks.iter().for_each(|block| set(columns.value, block.value_row, Fr::one()));
        self.swaps.iter().for_each(|row| set(columns.swap, *row, Fr::one()));
        (0..self.active_rows()).for_each(|row| set(columns.active, row, Fr::one()));
    }
}
