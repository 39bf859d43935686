//! The bindings against the compiled contracts, and against the selectors that standards fix.

use std::collections::BTreeSet;

use alloy_primitives::{FixedBytes, fixed_bytes};
use alloy_sol_types::SolCall;
use serde_json::Value;
use verdict_contracts::artifacts::{self, Artifact};
use verdict_contracts::bindings::{
    InferenceOracle, InputSource, ModelRegistry, SignerRegistry, VerdictVerifier,
};

/// The entries of an ABI as text, without the compiler's type names.
fn entries(abi: &Value) -> BTreeSet<String> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("internalType");
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut abi = abi.clone();
    strip(&mut abi);
    let mut entries = BTreeSet::new();
    for entry in abi.as_array().expect("an ABI is a list") {
        let mut entry = entry.clone();
        if entry["type"] == "constructor" {
            // Parameter names of constructors carry an underscore in the source.
            for input in entry["inputs"].as_array_mut().expect("inputs") {
                let name = input["name"].as_str().expect("name").trim_end_matches('_').to_owned();
                input["name"] = name.into();
            }
        }
        entries.insert(entry.to_string());
    }
    entries
}

fn assert_matches(artifact: Artifact, bindings: Value) {
    let compiled: Value = serde_json::from_str(artifact.json).expect("artifact");
    let (compiled, bound) = (entries(&compiled["abi"]), entries(&bindings));
    let missing: Vec<_> = compiled.difference(&bound).collect();
    let surplus: Vec<_> = bound.difference(&compiled).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
}

#[test]
fn bindings_match_the_compiled_contracts() {
    let json = |abi| serde_json::to_value(abi).expect("json");
    assert_matches(artifacts::MODEL_REGISTRY, json(ModelRegistry::abi::contract()));
    assert_matches(artifacts::INFERENCE_ORACLE, json(InferenceOracle::abi::contract()));
    assert_matches(artifacts::SIGNER_REGISTRY, json(SignerRegistry::abi::contract()));
}

#[test]
fn a_source_of_inputs_has_what_is_asked_of_one() {
    let text = artifacts::LENDING_HISTORY_SOURCE.json;
    let compiled: Value = serde_json::from_str(text).expect("artifact");
    let bound = serde_json::to_value(InputSource::abi::contract()).expect("json");
    let missing: Vec<_> = entries(&bound).difference(&entries(&compiled["abi"])).cloned().collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn selectors_are_those_of_the_standards() {
    fn xor(selectors: &[[u8; 4]]) -> FixedBytes<4> {
        selectors.iter().fold(FixedBytes::ZERO, |id, selector| id ^ FixedBytes(*selector))
    }
    let registry = xor(&[
        ModelRegistry::registerModelCall::SELECTOR,
        ModelRegistry::updateModelCall::SELECTOR,
        ModelRegistry::deprecateModelCall::SELECTOR,
        ModelRegistry::getModelCall::SELECTOR,
    ]);
    let verifier = xor(&[
        InferenceOracle::verifyInferenceCall::SELECTOR,
        InferenceOracle::proofSystemOfCall::SELECTOR,
        InferenceOracle::registryCall::SELECTOR,
    ]);
    assert_eq!(registry, fixed_bytes!("d28519b1"));
    assert_eq!(verifier, fixed_bytes!("5df65472"));
    assert_eq!(InferenceOracle::verifyInferenceCall::SELECTOR, [0x80, 0xb1, 0x71, 0xef]);
    assert_eq!(VerdictVerifier::verifyCall::SIGNATURE, "verify(address,bytes32,uint256[],bytes)");
}

#[test]
fn every_error_of_the_generated_verifier_is_bound() {
    let template = include_str!("../../codegen/templates/verifier.sol");
    let declared: BTreeSet<String> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("error ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    let bound: BTreeSet<String> =
        VerdictVerifier::abi::contract().errors().map(|error| error.signature()).collect();
    assert!(!declared.is_empty());
    assert_eq!(bound, declared);
}
