//! Checks a proof.

use halo2_proofs::{
    plonk::{VerifyingKey as Halo2Key, verify_proof},
    poly::kzg::{
        commitment::{KZGCommitmentScheme, ParamsKZG},
        multiopen::VerifierSHPLONK,
        strategy::SingleStrategy,
    },
};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use thiserror::Error;
use verdict_kzg::{key::VerifyingKey, transcript::KeccakTranscript};

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
    /// The proof does not hold.
    #[error(transparent)]
    Invalid(#[from] verdict_kzg::verify::VerifyError),
}

/// Checks `proof` against the verifying key and the public values, of which the
/// model has `instance_count`. Instances behind them count as zeros, so their number must
/// be compared here.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify(
    tau_g2: &G2Affine,
    key: &VerifyingKey,
    instance_count: usize,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), VerifyError> {
    if instances.len() != instance_count {
        return Err(VerifyError::Instances { expected: instance_count, got: instances.len() });
    }
    Ok(verdict_kzg::verify::verify(key, tau_g2, instances, proof)?)
}

/// Checks a proof of [`prove_reference`](crate::prove::prove_reference) with halo2's
/// verifier.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify_reference(
    params: &ParamsKZG<Bn256>,
    key: &Halo2Key<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), halo2_proofs::plonk::Error> {
    let mut transcript = KeccakTranscript::new(proof);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params,
        key,
        SingleStrategy::new(params),
        &[&[instances]],
        &mut transcript,
    )
}
