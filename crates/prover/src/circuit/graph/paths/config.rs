//! Columns and gates of paths.

use ff::Field;
use halo2_proofs::{
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, SecondPhase,
        VirtualCells,
    },
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use super::{FEATURE, NAME, THRESHOLD, TREE};
use crate::{
    circuit::{chain::config::limb_sum, graph::Columns},
    shape::Shape,
};

/// The columns of paths and of the node table.
#[derive(Debug, Clone)]
pub struct PathColumns {
    /// Names of nodes; on a path's last row its leaf's.
    pub name: Column<Advice>,
    /// The number of the feature that is compared.
    pub feature: Column<Advice>,
    /// What it is compared with.
    pub threshold: Column<Advice>,
    /// The name of the right child; on value rows, how often the value is compared.
    pub right: Column<Advice>,
    /// How often each node is visited, a column a lane.
    pub counts: Vec<Column<Advice>>,
    /// 1 / (β + node) on steps.
    pub visited: Column<Advice>,
    /// 1 / (β + feature) on steps, −count / (β + feature) on value rows.
    pub compared: Column<Advice>,
    /// count / (β + node), a column a lane.
    pub offered: Vec<Column<Advice>>,
    /// 1 on steps.
    pub step: Column<Fixed>,
    /// On value rows the number of the feature; in a batch, the inference's beside it, which
    /// stands on steps too.
    pub number: Column<Fixed>,
    /// The node table: for each lane all of a node but its right child, and that.
    pub table: Vec<[Column<Fixed>; 2]>,
    /// Makes one number of several.
    pub delta: Challenge,
}

/// 2^exponent.
pub(super) fn power_of_two(exponent: u32) -> Fr {
    Fr::from(2).pow_vartime([u64::from(exponent)])
}

impl PathColumns {
    /// Adds those of the first phase and the challenge; `second_phase` adds the others.
    pub(in crate::circuit::graph) fn first_phase(
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) -> Option<First> {
        (shape.node_lanes() > 0).then(|| First {
            cells: std::array::from_fn(|_| meta.advice_column_in(FirstPhase)),
            counts: (0..shape.node_lanes()).map(|_| meta.advice_column_in(FirstPhase)).collect(),
        })
    }

    /// The columns in the order of their index: advice of the first phase, of the second,
    /// structural fixed columns, secret ones.
    pub(in crate::circuit::graph) fn advice(&self) -> [Vec<Column<Advice>>; 2] {
        let first = [self.name, self.feature, self.threshold, self.right];
        let second = [self.visited, self.compared];
        [
            first.into_iter().chain(self.counts.iter().copied()).collect(),
            second.into_iter().chain(self.offered.iter().copied()).collect(),
        ]
    }

    /// The secret columns in the order of their index.
    pub(in crate::circuit::graph) fn secret(&self) -> Vec<Column<Fixed>> {
        self.table.iter().flatten().copied().collect()
    }
}

/// The columns of the first phase.
pub(in crate::circuit::graph) struct First {
    cells: [Column<Advice>; 4],
    counts: Vec<Column<Advice>>,
}

impl First {
    /// Adds the others.
    pub(in crate::circuit::graph) fn second_phase(
        self,
        meta: &mut ConstraintSystem<Fr>,
        delta: Challenge,
    ) -> PathColumns {
        let [name, feature, threshold, right] = self.cells;
        let lanes = self.counts.len();
        PathColumns {
            name,
            feature,
            threshold,
            right,
            counts: self.counts,
            visited: meta.advice_column_in(SecondPhase),
            compared: meta.advice_column_in(SecondPhase),
            offered: (0..lanes).map(|_| meta.advice_column_in(SecondPhase)).collect(),
            step: meta.fixed_column(),
            number: meta.fixed_column(),
            table: (0..lanes).map(|_| [meta.fixed_column(), meta.fixed_column()]).collect(),
            delta,
        }
    }
}

