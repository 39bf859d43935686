//! Numbers made whole, by one rescale each.
//!
//! A linear node gives ⌊(M·Z + c) / 2^n⌋ of an integer Z. Where what is rounded stands on a grid
//! (an input's, or that of what was rounded before), M and c are chosen such that this steps up
//! at exactly those Z at which the model's own rounding does, in its own floating point: for
//! the k-th step, at Z = t_k,
//!
//! ```text
//! M·t_k + c ≥ k·2^n  and  M·(t_k − 1) + c < k·2^n.
//! ```
//!
//! Halves that float32's rounding makes of what is next to one may go either way.
//!
//! What is not on a grid has been rounded already, and is rounded once more.

use std::collections::HashMap;

use super::{Emitter, Made, Meaning, Scaled};
use crate::{
    graph::{Linear, LinearMap, Rounding, SparseRows, Staircase, TensorId},
    integer::Interval,
    quantize::{
        QuantizeError,
        program::{Part, Step, View},
    },
};

/// Most steps of an element that are told apart one by one.
const MAX_STEPS: i64 = 1 << 16;

/// An element's integers: x = start + unit·Z, Z being a multiple of the stride.
#[derive(Debug, Clone, Copy)]
struct Grid {
    start: f64,
    unit: f64,
    /// An input's integers are those of its grid's points, so many apart.
    stride: i128,
    bounds: Interval,
}

/// A row of integer multiples of steps' elements: (step, element, factor).
type Row = Vec<(usize, usize, i64)>;

/// M and c.
type Line = (i128, i128);

/// What a line depends on.
type Key = (u64, u64, i128, u64, u64, Interval);

