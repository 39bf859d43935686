//! From an ONNX file to a score on a local chain, step by step and in one command.

mod common;

use std::process::Command;

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use common::{Workplace, example, failure, json};
use serde_json::Value;
use verdict_contracts::bindings::{
    InferenceOracle::{isSubmitterCall, removeSubmitterCall, revokeModelCall},
    ModelRegistry::modelCountCall,
};
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
        self.fails_with(1, place, args)
    }

    fn fails_with(&self, code: i32, place: &Workplace, args: &[&str]) -> String {
        failure(args, self.command(place, args).output().expect("the program starts"), code)
    }

    fn provider(&self) -> impl Provider + use<> {
        let signer: PrivateKeySigner = self.key.parse().expect("a key");
        let url = self.anvil.url().parse().expect("a URL");
        ProviderBuilder::new().wallet(signer).connect_http(url)
    }

    /// Sends a transaction of the key's own, beside the program.
    fn send(&self, to: Address, call: &impl SolCall) {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let receipt = runtime.block_on(async {
            let sent = self.provider().send_transaction(request).await?;
            Ok::<_, Box<dyn std::error::Error>>(sent.get_receipt().await?)
        });
        assert!(receipt.expect("mined").status(), "the transaction succeeds");
    }

    fn call<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let data = runtime.block_on(async { self.provider().call(request).await });
        C::abi_decode_returns(&data.expect("an answer")).expect("of the function")
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

        // Submitting again sends nothing; another proof with the same nonce is refused, and
        // the refusal says what stands there.
        let again = chain.json(&place, &["submit", &setup, &first]);
        assert_eq!(again["transaction"], submitted["transaction"]);
        let second = place.path("second.json");
        prove(&place, &setup, "A03", "1", &second);
        let error = chain.fails_with(3, &place, &["submit", &setup, &second]);
        assert!(error.contains("request 1") && error.contains("other inputs"), "{error}");
        let stands = format!("output {}", proof["outputs"][0].as_str().expect("a number"));
        assert!(error.contains(&stands) && error.contains("nonce above 1"), "{error}");
        let third = place.path("third.json");
        let proof = prove(&place, &setup, "A03", "2", &third);
        let submitted = chain.json(&place, &["submit", &setup, &third]);
        assert_eq!(submitted["score"], proof["decoded"][0]);
        assert_eq!(submitted["nonce"], 2);
    }
}

#[test]
fn a_proof_is_bound_to_the_model_it_was_made_for() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup, "--score", "higher-is-better"]);
    let first = place.path("first.json");
    let proof = prove(&place, &setup, "A01", "1", &first);
    assert_eq!(proof["request"]["model_id"], 1);

    // The same model once more, whose score is said to mean the opposite: another id, another
    // statement, and a nonce of its own.
    let again = chain.json(&place, &["deploy", &setup, "--score", "lower-is-better"]);
    assert_eq!(again["deployment"]["model_id"], 2);
    let error = chain.failure(&place, &["submit", &setup, &first]);
    assert!(error.contains("model 1") && error.contains("model 2"), "{error}");
    let second = place.path("second.json");
    let proof = prove(&place, &setup, "A01", "1", &second);
    assert_eq!(proof["request"]["verification_hash"], again["deployment"]["verification_hash"]);
    let submitted = chain.json(&place, &["submit", &setup, &second]);
    assert_eq!(submitted["score"], proof["decoded"][0]);
    assert_eq!(submitted["model_id"], 2);
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
    let error = chain.fails_with(6, &place, &["submit", &setup, &bundle]);
    assert!(!error.is_empty());
    let error = place.fails_with(6, &["verify", &setup, &bundle]);
    assert!(!error.is_empty());
}

#[test]
fn a_public_chain_is_refused_for_a_development_srs_unless_forced() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(10);
    let error = chain.failure(&place, &["deploy", &setup]);
    assert!(error.contains("forge proofs") && error.contains("--force-insecure-srs"), "{error}");
    assert!(!std::path::Path::new(&setup).join("public/deployment.json").exists());
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
fn the_public_part_alone_verifies_deploys_and_submits() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    let public = place.path("handed-over");
    copy(&format!("{setup}/public"), &public);
    chain.json(&place, &["deploy", &public]);
    std::fs::copy(format!("{public}/deployment.json"), format!("{setup}/public/deployment.json"))
        .expect("copied");
    let bundle = place.path("proof.json");
    prove(&place, &setup, "A01", "1", &bundle);
    assert_eq!(place.json(&["verify", &public, &bundle])["insecure_srs"], true);
    place.json(&["codegen", &public]);
    let submitted = chain.json(&place, &["submit", &public, &bundle]);
    assert_eq!(submitted["nonce"], 1);
    let applicants = example("applicants.json");
    let error =
        place.failure(&["prove", &public, "--input", &applicants, "--id", "A01", "-o", "x"]);
    assert!(error.contains("private part"), "{error}");
}

fn copy(from: &str, to: &str) {
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("an entry");
        let to = std::path::Path::new(to).join(entry.file_name());
        std::fs::copy(entry.path(), to).expect("copied");
    }
}

