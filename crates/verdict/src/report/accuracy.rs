//! How far what is proven is from the float model, on the user's own data.

use serde::Serialize;
use verdict_prover::{
    quantize::{LayerError, OutputSchema, QuantizeError},
    samples::Samples,
};

use crate::{error::Error, model::PlannedModel};

/// Inputs that are refused and named; more are counted only.
const NAMED: usize = 20;
/// Bars of a distribution at most.
const MOST_BARS: usize = 14;

/// The outputs of one input.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The sample's name.
    pub(super) name: String,
    /// What it gives to the model.
    pub(super) input: Vec<f64>,
    /// What the float model says, the elements of all outputs.
    pub(super) float: Vec<f64>,
    /// What is proven.
    pub(super) proven: Vec<f64>,
}

impl Run {
    /// The elements that count with their differences.
    fn differences<'a>(&'a self, counted: &'a [bool]) -> impl Iterator<Item = (usize, f64)> + 'a {
        let pairs = self.float.iter().zip(&self.proven).enumerate();
        let own = pairs.filter(|(index, _)| counted.get(*index).copied().unwrap_or(true));
        own.map(|(index, (a, b))| (index, (a - b).abs()))
    }

    /// The element with the largest difference, and that.
    fn worst(&self, counted: &[bool]) -> (usize, f64) {
        let worse = |so_far: Option<(usize, f64)>, own: (usize, f64)| match so_far {
            Some(so_far) if own.1 <= so_far.1 => Some(so_far),
            _ => Some(own),
        };
        self.differences(counted).fold(None, worse).unwrap_or((0, 0.0))
    }
}

/// The largest error of one sample's outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleError {
    /// The sample's name.
    pub sample: String,
    /// The largest absolute difference of its outputs.
    pub error: f64,
}

/// A sample that no proof can be made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// The sample's name.
    pub sample: String,
    /// Why.
    pub reason: String,
}

/// Errors from `from` on and below `to`: of how many samples that is the largest one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// The least error.
    pub from: f64,
    /// The least that is too large.
    pub to: f64,
    /// Samples.
    pub samples: usize,
}

/// The sample whose outputs are furthest off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// Its name.
    pub sample: String,
    /// Its elements, of all inputs; null where one is missing.
    pub input: Vec<f64>,
    /// The element that is, `scores[0][3]`.
    pub output: String,
    /// What the float model says.
    pub float: f64,
    /// What is proven.
    pub proven: f64,
    /// The difference.
    pub error: f64,
}

/// The difference between the outputs that are proven and the float model's, on data. Labels are
/// left out of it, unless there is nothing else: they are decisions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Samples compared.
    pub samples: usize,
    /// The largest absolute difference of an output.
    pub largest: f64,
    /// The mean absolute difference.
    pub mean: f64,
    /// The largest difference of half of the samples, of nine in ten, of 99 in a hundred.
    pub percentiles: [f64; 3],
    /// How the largest differences of the samples are distributed.
    pub distribution: Vec<Bar>,
    /// Where it is largest.
    pub worst: Worst,
    /// The largest of each sample, in the file's order.
    pub errors: Vec<SampleError>,
    /// Samples of which no proof can be made; the first of them.
    pub refused: Vec<Refused>,
    /// All that are refused.
    pub refused_count: usize,
}

/// What the runs of all samples came to.
pub(super) struct Measured {
    pub(super) accuracy: Accuracy,
    pub(super) runs: Vec<Run>,
    /// By tensor of the integer graph.
    pub(super) layers: Vec<Option<LayerError>>,
}

/// Runs every sample, in floats and in integers.
///
/// # Errors
/// The float model fails, or no sample can be proven: then why not the first.
pub(super) fn measure(
    planned: &PlannedModel,
    samples: &Samples,
    whole: &[bool],
) -> Result<Measured, Error> {
    let quantized = &planned.plan().quantized;
    let mut layers = vec![None; quantized.graph.tensors.len()];
    let (mut runs, mut refused, mut refused_count) = (Vec::new(), Vec::new(), 0);
    let mut first = None;
    for (index, sample) in samples.iter().enumerate() {
        let name = samples.name(index);
        match quantized.compare_layers(planned.model(), &sample.values, &mut layers) {
            Ok((float, proven)) => {
                let input = sample.values.clone();
                runs.push(Run { name, input, float, proven });
            }
            Err(error @ (QuantizeError::Schema(_) | QuantizeError::Model(_))) => {
                refused_count += 1;
                if refused.len() < NAMED {
                    refused.push(Refused { sample: name, reason: error.to_string() });
                }
                first.get_or_insert(error);
            }
            Err(error) => return Err(failed(error)),
        }
    }
    if let (true, Some(error)) = (runs.is_empty(), first) {
        return Err(failed(error));
    }
    let labels = whole.iter().all(|whole| *whole);
    let tensors = quantized.output.tensors.iter().zip(whole);
    let counted = tensors.flat_map(|(tensor, whole)| {
        std::iter::repeat_n(labels || !whole, tensor.dims.iter().product())
    });
    let counted: Vec<bool> = counted.collect();
    let accuracy = accuracy(&runs, &quantized.output, &counted);
    let accuracy = Accuracy { refused, refused_count, ..accuracy };
    Ok(Measured { accuracy, runs, layers })
}

