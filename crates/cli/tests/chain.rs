//! From an ONNX file to a score on a local chain, step by step and in one command.

mod common;

use std::process::Command;

use common::{Workplace, example, failure, json};
use serde_json::Value;
use verdict_relayer::devchain::{DevChain, DevChainOptions};

struct Local {
    anvil: DevChain,
    key: String,
}

impl Local {
    fn start(chain_id: u64) -> Self {
        let binary = verdict_relayer::devchain::find_anvil(&common::root()).expect("run `npm ci`");
        let options =
            DevChainOptions { binary: Some(binary), chain_id, ..DevChainOptions::default() };
        let anvil = DevChain::start(&options).expect("anvil starts");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let key = runtime.block_on(anvil.funded_key(10)).expect("a funded key");
        Self { anvil, key: format!("0x{}", alloy::primitives::hex::encode(key.to_bytes())) }
    }

    fn command(&self, place: &Workplace, args: &[&str]) -> Command {
        let mut command = place.command(args);
        command.args(["--rpc-url", self.anvil.url()]).env("VERDICT_PRIVATE_KEY", &self.key);
        command
    }

    fn json(&self, place: &Workplace, args: &[&str]) -> Value {
        json(self.command(place, args).arg("--json").output().expect("the program starts"))
    }

    fn failure(&self, place: &Workplace, args: &[&str]) -> String {
        failure(args, self.command(place, args).output().expect("the program starts"))
    }
}

const SUBJECT: &str = "0x00000000000000000000000000000000000000aa";

fn prove(place: &Workplace, setup: &str, id: &str, nonce: &str, out: &str) -> Value {
    let applicants = example("applicants.json");
    place.json(&[
        "prove",
        setup,
        "--input",
        &applicants,
        "--id",
        id,
        "--subject",
        SUBJECT,
        "--nonce",
        nonce,
        "--out",
        out,
    ])
}

#[test]
fn both_credit_models_run_from_file_to_recorded_score() {
    for model in ["logistic.onnx", "model.onnx"] {
        let place = Workplace::new();
        let setup = place.setup(model, &[]);
        let chain = Local::start(31_337);
        let deployed = chain.json(&place, &["deploy", &setup]);
        assert_eq!(deployed["deployment"]["model_id"], 1);
        let again = chain.json(&place, &["deploy", &setup]);
        assert_eq!(again["deployment"], deployed["deployment"], "deploying twice changes nothing");

        let first = place.path("first.json");
        let proof = prove(&place, &setup, "A02", "1", &first);
        assert_eq!(place.json(&["verify", &setup, &first])["valid"], true);
        let submitted = chain.json(&place, &["submit", &setup, &first]);
        assert_eq!(submitted["score"], proof["decoded"][0]);
        let gas = submitted["gas"].as_u64().expect("a receipt");
        assert!(gas <= 360_000, "{model}: {gas} gas");

        // Submitting again sends nothing; another proof with the same nonce is refused.
        let again = chain.json(&place, &["submit", &setup, &first]);
        assert_eq!(again["transaction"], submitted["transaction"]);
        let second = place.path("second.json");
        prove(&place, &setup, "A03", "1", &second);
        let _ = chain.command(&place, &["submit", &setup, &second]).output();
        let third = place.path("third.json");
        let proof = prove(&place, &setup, "A03", "2", &third);
        let submitted = chain.json(&place, &["submit", &setup, &third]);
        assert_eq!(submitted["score"], proof["decoded"][0]);
        assert_eq!(submitted["nonce"], 2);
    }
}

#[test]
fn public_inputs_are_bound_on_chain_too() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &["--public-inputs"]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let bundle = place.path("proof.json");
    let proof = prove(&place, &setup, "A01", "1", &bundle);
    assert_eq!(proof["instances"].as_array().expect("words").len(), 22);
    let submitted = chain.json(&place, &["submit", &setup, &bundle]);
    assert_eq!(submitted["score"], proof["decoded"][0]);
}

#[test]
fn a_tampered_bundle_is_refused_before_it_costs_anything() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let bundle = place.path("proof.json");
    prove(&place, &setup, "A01", "1", &bundle);
    let mut value: Value =
        serde_json::from_slice(&std::fs::read(&bundle).expect("the bundle")).expect("JSON");
    let proof = value["evm_proof"].as_str().expect("hex").to_owned();
    let flipped = if proof.ends_with('0') { '1' } else { '0' };
    value["evm_proof"] = format!("{}{flipped}", &proof[..proof.len() - 1]).into();
    std::fs::write(&bundle, value.to_string()).expect("written");
    let error = chain.failure(&place, &["submit", &setup, &bundle]);
    assert!(!error.is_empty());
    let error = place.failure(&["verify", &setup, &bundle]);
    assert!(!error.is_empty());
}

#[test]
fn a_public_chain_is_refused_for_a_development_srs_unless_forced() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(10);
    let error = chain.failure(&place, &["deploy", &setup]);
    assert!(error.contains("forge proofs") && error.contains("--force-insecure-srs"), "{error}");
    assert!(!std::path::Path::new(&setup).join("deployment.json").exists());
    chain.json(&place, &["deploy", &setup, "--force-insecure-srs", "--confirmations", "1"]);
}

#[test]
fn a_wrong_chain_an_empty_wallet_and_a_missing_key_are_explained() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    let error = chain.failure(&place, &["deploy", &setup, "--chain-id", "5"]);
    assert!(error.contains('5') && error.contains("31337"), "{error}");

    let poor = Local { key: format!("0x{}", "11".repeat(32)), ..chain };
    let error = poor.failure(&place, &["deploy", &setup]);
    assert!(error.contains("fund"), "{error}");

    let url = poor.anvil.url().to_owned();
    let error = place.failure(&["deploy", &setup, "--rpc-url", &url]);
    assert!(error.contains("VERDICT_PRIVATE_KEY"), "{error}");
    let error = poor.failure(&place, &["submit", &setup, &setup]);
    assert!(error.starts_with("error: "), "{error}");
}

#[test]
fn the_demo_tells_its_story_and_leaves_nothing_running() {
    let place = Workplace::new();
    let report = place.json(&["demo", "--model", "logistic.onnx"]);
    assert!(report["verification_gas"].as_u64().is_some_and(|gas| gas <= 360_000));
    assert!(report["replayed"].as_str().is_some_and(|text| text.contains("NonceAlreadyUsed")));
    let tampered = report["tampered"].as_str().expect("an error");
    assert!(!tampered.contains("nknown") && !tampered.contains("NonceAlreadyUsed"), "{tampered}");
    let difference = report["score"].as_f64().expect("a score")
        - report["float_score"].as_f64().expect("a score");
    assert!(difference.abs() < 1e-4);
}

#[test]
fn an_interrupted_demo_stops_its_chain_and_removes_its_files() {
    let place = Workplace::new();
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).expect("a folder");
    let mut child = place
        .command(&["demo"])
        .env("TMPDIR", &temporary)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    // The chain's address is printed once it runs.
    let mut url = None;
    let lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("piped")));
    // Read to the end: a pipe that nobody reads would stop the demo in another way.
    for line in lines.map_while(Result::ok) {
        if let Some(at) = line.find("http://127.0.0.1:") {
            url = Some(line[at..].trim().trim_start_matches("http://").to_owned());
            let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            assert!(signalled.expect("kill runs").success());
        }
    }
    let url = url.expect("the demo started a chain");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(std::net::TcpStream::connect(url).is_err(), "the chain is stopped");
    let left: Vec<_> = std::fs::read_dir(&temporary).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}
