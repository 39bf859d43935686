//! From an ONNX file to a score on a local chain.

use serde_json::Value;

use crate::common::{
    Workplace, example, gbdt,
    local::{Local, SUBJECT, prove},
};

/// A real proof has some bytes that are zero, which cost less than the others, and this subject
/// nineteen more.
pub(crate) const MARGIN: f64 = 0.003;

#[test]
fn a_credit_model_runs_from_file_to_recorded_score_at_the_gas_explained() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
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
    let later = chain.json(&place, &["submit", &setup, &third]);
    assert_eq!(later["score"], proof["decoded"][0]);
    assert_eq!(later["nonce"], 2);

    // What the generator said each of them takes, to the last part.
    let gas = &place.json(&["codegen", &setup, "--explain"])["gas"];
    assert_gas(&submitted, &gas["first"], MARGIN);
    assert_gas(&later, &gas["later"], MARGIN);
    let parts = gas["parts"].as_array().expect("parts").iter();
    let sum: u64 = parts.map(|part| part["gas"]["today"].as_u64().expect("gas")).sum();
    assert_eq!(sum, gas["later"]["today"]);
}

/// The receipt's gas is what was explained, or less by a small part.
pub(crate) fn assert_gas(submitted: &Value, explained: &Value, margin: f64) {
    let paid = submitted["gas"].as_u64().expect("a receipt") as f64;
    let explained = explained["today"].as_u64().expect("gas") as f64;
    println!("{paid} gas paid, {explained} explained");
    assert!(paid <= explained && explained - paid < margin * paid, "{paid}, {explained}");
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
