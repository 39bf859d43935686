//! All that checking proofs of a circuit takes, as one file: its protocol, its key, the
//! reference string's τ·G2, the number of public values.
//!
//! Whoever reads it needs neither the model nor the prover that made the constraint system. A
//! key is written as one such file, byte for byte; of all that is read, only the number of unusable
//! rows may differ, which names nothing and decides nothing. Numbers are big-endian, `u32` unless said otherwise; a
//! list is its length and its elements; a rotation is an `i32`:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `vdctkey1` |
//! | | fixed columns, degree and pieces of the quotient, unusable rows |
//! | 1 | whether there are instances |
//! | | queries: of advice columns and of fixed ones (column, rotation), of instances (rotation) |
//! | | phases: columns, groups, challenges |
//! | | the key's groups; a group is its columns (1 byte of kind, index, turn if fixed), its rotations |
//! | | secret columns; those that gates read, each with its factor's node |
//! | | nodes of the gates: 1 byte of kind, then index, constant (32 bytes) or children |
//! | | nodes of the constraints |
//! | | k, number of public values |
//! | 128 | τ·G2, as the pairing precompile takes it |
//! | | commitments to the key's groups, then to the secret columns, 64 bytes each |
//!
//! The reader trusts nothing: what it returns has only indices that exist, and the ids that
//! name shape and key are computed from it. A file that someone altered has other ids, or does
//! not read, unless the number of unusable rows is all that was altered: who compares files does so
//! by their hash, which a manifest has.

mod error;
mod read;
mod reader;
mod write;

use halo2curves::bn256::{Fr, G2Affine};

pub use self::error::PortableError;
use crate::{
    contract::{ContractError, ProofError, key_hash, key_payload, verify_evm_proof},
    key::VerifyingKey,
    srs,
};

/// How a file begins.
pub const MAGIC: &[u8; 8] = b"vdctkey1";
/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// All that checking proofs of a circuit takes.
#[derive(Debug, Clone)]
pub struct PortableKey {
    key: VerifyingKey,
    tau_g2: G2Affine,
    num_instances: usize,
    key_hash: [u8; 32],
}

impl PortableKey {
    /// A key for `num_instances` public values, with the reference string's τ·G2.
    ///
    /// # Errors
    /// No contract could hold the key: the public values do not fit its rows, rotations
    /// coincide, τ·G2 is the point at infinity.
    pub fn new(
        key: VerifyingKey,
        tau_g2: G2Affine,
        num_instances: usize,
    ) -> Result<Self, ContractError> {
        let payload = key_payload(&key, G2Affine::generator(), tau_g2, num_instances)?;
        Ok(Self { key, tau_g2, num_instances, key_hash: key_hash(&payload) })
    }

    /// The verifying key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The number of public values of a proof.
    pub fn num_instances(&self) -> usize {
        self.num_instances
    }

    /// EXTCODEHASH of the key contract. It binds all that a verdict depends on.
    pub fn key_hash(&self) -> [u8; 32] {
        self.key_hash
    }

    /// The id of the circuit's shape.
    pub fn shape_id(&self) -> [u8; 32] {
        self.key.protocol().shape_id()
    }

    /// The fingerprint of the reference string.
    pub fn srs_fingerprint(&self) -> [u8; 32] {
        srs::fingerprint(&self.tau_g2)
    }

    /// Whether the reference string is the perpetual powers of tau.
    pub fn of_ceremony(&self) -> bool {
        self.tau_g2 == srs::ceremony_tau_g2()
    }

    /// Bytes of a proof in the form that contracts take.
    pub fn evm_proof_length(&self) -> usize {
        self.key.protocol().proof_length() + 32
    }

    /// The contract's verdict on a proof in its form.
    ///
    /// # Errors
    /// Says why the proof is refused.
    pub fn verify(&self, instances: &[Fr], evm_proof: &[u8]) -> Result<(), ProofError> {
        verify_evm_proof(&self.tau_g2, &self.key, self.num_instances, instances, evm_proof)
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::write(self)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`PortableError`] with the place.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PortableError> {
        read::read(bytes)
    }
}