impl Emitter<'_> {
    pub(super) fn staircase(
        &mut self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        exact: bool,
    ) -> Result<Made, QuantizeError> {
        let lowest = step.bounds.iter().map(|(lo, _)| *lo).fold(f64::MAX, f64::min);
        let failed = || QuantizeError::Staircase { node: step.name.clone() };
        let fits = |scaled: &Scaled| self.excess(&scaled.bounds) <= 0;
        let (scaled, more) = match if exact { self.aligned(view) } else { None } {
            None => (self.off_line(step, view, stairs, lowest)?, 0),
            Some((rows, grids)) => {
                let made = |more| self.on_line(view, stairs, (lowest, more), (&rows, &grids));
                match made(0).filter(fits) {
                    Some(scaled) => (scaled, 0),
                    // ⌊⌊x / a⌋ / b⌋ is ⌊x / (a·b)⌋: two rescales tell apart more.
                    None => {
                        let highest = step.bounds.iter().map(|(_, hi)| hi - lowest);
                        let highest = highest.fold(1.0, f64::max);
                        let spare = self.value_bits as i32 - 2 - highest.log2().ceil() as i32;
                        let more = spare.clamp(0, self.graph.shift_bits as i32) as u32;
                        (made(more).ok_or_else(failed)?, more)
                    }
                }
            }
        };
        if !fits(&scaled) {
            return Err(failed());
        }
        let mut tensor = self.push(&step.name, scaled);
        if more > 0 {
            let one = 1i64 << (self.graph.shift_bits - more);
            let maps = vec![LinearMap::Diagonal(vec![one; step.len])];
            let linear = Linear { maps, bias: vec![0; step.len] };
            let bounds = self.analysis.linear(&[tensor], &linear);
            tensor = self.push(&step.name, Scaled { inputs: vec![tensor], linear, bounds });
        }
        let (len, zeros) = (step.len, vec![0.0; step.len]);
        let meaning =
            Meaning::Affine { units: vec![1.0; len], offsets: vec![lowest; len], middles: zeros };
        // Nothing is lost by reading whole numbers, however fine their reader's unit is.
        Ok(Made { tensor, bits: self.value_bits as i32, meaning })
    }

    /// The rows of a view as integer multiples of one unit each, if all are.
    fn aligned(&self, view: &View) -> Option<(Vec<Row>, Vec<Grid>)> {
        let (mut rows, mut grids) = (Vec::new(), Vec::new());
        for row in 0..view.len() {
            let (mut terms, mut start) = (Vec::new(), view.bias[row]);
            for part in &view.parts {
                let Meaning::Affine { units, offsets, .. } = &self.made[part.step].meaning else {
                    return None;
                };
                part.map.for_each_in_row(row, |index, w| {
                    if w != 0.0 {
                        terms.push((part.step, index, w * units[index]));
                        start += w * offsets[index];
                    }
                });
            }
            let unit = terms.iter().fold(0.0, |unit, (.., w)| common_unit(unit, w.abs()));
            let whole = |(step, index, w): (usize, usize, f64)| {
                let factor = (w / unit).round();
                let near = (factor * unit - w).abs() <= 1e-9 * w.abs();
                (near && factor.abs() < 2f64.powi(40)).then_some((step, index, factor as i64))
            };
            let terms: Vec<_> = terms.into_iter().map(whole).collect::<Option<_>>()?;
            let (mut bounds, mut stride) = ((0i128, 0i128), 0i128);
            for (step, index, factor) in &terms {
                let shift = self.shifts.get(step).map_or(0, |shifts| shifts[*index]);
                stride = gcd(stride, i128::from(factor.unsigned_abs()) << shift);
                let (lo, hi) = self.analysis.bounds(self.made[*step].tensor)[*index];
                let ends = [lo * i128::from(*factor), hi * i128::from(*factor)];
                bounds = (bounds.0 + ends[0].min(ends[1]), bounds.1 + ends[0].max(ends[1]));
            }
            rows.push(terms);
            let unit = if unit > 0.0 { unit } else { 1.0 };
            grids.push(Grid { start, unit, stride: stride.max(1), bounds });
        }
        Some((rows, grids))
    }

    fn on_line(
        &self,
        view: &View,
        stairs: &Staircase,
        (lowest, more): (f64, u32),
        (rows, grids): (&[Row], &[Grid]),
    ) -> Option<Scaled> {
        let one = 1i128 << (self.graph.shift_bits + more);
        let mut known: HashMap<Key, Line> = HashMap::new();
        let mut lines = Vec::with_capacity(grids.len());
        for (index, grid) in grids.iter().enumerate() {
            let zero = stairs.value(index, 0.0);
            let key = (
                grid.start.to_bits(),
                grid.unit.to_bits(),
                grid.stride,
                stairs.rate(index).to_bits(),
                zero.to_bits(),
                grid.bounds,
            );
            let line = match known.get(&key) {
                Some(line) => *line,
                None => {
                    let line = grid.line(stairs, index, lowest, one)?;
                    known.insert(key, line);
                    line
                }
            };
            lines.push(line);
        }
        let fit = |v: i128| i64::try_from(v).ok().filter(|v| v.unsigned_abs() < 1 << 62);
        let inputs: Vec<TensorId> =
            view.parts.iter().map(|part| self.made[part.step].tensor).collect();
        let whole = |part: &Part| -> Option<LinearMap<i64>> {
            let uniform = grids.windows(2).all(|pair| pair[0].unit == pair[1].unit)
                && lines.windows(2).all(|pair| pair[0].0 == pair[1].0);
            let Meaning::Affine { units, .. } = &self.made[part.step].meaning else {
                return None;
            };
            if let (true, Some(grid), Some((factor, _))) = (uniform, grids.first(), lines.first()) {
                let exact = |index: usize, w: f64| {
                    fit((w * units[index] / grid.unit).round() as i128 * factor).ok_or(())
                };
                return part.map.try_map(exact).ok();
            }
            let rows = rows.iter().zip(&lines).map(|(terms, (factor, _))| {
                let own = terms.iter().filter(|term| term.0 == part.step);
                own.map(|(_, index, times)| Some((*index, fit(i128::from(*times) * factor)?)))
                    .collect::<Option<Vec<_>>>()
            });
            Some(LinearMap::Sparse(SparseRows::from_rows(rows.collect::<Option<Vec<_>>>()?)))
        };
        let mut maps = view.parts.iter().map(whole).collect::<Option<Vec<_>>>()?;
        let mut inputs = inputs;
        if maps.is_empty() {
            inputs.extend(self.graph.inputs.first());
            maps.push(LinearMap::Sparse(SparseRows::from_rows(vec![[]; grids.len()])));
        }
        let bias = lines.iter().map(|line| fit(line.1)).collect::<Option<Vec<_>>>()?;
        let linear = Linear { maps, bias };
        let bounds = self.analysis.linear(&inputs, &linear);
        Some(Scaled { inputs, linear, bounds })
    }

    fn off_line(
        &self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        lowest: f64,
    ) -> Result<Scaled, QuantizeError> {
        let rates: Vec<f64> = (0..step.len).map(|index| stairs.rate(index)).collect();
        let scaled = |map: &LinearMap| {
            let rows = rates.iter().enumerate().map(|(row, rate)| {
                let mut terms = Vec::new();
                map.for_each_in_row(row, |index, w| terms.push((index, w * rate)));
                terms
            });
            LinearMap::Sparse(SparseRows::from_rows(rows))
        };
        let parts = view.parts.iter().map(|part| Part {
            step: part.step,
            map: scaled(&part.map),
            raw: part.raw,
        });
        let parts = parts.collect();
        let bias = view.bias.iter().zip(&rates).map(|(bias, rate)| bias * rate).collect();
        let zero = |index: usize| stairs.zeros.get(index).or(stairs.zeros.first()).copied();
        // A view is rounded to the nearest.
        let unit = integer_unit(self.graph.shift_bits);
        let more = match stairs.rounding {
            Rounding::Floor => -0.5,
            Rounding::Ceil => 0.5 - unit,
            Rounding::HalfEven => 0.0,
        };
        let offsets: Vec<f64> =
            (0..step.len).map(|index| lowest - zero(index).unwrap_or(0.0) - more).collect();
        self.scale(&step.name, &View { parts, bias }, &offsets, 1.0)
    }
}

