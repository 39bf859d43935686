//! The difference between an integer graph and the float model, measured.
//!
//! On inputs drawn from the declared ranges, and on corners of the ranges, where rounded
//! weights weigh most: all inputs at one end, and those ends at which the error of each
//! output is largest as far as every input's own part in it tells.

use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{QuantizeError, Quantized, Ranges, SchemaError};
use crate::graph::{Graph, RunError};

/// Multiplications spent on running the float model for a comparison.
const BUDGET: usize = 40_000_000;
/// Most outputs whose worst corners are looked for.
const MAX_OUTPUTS: usize = 4;

/// The difference between the integer graph and the float model on some inputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// Inputs compared.
    pub samples: usize,
    /// Largest absolute difference of an output.
    pub largest: f64,
    /// Mean absolute difference.
    pub mean: f64,
}

/// Inputs and what the float model gives on them.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    ranges: Ranges,
    samples: Vec<(Vec<f64>, Vec<f64>)>,
    /// The middle of the ranges, and each input alone at its lower and upper end.
    single: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Runs the float model on the elements of all inputs, one input after the other.
pub(super) fn run_float(graph: &Graph, inputs: &[f64]) -> Result<Vec<f64>, RunError> {
    Ok(graph.run(&graph.split(inputs))?.concat())
}

/// The same, of trees that compare real numbers: what the file's rounding decides is counted
/// apart, by [`Quantized::comparisons`].
fn run_real(graph: &Graph, inputs: &[f64]) -> Result<Vec<f64>, RunError> {
    let values = graph.run_as(&graph.split(inputs), false)?;
    Ok(graph.outputs.iter().flat_map(|id| values[id.0].iter().copied()).collect())
}

impl Reference {
    pub(super) fn new(graph: &Graph, ranges: &Ranges) -> Result<Self, QuantizeError> {
        let runs = (BUDGET / graph.multiplications().max(1)).clamp(8, 260);
        let run =
            |inputs: Vec<f64>| Ok::<_, QuantizeError>((inputs.clone(), run_real(graph, &inputs)?));
        let inputs = ranges.probes(graph, runs)?;
        let samples = inputs.into_iter().map(run).collect::<Result<_, _>>()?;
        let count = ranges.input.len();
        let single = if 2 * count < 2 * runs {
            let middle: Vec<f64> = ranges
                .input
                .iter()
                .enumerate()
                .map(|(index, [lo, hi])| ranges.snap(index, lo + (hi - lo) / 2.0).min(*hi))
                .collect();
            let mut single = vec![middle.clone()];
            for (index, range) in ranges.input.iter().enumerate() {
                for end in range {
                    let mut input = middle.clone();
                    input[index] = *end;
                    single.push(input);
                }
            }
            single.into_iter().map(run).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(Self { ranges: ranges.clone(), samples, single })
    }

    /// Given samples, and nothing else.
    pub(super) fn of_samples(graph: &Graph, samples: &[Vec<f64>]) -> Result<Self, QuantizeError> {
        let run = |inputs: &Vec<f64>| Ok((inputs.clone(), run_float(graph, inputs)?));
        let samples = samples.iter().map(run).collect::<Result<_, QuantizeError>>()?;
        Ok(Self {
            ranges: Ranges { input: Vec::new(), grids: Vec::new(), private: Vec::new() },
            samples,
            single: Vec::new(),
        })
    }

    /// The largest absolute value of an output tensor, of so many elements each, where that is
    /// least.
    pub(super) fn magnitude(&self, lens: &[usize]) -> f64 {
        let mut largest = vec![0.0f64; lens.len()];
        for (_, outputs) in self.samples.iter().chain(&self.single) {
            let mut rest = &outputs[..];
            for (largest, len) in largest.iter_mut().zip(lens) {
                let (own, after) = rest.split_at((*len).min(rest.len()));
                *largest = own.iter().fold(*largest, |most, output| most.max(output.abs()));
                rest = after;
            }
        }
        largest.into_iter().reduce(f64::min).unwrap_or(0.0)
    }

    /// Inputs to measure sensitivities at.
    pub(super) fn some_inputs(&self) -> impl Iterator<Item = &[f64]> {
        let last = self.samples.len().saturating_sub(8);
        self.samples[last..].iter().map(|(inputs, _)| inputs.as_slice())
    }

    /// Compares a quantized model with the float model.
    pub(super) fn compare(
        &self,
        quantized: &Quantized,
        graph: &Graph,
    ) -> Result<ErrorReport, QuantizeError> {
        let (mut largest, mut sum, mut count, mut samples) = (0.0f64, 0.0, 0usize, 0);
        let mut visit = |errors: &[f64]| {
            samples += 1;
            for error in errors {
                largest = largest.max(error.abs());
                sum += error.abs();
                count += 1;
            }
        };
        let errors = |inputs: &[f64], theirs: &[f64]| {
            let ours = quantized.run(inputs)?;
            let errors = ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs);
            Ok::<Vec<f64>, QuantizeError>(errors.collect())
        };
        for (inputs, theirs) in &self.samples {
            visit(&errors(inputs, theirs)?);
        }
        let single = self
            .single
            .iter()
            .map(|(inputs, theirs)| errors(inputs, theirs))
            .collect::<Result<Vec<_>, _>>()?;
        single.iter().for_each(|errors| visit(errors));
        let outputs = single.first().map_or(0, Vec::len);
        for output in (0..outputs).step_by(outputs.div_ceil(MAX_OUTPUTS).max(1)) {
            let raises =
                |index: usize| single[2 + 2 * index][output] > single[1 + 2 * index][output];
            for upward in [true, false] {
                let corner = self.ranges.corner(|index| raises(index) == upward);
                let theirs = run_real(graph, &corner)?;
                visit(&errors(&corner, &theirs)?);
            }
        }
        let mean = if count == 0 { 0.0 } else { sum / count as f64 };
        Ok(ErrorReport { samples, largest, mean })
    }
}

