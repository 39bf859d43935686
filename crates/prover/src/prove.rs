//! Makes a proof.
//!
//! Two programs can: our engine, the default, and halo2's own, the reference. Their
//! proofs verify alike.

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
    keys::Keys,
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

/// The program that makes a proof.
#[derive(Debug, Clone, Copy)]
pub enum Backend<'a> {
    /// Ours, prepared for the rows of the keys.
    Engine(&'a Engine),
    /// halo2-axiom's `create_proof`.
    Reference(&'a ParamsKZG<Bn256>),
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

/// Proves that the network gives its outputs on `inputs` (integers, see
/// [`crate::quantize::InputSchema::encode`]), bound to `context`, 32 big-endian bytes.
pub fn prove(
    backend: Backend<'_>,
    keys: &Keys,
    inputs: &[i64],
    context: &[u8; 32],
    rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let context = from_be_bytes(context).ok_or(ProveError::Context)?;
    let witness = Arc::new(Witness::new(&keys.layout, &keys.graph, inputs, context)?);
    let (instances, outputs) = (witness.instances.clone(), witness.outputs.clone());
    let mut transcript = KeccakTranscript::new(Vec::new());
    match backend {
        Backend::Engine(engine) => {
            let mut columns = Columns { layout: &keys.layout, witness: &witness };
            let public: [&[Fr]; 1] = [&instances];
            engine.create_proof_from(&keys.proving, &mut columns, &public, rng, &mut transcript)?;
        }
        Backend::Reference(params) => {
            let circuit = ModelCircuit::with_witness(keys.layout.clone(), witness);
            create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
                params,
                &keys.proving,
                &[circuit],
                &[&[&instances]],
                rng,
                &mut transcript,
            )?;
        }
    }
    Ok(Proof { bytes: transcript.finalize(), instances, outputs })
}
