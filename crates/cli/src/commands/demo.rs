//! `verdict demo`: everything, on a local chain.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use verdict::{
    Chain, ChainError, Contracts, DeployOptions, DeployStep, Deployment, EngineOptions, Error,
    Inspection, Progress, ProofBundle, Prover, ProverOptions, ScoreDirection, ScoreRequest,
    SrsChoice, deploy, recorded, submit, verify,
};
use verdict_contracts::{bindings::InferenceOracle::latestScoreOfCall, verify_inference_calldata};
use verdict_prover::{onnx::output_names, samples::InputTensor};
use verdict_relayer::devchain::{DevChain, DevChainOptions};

use super::{
    chain::{development, runtime, wait},
    inspect,
    prove::outputs,
    setup::open_srs,
};
use crate::{
    args::{Demo, ModelOptions, Optimize},
    failure::{Failure, Outcome},
    inputs::{Applicant, plan, read_input, read_inputs},
    ui::{Ui, bytes, grouped, say, seconds, table},
};

/// The measured run.
#[derive(Serialize)]
struct Report {
    model: String,
    score: f64,
    float_score: f64,
    key_seconds: f64,
    proof_seconds: f64,
    proof_bytes: usize,
    verifier_runtime_bytes: usize,
    deployment: Vec<DeployStep>,
    verification_gas: u64,
    tampered: String,
    replayed: String,
}

/// What has to be stopped and removed, also when the run is interrupted.
#[derive(Default)]
struct Started {
    chain: Option<DevChain>,
    folder: Option<TempDir>,
}

pub(crate) fn run(args: &Demo, ui: &Ui) -> Outcome {
    let started = Arc::new(Mutex::new(Started::default()));
    let runtime = runtime()?;
    stop_on_signal(&runtime, started.clone());
    let result = story(args, ui, &runtime, &started);
    drop(take(&started));
    result
}

fn take(started: &Mutex<Started>) -> Started {
    std::mem::take(&mut *started.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// On Ctrl-C or SIGTERM: stop the chain, remove the folder, leave.
fn stop_on_signal(runtime: &Runtime, started: Arc<Mutex<Started>>) {
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        drop(take(&started));
        say(format_args!("\ninterrupted: the local chain is stopped, temporary files are removed"));
        std::process::exit(130);
    });
}

fn folder(args: &Demo, started: &Mutex<Started>) -> Outcome<PathBuf> {
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder)?;
        return Ok(folder.clone());
    }
    let folder = TempDir::with_prefix("verdict-demo-")?;
    let path = folder.path().to_owned();
    started.lock().unwrap_or_else(std::sync::PoisonError::into_inner).folder = Some(folder);
    Ok(path)
}

/// The model options of an example folder.
pub(crate) fn example_options(example: &Path) -> ModelOptions {
    ModelOptions {
        output: vec![],
        dim: vec![],
        ranges: Some(example.join("ranges.json")),
        range: vec![],
        calibration: None,
        public_inputs: false,
        public: vec![],
        commit_inputs: false,
        commit: vec![],
        target_error: None,
        decimals: None,
        batch: None,
        totals: false,
        measure: None,
        threshold: None,
        groups: false,
        expected: None,
        no_crosscheck: false,
        optimize: Optimize::Balanced,
    }
}

fn choose(example: &Path, tensors: &[InputTensor], id: Option<&str>) -> Outcome<Applicant> {
    let known = ["samples.json", "applicants.json"].map(|name| example.join(name));
    let path = known.iter().find(|path| path.exists()).unwrap_or(&known[0]).clone();
    let found = match id {
        Some(id) => Some(read_input(&path, tensors, Some(id))?),
        None => read_inputs(&path, tensors)?.into_iter().next(),
    };
    found.ok_or_else(|| Failure::new("the example has no samples"))
}

