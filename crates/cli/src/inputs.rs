//! Reading what users write: inputs, ranges, samples.

use std::path::Path;

use verdict_prover::{
    graph::Graph,
    onnx::{self, LoadOptions},
    plan::{Objective, Plan, PlanOptions},
    quantize::Ranges,
    samples::{InputTensor, Samples, read_ranges},
};

use crate::{
    args::{ModelOptions, Optimize},
    failure::{Failure, Outcome},
};

/// A named input.
#[derive(Debug, Clone)]
pub(crate) struct Applicant {
    pub(crate) id: String,
    pub(crate) input: Vec<f64>,
}

/// Every input of a file.
pub(crate) fn read_inputs(path: &Path, tensors: &[InputTensor]) -> Outcome<Vec<Applicant>> {
    let samples = Samples::read(path, tensors)?;
    let named = samples.iter().enumerate();
    Ok(named
        .map(|(index, sample)| Applicant { id: samples.name(index), input: sample.values.clone() })
        .collect())
}

/// One input of a file: that of an id, or the only one.
pub(crate) fn read_input(
    path: &Path,
    tensors: &[InputTensor],
    id: Option<&str>,
) -> Outcome<Applicant> {
    let samples = Samples::read(path, tensors)?;
    let index = samples
        .select(id)
        .map_err(|error| Failure::from(error).hint("choose a sample with --id"))?;
    let values = samples.iter().nth(index).map(|sample| sample.values.clone());
    Ok(Applicant { id: samples.name(index), input: values.unwrap_or_default() })
}

fn ranges(options: &ModelOptions, model: &Graph) -> Outcome<Ranges> {
    let (tensors, inputs) = (InputTensor::of(model), model.input_len());
    if let Some(path) = &options.ranges {
        return Ok(read_ranges(path, &tensors)?);
    }
    if let Some(path) = &options.calibration {
        let samples: Vec<_> =
            read_inputs(path, &tensors)?.into_iter().map(|sample| sample.input).collect();
        return Ok(Ranges::from_samples(&samples, inputs)?);
    }
    if let Some(text) = &options.range {
        let ends = text
            .split_once(',')
            .and_then(|(lo, hi)| Some((lo.trim().parse().ok()?, hi.trim().parse().ok()?)));
        let Some((lo, hi)) = ends else {
            return Err(Failure::new(format!("--range {text}: expected two numbers, LO,HI")));
        };
        return Ok(Ranges::uniform(inputs, lo, hi));
    }
    Err(Failure::new("the inputs' ranges are not known").hint(
        "give --ranges FILE, one --range LO,HI for all, or --calibration FILE with sample inputs",
    ))
}

/// Reads a model and plans its circuit.
pub(crate) fn plan(path: &Path, options: &ModelOptions) -> Outcome<(Graph, Plan)> {
    let model = onnx::load(path, &LoadOptions::default())?;
    let ranges = ranges(options, &model)?;
    let plan_options = PlanOptions {
        target_error: options.target_error,
        public_inputs: options.public_inputs,
        objective: match options.optimize {
            Optimize::Balanced => Objective::Balanced,
            Optimize::Gas => Objective::Gas,
            Optimize::Time => Objective::Time,
        },
        decimals: options.decimals,
    };
    let plan = Plan::new(&model, &ranges, &plan_options)?;
    Ok((model, plan))
}
