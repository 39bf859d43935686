//! Proving, and proofs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use pyo3::prelude::*;
use verdict::{
    Deployment, EngineControl, EngineOptions, ProofBundle, ProverOptions, ScoreRequest,
    of_inference, read_commitments, salts, write_bundle,
};

use crate::{
    error::{Failure, Outcome},
    model::json,
    setup::read,
    work,
};

/// A setup opened for proving, one proof at a time.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Prover {
    /// Whose turn it is. A proof uses all cores.
    turn: Arc<Mutex<()>>,
    prover: Arc<verdict::Prover>,
}

#[pymethods]
impl Prover {
    /// Reads the keys of a setup folder with both its parts.
    #[staticmethod]
    #[pyo3(signature = (folder, srs=None, threads=0, progress=None))]
    fn open(
        py: Python<'_>,
        folder: PathBuf,
        srs: Option<PathBuf>,
        threads: usize,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let prover = work::run_pooled(py, progress, move |task| {
            // Each proof has a task of its own: the engine itself listens to none.
            let engine = EngineOptions { threads, ..EngineOptions::default() };
            let options = ProverOptions { srs, engine };
            Ok(verdict::step(task, "read the keys", || verdict::Prover::open(&folder, options))?)
        })?;
        Ok(Self { turn: Arc::default(), prover: Arc::new(prover) })
    }

    /// Identifies the setup that was opened.
    #[getter]
    fn id(&self) -> String {
        self.prover.public().id().to_string()
    }

    /// Proves the model on samples in JSON, as many as the setup is for. `requests` is a JSON list
    /// of a request for each, or of none; `commitment` a file of commitments to them.
    #[pyo3(signature = (samples, requests, commitment=None, progress=None))]
    fn prove(
        &self,
        py: Python<'_>,
        samples: String,
        requests: &str,
        commitment: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Proof> {
        let requests: Vec<ScoreRequest> = serde_json::from_str(requests).map_err(|error| {
            Failure::new(format!("no list of requests: {error}")).hint(
                "give a list of objects with chain_id, oracle, model_id, verification_hash, \
                     subject, nonce and deadline",
            )
        })?;
        let (prover, turn) = (self.prover.clone(), self.turn.clone());
        work::run_pooled(py, progress, move |task| {
            let _turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // It may have been given up while it waited.
            task.go_on()?;
            let samples: Vec<_> = read(prover.public(), &samples)?.into_iter().collect();
            let title = match samples.len() {
                1 => "prove the model on a sample".to_owned(),
                count => format!("prove the model on {count} samples"),
            };
            let inputs: Vec<_> = samples.iter().map(|sample| &sample.values).collect();
            let salts = match commitment {
                Some(path) => salts(prover.public(), &inputs, &read_commitments(&path)?)?,
                None => vec![],
            };
            let control = EngineControl {
                progress: Some(Arc::new(task.clone())),
                cancel: Some(task.cancel.clone()),
            };
            let bundle = verdict::step(task, &title, || {
                prover.prove_batch_controlled(&inputs, &salts, &requests, &control)
            })?;
            Ok(Proof { bundle: Arc::new(bundle) })
        })
    }
}

/// A request to a deployment's oracle, as JSON.
pub(crate) fn request(
    deployment: &Deployment,
    subject: &str,
    nonce: u64,
    valid_for: u64,
) -> Outcome<String> {
    let subject = crate::chain::address("subject", subject)?;
    json(&ScoreRequest::to(deployment, subject, nonce, valid_for))
}

/// A proof with its public values.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Proof {
    pub(crate) bundle: Arc<ProofBundle>,
}

#[pymethods]
impl Proof {
    /// Reads a file.
    #[staticmethod]
    fn read(path: PathBuf) -> PyResult<Self> {
        Self::new(ProofBundle::read(&path).map_err(verdict::Error::from))
    }

    /// Reads a file's content.
    #[staticmethod]
    fn from_json(text: &[u8]) -> PyResult<Self> {
        Self::new(ProofBundle::from_json(text).map_err(verdict::Error::from))
    }

    /// Writes a file, whole or not at all.
    fn write(&self, path: PathBuf) -> PyResult<()> {
        Ok(write_bundle(&self.bundle, &path).map_err(Failure::from)?)
    }

    /// What a file would hold.
    fn to_json(&self) -> PyResult<String> {
        let text = self.bundle.to_json().map_err(verdict::Error::from).map_err(Failure::from)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The outputs of each inference, of one tensor after the other.
    fn outputs(&self, batch: usize) -> Vec<Vec<f64>> {
        (0..batch).map(|index| of_inference(&self.bundle.decoded, batch, index)).collect()
    }

    /// The proof's bytes.
    #[getter]
    fn bytes(&self) -> Vec<u8> {
        self.bundle.proof.to_vec()
    }
}

impl Proof {
    fn new(bundle: Result<ProofBundle, verdict::Error>) -> PyResult<Self> {
        Ok(Self { bundle: Arc::new(bundle.map_err(Failure::from)?) })
    }
}