fn story(args: &Demo, ui: &Ui, runtime: &Arc<Runtime>, started: &Mutex<Started>) -> Outcome {
    let setup = folder(args, started)?;

    ui.heading("1. The model: a trained network in an ONNX file, and the circuit it will become");
    let mut options = example_options(&args.example);
    let path = args.example.join(&args.model);
    let first = || Ok::<_, Error>(output_names(&path).map_err(Error::from)?.into_iter().next());
    options.output.extend(args.output.clone().map_or_else(first, |name| Ok(Some(name)))?);
    let planned = ui.step("read and plan", || plan(&path, &options))?;
    let applicant = choose(&args.example, planned.inputs(), args.id.as_deref())?;
    inspect::summary(&planned, &Inspection::of(&planned)?)
        .iter()
        .for_each(|line| ui.note(line.trim_start()));

    ui.heading("2. Keys: commitments to the model's weights");
    let model = planned.model();
    let k = planned.plan().estimate.srs_k;
    let srs = open_srs(&SrsChoice::Development, k, ui)?;
    let keys = verdict::setup(&planned, &srs, &setup, EngineOptions::default(), ui)?;
    for (name, size) in &keys.files {
        ui.note(&format!("{name}: {}", bytes(*size as usize)));
    }

    ui.heading("3. A local chain, and the contracts on it");
    let url = ui.step("start anvil on a free port", || {
        let options = DevChainOptions { port: args.port, ..DevChainOptions::default() };
        let chain = DevChain::start(&options)?;
        let url = chain.url().to_owned();
        let key = runtime.block_on(chain.funded_key(100))?;
        started.lock().unwrap_or_else(std::sync::PoisonError::into_inner).chain = Some(chain);
        Ok((url, key))
    })?;
    let (url, key) = url;
    ui.note(&url);
    let prover = Prover::open(&setup, ProverOptions::default())?;
    let public = prover.public();
    let contracts = ui.step("compile the generated Solidity verifier", || {
        Ok(Contracts::new(public, args.solc.as_deref())?)
    })?;
    ui.note(&format!("runtime code: {}", bytes(contracts.verifier.runtime.len())));
    let chain = development(runtime, &url, key.into(), &setup)?;
    // The example's models score the probability of a good credit.
    let options =
        DeployOptions { score: ScoreDirection::HigherIsBetter, ..DeployOptions::default() };
    let deployed = wait(runtime, deploy(public, &contracts, &chain, &options, ui))?;
    let deployment = deployed.deployment;

    ui.heading(&format!("4. A proof: what the model says about {}", applicant.id));
    let subject = Address::from_word(subject_of(&applicant.id));
    let request = ScoreRequest::to(&deployment, subject, 1, 3600);
    // The first proof warms caches up; the second is measured.
    prover.time_proof(&[&applicant.input])?;
    let (bundle, proof_time) =
        ui.timed_step("prove", || Ok(prover.prove(&applicant.input, Some(&request))?))?;
    let float =
        model.run(&model.split(&applicant.input))?.concat().first().copied().unwrap_or_default();
    ui.note(&format!(
        "score {}; the float model says {float:.6}",
        outputs(&bundle.decoded, 1, bundle.decimals.into())
    ));
    ui.note(&format!("proof: {}; the input stays private", bytes(bundle.proof.len())));
    ui.step("verify it in Rust", || Ok(verify(public, &bundle).map_err(Error::from)?))?;

    ui.heading("5. A cheat: the same proof with a better score");
    let tampered = ui.step("ask the oracle to record it", || {
        let calldata = tampered(&prover, &bundle)?;
        refusal(runtime, &chain, &deployment, calldata)
    })?;
    ui.note(&format!("refused: {tampered}"));

    ui.heading("6. On chain: the oracle verifies the proof and records the score");
    let submitted = wait(runtime, submit(public, &bundle, &[], &chain, ui))?;
    let receipt = submitted
        .receipt
        .ok_or_else(|| Failure::new("a new chain cannot have recorded this before"))?;
    ui.note(&format!("transaction {}, {} gas", receipt.hash, grouped(receipt.gas_used)));
    let records =
        ui.step("read the score back", || wait(runtime, recorded(&chain, &deployment, &bundle)))?;
    if records != submitted.records {
        return Err(Failure::new("the chain holds another score than was submitted"));
    }
    let model_id = U256::from(deployment.model_id);
    let latest = latestScoreOfCall { subject, modelId: model_id };
    let score = wait(runtime, chain.call(deployment.oracle, &latest))?;
    let unit = 10f64.powi(i32::from(bundle.decimals));
    let score = i64::try_from(score)? as f64 / unit;
    ui.note(&format!("latestScoreOf({subject}, {model_id}) = {score:.6}"));

    ui.heading("7. A replay: the same proof once more");
    let replayed = ui.step("ask the oracle to record it", || {
        refusal(runtime, &chain, &deployment, verify_inference_calldata(&bundle)?)
    })?;
    ui.note(&format!("refused: {replayed}"));

    let report = Report {
        model: model.name.clone(),
        score,
        float_score: float,
        key_seconds: keys.key_seconds,
        proof_seconds: proof_time.as_secs_f64(),
        proof_bytes: bundle.proof.len(),
        verifier_runtime_bytes: contracts.verifier.runtime.len(),
        deployment: deployed.steps,
        verification_gas: receipt.gas_used,
        tampered,
        replayed,
    };
    ui.heading("Done");
    ui.result(&report, &closing(&report, proof_time))
}

