//! Several proofs of several models, recorded by one transaction that pairs once.

use serde_json::Value;

use crate::common::{
    Workplace,
    local::{Local, SUBJECT, address, prove, small_setup},
};
use alloy::primitives::U256;
use verdict_contracts::bindings::InferenceOracle::{nonceOfCall, revokeModelCall};

#[test]
fn proofs_of_two_models_share_a_pairing_and_one_bad_one_fails_them_by_its_index() {
    let place = Workplace::new();
    let (credit, small) = (place.setup("logistic.onnx", &[]), small_setup(&place, "small"));
    let chain = Local::start(31_337);
    let deployed = chain.json(&place, &["deploy", &credit]);
    let of = |name: &str| deployed["deployment"][name].as_str().expect("an address").to_owned();
    let (registry, oracle) = (of("registry"), of("oracle"));
    let deploy = ["deploy", &small, "--registry", &registry, "--oracle", &oracle];
    chain.json(&place, &deploy);
    let proof = |setup: &str, id: &str, nonce: &str, name: &str| -> (String, Value) {
        let out = place.path(name);
        let input = place.path("small.json");
        std::fs::write(&input, "[-1, -0.75, 0.75]").expect("written");
        if setup == credit {
            let proof = prove(&place, setup, id, nonce, &out);
            return (out, proof);
        }
        let args = ["prove", setup, "--input", &input, "--subject", SUBJECT, "--nonce", nonce];
        let proof = place.json(&[&args[..], &["--out", &out]].concat());
        (out, proof)
    };
    // First scores of both, one by one, to know what they take.
    let (one, _) = proof(&credit, "A01", "1", "one.json");
    let (two, _) = proof(&small, "", "1", "two.json");
    chain.json(&place, &["submit", &credit, &one]);
    chain.json(&place, &["submit", &small, &two]);
    let (one, _) = proof(&credit, "A02", "2", "three.json");
    let (two, _) = proof(&small, "", "2", "four.json");
    let alone =
        |setup: &str, path: &str| chain.json(&place, &["submit", setup, path])["gas"].clone();
    let sum =
        alone(&credit, &one).as_u64().expect("gas") + alone(&small, &two).as_u64().expect("gas");

    let (one, first) = proof(&credit, "A03", "3", "five.json");
    let (two, second) = proof(&small, "", "3", "six.json");
    let sent = chain.sent();
    let together = ["submit", &credit, &one, "--with", &small, &two];
    let submitted = chain.json(&place, &together);
    assert_eq!(chain.sent() - sent, 1);
    let records = submitted["records"].as_array().expect("records");
    for (record, proof) in records.iter().zip([&first, &second]) {
        assert_eq!(record["score"], proof["decoded"][0]);
        assert_eq!((&record["nonce"], &record["record"]["subject"]), (&3.into(), &SUBJECT.into()));
    }
    let gas = submitted["gas"].as_u64().expect("gas");
    println!("{gas} gas together, {sum} one by one");
    assert!(gas + 90_000 <= sum, "{gas} together, {sum} one by one");
    // Once more: nothing is sent. With one that is new, only that is.
    chain.json(&place, &together);
    assert_eq!(chain.sent() - sent, 1);

    // One that cannot be recorded fails both, by its index.
    let (one, _) = proof(&credit, "A04", "4", "seven.json");
    let (two, _) = proof(&small, "", "4", "eight.json");
    let text = std::fs::read_to_string(&two).expect("a proof");
    let mut bundle: Value = serde_json::from_str(&text).expect("JSON");
    let evm = bundle["evm_proof"].as_str().expect("hex").to_owned();
    let flipped = if evm.ends_with('0') { '1' } else { '0' };
    bundle["evm_proof"] = format!("{}{flipped}", &evm[..evm.len() - 1]).into();
    std::fs::write(&two, bundle.to_string()).expect("written");
    let error = chain.fails_with(6, &place, &["submit", &credit, &one, "--with", &small, &two]);
    assert!(!error.is_empty());
    std::fs::write(&two, text).expect("written");
    chain.send(address(&deployed, "oracle"), &revokeModelCall { modelId: U256::from(2) });
    let error = chain.fails_with(3, &place, &["submit", &credit, &one, "--with", &small, &two]);
    assert!(error.contains("InferenceRefused(index: 1"), "{error}");
    let call = nonceOfCall { subject: SUBJECT.parse().expect("one"), modelId: U256::from(1) };
    let nonce: u64 = chain.call(address(&deployed, "oracle"), &call).to();
    assert_eq!(nonce, 3, "the good one is not recorded either");

    // Two oracles are two transactions.
    let other = chain.of_another_key();
    let elsewhere = small_setup(&place, "elsewhere");
    other.json(&place, &["deploy", &elsewhere]);
    let (three, _) = proof(&elsewhere, "", "1", "nine.json");
    let error = chain.failure(&place, &["submit", &credit, &one, "--with", &elsewhere, &three]);
    assert!(error.contains("one transaction is one oracle's"), "{error}");
}
