//! The dense circuit: a network's run, checked by halo2.
//!
//! [`layout`] turns a network into rows (the fixed columns), [`witness`] turns a
//! run of it into advice columns, [`config`] states the gates between them.

pub mod config;
pub mod layout;
#[cfg(test)]
mod tests;
pub mod witness;

use std::sync::Arc;

use halo2_proofs::{
    circuit::{Layouter, Region, SimpleFloorPlanner, Value},
    plonk::{Advice, Circuit, Column, ConstraintSystem, Error, Fixed},
};
use halo2curves::bn256::Fr;

pub use self::{
    config::{Columns, MAX_DEGREE},
    layout::{Block, Layout, LayoutError, Source},
    witness::{FirstPhase, SecondPhase, Witness},
};
use crate::shape::Shape;

/// A laid-out model, with the witness of one inference when proving.
#[derive(Debug, Clone)]
pub struct DenseCircuit {
    layout: Arc<Layout>,
    witness: Option<Arc<Witness>>,
}

impl DenseCircuit {
    /// The circuit of a model, for making keys.
    pub fn new(layout: Arc<Layout>) -> Self {
        Self { layout, witness: None }
    }

    /// The circuit with a witness, for proving.
    pub fn with_witness(layout: Arc<Layout>, witness: Arc<Witness>) -> Self {
        Self { layout, witness: Some(witness) }
    }

    fn assign_fixed_columns(&self, columns: &Columns, region: &mut Region<'_, Fr>) {
        fixed_cells(&self.layout, columns, |column, row, value| {
            region.assign_fixed(column, row, value);
        });
    }

    /// Assigns both phases; `adjust` may change the second one before it is
    /// committed, which only tests do.
    fn assign_witness(
        &self,
        columns: &Columns,
        region: &mut Region<'_, Fr>,
        adjust: &dyn Fn(&mut SecondPhase),
    ) {
        let fill = |region: &mut Region<'_, Fr>, column: Column<Advice>, values: &[Fr]| {
            for (row, value) in values.iter().enumerate() {
                region.assign_advice(column, row, Value::known(*value));
            }
        };
        let Some(witness) = &self.witness else { return };
        fill(region, columns.limbs, &witness.first.limbs);
        fill(region, columns.signs, &witness.first.signs);
        region.next_phase();
        let challenges = region.get_challenge(columns.beta).zip(region.get_challenge(columns.rho));
        challenges.map(|(beta, rho)| {
            let mut second = witness.second_phase(&self.layout, beta, rho);
            adjust(&mut second);
            fill(region, columns.horner, &second.horner);
            fill(region, columns.collected, &second.collected);
            fill(region, columns.open, &second.open);
            fill(region, columns.logup, &second.logup);
        });
    }
}

impl Circuit<Fr> for DenseCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn without_witnesses(&self) -> Self {
        Self::new(self.layout.clone())
    }

    fn params(&self) -> Shape {
        self.layout.shape
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Columns {
        Columns::configure(meta, &shape)
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        Columns::configure(meta, &Shape::default())
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "dense",
            |mut region| {
                self.assign_fixed_columns(&columns, &mut region);
                self.assign_witness(&columns, &mut region, &|_| {});
                Ok(())
            },
        )
    }
}

/// Every fixed cell that is not zero.
fn fixed_cells(layout: &Layout, columns: &Columns, mut set: impl FnMut(Column<Fixed>, usize, Fr)) {
    for (column, weights) in columns.weights.iter().zip(&layout.weights) {
        for (row, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0) {
            set(*column, row, witness::field(*weight));
        }
    }
    layout.table.iter().for_each(|(row, entry)| set(columns.table, *row, Fr::from(*entry)));
    layout.blocks.iter().for_each(|block| set(columns.value, block.value_row, Fr::one()));
    layout.swaps.iter().for_each(|row| set(columns.swap, *row, Fr::one()));
    (0..layout.active_rows()).for_each(|row| set(columns.active, row, Fr::one()));
}

/// The constraint system of a shape, without any model.
pub fn constraint_system(shape: &Shape) -> ConstraintSystem<Fr> {
    let mut meta = ConstraintSystem::default();
    Columns::configure(&mut meta, shape);
    meta
}

/// The constraint system of a layout's shape, and the layout's fixed columns.
pub fn fixed_columns(layout: &Layout) -> (ConstraintSystem<Fr>, Vec<Vec<Fr>>) {
    let mut meta = ConstraintSystem::default();
    let columns = Columns::configure(&mut meta, &layout.shape);
    let mut fixed = vec![vec![Fr::zero(); layout.active_rows()]; meta.num_fixed_columns()];
    fixed_cells(layout, &columns, |column, row, value| fixed[column.index()][row] = value);
    (meta, fixed)
}
