//! What a setup does to the user's own data: errors, decisions, costs, and what would lower them.
//!
//! ```text
//! samples ─ float model ─┐
//!         └ integer run ─┴─► accuracy, decisions, layers ─┐
//! plan ─► rows, other circuits ───────────────────────────┼─► Report ─► JSON, or one HTML page
//! setup ─► a proof, timed; a verification, in an EVM ─────┘
//! ```
//!
//! A report tells about the model and the data what a proof hides: it is as private as they are.

mod accuracy;
mod advice;
mod chart;
mod circuit;
mod decisions;
mod page;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use alloy::primitives::B256;
use serde::Serialize;
use verdict_engine::Backend;
use verdict_prover::{
    graph::{ElementKind, TensorId},
    onnx::crosscheck::Reading,
    plan::Estimate,
    quantize::Comparisons,
    samples::Samples,
};

pub use self::{
    accuracy::{Accuracy, Bar, Refused, SampleError, Worst},
    advice::Advice,
    circuit::{CircuitRows, Layer, OtherCircuit, Rows},
    decisions::{Changed, Decisions, Threshold, ThresholdError},
};
use crate::{
    contracts::Contracts,
    error::Error,
    explain::{GasReport, explain},
    files::{self, Access},
    model::PlannedModel,
    progress::{Progress, step},
    prove::{Prover, ProverOptions},
    setup::PublicSetup,
};

/// Timed proofs, after one that is not.
const PROOFS: usize = 3;

/// What a report is made with.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Values above which something is decided.
    pub thresholds: Vec<Threshold>,
    /// How proofs are made that are timed.
    pub prover: ProverOptions,
    /// The Solidity compiler; looked for if not given.
    pub solc: Option<PathBuf>,
}

/// What a setup does to data.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the program that wrote it.
    pub written_by: String,
    /// The model's name.
    pub model: String,
    /// Weights and biases.
    pub parameters: usize,
    /// The setup.
    pub setup_id: B256,
    /// How the reading of the model's file was checked from outside.
    pub reading: Reading,
    /// Outputs against the float model's.
    pub accuracy: Accuracy,
    /// How comparisons came out that are not known to be the file's; none if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparisons: Option<Comparisons>,
    /// Decimals of the outputs.
    pub decimals: u32,
    /// The output error that the circuit was chosen for.
    pub target_error: f64,
    /// Decisions that are made with outputs.
    pub decisions: Vec<Decisions>,
    /// Error and cost of every tensor that is proven.
    pub layers: Vec<Layer>,
    /// What the circuit's rows are for.
    pub rows: CircuitRows,
    /// What was known before any key was made.
    pub estimate: Estimate,
    /// About the gas of a verification, and the seconds of a proof on two cores, as the planner
    /// expects them.
    pub expected: OtherCircuit,
    /// A proof, timed here.
    pub proof: Measured<ProofTime>,
    /// A verification, run in an EVM.
    pub gas: Measured<GasReport>,
    /// Circuits that would prove the same as precisely.
    pub others: Vec<OtherCircuit>,
    /// What would lower what.
    pub advice: Vec<Advice>,
}

/// Something that was measured, or why not.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured<T> {
    /// What came out.
    Value(T),
    /// Why it was not measured.
    Missing(String),
}

impl<T> Measured<T> {
    /// What came out, if it was measured.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    fn missing(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Missing(reason) => Some(reason),
        }
    }
}

impl<T> From<Result<T, Error>> for Measured<T> {
    fn from(result: Result<T, Error>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Missing(error.to_string()),
        }
    }
}

/// The time of a proof on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProofTime {
    /// Seconds to read the keys, once.
    pub open_seconds: f64,
    /// Seconds of a proof, the median of three.
    pub seconds: f64,
    /// Inferences that it is of.
    pub inferences: usize,
    /// Cores of the machine.
    pub cores: usize,
    /// The field arithmetic that it has.
    pub backend: String,
}

