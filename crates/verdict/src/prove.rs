//! Proving inferences.

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes, U256};
use halo2curves::bn256::Fr;
use rand::rngs::OsRng;
use thiserror::Error;
use verdict_codegen::{CodegenError, ProofError, evm_proof};
use verdict_contracts::{
    FORMAT, InferenceRequest, ModelRef, ProofBundle, SrsRef, VERSION, batch_commitment,
    context_word,
};
use verdict_engine::{Control, Engine, Options};
use verdict_kzg::transcript::to_be_bytes;
use verdict_prover::{
    keys::{self, Keys, Stored},
    prove::{Proof, prove_batch, prove_reference},
    srs::Srs,
};

use crate::{
    commitment::{CommitmentError, Salt},
    error::Error,
    request::ScoreRequest,
    setup::{PrivatePart, PublicSetup, SetupError, Weights},
    srs::bases_file,
    verify::{check_claims, check_proof, field_elements},
};

/// How a setup is opened for proving.
#[derive(Debug, Clone, Default)]
pub struct ProverOptions {
    /// The SRS. A setup with a development SRS has its own.
    pub srs: Option<PathBuf>,
    /// How the engine computes.
    pub engine: Options,
}

/// Why a proof that was made is not given out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OwnProofError {
    /// It does not verify.
    #[error(
        "the proof just made does not verify ({0}): this program or this machine computes \
         wrongly, and nothing was written"
    )]
    Invalid(#[source] ProofError),
}

/// A setup opened for proving.
#[derive(Debug)]
pub struct Prover {
    public: PublicSetup,
    srs: Option<PathBuf>,
    engine: Engine,
    keys: Keys,
}

