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
//! Halves that go to the even side are uneven steps: where there are any on the grid, both numbers
//! next to a half are made, and the even one is taken. What float32 takes for a half, or for what is
//! beyond one, though it is only next to it, may go either way where no line steps as float32 does.
//!
//! What is not on a grid has been rounded already, and is rounded once more: to parts of a step
//! first where it is so fine that the weights of one rescale would lose their bits.

mod class;
mod line;
mod pairs;

use std::collections::HashMap;

use self::line::{Grid, Line, common_unit, gcd};
use super::{Emitter, Made, Meaning, Scaled, exp2, integer};
use crate::{
    graph::{Linear, LinearMap, Rounding, SparseRows, Staircase, TensorId},
    integer::Interval,
    quantize::{
        Halves, QuantizeError,
        program::{Part, Step, View},
    },
};

/// The part of a step that the weights of one rescale may be off by, where two would do better.
const MOST_LOST: f64 = 1.0 / 128.0;

/// A row of integer multiples of steps' elements: (step, element, factor).
type Row = Vec<(usize, usize, i64)>;

/// Rows of a view.
struct Aligned {
    rows: Vec<Row>,
    /// What each stands for.
    grids: Vec<Grid>,
    /// Which of them have the same weights, if any do.
    classes: Option<Vec<usize>>,
}

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
        // One line a class takes fewer rows; where there is none, rows may have one each.
        let mut aligned =
            [true, false].map(|by_class| if exact { self.aligned(view, by_class) } else { None });
        if aligned[0].as_ref().is_some_and(|own| own.classes.is_none()) {
            aligned[1] = None;
        }
        let tensor = match aligned {
            [Some(by_class), by_row] => {
                let made = self.exact_steps(step, view, stairs, lowest, &by_class)?;
                match (made, by_row) {
                    (None, Some(by_row)) => {
                        self.exact_steps(step, view, stairs, lowest, &by_row)?
                    }
                    (made, _) => made,
                }
            }
            [None, _] => None,
        };
        let tensor = match tensor {
            Some(tensor) => Some(tensor),
            // Of sums of two all pairs are tried; of others those next to a half may be others.
            None => {
                let scaled = self.off_line(step, view, stairs, lowest)?;
                let fits = self.fits(&scaled);
                if exact && fits {
                    let follows = self.follows(&scaled, view, stairs, lowest);
                    self.note_halves(if follows { Halves::Either } else { Halves::Coarse });
                }
                fits.then(|| self.push(&step.name, scaled))
            }
        };
        let failed = || QuantizeError::Staircase { node: step.name.clone() };
        let tensor = tensor.ok_or_else(failed)?;
        let (len, zeros) = (step.len, vec![0.0; step.len]);
        let meaning =
            Meaning::Affine { units: vec![1.0; len], offsets: vec![lowest; len], middles: zeros };
        // Nothing is lost by reading whole numbers, however fine their reader's unit is.
        Ok(Made { tensor, bits: self.value_bits as i32, meaning })
    }

    fn fits(&self, scaled: &Scaled) -> bool {
        self.excess(&scaled.bounds) <= 0
    }

    /// The steps of numbers on grids, each where the model makes it; nothing where the circuit's
    /// bits do not tell them apart.
    fn exact_steps(
        &mut self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        lowest: f64,
        aligned: &Aligned,
    ) -> Result<Option<TensorId>, QuantizeError> {
        let float32 = stairs.rounding == Rounding::HalfEven && stairs.single;
        // Where float32 makes halves of what is next to one, its steps are often on no line; those
        // of integer arithmetic are worth more than one, those of floats are not.
        let defined = stairs.scale.is_of_integers();
        let ways: &[(bool, bool)] = match float32 {
            false => &[(false, false), (true, false)],
            true if defined => &[(false, false), (true, false), (false, true), (true, true)],
            true => &[(false, false), (false, true), (true, false), (true, true)],
        };
        for (even, either) in ways {
            let lowest = (lowest, *either);
            let made = match even {
                false => {
                    let made = self.steps(step, view, stairs, lowest, aligned);
                    made.map(|made| self.push_steps(step, made))
                }
                true => self.halves(step, view, stairs, lowest, aligned)?,
            };
            if made.is_some() {
                let sums = |row: &Row| row.len() > 1;
                if *either || (float32 && !defined && aligned.rows.iter().any(sums)) {
                    self.note_halves(Halves::Either);
                }
                return Ok(made);
            }
        }
        Ok(None)
    }

    fn note_halves(&mut self, own: Halves) {
        self.halves = self.halves.max(own);
    }

    /// The same where halves go to even as on no line: every second one up. Both numbers next to a
    /// half are made.
    fn halves(
        &mut self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        lowest: (f64, bool),
        aligned: &Aligned,
    ) -> Result<Option<TensorId>, QuantizeError> {
        if stairs.rounding != Rounding::HalfEven {
            return Ok(None);
        }
        let [up, down] = [Rounding::HalfUp, Rounding::HalfDown].map(|rounding| {
            let stairs = Staircase { rounding, ..stairs.clone() };
            self.steps(step, view, &stairs, lowest, aligned)
        });
        match (up, down) {
            (Some(up), Some(down)) => {
                let both = [up, down].map(|made| self.push_steps(step, made));
                self.evened(step, stairs, lowest.0, both)
            }
            _ => Ok(None),
        }
    }

    /// ⌊(M·Z + c) / 2^n⌋ of every element, and what is left of n for a second rescale; nothing is
    /// made of it yet.
    fn steps(
        &self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        lowest: (f64, bool),
        aligned: &Aligned,
    ) -> Option<(Scaled, u32)> {
        let made = |more: u32| self.on_line(view, stairs, lowest, more, aligned);
        if let Some(scaled) = made(0).filter(|scaled| self.fits(scaled)) {
            return Some((scaled, 0));
        }
        // ⌊⌊x / a⌋ / b⌋ is ⌊x / (a·b)⌋: two rescales tell apart more, as far as sums have room.
        let highest = step.bounds.iter().map(|(_, hi)| hi - lowest.0).fold(1.0, f64::max);
        let spare = self.value_bits as i32 - 2 - highest.log2().ceil() as i32;
        let mut more = spare.clamp(0, self.graph.shift_bits as i32) as u32;
        while more > 0 {
            let scaled = made(more)?;
            if self.fits(&scaled) {
                return Some((scaled, more));
            }
            more = more.saturating_sub(2);
        }
        None
    }

    fn push_steps(&mut self, step: &Step, (scaled, more): (Scaled, u32)) -> TensorId {
        let tensor = self.push(&step.name, scaled);
        if more == 0 {
            return tensor;
        }
        let rows = (0..step.len).map(|at| (vec![(tensor, at, 1)], 0)).collect::<Vec<_>>();
        self.scaled_rows(&step.name, &rows, 1 << (self.graph.shift_bits - more))
    }

    /// Of two whole numbers, which are one or follow each other, the one that is even before
    /// its zero point is added; both count from `lowest`.
    fn evened(
        &mut self,
        step: &Step,
        stairs: &Staircase,
        lowest: f64,
        both: [TensorId; 2],
    ) -> Result<Option<TensorId>, QuantizeError> {
        let (len, name) = (step.len, &step.name);
        // Above the bound their lines may part.
        let bound = stairs.high - lowest;
        let [up, down] = match bound.is_finite() {
            false => both,
            true => {
                let bound = integer(name, bound)?;
                both.map(|tensor| {
                    let over = (0..len).map(|at| (vec![(tensor, at, 1)], -bound)).collect();
                    let over = self.whole(name, over).unwrap_or(tensor);
                    let cut = |at| (vec![(tensor, at, 1), (over, at, -1)], 0);
                    self.whole(name, (0..len).map(cut).collect()).unwrap_or(tensor)
                })
            }
        };
        let odd: Vec<i64> = (0..len)
            .map(|at| integer(name, (lowest - stairs.zero(at)).rem_euclid(2.0)))
            .collect::<Result<_, _>>()?;
        let counted = |at: usize| (vec![(up, at, 1)], odd[at]);
        let rows: Vec<_> = (0..len).map(counted).collect();
        let half = self.scaled_rows(name, &rows, 1 << (self.graph.shift_bits - 1));
        // 1 where they are two, and the greater one is odd.
        let wrong = |at: usize| (vec![(up, at, 2), (down, at, -1), (half, at, -2)], odd[at] - 1);
        let Some(wrong) = self.whole(name, (0..len).map(wrong).collect()) else {
            return Ok(None);
        };
        let even = |at: usize| (vec![(up, at, 1), (wrong, at, -1)], 0);
        Ok(self.whole(name, (0..len).map(even).collect()))
    }

    /// The rows of a view as integer multiples of one unit each, if all are; rows of the same
    /// weights of the same unit where `by_class`.
    fn aligned(&self, view: &View, by_class: bool) -> Option<Aligned> {
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
        let classes = if by_class { class::classes(view) } else { None };
        let classes = classes.filter(|classes| class::unite(&mut rows, &mut grids, classes));
        Some(Aligned { rows, grids, classes })
    }

    fn on_line(
        &self,
        view: &View,
        stairs: &Staircase,
        lowest: (f64, bool),
        more: u32,
        Aligned { rows, grids, classes }: &Aligned,
    ) -> Option<Scaled> {
        let one = 1i128 << (self.graph.shift_bits + more);
        let mut known: HashMap<Key, Line> = HashMap::new();
        let mut lines = Vec::with_capacity(grids.len());
        for (index, grid) in grids.iter().enumerate() {
            let zero = stairs.zero(index);
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
        let factor = |row: usize| (grids[row].unit, lines[row].0);
        let uniform = (1..grids.len()).all(|row| factor(row) == factor(0));
        // By class, where the rows of each have one; by the only class where all have.
        let factors = match (uniform && !grids.is_empty(), classes) {
            (true, _) => Some(vec![factor(0)]),
            (false, Some(classes)) => class::common(classes, factor),
            (false, None) => None,
        };
        let whole = |part: &Part| -> Option<LinearMap<i64>> {
            let Meaning::Affine { units, .. } = &self.made[part.step].meaning else {
                return None;
            };
            if let Some(factors) = &factors {
                let exact = |class: usize, index: usize, w: f64| {
                    let (unit, factor) = if uniform { factors[0] } else { factors[class] };
                    fit((w * units[index] / unit).round() as i128 * factor).ok_or(())
                };
                return part.map.try_map_by_output(exact).ok();
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

    /// Numbers on no grid, made whole by one rescale, or by two where one would leave the weights
    /// too few bits: a value that is much finer than a step has next to none.
    fn off_line(
        &mut self,
        step: &Step,
        view: &View,
        stairs: &Staircase,
        lowest: f64,
    ) -> Result<Scaled, QuantizeError> {
        let rated = rated(view, stairs);
        // A view is rounded to the nearest.
        let more = match stairs.rounding {
            Rounding::Floor => -0.5,
            Rounding::Ceil => 0.5 - integer_unit(self.graph.shift_bits),
            Rounding::HalfEven | Rounding::HalfUp | Rounding::HalfDown => 0.0,
        };
        let offsets: Vec<f64> =
            (0..step.len).map(|index| lowest - stairs.zero(index) - more).collect();
        if self.lost(&rated) > MOST_LOST
            && let Some((fine, own, bits)) = self.fine(step, &rated, stairs)?
        {
            let one = (1u64 << self.graph.shift_bits) as f64;
            let weight = 1i64 << (self.graph.shift_bits as i32 - bits);
            let bias = own
                .iter()
                .zip(&offsets)
                .map(|(own, offset)| integer(&step.name, (own - offset + 0.5) * one));
            let bias = bias.collect::<Result<_, _>>()?;
            let maps = vec![LinearMap::Diagonal(vec![weight; step.len])];
            let (inputs, linear) = (vec![self.push(&step.name, fine)], Linear { maps, bias });
            let bounds = self.analysis.linear(&inputs, &linear);
            return Ok(Scaled { inputs, linear, bounds });
        }
        self.scale(&step.name, &rated, &offsets, 1.0)
    }

    /// What rounding a view's weights may add to a whole number, at most.
    fn lost(&self, view: &View) -> f64 {
        let one = (1u64 << self.graph.shift_bits) as f64;
        let mut lost = vec![0.0; view.len()];
        for part in view.parts.iter().filter(|part| !part.raw) {
            let made = &self.made[part.step];
            let Meaning::Affine { units, middles, .. } = &made.meaning else { continue };
            let bounds = self.analysis.bounds(made.tensor);
            part.map.for_each_term(|row, index, w| {
                let exact = w * units[index] * one;
                let (lo, hi) = bounds[index];
                let far =
                    (hi as f64 - middles[index]).abs().max((lo as f64 - middles[index]).abs());
                lost[row] += (exact - exact.round()).abs() * far / one;
            });
        }
        lost.into_iter().fold(0.0, f64::max)
    }

    /// What a view makes, in the finest unit that a rescale takes whole numbers of, cut where the
    /// steps begin; with what its integers count from and their fraction bits. Nothing where the
    /// circuit has no bits for it.
    fn fine(
        &self,
        step: &Step,
        rated: &View,
        stairs: &Staircase,
    ) -> Result<Option<(Scaled, Vec<f64>, i32)>, QuantizeError> {
        let from = |(index, (lo, _)): (usize, &(f64, f64))| lo - stairs.zero(index) - 1.0;
        let offsets: Vec<f64> = step.bounds.iter().enumerate().map(from).collect();
        let width = step.bounds.iter().map(|(lo, hi)| hi - lo + 2.0).fold(1.0, f64::max);
        let largest = ((1u64 << self.value_bits) - 4) as f64;
        let mut bits = ((largest / width).log2() as i32).min(self.graph.shift_bits as i32);
        while bits > 0 {
            let scaled = self.scale(&step.name, rated, &offsets, exp2(bits))?;
            let excess = self.excess_of(step, &scaled.bounds);
            if excess <= 0 {
                return Ok(Some((scaled, offsets, bits)));
            }
            bits -= excess;
        }
        Ok(None)
    }
}

/// A view at the rates of a staircase.
fn rated(view: &View, stairs: &Staircase) -> View {
    let rates: Vec<f64> = (0..view.len()).map(|index| stairs.rate(index)).collect();
    let scaled = |map: &LinearMap| {
        let rows = rates.iter().enumerate().map(|(row, rate)| {
            let mut terms = Vec::new();
            map.for_each_in_row(row, |index, w| terms.push((index, w * rate)));
            terms
        });
        LinearMap::Sparse(SparseRows::from_rows(rows))
    };
    let part = |part: &Part| Part { step: part.step, map: scaled(&part.map), raw: part.raw };
    let parts = view.parts.iter().map(part).collect();
    let bias = view.bias.iter().zip(&rates).map(|(bias, rate)| bias * rate).collect();
    View { parts, bias }
}

/// 2^−n: the least part of a whole that a rescale sees.
fn integer_unit(shift_bits: u32) -> f64 {
    0.5f64.powi(shift_bits as i32)
}
