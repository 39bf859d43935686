//! What can be wrong with a constraint system, a key or a proof.

use verdict_kzg::{key::KeyError, protocol::ProtocolError, verify::VerifyError};

/// Why no verifier, key or proof bytes could be made.
#[derive(Debug, thiserror::Error)]
pub enum CodegenError {
    /// The constraint system is not one that can be verified.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The verifying key is not one of the constraint system.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Two rotations meet at one row of a circuit this small.
    #[error("rotations {first} and {second} coincide modulo 2^{k} rows: use a larger k")]
    CoincidingRotations {
        /// One rotation.
        first: i32,
        /// The other.
        second: i32,
        /// Logarithm of the number of rows.
        k: u32,
    },
    /// The instances do not fit the usable rows.
    #[error("{given} instances do not fit the {usable} usable rows: use a larger k")]
    TooManyInstances {
        /// Number of instances asked for.
        given: usize,
        /// Rows that are not blinded.
        usable: usize,
    },
    /// Instances for a circuit without an instance column.
    #[error("the circuit has no instance column, but {0} instances were given")]
    UnexpectedInstances(usize),
    /// A point at infinity where the pairing would accept anything.
    #[error("the {0} of the structured reference string is the point at infinity")]
    IdentityPoint(&'static str),
    /// A proof that is too short, too long, or not made of points and scalars.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The template engine failed.
    #[error("rendering the verifier failed: {0}")]
    Render(#[from] askama::Error),
}

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The proof is malformed or does not hold.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// Not as many instances as the key was made for.
    #[error("invalid instance count: expected {expected}, got {got}")]
    InstanceCount {
        /// By the key.
        expected: usize,
        /// Given.
        got: usize,
    },
    /// The inverse hint is not the inverse of the denominators.
    #[error("the inverse hint at the end of the proof is wrong")]
    Inverse,
    /// The constraint system itself is not supported.
    #[error("the circuit has no generated verifier: {0}")]
    Circuit(String),
}
