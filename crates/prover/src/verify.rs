//! Checks a proof.

use std::io::Read;

use halo2_proofs::{
    plonk::{VerifyingKey, verify_proof},
    poly::kzg::{
        commitment::{KZGCommitmentScheme, ParamsKZG},
        multiopen::VerifierSHPLONK,
        strategy::SingleStrategy,
    },
};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use rand::SeedableRng;
use thiserror::Error;

use verdict_kzg::transcript::KeccakTranscript;

/// Why a proof was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Too many or too few instances.
    #[error("the key takes {expected} public values, got {got}")]
    Instances {
        /// The key's number.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// The proof is longer than a proof.
    #[error("the proof has {0} bytes too many")]
    TrailingBytes(usize),
    /// The proof does not hold.
    #[error("the proof is not valid for this key and these public values: {0}")]
    Invalid(#[from] halo2_proofs::plonk::Error),
}

/// Checks `proof` against the verifying key and the public values, of which the
/// model has `instance_count`. halo2 pads instances with zeros, so their number must
/// be compared here.
pub fn verify(
    params: &ParamsKZG<Bn256>,
    key: &VerifyingKey<G1Affine>,
    instance_count: usize,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), VerifyError> {
    if instances.len() != instance_count {
        return Err(VerifyError::Instances { expected: instance_count, got: instances.len() });
    }
    let mut rest = proof;
    let mut transcript = KeccakTranscript::new(rest.by_ref());
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params,
        key,
        SingleStrategy::new(params),
        &[&[instances]],
        &mut transcript,
    )?;
    if rest.is_empty() { Ok(()) } else { Err(VerifyError::TrailingBytes(rest.len())) }
}

/// The part of an SRS that a verifier needs: the generators and τ·G2, for 2^k rows.
pub fn verifier_params(k: u32, tau_g2: G2Affine) -> ParamsKZG<Bn256> {
    // `from_parts` is a method, so some parameters must come first; none of them stays.
    let any = ParamsKZG::<Bn256>::setup(1, rand_chacha::ChaCha8Rng::seed_from_u64(0));
    any.from_parts(k, vec![G1Affine::generator()], Some(vec![]), G2Affine::generator(), tau_g2)
}
