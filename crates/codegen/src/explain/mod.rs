//! Where the gas of a verification goes: the contract is run, and every instruction's gas is
//! put down to the line of the source that it was compiled from.
//!
//! No model and no proof are needed. What a verification costs depends on the shape, on k and
//! on the number of instances alone, so a key and a proof of random points and scalars do: all
//! that is checked before the pairing holds for them, and the pairing's answer is overruled. No
//! byte of theirs is zero; one byte in 256 of a real proof is, which makes its calldata twelve
//! gas cheaper each.

mod parts;
mod run;
mod source_map;
mod stand_in;

pub use parts::{Outline, Part};
pub use run::{CALLER, Machine, Rules, Run, Spending};
pub use stand_in::StandIn;

use crate::error::CodegenError;

/// Why gas could not be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// There is no verifier for the shape, or no key.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// A transaction was not executed as it has to be.
    #[error("the EVM did not run a verification through: {0}")]
    Evm(String),
    /// The circuit is not one that contracts can check.
    #[error("the circuit cannot be verified on chain: {0}")]
    Circuit(&'static str),
    /// The compiler's source map cannot be read.
    #[error("the compiler's source map does not fit the code: {0}")]
    SourceMap(&'static str),
}
