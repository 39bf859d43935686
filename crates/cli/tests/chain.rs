//! From an ONNX file to a score on a local chain, step by step and in one command.

mod common;

use std::process::Command;

use alloy::primitives::U256;
use common::{
    Workplace, example, gbdt,
    local::{Local, SUBJECT, address, prove, small_setup},
};
use serde_json::Value;
use verdict_contracts::bindings::{
    InferenceOracle::{isSubmitterCall, removeSubmitterCall, revokeModelCall},
    ModelRegistry::modelCountCall,
};

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
fn a_pipeline_of_strings_and_trees_runs_from_file_to_recorded_score() {
    let place = Workplace::new();
    let (setup, ranges) = (place.path("setup"), gbdt("ranges.json"));
    let (model, applicants) = (gbdt("model.onnx"), gbdt("applicants.json"));
    place.json(&["setup", &model, "--ranges", &ranges, "--dev-srs", "--out", &setup]);
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let out = place.path("proof.json");
    let options = ["--subject", SUBJECT, "--nonce", "1", "--out", &out];
    let input = ["prove", &setup, "--input", &applicants, "--id", "A02"];
    let proof = place.json(&[&input[..], &options].concat());
    let submitted = chain.json(&place, &["submit", &setup, &out]);
    assert_eq!(submitted["score"], proof["decoded"][0]);
    let reference = std::fs::read_to_string(gbdt("reference.json")).expect("it is checked in");
    let reference: Value = serde_json::from_str(&reference).expect("it is JSON");
    let expected = reference["applicants"]["score"][1].as_f64().expect("a number");
    let score = proof["decoded"][0].as_f64().expect("a number");
    assert!((score - expected).abs() < 1e-4, "{score}, not {expected}");

    // The setup knows the names; one that it doesn't know is refused by its place.
    let text = std::fs::read_to_string(&applicants).expect("it is checked in");
    let unknown = place.path("unknown.json");
    std::fs::write(&unknown, text.replacen("\"A14\"", "\"A15\"", 1)).expect("it is written");
    let input = ["prove", &setup, "--input", &unknown, "--id", "A01", "--out", &out];
    let error = place.failure(&input);
    assert!(error.contains("status_of_existing_checking_account"), "{error}");
    assert!(error.contains("the category \"A15\"; expected one of \"A11\""), "{error}");
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
    // The context, twenty inputs in two or three words, the score.
    assert!((4..=5).contains(&proof["instances"].as_array().expect("words").len()));
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
