//! Proof bundles as files: what is read back, and what is refused.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, Bytes, I256, U256};
use alloy_sol_types::{SolCall, SolValue};
use proptest::prelude::*;
use verdict_contracts::bindings::InferenceOracle::verifyInferenceCall;
use verdict_contracts::{
    BundleError, CalldataError, FORMAT, InferenceRequest, ModelRef, ProofBundle, SrsRef, VERSION,
    batch_commitment, context_word, idempotency_key, inputs_hash, verify_inference_calldata,
};

fn word(value: u64) -> B256 {
    B256::from(U256::from(value))
}

/// Two public inputs and two outputs, of which the smallest possible is -10.
fn bundle() -> ProofBundle {
    let inputs = [word(3), word(4)];
    let request = InferenceRequest {
        chain_id: 31337,
        oracle: Address::repeat_byte(0xaa),
        model_id: 4,
        verification_hash: word(0xdd),
        subject: Address::repeat_byte(0xbb),
        nonce: 1,
        deadline: 1_800_000_000,
        inputs: inputs_hash(&inputs),
    };
    ProofBundle {
        format: FORMAT.into(),
        version: VERSION,
        model: ModelRef {
            setup_id: B256::repeat_byte(7),
            name: "credit".into(),
            model_hash: word(1),
            shape_id: word(2),
            key_hash: word(3),
        },
        instances: vec![request.context().into(), inputs[0], inputs[1], word(5), word(1_000_010)],
        outputs: vec![-5, 1_000_000],
        decimals: 6,
        decoded: vec![-0.000005, 1.0],
        proof: Bytes::from(vec![7; 64]),
        evm_proof: Bytes::from([vec![7; 64], vec![8; 32]].concat()),
        srs: SrsRef { fingerprint: word(9), insecure: true },
        input_commitment: Some(request.commitment()),
        request: Some(request),
        requests: vec![],
    }
}

fn field_of(bundle: &ProofBundle) -> &'static str {
    match bundle.validate() {
        Err(BundleError::Field { field, .. }) => field,
        other => panic!("expected a field error, got {other:?}"),
    }
}

#[test]
fn a_bundle_is_read_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.json");
    let json = bundle().to_json().unwrap();
    fs::write(&path, &json).unwrap();
    assert_eq!(ProofBundle::read(&path).unwrap(), bundle());
    assert!(String::from_utf8(json).unwrap().contains("\"1000000\""));
    let bad = ProofBundle { version: VERSION + 1, ..bundle() };
    assert!(bad.to_json().is_err());
}

#[test]
fn a_missing_file_is_named_in_the_error() {
    let error = ProofBundle::read(Path::new("no-such-bundle.json")).unwrap_err();
    assert!(error.to_string().contains("no-such-bundle.json"), "{error}");
}

