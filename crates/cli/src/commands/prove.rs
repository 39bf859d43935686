//! `verdict prove`.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{B256, Bytes, U256};
use rand::rngs::OsRng;
use verdict_codegen::evm_proof;
use verdict_contracts::{
    FORMAT, InferenceRequest, ModelRef, ProofBundle, SrsRef, VERSION, inputs_hash,
};
use verdict_engine::{Engine, Options};
use verdict_kzg::transcript::{from_be_bytes, to_be_bytes};
use verdict_prover::{
    artifact::{Manifest, VerifierInfo},
    keys::Keys,
    prove::{Backend, Proof, prove},
    srs::Srs,
};

use super::{deploy::Deployment, setup::DEVELOPMENT_SRS};
use crate::{
    args::{Prove, ProverKind, Request, SrsSource},
    failure::{Failure, Outcome},
    inputs::read_input,
    ui::{Ui, bytes, table},
};

/// A setup opened for proving.
pub(crate) struct Prover {
    pub(crate) manifest: Manifest,
    verifier: VerifierInfo,
    srs: Srs,
    engine: Engine,
    kind: ProverKind,
    keys: Keys,
}

pub(crate) fn run(args: &Prove, ui: &Ui) -> Outcome {
    let applicant = read_input(&args.input, args.id.as_deref())?;
    let mut options = args.computing.options();
    options.progress = Some(ui.stages());
    let prover =
        ui.step("read the keys", || Prover::open(&args.setup, &args.srs, args.prover, options))?;
    let request = args.request.resolve(&args.setup)?;
    let title = format!("prove the model on input {}", applicant.id);
    let bundle = ui.step(&title, || prover.prove(&applicant.input, request))?;
    bundle.write(&args.out)?;
    let human = table(&[
        ("output", outputs(&bundle)),
        ("proof", format!("{} in {}", bytes(bundle.proof.len()), args.out.display())),
        (
            "answers",
            match &bundle.request {
                Some(r) => format!(
                    "request {} about {} to oracle {} on chain {}",
                    r.nonce, r.subject, r.oracle, r.chain_id
                ),
                None => "no request: it can be verified, but not submitted".into(),
            },
        ),
    ]);
    ui.result(&bundle, &human)
}

/// A bundle's outputs for a person.
pub(crate) fn outputs(bundle: &ProofBundle) -> String {
    let number = |value: &f64| format!("{value:.*}", usize::from(bundle.decimals));
    bundle.decoded.iter().map(number).collect::<Vec<_>>().join(", ")
}

/// Seconds since 1970.
pub(crate) fn now() -> Outcome<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

impl Request {
    /// The request, its oracle and chain from the arguments or the deployment.
    fn resolve(&self, setup: &Path) -> Outcome<Option<InferenceRequest>> {
        let Some(subject) = self.subject else { return Ok(None) };
        let (chain_id, oracle) = match (self.oracle, self.chain_id) {
            (Some(oracle), Some(chain_id)) => (chain_id, oracle),
            (Some(_), None) => {
                return Err(Failure::new("--oracle needs its --chain-id too"));
            }
            _ => {
                let deployment = Deployment::read(setup)?;
                (deployment.chain_id, deployment.oracle)
            }
        };
        let deadline = now()?.saturating_add(self.valid_for);
        // The inputs' hash is filled in when the inputs are known.
        let inputs = B256::ZERO;
        Ok(Some(InferenceRequest {
            chain_id,
            oracle,
            subject,
            nonce: self.nonce,
            deadline,
            inputs,
        }))
    }
}

