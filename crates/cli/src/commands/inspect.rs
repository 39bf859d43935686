//! `verdict inspect`.

use std::collections::BTreeMap;

use serde::Serialize;
use verdict_prover::{
    graph::{Function, Graph, LinearMap, Op},
    keys::protocol,
    plan::{Candidate, Estimate, Plan},
    quantize::{ErrorReport, InputSchema, OutputSchema},
};

use crate::{
    args::Inspect,
    failure::Outcome,
    inputs,
    ui::{Ui, bytes, grouped, table},
};

/// What `inspect` found.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    parameters: usize,
    layers: Vec<String>,
    shape: String,
    k: u32,
    estimate: Estimate,
    verification_gas: u64,
    error: ErrorReport,
    output: &'a OutputSchema,
    considered: &'a [Candidate],
}

pub(crate) fn run(args: &Inspect, ui: &Ui) -> Outcome {
    let (model, plan) = ui.step("plan the circuit", || inputs::plan(&args.model, &args.options))?;
    let gas = verification_gas(&plan)?;
    let report = Report {
        model: &model.name,
        parameters: model.parameters(),
        layers: layers(&model),
        shape: plan.shape.to_string(),
        k: plan.k,
        estimate: plan.estimate,
        verification_gas: gas,
        error: plan.error,
        output: &plan.quantized.output,
        considered: &plan.considered,
    };
    ui.result(&report, &human(&model, &plan, gas))
}

/// Gas of a transaction that verifies a proof.
pub(crate) fn verification_gas(plan: &Plan) -> Outcome<u64> {
    let protocol = protocol(&plan.shape)?;
    Ok(verdict_codegen::gas_estimate(&protocol, plan.estimate.instances))
}

fn layers(model: &Graph) -> Vec<String> {
    let map = |map: &LinearMap| match map {
        LinearMap::Dense { inputs, outputs, .. } => format!("affine {inputs} → {outputs}"),
        LinearMap::Convolution(conv) => format!(
            "convolution {}×{} {} → {}",
            conv.kernel[0], conv.kernel[1], conv.in_channels, conv.out_channels
        ),
        LinearMap::Diagonal(_) => "scale".to_owned(),
        LinearMap::Sparse(_) => "sparse".to_owned(),
    };
    let describe = |op: &Op| match op {
        Op::Linear(linear) => linear.maps.iter().map(map).collect::<Vec<_>>().join(" + "),
        Op::Function(Function::Relu) => "ReLU".to_owned(),
        Op::Function(Function::LeakyRelu { .. }) => "leaky ReLU".to_owned(),
        Op::Function(Function::Abs) => "absolute value".to_owned(),
        Op::Function(Function::Clip { .. }) => "clip".to_owned(),
        Op::Function(Function::Sigmoid) => "sigmoid".to_owned(),
        Op::Extremum(extremum) if extremum.minimum => "minimum".to_owned(),
        Op::Extremum(_) => "maximum".to_owned(),
        Op::ArgExtremum(_) => "position of the extreme".to_owned(),
        Op::Select(_) => "select".to_owned(),
        Op::Trees(trees) => {
            format!("{} trees, {} leaves", trees.roots.len(), trees.leaves.len())
        }
    };
    model.nodes.iter().map(|node| describe(&node.op)).collect()
}

/// How inputs are taken: exactly with so many decimals, rounded to so many, or as finely as
/// the circuit can.
fn grids(schema: &InputSchema) -> String {
    let mut kinds: BTreeMap<Option<(u32, bool)>, usize> = BTreeMap::new();
    for index in 0..schema.ranges.len() {
        let grid = schema.grid(index).map(|grid| (grid.decimals, grid.exact));
        *kinds.entry(grid).or_default() += 1;
    }
    let describe = |(kind, count): (&Option<(u32, bool)>, &usize)| match kind {
        None => format!("{count} as fine as the circuit is"),
        Some((0, true)) => format!("{count} integers, exact"),
        Some((decimals, true)) => format!("{count} of {decimals} decimals, exact"),
        Some((decimals, false)) => {
            format!(
                "{count} compared by trees, rounded to {decimals} decimals as none are declared"
            )
        }
    };
    kinds.iter().map(describe).collect::<Vec<_>>().join("; ")
}

/// The report for a person.
pub(crate) fn human(model: &Graph, plan: &Plan, gas: u64) -> Vec<String> {
    let estimate = &plan.estimate;
    let output = &plan.quantized.output;
    let unit = 10f64.powi(output.decimals as i32);
    let mut lines = table(&[
        ("model", format!("{}, {} parameters", model.name, grouped(model.parameters() as u64))),
        ("layers", layers(model).join(", ")),
        ("inputs", grids(&plan.quantized.input)),
        (
            "outputs",
            format!(
                "{}, {} decimals, from {} to {}",
                output.count,
                output.decimals,
                output.min as f64 / unit,
                output.max as f64 / unit
            ),
        ),
        (
            "output error",
            format!(
                "at most {:.1e} against the float model on {} inputs and corners of the ranges, \
                 {:.1e} on average",
                plan.error.largest, plan.error.samples, plan.error.mean
            ),
        ),
        (
            "circuit",
            format!(
                "2^{} = {} rows, {} columns, {} commitments ({})",
                plan.k,
                grouped(estimate.rows as u64),
                estimate.columns,
                estimate.commitments,
                plan.shape
            ),
        ),
        ("proof", bytes(estimate.proof_bytes)),
        ("memory", format!("about {}", bytes(estimate.memory_bytes))),
        ("verification", format!("about {} gas", grouped(gas))),
    ]);
    let others = plan.considered.iter().skip(1).take(3);
    lines.extend(others.map(|candidate| {
        format!(
            "    also possible: {} with 2^{} rows, error {:.1e}",
            candidate.shape, candidate.k, candidate.error
        )
    }));
    lines
}
