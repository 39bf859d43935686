//! `verdict bench`.

mod dense;
mod guard;
mod shapes;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use serde::Serialize;
use tempfile::TempDir;
use verdict::{
    Contracts, DeployOptions, Error, Prover, ProverOptions, ScoreRequest, SrsChoice, deploy,
    submit, verify,
};
use verdict_engine::Backend;
use verdict_prover::samples::InputTensor;
use verdict_relayer::devchain::{DevChain, DevChainOptions};

use self::guard::{Baseline, Calibration, Comparison, Figures};
use super::{
    chain::{development, runtime, wait},
    demo::example_options,
    setup::open_srs,
};
use crate::{
    args::{Bench, ModelOptions, Optimize},
    failure::{Failure, Outcome},
    inputs::{plan, read_inputs},
    ui::{Ui, bytes, grouped, seconds},
};

/// The models measured, by file.
const MODELS: [&str; 2] = ["logistic.onnx", "model.onnx"];

/// One model's figures.
#[derive(Serialize)]
struct Row {
    model: String,
    k: u32,
    shape: String,
    opening: String,
    key_seconds_median: f64,
    proof_seconds_median: f64,
    reference_seconds_median: f64,
    verify_seconds: f64,
    proof_bytes: usize,
    verification_gas: u64,
    runtime_bytes: usize,
    largest_error: f64,
    peak_memory_bytes: Option<u64>,
    #[serde(skip)]
    guarded: Figures,
}

/// What a run found.
#[derive(Serialize)]
struct Report {
    cores: usize,
    backend: String,
    models: Vec<Row>,
    /// Against the committed figures, if there are any for this backend.
    compared: Option<Vec<Comparison>>,
}

