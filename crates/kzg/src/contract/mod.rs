//! What a generated verifier takes: a key as words, and a proof with the inverse of all that it
//! divides by.
//!
//! The words of a key are the code of a data contract, behind a zero byte; its hash is the key's
//! name on chain. [`verify_evm_proof`] gives the contract's verdict.

mod error;
mod key;
mod proof;

pub use self::{
    error::{ContractError, ProofError},
    key::{KeyWord, check_instances, key_code, key_hash, key_payload, key_words, weight_class},
    proof::{evm_proof, opening_points, verify_evm_proof},
};
