//! Makes a proof.

use std::{error::Error, sync::Arc};

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
use verdict_engine::{Engine, EngineError, WitnessSource};
use verdict_kzg::transcript::{KeccakTranscript, from_be_bytes};

use crate::{
    circuit::{Layout, ModelCircuit, Witness},
    integer::IntegerError,
    keys::{Halo2Key, Keys},
};

/// A proof and what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The proof, points and scalars big-endian.
    pub bytes: Vec<u8>,
    /// Context, public inputs, outputs.
    pub instances: Vec<Fr>,
    /// The output words, the last instances as integers; in a batch, each output of all
    /// inferences before the next.
    pub outputs: Vec<i64>,
}

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The inputs do not fit the model.
    #[error(transparent)]
    Inputs(#[from] IntegerError),
    /// The context is not a field element.
    #[error("the context is not below the scalar field's modulus")]
    Context,
    /// The engine failed.
    #[error("proving failed: {0}")]
    Engine(#[from] EngineError),
    /// halo2 failed.
    #[error("proving failed: {0}")]
    Halo2(#[from] halo2_proofs::plonk::Error),
}

/// Hands the advice columns to the engine, phase by phase.
struct Columns<'a> {
    layout: &'a Layout,
    witness: &'a Witness,
}

impl WitnessSource for Columns<'_> {
    fn phase(
        &mut self,
        phase: u8,
        challenges: &[Option<Fr>],
    ) -> Result<Vec<Vec<Fr>>, Box<dyn Error + Send + Sync>> {
        let known: Vec<Fr> = challenges.iter().flatten().copied().collect();
        self.witness
            .columns(self.layout, phase, &known)
            .ok_or_else(|| format!("the circuit has no phase {phase}").into())
    }
}

/// Proves that the graph gives its outputs on `inputs` (integers, see
/// [`crate::quantize::InputSchema::encode`]), bound to `context`, 32 big-endian bytes.
///
/// # Errors
/// The inputs do not fit the graph, the context is not a field element, or the engine
/// stopped.
pub fn prove(
    engine: &Engine,
    keys: &Keys,
    inputs: &[i64],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    prove_batch(engine, keys, &[inputs], &[], context, rng)
}

/// Proves the outputs on the inputs of each inference, in one proof bound to one context. Where
/// inputs are committed, each has a salt.
///
/// # Errors
/// As [`prove`]; not as many inferences as the keys are made for, or not as many salts as are
/// needed.
pub fn prove_batch(
    engine: &Engine,
    keys: &Keys,
    inputs: &[impl AsRef<[i64]>],
    salts: &[u128],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let witness = witness(keys, inputs, salts, context)?;
    let (instances, outputs) = (witness.instances.clone(), witness.outputs.clone());
    let mut columns = Columns { layout: &keys.layout, witness: &witness };
    let bytes = engine.prove(keys.verifying(), &keys.fixed, &mut columns, &instances, rng)?;
    Ok(Proof { bytes, instances, outputs })
}

/// Proves the same by halo2's own prover in halo2's own protocol, in which secret columns
/// are opened: for comparison and for tests with other people's verifiers. `pk` is
/// [`Keys::halo2`].
///
/// # Errors
/// As [`prove`].
pub fn prove_reference(
    params: &ParamsKZG<Bn256>,
    (keys, pk): (&Keys, &Halo2Key),
    inputs: &[i64],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let witness = witness(keys, &[inputs], &[], context)?;
    let (instances, outputs) = (witness.instances.clone(), witness.outputs.clone());
    let circuit = ModelCircuit::with_witness(keys.layout.clone(), witness);
    let mut transcript = KeccakTranscript::new(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        params,
        pk,
        &[circuit],
        &[&[&instances]],
        rng,
        &mut transcript,
    )?;
    Ok(Proof { bytes: transcript.finalize(), instances, outputs })
}

/// Proves the same by the engine in halo2's own protocol: what opening the secret columns
/// instead of their linearisation takes. `pk` is [`Keys::halo2`].
///
/// # Errors
/// As [`prove`].
pub fn prove_opened(
    engine: &Engine,
    (keys, pk): (&Keys, &Halo2Key),
    inputs: &[i64],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let witness = witness(keys, &[inputs], &[], context)?;
    let (instances, outputs) = (witness.instances.clone(), witness.outputs.clone());
    let mut columns = Columns { layout: &keys.layout, witness: &witness };
    let mut transcript = KeccakTranscript::new(Vec::new());
    engine.create_proof_from(pk, &mut columns, &[&instances], rng, &mut transcript)?;
    Ok(Proof { bytes: transcript.finalize(), instances, outputs })
}

fn witness(
    keys: &Keys,
    inputs: &[impl AsRef<[i64]>],
    salts: &[u128],
    context: &[u8; 32],
) -> Result<Arc<Witness>, ProveError> {
    let context = from_be_bytes(context).ok_or(ProveError::Context)?;
    Ok(Arc::new(Witness::batch(&keys.layout, &keys.graph, inputs, salts, context)?))
}
