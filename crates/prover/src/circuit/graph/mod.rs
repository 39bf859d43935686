//! The graph circuit: any graph of linear nodes on integers.
//!
//! One identity carries it. Every equation `z_w = Σ_v A_wv·x_v + c_w` of the whole model has
//! a random coefficient r_w, and `Σ_w r_w·(z_w − c_w) − Σ_v x_v·u_v = 0` is checked, with
//! `u_v = Σ_w r_w·A_wv` over all equations that read x_v, wherever they stand. The
//! coefficients are `1 / (γ + m)`, times a power of ρ within a stripe: any row can have any
//! of them from a fixed index by one multiplication. So nothing needs to stand next to
//! anything, no value is copied, and a value that is used five times costs its readers'
//! rows.
//!
//! A batch of inferences is one identity, too: the equations of inference t count σ^t times,
//! so u_v, in which the weights are, is made once for all of them: Σ_t σ^t·x_vt meets it.

mod cells;
pub mod claims;
pub mod committed;
pub mod config;
pub mod curves;
pub mod layout;
mod model;
pub mod paths;
mod products;
mod schedule;
mod tables;
#[cfg(test)]
mod tests;
mod windows;
pub mod witness;

use halo2_proofs::plonk::{Column, Fixed};
use halo2curves::bn256::Fr;

pub use self::{
    claims::{Claims, Curves, Ensemble, Making, Map, Node},
    config::Columns,
    layout::Layout,
    witness::{Challenges, FirstPhase, SecondPhase},
};
#[cfg(test)]
use super::field;

impl Columns {
    /// The columns by their index.
    pub fn by_index(self) -> super::Columns {
        let structural = [self.table, self.value, self.swap, self.active, self.stripe];
        let (step, sigma) = (self.batch.map(|batch| batch.step), self.batch.map(|b| b.sigma));
        let [path_cells, path_sums] = self.paths.as_ref().map(|p| p.advice()).unwrap_or_default();
        let curves = self.curves.as_ref();
        let [curve_cells, curve_sums] = curves.map(|c| c.advice()).unwrap_or_default();
        let first = self.limbs.into_iter().chain([self.cells]).chain(path_cells);
        let hashes = self.committed.as_ref();
        let hash_cells = hashes.map(|hashes| hashes.advice()).unwrap_or_default();
        let first = first.chain(curve_cells).chain(hash_cells).collect();
        let second = [self.coefficient, self.reading, self.balance, self.logup];
        let second = second.into_iter().chain(self.inverses).chain(path_sums);
        let second = second.chain(curve_sums).collect();
        let nodes = self.paths.as_ref().map(|paths| paths.secret()).unwrap_or_default();
        let in_paths = self.paths.as_ref().map(|paths| [paths.step, paths.number]);
        let segments = curves.map(|curves| curves.secret()).unwrap_or_default();
        let in_curves = curves.map(|curves| [curves.evaluation, curves.function]);
        let delta = self.paths.as_ref().map(|paths| paths.delta);
        let delta = delta.or(curves.map(|curves| curves.delta));
        let own = self.weights.iter().copied().chain(structural).chain(step);
        let own = own.chain(self.gap).chain(self.product);
        super::Columns {
            advice: vec![first, second],
            fixed: own
                .chain(in_paths.into_iter().flatten())
                .chain(nodes.clone())
                .chain(in_curves.into_iter().flatten())
                .chain(segments.clone())
                .chain(hashes.into_iter().flat_map(|hashes| hashes.fixed()))
                .collect(),
            secret: self.weights.iter().copied().chain(nodes).chain(segments).collect(),
            challenges: [self.beta, self.gamma, self.rho]
                .into_iter()
                .chain(sigma)
                .chain(delta)
                .collect(),
        }
    }
}

impl Layout {
    /// Every fixed cell that is not zero, but for the weights.
    pub fn fixed_cells(&self, columns: &Columns, mut set: impl FnMut(Column<Fixed>, usize, Fr)) {
        self.table.iter().for_each(|(row, entry)| set(columns.table, *row, Fr::from(*entry)));
        let values = self.value_rows.iter().flat_map(|row| *row..row + self.shape.batch());
        values.for_each(|row| set(columns.value, row, Fr::one()));
        if let Some(batch) = &columns.batch {
            self.steps().for_each(|row| set(batch.step, row, Fr::one()));
        }
        if let Some(gap) = columns.gap {
            let rows = self.gaps().flat_map(|row| row..row + self.shape.batch());
            rows.for_each(|row| set(gap, row, Fr::one()));
        }
        if let Some(product) = columns.product {
            let rows = self.products().flat_map(|row| row..row + self.shape.batch());
            rows.for_each(|row| set(product, row, Fr::one()));
        }
        self.swaps.iter().for_each(|row| set(columns.swap, *row, Fr::one()));
        (0..self.active_rows()).for_each(|row| set(columns.active, row, Fr::one()));
        for (row, stripe) in self.stripes.iter().enumerate().filter(|(_, stripe)| **stripe != 0) {
            set(columns.stripe, row, Fr::from(u64::from(*stripe)));
        }
        let batch = self.shape.batch();
        if let Some(curves) = &columns.curves {
            self.curves.for_each_evaluation(self, |first, function| {
                for row in first..first + batch {
                    set(curves.evaluation, row, Fr::one());
                    set(curves.function, row, Fr::from(function as u64));
                }
            });
            for (row, lane, cells) in self.curves.table(curves.table.len()) {
                let table = curves.table[lane].iter().zip(cells);
                table.for_each(|(column, cell)| set(*column, row, cell));
            }
        }
        if let Some(hashes) = &columns.committed {
            self.hash_cells(hashes, &mut set);
        }
        let Some(paths) = &columns.paths else { return };
        self.paths.steps(batch).for_each(|row| set(paths.step, row, Fr::one()));
        self.paths.for_each_number(&self.value_rows, batch, |row, number| {
            set(paths.number, row, Fr::from(number));
        });
        for (row, lane, cells) in self.paths.table(paths.table.len()) {
            paths.table[lane].iter().zip(cells).for_each(|(column, cell)| set(*column, row, cell));
        }
    }
}
