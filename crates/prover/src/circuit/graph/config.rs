//! Columns and gates of the graph constraint system.
//!
//! Phase 1 (committed before any challenge):
//! - `limbs`: M columns of limbs of b bits. A pre-activation z takes R of them, limb i,
//!   counted from the lowest, in column i mod M, ⌊i / M⌋ rows above its *end row*.
//! - `cells`: on a *value row* the value x; on the end row, which comes next, the sign bit
//!   of z; on free rows the multiplicity of the table entry.
//!
//! Phase 2 (after the challenges β, γ and ρ):
//! - `coefficient`: 1 / (γ + stripe), what the equations of the row's stripe are
//!   multiplied by,
//! - `reading`: the sum of a value's weights, each times its equation's coefficient,
//! - `balance`: what all equations, times their coefficients, add up to,
//! - `logup`: the logUp accumulator of the range argument,
//! - `inverses`: 1 / (β + limb) for every limb column but the first.
//!
//! Fixed: `weights` (C lanes), which are secret; `table` (range table), `value` (1 on value
//! rows), `swap` (1 where a sum meets the constant 1 or an instance), `active` (1 where the
//! gates apply) and `stripe` (which equations the row's weights belong to).
//!
//! In a circuit of a batch of T inferences every row of a value stands T times, one after
//! the other, an inference each: what is one row above a row in a circuit of one inference
//! is T rows above it. `step` is 1 where a sum goes on to the next inference, times σ.
//!
//! Where maxima are proven, `gap` is 1 on the rows of how far each pre-activation of a window
//! is below the greatest: `windows`.
//!
//! Where products are proven, `product` is 1 on the end rows of values that are one:
//! `products`.
//!
//! Where paths of decision trees are proven, columns and gates of their own do it: [`paths`].
//! Their look-ups join the sum of the range argument, their leaves the balance.
//!
//! Where functions of one variable are proven by tables, it is the same: [`curves`].
//!
//! [`paths`]: super::paths
//! [`curves`]: super::curves
//!
//! Every gate has degree 3 or lower, so the quotient has two pieces.

use halo2_proofs::{
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance,
        SecondPhase, VirtualCells,
    },
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use super::{committed::CommittedColumns, curves::CurveColumns, paths::PathColumns};
use crate::{
    circuit::chain::config::{limb_sum, sum},
    shape::Shape,
};

/// The columns and challenges of the graph constraint system.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Limbs of the pre-activations.
    pub limbs: Vec<Column<Advice>>,
    /// Values, signs and multiplicities.
    pub cells: Column<Advice>,
    /// 1 / (γ + stripe).
    pub coefficient: Column<Advice>,
    /// Sums of weights times coefficients.
    pub reading: Column<Advice>,
    /// What all equations add up to.
    pub balance: Column<Advice>,
    /// logUp accumulator.
    pub logup: Column<Advice>,
    /// 1 / (β + limb) for every limb column but the first.
    pub inverses: Vec<Column<Advice>>,
    /// Weight lanes.
    pub weights: Vec<Column<Fixed>>,
    /// Range table.
    pub table: Column<Fixed>,
    /// 1 on value rows.
    pub value: Column<Fixed>,
    /// 1 where a sum meets the constant 1 or an instance.
    pub swap: Column<Fixed>,
    /// 1 on active rows.
    pub active: Column<Fixed>,
    /// The stripe of the row's weights.
    pub stripe: Column<Fixed>,
    /// What carries a sum from one inference of a batch to the next; none for a single one.
    pub batch: Option<Batch>,
    /// 1 on gap rows; none in circuits that prove no maxima.
    pub gap: Option<Column<Fixed>>,
    /// 1 on the end rows of products; none in circuits that prove none.
    pub product: Option<Column<Fixed>>,
    /// Paths of decision trees; none in circuits of models without.
    pub paths: Option<PathColumns>,
    /// Functions of one variable; none in circuits that prove none by tables.
    pub curves: Option<CurveColumns>,
    /// Hashes of committed inputs; none in circuits without.
    pub committed: Option<CommittedColumns>,
    /// Context, public inputs, outputs.
    pub instance: Column<Instance>,
    /// Challenge of the range argument.
    pub beta: Challenge,
    /// Challenge that separates stripes.
    pub gamma: Challenge,
    /// Challenge that separates lanes.
    pub rho: Challenge,
}