impl Prover {
    /// Opens a setup folder with both its parts.
    ///
    /// # Errors
    /// The folder or the SRS is not what the manifest says, or the private part is
    /// missing.
    pub fn open(folder: &Path, options: ProverOptions) -> Result<Self, Error> {
        let public = PublicSetup::open(folder)?;
        let private = PrivatePart::open(&public)?;
        // The model is laid out while the SRS is read.
        let ProverOptions { srs, engine: options } = options;
        let (engine, stored) = thread::scope(|scope| {
            let stored = scope.spawn(|| stored(&public, &private));
            let engine = engine(&public, &private, srs.as_deref(), options);
            (engine, stored.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let engine = engine?;
        let keys = stored?.keys(&engine)?;
        Ok(Self { public, srs, engine, keys })
    }

    /// The public part of the setup.
    pub fn public(&self) -> &PublicSetup {
        &self.public
    }

    /// Proves one inference whose inputs are not committed and verifies the proof: what is returned is accepted by
    /// [`crate::verify`] and by the contract.
    ///
    /// # Errors
    /// The input does not fit the model or its declared ranges; the engine fails; the
    /// proof made does not verify.
    pub fn prove(
        &self,
        input: &[f64],
        request: Option<&ScoreRequest>,
    ) -> Result<ProofBundle, Error> {
        self.prove_batch(&[input], &[], request.map_or(&[], std::slice::from_ref))
    }

    /// Proves a batch of inferences in one proof and verifies it. The proof answers
    /// `requests`, one for each inference in the same order, or none; where totals are stated, one
    /// in all. Where inputs are committed, each commitment has a salt, see [`crate::salts`].
    ///
    /// # Errors
    /// As [`Self::prove`]; the setup is for another number of inferences, or there are not
    /// as many requests or salts.
    pub fn prove_batch(
        &self,
        inputs: &[impl AsRef<[f64]>],
        salts: &[Salt],
        requests: &[ScoreRequest],
    ) -> Result<ProofBundle, Error> {
        self.prove_with(&self.engine, inputs, salts, requests)
    }

    /// The same for a caller of its own, who is told about this proof alone and stops no other.
    ///
    /// # Errors
    /// As [`Self::prove_batch`]; it was stopped.
    pub fn prove_batch_controlled(
        &self,
        inputs: &[impl AsRef<[f64]>],
        salts: &[Salt],
        requests: &[ScoreRequest],
        control: &Control,
    ) -> Result<ProofBundle, Error> {
        self.prove_with(&self.engine.controlled(control), inputs, salts, requests)
    }

    fn prove_with(
        &self,
        engine: &Engine,
        inputs: &[impl AsRef<[f64]>],
        salts: &[Salt],
        requests: &[ScoreRequest],
    ) -> Result<ProofBundle, Error> {
        let (expected, got) = (inputs.len(), requests.len());
        let manifest = self.public.manifest();
        // Totals are one statement about all inferences.
        let each = if manifest.shape.totals() { inputs.len().max(1) } else { 1 };
        let expected = expected / each;
        if got != 0 && got != expected {
            return Err(Error::Requests { expected, got });
        }
        let inputs = self.encode(inputs)?;
        if salts.is_empty() && manifest.shape.committed() {
            return Err(CommitmentError::NoSalt.into());
        }
        let about = |(index, (inputs, request)): (usize, (&[Vec<i64>], &ScoreRequest))| {
            let words = manifest.words_of(inputs, salts.get(index).copied())?;
            Ok(request.about(&words))
        };
        let requests = inputs.chunks(each).zip(requests).enumerate().map(about);
        let requests = requests.collect::<Result<Vec<_>, Error>>()?;
        let context = match &requests[..] {
            [] => U256::ZERO,
            [request] => request.context(),
            requests => context_word(batch_commitment(requests)),
        };
        let salts: Vec<u128> = salts.iter().map(|salt| salt.to_integer()).collect();
        let context = context.to_be_bytes();
        let proof = prove_batch(engine, &self.keys, &inputs, &salts, &context, OsRng)?;
        self.finish(proof, requests)
    }

    /// The inputs of each inference as integers.
    fn encode(&self, inputs: &[impl AsRef<[f64]>]) -> Result<Vec<Vec<i64>>, Error> {
        let schema = &self.public.manifest().input;
        inputs.iter().map(|input| Ok(schema.encode(input.as_ref())?)).collect()
    }

    /// Time of one proof of a batch, without reading keys, verifying, or making a bundle.
    ///
    /// # Errors
    /// As [`Self::prove_batch`].
    pub fn time_proof(&self, inputs: &[impl AsRef<[f64]>]) -> Result<Duration, Error> {
        let shape = &self.public.manifest().shape;
        let salts = vec![0; if shape.committed() { shape.statements() } else { 0 }];
        let inputs = self.encode(inputs)?;
        let start = Instant::now();
        prove_batch(&self.engine, &self.keys, &inputs, &salts, &[0; 32], OsRng)?;
        Ok(start.elapsed())
    }

    /// Time of the same by halo2's own prover in halo2's own protocol, for comparison.
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub fn time_reference(&self, input: &[f64]) -> Result<Duration, Error> {
        let inputs = self.public.manifest().input.encode(input)?;
        let private = PrivatePart::open(&self.public)?;
        let srs = srs(&self.public, &private, self.srs.as_deref())?;
        let own = srs.truncated(self.public.manifest().k)?;
        let (params, pk) = (own.params(), self.keys.halo2(&self.engine)?);
        let start = Instant::now();
        prove_reference(params, (&self.keys, &pk), &inputs, &[0; 32], OsRng)?;
        Ok(start.elapsed())
    }

    /// Makes a bundle's hints those of its own public values. Tests and demonstrations
    /// make wrong proofs with it that are refused for being wrong, not for their hints.
    ///
    /// # Errors
    /// The bundle's proof is not made of points and scalars.
    pub fn renew_hints(&self, bundle: &mut ProofBundle) -> Result<(), Error> {
        let instances = field_elements(&bundle.instances)?;
        bundle.evm_proof = evm_proof(self.keys.verifying(), &instances, &bundle.proof)
            .map_err(CodegenError::from)?
            .into();
        Ok(())
    }

    /// Checks a proof just made, and bundles it.
    fn finish(
        &self,
        proof: Proof,
        mut requests: Vec<InferenceRequest>,
    ) -> Result<ProofBundle, Error> {
        let commitment = match &requests[..] {
            [] => None,
            [request] => Some(request.commitment()),
            requests => Some(batch_commitment(requests)),
        };
        let request = if requests.len() == 1 { requests.pop() } else { None };
        let words: Vec<B256> = proof.instances.iter().map(word).collect();
        let evm_proof = evm_proof(self.keys.verifying(), &proof.instances, &proof.bytes)
            .map_err(CodegenError::from)?;
        check_proof(&self.public, &proof.instances, &evm_proof).map_err(OwnProofError::Invalid)?;
        let manifest = self.public.manifest();
        let schema = &manifest.output;
        let bundle = ProofBundle {
            format: FORMAT.into(),
            version: VERSION,
            model: ModelRef {
                setup_id: self.public.id(),
                name: manifest.model.name.clone(),
                model_hash: manifest.model.hash,
                shape_id: manifest.verifier.shape_id,
                key_hash: manifest.verifier.key_hash,
            },
            instances: words,
            outputs: proof.outputs.iter().map(|word| i128::from(schema.value(*word))).collect(),
            decimals: schema.decimals as u8,
            decoded: proof.outputs.iter().map(|word| schema.decode(*word)).collect(),
            proof: Bytes::from(proof.bytes),
            evm_proof: Bytes::from(evm_proof),
            srs: SrsRef { fingerprint: manifest.srs.fingerprint, insecure: manifest.srs.insecure },
            input_commitment: commitment,
            request,
            requests,
        };
        bundle.validate()?;
        // The proof holds; what the bundle says of it is checked as any reader does.
        check_claims(&self.public, &bundle)?;
        Ok(bundle)
    }
}

/// The SRS that a setup is for.
fn srs(public: &PublicSetup, private: &PrivatePart, path: Option<&Path>) -> Result<Srs, Error> {
    let manifest = public.manifest();
    let protocol = public.key().protocol();
    let k = public.srs_k();
    // Groups of several columns have bases of their own.
    let load = |path: &Path| match protocol.max_fold() {
        1 => Srs::load(path, Some(k)),
        _ => Srs::load_powers(path, k),
    };
    let srs = match path {
        Some(path) => load(path)?,
        None if manifest.srs.insecure => load(&private.development_srs())?,
        None => {
            let fingerprint = Some(hex::encode(manifest.srs.fingerprint));
            return Err(SetupError::NoSrs { k, fingerprint }.into());
        }
    };
    manifest.check_srs(&srs)?;
    Ok(srs)
}

/// An engine for a setup's proofs.
fn engine(
    public: &PublicSetup,
    private: &PrivatePart,
    path: Option<&Path>,
    options: Options,
) -> Result<Engine, Error> {
    let srs = srs(public, private, path)?;
    let (manifest, protocol) = (public.manifest(), public.key().protocol());
    let file = bases_file(&srs, protocol, manifest.k);
    // The key's groups are committed to already.
    let (folds, file) = (protocol.proof_folds(), file.as_deref());
    Ok(keys::engine(&srs, protocol, manifest.k, &folds, file, options)?)
}

/// A setup's keys, laid out.
fn stored(public: &PublicSetup, private: &PrivatePart) -> Result<Stored, Error> {
    let manifest = public.manifest();
    let blinding = match manifest.weights {
        Weights::Hidden => Some(private.blinding()?),
        Weights::Public => None,
    };
    let (graph, key) = (private.graph()?, public.key().clone());
    Ok(Stored::new(graph, manifest.shape, blinding.as_deref(), key)?)
}

fn word(value: &Fr) -> B256 {
    B256::from(to_be_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Fixture;

    /// A proof as the kernels leave it, before it is checked.
    fn raw(prover: &Prover) -> Proof {
        let inputs = prover.encode(&[[0.5, -0.25, 0.75]]).expect("fits");
        prove_batch(&prover.engine, &prover.keys, &inputs, &[], &[0; 32], OsRng).expect("a proof")
    }

    #[test]
    fn a_proof_that_a_fault_has_spoilt_is_not_given_out() {
        let fixture = Fixture::new(false);
        let prover = fixture.prover();
        let good = raw(&prover);
        prover.finish(good.clone(), vec![]).expect("the proof holds");
        // A kernel's fault: a point that is another one, and a wrong evaluation.
        let mut points = good.clone();
        let (first, rest) = points.bytes.split_at_mut(64);
        first.copy_from_slice(&rest[..64]);
        let mut evaluation = good.clone();
        let at = evaluation.bytes.len() - 3 * 64 + 31;
        evaluation.bytes[at] ^= 1;
        // An output that the witness does not have.
        let mut output = good.clone();
        output.instances[1] += Fr::one();
        output.outputs[0] += 1;
        for faulty in [points, evaluation, output] {
            let error = prover.finish(faulty, vec![]).expect_err("a fault");
            assert!(matches!(error, Error::OwnProof(_)), "{error}");
        }
    }
}
