//! Shares: x / Σ |x|.
//!
//! |x| is 2·max(0, x) − x. Where a sum may be 0, max(0, 1 − sum) is added to it: its integers
//! are 1 then, and the share is 0 as all that could be divided is. As sums are made of what is
//! divided, the intervals know that no share is beyond 1. What is so fine that a sum would have more
//! bits than a divisor may have is rounded first.

use super::{Emitter, MIN_FRACTION_BITS, Made, Meaning, Scaled, integer};
use crate::{
    graph::{Linear, LinearMap, SparseRows, TensorId},
    integer::{Affine, Division, IntegerOp, Interval, Selected, bits_of},
    quantize::{QuantizeError, program::Step},
};

/// A row: factors of elements of some tensors, and a constant.
type Row = (Vec<(TensorId, usize, i64)>, i64);

impl Emitter<'_> {
    pub(super) fn shares(
        &mut self,
        step: &Step,
        source: usize,
        groups: &[Vec<usize>],
        of: &[(usize, usize)],
    ) -> Result<Made, QuantizeError> {
        let x = self.made[source].tensor;
        let Meaning::Affine { units, offsets, .. } = &self.made[source].meaning else {
            return Err(QuantizeError::Empty);
        };
        let zeros = offsets.iter().zip(units).map(|(offset, unit)| -offset / unit);
        let zeros: Vec<i64> =
            zeros.map(|zero| integer(&step.name, zero)).collect::<Result<_, _>>()?;
        let (x, zeros) = self.with_fewer_bits(&step.name, (x, zeros), groups);
        let known = self.analysis.bounds(x).to_vec();
        // max(0, x) of what may be of either sign.
        let either = |at: &usize| {
            let zero = i128::from(zeros[*at]);
            known[*at].0 < zero && known[*at].1 > zero
        };
        let mut bent: Vec<usize> = groups.iter().flatten().copied().filter(either).collect();
        bent.sort_unstable();
        bent.dedup();
        let positive = bent.iter().map(|at| (vec![(x, *at, 1)], -zeros[*at])).collect();
        let positive = self.whole(&step.name, positive);
        let absolute = |at: usize| -> Row {
            let zero = zeros[at];
            match bent.binary_search(&at) {
                Ok(place) => (positive.map_or(vec![], |p| vec![(p, place, 2), (x, at, -1)]), zero),
                Err(_) if known[at].0 >= i128::from(zero) => (vec![(x, at, 1)], -zero),
                Err(_) => (vec![(x, at, -1)], zero),
            }
        };
        let sum = |group: &Vec<usize>| {
            let mut row: Row = (Vec::new(), 0);
            for (terms, constant) in group.iter().map(|at| absolute(*at)) {
                row.0.extend(terms);
                row.1 += constant;
            }
            row
        };
        let mut sums: Vec<Row> = groups.iter().map(sum).collect();
        // Those that may be 0.
        let bounds = self.bounds_of(&sums);
        let empty: Vec<usize> = (0..sums.len()).filter(|at| bounds[*at].0 < 1).collect();
        // They are values of their own, so that what they lack is a function of one variable;
        // a single element is one already.
        let several: Vec<usize> =
            empty.iter().copied().filter(|at| sums[*at].0.len() > 1).collect();
        let own = self.whole(&step.name, several.iter().map(|at| sums[*at].clone()).collect());
        for (place, at) in several.into_iter().enumerate() {
            sums[at] = (own.map_or(vec![], |own| vec![(own, place, 1)]), 0);
        }
        let negative = |(terms, constant): &Row| -> Row {
            (terms.iter().map(|(tensor, at, w)| (*tensor, *at, -w)).collect(), 1 - constant)
        };
        let lacking = self.whole(&step.name, empty.iter().map(|at| negative(&sums[*at])).collect());
        for (place, at) in empty.into_iter().enumerate() {
            sums[at].0.extend(lacking.map(|lacking| (lacking, place, 1)));
        }
        let Some(divisors) = self.whole(&step.name, sums) else {
            return Err(QuantizeError::Empty);
        };
        let most =
            bits_of((0, self.analysis.bounds(divisors).iter().map(|b| b.1).max().unwrap_or(0)));
        if most >= self.graph.shift_bits {
            return Err(self.too_coarse(step));
        }
        // Numerators have the bits of the quotient and of the divisor.
        let fine = self.accumulator_bits as i32 - most as i32 - 2;
        let bits = self.fraction_bits(step, self.value_bits as i32, 2.0)?.min(fine);
        if bits < MIN_FRACTION_BITS {
            return Err(self.too_coarse(step));
        }
        let inputs = vec![x, divisors];
        let mut divisions = Vec::with_capacity(of.len());
        for (at, group) in of {
            let weight = 1i64 << bits;
            let numerator = Affine {
                of: Selected { input: 0, index: *at },
                weight,
                constant: integer(&step.name, -(weight as f64) * zeros[*at] as f64)?,
            };
            let lift = if known[*at].0 < i128::from(zeros[*at]) { weight } else { 0 };
            let divisor = Selected { input: 1, index: *group };
            divisions.push(Division { numerator, divisor, offset: 0, lift });
        }
        let bounds = self.analysis.quotients(&inputs, &divisions);
        let bounds: Option<Vec<Interval>> = bounds.into_iter().collect();
        let bounds = bounds.ok_or_else(|| self.too_coarse(step))?;
        let lifts: Vec<i64> = divisions.iter().map(|own| own.lift).collect();
        Ok(self.bounded(step, (IntegerOp::Quotients(divisions), inputs), bounds, (bits, &lifts)))
    }

    /// Integers whose sums have the bits of a divisor, and those of them that stand for 0: what
    /// is too fine is rounded. An input's points have zeros below them, so that nothing is lost
    /// of a grid that the circuit has the bits for.
    fn with_fewer_bits(
        &mut self,
        name: &str,
        (x, zeros): (TensorId, Vec<i64>),
        groups: &[Vec<usize>],
    ) -> (TensorId, Vec<i64>) {
        let bounds = self.analysis.bounds(x);
        let most = |at: &usize| {
            let (zero, (lo, hi)) = (i128::from(zeros[*at]), bounds[*at]);
            hi.saturating_sub(zero).max(zero.saturating_sub(lo)).max(0)
        };
        let sum = |group: &Vec<usize>| group.iter().map(most).fold(0i128, i128::saturating_add);
        let most = groups.iter().map(sum).max().unwrap_or(0);
        // Rounding adds up to half a unit to each.
        let members = groups.iter().map(Vec::len).max().unwrap_or(0) as i128;
        let fits = |fewer: &u32| (most >> fewer) + members < 1 << (self.graph.shift_bits - 1);
        let fewer = (0..self.graph.shift_bits).find(fits).unwrap_or(0);
        if fewer == 0 {
            return (x, zeros);
        }
        let one = 1i64 << fewer;
        let counted: Vec<i64> =
            zeros.iter().map(|zero| zero.div_euclid(one) + i64::from(zero % one != 0)).collect();
        let row = |(at, (zero, own)): (usize, (&i64, &i64))| -> Row {
            (vec![(x, at, 1)], own.saturating_mul(one).saturating_sub(*zero) + one / 2)
        };
        let rows: Vec<Row> = zeros.iter().zip(&counted).enumerate().map(row).collect();
        let scale = 1 << (self.graph.shift_bits - fewer);
        (self.scaled_rows(name, &rows, scale), counted)
    }

    /// A map of some rows for each tensor they read.
    fn linear_of(&self, rows: &[Row], scale: i64) -> (Vec<TensorId>, Linear<i64>) {
        let mut inputs: Vec<TensorId> =
            rows.iter().flat_map(|(terms, _)| terms.iter().map(|term| term.0)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let map = |tensor: &TensorId| {
            let rows = rows.iter().map(|(terms, _)| {
                let own = terms.iter().filter(move |term| term.0 == *tensor);
                let mut sum = std::collections::BTreeMap::new();
                own.for_each(|(_, at, w)| *sum.entry(*at).or_insert(0i64) += w * scale);
                sum.into_iter().collect::<Vec<_>>()
            });
            LinearMap::Sparse(SparseRows::from_rows(rows))
        };
        let maps = inputs.iter().map(map).collect();
        let bias = rows.iter().map(|(_, constant)| constant.saturating_mul(scale)).collect();
        (inputs, Linear { maps, bias })
    }

    /// max(0, ⌊row·scale / 2^n⌋) of some rows.
    pub(super) fn scaled_rows(&mut self, name: &str, rows: &[Row], scale: i64) -> TensorId {
        let (inputs, linear) = self.linear_of(rows, scale);
        let bounds = self.analysis.linear(&inputs, &linear);
        self.push(name, Scaled { inputs, linear, bounds })
    }

    /// max(0, row) of some rows, without rounding; nothing of none.
    pub(super) fn whole(&mut self, name: &str, rows: Vec<Row>) -> Option<TensorId> {
        if rows.is_empty() {
            return None;
        }
        Some(self.scaled_rows(name, &rows, 1 << self.graph.shift_bits))
    }

    fn bounds_of(&self, rows: &[Row]) -> Vec<Interval> {
        let (inputs, linear) = self.linear_of(rows, 1);
        self.analysis.linear(&inputs, &linear)
    }
}