impl Columns {
    /// The gates of paths.
    pub(in crate::circuit::graph) fn path_gates(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) {
        let Some(paths) = &self.paths else { return };
        let one = || Expression::Constant(Fr::one());
        let (beta, delta) = (self.beta.expr(), paths.delta.expr());
        let square = delta.clone() * delta.clone();
        let cube = square.clone() * delta.clone();

        meta.create_gate("a path goes on where its comparison says", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let sign = meta.query_advice(self.cells, Rotation::cur());
            let name = meta.query_advice(paths.name, Rotation::cur());
            let next = meta.query_advice(paths.name, Rotation::next());
            let right = meta.query_advice(paths.right, Rotation::cur());
            let left = name + one();
            let child = left.clone() + sign.clone() * (right - left);
            vec![active * next - step.clone() * child, step * (sign.clone() * sign.clone() - sign)]
        });

        meta.create_gate("a step is at a node of its tree", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let tree = meta.query_fixed(self.stripe, Rotation::cur());
            let name = meta.query_advice(paths.name, Rotation::cur());
            let feature = meta.query_advice(paths.feature, Rotation::cur());
            let threshold = meta.query_advice(paths.threshold, Rotation::cur());
            let right = meta.query_advice(paths.right, Rotation::cur());
            let visited = meta.query_advice(paths.visited, Rotation::cur());
            let node = name
                + Expression::Constant(power_of_two(NAME))
                + tree * power_of_two(TREE)
                + feature * power_of_two(FEATURE)
                + threshold * power_of_two(THRESHOLD)
                + delta.clone() * right
                + cube.clone();
            // Inactive rows are free.
            vec![
                step.clone() * (visited.clone() * (beta.clone() + node) - one())
                    + (active - step) * visited,
            ]
        });

        meta.create_gate("a step compares the value of the feature it names", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let value = meta.query_fixed(self.value, Rotation::cur());
            let number = meta.query_fixed(paths.number, Rotation::cur());
            // A step's sign, a value row's value.
            let cell = meta.query_advice(self.cells, Rotation::cur());
            let feature = meta.query_advice(paths.feature, Rotation::cur());
            let threshold = meta.query_advice(paths.threshold, Rotation::cur());
            let count = meta.query_advice(paths.right, Rotation::cur());
            let compared = meta.query_advice(paths.compared, Rotation::cur());
            let difference = self.difference(meta, shape, cell.clone());
            let any = beta.clone() + number + square.clone();
            let read = any.clone() + feature + delta.clone() * (threshold + difference);
            let offered = any + delta.clone() * cell;
            vec![
                step.clone() * (compared.clone() * read - one())
                    + value.clone() * (compared.clone() * offered + count)
                    + (active - step - value) * compared,
            ]
        });

        for ((count, offered), columns) in paths.counts.iter().zip(&paths.offered).zip(&paths.table)
        {
            meta.create_gate("a node is offered as often as it is counted", |meta| {
                let active = meta.query_fixed(self.active, Rotation::cur());
                let [node, right] = columns.map(|c| meta.query_fixed(c, Rotation::cur()));
                let count = meta.query_advice(*count, Rotation::cur());
                let offered = meta.query_advice(*offered, Rotation::cur());
                let entry = beta.clone() + node + delta.clone() * right + cube.clone();
                // Inactive rows are free: what blinds the table stands there.
                vec![active * (offered * entry - count)]
            });
        }
    }

    /// What a row's paths add to the sum of all look-ups.
    pub(in crate::circuit::graph) fn path_lookups(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
    ) -> Option<Expression<Fr>> {
        let paths = self.paths.as_ref()?;
        let visited = meta.query_advice(paths.visited, Rotation::cur());
        let compared = meta.query_advice(paths.compared, Rotation::cur());
        let sum = paths.offered.iter().fold(visited + compared, |sum, offered| {
            sum - meta.query_advice(*offered, Rotation::cur())
        });
        Some(sum)
    }

    /// x − t of a step, from its limbs and sign: a − 2^V·(1 − s), a in [0, 2^V).
    fn difference(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
        sign: Expression<Fr>,
    ) -> Expression<Fr> {
        let limbs: Vec<_> = self.limbs[..shape.value_limbs()]
            .iter()
            .map(|limb| meta.query_advice(*limb, Rotation::cur()))
            .collect();
        let offset = Fr::from(1u64 << shape.value_bits());
        limb_sum(&limbs, shape.limb_bits) + (sign - Expression::Constant(Fr::one())) * offset
    }
}
