//! A score of inputs that the oracle reads itself: a borrower's past loans.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::{
    primitives::{Address, U256},
    sol,
    sol_types::SolValue,
};
use serde_json::{Value, json};
use verdict_contracts::{
    artifacts::{LENDING_HISTORY, LENDING_HISTORY_SOURCE, creation_code},
    bindings::InferenceOracle::scoreOfCall,
};

use crate::common::{
    Workplace,
    desk::Desk,
    local::{Local, SUBJECT, address},
    proxy::Proxy,
    root,
};

sol! {
    function lend(address borrower, uint64 amount) external;
    function repay(address borrower, uint64 amount) external;
    function writeOff(address borrower, uint64 amount) external;
}

fn subject() -> Address {
    SUBJECT.parse().expect("an address")
}

/// Deploys a source of past loans for a setup, with a schema of its own or the setup's.
fn source(chain: &Local, setup: &str, history: Address, schema: &Value) -> String {
    let text = std::fs::read(format!("{setup}/public/manifest.json")).expect("a setup");
    let manifest: Value = serde_json::from_slice(&text).expect("JSON");
    let bits = manifest["input"]["bits"].as_u64().expect("a number");
    let per_word = if manifest["shape"]["graph"].is_null() { 1 } else { 252 / bits };
    let schema: U256 = schema.as_str().expect("a hash").parse().expect("a word");
    let arguments = (history, schema, U256::from(bits), U256::from(per_word)).abi_encode();
    let code = creation_code(LENDING_HISTORY_SOURCE).expect("an artifact");
    chain.create([code.to_vec(), arguments].concat()).to_string()
}

/// Sets a model of three shares with two decimals up, which is proven in a moment.
fn setup(place: &Workplace) -> (String, Value) {
    let (out, ranges) = (place.path("setup"), place.path("ranges.json"));
    std::fs::write(&ranges, r#"{"min": 0, "max": 1, "decimals": 2}"#).expect("written");
    let model = root().join("crates/prover/tests/fixtures/good/mlp.onnx").display().to_string();
    let args = ["setup", &model, "--ranges", &ranges, "--target-error", "0.1", "--decimals", "1"];
    let more = ["--public-inputs", "--dev-srs", "--out", &out];
    let report = place.json(&[&args[..], &more].concat());
    (out, report["schema"].clone())
}

#[test]
fn the_oracle_reads_past_loans_itself_and_refuses_a_proof_of_others() {
    let place = Workplace::new();
    let (setup, schema) = setup(&place);
    let chain = Local::start(31_337);
    let history = chain.create(creation_code(LENDING_HISTORY).expect("an artifact").to_vec());

    // What is no source of these inputs is refused before anything is sent.
    let foreign = source(&chain, &setup, history, &json!(format!("0x{:064x}", 5)));
    let sent = chain.sent();
    let error = chain.fails_with(1, &place, &["deploy", &setup, "--source", &foreign]);
    assert!(error.contains("schema") && error.contains("verdict setup"), "{error}");
    let other = history.to_string();
    let error = chain.fails_with(1, &place, &["deploy", &setup, "--source", &other]);
    assert!(error.contains("no source of inputs"), "{error}");
    assert_eq!(chain.sent(), sent);

    let source = source(&chain, &setup, history, &schema);
    let deployed = chain.json(&place, &["deploy", &setup, "--source", &source]);
    assert_eq!(deployed["deployment"]["attestations"]["source"], true);

    chain.send(history, &lendCall { borrower: subject(), amount: 1_000 });
    chain.send(history, &repayCall { borrower: subject(), amount: 750 });
    chain.send(history, &writeOffCall { borrower: subject(), amount: 50 });
    let prove = |name: &str, input: &[&str]| {
        let out = place.path(name);
        let args = ["prove", &setup, "--subject", SUBJECT, "--nonce", "1", "--out", &out];
        let proof = chain.json_without_key(&place, &[&args[..], input].concat());
        (out, proof)
    };
    let (early, from_source) = prove("early.json", &["--from-source"]);
    let file = place.path("input.json");
    std::fs::write(&file, "[0.75, 0.05, 0.2]").expect("written");
    let (_, from_file) = prove("file.json", &["--input", &file]);
    assert_eq!(from_source["outputs"], from_file["outputs"], "the source's inputs are these");
    assert_eq!(from_source["request"]["inputs"], from_file["request"]["inputs"]);

    // An honest proof of inputs that the borrower would rather have.
    std::fs::write(&file, "[1, 0, 0]").expect("written");
    let (better, _) = prove("better.json", &["--input", &file]);
    let refused = |proof: &str| {
        let sent = chain.sent();
        let error = chain.fails_with(3, &place, &["submit", &setup, proof]);
        assert!(error.contains("other inputs") && error.contains("--from-source"), "{error}");
        assert_eq!(chain.sent(), sent, "nothing is sent");
    };
    refused(&better);
    // The contract says so too, whoever asks.
    let record = || {
        let call = scoreOfCall { subject: subject(), modelId: U256::from(1) };
        chain.call(address(&deployed, "oracle"), &call)
    };
    assert_eq!(record().updatedAt.to::<u64>(), 0);

    // The borrower repays: what was proven before is of the past.
    chain.send(history, &repayCall { borrower: subject(), amount: 200 });
    refused(&early);
    let (now, proof) = prove("now.json", &["--from-source"]);
    assert_ne!(proof["request"]["inputs"], from_source["request"]["inputs"]);
    let submitted = chain.json(&place, &["submit", &setup, &now]);
    assert_eq!(
        submitted["record"]["score"].to_string(),
        proof["outputs"][0].as_str().expect("one")
    );
    assert_eq!(submitted["record"]["signers"], json!([source.to_lowercase()]));
    assert_eq!(record().signers, 1);
    // Once more, when the history has gone on: the record stands, nothing is sent.
    chain.send(history, &lendCall { borrower: subject(), amount: 5_000 });
    let sent = chain.sent();
    chain.json(&place, &["submit", &setup, &now]);
    assert_eq!(chain.sent(), sent);

    // A service whose node is away cannot read them: that is no fault of the order.
    let (away, orders) =
        (Arc::new(AtomicBool::new(false)), json!({ "model": "m", "subject": SUBJECT }));
    let now = away.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        if request["method"] == "eth_call" && now.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_secs(20));
        }
        ask()
    });
    let (named, data) = (format!("m={setup}"), place.path("data"));
    let args = ["serve", "--no-prove", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let mut desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    away.store(true, Ordering::Relaxed);
    let refused = desk.post("/v1/scores", &orders);
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("node")), "{refused:?}");
    away.store(false, Ordering::Relaxed);
    assert_eq!(desk.post("/v1/scores", &orders).status, 202);
    desk.kill();

    // Nobody attests what is read; who takes the oracle up learns of the source.
    let error = chain.fails_with(2, &place, &["attest", &setup, "--accept"]);
    assert!(error.contains("reads the inputs"), "{error}");
    std::fs::remove_file(format!("{setup}/public/deployment.json")).expect("removed");
    let oracle = address(&deployed, "oracle").to_string();
    let attached = chain.json_without_key(&place, &["attach", &setup, "--oracle", &oracle]);
    assert_eq!(attached, deployed["deployment"]);
}
