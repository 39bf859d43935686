//! Values of which only the order counts.
//!
//! Distances to known points are compared as |p|² − 2·p·x. Where the points stand on the inputs'
//! grids, as data with decimals does, this is a whole number of a power of ten, and in that unit
//! nothing is rounded: equal distances are equal integers, and others are told apart however close
//! they are. A file's float32 points are taken for the numbers of the grid that they are next to, as
//! inputs are.

use super::{Emitter, Made, Meaning, Program, Scaled, View, exp2};
use crate::{
    graph::{Linear, LinearMap, SparseRows},
    integer::Interval,
    quantize::{
        Grid,
        program::{Kind, Step},
    },
};

/// Most bits that units are smaller than a power of ten.
const MOST_FINER: u32 = 24;

/// A term of a row: input element, its grid, how many steps of it the point is from 0.
type Place = (usize, Grid, f64);

impl Emitter<'_> {
    /// Distances in a unit in which they are whole, if these are distances and the circuit's bits
    /// hold them.
    pub(super) fn distances(
        &mut self,
        step: &Step,
        view: &View,
        program: &Program,
    ) -> Option<Made> {
        let rows = self.points_of(view, program)?;
        let decimals = rows.iter().flatten().map(|(_, grid, _)| grid.decimals).max()?;
        let n = self.graph.shift_bits;
        let power = |grid: &Grid| 10i128.checked_pow(2 * (decimals - grid.decimals));
        // In units of 10^(−2·decimals): terms −2·p·k, with k the point of the grid that x is. An
        // input's integer is its point, counted from the lowest, times a power of two, which a
        // weight has to have too: where a rescale drops fewer bits, units are as much smaller.
        let mut finer = 0;
        for (index, grid, place) in rows.iter().flatten() {
            let weight = (2 * *place as i128).checked_mul(power(grid)?)?;
            let lacks = self.schema.shift(*index, *grid).saturating_sub(n);
            finer = lacks.saturating_sub(weight.trailing_zeros()).max(finer);
        }
        if finer > MOST_FINER {
            return None;
        }
        let (mut terms, mut constants) = (Vec::new(), Vec::new());
        for row in &rows {
            let (mut own, mut constant) = (Vec::with_capacity(row.len()), 0i128);
            for (index, grid, place) in row {
                let unit = power(grid)?.checked_mul(1 << finer)?;
                let place = *place as i128;
                let lowest = grid.nearest(self.schema.lowest(*index)) as i128;
                let weight = place.checked_mul(-2)?.checked_mul(unit)?.checked_mul(1 << n)?;
                let own_constant = place.checked_mul(place - 2 * lowest)?.checked_mul(unit)?;
                constant = constant.checked_add(own_constant)?;
                let weight = weight >> self.schema.shift(*index, *grid);
                own.push((*index, i64::try_from(weight).ok()?));
            }
            terms.push(own);
            constants.push(constant);
        }
        let unit = 10f64.powi(-2 * decimals as i32) * exp2(-(finer as i32));
        self.in_whole_units(step, view, program, (terms, constants), unit)
    }

    /// Where each point stands, if every row is |p|² − 2·p·x of inputs on grids.
    fn points_of(&self, view: &View, program: &Program) -> Option<Vec<Vec<Place>>> {
        /// Of what a file computed in float32.
        const NEAR: f64 = 1e-5;
        let mut rows: Vec<Vec<Place>> = vec![Vec::new(); view.bias.len()];
        for part in &view.parts {
            let Kind::Input { first } = program.steps[part.step].kind else { return None };
            for (row, places) in rows.iter_mut().enumerate() {
                let mut fits = true;
                part.map.for_each_in_row(row, |index, weight| {
                    let (at, point) = (first + index, -0.5 * weight);
                    match self.schema.grid(at) {
                        Some(grid) if grid.holds(point) => {
                            places.push((at, grid, grid.nearest(point)));
                        }
                        _ => fits = false,
                    }
                });
                if !fits {
                    return None;
                }
            }
        }
        let near = |(places, bias): (&Vec<Place>, &f64)| {
            let length = places.iter().map(|(_, grid, place)| grid.value(*place).powi(2));
            let length: f64 = length.sum();
            (length - bias).abs() <= NEAR * length.max(1e-9)
        };
        rows.iter().zip(&view.bias).all(near).then_some(rows)
    }

    /// The step of these terms and constants, the least of all being 0.
    fn in_whole_units(
        &mut self,
        step: &Step,
        view: &View,
        program: &Program,
        (terms, constants): (Vec<Vec<(usize, i64)>>, Vec<i128>),
        unit: f64,
    ) -> Option<Made> {
        let n = self.graph.shift_bits;
        let mut maps = Vec::with_capacity(view.parts.len());
        for part in &view.parts {
            let Kind::Input { first } = program.steps[part.step].kind else { return None };
            let own = first..first + program.steps[part.step].len;
            let rows = terms.iter().map(|row| {
                let own = row.iter().filter(|(index, _)| own.contains(index));
                own.map(|(index, weight)| (index - first, *weight)).collect::<Vec<_>>()
            });
            maps.push(LinearMap::Sparse(SparseRows::from_rows(rows)));
        }
        let inputs: Vec<_> = view.parts.iter().map(|part| self.made[part.step].tensor).collect();
        let mut linear = Linear { maps, bias: vec![0i64; constants.len()] };
        let bounds = self.analysis.linear(&inputs, &linear);
        let scaled = |constant: &i128| constant.checked_mul(1 << n);
        let constants: Vec<i128> = constants.iter().map(scaled).collect::<Option<_>>()?;
        let lowest =
            bounds.iter().zip(&constants).map(|((lo, _), c)| lo.saturating_add(*c)).min()?;
        let offset = lowest.div_euclid(1 << n);
        let mut moved: Vec<Interval> = Vec::with_capacity(bounds.len());
        for ((bias, (lo, hi)), constant) in linear.bias.iter_mut().zip(bounds).zip(&constants) {
            let by = constant.checked_sub(offset.checked_mul(1 << n)?)?;
            *bias = i64::try_from(by).ok()?;
            moved.push((lo.checked_add(by)?, hi.checked_add(by)?));
        }
        if self.excess_of(step, &moved) > 0 {
            return None;
        }
        let tensor = self.push(&step.name, Scaled { inputs, linear, bounds: moved });
        let len = step.len;
        let offsets = vec![offset as f64 * unit; len];
        let middles = vec![-(offset as f64); len];
        let meaning = Meaning::Affine { units: vec![unit; len], offsets, middles };
        Some(Made { tensor, bits: -unit.log2().ceil() as i32, meaning })
    }

    /// How close two values of a step may be that change places: each is rounded once, and so is
    /// the weight of each input's integer.
    pub(super) fn margin(&self, view: &View, bits: i32) -> f64 {
        let mut most = 0;
        for row in 0..view.bias.len() {
            let mut own = 0;
            view.parts.iter().for_each(|part| part.map.for_each_in_row(row, |_, _| own += 1));
            most = most.max(own);
        }
        // A weight is off by half a unit at most, and an input by half its integers from the middle.
        let inputs = exp2(self.schema.bits as i32 - self.graph.shift_bits as i32);
        2.0 * exp2(-bits) * (0.5 + 0.25 * inputs * f64::from(most))
    }
}