/// Measures a setup on samples. `planned` is the setup's model, see
/// [`PublicSetup::planned_model`].
///
/// A sample that is outside of its declared range is counted and named; proofs that cannot be
/// made here, and gas without a compiler, are left out with the reason.
///
/// # Errors
/// No sample can be proven; a threshold is of no output.
pub fn report(
    setup: &PublicSetup,
    planned: &PlannedModel,
    samples: &Samples,
    options: &ReportOptions,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    let (manifest, plan) = (setup.manifest(), planned.plan());
    // What is asked for wrongly is told before anything long is done.
    let model = planned.model();
    let whole = |tensor: &TensorId| model.tensors[tensor.0].kind != ElementKind::Real;
    let whole: Vec<bool> = model.outputs.iter().map(whole).collect();
    decisions::decisions(&[], &manifest.output, &whole, &options.thresholds)?;
    let title = format!("run {} samples, in floats and in integers", samples.len());
    let measured = step(progress, &title, || accuracy::measure(planned, samples, &whole))?;
    let decisions =
        decisions::decisions(&measured.runs, &manifest.output, &whole, &options.thresholds)?;
    let (layers, rows) = circuit::layers(planned, &measured.layers)?;
    let others = step(progress, "look for other circuits", || {
        Ok::<_, Error>(circuit::others(setup, planned))
    })?;
    let proof = step(progress, "time proofs", || {
        let provable = samples.iter().find(|sample| plan.quantized.run(&sample.values).is_ok());
        let values = provable.map(|sample| sample.values.as_slice()).unwrap_or_default();
        Ok::<_, Error>(Measured::from(time(setup, values, options)))
    })?;
    let gas = step(progress, "run a verification in an EVM", || {
        let contracts = Contracts::new(setup, options.solc.as_deref());
        let gas = contracts.and_then(|contracts| explain(setup, &contracts.verifier));
        Ok::<_, Error>(Measured::from(gas))
    })?;
    for missing in [proof.missing(), gas.missing()].into_iter().flatten() {
        progress.warn(missing);
    }
    let mut report = Report {
        written_by: manifest.written_by.clone(),
        model: manifest.model.name.clone(),
        parameters: manifest.model.parameters,
        setup_id: setup.id(),
        reading: planned.reading().clone(),
        accuracy: measured.accuracy,
        comparisons: plan.comparisons.clone(),
        decimals: manifest.output.decimals,
        target_error: manifest.precision.target_error(),
        decisions,
        layers,
        rows,
        estimate: plan.estimate,
        expected: circuit::own(planned),
        proof,
        gas,
        others,
        advice: Vec::new(),
    };
    report.advice = advice::advice(&report);
    Ok(report)
}

/// The median time of a few proofs of one input, repeated where a proof is of several.
fn time(setup: &PublicSetup, values: &[f64], options: &ReportOptions) -> Result<ProofTime, Error> {
    let start = Instant::now();
    let prover = Prover::open(setup.folder(), options.prover.clone())?;
    let open_seconds = start.elapsed().as_secs_f64();
    let inferences = setup.manifest().shape.batch().max(1);
    let inputs = vec![values; inferences];
    prover.time_proof(&inputs)?;
    let times = (0..PROOFS).map(|_| prover.time_proof(&inputs)).collect::<Result<Vec<_>, _>>();
    let mut times: Vec<f64> = times?.iter().map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let backend = options.prover.engine.backend.unwrap_or_else(Backend::detect);
    Ok(ProofTime {
        open_seconds,
        seconds: times[PROOFS / 2],
        inferences,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        backend: backend.to_string(),
    })
}

impl Report {
    /// The report as one page that needs nothing else.
    ///
    /// # Errors
    /// None but of the template.
    pub fn to_html(&self) -> Result<String, Error> {
        page::page(self)
    }

    /// Writes the page, for its owner only.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_html(&self, path: &Path) -> Result<(), Error> {
        let page = self.to_html()?;
        Ok(files::write(path, page.as_bytes(), Access::Private)?)
    }
}
