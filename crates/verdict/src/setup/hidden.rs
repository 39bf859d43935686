//! What a manifest says of a model whose weights are hidden.
//!
//! A figure that anyone can compute from the model tells a right guess of it from a wrong
//! one. The model's hash is therefore salted with what hides the weights in the key, and
//! measured figures are rounded up to a digit.

use alloy::primitives::B256;
use sha2::{Digest, Sha256};
use verdict_prover::{
    figures::coarse,
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

#[cfg(test)]
mod tests {
    use super::*;

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
