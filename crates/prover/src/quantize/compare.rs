//! The difference between an integer graph and the float model, measured.
//!
//! On inputs drawn from the declared ranges, and on corners of the ranges, where rounded
//! weights weigh most: all inputs at one end, and those ends at which the error of each
//! output is largest as far as every input's own part in it tells.

use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{QuantizeError, Quantized, Ranges, SchemaError};
use crate::graph::{Function, Graph, Op, RunError};

/// Multiplications spent on running the float model for a comparison.
const BUDGET: usize = 40_000_000;
/// Most outputs whose worst corners are looked for.
const MAX_OUTPUTS: usize = 4;
/// Inputs that float32 decides are left out where one in so many is none of them.
const LEAST_DECIDED: usize = 4;

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
    samples: Vec<Sample>,
    /// The middle of the ranges, and each input alone at its lower and upper end.
    single: Vec<Sample>,
    /// Whether inputs are left out of which float32 may make other whole numbers.
    decided: bool,
}

/// An input, and what the float model gives on it.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) inputs: Vec<f64>,
    pub(super) outputs: Vec<f64>,
    /// Whether the model rounds to whole numbers what float32 may take for a half, or for what is
    /// beyond one: either neighbour is right.
    beside: bool,
}

/// Runs the float model on the elements of all inputs, one input after the other.
pub(super) fn run_float(graph: &Graph, inputs: &[f64]) -> Result<Vec<f64>, RunError> {
    Ok(graph.run(&graph.split(inputs))?.concat())
}

impl Sample {
    /// What the float model gives, of trees that compare real numbers: what the file's rounding
    /// decides is counted apart, by [`Quantized::comparisons`].
    pub(super) fn real(graph: &Graph, inputs: Vec<f64>) -> Result<Self, RunError> {
        let values = graph.run_as(&graph.split(&inputs), false)?;
        let outputs = graph.outputs.iter().flat_map(|id| values[id.0].iter().copied()).collect();
        let beside = graph.nodes.iter().any(|node| match &node.op {
            Op::Function(Function::Staircase(stairs)) if stairs.single => {
                let x = values[node.inputs[0].0].iter().enumerate();
                x.map(|(index, x)| stairs.either(index, *x)).any(|(low, high)| low != high)
            }
            _ => false,
        });
        Ok(Self { inputs, outputs, beside })
    }
}

impl Reference {
    pub(super) fn new(graph: &Graph, ranges: &Ranges) -> Result<Self, QuantizeError> {
        let runs = (BUDGET / graph.multiplications().max(1)).clamp(8, 260);
        let run = |inputs: Vec<f64>| Ok::<_, QuantizeError>(Sample::real(graph, inputs)?);
        let inputs = ranges.probes(graph, runs)?;
        let samples = inputs.into_iter().map(run).collect::<Result<Vec<Sample>, _>>()?;
        let beside = samples.iter().filter(|sample| sample.beside).count();
        let decided = samples.len() - beside >= samples.len().div_ceil(LEAST_DECIDED);
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
        Ok(Self { ranges: ranges.clone(), samples, single, decided })
    }

    /// Given samples, and nothing else.
    pub(super) fn of_samples(graph: &Graph, samples: &[Vec<f64>]) -> Result<Self, QuantizeError> {
        let run = |inputs: &Vec<f64>| {
            let outputs = run_float(graph, inputs)?;
            Ok(Sample { inputs: inputs.clone(), outputs, beside: false })
        };
        let samples = samples.iter().map(run).collect::<Result<_, QuantizeError>>()?;
        Ok(Self {
            ranges: Ranges { input: Vec::new(), grids: Vec::new(), private: Vec::new() },
            samples,
            single: Vec::new(),
            decided: false,
        })
    }

    /// The largest absolute value of an output tensor, of so many elements each, where that is
    /// least.
    pub(super) fn magnitude(&self, lens: &[usize]) -> f64 {
        let mut largest = vec![0.0f64; lens.len()];
        for sample in self.samples.iter().chain(&self.single) {
            let mut rest = &sample.outputs[..];
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
        self.samples[last..].iter().map(|sample| sample.inputs.as_slice())
    }

    /// Compares a quantized model with the float model.
    pub(super) fn compare(
        &self,
        quantized: &Quantized,
        graph: &Graph,
    ) -> Result<ErrorReport, QuantizeError> {
        let (mut largest, mut sum, mut count, mut samples) = (0.0f64, 0.0, 0usize, 0);
        let counts = |sample: &Sample| !(self.decided && sample.beside);
        let mut visit = |errors: &[f64]| {
            samples += 1;
            for error in errors {
                largest = largest.max(error.abs());
                sum += error.abs();
                count += 1;
            }
        };
        let errors = |sample: &Sample| {
            let ours = quantized.run(&sample.inputs)?;
            let errors = ours.iter().zip(&sample.outputs).map(|(ours, theirs)| ours - theirs);
            Ok::<Vec<f64>, QuantizeError>(errors.collect())
        };
        for sample in self.samples.iter().filter(|sample| counts(sample)) {
            visit(&errors(sample)?);
        }
        let single = self.single.iter().map(errors).collect::<Result<Vec<_>, _>>()?;
        let counted = single.iter().zip(&self.single).filter(|(_, sample)| counts(sample));
        counted.for_each(|(errors, _)| visit(errors));
        let outputs = single.first().map_or(0, Vec::len);
        for output in (0..outputs).step_by(outputs.div_ceil(MAX_OUTPUTS).max(1)) {
            let raises =
                |index: usize| single[2 + 2 * index][output] > single[1 + 2 * index][output];
            for upward in [true, false] {
                let corner = self.ranges.corner(|index| raises(index) == upward);
                let sample = Sample::real(graph, corner)?;
                if counts(&sample) {
                    visit(&errors(&sample)?);
                }
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
