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
        "the smallest error against the float model is {}, above the target {}; {}",
        apart(*best, *target)[0], apart(*best, *target)[1], remedy(behind, *ordered)
    )]
    Imprecise {
        /// Smallest measured error.
        best: f64,
        /// The target.
        target: f64,
        /// The nodes that make what trees compare, of which the circuit's rounding decides.
        behind: Vec<String>,
        /// Whether values are chosen by their order, as neighbours are by their distances.
        ordered: bool,
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

/// Two different numbers with as many digits as show that they are.
fn apart(a: f64, b: f64) -> [String; 2] {
    let with = |digits: usize| [a, b].map(|number| format!("{number:.digits$e}"));
    let different = (1..16).map(with).find(|[a, b]| a != b);
    different.unwrap_or_else(|| with(1))
}

/// What to do about an error that is too large, whose trees compare what these nodes make.
fn remedy(behind: &[String], ordered: bool) -> String {
    match behind.len() {
        0 if ordered => {
            "neighbours change places where their distances are closer than the circuit tells apart: \
             fewer decimals or narrower ranges tell them apart, or accept a larger error"
                .into()
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_above_its_target_is_another_number() {
        let error = |best, ordered| {
            PlanError::Imprecise { best, target: 1.0, behind: vec![], ordered }.to_string()
        };
        let text = error(1.000_03, false);
        assert!(text.contains("is 1.00003e0, above the target 1.00000e0; narrow"), "{text}");
        assert!(error(2.5, true).contains("is 2.5e0, above the target 1.0e0; neighbours"));
    }
}
