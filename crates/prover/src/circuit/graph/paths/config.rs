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
    circuit::{
        chain::config::{limb_sum, sum},
        graph::Columns,
    },
    shape::Shape,
};

/// The columns of paths and of the node table.
#[derive(Debug, Clone)]
pub struct PathColumns {
    /// Those of the paths side by side.
    pub lanes: Vec<PathLane>,
    /// How often each node is visited, a column a lane of the table.
    pub counts: Vec<Column<Advice>>,
    /// count / (β + node), a column a lane of the table.
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

/// The columns of one of the paths side by side.
#[derive(Debug, Clone, Copy)]
pub struct PathLane {
    /// Names of nodes; on a path's last row its leaf's.
    pub name: Column<Advice>,
    /// The number of the feature that is compared.
    pub feature: Column<Advice>,
    /// What it is compared with.
    pub threshold: Column<Advice>,
    /// The name of the right child; of the first lane, on value rows, how often the value is
    /// compared.
    pub right: Column<Advice>,
    /// Signs; those of the first lane stand among values and signs.
    pub sign: Column<Advice>,
    /// 1 / (β + node) on steps.
    pub visited: Column<Advice>,
    /// 1 / (β + feature) on steps; of the first lane −count / (β + feature) on value rows.
    pub compared: Column<Advice>,
}

/// 2^exponent.
pub(super) fn power_of_two(exponent: u32) -> Fr {
    Fr::from(2).pow_vartime([u64::from(exponent)])
}

impl PathColumns {
    /// Adds those of the first phase, after `cells`; [`First::second_phase`] adds the others.
    pub(in crate::circuit::graph) fn first_phase(
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
        cells: Column<Advice>,
    ) -> Option<First> {
        let lane = |index: usize, meta: &mut ConstraintSystem<Fr>| {
            let own = std::array::from_fn(|_| meta.advice_column_in(FirstPhase));
            (own, if index == 0 { cells } else { meta.advice_column_in(FirstPhase) })
        };
        (shape.node_lanes() > 0).then(|| First {
            lanes: (0..shape.path_lanes()).map(|index| lane(index, meta)).collect(),
            counts: (0..shape.node_lanes()).map(|_| meta.advice_column_in(FirstPhase)).collect(),
        })
    }

    /// The advice columns of each phase in the order of their index.
    pub(in crate::circuit::graph) fn advice(&self) -> [Vec<Column<Advice>>; 2] {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (index, lane) in self.lanes.iter().enumerate() {
            first.extend([lane.name, lane.feature, lane.threshold, lane.right]);
            first.extend((index > 0).then_some(lane.sign));
            second.extend([lane.visited, lane.compared]);
        }
        first.extend(&self.counts);
        second.extend(&self.offered);
        [first, second]
    }

    /// The secret columns in the order of their index.
    pub(in crate::circuit::graph) fn secret(&self) -> Vec<Column<Fixed>> {
        self.table.iter().flatten().copied().collect()
    }
}

/// The columns of the first phase: of each path, and the counts.
pub(in crate::circuit::graph) struct First {
    lanes: Vec<([Column<Advice>; 4], Column<Advice>)>,
    counts: Vec<Column<Advice>>,
}

impl First {
    /// Adds the others.
    pub(in crate::circuit::graph) fn second_phase(
        self,
        meta: &mut ConstraintSystem<Fr>,
        delta: Challenge,
    ) -> PathColumns {
        let lane = |(cells, sign): ([Column<Advice>; 4], Column<Advice>)| {
            let [name, feature, threshold, right] = cells;
            let [visited, compared] = std::array::from_fn(|_| meta.advice_column_in(SecondPhase));
            PathLane { name, feature, threshold, right, sign, visited, compared }
        };
        let lanes = self.lanes.into_iter().map(lane).collect();
        let count = self.counts.len();
        PathColumns {
            lanes,
            counts: self.counts,
            offered: (0..count).map(|_| meta.advice_column_in(SecondPhase)).collect(),
            step: meta.fixed_column(),
            number: meta.fixed_column(),
            table: (0..count).map(|_| [meta.fixed_column(), meta.fixed_column()]).collect(),
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
        for (index, lane) in paths.lanes.iter().enumerate() {
            self.path_gate(meta, paths, lane);
            self.node_gate(meta, paths, lane, index);
            self.feature_gate(meta, shape, paths, index);
        }
        let (beta, delta) = (self.beta.expr(), paths.delta.expr());
        let cube = delta.clone() * delta.clone() * delta.clone();
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

    /// A path goes on where its comparison says.
    fn path_gate(&self, meta: &mut ConstraintSystem<Fr>, paths: &PathColumns, lane: &PathLane) {
        meta.create_gate("a path goes on where its comparison says", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let sign = meta.query_advice(lane.sign, Rotation::cur());
            let name = meta.query_advice(lane.name, Rotation::cur());
            let next = meta.query_advice(lane.name, Rotation::next());
            let right = meta.query_advice(lane.right, Rotation::cur());
            let left = name + one();
            let child = left.clone() + sign.clone() * (right - left);
            vec![active * next - step.clone() * child, step * (sign.clone() * sign.clone() - sign)]
        });
    }

    /// A step's node is one of its tree.
    fn node_gate(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        paths: &PathColumns,
        lane: &PathLane,
        index: usize,
    ) {
        let (beta, delta) = (self.beta.expr(), paths.delta.expr());
        meta.create_gate("a step is at a node of its tree", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let row = meta.query_fixed(self.stripe, Rotation::cur());
            let name = meta.query_advice(lane.name, Rotation::cur());
            let feature = meta.query_advice(lane.feature, Rotation::cur());
            let threshold = meta.query_advice(lane.threshold, Rotation::cur());
            let right = meta.query_advice(lane.right, Rotation::cur());
            let visited = meta.query_advice(lane.visited, Rotation::cur());
            // Side by side are trees of consecutive numbers.
            let tree = row * Fr::from(paths.lanes.len() as u64)
                + Expression::Constant(Fr::from(index as u64));
            let node = name
                + Expression::Constant(power_of_two(NAME))
                + tree * power_of_two(TREE)
                + feature * power_of_two(FEATURE)
                + threshold * power_of_two(THRESHOLD)
                + delta.clone() * (right + delta.clone() * delta.clone());
            // Inactive rows are free.
            vec![
                step.clone() * (visited.clone() * (beta.clone() + node) - one())
                    + (active - step) * visited,
            ]
        });
    }

