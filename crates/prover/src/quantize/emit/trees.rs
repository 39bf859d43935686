//! Decisions in integers, each exactly 0 or 1.
//!
//! With x and t below 2^n, x' = max(0, ⌊(x − t + 2^n) / 2^n⌋) is 1 if x ≥ t, else 0. Integers
//! that may be larger take two nodes: max(0, 1 − max(0, t − x)).

use super::{Emitter, Made, Meaning, Scaled};
use crate::{
    graph::{Linear, LinearMap, SparseRows, TensorId},
    quantize::{
        QuantizeError,
        program::{Cut, Kind, Program, Step},
    },
};

impl Emitter<'_> {
    pub(super) fn decisions(
        &mut self,
        step: &Step,
        program: &Program,
        source: usize,
        cuts: &[(usize, Cut)],
    ) -> Result<Made, QuantizeError> {
        let n = self.graph.shift_bits;
        let tensor = match &program.steps[source].kind {
            Kind::Input { first } => {
                let shifts: Vec<u32> = cuts
                    .iter()
                    .map(|(index, _)| {
                        let grid = self.schema.grid(first + index);
                        grid.map_or(0, |grid| self.schema.shift(first + index, grid))
                    })
                    .collect();
                let least = shifts.iter().copied().min().unwrap_or(0).min(n);
                if self.value_bits > n && self.value_bits - least <= n {
                    self.on_grid(step, source, cuts, &shifts)
                } else {
                    let places = cuts.iter().zip(&shifts);
                    let places =
                        places.map(|((index, cut), shift)| (*index, (cut.at as i64) << shift));
                    self.compare(step, self.made[source].tensor, places.collect())
                }
            }
            _ => {
                let places = cuts
                    .iter()
                    .map(|(index, cut)| (*index, self.threshold(program, source, *index, cut)));
                self.compare(step, self.made[source].tensor, places.collect())
            }
        };
        let zeros = vec![0.0; step.len];
        let meaning =
            Meaning::Affine { units: vec![1.0; step.len], offsets: zeros.clone(), middles: zeros };
        // Nothing is lost by reading it, however fine its reader's unit is.
        Ok(Made { tensor, bits: self.value_bits as i32, meaning })
    }

    /// Decisions on inputs without bits below a step of their grid, as far as the rescale can
    /// take these off: what is left is small enough for one node each.
    fn on_grid(
        &mut self,
        step: &Step,
        source: usize,
        cuts: &[(usize, Cut)],
        shifts: &[u32],
    ) -> TensorId {
        let n = self.graph.shift_bits;
        let mut elements: Vec<(usize, u32)> =
            cuts.iter().zip(shifts).map(|((index, _), shift)| (*index, *shift)).collect();
        elements.sort_unstable();
        elements.dedup();
        let rows = elements.iter().map(|(index, shift)| [(*index, 1i64 << (n - shift.min(&n)))]);
        let map = LinearMap::Sparse(SparseRows::from_rows(rows));
        let bias = vec![0; elements.len()];
        let points = self.node(&step.name, self.made[source].tensor, map, bias);
        let place = |index: &usize| elements.partition_point(|(other, _)| other < index);
        let places = cuts.iter().zip(shifts).map(|((index, cut), shift)| {
            (place(index), (cut.at as i64) << shift.saturating_sub(n))
        });
        let places = places.collect();
        self.compare(step, points, places)
    }

    /// For each (element, t) of a tensor, 1 if the element is at least t, else 0.
    fn compare(&mut self, step: &Step, tensor: TensorId, places: Vec<(usize, i64)>) -> TensorId {
        let one = 1i64 << self.graph.shift_bits;
        let bounds = self.analysis.bounds(tensor);
        let below = |(index, t): &(usize, i64)| {
            let highest = bounds.get(*index).map_or(i128::MAX, |bounds| bounds.1);
            highest - i128::from(*t) < i128::from(one)
        };
        let small = places.iter().all(below);
        let factor = if small { 1 } else { -one };
        let rows = places.iter().map(|(index, _)| [(*index, factor)]);
        let map = LinearMap::Sparse(SparseRows::from_rows(rows));
        let bias = places.iter().map(|(_, t)| if small { one - t } else { t.saturating_mul(one) });
        let bias = bias.collect();
        let made = self.node(&step.name, tensor, map, bias);
        if small {
            return made;
        }
        let map = LinearMap::Diagonal(vec![-one; places.len()]);
        self.node(&step.name, made, map, vec![one; places.len()])
    }

    /// Adds a node of one map.
    fn node(
        &mut self,
        name: &str,
        input: TensorId,
        map: LinearMap<i64>,
        bias: Vec<i64>,
    ) -> TensorId {
        let (inputs, linear) = (vec![input], Linear { maps: vec![map], bias });
        let bounds = self.analysis.linear(&inputs, &linear);
        self.push(name, Scaled { inputs, linear, bounds })
    }
}
