//! What can be wrong with a key or a proof on its way to a contract.

use crate::verify::VerifyError;

/// Why a key has no contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
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
    /// The circuit is too small for so many instances.
    #[error(transparent)]
    Circuit(#[from] ContractError),
}