impl Prover {
    /// Opens a setup folder.
    pub(crate) fn open(
        folder: &Path,
        source: &SrsSource,
        kind: ProverKind,
        options: Options,
    ) -> Outcome<Self> {
        let manifest = Manifest::read(folder)?;
        let Some(verifier) = manifest.verifier.clone() else {
            return Err(Failure::new(format!("{} has no verifier", folder.display()))
                .hint("run `verdict codegen` on it"));
        };
        let srs = match &source.srs {
            Some(path) => Srs::load(path, Some(manifest.k))?,
            None if manifest.srs.insecure => {
                Srs::load(folder.join(DEVELOPMENT_SRS), Some(manifest.k))?
            }
            None => {
                return Err(Failure::new("no SRS given").hint(format!(
                    "give --srs FILE with the SRS of the setup (fingerprint {})",
                    manifest.srs.fingerprint
                )));
            }
        };
        manifest.check_srs(&srs.fingerprint())?;
        let engine = Engine::new(srs.params(), options)?;
        let keys = manifest.keys(folder, &engine)?;
        Ok(Self { manifest, verifier, srs, engine, kind, keys })
    }

    fn backend(&self) -> Backend<'_> {
        match self.kind {
            ProverKind::Engine => Backend::Engine(&self.engine),
            ProverKind::Reference => Backend::Reference(self.srs.params()),
        }
    }

    /// Proves one inference.
    pub(crate) fn prove(
        &self,
        input: &[f64],
        request: Option<InferenceRequest>,
    ) -> Outcome<ProofBundle> {
        let inputs = self.manifest.input.encode(input)?;
        let request = request.map(|mut request| {
            if self.manifest.shape.public_inputs {
                let shift = self.manifest.shape.shift_bits();
                let words: Vec<B256> =
                    inputs.iter().map(|x| B256::from(U256::from(*x as u64) << shift)).collect();
                request.inputs = inputs_hash(&words);
            }
            request
        });
        let context = request.as_ref().map_or(U256::ZERO, InferenceRequest::context);
        let proof = prove(self.backend(), &self.keys, &inputs, &context.to_be_bytes(), OsRng)?;
        self.bundle(proof, request)
    }

    /// Time of one proof, without reading keys or writing the bundle.
    pub(crate) fn time_proof(&self, input: &[f64]) -> Outcome<Duration> {
        let inputs = self.manifest.input.encode(input)?;
        let start = std::time::Instant::now();
        prove(self.backend(), &self.keys, &inputs, &[0; 32], OsRng)?;
        Ok(start.elapsed())
    }

    /// Makes a bundle's hints those of its own public values.
    pub(crate) fn renew_hints(&self, bundle: &mut ProofBundle) -> Outcome {
        let instances: Option<Vec<_>> =
            bundle.instances.iter().map(|word| from_be_bytes(&word.0)).collect();
        let instances = instances.unwrap_or_default();
        bundle.evm_proof = evm_proof(self.keys.verifying(), &instances, &bundle.proof)?.into();
        Ok(())
    }

    fn bundle(&self, proof: Proof, request: Option<InferenceRequest>) -> Outcome<ProofBundle> {
        let schema = &self.manifest.output;
        let evm_proof = evm_proof(self.keys.verifying(), &proof.instances, &proof.bytes)?;
        let bundle = ProofBundle {
            format: FORMAT.into(),
            version: VERSION,
            model: ModelRef {
                name: self.manifest.model.name.clone(),
                model_hash: self.manifest.model.sha256.parse()?,
                shape_id: self.verifier.shape_id.parse()?,
                key_hash: self.verifier.key_hash.parse()?,
            },
            instances: proof.instances.iter().map(|word| B256::from(to_be_bytes(word))).collect(),
            outputs: proof.outputs.iter().map(|word| i128::from(schema.value(*word))).collect(),
            decimals: u8::try_from(schema.decimals)?,
            decoded: proof.outputs.iter().map(|word| schema.decode(*word)).collect(),
            proof: Bytes::from(proof.bytes),
            evm_proof: Bytes::from(evm_proof),
            srs: SrsRef {
                fingerprint: self.manifest.srs.fingerprint.parse()?,
                insecure: self.manifest.srs.insecure,
            },
            input_commitment: request.as_ref().map(InferenceRequest::commitment),
            request,
        };
        bundle.validate()?;
        Ok(bundle)
    }
}
