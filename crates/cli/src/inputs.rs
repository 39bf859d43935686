//! Reading what users write: inputs, ranges, samples.

use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};
use verdict::read_file;
use verdict_prover::{
    graph::Graph,
    onnx::{self, LoadOptions},
    plan::{Objective, Plan, PlanOptions},
    quantize::Ranges,
};

use crate::{
    args::{ModelOptions, Optimize},
    failure::{Failure, Outcome},
};

/// Largest input or range file.
const MAX_JSON_BYTES: u64 = 256 << 20;

/// The forms an input file may have.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum InputFile {
    Bare(Vec<f64>),
    Samples(Vec<Vec<f64>>),
    Single { input: Vec<f64> },
    Several { applicants: Vec<Applicant> },
}

/// A named input.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Applicant {
    pub(crate) id: String,
    pub(crate) input: Vec<f64>,
}

fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Outcome<T> {
    let bytes = read_file(path, MAX_JSON_BYTES)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(format!("{} is not {what}: {error}", path.display())))
}

/// Every input of a file.
pub(crate) fn read_inputs(path: &Path) -> Outcome<Vec<Applicant>> {
    let name = |index: usize| format!("#{}", index + 1);
    let numbered = |inputs: Vec<Vec<f64>>| {
        let named = inputs.into_iter().enumerate();
        named.map(|(index, input)| Applicant { id: name(index), input }).collect()
    };
    Ok(match read_json(path, "an input file ([…], {\"input\": […]} or {\"applicants\": […]})")?
    {
        InputFile::Bare(input) | InputFile::Single { input } => numbered(vec![input]),
        InputFile::Samples(inputs) => numbered(inputs),
        InputFile::Several { applicants } => applicants,
    })
}

/// One input of a file.
pub(crate) fn read_input(path: &Path, id: Option<&str>) -> Outcome<Applicant> {
    let inputs = read_inputs(path)?;
    let ids = inputs.iter().map(|input| input.id.as_str()).collect::<Vec<_>>().join(", ");
    let found = match id {
        Some(id) => inputs.iter().find(|input| input.id == id).cloned(),
        None if inputs.len() == 1 => inputs.first().cloned(),
        None => None,
    };
    found.ok_or_else(|| {
        let what = id.map_or_else(
            || format!("{} has {} inputs", path.display(), inputs.len()),
            |id| format!("{} has no input {id}", path.display()),
        );
        Failure::new(what).hint(format!("choose one with --id: {ids}"))
    })
}

fn ranges(options: &ModelOptions, inputs: usize) -> Outcome<Ranges> {
    if let Some(path) = &options.ranges {
        return read_json(path, "a range file ({\"input\": [[lo, hi], …]})");
    }
    if let Some(path) = &options.calibration {
        let samples: Vec<_> = read_inputs(path)?.into_iter().map(|input| input.input).collect();
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
    let ranges = ranges(options, model.input_len())?;
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