impl Ranges {
    /// Corners among [`Self::probes`].
    pub const CORNERS: usize = 4;

    /// `count` inputs of `graph` within the ranges, at least four: some drawn evenly, the
    /// same ones every time, then [`Self::CORNERS`]: all elements at their lower ends, at
    /// their upper ends, and at either in turn. On the grid where there is one; NaN among them
    /// where an element may be missing.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn probes(&self, graph: &Graph, count: usize) -> Result<Vec<Vec<f64>>, SchemaError> {
        let ranges = self.resolve(graph)?;
        let mut inputs = ranges.samples(count.saturating_sub(Self::CORNERS));
        // What may be missing is so in turn; not in the last ones, where slopes are measured.
        let some = inputs.len().saturating_sub(4);
        for (number, input) in inputs.iter_mut().take(some).enumerate() {
            for (index, value) in input.iter_mut().enumerate() {
                if ranges.grid(index).is_some_and(|grid| grid.missing) && (number + index) % 4 == 0
                {
                    *value = f64::NAN;
                }
            }
        }
        inputs.push(ranges.corner(|_| false));
        inputs.push(ranges.corner(|_| true));
        inputs.push(ranges.corner(|index| index % 2 == 0));
        inputs.push(ranges.corner(|index| index % 2 == 1));
        for input in &mut inputs {
            for (index, value) in input.iter_mut().enumerate() {
                *value = ranges.snap(index, *value);
            }
        }
        Ok(inputs)
    }

    /// `count` inputs drawn evenly from the ranges, the same ones every time.
    pub fn samples(&self, count: usize) -> Vec<Vec<f64>> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7992);
        (0..count)
            .map(|_| self.input.iter().map(|[lo, hi]| rng.gen_range(*lo..=*hi)).collect())
            .collect()
    }
}