fn closing(report: &Report, proof_time: Duration) -> Vec<String> {
    let deployed: u64 = report.deployment.iter().filter_map(|step| step.gas).sum();
    table(&[
        ("score", format!("{:.6} (float model {:.6})", report.score, report.float_score)),
        ("keys", seconds(Duration::from_secs_f64(report.key_seconds))),
        ("proof", format!("{}, {}", seconds(proof_time), bytes(report.proof_bytes))),
        ("verification", format!("{} gas, all in", grouped(report.verification_gas))),
        ("deployment", format!("{} gas, once", grouped(deployed))),
        ("verifier", format!("{} of runtime code", bytes(report.verifier_runtime_bytes))),
    ])
}

/// A stand-in for an applicant's address.
fn subject_of(id: &str) -> B256 {
    keccak256(format!("verdict example applicant {id}"))
}

/// The bundle with a first output, the score, one unit higher; everything agrees with it, the
/// verifier's hints included, but the proof.
fn tampered(prover: &Prover, bundle: &ProofBundle) -> Outcome<Bytes> {
    let mut changed = bundle.clone();
    if let Some(word) = first_word(changed.instances.len(), changed.outputs.len())
        && let (Some(output), Some(decoded)) =
            (changed.outputs.first_mut(), changed.decoded.first_mut())
    {
        *output += 1;
        *decoded = *output as f64 / 10f64.powi(i32::from(bundle.decimals));
        let word = &mut changed.instances[word];
        *word = B256::from(U256::from_be_bytes(word.0) + U256::from(1));
    }
    prover.renew_hints(&mut changed)?;
    Ok(verify_inference_calldata(&changed)?)
}

/// The place of the first output's word: those of outputs are the last.
fn first_word(words: usize, outputs: usize) -> Option<usize> {
    words.checked_sub(outputs).filter(|first| *first < words)
}

/// Calls the oracle with calldata that it must refuse, and returns its error.
fn refusal(
    runtime: &Runtime,
    chain: &Chain,
    deployment: &Deployment,
    calldata: Bytes,
) -> Outcome<String> {
    let call = chain.call_raw(deployment.oracle, calldata, "verifyInference");
    match runtime.block_on(call) {
        Err(ChainError::Reverted { revert, .. }) => Ok(revert.to_string()),
        Err(error) => Err(Error::from(error).into()),
        Ok(_) => Err(Failure::new("the contract accepted what it must refuse")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_the_first_output_is_the_first_behind_the_others() {
        assert_eq!(first_word(4, 3), Some(1));
        assert_eq!(first_word(2, 1), Some(1));
        assert_eq!((first_word(1, 2), first_word(3, 0)), (None, None));
    }
}
