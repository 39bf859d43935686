//! Many scores at a price: one proof of a batch, recorded by one transaction.

use crate::common::{
    Workplace, example,
    local::{Local, small_setup_with},
};
use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::{nonceOfCall, scoreOfCall};

/// Subjects of a batch.
fn subject(index: usize) -> String {
    format!("0x{:040x}", 0xabcd_0000_usize + index)
}

/// One request for each subject, all with one nonce.
fn requests(deployment: &Value, size: usize, nonce: u64) -> Vec<Value> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let deadline = now.expect("after 1970").as_secs() + 3600;
    let request = |index| {
        json!({
            "chain_id": deployment["chain_id"],
            "oracle": deployment["oracle"],
            "model_id": deployment["model_id"],
            "verification_hash": deployment["verification_hash"],
            "subject": subject(index),
            "nonce": nonce,
            "deadline": deadline,
        })
    };
    (0..size).map(request).collect()
}

/// Proves `samples` for `requests`, and returns the bundle and its path.
fn prove(
    place: &Workplace,
    setup: &str,
    samples: &[Vec<f64>],
    requests: &[Value],
) -> (Value, String) {
    let (inputs, asked, out) =
        (place.path("samples.json"), place.path("requests.json"), place.path("batch.json"));
    std::fs::write(&inputs, json!(samples).to_string()).expect("written");
    std::fs::write(&asked, json!(requests).to_string()).expect("written");
    let args = ["prove", setup, "--batch", &inputs, "--requests", &asked, "--out", &out];
    (place.json(&args), out)
}

/// The example's applicants, with another value of each of their features for each index.
fn applicants(size: usize) -> Vec<Vec<f64>> {
    let text = std::fs::read(example("applicants.json")).expect("the example");
    let known: Value = serde_json::from_slice(&text).expect("JSON");
    let known = known["applicants"].as_array().expect("a list");
    let input = |index: usize| {
        let input = known[index % known.len()]["input"].as_array().expect("a list");
        let mut input: Vec<f64> =
            input.iter().map(|value| value.as_f64().expect("a number")).collect();
        // Another duration of the credit, within its range.
        input[1] = 4.0 + index as f64;
        input
    };
    (0..size).map(input).collect()
}

#[test]
fn sixty_four_scores_are_recorded_by_one_proof_at_a_price() {
    const SIZE: usize = 64;
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &["--batch", "64"]);
    let chain = Local::start(31_337);
    let deployed = chain.json(&place, &["deploy", &setup]);
    let deployment = &deployed["deployment"];
    let samples = applicants(SIZE);
    let explained = &place.json(&["codegen", &setup, "--explain"])["gas"];
    // Gas a subject, the whole transaction included.
    for (nonce, limit, which) in [(1, 32_000, "first"), (2, 15_000, "later")] {
        let (bundle, proof) = prove(&place, &setup, &samples, &requests(deployment, SIZE, nonce));
        let submitted = chain.json(&place, &["submit", &setup, &proof]);
        // Most of what names these subjects are zeros.
        crate::credit_score::assert_gas(&submitted, &explained[which], 0.03);
        let gas = submitted["gas"].as_u64().expect("gas") / SIZE as u64;
        println!("nonce {nonce}: {gas} gas a subject");
        assert!(gas <= limit, "{gas} gas a subject, at most {limit}");
        let records = submitted["records"].as_array().expect("records");
        assert_eq!(records.len(), SIZE);
        for (index, record) in records.iter().enumerate() {
            let output = bundle["outputs"][index].as_str().expect("an integer");
            assert_eq!(record["record"]["score"].to_string(), output);
            assert_eq!(record["record"]["subject"], subject(index));
            assert_eq!(record["nonce"], nonce);
        }
        let scores: std::collections::BTreeSet<_> =
            records.iter().map(|record| record["record"]["score"].to_string()).collect();
        assert!(scores.len() > SIZE / 2, "the scores of different applicants differ");
        // Once more: nothing is sent.
        let sent = chain.sent();
        chain.json(&place, &["submit", &setup, &proof]);
        assert_eq!(chain.sent(), sent);
    }
}

#[test]
fn one_inference_that_cannot_be_recorded_fails_the_batch_by_its_index() {
    const SIZE: usize = 3;
    let place = Workplace::new();
    let out = small_setup_with(&place, "small", &["--public-inputs", "--batch", "3"]);
    let chain = Local::start(31_337);
    let deployed = chain.json(&place, &["deploy", &out]);
    let deployment = &deployed["deployment"];
    let oracle = crate::common::local::address(&deployed, "oracle");
    let samples = [vec![-1.0, -0.75, 0.75], vec![0.5, 0.25, 0.75], vec![0.0, 0.0, 1.0]];
    let nonces = || -> Vec<u64> {
        let ask = |index| {
            let (subject, id) = (subject(index).parse().expect("an address"), "1");
            let call = nonceOfCall { subject, modelId: id.parse().expect("a number") };
            chain.call(oracle, &call).to()
        };
        (0..SIZE).map(ask).collect()
    };

    let mut late = requests(deployment, SIZE, 1);
    late[1]["deadline"] = json!(1_700_000_000);
    let (_, proof) = prove(&place, &out, &samples, &late);
    let error = chain.fails_with(3, &place, &["submit", &out, &proof]);
    assert!(error.contains("InferenceRefused(index: 1, reason: DeadlineExpired"), "{error}");
    assert!(error.contains("later deadline"), "the inference's own hint: {error}");
    assert_eq!(nonces(), [0; SIZE]);

    // A subject of a batch is overtaken: the rest is not recorded either.
    let mut mixed = requests(deployment, SIZE, 1);
    mixed[2]["nonce"] = json!(5);
    let (_, proof) = prove(&place, &out, &samples, &mixed);
    chain.json(&place, &["submit", &out, &proof]);
    assert_eq!(nonces(), [1, 1, 5]);
    let mut behind = requests(deployment, SIZE, 2);
    behind[2]["nonce"] = json!(4);
    let (_, proof) = prove(&place, &out, &samples, &behind);
    let error = chain.fails_with(3, &place, &["submit", &out, &proof]);
    let told = error.to_lowercase();
    assert!(told.contains("overtaken") && told.contains(&subject(2)), "{error}");
    assert_eq!(nonces(), [1, 1, 5]);

    // One subject twice: the later request is what stands.
    let mut twice = requests(deployment, SIZE, 6);
    twice[0]["subject"] = json!(subject(1));
    twice[1]["nonce"] = json!(7);
    let (bundle, proof) = prove(&place, &out, &samples, &twice);
    let submitted = chain.json(&place, &["submit", &out, &proof]);
    assert_eq!(submitted["records"].as_array().expect("records").len(), 2);
    let subject = subject(1).parse().expect("an address");
    let record =
        chain.call(oracle, &scoreOfCall { subject, modelId: "1".parse().expect("a number") });
    assert_eq!(
        (record.score.to_string(), record.nonce),
        (bundle["outputs"][1].as_str().expect("an integer").to_owned(), 7)
    );

    // A proof of one inference is for another setup.
    let one = crate::common::local::small_setup(&place, "one");
    let error = chain.fails_with(1, &place, &["submit", &one, &proof]);
    assert!(error.contains("not deployed") || error.contains("deployment"), "{error}");
}
