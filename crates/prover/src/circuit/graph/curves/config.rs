//! Columns and gates of functions.

use halo2_proofs::{
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, SecondPhase,
        VirtualCells,
    },
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use super::FUNCTION;
use crate::{
    circuit::{
        chain::config::limb_sum,
        graph::{Columns, config::before},
    },
    shape::Shape,
};

/// The columns of evaluations and of the segment table.
#[derive(Debug, Clone)]
pub struct CurveColumns {
    /// A segment's base.
    pub base: Column<Advice>,
    /// Its slope.
    pub slope: Column<Advice>,
    /// How often each segment is looked up, a column a lane of the table.
    pub counts: Vec<Column<Advice>>,
    /// 1 / (β + segment) of each evaluation.
    pub looked_up: Column<Advice>,
    /// count / (β + segment), a column a lane of the table.
    pub offered: Vec<Column<Advice>>,
    /// 1 on the rows of evaluations.
    pub evaluation: Column<Fixed>,
    /// The function's number there.
    pub function: Column<Fixed>,
    /// The segment table: for each lane number and function, base, slope.
    pub table: Vec<[Column<Fixed>; 3]>,
    /// Makes one number of several.
    pub delta: Challenge,
}

/// The columns of the first phase.
pub(in crate::circuit::graph) struct First {
    base: Column<Advice>,
    slope: Column<Advice>,
    counts: Vec<Column<Advice>>,
}

impl CurveColumns {
    /// Adds those of the first phase; [`First::second_phase`] adds the others.
    pub(in crate::circuit::graph) fn first_phase(
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) -> Option<First> {
        (shape.segment_lanes() > 0).then(|| First {
            base: meta.advice_column_in(FirstPhase),
            slope: meta.advice_column_in(FirstPhase),
            counts: (0..shape.segment_lanes()).map(|_| meta.advice_column_in(FirstPhase)).collect(),
        })
    }

    /// The advice columns of each phase in the order of their index.
    pub(in crate::circuit::graph) fn advice(&self) -> [Vec<Column<Advice>>; 2] {
        let first = [self.base, self.slope].into_iter().chain(self.counts.iter().copied());
        let second = [self.looked_up].into_iter().chain(self.offered.iter().copied());
        [first.collect(), second.collect()]
    }

    /// The secret columns in the order of their index.
    pub(in crate::circuit::graph) fn secret(&self) -> Vec<Column<Fixed>> {
        self.table.iter().flatten().copied().collect()
    }
}

impl First {
    /// Adds the others.
    pub(in crate::circuit::graph) fn second_phase(
        self,
        meta: &mut ConstraintSystem<Fr>,
        delta: Challenge,
    ) -> CurveColumns {
        let Self { base, slope, counts } = self;
        let lanes = counts.len();
        CurveColumns {
            base,
            slope,
            counts,
            looked_up: meta.advice_column_in(SecondPhase),
            offered: (0..lanes).map(|_| meta.advice_column_in(SecondPhase)).collect(),
            evaluation: meta.fixed_column(),
            function: meta.fixed_column(),
            table: (0..lanes).map(|_| [(); 3].map(|()| meta.fixed_column())).collect(),
            delta,
        }
    }
}

impl Columns {
    /// The gates of functions.
    pub(in crate::circuit::graph) fn curve_gates(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        shape: &Shape,
    ) {
        let Some(curves) = &self.curves else { return };
        self.evaluation_gate(meta, curves, shape);
        self.segment_gate(meta, curves, shape);
        let (beta, delta) = (self.beta.expr(), curves.delta.expr());
        for ((count, offered), columns) in
            curves.counts.iter().zip(&curves.offered).zip(&curves.table)
        {
            meta.create_gate("a segment is offered as often as it is counted", |meta| {
                let active = meta.query_fixed(self.active, Rotation::cur());
                let [number, base, slope] =
                    columns.map(|column| meta.query_fixed(column, Rotation::cur()));
                let count = meta.query_advice(*count, Rotation::cur());
                let offered = meta.query_advice(*offered, Rotation::cur());
                let entry = compound(&delta, number, base, slope);
                // Inactive rows are free: what blinds the table stands there.
                vec![active * (offered * (beta.clone() + entry) - count)]
            });
        }
    }

    /// An evaluation is at the value above it, and is base + slope·offset.
    fn evaluation_gate(
        &self,
        meta: &mut ConstraintSystem<Fr>,
        curves: &CurveColumns,
        shape: &Shape,
    ) {
        meta.create_gate("an evaluation is at x, and is base + slope·offset", |meta| {
            let evaluation = meta.query_fixed(curves.evaluation, Rotation::cur());
            let x = meta.query_advice(self.cells, before(2, shape));
            let result = meta.query_advice(self.cells, Rotation::cur());
            let base = meta.query_advice(curves.base, Rotation::cur());
            let slope = meta.query_advice(curves.slope, Rotation::cur());
            let limbs = self.argument_limbs(meta, shape);
            let offset = limb_sum(&limbs[..limbs.len() - 1], shape.limb_bits);
            vec![
                evaluation.clone() * (limb_sum(&limbs, shape.limb_bits) - x),
                evaluation * (result - base - slope * offset),
            ]
        });
    }

    /// An evaluation's segment is the one of x in the function's table.
    fn segment_gate(&self, meta: &mut ConstraintSystem<Fr>, curves: &CurveColumns, shape: &Shape) {
        let (beta, delta) = (self.beta.expr(), curves.delta.expr());
        meta.create_gate("an evaluation's segment is one of its function", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let evaluation = meta.query_fixed(curves.evaluation, Rotation::cur());
            let function = meta.query_fixed(curves.function, Rotation::cur());
            let base = meta.query_advice(curves.base, Rotation::cur());
            let slope = meta.query_advice(curves.slope, Rotation::cur());
            let looked_up = meta.query_advice(curves.looked_up, Rotation::cur());
            let limbs = self.argument_limbs(meta, shape);
            let number = limbs[limbs.len() - 1].clone() + function * Fr::from(1 << FUNCTION);
            let segment = beta.clone() + compound(&delta, number, base, slope);
            let one = Expression::Constant(Fr::one());
            // Inactive rows are free.
            vec![
                evaluation.clone() * (looked_up.clone() * segment - one)
                    + (active - evaluation) * looked_up,
            ]
        });
    }

    /// The limbs of a value, lowest first, that stand on the row of its evaluation.
    fn argument_limbs(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
    ) -> Vec<Expression<Fr>> {
        let own = &self.limbs[..shape.value_limbs()];
        own.iter().map(|limb| meta.query_advice(*limb, Rotation::cur())).collect()
    }

    /// What a row's evaluation and its segments add to the sum of all look-ups.
    pub(in crate::circuit::graph) fn curve_lookups(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
    ) -> Option<Expression<Fr>> {
        let curves = self.curves.as_ref()?;
        let looked_up = meta.query_advice(curves.looked_up, Rotation::cur());
        Some(
            curves
                .offered
                .iter()
                .fold(looked_up, |sum, offered| sum - meta.query_advice(*offered, Rotation::cur())),
        )
    }
}

/// One number of a segment's: number + δ·base + δ²·slope + δ⁴.
fn compound(
    delta: &Expression<Fr>,
    number: Expression<Fr>,
    base: Expression<Fr>,
    slope: Expression<Fr>,
) -> Expression<Fr> {
    let square = delta.clone() * delta.clone();
    number + delta.clone() * base + square.clone() * slope + square.clone() * square
}
