//! Columns and gates of the chain constraint system.
//!
//! Phase 1 (committed before any challenge):
//! - `limbs`: one limb of b bits a row; a pre-activation z is written in R
//!   consecutive rows, highest limb first.
//! - `signs`: on a *value row* the value x; R−(R−n) rows later, on its *end row*,
//!   the sign bit of z; on free rows the multiplicity of the table entry.
//!
//! Phase 2 (after the challenges β and ρ):
//! - `horner`: Horner sums in ρ of the weight lists,
//! - `collected`: Σ ρ^i·z_i over the pre-activations of the layer being read,
//! - `open`: what the values of the current layer still have to account for,
//! - `logup`: the logUp accumulator of the range argument.
//!
//! Fixed: `weights` (C lanes), `table` (range table), `value` (1 on value rows),
//! `swap` (1 where a layer ends), `active` (1 where the gates apply).
//!
//! Every gate has degree 3 or lower, so the quotient has two pieces.

use halo2_proofs::{
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance,
        SecondPhase,
    },
    poly::Rotation,
};
use halo2curves::bn256::Fr;

use crate::shape::Shape;

/// The columns and challenges of the chain constraint system.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Limbs of the pre-activations.
    pub limbs: Column<Advice>,
    /// Values, signs and multiplicities.
    pub signs: Column<Advice>,
    /// Horner sums of the weights.
    pub horner: Column<Advice>,
    /// Random combination of the pre-activations read so far in this layer.
    pub collected: Column<Advice>,
    /// Remainder of the previous layer's combination.
    pub open: Column<Advice>,
    /// logUp accumulator.
    pub logup: Column<Advice>,
    /// Weight lanes.
    pub weights: Vec<Column<Fixed>>,
    /// Range table.
    pub table: Column<Fixed>,
    /// 1 on value rows.
    pub value: Column<Fixed>,
    /// 1 on swap rows.
    pub swap: Column<Fixed>,
    /// 1 on active rows.
    pub active: Column<Fixed>,
    /// Context, public inputs, outputs.
    pub instance: Column<Instance>,
    /// Challenge of the range argument.
    pub beta: Challenge,
    /// Challenge of the linear layers.
    pub rho: Challenge,
}

/// Rows at the end of every column that hold random values.
///
/// halo2 keeps the largest number of queries of one advice column (the limb column's), at
/// least 3, plus 3; hiding a column takes two rows a query and one for its commitment.
/// A test compares the figure with both.
pub fn unusable_rows(shape: &Shape) -> usize {
    (shape.limbs.max(3) + 3).max(2 * shape.limbs + 1)
}

/// Rotation from the last row of the domain to the last active row.
fn last_active_rotation(shape: &Shape) -> Rotation {
    Rotation(-(unusable_rows(shape) as i32 + 1))
}

pub(in crate::circuit) fn sum(terms: impl IntoIterator<Item = Expression<Fr>>) -> Expression<Fr> {
    terms.into_iter().reduce(|a, b| a + b).unwrap_or(Expression::Constant(Fr::zero()))
}

/// Σ 2^(b·i)·terms_i.
pub(in crate::circuit) fn limb_sum(terms: &[Expression<Fr>], limb_bits: u32) -> Expression<Fr> {
    let base = Fr::from(1u64 << limb_bits);
    let mut weight = Fr::one();
    sum(terms.iter().map(|term| {
        let scaled = term.clone() * weight;
        weight *= base;
        scaled
    }))
}