    /// A step compares the value of the feature that it names.
    fn feature_gate(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
        paths: &PathColumns,
        index: usize,
    ) {
        let lane = &paths.lanes[index];
        let (beta, delta) = (self.beta.expr(), paths.delta.expr());
        meta.create_gate("a step compares the value of the feature it names", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let step = meta.query_fixed(paths.step, Rotation::cur());
            let number = meta.query_fixed(paths.number, Rotation::cur());
            let sign = meta.query_advice(lane.sign, Rotation::cur());
            let feature = meta.query_advice(lane.feature, Rotation::cur());
            let threshold = meta.query_advice(lane.threshold, Rotation::cur());
            let compared = meta.query_advice(lane.compared, Rotation::cur());
            let difference = self.difference(meta, shape, index, sign);
            let any = beta.clone() + number + delta.clone() * delta.clone();
            let read = any.clone() + feature + delta.clone() * (threshold + difference);
            let looked_up = step.clone() * (compared.clone() * read - one());
            if index > 0 {
                return vec![looked_up + (active - step) * compared];
            }
            let value = meta.query_fixed(self.value, Rotation::cur());
            let cell = meta.query_advice(self.cells, Rotation::cur());
            let count = meta.query_advice(lane.right, Rotation::cur());
            let offered = any + delta.clone() * cell;
            vec![
                looked_up
                    + value.clone() * (compared.clone() * offered + count)
                    + (active - step - value) * compared,
            ]
        });
    }

    /// What a row's paths add to the sum of all look-ups.
    pub(in crate::circuit::graph) fn path_lookups(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
    ) -> Option<Expression<Fr>> {
        let paths = self.paths.as_ref()?;
        let looked_up = paths.lanes.iter().flat_map(|lane| [lane.visited, lane.compared]);
        let looked_up = sum(looked_up.map(|column| meta.query_advice(column, Rotation::cur())));
        Some(
            paths
                .offered
                .iter()
                .fold(looked_up, |sum, offered| sum - meta.query_advice(*offered, Rotation::cur())),
        )
    }

    /// The names on a row, which are leaves' where a swap counts them.
    pub(in crate::circuit::graph) fn leaves(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
    ) -> Option<Expression<Fr>> {
        let lanes = self.paths.as_ref()?.lanes.iter();
        Some(sum(lanes.map(|lane| meta.query_advice(lane.name, Rotation::cur()))))
    }

    /// x − t of a step, from its limbs and sign: a − 2^V·(1 − s), a in [0, 2^V).
    fn difference(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
        lane: usize,
        sign: Expression<Fr>,
    ) -> Expression<Fr> {
        let own = lane * shape.value_limbs()..(lane + 1) * shape.value_limbs();
        let limbs: Vec<_> =
            self.limbs[own].iter().map(|limb| meta.query_advice(*limb, Rotation::cur())).collect();
        let offset = Fr::from(1u64 << shape.value_bits());
        limb_sum(&limbs, shape.limb_bits) + (sign - one()) * offset
    }
}

fn one() -> Expression<Fr> {
    Expression::Constant(Fr::one())
}
