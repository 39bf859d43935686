//! What can be wrong with a constraint system, a key or a proof.

use verdict_kzg::{
    contract::{ContractError, ProofError},
    key::KeyError,
    protocol::ProtocolError,
};

/// Why no verifier, key or proof bytes could be made.
#[derive(Debug, thiserror::Error)]
pub enum CodegenError {
    /// The constraint system is not one that can be verified.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The verifying key is not one of the constraint system.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key has no contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A proof that is too short, too long, or not made of points and scalars.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The template engine failed.
    #[error("rendering the verifier failed: {0}")]
    Render(#[from] askama::Error),
}
