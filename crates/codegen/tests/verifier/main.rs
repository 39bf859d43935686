//! Generated verifiers against real proofs, in an EVM.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod agreement;
mod harness;
mod synthetic;
