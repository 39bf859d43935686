//! The Rust side of Verdict's chain boundary.
//!
//! Everything that crosses between the programs and the contracts is defined here, once: the
//! contracts' bindings ([`bindings`]), the request a proof answers ([`InferenceRequest`]), the
//! proof as a file ([`ProofBundle`]), the calldata that carries it ([`calldata`]), the contracts'
//! errors in words ([`decode_revert`]) and the bytecode to deploy ([`deploy`], [`artifacts`]).
//!
//! The crate only encodes and decodes. It talks to no network and links no proof system, so that
//! the relayer can use it alone. Nothing here panics on data from outside: files and calldata fail
//! with a [`BundleError`] or [`CalldataError`], and revert data that no contract of ours could have
//! produced becomes [`Revert::Unknown`].

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod artifacts;
pub mod attestation;
pub mod bindings;
mod bundle;
pub mod calldata;
pub mod deploy;
mod error;
mod public_values;
mod request;
mod revert;

pub use bundle::{
    FORMAT, MAX_BUNDLE_BYTES, MAX_INSTANCES, MAX_PROOF_BYTES, ModelRef, ProofBundle, SrsRef,
    VERSION,
};
pub use calldata::{idempotency_key, verify_inference_calldata};
pub use error::{AttestationError, BundleError, CalldataError, DeployError};
pub use public_values::{Parts, PublicValues, of_inference};
pub use request::{
    BATCH_DOMAIN, DOMAIN, InferenceRequest, MAX_NONCE_STEP, MAX_REQUEST_LIFETIME, PROOF_SYSTEM_ID,
    PROOF_SYSTEM_NAME, batch_commitment, context_word, input_commitment, inputs_hash,
    verification_hash,
};
pub use revert::{Revert, decode_revert};
