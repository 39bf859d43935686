//! Deploying and taking up: what is paid once, what is refused before it costs anything.

use std::process::Command;

use alloy::primitives::U256;
use serde_json::Value;
use verdict_contracts::bindings::{
    InferenceOracle::{isSubmitterCall, removeSubmitterCall, revokeModelCall},
    ModelRegistry::modelCountCall,
};

use crate::common::{
    Workplace, example,
    local::{Local, SUBJECT, address, prove, small_setup},
    root,
};

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
    let deployed = chain.command(&place, &["deploy", &public]).output().expect("it starts");
    let notes = String::from_utf8_lossy(&deployed.stderr);
    assert!(deployed.status.success(), "{notes}");
    assert!(notes.contains("block explorer") && notes.contains("Verifier.input.json"), "{notes}");
    let input = || std::fs::read(format!("{public}/Verifier.input.json")).expect("written");
    let of_deploy = input();
    std::fs::copy(format!("{public}/deployment.json"), format!("{setup}/public/deployment.json"))
        .expect("copied");
    let bundle = place.path("proof.json");
    prove(&place, &setup, "A01", "1", &bundle);
    assert_eq!(place.json(&["verify", &public, &bundle])["insecure_srs"], true);
    place.json(&["codegen", &public]);
    assert_explorers_input(&public);
    assert_eq!(input(), of_deploy);
    let submitted = chain.json(&place, &["submit", &public, &bundle]);
    assert_eq!(submitted["nonce"], 1);
    let applicants = example("applicants.json");
    let error =
        place.failure(&["prove", &public, "--input", &applicants, "--id", "A01", "-o", "x"]);
    assert!(error.contains("private part"), "{error}");
}

/// What block explorers are given makes the very code that is deployed.
fn assert_explorers_input(public: &str) {
    let input = std::fs::File::open(format!("{public}/Verifier.input.json")).expect("written");
    let solc = root().join("scripts/solc");
    let output = Command::new(solc).arg("--standard-json").stdin(input).output().expect("it runs");
    let output: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let made = output["contracts"]["Verifier.sol"].as_object().expect("a contract");
    let made = made.values().next().expect("a contract")["evm"]["bytecode"]["object"].clone();
    let code = std::fs::read_to_string(format!("{public}/Verifier.bin")).expect("written");
    assert_eq!(made.as_str(), Some(code.trim()));
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
    let (registry, oracle) = (address(&first, "registry"), address(&first, "oracle"));
    let submitter = chain.sender();

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

    let stranger = chain.of_another_key();
    let args = ["deploy", &setup, "--registry", registry, "--oracle", oracle];
    let error = stranger.fails_with(3, &place, &args);
    assert!(error.contains("belongs to"), "{error}");
}

#[test]
fn what_a_deployment_is_given_is_looked_at_before_anything_is_paid_for() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let nobody = "0x0000000000000000000000000000000000000b0b";
    let error = chain.failure(&place, &["deploy", &setup, "--registry", nobody]);
    assert!(error.contains("does not answer modelCount()"), "{error}");
    assert_eq!(chain.sent(), 0);
}