pub(crate) fn run(args: &Bench, ui: &Ui) -> Outcome {
    if let Some(shapes) = args.shapes {
        return shapes::run(args, shapes, ui);
    }
    if !args.dense.is_empty() {
        return dense::run(args, ui);
    }
    let calibration = Calibration::new();
    let mut rows = Vec::new();
    let objectives =
        args.optimize.map_or(vec![Optimize::Balanced, Optimize::Time], |one| vec![one]);
    for model in MODELS {
        for objective in &objectives {
            rows.push(measure(args, (model, *objective), &calibration, ui)?);
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let backend = format!("{:?}", backend(args));
    let figures: BTreeMap<String, Figures> =
        rows.iter().map(|row| (row.model.clone(), row.guarded.clone())).collect();
    let mut baseline = Baseline::read(&args.baseline)?;
    let compared = baseline.compare(&backend, &figures);
    if args.write_baseline {
        baseline.set(&backend, figures);
        baseline.write(&args.baseline)?;
    }
    let mut human = vec![format!("{cores} cores, development SRS, median of {} proofs", args.runs)];
    for row in &rows {
        human.push(format!(
            "{}: keys {}, proof {} (halo2's own prover {}), {}, verified in {}, {} gas all in, \
             runtime code {}, largest error {:.1e}{} [{}, 2^{} rows]",
            row.model,
            seconds(Duration::from_secs_f64(row.key_seconds_median)),
            seconds(Duration::from_secs_f64(row.proof_seconds_median)),
            seconds(Duration::from_secs_f64(row.reference_seconds_median)),
            bytes(row.proof_bytes),
            seconds(Duration::from_secs_f64(row.verify_seconds)),
            grouped(row.verification_gas),
            bytes(row.runtime_bytes),
            row.largest_error,
            row.peak_memory_bytes.map_or_else(String::new, |peak| format!(
                ", peak memory of the process so far {}",
                bytes(peak as usize)
            )),
            row.shape,
            row.k,
        ));
    }
    human.push(String::new());
    match &compared {
        Some(compared) => human.extend(compared.iter().map(line)),
        None => {
            human.push(format!("no committed figures for {backend} in {}", args.baseline.display()))
        }
    }
    ui.result(&Report { cores, backend, models: rows, compared }, &human)
}

/// The field arithmetic that runs.
fn backend(args: &Bench) -> Backend {
    args.computing.options().backend.unwrap_or_else(Backend::detect)
}

/// One comparison for a person.
fn line(comparison: &Comparison) -> String {
    let Comparison { model, figure, now, committed, regressed } = comparison;
    let change = 100.0 * (now / committed - 1.0);
    let mark = if *regressed { "  REGRESSED" } else { "" };
    format!(
        "{model:<14} {figure:<28} {now:>10.3}, committed {committed:>10.3}, {change:+.0} %{mark}"
    )
}

fn measure(
    args: &Bench,
    (name, optimize): (&str, Optimize),
    calibration: &Calibration,
    ui: &Ui,
) -> Outcome<Row> {
    let title = format!("{name}, {}", optimize.objective());
    ui.heading(&title);
    let folder = TempDir::with_prefix("verdict-bench-")?;
    let options = ModelOptions { optimize, ..example_options(&args.example) };
    let planned = plan(&args.example.join(name), &options)?;
    let (model, plan) = (planned.model(), planned.plan());
    let srs = open_srs(&SrsChoice::Development, plan.estimate.srs_k, ui)?;
    verdict::setup(&planned, &srs, folder.path(), args.computing.options(), ui)?;
    let options = ProverOptions { engine: args.computing.options(), ..ProverOptions::default() };
    let prover = Prover::open(folder.path(), options)?;
    let applicants = read_inputs(&args.example.join("applicants.json"), &InputTensor::of(model))?;
    let samples: Vec<_> = applicants.iter().map(|applicant| applicant.input.clone()).collect();
    let error = plan.quantized.compare(model, &samples)?;
    let input = samples.first().ok_or_else(|| Failure::new("the example has no applicants"))?;

    let [mut key_times, mut times, mut workload] = [const { Vec::new() }; 3];
    prover.time_proof(&[input])?;
    for _ in 0..args.runs.max(1) {
        let start = Instant::now();
        planned.make_keys(&srs, args.computing.options())?;
        key_times.push(start.elapsed());
        times.push(prover.time_proof(&[input])?);
        workload.push(calibration.time());
    }
    // The least time is the one that other programs disturbed least.
    let least = |times: &[Duration]| times.iter().min().map_or(0.0, Duration::as_secs_f64);
    let (unit, keys, proof) = (least(&workload), least(&key_times), least(&times));
    let peak = peak_memory();
    prover.time_reference(input)?;
    let reference_times: Result<Vec<_>, _> =
        (0..args.runs.max(1)).map(|_| prover.time_reference(input)).collect();
    let reference_median = median_of(reference_times?);
    let (gas, runtime_bytes, verify, proof_bytes) =
        on_chain(args, folder.path(), &prover, input, ui)?;
    let mut guarded = Figures::from([
        ("keys / calibration".to_owned(), keys / unit),
        ("proof / calibration".to_owned(), proof / unit),
        ("verification gas".to_owned(), gas as f64),
        ("runtime bytes".to_owned(), runtime_bytes as f64),
    ]);
    if let Some(peak) = peak {
        guarded.insert("peak memory, MB".to_owned(), peak as f64 / 1e6);
    }
    Ok(Row {
        model: title,
        guarded,
        k: plan.k,
        shape: plan.shape.to_string(),
        opening: plan.opening.to_string(),
        key_seconds_median: median_of(key_times).as_secs_f64(),
        proof_seconds_median: median_of(times).as_secs_f64(),
        reference_seconds_median: reference_median.as_secs_f64(),
        verify_seconds: verify.as_secs_f64(),
        proof_bytes,
        verification_gas: gas,
        runtime_bytes,
        largest_error: error.largest.max(plan.error.largest),
        peak_memory_bytes: peak,
    })
}

fn median_of(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Gas of a real `verifyInference` transaction on a local chain, the verifier's size,
/// the time of the Rust verifier, the proof's size.
fn on_chain(
    args: &Bench,
    folder: &Path,
    prover: &Prover,
    input: &[f64],
    ui: &Ui,
) -> Outcome<(u64, usize, Duration, usize)> {
    let runtime = runtime()?;
    let anvil = DevChain::start(&DevChainOptions::default())?;
    let key = runtime.block_on(anvil.funded_key(100))?;
    let setup = prover.public();
    let contracts = Contracts::new(setup, args.solc.as_deref())?;
    let chain = development(&runtime, anvil.url(), key.into(), folder)?;
    let options = DeployOptions::default();
    let deployed = wait(&runtime, deploy(setup, &contracts, &chain, &options, ui))?;
    let subject = Address::repeat_byte(0x51);
    let request = ScoreRequest::to(&deployed.deployment, subject, 1, 3600);
    let bundle = prover.prove(input, Some(&request))?;
    let (_, time) =
        ui.timed_step("verify in Rust", || Ok(verify(setup, &bundle).map_err(Error::from)?))?;
    let submitted = wait(&runtime, submit(setup, &bundle, &[], &chain, ui))?;
    let receipt = submitted
        .receipt
        .ok_or_else(|| Failure::new("a new chain cannot have recorded this before"))?;
    Ok((receipt.gas_used, contracts.verifier.runtime.len(), time, bundle.proof.len()))
}

/// The process's largest resident set so far, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
