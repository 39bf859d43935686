//! The advice columns: a run in rows, then its random combinations.

use ff::{BatchInvert, PrimeField};
use halo2curves::bn256::Fr;

use super::layout::Layout;
use crate::circuit::{field, small};

/// The columns committed before the challenges, active rows only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstPhase {
    /// One limb a row.
    pub limbs: Vec<Fr>,
    /// Values, signs, multiplicities.
    pub signs: Vec<Fr>,
}

/// The columns that depend on the challenges: active rows and one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondPhase {
    /// Horner sums of the weights.
    pub horner: Vec<Fr>,
    /// Random combination of the pre-activations.
    pub collected: Vec<Fr>,
    /// What values still have to account for.
    pub open: Vec<Fr>,
    /// logUp accumulator.
    pub logup: Vec<Fr>,
}

impl FirstPhase {
    /// Fills the first-phase columns from every value's (z, x): the inputs, then the
    /// results of each layer.
    pub fn new(layout: &Layout, integers: &[(i64, i64)]) -> Self {
        let shape = &layout.shape;
        let mut limbs = vec![0u32; layout.active_rows()];
        let mut signs = vec![0i64; layout.active_rows()];
        let mut zero_multiplicity = 0i128;
        for block in &layout.blocks {
            let (accumulator, value) = block.value.map_or((0, 0), |value| integers[value as usize]);
            let end = layout.end_row(block);
            let (sign, mut magnitude) =
                if accumulator < 0 { (0, !accumulator) } else { (1, accumulator) };
            for limb in limbs[end + 1 - shape.limbs..=end].iter_mut().rev() {
                *limb = (magnitude as u64 & (shape.table_size() as u64 - 1)) as u32;
                magnitude >>= shape.limb_bits;
            }
            signs[end] = sign;
            signs[block.value_row] = value;
            zero_multiplicity -= i128::from(sign) + i128::from(value);
        }

        let mut counts = vec![0i64; shape.table_size()];
        limbs.iter().for_each(|limb| counts[*limb as usize] += 1);
        for (row, entry) in &layout.table {
            signs[*row] = counts[*entry as usize];
        }
        // The signs of public inputs, all 1, count as multiplicities of the entry 1.
        let ones = layout.public_ends.len();
        zero_multiplicity += ones as i128;
        if let Some((row, _)) = layout.table.iter().find(|(_, entry)| *entry == 1) {
            signs[*row] -= ones as i64;
        }
        let mut signs: Vec<Fr> = signs.into_iter().map(field).collect();
        zero_multiplicity += i128::from(counts[0]);
        let magnitude = Fr::from_u128(zero_multiplicity.unsigned_abs());
        signs[layout.zero_row] = if zero_multiplicity < 0 { -magnitude } else { magnitude };

        let limbs = limbs.into_iter().map(|limb| Fr::from(u64::from(limb))).collect();
        Self { limbs, signs }
    }

    /// Fills the second-phase columns from the first-phase ones.
    ///
    /// They follow the gates row by row, so they satisfy all of them but those
    /// that compare an accumulator with its end; for an honest first phase, these
    /// too.
    pub fn second_phase(
        &self,
        layout: &Layout,
        instances: &[Fr],
        beta: Fr,
        rho: Fr,
    ) -> SecondPhase {
        let rows = Rows::new(layout, self, instances);
        let horner = rows.horner(rho);
        let (collected, open) = rows.linear(&horner, rho);
        SecondPhase { logup: rows.logup(beta), horner, collected, open }
    }
}

impl SecondPhase {
    /// The columns in the order of their index.
    pub fn into_columns(self) -> Vec<Vec<Fr>> {
        vec![self.horner, self.collected, self.open, self.logup]
    }
}

/// What happens on a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    None,
    Value,
    End,
    Swap,
}

