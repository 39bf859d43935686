//! Generated verifiers against real proofs, in an EVM.
#![allow(missing_docs, unreachable_pub)]

mod agreement;
mod calldata;
mod combined;
mod dense;
mod golden;
mod harness;
mod mutants;
mod operators;
mod random;
mod refusals;
mod synthetic;
mod systems;
mod trees;
