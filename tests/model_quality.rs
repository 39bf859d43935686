//! How good a model is, on samples that were committed to before: proven, verified, recorded.

use alloy::{
    primitives::{B256, Bytes, U256},
    sol,
};
use serde_json::{Value, json};
use verdict_contracts::ProofBundle;

use crate::common::{
    Workplace, example,
    local::{Local, SUBJECT, address, artifact},
};

sol! {
    function announce(
        address verifier,
        address key,
        bytes32 keyHash,
        uint256 commitment,
        uint64 samples,
        bool groups
    ) external returns (bytes32 id);
    function prove(bytes32 id, uint256[] totals, bytes proof) external;
    struct Figures {
        uint64 provenAt;
        uint64 samples;
        uint64 right;
        uint64[2] approved;
        uint64[2] members;
    }
    function figuresOf(bytes32 id) external view returns (Figures figures);
    function isAccurate(bytes32 id, uint256 least) external view returns (bool);
    function isEven(bytes32 id, uint256 most) external view returns (bool);
}

const MEASURED: [&str; 8] = [
    "--batch",
    "200",
    "--measure",
    "accuracy",
    "--groups",
    "--commit-inputs",
    "--optimize",
    "balanced",
];

/// What the reference scores of the example and the outcomes beside them come to: right answers,
/// and members and approvals of each group.
fn counted(model: &str) -> (u64, [u64; 2], [u64; 2]) {
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(example(name)).expect("read")).expect("JSON")
    };
    let (samples, reference) = (read("evaluation.json"), read("reference.json"));
    let samples = samples.as_array().expect("samples");
    let rows = &reference["rows"];
    let (mut right, mut members, mut approved) = (0, [0; 2], [0; 2]);
    for (index, sample) in samples.iter().enumerate() {
        assert_eq!(sample["applicant"], rows["input"][index], "the rows of the reference");
        let good = rows[model][index].as_f64().expect("a score") >= 0.5;
        right += u64::from(good == (sample["expected"] == 1));
        let group = sample["group"].as_u64().expect("a group") as usize;
        members[group] += 1;
        approved[group] += u64::from(good);
    }
    (right, members, approved)
}

#[test]
fn a_models_quality_is_proven_on_committed_samples_and_recorded_by_a_contract() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &MEASURED);
    let (samples, salted, out) =
        (example("evaluation.json"), place.path("salted.json"), place.path("proof.json"));
    let committed = place.json(&["commit", &setup, "--batch", &samples, "--out", &salted]);
    let [commitment] = &committed["commitments"].as_array().expect("one")[..] else {
        panic!("one commitment to all samples: {committed}");
    };
    let prove = ["prove", &setup, "--batch", &samples, "--commitment", &salted];
    place.json(&[&prove[..], &["--out", &out]].concat());
    let told = place.json(&["verify", &format!("{setup}/public"), &out]);

    let (right, members, approved) = counted("logistic");
    assert_eq!(told["totals_of"], 200);
    assert_eq!(told["commitment"], *commitment);
    let public = format!("{setup}/public");
    let expected = commitment.as_str().expect("a hash");
    place.json(&["verify", &public, &out, "--commitment", expected]);
    let other = B256::repeat_byte(9).to_string();
    let error = place.failure(&["verify", &public, &out, "--commitment", &other]);
    assert!(error.contains("the proof is of other samples") && error.contains(expected), "{error}");
    let figures = &told["figures"];
    assert_eq!((&figures["samples"], &figures["right"]), (&json!(200), &json!(right)));
    assert_eq!(figures["groups"]["members"], json!(members));
    assert_eq!(figures["groups"]["approved"], json!(approved));
    let bundle = ProofBundle::read(out.as_ref()).expect("a bundle");
    // The context, the commitment, four totals: no word of a sample.
    assert_eq!(bundle.instances.len(), 6);
    assert_eq!(json!(bundle.instances[1]), *commitment);

    let chain = Local::start(31_337);
    let deployed = chain.json(&place, &["deploy", &setup]);
    let at = |name: &str| address(&deployed, name);
    let key_hash: B256 = serde_json::from_value(
        serde_json::from_slice::<Value>(
            &std::fs::read(format!("{setup}/public/manifest.json")).expect("read"),
        )
        .expect("JSON")["verifier"]["key_hash"]
            .clone(),
    )
    .expect("a hash");
    let quality = chain.create(artifact("ModelQuality"));
    let announce = |commitment: B256| announceCall {
        verifier: at("verifier"),
        key: at("key"),
        keyHash: key_hash,
        commitment: U256::from_be_bytes(commitment.0),
        samples: 200,
        groups: true,
    };
    let announced = |commitment: B256| -> B256 {
        let id = chain.call(quality, &announce(commitment));
        chain.send(quality, &announce(commitment));
        id
    };
    let id = announced(bundle.instances[1]);
    let totals: Vec<U256> =
        bundle.instances[2..].iter().map(|word| U256::from_be_bytes(word.0)).collect();
    let proof = |id: B256, totals: &[U256]| proveCall {
        id,
        totals: totals.to_vec(),
        proof: Bytes::from(bundle.evm_proof.to_vec()),
    };
    // One right answer more, other groups, other samples: refused.
    for changed in 0..totals.len() {
        let mut better = totals.clone();
        better[changed] += U256::from(1);
        chain.refusal(quality, &proof(id, &better));
    }
    let other = announced(B256::repeat_byte(7));
    chain.refusal(quality, &proof(other, &totals));
    chain.send(quality, &proof(id, &totals));
    let recorded = chain.call(quality, &figuresOfCall { id });
    assert_eq!((recorded.samples, recorded.right), (200, right));
    assert_eq!((recorded.members, recorded.approved), (members, approved));
    let accurate =
        |least: u64| chain.call(quality, &isAccurateCall { id, least: U256::from(least) });
    assert_eq!((accurate(50 * right), accurate(50 * right + 1)), (true, false));
    assert!(!chain.call(quality, &isEvenCall { id, most: U256::from(1000) }));

    // The oracle takes it too, as one record about whom the request names.
    let request = ["--subject", SUBJECT, "--nonce", "1"];
    place.json(&[&prove[..], &["--out", &out], &request].concat());
    let submitted = chain.json(&place, &["submit", &setup, &out]);
    assert_eq!(
        (&submitted["nonce"], &submitted["record"]["subject"]),
        (&json!(1), &json!(SUBJECT))
    );
}

