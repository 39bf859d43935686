//! A prover for halo2 circuits on BN254 with KZG commitments and SHPLONK openings.
//!
//! [`Engine::prove`] follows Verdict's protocol, in which a model stays hidden and columns
//! are committed to singly or in groups; [`SrsPoints`] are what groups take.
//!
//! [`Engine::create_proof`] takes what halo2-axiom's `create_proof` takes and writes
//! the same bytes to the transcript for the same randomness, several times faster;
//! halo2's verifiers accept them. [`Engine::keygen`] makes halo2's keys.
//! [`WitnessSource`] gives advice columns without a circuit's `synthesize`.
//!
//! Data flows one way: `field` lanes carry the kernels of `msm`, `fft` and
//! `poly`; `quotient` compiles the constraints to a program over rows; `prover` runs
//! the protocol. Design, measurements and limits are in docs/engine.md.
//!
//! Not supported: built-in lookups (refused by name) and several circuits a proof.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

mod columns;
mod engine;
mod error;
mod fft;
mod field;
mod keygen;
mod limits;
mod msm;
mod options;
mod poly;
mod prover;
mod quotient;
mod self_check;
mod srs;

pub use columns::FixedColumns;
pub use engine::Engine;
pub use error::EngineError;
pub use fft::{Domain, Twiddles};
pub use field::Backend;
pub use limits::{product_nanoseconds, products_so_far};
pub use msm::{Bases, lagrange_points};
pub use options::{Control, Options, Progress, Stage};
pub use prover::{WitnessSource, create_proof};
pub use self_check::differential_trial;
pub use srs::SrsPoints;
