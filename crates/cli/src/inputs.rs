//! Reading what users write: inputs, ranges, samples.

use std::path::Path;

use verdict::{Error, LoadOptions, ModelFile, PlanOptions, PlannedModel, Ranges};
use verdict_prover::{
    graph::ElementKind,
    onnx::OnnxError,
    quantize::SchemaError,
    samples::{Categories, InputTensor, Samples, read_ranges},
};

use crate::{
    args::{InputRange, ModelOptions},
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
    let names: Vec<String> = (0..samples.len()).map(|index| samples.name(index)).collect();
    let named = names.into_iter().zip(samples);
    Ok(named.map(|(id, sample)| Applicant { id, input: sample.values }).collect())
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
    let id = samples.name(index);
    let values = samples.into_iter().nth(index).map(|sample| sample.values);
    Ok(Applicant { id, input: values.unwrap_or_default() })
}

/// The ranges of a model's inputs, and its inputs with the categories that are declared.
fn ranges(options: &ModelOptions, file: &ModelFile) -> Outcome<(Ranges, Vec<InputTensor>)> {
    let tensors = file.model_inputs();
    let inputs = tensors.iter().map(InputTensor::elements).sum();
    if let Some(path) = &options.ranges {
        return read_ranges(path, &tensors).map_err(|error| {
            let failure = Failure::from(error);
            if tensors.len() < 2 { failure } else { failure.hint(by_name(&tensors)) }
        });
    }
    if let Some(path) = &options.calibration {
        // Integers are never missing: the file says where one is.
        let real = file.graph().inputs.iter().map(|id| &file.graph().tensors[id.0]);
        let real: Vec<bool> = real.map(|tensor| tensor.kind == ElementKind::Real).collect();
        let integers = file.graph().inputs.iter().map(|id| &file.graph().tensors[id.0]);
        let integers: Vec<bool> =
            integers.map(|tensor| tensor.kind == ElementKind::Integer).collect();
        let gaps = tensors.iter().zip(real);
        let gaps: Vec<_> =
            gaps.map(|(tensor, real)| tensor.clone().with_missing(|_| real)).collect();
        let samples: Vec<_> =
            read_inputs(path, &gaps)?.into_iter().map(|sample| sample.input).collect();
        if let Some(fraction) = fraction(&tensors, &integers, &samples) {
            return Err(Failure::new(fraction));
        }
        let mut ranges = Ranges::from_samples(&samples, inputs).map_err(|error| match error {
            SchemaError::AlwaysMissing { index } => Failure::new(format!(
                "{} is missing in every sample, which says nothing of its range",
                element(&tensors, index)
            )),
            error => error.into(),
        })?;
        let mut first = 0;
        let tensors = tensors.into_iter().map(|tensor| {
            let before = first;
            first += tensor.elements();
            tensor.with_missing(|index| ranges.grid(before + index).is_some_and(|own| own.missing))
        });
        let tensors: Vec<InputTensor> = tensors.collect();
        let own =
            tensors.iter().flat_map(|tensor| (0..tensor.elements()).map(move |i| (tensor, i)));
        for (range, (tensor, index)) in ranges.input.iter_mut().zip(own) {
            if let Some(categories) = tensor.categories(index).filter(|own| own.only) {
                *range = categories.range();
            }
        }
        return Ok((ranges, tensors));
    }
    if !options.range.is_empty() || tensors.iter().all(InputTensor::takes_names_only) {
        return Ok((given_ranges(&options.range, &tensors)?, tensors));
    }
    let failure = Failure::new("the inputs' ranges are not known");
    Err(failure.hint(
        "give --ranges FILE, one --range LO,HI for all, or --calibration FILE with sample inputs",
    ))
}

/// Ranges by the names of inputs, and one for those not named.
fn given_ranges(given: &[InputRange], tensors: &[InputTensor]) -> Outcome<Ranges> {
    let known = |name: &String| tensors.iter().any(|tensor| tensor.name == *name);
    if let Some(name) = given.iter().filter_map(|range| range.input.as_ref()).find(|n| !known(n)) {
        let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let message = format!("--range names {name}, the model takes {}", names.join(", "));
        return Err(Failure::new(message));
    }
    let find = |name: Option<&str>| {
        let mut ranges = given.iter().filter(|range| range.input.as_deref() == name);
        match (ranges.next(), ranges.next()) {
            (range, None) => Ok(range.map(|range| range.ends)),
            _ => {
                let of = name.map_or("all inputs".into(), |name| format!("input {name}"));
                Err(Failure::usage(format!("--range is given twice for {of}")))
            }
        }
    };
    let others = find(None)?;
    let mut input = Vec::new();
    for tensor in tensors {
        if tensor.takes_names_only() {
            let own = (0..tensor.elements()).filter_map(|index| tensor.categories(index));
            input.extend(own.map(Categories::range));
            continue;
        }
        let Some(ends) = find(Some(&tensor.name))?.or(others) else {
            let message = format!("the range of input {} is not known", tensor.name);
            return Err(Failure::new(message).hint(by_name(tensors)));
        };
        input.extend(std::iter::repeat_n(ends, tensor.elements()));
    }
    Ok(Ranges { input, grids: Vec::new(), private: Vec::new() })
}