fn failed(error: QuantizeError) -> Error {
    match error {
        QuantizeError::Schema(error) => error.into(),
        error => Error::Plan(error.into()),
    }
}

fn accuracy(runs: &[Run], output: &OutputSchema, counted: &[bool]) -> Accuracy {
    let (mut sum, mut count) = (0.0, 0usize);
    let mut errors = Vec::with_capacity(runs.len());
    let mut worst = Worst {
        sample: String::new(),
        input: Vec::new(),
        output: String::new(),
        float: 0.0,
        proven: 0.0,
        error: -1.0,
    };
    for run in runs {
        let (index, error) = run.worst(counted);
        if error > worst.error {
            let (float, proven) = (run.float[index], run.proven[index]);
            let (sample, output) = (run.name.clone(), output.element(index));
            let input = run.input.clone();
            worst = Worst { sample, input, output, float, proven, error };
        }
        sum += run.differences(counted).map(|(_, error)| error).sum::<f64>();
        count += run.differences(counted).count();
        errors.push(SampleError { sample: run.name.clone(), error });
    }
    let mut sorted: Vec<f64> = errors.iter().map(|own| own.error).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let share = |part: f64| sorted.get(((part * last as f64).ceil() as usize).min(last));
    let percentiles = [0.5, 0.9, 0.99].map(|part| share(part).copied().unwrap_or(0.0));
    Accuracy {
        samples: runs.len(),
        largest: sorted.last().copied().unwrap_or(0.0),
        mean: sum / count.max(1) as f64,
        percentiles,
        distribution: distribution(&sorted),
        worst,
        errors,
        refused: Vec::new(),
        refused_count: 0,
    }
}

/// Bars of equal width from 0 to a little above the largest, each end a number of two digits.
fn distribution(sorted: &[f64]) -> Vec<Bar> {
    let largest = sorted.last().copied().unwrap_or(0.0);
    if !(largest > 0.0 && largest.is_finite()) {
        return vec![Bar { from: 0.0, to: 0.0, samples: sorted.len() }];
    }
    let power = 10f64.powi((largest / MOST_BARS as f64).log10().floor() as i32);
    let widths = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|width| width * power);
    let fits = |width: &&f64| (largest / **width).floor() < MOST_BARS as f64;
    let width = widths.iter().find(fits).copied().unwrap_or(largest);
    let bars = (largest / width).floor() as usize + 1;
    let mut made: Vec<Bar> = (0..bars)
        .map(|at| Bar { from: at as f64 * width, to: (at + 1) as f64 * width, samples: 0 })
        .collect();
    for error in sorted {
        made[((error / width) as usize).min(bars - 1)].samples += 1;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_one_bar_and_bars_end_at_round_numbers() {
        let errors: Vec<f64> = (0..1000).map(|at| f64::from(at) * 3.7e-8).collect();
        let bars = distribution(&errors);
        assert!((3..=MOST_BARS).contains(&bars.len()), "{bars:?}");
        assert_eq!(bars.iter().map(|bar| bar.samples).sum::<usize>(), 1000);
        assert_eq!(bars[0].from, 0.0);
        for (bar, next) in bars.iter().zip(&bars[1..]) {
            assert_eq!(bar.to, next.from);
            let within = |error: &&f64| (bar.from..bar.to).contains(*error);
            assert_eq!(errors.iter().filter(within).count(), bar.samples);
        }
        assert!(bars.last().is_some_and(|bar| bar.to > 3.7e-5));
        // Exact outputs.
        assert_eq!(distribution(&[0.0; 7])[0].samples, 7);
    }

    #[test]
    fn percentiles_are_those_of_the_samples_largest_errors() {
        let run = |at: u32| {
            let error = f64::from(at) / 1024.0;
            Run {
                name: format!("#{at}"),
                input: vec![f64::from(at)],
                float: vec![1.0, 2.0],
                proven: vec![1.0, 2.0 + error],
            }
        };
        let runs: Vec<Run> = (0..=100).map(run).collect();
        let dims = vec![1, 2];
        let tensors = vec![verdict_prover::quantize::OutputTensor { name: "y".into(), dims }];
        let output = OutputSchema { tensors, count: 2, decimals: 6, min: 0, max: 1 };
        let accuracy = accuracy(&runs, &output, &[true; 2]);
        assert_eq!(accuracy.percentiles, [50.0, 90.0, 99.0].map(|part| part / 1024.0));
        assert_eq!(accuracy.largest, 100.0 / 1024.0);
        assert!((accuracy.mean - 25.0 / 1024.0).abs() < 1e-12);
        assert_eq!((&*accuracy.worst.output, &*accuracy.worst.sample), ("y[0][1]", "#100"));
        assert_eq!(accuracy.worst.input, [100.0]);
    }
}
