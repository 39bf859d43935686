//! Prover, generator, relayer and contracts on a local chain, one file a story.

#[path = "../crates/cli/tests/common/mod.rs"]
mod common;

mod attested_input;
mod inputs_on_chain;