/// How several inputs are given ranges: the first few, strings by their categories.
fn by_name(tensors: &[InputTensor]) -> String {
    const FEW: usize = 4;
    let strings = |tensor: &InputTensor| tensor.categories(0).is_some_and(|own| own.only);
    let more = if tensors.len() > FEW { ", …" } else { "" };
    let entry = |tensor: &InputTensor| match strings(tensor) {
        true => format!("\"{}\": {{\"categories\": […]}}", tensor.name),
        false => format!("\"{}\": [lo, hi]", tensor.name),
    };
    let entries: Vec<String> = tensors.iter().take(FEW).map(entry).collect();
    let mut hint = format!("give each input its own: {{{}{more}}} in the file", entries.join(", "));
    // Strings need no range.
    let numbers: Vec<&InputTensor> = tensors.iter().filter(|tensor| !strings(tensor)).collect();
    if !numbers.is_empty() {
        let option = |tensor: &&InputTensor| format!("--range {}=LO,HI", tensor.name);
        let options: Vec<String> = numbers.iter().take(FEW).map(option).collect();
        let more = if numbers.len() > FEW { " …" } else { "" };
        hint.push_str(&format!(", or {}{more}", options.join(" ")));
    }
    hint
}

/// Reads a model and plans its circuit.
pub(crate) fn plan(path: &Path, options: &ModelOptions) -> Outcome<PlannedModel> {
    let load = LoadOptions { outputs: options.outputs(), dims: options.dims()?, measure: None };
    let file = match options.question() {
        Some(question) => ModelFile::open_measured(path, &load, &question),
        None => ModelFile::open(path, &load),
    };
    let file = file.map_err(|error| hint(error, options))?;
    let file = if options.no_crosscheck { file.without_crosscheck() } else { file };
    let (ranges, mut inputs) = ranges(options, &file)?;
    let mut ranges = file.with_added(ranges);
    inputs.extend(file.inputs().drain(inputs.len()..));
    let stated = if options.public.is_empty() { &options.commit } else { &options.public };
    if !stated.is_empty() {
        ranges.private = all_but(stated, &inputs)?;
    }
    let plan_options = PlanOptions {
        target_error: options.target_error,
        public_inputs: options.public_inputs || !options.public.is_empty(),
        committed: options.commit_inputs || !options.commit.is_empty() || options.measure.is_some(),
        objective: options.optimize.objective(),
        decimals: options.decimals,
        batch: options.batch,
        totals: options.totals || options.measure.is_some(),
    };
    Ok(file.plan(&ranges, &plan_options)?.with_categories(&inputs))
}

/// The positions of all inputs but those named.
fn all_but(public: &[String], tensors: &[InputTensor]) -> Outcome<Vec<usize>> {
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    if let Some(name) = public.iter().find(|name| !names.contains(&name.as_str())) {
        let message = format!("no input is called {name}, the model takes {}", names.join(", "));
        return Err(Failure::new(message));
    }
    let private = |index: &usize| !public.iter().any(|name| name == names[*index]);
    Ok((0..names.len()).filter(private).collect())
}

/// The name of element `index` of all inputs.
fn element(tensors: &[InputTensor], mut index: usize) -> String {
    for tensor in tensors {
        match index.checked_sub(tensor.elements()) {
            Some(rest) => index = rest,
            None if tensor.elements() == 1 => return tensor.name.clone(),
            None => return format!("element {index} of {}", tensor.name),
        }
    }
    format!("element {index}")
}

/// What is said of the first sample that has a fraction where the model takes integers.
fn fraction(tensors: &[InputTensor], integers: &[bool], samples: &[Vec<f64>]) -> Option<String> {
    let each = tensors.iter().zip(integers);
    let whole: Vec<bool> =
        each.flat_map(|(tensor, own)| std::iter::repeat_n(*own, tensor.elements())).collect();
    samples.iter().enumerate().find_map(|(number, sample)| {
        let mut all = sample.iter().zip(&whole).enumerate();
        let (index, (value, _)) = all.find(|(_, (value, own))| **own && value.fract() != 0.0)?;
        let element = element(tensors, index);
        Some(format!("sample {number}: {element} is {value}, and the model takes integers there"))
    })
}

/// What an option of the command line does about an error of reading.
fn hint(error: Error, options: &ModelOptions) -> Failure {
    let hint = match &error {
        Error::Model(OnnxError::DynamicShape { dimension, tensor, axis }) => {
            let name = match dimension.as_str() {
                "unknown" | "not declared" => format!("{tensor}:{axis}"),
                symbol => symbol.to_owned(),
            };
            Some(format!("bind it with --dim {name}=N"))
        }
        Error::Model(OnnxError::Spared { outputs, .. }) => {
            let flags: Vec<String> =
                outputs.iter().map(|name| format!("--output {name}")).collect();
            Some(format!("prove these alone: {}", flags.join(" ")))
        }
        Error::Model(OnnxError::Measure { detail, .. })
            if options.output.is_empty() && detail.contains("output") =>
        {
            Some("choose the output with --output NAME".into())
        }
        Error::ExpectedRange { .. } | Error::Expected { .. } => {
            Some("say so with --expected LO,HI".into())
        }
        Error::Model(OnnxError::ConstantOutput { .. }) if options.output.is_empty() => {
            Some("if the model has others, choose them with --output NAME".into())
        }
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_integers_are_named_and_elements_called_by_their_inputs() {
        let tensors = [InputTensor::new("age", vec![1, 1]), InputTensor::new("x", vec![1, 2])];
        let said = |samples: &[Vec<f64>]| fraction(&tensors, &[true, false], samples);
        assert_eq!(said(&[vec![2.0, 0.5, f64::NAN]]), None);
        let text = said(&[vec![2.0, 0.5, 1.0], vec![2.5, 0.5, 1.0]]).expect("a fraction");
        assert!(text.starts_with("sample 1: age is 2.5"), "{text}");
        assert_eq!([0, 2].map(|at| element(&tensors, at)), ["age", "element 1 of x"]);
    }
}