impl Columns {
    /// Adds the columns and gates of `shape` to a constraint system.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, shape: &Shape) -> Self {
        let limbs = meta.advice_column_in(FirstPhase);
        let signs = meta.advice_column_in(FirstPhase);
        let beta = meta.challenge_usable_after(FirstPhase);
        let rho = meta.challenge_usable_after(FirstPhase);
        let horner = meta.advice_column_in(SecondPhase);
        let collected = meta.advice_column_in(SecondPhase);
        let open = meta.advice_column_in(SecondPhase);
        let logup = meta.advice_column_in(SecondPhase);
        let weights = (0..shape.lanes).map(|_| meta.fixed_column()).collect();
        let table = meta.fixed_column();
        let value = meta.fixed_column();
        let swap = meta.fixed_column();
        let active = meta.fixed_column();
        let instance = meta.instance_column();
        let columns = Self {
            limbs,
            signs,
            horner,
            collected,
            open,
            logup,
            weights,
            table,
            value,
            swap,
            active,
            instance,
            beta,
            rho,
        };
        columns.linear_gates(meta, shape);
        columns.value_gates(meta, shape);
        if shape.public_inputs {
            columns.public_gates(meta, shape);
        }
        columns.range_gates(meta);
        columns.boundary_gates(meta, shape);
        columns
    }

    /// The random-point check of the linear layers.
    fn linear_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        let rho = self.rho.expr();
        let one = Expression::Constant(Fr::one());
        let mut powers = vec![one.clone()];
        for i in 0..shape.lanes {
            powers.push(powers[i].clone() * rho.clone());
        }

        meta.create_gate("Horner sum of the weights, restarted after a value or a swap", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let value = meta.query_fixed(self.value, Rotation::cur());
            let swap = meta.query_fixed(self.swap, Rotation::cur());
            let horner = meta.query_advice(self.horner, Rotation::cur());
            let next = meta.query_advice(self.horner, Rotation::next());
            let row = sum(self.weights.iter().enumerate().map(|(lane, column)| {
                let weight = meta.query_fixed(*column, Rotation::cur());
                weight * powers[shape.lanes - 1 - lane].clone()
            }));
            let carried = (active.clone() - value - swap) * (horner * powers[shape.lanes].clone());
            // Inactive rows are free: what blinds the weights stands there.
            vec![active * (next - row) - carried]
        });

        meta.create_gate("a value accounts for its part of the previous layer", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let value = meta.query_fixed(self.value, Rotation::cur());
            let swap = meta.query_fixed(self.swap, Rotation::cur());
            let horner = meta.query_advice(self.horner, Rotation::cur());
            let x = meta.query_advice(self.signs, Rotation::cur());
            let collected = meta.query_advice(self.collected, Rotation::cur());
            let open = meta.query_advice(self.open, Rotation::cur());
            let next = meta.query_advice(self.open, Rotation::next());
            vec![
                active.clone() * next - (active - swap.clone()) * open.clone()
                    + value * (horner.clone() * x)
                    - swap.clone() * (collected - horner),
                swap * open,
            ]
        });

        meta.create_gate("a pre-activation or an instance is collected", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let swap = meta.query_fixed(self.swap, Rotation::cur());
            let end = meta.query_fixed(self.value, end_to_value(shape));
            let horner = meta.query_advice(self.horner, Rotation::cur());
            let sign = meta.query_advice(self.signs, Rotation::cur());
            let limbs = self.limb_window(meta, shape);
            let collected = meta.query_advice(self.collected, Rotation::cur());
            let next = meta.query_advice(self.collected, Rotation::next());
            let instance = meta.query_instance(self.instance, Rotation::cur());
            // z = (2s − 1)·a − (1 − s): zero has one sign.
            let magnitude = limb_sum(&limbs, shape.limb_bits);
            let z = (sign.clone() * Fr::from(2) - one.clone()) * magnitude + sign - one.clone();
            vec![
                active * next
                    - (meta.query_fixed(self.active, Rotation::cur()) - swap) * collected.clone()
                    - end * (collected * (rho.clone() - one.clone()) + z)
                    - horner * instance,
            ]
        });
    }

    /// Signs are bits, and a value is the rescaled positive part of its
    /// pre-activation.
    fn value_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("x = max(0, ⌊z / 2^n⌋)", |meta| {
            let end = meta.query_fixed(self.value, end_to_value(shape));
            let sign = meta.query_advice(self.signs, Rotation::cur());
            let x = meta.query_advice(self.signs, end_to_value(shape));
            let limbs = self.limb_window(meta, shape);
            let quotient = limb_sum(&limbs[shape.shift_limbs..], shape.limb_bits);
            vec![
                end.clone() * (sign.clone() * sign.clone() - sign.clone()),
                end * (x - sign * quotient),
            ]
        });
    }

    /// A public input's pre-activation is 2^n times the value: what its instance is
    /// compared with has one word for one value.
    ///
    /// The end rows of public inputs are those whose table entry is not 0. The limbs
    /// that the rescale drops are in their range, so the sum is 0 only where all of
    /// them are and the sign is 1.
    fn public_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("a public input has neither a remainder nor a sign", |meta| {
            let end = meta.query_fixed(self.value, end_to_value(shape));
            let public = meta.query_fixed(self.table, Rotation::cur());
            let sign = meta.query_advice(self.signs, Rotation::cur());
            let limbs = self.limb_window(meta, shape);
            let remainder = limb_sum(&limbs[..shape.shift_limbs], shape.limb_bits);
            let negative = Expression::Constant(Fr::one()) - sign;
            vec![end * public * (remainder + negative * Fr::from(1u64 << shape.shift_bits()))]
        });
    }

    /// logUp: Σ 1/(β + limb) = Σ m/(β + table) over the active rows.
    ///
    /// On value and end rows the table holds 0 (1 on the end rows of public inputs), so
    /// what `signs` holds there counts as multiplicity of that entry, which a free row
    /// makes up for.
    fn range_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("every limb is in the range table", |meta| {
            let active = meta.query_fixed(self.active, Rotation::cur());
            let table = meta.query_fixed(self.table, Rotation::cur());
            let limb = meta.query_advice(self.limbs, Rotation::cur());
            let multiplicity = meta.query_advice(self.signs, Rotation::cur());
            let logup = meta.query_advice(self.logup, Rotation::cur());
            let next = meta.query_advice(self.logup, Rotation::next());
            let looked_up = self.beta.expr() + limb;
            // Zero on inactive rows, so the gate needs no selector.
            let entry = active.clone() * self.beta.expr() + table;
            vec![
                (next - logup) * looked_up.clone() * entry.clone() - entry
                    + active * multiplicity * looked_up,
            ]
        });
    }

    /// The accumulators start at 0 on the first row, and logUp ends at 0.
    ///
    /// The first row is where `active` turns from 0, on the domain's last row, to 1:
    /// with public inputs, `collected` starts at minus its own last value, divided by
    /// 2^n: the pre-activations of public inputs are 2^n times their values, which the
    /// instance column must cancel.
    fn boundary_gates(&self, meta: &mut ConstraintSystem<Fr>, shape: &Shape) {
        meta.create_gate("accumulators start and end at zero", |meta| {
            let one = Expression::Constant(Fr::one());
            let active = meta.query_fixed(self.active, Rotation::cur());
            let next_active = meta.query_fixed(self.active, Rotation::next());
            let horner = meta.query_advice(self.horner, Rotation::next());
            let logup = meta.query_advice(self.logup, Rotation::next());
            let mut collected = meta.query_advice(self.collected, Rotation::next());
            if shape.public_inputs {
                let inputs = meta.query_advice(self.collected, last_active_rotation(shape));
                collected = collected * Fr::from(1u64 << shape.shift_bits()) + inputs;
            }
            let first = (one.clone() - active.clone()) * next_active.clone();
            let last = active * (one - next_active);
            vec![
                first.clone() * horner,
                first.clone() * collected,
                first * logup.clone(),
                last * logup,
            ]
        });
    }

    /// The limbs of the pre-activation that ends on the current row, lowest first.
    fn limb_window(
        &self,
        meta: &mut halo2_proofs::plonk::VirtualCells<'_, Fr>,
        shape: &Shape,
    ) -> Vec<Expression<Fr>> {
        (0..shape.limbs as i32).map(|i| meta.query_advice(self.limbs, Rotation(-i))).collect()
    }
}

/// Rotation from the end row of a pre-activation to its value row.
fn end_to_value(shape: &Shape) -> Rotation {
    Rotation(-(shape.shift_limbs as i32))
}
