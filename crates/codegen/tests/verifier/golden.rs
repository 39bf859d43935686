//! The checked-in verifier is what the generator makes.
//!
//! Regenerate with: cargo run --release -p verdict-codegen --example golden

use std::{fs, path::Path};

use crate::harness::{compile, send};

#[path = "../../examples/golden.rs"]
#[allow(dead_code)]
mod generate;

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
