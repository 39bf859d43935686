//! The verifier takes one encoding of its arguments and no other, and one key.

use verdict_codegen::{key_code, key_hash, key_init_code};

use crate::{
    dense::{dense, small_shape},
    harness::{Call, Outcome, compile, deploy, send, send_calldata},
};

/// Position of head word `index`.
fn head(index: usize) -> usize {
    4 + 32 * index
}

fn set(data: &mut [u8], position: usize, value: usize) {
    data[position..position + 32].fill(0);
    data[position + 24..position + 32].copy_from_slice(&(value as u64).to_be_bytes());
}

#[test]
fn encodings_that_are_not_canonical_are_refused() {
    let proven = dense(small_shape(), 4);
    let runtime = compile(&proven.verifier()).runtime;
    let call = &proven.call;
    let canonical = call.calldata();
    let outcome = |data: Vec<u8>| send_calldata(&runtime, &call.key_code, data);
    assert!(outcome(canonical.clone()).accepted());
    let refused = |name: &str, error: &str, data: Vec<u8>| {
        let outcome = outcome(data);
        assert_eq!(outcome.error(), error, "{name}: {outcome:?}");
    };
    let words = call.instances.len();
    let instances_at = head(4);
    let proof_at = instances_at + 32 * (words + 1);

    for extra in [1, 31, 32, 1000] {
        let data = [&canonical[..], &vec![0; extra][..]].concat();
        refused("trailing bytes", "NonCanonicalCalldata", data);
    }

    // The proof first, then the instances.
    let mut data = canonical[..instances_at].to_vec();
    data.extend(&canonical[proof_at..]);
    data.extend(&canonical[instances_at..proof_at]);
    set(&mut data, head(2), 0x80 + canonical.len() - proof_at);
    set(&mut data, head(3), 0x80);
    refused("tails swapped", "NonCanonicalCalldata", data);

    // A gap in front of the instances, and one in front of the proof.
    let mut data = canonical.clone();
    data.splice(instances_at..instances_at, [0; 32]);
    set(&mut data, head(2), 0xa0);
    set(&mut data, head(3), 0xc0 + 32 * words);
    refused("gap before the instances", "NonCanonicalCalldata", data);
    let mut data = canonical.clone();
    data.splice(proof_at..proof_at, [0; 32]);
    set(&mut data, head(3), 0xc0 + 32 * words);
    refused("gap before the proof", "NonCanonicalCalldata", data);

    // The instances' head at a copy behind the proof.
    let mut data = canonical.clone();
    data.extend(&canonical[instances_at..proof_at]);
    set(&mut data, head(2), canonical.len() - 4);
    refused("instances behind the proof", "NonCanonicalCalldata", data);

    // What Solidity's own decoder refuses carries no error of ours.
    let mut data = canonical.clone();
    data[head(0)] = 1;
    refused("dirty address", "no data", data);
    for index in [2, 3] {
        for value in [canonical.len(), usize::MAX] {
            let mut data = canonical.clone();
            set(&mut data, head(index), value);
            refused("offset behind the end", "no data", data);
        }
        let mut data = canonical.clone();
        data[head(index)] = 0x80;
        refused("huge offset", "no data", data);
    }
    let mut data = canonical.clone();
    set(&mut data, instances_at, usize::MAX);
    refused("huge instance count", "no data", data);
    for length in [0, 3, 4, 100, canonical.len() - 1, canonical.len() - 32] {
        let outcome = outcome(canonical[..length].to_vec());
        assert!(matches!(outcome, Outcome::Reverted(_)), "{length} bytes: {outcome:?}");
    }
}

#[test]
fn a_key_that_is_not_the_expected_one_is_refused() {
    let proven = dense(small_shape(), 4);
    let runtime = compile(&proven.verifier()).runtime;
    let payload = &proven.call.key_code[1..];
    let refused = |name: &str, key_code: Vec<u8>, key_hash: [u8; 32]| {
        let call = Call { key_code, key_hash, ..proven.call.clone() };
        let outcome = send(&runtime, &call);
        assert_eq!(outcome.error(), "InvalidKey", "{name}: {outcome:?}");
    };
    let hash = proven.call.key_hash;
    refused("no code, the key's hash", vec![], hash);
    refused("no code, hash zero", vec![], [0; 32]);
    refused("no code, hash of no code", vec![], verdict_kzg::transcript::keccak256(&[]));
    refused("cut off", key_code(&payload[..payload.len() - 32]), hash);
    refused("one byte more", key_code(&[payload, &[0]].concat()), hash);
    refused("without its STOP", payload.to_vec(), hash);
    let other_shape = dense(verdict_prover::shape::Shape { lanes: 1, ..small_shape() }, 4);
    let other = &other_shape.call;
    refused("another shape's key", other.key_code.clone(), other.key_hash);
}

#[test]
fn another_models_key_of_the_same_shape_is_refused_by_the_pairing_check_or_before() {
    let proven = dense(small_shape(), 4);
    let other = dense(small_shape(), 5);
    let runtime = compile(&proven.verifier()).runtime;
    let call = Call {
        key_code: other.call.key_code.clone(),
        key_hash: other.call.key_hash,
        ..proven.call.clone()
    };
    assert!(send(&runtime, &other.call).accepted());
    assert!(!send(&runtime, &call).accepted());
    assert!(!other.accepts(&call));
}

#[test]
fn the_keys_creation_code_deploys_its_code() {
    for length in [0, 32, 255, 256, 2_048, 20_000] {
        let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let code = deploy(&key_init_code(&payload));
        assert_eq!(code, key_code(&payload), "{length} bytes");
        assert_eq!(key_hash(&payload), verdict_kzg::transcript::keccak256(&code));
    }
}

#[test]
fn the_verifiers_creation_code_deploys_its_runtime_code() {
    let proven = dense(small_shape(), 4);
    let bytecode = compile(&proven.verifier());
    assert_eq!(deploy(&bytecode.creation), bytecode.runtime);
}
