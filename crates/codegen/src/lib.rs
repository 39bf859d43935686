//! Solidity verifiers for halo2 circuits.
//!
//! A constraint system becomes one contract ([`shape_verifier`]); a verifying key of
//! it becomes the payload of a data contract ([`key_payload`]). The contract reads
//! the key at each call, so all circuits of one shape share one verifier. A halo2
//! proof becomes the bytes the contract takes by appending one word ([`evm_proof`]);
//! [`verify_evm_proof`] gives the contract's verdict in Rust.
//!
//! ```text
//! ConstraintSystem ─ protocol ─► what is absorbed, drawn, opened ─ memory ─► map of words
//!                        │                                                   │
//!                   expression, yul (gates)                steps + template ─┴─► Solidity
//! VerifyingKey ─ key ─► payload, creation code, hash       compile ─► bytecode
//! proof ─ proof ─► EVM form, verdict                       estimate ─► gas, bytes
//! ```
//!
//! Supported are circuits whose constraints are gates: any number of advice and fixed
//! columns, rotations, phases and challenges, and up to one instance column.
//! Permutation arguments and built-in lookups are refused with a typed error. Proofs
//! are halo2's with KZG on BN254, SHPLONK and `verdict_kzg`'s Keccak transcript.
//!
//! Everything but `compile` is a pure function; `explain` runs contracts in an EVM in memory.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod compile;
mod error;
mod estimate;
pub mod explain;
mod key;
mod memory;
mod memory_page;
mod solidity;
mod steps;
mod yul;

pub use error::CodegenError;
pub use estimate::{gas_estimate, proof_length};
pub use key::key_init_code;
pub use memory::{MemoryMap, Section, Slot};
pub use memory_page::memory_page;
pub use solidity::{ShapeVerifier, shape_verifier};
pub use verdict_kzg::contract::{
    ContractError, ProofError, evm_proof, key_code, key_hash, key_payload, verify_evm_proof,
};