#[test]
fn a_mean_error_is_what_the_scores_are_off() {
    let place = Workplace::new();
    let measured = ["--batch", "20", "--measure", "error", "--expected", "0,1"];
    let setup = place.setup("logistic.onnx", &[&measured[..], &["--commit-inputs"]].concat());
    let samples: Value =
        serde_json::from_slice(&std::fs::read(example("evaluation.json")).expect("read"))
            .expect("JSON");
    let samples: Vec<Value> = samples.as_array().expect("samples")[..20]
        .iter()
        .map(|own| json!({"applicant": own["applicant"], "expected": own["expected"]}))
        .collect();
    let (file, salted, out) =
        (place.path("samples.json"), place.path("salted.json"), place.path("proof.json"));
    std::fs::write(&file, json!(samples).to_string()).expect("written");
    place.json(&["commit", &setup, "--batch", &file, "--out", &salted]);
    let prove = ["prove", &setup, "--batch", &file, "--commitment", &salted, "--out", &out];
    place.json(&prove);
    let told = place.json(&["verify", &setup, &out]);
    let reference: Value =
        serde_json::from_slice(&std::fs::read(example("reference.json")).expect("read"))
            .expect("JSON");
    let off = samples.iter().enumerate().map(|(index, own)| {
        let score = reference["rows"]["logistic"][index].as_f64().expect("a score");
        (score - own["expected"].as_f64().expect("0 or 1")).abs()
    });
    let mean = off.sum::<f64>() / 20.0;
    let proven = told["figures"]["mean_error"].as_f64().expect("an error");
    assert!((proven - mean).abs() < 1e-4, "{proven} is proven, {mean} it is");

    // Fewer samples are another question; so is one whose outcome was changed after committing.
    std::fs::write(&file, json!(samples[1..]).to_string()).expect("written");
    let error = place.failure(&prove);
    assert!(error.contains("20 inferences") && error.contains("19"), "{error}");
    let mut changed = samples.clone();
    changed[3]["expected"] = json!(1 - changed[3]["expected"].as_i64().expect("0 or 1"));
    std::fs::write(&file, json!(changed).to_string()).expect("written");
    let error = place.failure(&prove);
    assert!(error.contains("commitment 0 is of other inputs"), "{error}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_to_do() {
    let place = Workplace::new();
    let (model, ranges) = (example("logistic.onnx"), example("ranges.json"));
    let refused = |more: &[&str]| {
        let args = ["inspect", &model, "--ranges", &ranges];
        place.failure(&[&args[..], more].concat())
    };
    let error = refused(&["--batch", "5", "--measure", "error"]);
    assert!(error.contains("expected values of output score") && error.contains("--expected"));
    let error = refused(&["--batch", "5", "--measure", "accuracy", "--output", "label"]);
    assert!(error.contains("no output label; its outputs are score"), "{error}");
    let batch = ["--batch", "5", "--measure"];
    let error = refused(&[&batch[..], &["error", "--groups", "--expected", "0,1"]].concat());
    assert!(error.contains("approvals of groups are of classes"), "{error}");
    // What is not committed to, the prover would choose.
    let partly = [&batch[..], &["accuracy", "--commit", "applicant"]].concat();
    let args = ["inspect", &model, "--ranges", &ranges];
    place.fails_with(2, &[&args[..], &partly].concat());
    let error = refused(&[&batch[..], &["error", "--expected", "1,0"]].concat());
    assert!(error.contains("expected values from 1 to 0"), "{error}");
    let error = refused(&[&batch[..], &["accuracy", "--threshold", "nan"]].concat());
    assert!(error.contains("not a finite number") && !error.contains("--output"), "{error}");
    let error = refused(&["--batch", "5", "--totals", "--public-inputs"]);
    assert!(error.contains("inputs committed"), "{error}");
}
