//! What counts as recorded, and oracles that somebody else deployed or that have several models.

use crate::common::{
    Workplace, failure, json,
    local::{Local, SUBJECT, TWINS, address, prove_small, small_setup},
};
use serde_json::Value;
use verdict_contracts::bindings::InferenceOracle::{
    addSubmitterCall, revokeModelCall, scoreOfCall,
};

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn the_first_output_alone_does_not_make_a_record_the_one_stated() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    chain.json(&place, &["deploy", &setup]);
    let [first, second] = TWINS.map(|input| prove_small(&place, &setup, input, "1"));
    let outputs = |path: &str| read(path)["outputs"].clone();
    assert_eq!(outputs(&first)[0], outputs(&second)[0]);
    assert_ne!(outputs(&first)[1], outputs(&second)[1]);
    chain.json(&place, &["submit", &setup, &first]);
    let sent = chain.sent();
    // With this database, and with one that knows nothing.
    let other = place.path("other.db");
    for extra in [&[][..], &["--database", &other]] {
        let args = [&["submit", &setup, &second], extra].concat();
        let error = chain.fails_with(3, &place, &args);
        assert!(error.contains("all of its outputs") && error.contains("nonce above 1"), "{error}");
        // The proof that is recorded is still the one that is.
        let args = [&["submit", &setup, &first], extra].concat();
        assert_eq!(chain.json(&place, &args)["nonce"], 1);
    }
    assert_eq!(chain.sent(), sent, "nothing was paid for");
    let later = prove_small(&place, &setup, TWINS[1], "2");
    assert_eq!(chain.json(&place, &["submit", &setup, &later])["nonce"], 2);
}

#[test]
fn two_models_of_one_oracle_keep_their_own_records_and_decimals() {
    let place = Workplace::new();
    let coarse = small_setup(&place, "coarse");
    let fine = place.path("fine");
    let model = crate::common::root().join("crates/prover/tests/fixtures/good/mlp.onnx");
    let model = model.display().to_string();
    let args = ["setup", &model, "--range=-1,1", "--target-error", "1e-3", "--decimals", "3"];
    place.json(&[&args[..], &["--dev-srs", "--out", &fine]].concat());
    let chain = Local::start(31_337);
    let first = chain.json(&place, &["deploy", &coarse]);
    let (registry, oracle) = (address(&first, "registry"), address(&first, "oracle"));
    let (registry, oracle) = (registry.to_string(), oracle.to_string());
    let args = ["deploy", &fine, "--registry", &registry, "--oracle", &oracle];
    let second = chain.json(&place, &args);
    assert_eq!(second["deployment"]["model_id"], 2);
    // The same subject, nonce and input, and one file name for both.
    let kept = place.path("fine-proof.json");
    std::fs::rename(prove_small(&place, &fine, TWINS[0], "1"), &kept).expect("moved");
    let proof = prove_small(&place, &coarse, TWINS[0], "1");
    // Neither takes the other's record for its own.
    let recorded = chain.json(&place, &["submit", &coarse, &proof]);
    assert_eq!((&recorded["model_id"], &recorded["score"]), (&1.into(), &(-0.6).into()));
    let other = chain.json(&place, &["submit", &fine, &kept]);
    assert_eq!(other["model_id"], 2);
    assert_ne!(other["transaction"], recorded["transaction"]);
    let score = other["score"].as_f64().expect("a score");
    assert!((score + 0.597).abs() < 2e-3, "{score}");
    // Another proof for the second model is compared with the second model's record.
    let twin = prove_small(&place, &fine, "[0, 0, 0]", "1");
    let error = chain.fails_with(3, &place, &["submit", &fine, &twin]);
    assert!(error.contains("model 2") && error.contains("other inputs"), "{error}");
    // A proof for one model is not taken for one of the other.
    let error = chain.fails_with(6, &place, &["submit", &coarse, &kept]);
    assert!(error.contains("setup"), "{error}");
    // Two setups with one key share their jobs.
    let files = std::fs::read_dir(place.path("state/verdict")).expect("a folder");
    let names = files.map(|entry| entry.expect("an entry").file_name().into_string());
    let databases = names.filter(|name| name.as_ref().is_ok_and(|name| name.ends_with(".db")));
    assert_eq!(databases.count(), 1);
}

