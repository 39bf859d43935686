//! The checked-in verifier is what the generator makes.
//!
//! Regenerate with: cargo run --release -p verdict-codegen --example golden

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use revm::primitives::{B256, b256, keccak256};
use verdict_codegen::compile::{Settings, StandardInput};

use crate::harness::{compile, send, solc};

#[path = "../../examples/golden.rs"]
#[allow(dead_code)]
mod generate;

/// Of the checked-in verifier's creation code. Its CREATE2 address follows from it: a new hash is a
/// new contract for everyone, also where source and settings stayed what they were.
const CODE_HASH: B256 = b256!("b52ea1e9718e32b92e68f8182d8814e17c3140849357785af3c08cb4853fd404");

#[test]
fn the_checked_in_verifier_and_its_memory_map_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, content) in generate::files() {
        let checked_in = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(
            checked_in == content,
            "{path} is stale: cargo run --release -p verdict-codegen --example golden"
        );
    }
}

#[test]
fn the_checked_in_verifier_accepts_a_proof() {
    let proven = crate::dense::dense(generate::shape(), 4);
    let bytecode = compile(&generate::verifier());
    assert!(send(&bytecode.runtime, &proven.call).accepted());
}

#[test]
fn the_checked_in_verifier_compiles_to_the_code_it_always_did() {
    assert_eq!(keccak256(compile(&generate::verifier()).creation), CODE_HASH);
}

#[test]
fn the_input_for_block_explorers_makes_the_same_code_by_solc_alone() {
    let verifier = generate::verifier();
    let input = StandardInput::new(&verifier.source, Settings::default());
    let mut child = Command::new(solc().path())
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.to_json().as_bytes()).expect("it is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends").stdout;
    let output: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
    let evm = &output["contracts"]["Verifier.sol"][&verifier.contract_name]["evm"];
    let compiled = compile(&verifier);
    assert_eq!(evm["bytecode"]["object"], hex::encode(compiled.creation));
    assert_eq!(evm["deployedBytecode"]["object"], hex::encode(compiled.runtime));
    assert_eq!(evm["deployedBytecode"]["sourceMap"], compiled.source_map);
}
