//! A case of the standard's operator tests: a model, what it feeds and what it expects.

use std::{fmt::Display, path::Path, sync::Arc};

use halo2_proofs::dev::MockProver;
use serde::{Deserialize, Serialize};
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness},
    graph::Graph,
    onnx::{LoadOptions, load},
    plan::{Plan, PlanOptions},
    quantize::{Grid, LayerError, Quantized, Ranges},
};

/// What a circuit's proof would be bound to; of no matter here.
const CONTEXT: u64 = 7;

#[derive(Serialize, Deserialize)]
pub(crate) struct Variant {
    pub(crate) model: String,
    pub(crate) kept: Vec<String>,
    inputs: Vec<Fed>,
    outputs: Vec<Expected>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Fed {
    name: String,
    values: Vec<Option<f64>>,
    range: [f64; 2],
    decimals: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Expected {
    name: String,
    values: Vec<Option<f64>>,
    whole: bool,
    /// What a result may be off by, as a part of its size.
    digits: f64,
}

/// Why a case did not pass.
pub(crate) enum Failure {
    /// It is not read, or has no circuit.
    Refused(String),
    /// It computes something else.
    Failed(String),
}

fn refused(error: &impl Display) -> Failure {
    Failure::Refused(error.to_string())
}

/// A case that is read: its graph, an input, ranges, and what it expects with how far off that may
/// be.
pub(crate) struct Read {
    pub(crate) graph: Graph,
    pub(crate) inputs: Vec<f64>,
    pub(crate) ranges: Ranges,
    expected: Vec<(f64, Option<f64>)>,
}

impl Read {
    /// Reads a case.
    pub(crate) fn new(case: &Path, variant: &Variant) -> Result<Self, Failure> {
        let outputs = variant.outputs.iter().map(|output| output.name.clone()).collect();
        let options = LoadOptions { outputs: Some(outputs), ..LoadOptions::default() };
        let graph = load(&case.join(&variant.model), &options).map_err(|e| refused(&e))?;
        let (inputs, ranges) = feed(&graph, variant)?;
        let mut expected = Vec::new();
        for output in &variant.outputs {
            for value in &output.values {
                let value =
                    value.ok_or_else(|| refused(&"it expects what is not a finite number"))?;
                expected.push((value, (!output.whole).then_some(output.digits)));
            }
        }
        Ok(Self { graph, inputs, ranges, expected })
    }

    /// The largest difference of outputs from what is expected, as a part of what is allowed:
    /// `error`, and so many digits.
    pub(crate) fn compare(&self, outputs: &[f64], error: f64) -> Result<f64, Failure> {
        compare(outputs, &self.expected, (2.0 * error).max(1e-4))
            .map_err(|detail| Failure::Failed(format!("quantized: {detail}")))
    }
}

/// Reads, quantizes and runs a case, and checks its circuit if that has at most 2^`largest` rows;
/// the largest difference as a part of what is allowed, the rows as 2^k, and whether the circuit
/// was checked.
pub(crate) fn run(
    case: &Path,
    variant: &Variant,
    largest: u32,
) -> Result<(f64, u32, bool), Failure> {
    let read = Read::new(case, variant)?;
    let Read { graph, inputs, ranges, expected } = &read;
    // The reading first, on its own.
    let float = graph.run(&graph.split(inputs)).map_err(|e| refused(&e))?.concat();
    let float = compare(&float, expected, 1e-6);
    let plan = Plan::new(graph, ranges, &PlanOptions::default()).map_err(|e| refused(&e))?;
    if let Err(detail) = float {
        return Err(Failure::Failed(format!("reading: {detail}")));
    }
    let ours = plan.quantized.run(inputs).map_err(|e| refused(&e))?;
    layers(&plan.quantized, graph, inputs)?;
    let error = read.compare(&ours, plan.error.largest)?;
    if plan.k > largest {
        return Ok((error, plan.k, false));
    }
    let failed = |e: &dyn Display| Failure::Failed(format!("circuit: {e}"));
    let integers = plan.quantized.input.encode(inputs).map_err(|e| failed(&e))?;
    let layout = Layout::new(&plan.quantized.graph, plan.shape).map_err(|e| failed(&e))?;
    let witness = Witness::new(&layout, &plan.quantized.graph, &integers, CONTEXT.into())
        .map_err(|e| failed(&e))?;
    let (k, instances) = (layout.k, witness.instances.clone());
    let circuit = ModelCircuit::with_witness(Arc::new(layout), Arc::new(witness));
    let prover = MockProver::run(k, &circuit, vec![instances]).map_err(|e| failed(&e))?;
    prover.verify().map_err(|faults| failed(&format!("{} constraints fail", faults.len())))?;
    Ok((error, k, true))
}

/// Every tensor that is said to hold one of the model's is close to it.
fn layers(quantized: &Quantized, graph: &Graph, inputs: &[f64]) -> Result<(), Failure> {
    let mut layers = vec![None; quantized.graph.tensors.len()];
    quantized.compare_layers(graph, inputs, &mut layers).map_err(|e| refused(&e))?;
    for (tensor, layer) in quantized.graph.tensors.iter().zip(layers) {
        let Some(LayerError { largest, magnitude, .. }) = layer else { continue };
        if largest > 0.02 * (0.1 + magnitude) {
            let detail = format!("{} of {magnitude} is {largest} off", tensor.name);
            return Err(Failure::Failed(format!("layers: {detail}")));
        }
    }
    Ok(())
}

/// What the case feeds, in the graph's order, and its ranges.
fn feed(graph: &Graph, variant: &Variant) -> Result<(Vec<f64>, Ranges), Failure> {
    let (mut inputs, mut input, mut grids) = (Vec::new(), Vec::new(), Vec::new());
    for tensor in &graph.inputs {
        let tensor = &graph.tensors[tensor.0];
        let fed = variant.inputs.iter().find(|fed| fed.name == tensor.name);
        let fed = fed.filter(|fed| fed.values.len() == tensor.len()).ok_or_else(|| {
            Failure::Refused(format!("input {} is not what the case feeds", tensor.name))
        })?;
        for value in &fed.values {
            let value = value.ok_or_else(|| refused(&"an input is not a finite number"))?;
            inputs.push(value);
            input.push(fed.range);
            let grid = |decimals| Grid { decimals, exact: false, missing: false };
            grids.push(fed.decimals.map(grid));
        }
    }
    Ok((inputs, Ranges { input, grids, private: Vec::new() }))
}

/// The largest difference as a part of what is allowed: the given one, and so many digits of what
/// is expected; nothing for whole numbers.
fn compare(ours: &[f64], expected: &[(f64, Option<f64>)], allowed: f64) -> Result<f64, String> {
    if ours.len() != expected.len() {
        return Err(format!("{} values instead of {}", ours.len(), expected.len()));
    }
    let mut worst = 0.0f64;
    for (at, (ours, (expected, digits))) in ours.iter().zip(expected).enumerate() {
        let difference = (ours - expected).abs();
        let part = match digits {
            None if difference == 0.0 => 0.0,
            None => f64::INFINITY,
            Some(digits) => difference / (allowed.max(digits / 10.0) + digits * expected.abs()),
        };
        if part.is_nan() || part > 1.0 {
            return Err(format!("element {at} is {ours} instead of {expected}"));
        }
        worst = worst.max(part);
    }
    Ok(worst)
}