#[test]
fn other_files_are_not_taken_for_bundles() {
    let json = |text: &str| ProofBundle::from_json(text.as_bytes());
    assert!(matches!(json(""), Err(BundleError::Json(_))));
    assert!(matches!(json("[1, 2]"), Err(BundleError::Json(_)) | Err(BundleError::Format { .. })));
    assert!(matches!(json("{}"), Err(BundleError::Format { .. })));
    assert!(matches!(json(r#"{"format": "ezkl"}"#), Err(BundleError::Format { .. })));
    assert!(matches!(
        json(r#"{"format": "verdict-proof", "version": 9}"#),
        Err(BundleError::Version { found: 9, .. })
    ));
    assert!(matches!(
        json(r#"{"format": "verdict-proof", "version": 2}"#),
        Err(BundleError::Json(_))
    ));
    let huge = vec![b' '; 16 * 1024 * 1024 + 1];
    assert!(matches!(ProofBundle::from_json(&huge), Err(BundleError::TooLarge { .. })));
}

#[test]
fn unknown_fields_and_lax_numbers_are_refused() {
    let text = String::from_utf8(bundle().to_json().unwrap()).unwrap();
    for (from, to) in [
        ("\"decimals\"", "\"surplus\": 1, \"decimals\""),
        ("\"1000000\"", "\"+1000000\""),
        ("\"1000000\"", "\"01000000\""),
        ("\"1000000\"", "\"1e6\""),
        ("\"1000000\"", "1000000"),
        ("\"nonce\": 1", "\"nonce\": -1"),
        ("\"nonce\": 1", "\"nonce\": 18446744073709551616"),
        ("\"insecure\": true", "\"insecure\": 1"),
        ("0x0707", "0xzz07"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} is in the bundle");
        assert!(
            matches!(ProofBundle::from_json(changed.as_bytes()), Err(BundleError::Json(_))),
            "{to}"
        );
    }
}

#[test]
fn fields_that_disagree_are_named() {
    let good = bundle();
    good.validate().unwrap();
    let change = |change: &dyn Fn(&mut ProofBundle)| {
        let mut bundle = bundle();
        change(&mut bundle);
        field_of(&bundle)
    };
    assert_eq!(change(&|b| b.proof = Bytes::new()), "proof");
    assert_eq!(change(&|b| b.proof = Bytes::from(vec![7; 65])), "proof");
    assert_eq!(change(&|b| b.proof = Bytes::from(vec![6; 64])), "evm_proof");
    assert_eq!(change(&|b| b.outputs.clear()), "instances");
    assert_eq!(change(&|b| b.outputs = vec![0; 5]), "instances");
    assert_eq!(change(&|b| b.instances.clear()), "instances");
    assert_eq!(change(&|b| b.outputs[1] += 1), "outputs");
    assert_eq!(change(&|b| b.outputs[0] = i128::MIN), "outputs");
    assert_eq!(change(&|b| b.instances[4] = B256::repeat_byte(0xff)), "instances");
    assert_eq!(change(&|b| b.decoded[0] = 0.5), "decoded");
    assert_eq!(change(&|b| b.decoded[0] = f64::NAN), "decoded");
    assert_eq!(change(&|b| b.decoded.clear()), "decoded");
    assert_eq!(change(&|b| b.decimals = 19), "decimals");
    assert_eq!(change(&|b| b.model.name = "x".repeat(257)), "model.name");
    assert_eq!(change(&|b| b.request = None), "request");
    assert_eq!(change(&|b| b.input_commitment = None), "request");
    assert_eq!(change(&|b| b.input_commitment = Some(word(1))), "input_commitment");
    assert_eq!(change(&|b| b.request.as_mut().unwrap().nonce = 2), "input_commitment");
    assert_eq!(change(&|b| b.request.as_mut().unwrap().model_id = 5), "input_commitment");
    assert_eq!(
        change(&|b| b.request.as_mut().unwrap().verification_hash = word(1)),
        "input_commitment"
    );
    assert_eq!(change(&|b| b.instances[1] = word(99)), "request.inputs");
    assert_eq!(change(&|b| b.instances[0] = word(99)), "instances");
}

#[test]
fn calldata_is_the_canonical_encoding_of_the_bundle() {
    let bundle = bundle();
    let data = verify_inference_calldata(&bundle).unwrap();
    let call = verifyInferenceCall::abi_decode_validate(&data).unwrap();
    assert_eq!(call.abi_encode(), data.to_vec(), "nothing but the canonical encoding");
    assert_eq!(call.modelId, U256::from(4));
    assert_eq!(Some(call.inputCommitment), bundle.input_commitment);

    let values = Vec::<I256>::abi_decode_validate(&call.output).unwrap();
    assert_eq!(values, [I256::try_from(-5).unwrap(), I256::try_from(1_000_000).unwrap()]);
    assert_eq!(call.output[..32], word(32).0);

    type Proof = (Address, U256, u64, Vec<U256>, Bytes);
    let proof = Proof::abi_decode_params_validate(&call.proof).unwrap();
    let inputs = vec![U256::from(3), U256::from(4)];
    let request = bundle.request.unwrap();
    assert_eq!(proof, (request.subject, U256::from(1), request.deadline, inputs, bundle.evm_proof));
    assert_eq!(call.proof[96..128], word(0xa0).0);
    assert_eq!(call.proof[128..160], word(0xc0 + 2 * 32).0);
}

/// The bundle as one of a batch of two, each of one input word and one output.
fn batch() -> ProofBundle {
    let base = bundle();
    let request = |index: usize| InferenceRequest {
        nonce: index as u64,
        inputs: inputs_hash(&base.instances[1 + index..2 + index]),
        ..base.request.clone().unwrap()
    };
    let requests = vec![request(0), request(1)];
    let commitment = batch_commitment(&requests);
    let mut instances = base.instances.clone();
    instances[0] = context_word(commitment).into();
    let input_commitment = Some(commitment);
    ProofBundle { instances, requests, request: None, input_commitment, ..base }
}

#[test]
fn a_batch_is_bound_to_its_list_of_requests() {
    let good = batch();
    good.validate().unwrap();
    let json = good.to_json().unwrap();
    assert_eq!(ProofBundle::from_json(&json).unwrap(), good);
    verify_inference_calldata(&good).unwrap();
    let field = |change: fn(&mut ProofBundle)| {
        let mut bundle = batch();
        change(&mut bundle);
        field_of(&bundle)
    };
    assert_eq!(field(|bundle| bundle.requests.swap(0, 1)), "input_commitment");
    assert_eq!(field(|bundle| bundle.requests[1].nonce = 9), "input_commitment");
    assert_eq!(field(|bundle| bundle.instances[0] = word(1)), "instances");
    assert_eq!(field(|bundle| bundle.instances.swap(1, 2)), "request.inputs");
    assert_eq!(field(|bundle| bundle.input_commitment = None), "request");
    assert_eq!(field(|bundle| bundle.request = Some(bundle.requests[0].clone())), "requests");
    assert_eq!(field(|bundle| bundle.requests.truncate(1)), "requests");
    // As many requests as do not divide what is stated.
    let mut three = batch();
    three.requests.push(three.requests[0].clone());
    three.input_commitment = Some(batch_commitment(&three.requests));
    assert_eq!(field_of(&three), "requests");
}

#[test]
fn only_a_proof_of_a_request_becomes_calldata() {
    let offline = ProofBundle { request: None, input_commitment: None, ..bundle() };
    assert!(matches!(verify_inference_calldata(&offline), Err(CalldataError::NoRequest)));
    let mut large = bundle();
    large.outputs = vec![-5 + (1 << 70), (1 << 70) + 1_000_000];
    large.decoded = large.outputs.iter().map(|&value| value as f64 / 1e6).collect();
    assert!(matches!(
        verify_inference_calldata(&large),
        Err(CalldataError::OutputTooLarge { index: 0, .. })
    ));
}

#[test]
fn idempotency_keys_differ_in_every_part() {
    let (oracle, model, commitment) = (Address::repeat_byte(1), U256::from(1), word(1));
    let keys = [
        idempotency_key(1, oracle, model, commitment),
        idempotency_key(2, oracle, model, commitment),
        idempotency_key(1, Address::repeat_byte(2), model, commitment),
        idempotency_key(1, oracle, U256::from(2), commitment),
        idempotency_key(1, oracle, model, word(2)),
    ];
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(keys[0], idempotency_key(1, oracle, model, commitment));
}

proptest! {
    #[test]
    fn no_damage_to_a_bundle_makes_reading_panic(at in 0usize..2000, byte: u8, cut in 0usize..2000) {
        let mut bytes = bundle().to_json().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = ProofBundle::from_json(&bytes);
        bytes.truncate(cut.min(bytes.len()));
        let _ = ProofBundle::from_json(&bytes);
    }
}