/// How the equations of a batch's inferences are kept apart: those of inference t count σ^t
/// times.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// 1 where a sum is used for an inference that is not the last.
    pub step: Column<Fixed>,
    /// σ.
    pub sigma: Challenge,
}

/// Rows at the end of every column that hold random values; see
/// [`crate::circuit::chain::config::unusable_rows`].
pub fn unusable_rows(shape: &Shape) -> usize {
    // Limbs are read on as many rows as a pre-activation takes, values by functions on three.
    let cells = if shape.segment_lanes() > 0 { 3 } else { 2 };
    (shape.value_rows().max(3) + 3).max(2 * shape.value_rows().max(cells) + 1)
}

/// The same inference's row, `rows` rows of a value before.
pub(super) fn before(rows: usize, shape: &Shape) -> Rotation {
    Rotation(-((rows * shape.batch()) as i32))
}

impl Columns {
    /// Adds the columns and gates of `shape` to a constraint system.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, shape: &Shape) -> Self {
        let limb_columns = shape.limb_columns();
        let limbs = (0..limb_columns).map(|_| meta.advice_column_in(FirstPhase)).collect();
        let cells = meta.advice_column_in(FirstPhase);
        let path_cells = PathColumns::first_phase(meta, shape, cells);
        let curve_cells = CurveColumns::first_phase(meta, shape);
        let committed = CommittedColumns::first_phase(meta, shape);
        let beta = meta.challenge_usable_after(FirstPhase);
        let gamma = meta.challenge_usable_after(FirstPhase);
        let rho = meta.challenge_usable_after(FirstPhase);
        let sigma = (shape.batch() > 1).then(|| meta.challenge_usable_after(FirstPhase));
        let delta = shape.compound_lookups().then(|| meta.challenge_usable_after(FirstPhase));
        let mut columns = Self {
            limbs,
            cells,
            coefficient: meta.advice_column_in(SecondPhase),
            reading: meta.advice_column_in(SecondPhase),
            balance: meta.advice_column_in(SecondPhase),
            logup: meta.advice_column_in(SecondPhase),
            inverses: (1..limb_columns).map(|_| meta.advice_column_in(SecondPhase)).collect(),
            weights: (0..shape.lanes).map(|_| meta.fixed_column()).collect(),
            table: meta.fixed_column(),
            value: meta.fixed_column(),
            swap: meta.fixed_column(),
            active: meta.fixed_column(),
            stripe: meta.fixed_column(),
            batch: sigma.map(|sigma| Batch { step: meta.fixed_column(), sigma }),
            gap: shape.windows().then(|| meta.fixed_column()),
            product: shape.products().then(|| meta.fixed_column()),
            paths: None,
            curves: None,
            committed: None,
            instance: meta.instance_column(),
            beta,
            gamma,
            rho,
        };
        let paths = path_cells.zip(delta);
        columns.paths = paths.map(|(first, delta)| first.second_phase(meta, delta));
        let curves = curve_cells.zip(delta);
        columns.curves = curves.map(|(first, delta)| first.second_phase(meta, delta));
        columns.committed = committed.map(|cells| CommittedColumns::new(meta, cells));
        columns.reading_gates(meta, shape);
        columns.balance_gate(meta, shape);
        columns.value_gates(meta, shape);
        columns.window_gates(meta, shape);
        columns.range_gates(meta);
        columns.path_gates(meta, shape);
        columns.curve_gates(meta, shape);
        columns.committed_gates(meta, shape);
        columns.boundary_gates(meta);
        columns
    }

    /// What a value, a pre-activation or an instance counts in all its equations.
    fn reading_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("a stripe's coefficient is 1 / (γ + stripe)", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let stripe = meta.query_fixed(self.stripe, Rotation::cur());
            let coefficient = meta.query_advice(self.coefficient, Rotation::cur());
            // Zero on inactive rows, so the gate needs no selector.
            vec![coefficient * (active.clone() * self.gamma.expr() + stripe) - active]
        });

        meta.create_gate("a reading adds up weights, restarted where it was used", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let value = meta.query_fixed(self.value, Rotation::cur());
            let end = meta.query_fixed(self.value, before(1, shape));
            let swap = meta.query_fixed(self.swap, Rotation::cur());
            let coefficient = meta.query_advice(self.coefficient, Rotation::cur());
            let reading = meta.query_advice(self.reading, Rotation::cur());
            let next = meta.query_advice(self.reading, Rotation::next());
            let mut power = Expression::Constant(Fr::one());
            let row = sum(self.weights.iter().map(|column| {
                let weight = meta.query_fixed(*column, Rotation::cur()) * power.clone();
                power = power.clone() * self.rho.expr();
                weight
            }));
            let mut kept = active.clone() - value - end - swap;
            if let Some(batch) = &self.batch {
                let step = meta.query_fixed(batch.step, Rotation::cur());
                kept = kept + step * batch.sigma.expr();
            }
            if let Some(gap) = self.gap {
                kept = kept - meta.query_fixed(gap, Rotation::cur());
            }
            if let Some(curves) = &self.curves {
                kept = kept - meta.query_fixed(curves.evaluation, Rotation::cur());
            }
            for used in self.committed_rows(meta, shape).into_iter().flatten() {
                kept = kept - used;
            }
            // Inactive rows are free: what blinds the weights stands there.
            vec![active * (next - coefficient * row) - kept * reading]
        });
    }

    /// Σ over all equations of coefficient · (z − c − Σ A·x) is 0.
    fn balance_gate(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("pre-activations are what weights and values add up to", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let value = meta.query_fixed(self.value, Rotation::cur());
            let end = meta.query_fixed(self.value, before(1, shape));
            let swap = meta.query_fixed(self.swap, Rotation::cur());
            let cell = meta.query_advice(self.cells, Rotation::cur());
            let reading = meta.query_advice(self.reading, Rotation::cur());
            let balance = meta.query_advice(self.balance, Rotation::cur());
            let next = meta.query_advice(self.balance, Rotation::next());
            let instance = meta.query_instance(self.instance, Rotation::cur());
            // z = a − 2^B·(1 − s), a in [0, 2^B): every z has one sign and one a.
            let offset = Fr::from(1u64 << shape.accumulator_bits());
            let magnitude = limb_sum(&self.limb_window(meta, shape), shape.limb_bits);
            let gap = self.gap.map(|gap| meta.query_fixed(gap, Rotation::cur()));
            let gap = gap.map(|gap| gap * (reading.clone() * magnitude.clone()));
            let evaluation = self.curves.as_ref().map(|curves| curves.evaluation);
            let evaluation = evaluation.map(|column| meta.query_fixed(column, Rotation::cur()));
            let result = evaluation.map(|there| there * (reading.clone() * cell.clone()));
            let z = magnitude + (cell.clone() - Expression::Constant(Fr::one())) * offset;
            // A leaf counts where its tree's equation meets the constant 1.
            let mut constant = swap.clone();
            if let Some(leaves) = self.leaves(meta) {
                constant = constant + swap * leaves;
            }
            let mut stated = instance + constant;
            if let Some(elements) = self.committed_elements(meta, shape) {
                stated = stated + elements;
            }
            let step = active.clone() * (next - balance) - end * (reading.clone() * z)
                + value * (reading.clone() * cell)
                - reading * stated;
            vec![gap.into_iter().chain(result).fold(step, |step, taken| step + taken)]
        });
    }

    /// Signs are bits, and a value is the rescaled positive part of its pre-activation.
    fn value_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("x = max(0, ⌊z / 2^n⌋)", |meta| {
            let end = meta.query_fixed(self.value, before(1, shape));
            let sign = meta.query_advice(self.cells, Rotation::cur());
            let x = meta.query_advice(self.cells, before(1, shape));
            let limbs = self.limb_window(meta, shape);
            let quotient = limb_sum(&limbs[shape.shift_limbs..], shape.limb_bits);
            let bit = end.clone() * (sign.clone() * sign.clone() - sign.clone());
            let rescaled = end * (x - sign.clone() * quotient.clone());
            let Some(product) = self.product else { return vec![bit, rescaled] };
            let product = meta.query_fixed(product, Rotation::cur());
            let remainder = limb_sum(&limbs[..shape.shift_limbs], shape.limb_bits);
            let one = Expression::Constant(Fr::one());
            // Of a product, x − s·⌊a / 2^n⌋ becomes x − (a mod 2^n)·⌊a / 2^n⌋.
            vec![
                bit,
                rescaled + product.clone() * ((sign.clone() - remainder) * quotient),
                product * (one - sign),
            ]
        });
    }

    /// logUp over all limb columns: Σ 1/(β + limb) = Σ m/(β + table) over the active rows.
    fn range_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        let beta = self.beta.expr();
        for (column, inverse) in self.limbs[1..].iter().zip(&self.inverses) {
            meta.create_gate("a limb's inverse is 1 / (β + limb)", |meta| {
                let active = meta.query_fixed(self.active, Rotation::cur());
                let limb = meta.query_advice(*column, Rotation::cur());
                let inverse = meta.query_advice(*inverse, Rotation::cur());
                let one = Expression::Constant(Fr::one());
                vec![active * (inverse * (beta.clone() + limb) - one)]
            });
        }
        meta.create_gate("every limb is in the range table", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let table = meta.query_fixed(self.table, Rotation::cur());
            let limb = meta.query_advice(self.limbs[0], Rotation::cur());
            let multiplicity = meta.query_advice(self.cells, Rotation::cur());
            let logup = meta.query_advice(self.logup, Rotation::cur());
            let next = meta.query_advice(self.logup, Rotation::next());
            let mut step = next - logup;
            for inverse in &self.inverses {
                step = step - meta.query_advice(*inverse, Rotation::cur());
            }
            let looked_up = beta.clone() + limb;
            if let Some(paths) = self.path_lookups(meta) {
                step = step - paths;
            }
            if let Some(curves) = self.curve_lookups(meta) {
                step = step - curves;
            }
            // Zero on inactive rows, so the gate needs no selector.
            let entry = active.clone() * beta + table;
            vec![
                step * looked_up.clone() * entry.clone() - entry
                    + active * multiplicity * looked_up,
            ]
        });
    }

    /// The accumulators are 0 on the first row; balance and logUp are 0 after the last.
    fn boundary_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("accumulators start and end at zero", |meta| {
            let one = Expression::Constant(Fr::one());
            let active = meta.query_fixed(self.active, Rotation::cur());
            let next_active = meta.query_fixed(self.active, Rotation::next());
            let reading = meta.query_advice(self.reading, Rotation::next());
            let balance = meta.query_advice(self.balance, Rotation::next());
            let logup = meta.query_advice(self.logup, Rotation::next());
            let first = (one.clone() - active.clone()) * next_active.clone();
            let last = active * (one - next_active);
            vec![
                first.clone() * reading,
                first.clone() * balance.clone(),
                first * logup.clone(),
                last.clone() * balance,
                last * logup,
            ]
        });
    }

    /// The limbs of the pre-activation that ends on the current row, lowest first.
    pub(super) fn limb_window(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        shape: &Shape,
    ) -> Vec<Expression<Fr>> {
        (0..shape.limbs)
            .map(|limb| {
                let rotation = before(limb / self.limbs.len(), shape);
                meta.query_advice(self.limbs[limb % self.limbs.len()], rotation)
            })
            .collect()
    }
}
