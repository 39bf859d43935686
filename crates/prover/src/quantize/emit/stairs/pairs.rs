//! Sums of two elements on grids that have no unit in common: whether a rescale makes the whole
//! numbers that the model makes is seen by trying all pairs.

use std::collections::HashSet;

use super::{Emitter, Meaning, Scaled};
use crate::{
    graph::Staircase,
    integer::{IntegerNode, IntegerOp},
    quantize::program::View,
};

/// Most pairs that are tried, of all elements together.
const MOST_PAIRS: i128 = 1 << 21;

/// An element of a row: its least and greatest integer, its weight in the rescale, and the real
/// number that its unit adds.
type Term = (i64, i64, i128, f64);

impl Emitter<'_> {
    /// Whether `scaled` makes of every pair of integers that a row of `view` may read what the
    /// staircase makes, less `lowest`; false where rows are of more, or there are too many pairs.
    pub(super) fn follows(
        &self,
        scaled: &Scaled,
        view: &View,
        stairs: &Staircase,
        lowest: f64,
    ) -> bool {
        let tensors: Vec<_> = view.parts.iter().map(|part| self.made[part.step].tensor).collect();
        // Of two rescales the first is made already.
        let (first, second) = match self.graph.nodes.last() {
            _ if scaled.inputs == tensors => (&scaled.linear, None),
            Some(IntegerNode { op: IntegerOp::Linear(first), inputs, output, .. })
                if scaled.inputs == [*output] && *inputs == tensors =>
            {
                (first, Some(&scaled.linear))
            }
            _ => return false,
        };
        let (mut known, mut tried) = (HashSet::new(), 0i128);
        for row in 0..view.len() {
            let (mut terms, mut start): (Vec<Term>, f64) = (Vec::new(), view.bias[row]);
            for (part, whole) in view.parts.iter().zip(&first.maps) {
                let made = &self.made[part.step];
                let Meaning::Affine { units, offsets, .. } = &made.meaning else { return false };
                let bounds = self.analysis.bounds(made.tensor);
                let mut weights = Vec::new();
                whole.for_each_in_row(row, |index, weight| weights.push((index, weight)));
                part.map.for_each_in_row(row, |index, w| {
                    start += w * offsets[index];
                    let weight = weights.iter().find(|(at, _)| *at == index);
                    let fit = |v: i128| i64::try_from(v).unwrap_or(i64::MAX);
                    let weight = i128::from(weight.map_or(0, |(_, weight)| *weight));
                    // Points of an input's grid are so many integers apart.
                    let shift = self.shifts.get(&part.step).map_or(0, |shifts| shifts[index]);
                    let (lo, hi) = (-((-bounds[index].0) >> shift), bounds[index].1 >> shift);
                    let unit = w * units[index] * 2f64.powi(shift as i32);
                    terms.push((fit(lo), fit(hi), weight << shift, unit));
                });
            }
            let bias = first.bias[row];
            let again = second.map(|second| {
                let mut weight = 0;
                let map = second.maps.iter().take(1);
                map.for_each(|map| map.for_each_in_row(row, |_, own| weight += own));
                (weight, second.bias[row])
            });
            let bits: Vec<_> = terms.iter().map(|t| (t.0, t.1, t.2, t.3.to_bits())).collect();
            let rate = stairs.rate(row).to_bits();
            if !known.insert((
                bits,
                (bias, again),
                start.to_bits(),
                rate,
                stairs.zero(row).to_bits(),
            )) {
                continue;
            }
            terms.resize(terms.len().max(2), (0, 0, 0, 0.0));
            let &[a, b] = &terms[..] else { return false };
            let count = |t: Term| i128::from(t.1) - i128::from(t.0) + 1;
            tried = tried.saturating_add(count(a).saturating_mul(count(b)));
            if tried > MOST_PAIRS {
                return false;
            }
            let same = |x: i64, z: i64| {
                let sum = i128::from(x) * a.2 + i128::from(z) * b.2;
                let mut made = (sum + i128::from(bias)) >> self.graph.shift_bits;
                if let Some((weight, bias)) = again {
                    let sum = made.max(0) * i128::from(weight) + i128::from(bias);
                    made = sum >> self.graph.shift_bits;
                }
                let real = start + x as f64 * a.3 + z as f64 * b.3;
                let (low, high) = stairs.either(row, real);
                let made = (made.max(0) as f64 + lowest).min(stairs.high);
                low <= made && made <= high
            };
            if !(a.0..=a.1).all(|x| (b.0..=b.1).all(|z| same(x, z))) {
                return false;
            }
        }
        true
    }
}
