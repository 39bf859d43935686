//! Prover, generator, relayer and contracts on a local chain, one file a story.

#[path = "../crates/cli/tests/common/mod.rs"]
mod common;

mod attested_input;
mod batch_of_64;
mod consumers;
mod credit_score;
mod demo;
mod deployment;
mod gas;
mod inputs_on_chain;
mod jobs;
mod lying_nodes;
mod model_quality;
mod model_update;
mod records;
mod router_stop;
mod service;
mod service_nodes;
mod service_operations;
mod service_pace;
mod service_proofs;
mod service_sender;
mod service_troubles;
mod soak;
mod together;
