//! Runs the standard's operator tests, written as folders by scripts/conformance, through
//! reading, quantizing and the integer run, and through halo2's mock prover where the circuit is
//! small enough; prints a line of JSON for each.
//!
//! ```text
//! conformance FOLDER [LARGEST_K]
//! ```

use std::{
    error::Error,
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Instant,
};

use halo2_proofs::dev::MockProver;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness},
    graph::Graph,
    onnx::{LoadOptions, load},
    plan::{Plan, PlanOptions},
    quantize::{Grid, Ranges},
};

/// Rows of the largest circuits that are checked, as 2^k.
const LARGEST_K: u32 = 14;
/// What a circuit's proof would be bound to; of no matter here.
const CONTEXT: u64 = 7;

#[derive(Deserialize)]
struct Variant {
    model: String,
    kept: Vec<String>,
    inputs: Vec<Fed>,
    outputs: Vec<Expected>,
}

#[derive(Deserialize)]
struct Fed {
    name: String,
    values: Vec<Option<f64>>,
    range: [f64; 2],
    decimals: Option<u32>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    values: Vec<Option<f64>>,
    whole: bool,
    /// What a result may be off by, as a part of its size.
    digits: f64,
}

#[derive(Serialize, Default)]
struct Outcome {
    case: String,
    /// passed, refused, failed or panicked.
    outcome: &'static str,
    /// Where it stopped, or why it is refused.
    detail: String,
    /// Inputs that were left to the proof.
    kept: Vec<String>,
    /// Largest difference from what is expected, as a part of what is allowed.
    error: f64,
    /// The circuit, as 2^k rows; 0 where none was made.
    k: u32,
    /// Whether the circuit was checked.
    circuit: bool,
    seconds: f64,
}

enum Failure {
    Refused(String),
    Failed(String),
}

fn refused(error: &impl std::fmt::Display) -> Failure {
    Failure::Refused(error.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: conformance FOLDER [LARGEST_K]")?;
    let largest = arguments.next().map_or(Ok(LARGEST_K), |k| k.parse())?;
    let mut cases: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    cases.retain(|path| path.join("case.json").exists());
    cases.sort();
    std::panic::set_hook(Box::new(|_| {}));
    cases.par_iter().for_each(|case| {
        let started = Instant::now();
        let run = || run_case(case, largest);
        let mut outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let detail = text.unwrap_or_default();
            Outcome { outcome: "panicked", detail, ..Outcome::default() }
        });
        outcome.case = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        outcome.seconds = started.elapsed().as_secs_f64();
        if let Ok(line) = serde_json::to_string(&outcome) {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    });
    Ok(())
}

/// The first variant that is read and planned, with the fewest constants.
fn run_case(case: &Path, largest: u32) -> Outcome {
    let read = || -> Result<Vec<Variant>, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(case.join("case.json"))?)?)
    };
    let variants = match read() {
        Ok(variants) => variants,
        Err(error) => {
            return Outcome { outcome: "failed", detail: error.to_string(), ..Outcome::default() };
        }
    };
    let mut first = None;
    for variant in variants {
        match run_variant(case, &variant, largest) {
            Ok((error, k, circuit)) => {
                let kept = variant.kept;
                return Outcome {
                    outcome: "passed",
                    kept,
                    error,
                    k,
                    circuit,
                    ..Outcome::default()
                };
            }
            Err(Failure::Refused(detail)) => {
                if std::env::var_os("CONFORMANCE_TRACE").is_some() {
                    eprintln!("{}: {detail}", variant.model);
                }
                first.get_or_insert(detail);
            }
            Err(Failure::Failed(detail)) => {
                let kept = variant.kept;
                return Outcome { outcome: "failed", detail, kept, ..Outcome::default() };
            }
        }
    }
    Outcome { outcome: "refused", detail: first.unwrap_or_default(), ..Outcome::default() }
}

fn run_variant(case: &Path, variant: &Variant, largest: u32) -> Result<(f64, u32, bool), Failure> {
    let outputs = variant.outputs.iter().map(|output| output.name.clone()).collect();
    let options = LoadOptions { outputs: Some(outputs), ..LoadOptions::default() };
    let graph = load(&case.join(&variant.model), &options).map_err(|e| refused(&e))?;
    let (inputs, ranges) = feed(&graph, variant)?;
    let mut expected = Vec::new();
    for output in &variant.outputs {
        for value in &output.values {
            let value = value.ok_or_else(|| refused(&"it expects what is not a finite number"))?;
            expected.push((value, (!output.whole).then_some(output.digits)));
        }
    }
    // The reading first, on its own.
    let float = graph.run(&graph.split(&inputs)).map_err(|e| refused(&e))?.concat();
    let float = compare(&float, &expected, 1e-6);
    let plan = Plan::new(&graph, &ranges, &PlanOptions::default()).map_err(|e| refused(&e))?;
    if let Err(detail) = float {
        return Err(Failure::Failed(format!("reading: {detail}")));
    }
    let ours = plan.quantized.run(&inputs).map_err(|e| refused(&e))?;
    let error = compare(&ours, &expected, (2.0 * plan.error.largest).max(1e-4))
        .map_err(|detail| Failure::Failed(format!("quantized: {detail}")))?;
    if plan.k > largest {
        return Ok((error, plan.k, false));
    }
    let failed = |e: &dyn std::fmt::Display| Failure::Failed(format!("circuit: {e}"));
    let integers = plan.quantized.input.encode(&inputs).map_err(|e| failed(&e))?;
    let layout = Layout::new(&plan.quantized.graph, plan.shape).map_err(|e| failed(&e))?;
    let witness = Witness::new(&layout, &plan.quantized.graph, &integers, CONTEXT.into())
        .map_err(|e| failed(&e))?;
    let (k, instances) = (layout.k, witness.instances.clone());
    let circuit = ModelCircuit::with_witness(Arc::new(layout), Arc::new(witness));
    let prover = MockProver::run(k, &circuit, vec![instances]).map_err(|e| failed(&e))?;
    prover.verify().map_err(|faults| failed(&format!("{} constraints fail", faults.len())))?;
    Ok((error, k, true))
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
