//! What the prover, the verifiers and the verifier generator of Verdict share.
//!
//! [`transcript`] is the Keccak-256 transcript, [`protocol`] says what a proof of a
//! constraint system commits to, draws and opens, in which order; [`expression`] holds
//! its gates as one graph. [`key`] is the verifying key, [`blinding`] hides a
//! model in it, [`verify`] checks proofs. [`contract`] is what a generated verifier takes: the
//! key's words, a proof with its inverse. [`portable`] is all that checking takes as one file.
//! [`field`] is arithmetic on scalars.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]
// What makes protocols and keys is the provers' alone.
#![cfg_attr(not(feature = "prover"), allow(dead_code))]

#[cfg(feature = "prover")]
pub mod blinding;
pub mod contract;
pub mod expression;
pub mod field;
pub mod key;
pub mod portable;
pub mod protocol;
pub mod srs;
pub mod transcript;
pub mod verify;