/// 2^−n: the least part of a whole that a rescale sees.
fn integer_unit(shift_bits: u32) -> f64 {
    0.5f64.powi(shift_bits as i32)
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The greatest number that both are whole multiples of, about.
fn common_unit(a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a.max(b), a.min(b));
    let least = a * 1e-7;
    while b > least {
        // What is left of rounding is nothing.
        let mut rest = a % b;
        if b - rest < least {
            rest = 0.0;
        }
        (a, b) = (b, rest);
    }
    a
}

impl Grid {
    /// The real number that the integer stands for; as near as f64 has it where the grid is
    /// one of decimals.
    fn real(&self, z: i128) -> f64 {
        let per_unit = self.unit.recip().round();
        let first = (self.start / self.unit).round();
        let decimal = self.unit < 1.0
            && (per_unit * self.unit - 1.0).abs() < 1e-12
            && (first * self.unit - self.start).abs() < 1e-9 * self.unit;
        match decimal {
            true => (first + z as f64) / per_unit,
            false => self.start + z as f64 * self.unit,
        }
    }

    /// M and c with which ⌊(M·Z + c) / 2^n⌋ is `stairs` − `lowest` for all Z in the bounds, if
    /// there are any.
    fn line(&self, stairs: &Staircase, index: usize, lowest: f64, one: i128) -> Option<Line> {
        let value = |at: i128| (stairs.value(index, self.real(at * self.stride)) - lowest) as i64;
        let first = self.bounds.0.div_euclid(self.stride)
            + i128::from(self.bounds.0.rem_euclid(self.stride) > 0);
        let last = self.bounds.1.div_euclid(self.stride).max(first);
        let (least, greatest) = (value(first), value(last));
        let tie = |at: i128| stairs.is_tie(index, self.real(at * self.stride));
        if least == greatest {
            return Some((0, i128::from(least) * one));
        }
        if greatest - least > MAX_STEPS {
            return None;
        }
        // The least Z of each value above the first. What is below 0 is cut at 0, and what is
        // above the bound by whoever reads it.
        let mut steps = Vec::new();
        let mut from = first;
        for k in least + 1..=greatest {
            let (mut below, mut above) = (from - 1, last);
            if value(from) >= k {
                above = from;
            }
            while above - below > 1 {
                let middle = below + (above - below) / 2;
                if value(middle) >= k { above = middle } else { below = middle }
            }
            steps.push((i128::from(k), above));
            from = above;
        }
        let ideal = stairs.rate(index) * self.unit * one as f64;
        let nearest = ideal.round() as i128;
        [0, 1, -1, 2, -2].into_iter().map(|by| nearest + by).find_map(|m| {
            let mut least_c = i128::MIN;
            let mut greatest_c = i128::MAX;
            for (k, at) in &steps {
                let (above, below) = (at + i128::from(tie(*at)), at - 1 - i128::from(tie(at - 1)));
                if above <= last {
                    least_c = least_c.max(k * one - m * above * self.stride);
                }
                if below >= first {
                    greatest_c = greatest_c.min(k * one - 1 - m * below * self.stride);
                }
            }
            // The lowest value is not negative, and may be the cut.
            if least > 0 {
                least_c = least_c.max(i128::from(least) * one - m * first * self.stride);
            }
            // In the middle, as far from both as it can be.
            (m > 0 && least_c <= greatest_c).then(|| {
                let middle = greatest_c.min(least_c.saturating_add(one));
                (m, least_c + (middle - least_c) / 2)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Scale;

    fn check(grid: &Grid, stairs: &Staircase, shift_bits: u32) -> bool {
        let one = 1i128 << shift_bits;
        let lowest = stairs.value(0, grid.real(grid.bounds.0));
        let Some((m, c)) = grid.line(stairs, 0, lowest, one) else { return false };
        for z in (grid.bounds.0..=grid.bounds.1).filter(|z| z % grid.stride == 0) {
            let ours = (m * z + c).div_euclid(one).max(0) as f64 + lowest;
            let ours = ours.min(stairs.high);
            let same = ours == stairs.value(0, grid.real(z));
            assert!(same || stairs.is_tie(0, grid.real(z)), "{stairs} at {z}: {ours}");
        }
        true
    }

    #[test]
    fn a_line_steps_up_where_the_rounding_does() {
        let grid = Grid { start: -3.0, unit: 0.01, stride: 1, bounds: (0, 700) };
        // The same points, so many integers apart.
        let fine = Grid { unit: 0.01 / 1024.0, stride: 1024, bounds: (0, 700 * 1024), ..grid };
        for rounding in [Rounding::Floor, Rounding::Ceil, Rounding::HalfEven] {
            for width in [0.123_456_7, 0.25, 1.0, 1.5, f64::from(0.137f32), f64::from(0.3217f32)] {
                for single in [false, true] {
                    let stairs = Staircase { single, ..Staircase::dividing(rounding, width) };
                    assert!(check(&grid, &stairs, 40), "{stairs}");
                    assert!(check(&fine, &stairs, 40), "{stairs}");
                }
            }
        }
    }

    #[test]
    fn sums_of_a_quantized_layer_are_requantized_exactly() {
        // 64 products of two bytes by a scale of 24 bits.
        for factor in [0.000_731_2f32, 0.001_9f32, 0.000_488_281_25f32] {
            let grid = Grid { start: 0.0, unit: 1.0, stride: 1, bounds: (-260_000, 260_000) };
            let stairs = Staircase {
                scale: Scale::Multiply(vec![f64::from(factor)]),
                single: true,
                zeros: vec![3.0],
                low: -128.0,
                high: 127.0,
                ..Staircase::plain(Rounding::HalfEven)
            };
            // One rescale of 30 bits may be too coarse; two are not.
            assert!(check(&grid, &stairs, 44), "{factor}");
        }
    }

    #[test]
    fn uneven_steps_are_no_line() {
        // 0.3 / 0.1 is below 3 in float64, 0.2 / 0.1 is 2.
        let grid = Grid { start: 0.0, unit: 0.01, stride: 1, bounds: (0, 700) };
        let stairs = Staircase::dividing(Rounding::Floor, 0.1);
        assert_eq!(grid.line(&stairs, 0, 0.0, 1 << 40), None);
    }

    #[test]
    fn too_few_bits_are_no_line() {
        let grid = Grid { start: 0.0, unit: 1.0, stride: 1, bounds: (-260_000, 260_000) };
        let stairs = Staircase {
            scale: Scale::Multiply(vec![f64::from(0.000_731_2f32)]),
            ..Staircase::plain(Rounding::HalfEven)
        };
        let one = 1i128 << 14;
        assert_eq!(grid.line(&stairs, 0, stairs.value(0, -260_000.0), one), None);
    }

    #[test]
    fn common_units_are_found_through_rounding() {
        assert!((common_unit(0.3, 0.2) - 0.1).abs() < 1e-12);
        assert_eq!(common_unit(6.0, 4.0), 2.0);
        assert_eq!(common_unit(0.0, 4.0), 4.0);
    }
}