#[test]
fn an_oracle_that_somebody_else_deployed_is_taken_up_after_it_was_checked() {
    let theirs = Workplace::new();
    let their_setup = small_setup(&theirs, "setup");
    let chain = Local::start(31_337);
    let deployed = chain.json(&theirs, &["deploy", &their_setup]);
    let oracle = address(&deployed, "oracle");

    // Only the setup is handed over, without deployment.json.
    let place = Workplace::new();
    let setup = place.path("setup");
    copy(&their_setup, &setup);
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("there");
    let name = oracle.to_string();
    let attach = |setup: &str, extra: &[&str]| {
        let args = [&["attach", setup, "--oracle", &name, "--rpc-url", chain.anvil.url()], extra];
        place.run(&args.concat())
    };
    let found = json(attach(&setup, &["--json"]));
    assert_eq!(found, deployed["deployment"]);
    assert_eq!(read(&format!("{setup}/public/deployment.json")), found);

    // Who is not on the list is told so, and may submit once it is.
    let proof = prove_small(&place, &setup, TWINS[0], "1");
    let stranger = chain.of_another_key();
    let error = stranger.fails_with(3, &place, &["submit", &setup, &proof]);
    assert!(error.contains("SubmitterNotAllowed"), "{error}");
    chain.send(oracle, &addSubmitterCall { submitter: stranger.sender() });
    // The rejection is not for ever.
    let submitted = stranger.json(&place, &["submit", &setup, &proof]);
    assert_eq!(submitted["record"]["subject"], SUBJECT);
    let call = scoreOfCall { subject: SUBJECT.parse().expect("an address"), modelId: one() };
    assert_eq!(stranger.call(oracle, &call).prover, stranger.sender());

    // Another setup's model is not found there, and --model-id says why.
    let elsewhere = Workplace::new();
    let other = elsewhere.setup("logistic.onnx", &[]);
    let error = failure(&["attach"], attach(&other, &[]), 3);
    assert!(error.contains("approved no model") && error.contains("--model-id"), "{error}");
    let error = failure(&["attach"], attach(&other, &["--model-id", "1"]), 3);
    assert!(error.contains("model's hash differs"), "{error}");
    let error = failure(&["attach"], attach(&setup, &["--model-id", "2"]), 3);
    assert!(error.contains("ModelNotFound"), "{error}");

    // Nor is one that is not approved (any more), or an address without an oracle.
    chain.send(oracle, &revokeModelCall { modelId: one() });
    let error = failure(&["attach"], attach(&setup, &[]), 3);
    assert!(error.contains("approved no model"), "{error}");
    let error = failure(&["attach"], attach(&setup, &["--model-id", "1"]), 3);
    assert!(error.contains("does not approve"), "{error}");
    let nobody = ["attach", &setup, "--oracle", SUBJECT, "--rpc-url", chain.anvil.url()];
    let error = place.failure(&nobody);
    assert!(error.contains("does not answer registry()"), "{error}");
}

fn one() -> alloy::primitives::U256 {
    alloy::primitives::U256::from(1)
}

#[test]
fn an_oracle_with_other_code_behind_the_model_is_not_taken_up() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let first = chain.json(&place, &["deploy", &setup, "--score", "higher-is-better"]);
    let oracle = address(&first, "oracle").to_string();
    let args = ["attach", &setup, "--oracle", &oracle, "--rpc-url", chain.anvil.url()];
    // The same model twice, said to mean opposite things: the user decides.
    chain.json(&place, &["deploy", &setup, "--score", "lower-is-better"]);
    let error = place.fails_with(2, &args);
    assert!(error.contains("models 2, 1") && error.contains("--model-id"), "{error}");
    let chosen = place.json(&[&args[..], &["--model-id", "1"]].concat());
    assert_eq!(chosen, first["deployment"]);
    for contract in ["verifier", "key"] {
        let address = address(&first, contract).to_string();
        let code = chain.rpc("eth_getCode", serde_json::json!([address, "latest"]));
        chain.rpc("anvil_setCode", serde_json::json!([address, "0x00"]));
        let error = place.failure(&[&args[..], &["--model-id", "1"]].concat());
        assert!(error.to_lowercase().contains(&address.to_lowercase()), "{error}");
        chain.rpc("anvil_setCode", serde_json::json!([address, code]));
    }
}

fn copy(from: &str, to: &str) {
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("an entry");
        let to = format!("{to}/{}", entry.file_name().display());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path().display().to_string(), &to),
            false => {
                std::fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
}
