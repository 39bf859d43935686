//! Makes a proof.

use std::sync::Arc;

use halo2_proofs::{
    plonk::create_proof,
    poly::kzg::{
        commitment::{KZGCommitmentScheme, ParamsKZG},
        multiopen::ProverSHPLONK,
    },
    transcript::TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr};
use rand::{CryptoRng, RngCore};
use thiserror::Error;

use crate::{
    circuit::{DenseCircuit, Witness},
    keys::Keys,
    network::NetworkError,
    transcript::{KeccakTranscript, from_be_bytes},
};

/// A proof and what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The proof, points and scalars big-endian.
    pub bytes: Vec<u8>,
    /// Context, public inputs, outputs.
    pub instances: Vec<Fr>,
    /// The output words, the last instances as integers.
    pub outputs: Vec<i64>,
}

/// Why no proof was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The inputs do not fit the network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The context is not a field element.
    #[error("the context is not below the scalar field's modulus")]
    Context,
    /// halo2 failed.
    #[error("proving failed: {0}")]
    Halo2(#[from] halo2_proofs::plonk::Error),
}

/// Proves that the network gives its outputs on `inputs` (integers, see
/// [`crate::quantize::InputSchema::encode`]), bound to `context`, 32 big-endian bytes.
pub fn prove(
    params: &ParamsKZG<Bn256>,
    keys: &Keys,
    inputs: &[i64],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let context = from_be_bytes(context).ok_or(ProveError::Context)?;
    let witness = Arc::new(Witness::new(&keys.layout, &keys.network, inputs, context)?);
    let outputs = keys.network.run(inputs)?.values.pop().unwrap_or_default();
    let circuit = DenseCircuit::with_witness(keys.layout.clone(), witness.clone());
    let mut transcript = KeccakTranscript::new(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        params,
        &keys.proving,
        &[circuit],
        &[&[&witness.instances]],
        rng,
        &mut transcript,
    )?;
    let instances = witness.instances.clone();
    Ok(Proof { bytes: transcript.finalize(), instances, outputs })
}