/// First-phase columns with the layout's events.
struct Rows<'a> {
    layout: &'a Layout,
    first: &'a FirstPhase,
    instances: &'a [Fr],
    events: Vec<Event>,
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, first: &'a FirstPhase, instances: &'a [Fr]) -> Self {
        let mut events = vec![Event::None; layout.active_rows()];
        for block in &layout.blocks {
            events[block.value_row] = Event::Value;
            events[layout.end_row(block)] = Event::End;
        }
        for row in &layout.swaps {
            events[*row] = Event::Swap;
        }
        Self { layout, first, instances, events }
    }

    fn horner(&self, rho: Fr) -> Vec<Fr> {
        let lanes = self.layout.shape.lanes;
        let mut powers = vec![Fr::one(); lanes + 1];
        for i in 1..=lanes {
            powers[i] = powers[i - 1] * rho;
        }
        let mut column = Vec::with_capacity(self.events.len() + 1);
        let mut sum = Fr::zero();
        column.push(sum);
        for (row, event) in self.events.iter().enumerate() {
            sum = if matches!(event, Event::Value | Event::Swap) {
                Fr::zero()
            } else {
                sum * powers[lanes]
            };
            for (lane, weights) in self.layout.weights.iter().enumerate() {
                match weights.get(row) {
                    None | Some(0) => {}
                    Some(weight) => sum += field(*weight) * powers[lanes - 1 - lane],
                }
            }
            column.push(sum);
        }
        column
    }

    /// z of the pre-activation that ends on `end`, from its limbs and sign.
    fn accumulator(&self, end: usize) -> Fr {
        let shape = &self.layout.shape;
        let base = Fr::from(shape.table_size() as u64);
        let limbs = &self.first.limbs[end + 1 - shape.limbs..=end];
        let magnitude = limbs.iter().fold(Fr::zero(), |sum, limb| sum * base + limb);
        let sign = self.first.signs[end];
        (sign.double() - Fr::one()) * magnitude + sign - Fr::one()
    }

    /// The combination of the public inputs' values, which `collected` starts at minus.
    fn public_combination(&self, rho: Fr) -> Fr {
        let ends = self.layout.public_ends.iter();
        let combination = ends.fold(Fr::zero(), |sum, end| sum * rho + self.accumulator(*end));
        let unit = Fr::from(1u64 << self.layout.shape.shift_bits());
        combination * unit.invert().unwrap_or(Fr::zero())
    }

    fn linear(&self, horner: &[Fr], rho: Fr) -> (Vec<Fr>, Vec<Fr>) {
        let mut sum = if self.layout.shape.public_inputs {
            -self.public_combination(rho)
        } else {
            Fr::zero()
        };
        let mut left = Fr::zero();
        let mut collected = vec![sum];
        let mut open = vec![left];
        for (row, event) in self.events.iter().enumerate() {
            match event {
                Event::None => {}
                Event::Value => left -= horner[row] * self.first.signs[row],
                Event::End => sum = sum * rho + self.accumulator(row),
                Event::Swap => {
                    left = sum - horner[row];
                    sum = Fr::zero();
                }
            }
            if let Some(instance) = self.instances.get(row) {
                sum += horner[row] * instance;
            }
            collected.push(sum);
            open.push(left);
        }
        (collected, open)
    }

    fn logup(&self, beta: Fr) -> Vec<Fr> {
        let first = self.first;
        let mut table = vec![0; self.events.len()];
        for (row, entry) in &self.layout.table {
            table[*row] = *entry as usize;
        }
        self.layout.public_ends.iter().for_each(|row| table[*row] = 1);
        let mut inverses: Vec<Fr> = (0..self.layout.shape.table_size() as u64)
            .map(|entry| beta + Fr::from(entry))
            .collect();
        inverses.iter_mut().batch_invert();
        let mut sum = Fr::zero();
        let mut column = Vec::with_capacity(self.events.len() + 1);
        column.push(sum);
        for ((limb, signs), entry) in first.limbs.iter().zip(&first.signs).zip(table) {
            let looked_up = small(limb).and_then(|index| inverses.get(index)).copied();
            // Only a dishonest limb is outside the table.
            let looked_up =
                looked_up.unwrap_or_else(|| (beta + limb).invert().unwrap_or(Fr::zero()));
            sum += looked_up - inverses[entry] * signs;
            column.push(sum);
        }
        column
    }
}
