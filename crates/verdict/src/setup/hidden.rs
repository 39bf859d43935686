//! What a manifest says of a model whose weights are hidden.
//!
//! A figure that anyone can compute from the model tells a right guess of it from a wrong
//! one. The model's hash is therefore salted with what hides the weights in the key, and
//! measured figures are rounded up to a digit.

use alloy::primitives::B256;
use sha2::{Digest, Sha256};
use verdict_prover::{
    onnx::crosscheck::{Difference, Reading},
    quantize::ErrorReport,
};

/// The hash of a model in manifest, bundles and registry: the SHA-256 of its file or, with
/// hidden weights, of that and a salt that only who has the blinding can compute.
pub(super) fn model_hash(file: [u8; 32], blinding: Option<&[u8]>) -> B256 {
    let Some(blinding) = blinding else { return file.into() };
    let salt = Sha256::new().chain_update("verdict.model.salt").chain_update(blinding).finalize();
    let hash = Sha256::new().chain_update("verdict.model").chain_update(salt).chain_update(file);
    B256::from_slice(&hash.finalize())
}

/// The measured error, coarse.
pub(super) fn coarse_error(error: ErrorReport) -> ErrorReport {
    ErrorReport { largest: coarse(error.largest), mean: coarse(error.mean), ..error }
}

/// The reading's figures, coarse.
pub(super) fn coarse_reading(reading: Reading) -> Reading {
    match reading {
        Reading::Checked(difference) => Reading::Checked(Difference {
            largest: coarse(difference.largest),
            of_rounding: coarse(difference.of_rounding),
            ..difference
        }),
        unchecked => unchecked,
    }
}

/// Rounds a positive number up to one significant digit.
fn coarse(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return value;
    }
    let power = value.log10().floor() as i32;
    // From its decimal form, so that it prints as it should.
    let digit = (value / 10f64.powi(power)).ceil().max(1.0);
    format!("{digit}e{power}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_up_to_a_digit() {
        for (value, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (1.000001e-5, 2e-5),
            (9.2e-5, 1e-4),
            (4.7e-3, 5e-3),
            (123.0, 200.0),
            (5e-324, 5e-324),
        ] {
            assert_eq!(coarse(value), expected, "{value}");
        }
        assert!(coarse(f64::NAN).is_nan());
    }

    #[test]
    fn a_hidden_models_hash_depends_on_its_blinding_a_public_ones_is_its_files() {
        let file = [7; 32];
        assert_eq!(model_hash(file, None), B256::from(file));
        let hashes =
            [&[1u8; 32][..], &[2; 32], &[]].map(|blinding| model_hash(file, Some(blinding)));
        assert!(hashes.iter().all(|hash| *hash != B256::from(file)));
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2]);
        assert_ne!(hashes[0], model_hash([8; 32], Some(&[1; 32])));
    }
}
