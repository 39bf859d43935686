//! Why a model has no plan.

use thiserror::Error;
use verdict_kzg::protocol::ProtocolError;

use crate::{circuit::LayoutError, quantize::QuantizeError, shape::ShapeError};

/// Why no shape was found.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Quantization fails for every candidate; this is the last failure.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The model has too many rows in every candidate.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The shape asked for is not supported.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The shape has no proofs that could be verified.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No candidate is precise enough.
    #[error(
        "the smallest error against the float model is {best:.1e}, above the target {target:.1e}; {}",
        remedy(behind)
    )]
    Imprecise {
        /// Smallest measured error.
        best: f64,
        /// The target.
        target: f64,
        /// The nodes that make what trees compare, of which the circuit's rounding decides.
        behind: Vec<String>,
    },
    /// Rounding to the decimals asked for is more than the error allowed.
    #[error(
        "outputs of {decimals} decimals are rounded by up to {rounding:.1e}, more than the target \
         {target:.1e}; ask for more decimals or accept a larger error"
    )]
    Decimals {
        /// The decimals.
        decimals: u32,
        /// Half a unit of the last.
        rounding: f64,
        /// The target.
        target: f64,
    },
    /// The error target is not a positive number.
    #[error("the error target is {target}, must be a positive number")]
    Target {
        /// The target given.
        target: f64,
    },
}

/// What to do about an error that is too large, whose trees compare what these nodes make.
fn remedy(behind: &[String]) -> String {
    match behind.len() {
        0 => "narrow the input ranges or accept a larger error".into(),
        count => {
            let more = if count > 3 { format!(" and {} more", count - 3) } else { String::new() };
            format!(
                "it compares in steps what {}{more} makes, next to a threshold the circuit's rounding \
                 takes another one, and the outputs are then others: compare the inputs themselves, or \
                 accept a larger error",
                behind[..count.min(3)].join(", ")
            )
        }
    }
}
