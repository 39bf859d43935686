//! `verdict inspect`.

use serde::Serialize;
use verdict_prover::{
    keys::protocol,
    model::{FloatModel, FloatOp},
    plan::{Candidate, Estimate, Plan},
    quantize::{ErrorReport, OutputSchema},
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

fn layers(model: &FloatModel) -> Vec<String> {
    let describe = |op: &FloatOp| match op {
        FloatOp::Affine(affine) => format!("affine {} → {}", affine.inputs, affine.outputs),
        FloatOp::Relu => "ReLU".to_owned(),
        FloatOp::Sigmoid => "sigmoid".to_owned(),
    };
    model.layers.iter().map(|layer| describe(&layer.op)).collect()
}

/// The report for a person.
pub(crate) fn human(model: &FloatModel, plan: &Plan, gas: u64) -> Vec<String> {
    let estimate = &plan.estimate;
    let output = &plan.quantized.output;
    let unit = 10f64.powi(output.decimals as i32);
    let mut lines = table(&[
        ("model", format!("{}, {} parameters", model.name, grouped(model.parameters() as u64))),
        ("layers", layers(model).join(", ")),
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
                "at most {:.1e} against the float model on {} inputs, {:.1e} on average",
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
