//! What the prover, the verifiers and the verifier generator of Verdict share.
//!
//! [`transcript`] is the Keccak-256 transcript, [`protocol`] says what a proof of a
//! constraint system commits to, draws and opens, in which order; [`expression`] holds
//! its gates as one graph. [`key`] is the verifying key, [`blinding`] hides a
//! model in it, [`verify`] checks proofs. [`field`] is arithmetic on lists of scalars.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod blinding;
pub mod expression;
pub mod field;
pub mod key;
pub mod protocol;
pub mod transcript;
pub mod verify;