#[test]
fn the_next_nonce_is_taken_from_the_chain_and_named() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let (applicants, bundle) = (example("applicants.json"), place.path("proof.json"));
    let args = ["prove", &setup, "--input", &applicants, "--id", "A01", "--subject", SUBJECT];
    let args = [&args[..], &["--out", &bundle]].concat();
    for nonce in [1, 2] {
        let output = chain.command(&place, &args).output().expect("starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.contains(&format!("nonce {nonce}")), "{told}");
        assert_eq!(chain.json(&place, &["submit", &setup, &bundle])["nonce"], nonce);
    }
    // Without a node, the nonce has to be given.
    let nowhere = [&args[..], &["--rpc-url", "http://127.0.0.1:9"]].concat();
    let error = place.fails_with(5, &nowhere);
    assert!(error.contains("--nonce") && error.contains("--rpc-url"), "{error}");
    place.json(&[&nowhere[..], &["--nonce", "9"]].concat());
    // Another chain's node is no help either.
    let other = Local::start(10);
    let error = other.failure(&place, &args);
    assert!(error.contains("31337") && error.contains("--nonce"), "{error}");
}

#[test]
fn another_model_set_up_into_a_deployed_folder_is_not_deployed() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let old = place.path("old.json");
    prove(&place, &setup, "A01", "1", &old);
    place.setup("model.onnx", &[]);
    let (applicants, bundle) = (example("applicants.json"), place.path("proof.json"));
    let args = ["prove", &setup, "--input", &applicants, "--id", "A01", "--subject", SUBJECT];
    let error = place.failure(&[&args[..], &["--nonce", "1", "--out", &bundle]].concat());
    assert!(error.contains("not deployed") && error.contains("verdict deploy"), "{error}");
    let error = chain.failure(&place, &["submit", &setup, &old]);
    assert!(error.contains("not deployed"), "{error}");
    chain.json(&place, &["deploy", &setup]);
    let error = chain.fails_with(6, &place, &["submit", &setup, &old]);
    assert!(error.contains("setup"), "{error}");
}

#[test]
fn deploying_asks_the_chain_and_not_the_memory_of_an_earlier_run() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    let deploy = |database: &str| {
        let database = place.path(database);
        chain.json(&place, &["deploy", &setup, "--database", &database])
    };
    let paid = |deployed: &Value| -> Vec<String> {
        let steps = deployed["steps"].as_array().expect("steps").iter();
        let paid = steps.filter(|step| !step["gas"].is_null());
        paid.map(|step| step["step"].as_str().expect("a name").to_owned()).collect()
    };
    let first = deploy("one.db");
    assert_eq!(paid(&first).len(), 7);
    let deployment = &first["deployment"];
    let address = |name: &str| -> Address {
        deployment[name].as_str().expect("an address").parse().expect("an address")
    };
    let (registry, oracle) = (address("registry"), address("oracle"));
    let signer: PrivateKeySigner = chain.key.parse().expect("a key");
    let submitter = signer.address();

    // Without its database and its deployment.json, nothing is paid again.
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("there");
    let second = deploy("two.db");
    assert_eq!((paid(&second), &second["deployment"]), (vec![], deployment));
    assert_eq!(chain.call(registry, &modelCountCall {}), U256::from(1));

    // What was taken back is done again, whatever the database remembers.
    chain.send(oracle, &removeSubmitterCall { submitter });
    assert_eq!(paid(&deploy("one.db")), ["allow the submitter"]);
    assert!(chain.call(oracle, &isSubmitterCall { submitter }));
    chain.send(oracle, &revokeModelCall { modelId: U256::from(1) });
    assert_eq!(paid(&deploy("one.db")), ["approve the model"]);
}

#[test]
fn all_outputs_of_a_model_have_to_be_the_ones_recorded() {
    let place = Workplace::new();
    let setup = place.path("setup");
    let model = common::root().join("crates/prover/tests/fixtures/good/mlp.onnx");
    let model = model.display().to_string();
    let args = ["setup", &model, "--range=-1,1", "--target-error", "1e-3", "--dev-srs"];
    place.json(&[&args[..], &["--out", &setup]].concat());
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let bundle = place.path("proof.json");
    let prove = |input: &str, nonce: &str| {
        let file = place.path("input.json");
        std::fs::write(&file, input).expect("written");
        let args = ["prove", &setup, "--input", &file, "--subject", SUBJECT, "--nonce", nonce];
        place.json(&[&args[..], &["--out", &bundle]].concat())
    };
    prove("[0.5, -0.25, 0.75]", "1");
    let submitted = chain.json(&place, &["submit", &setup, &bundle]);
    assert_eq!(submitted["nonce"], 1);
    // Known to another database only: the event is looked for in the whole chain.
    let other = place.path("other.db");
    let again = chain.json(&place, &["submit", &setup, &bundle, "--database", &other]);
    assert_eq!(again["transaction"], Value::Null);
}

#[test]
fn an_oracle_of_another_registry_or_owner_is_refused() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let chain = Local::start(31_337);
    let first = chain.json(&place, &["deploy", &setup]);
    let oracle = first["deployment"]["oracle"].as_str().expect("an address");
    let registry = first["deployment"]["registry"].as_str().expect("an address");
    // Any contract can stand for a registry that the oracle does not refer to.
    let other = first["deployment"]["verifier"].as_str().expect("an address");
    let args = ["deploy", &setup, "--registry", other, "--oracle", oracle];
    let error = chain.fails_with(3, &place, &args);
    let told = error.to_lowercase();
    assert!(told.contains(oracle) && told.contains(registry), "{error}");

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let key = runtime.block_on(chain.anvil.funded_key(10)).expect("a funded key");
    let key = format!("0x{}", alloy::primitives::hex::encode(key.to_bytes()));
    let stranger = Local { key, ..chain };
    let args = ["deploy", &setup, "--registry", registry, "--oracle", oracle];
    let error = stranger.fails_with(3, &place, &args);
    assert!(error.contains("belongs to"), "{error}");
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
