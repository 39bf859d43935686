//! Keys and proofs of the npm package's fixtures, and what is left of them when somebody alters
//! them.

use std::{fs, path::Path};

use serde_json::Value;
use verdict_kzg::portable::{PortableError, PortableKey};

const SETUPS: [&str; 5] = ["credit", "chain", "public", "committed", "batch"];

fn file(setup: &str, name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/test/fixtures");
    fs::read(root.join(setup).join(name)).expect("a fixture")
}

/// Public values and proof of a bundle.
fn proof(setup: &str) -> (Vec<u8>, Vec<u8>) {
    let bundle: Value = serde_json::from_slice(&file(setup, "proof.json")).expect("JSON");
    let bytes = |value: &Value| {
        let text = value.as_str().and_then(|text| text.strip_prefix("0x")).expect("hexadecimal");
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    let words = bundle["instances"].as_array().expect("a list");
    (words.iter().flat_map(bytes).collect(), bytes(&bundle["evm_proof"]))
}

#[test]
fn a_key_is_what_its_file_says_and_proofs_hold_under_it() {
    for setup in SETUPS {
        let (key, (instances, proof)) = (file(setup, "verifier.bin"), proof(setup));
        assert_eq!(PortableKey::from_bytes(&key).expect("a key").to_bytes(), key);
        let told = verdict_wasm::describe(&key).expect("a key");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let manifest: Value = serde_json::from_slice(&file(setup, "manifest.json")).expect("JSON");
        assert_eq!(told["keyHash"], manifest["verifier"]["key_hash"]);
        assert_eq!(told["shapeId"], manifest["verifier"]["shape_id"]);
        assert_eq!(told["srsFingerprint"], manifest["srs"]["fingerprint"]);
        assert_eq!(told["proofBytes"], proof.len());
        assert_eq!(told["instances"], instances.len() / 32);
        verdict_wasm::verify(&key, &instances, &proof).expect("valid");
        // Not whole words, not as many, not below the modulus, another length.
        let refused = |instances: &[u8], proof: &[u8]| {
            verdict_wasm::verify(&key, instances, proof).expect_err("refused")
        };
        assert!(refused(&instances[1..], &proof).contains("not whole words"));
        assert!(refused(&instances[32..], &proof).contains("invalid instance count"));
        assert!(refused(&vec![0xff; instances.len()], &proof).contains("not below the field"));
        assert!(refused(&instances, &proof[32..]).contains("invalid proof length"));
        assert!(refused(&instances, &[]).contains("invalid proof length"));
    }
}

#[test]
fn every_truncation_is_refused_and_so_are_bytes_behind_the_end() {
    for setup in SETUPS {
        let key = file(setup, "verifier.bin");
        for length in 0..key.len() {
            PortableKey::from_bytes(&key[..length]).expect_err("too short");
        }
        let longer = [&key[..], &[0]].concat();
        assert!(matches!(PortableKey::from_bytes(&longer), Err(PortableError::Trailing(1))));
    }
}

/// Whoever alters a byte gets an error, or a key of another name, or one that differs in nothing
/// that a verdict depends on.
#[test]
fn a_key_with_any_byte_altered_is_refused_or_has_another_name() {
    for setup in SETUPS {
        let (key, (instances, proof)) = (file(setup, "verifier.bin"), proof(setup));
        let honest = PortableKey::from_bytes(&key).expect("a key");
        let (mut read, mut same) = (0, 0);
        for at in 0..key.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut altered = key.clone();
                altered[at] ^= flip;
                let Ok(other) = PortableKey::from_bytes(&altered) else { continue };
                read += 1;
                // One key, one file.
                assert_eq!(other.to_bytes(), altered, "{setup}, byte {at}");
                if other.key_hash() != honest.key_hash() {
                    continue;
                }
                same += 1;
                assert!(verdict_wasm::verify(&altered, &instances, &proof).is_ok());
                let mut wrong = proof.clone();
                wrong[100] ^= 1;
                assert!(verdict_wasm::verify(&altered, &instances, &wrong).is_err());
            }
        }
        // Rows that are not the circuit's are no part of the name: at most that one number.
        assert!(read > 0 && same <= 12, "{setup}: {read} read, {same} of the same name");
    }
}

/// Lists whose length says more than there is, and numbers out of bounds, make no list.
#[test]
fn lengths_that_lie_are_refused_before_anything_is_made() {
    let key = file("credit", "verifier.bin");
    for at in (8..key.len() - 4).filter(|at| key[*at..*at + 4].iter().all(|byte| *byte < 0x80)) {
        for lie in [u32::MAX, 1 << 12, 1 << 18, 1 << 28] {
            let mut altered = key.clone();
            altered[at..at + 4].copy_from_slice(&lie.to_be_bytes());
            if let Ok(other) = PortableKey::from_bytes(&altered) {
                assert_eq!(other.to_bytes(), altered);
            }
        }
    }
    let error = PortableKey::from_bytes(&vec![0; (16 << 20) + 1]).expect_err("too large");
    assert!(matches!(error, PortableError::TooLarge { .. }));
    assert_eq!(PortableKey::from_bytes(b"<html>").expect_err("no key"), PortableError::Magic);
}
