//! Setups: made, opened, verified with, reported on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use pyo3::prelude::*;
use verdict::{
    Contracts, Figure, INSECURE, Inspection, LoadOptions, ModelFile, Progress, ProverOptions,
    PublicSetup, Question, ReportOptions, SetupReport, Srs, SrsChoice, of_inference,
    report::Threshold, write_commitments,
};
use verdict_prover::samples::Samples;

use crate::{
    error::{Failure, Outcome},
    model::{Plan, json, run},
    proof::Proof,
    work,
};

/// Name, source, creation code and runtime code of a verifier, and the payload of its key.
type Compiled = (String, String, Vec<u8>, Vec<u8>, Vec<u8>);

/// What errors call samples that came from Python.
const SAMPLES: &str = "the data";

/// The public part of a setup.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Setup {
    pub(crate) public: Arc<PublicSetup>,
}

#[pymethods]
impl Setup {
    /// Opens a setup folder, or the public part of one.
    #[staticmethod]
    fn open(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        work::run(py, None, move |_| {
            let public = PublicSetup::open(&folder).map_err(verdict::Error::from)?;
            Ok(Self { public: Arc::new(public) })
        })
    }

    /// The folder of the public part.
    #[getter]
    fn folder(&self) -> PathBuf {
        self.public.folder().to_owned()
    }

    /// Identifies the setup.
    #[getter]
    fn id(&self) -> String {
        self.public.id().to_string()
    }

    /// Inferences of a proof.
    #[getter]
    fn batch(&self) -> usize {
        self.public.manifest().shape.batch()
    }

    /// Inferences whose outputs a proof states: one where it states totals.
    #[getter]
    fn statements(&self) -> usize {
        self.public.manifest().shape.statements()
    }

    /// Whether proofs state a commitment to inputs.
    #[getter]
    fn committed(&self) -> bool {
        self.public.manifest().shape.committed()
    }

    /// The manifest as JSON.
    fn manifest(&self) -> PyResult<String> {
        Ok(json(self.public.manifest())?)
    }

    /// Where it is deployed, as JSON.
    fn deployment(&self) -> PyResult<String> {
        let deployment = self.public.deployment().map_err(verdict::Error::from);
        Ok(json(&deployment.map_err(Failure::from)?)?)
    }

    /// What the model costs, as JSON; the model is read again.
    #[pyo3(signature = (model=None, progress=None))]
    fn inspect(
        &self,
        py: Python<'_>,
        model: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let public = self.public.clone();
        work::run_pooled(py, progress, move |task| {
            let planned = verdict::step(task, "plan the circuit as the setup says", || {
                public.planned_model(model.as_deref())
            })?;
            json(&Inspection::of(&planned)?)
        })
    }

    /// The float model's outputs on samples in JSON, one list a sample.
    fn run_model(
        &self,
        py: Python<'_>,
        samples: String,
        model: Option<PathBuf>,
    ) -> PyResult<Vec<Vec<f64>>> {
        let public = self.public.clone();
        work::run(py, None, move |task| {
            let samples = read(&public, &samples)?;
            let planned = public.planned_model(model.as_deref())?;
            run(planned.model(), samples.iter(), task)
        })
    }

    /// Plans a circuit that proves how good the first output is on so many samples: "accuracy", from
    /// a threshold on where there is one score, or "error".
    #[pyo3(signature = (figure, threshold, groups, expected, samples, model=None, progress=None))]
    #[allow(clippy::too_many_arguments)] // Python names them.
    fn measured(
        &self,
        py: Python<'_>,
        figure: &str,
        threshold: Option<f64>,
        groups: bool,
        expected: Option<[f64; 2]>,
        samples: usize,
        model: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Plan> {
        let figure = match figure {
            "error" => Figure::Error,
            _ => Figure::Accuracy { threshold },
        };
        let (public, question) = (self.public.clone(), Question { figure, groups, expected });
        work::run(py, progress, move |task| {
            let planned = verdict::step(task, "plan the circuit", || {
                public.measured_model(model.as_deref(), &question, samples)
            })?;
            Ok(Plan { planned })
        })
    }

    /// Makes the keys of an ONNX file again and compares them with the setup's; of a setup without a
    /// measure, `outputs` of the file are its outputs. Returns what is equal, as JSON.
    #[pyo3(signature = (onnx, outputs=None, dims=None, srs=None, dev_srs=false, threads=0, progress=None))]
    #[allow(clippy::too_many_arguments)] // Python names them.
    fn check(
        &self,
        py: Python<'_>,
        onnx: PathBuf,
        outputs: Option<Vec<String>>,
        dims: Option<BTreeMap<String, usize>>,
        srs: Option<PathBuf>,
        dev_srs: bool,
        threads: usize,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let public = self.public.clone();
        work::run_pooled(py, progress, move |task| {
            let measure = public.manifest().model.measure.clone();
            let outputs = outputs.filter(|_| measure.is_none());
            let load = LoadOptions { outputs, dims: dims.unwrap_or_default(), measure };
            let model = verdict::step(task, "read the model", || ModelFile::open(&onnx, &load))?;
            let srs = open_srs(srs, dev_srs, public.srs_k(), task)?;
            task.go_on()?;
            json(&verdict::check(model.graph(), &public, &srs, task.engine(threads), task)?)
        })
    }

    /// Compiles the contracts: name, source, creation code, runtime code, the key's payload.
    #[pyo3(signature = (solc=None, progress=None))]
    fn contracts(
        &self,
        py: Python<'_>,
        solc: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Compiled> {
        let public = self.public.clone();
        work::run(py, progress, move |task| {
            let contracts = verdict::step(task, "compile the Solidity verifier", || {
                Contracts::new(&public, solc.as_deref())
            })?;
            let Contracts { name, source, verifier, key, .. } = contracts;
            Ok((name, source, verifier.creation.to_vec(), verifier.runtime.to_vec(), key))
        })
    }

    /// Runs a verification in an EVM: its gas, as JSON.
    #[pyo3(signature = (solc=None, progress=None))]
    fn gas(
        &self,
        py: Python<'_>,
        solc: Option<PathBuf>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let public = self.public.clone();
        work::run(py, progress, move |task| {
            let contracts = verdict::step(task, "compile the Solidity verifier", || {
                Contracts::new(&public, solc.as_deref())
            })?;
            let gas = verdict::step(task, "run a verification in an EVM", || {
                verdict::explain(&*public, &contracts.verifier)
            })?;
            json(&gas)
        })
    }
}

/// Samples in JSON, for a setup's model.
pub(crate) fn read(public: &PublicSetup, samples: &str) -> Outcome<Samples> {
    let tensors = &public.manifest().model.inputs;
    Ok(Samples::of_json(samples.as_bytes(), Path::new(SAMPLES), tensors)?)
}

/// Makes keys and a Solidity verifier, and writes the setup folder; `kept_at` is where the caller
/// will keep the model's file. Returns what was written, as JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // Python names them.
#[pyo3(signature = (plan, out, srs=None, dev_srs=false, threads=0, kept_at=None, progress=None))]
pub(crate) fn setup(
    py: Python<'_>,
    plan: &Plan,
    out: PathBuf,
    srs: Option<PathBuf>,
    dev_srs: bool,
    threads: usize,
    kept_at: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let mut planned = plan.planned.clone();
    if let Some(path) = kept_at {
        planned = planned.kept_at(&path);
    }
    work::run_pooled(py, progress, move |task| {
        verdict::check_writable(&out, true).map_err(verdict::Error::from)?;
        let k = planned.plan().estimate.srs_k;
        let srs = open_srs(srs, dev_srs, k, task)?;
        task.go_on()?;
        let made: SetupReport = verdict::setup(&planned, &srs, &out, task.engine(threads), task)?;
        json(&made)
    })
}

/// Reads or makes an SRS, and warns of one that is not secure.
fn open_srs(file: Option<PathBuf>, dev_srs: bool, k: u32, task: &work::Task) -> Outcome<Srs> {
    let choice = SrsChoice::new(file, dev_srs, k).map_err(verdict::Error::from)?;
    let title = match &choice {
        SrsChoice::File(_) => "read the SRS".to_owned(),
        SrsChoice::Development => format!("get a development SRS of 2^{k} powers"),
    };
    let srs = verdict::step(task, &title, || choice.open(k))?;
    if srs.is_development() {
        task.warn(INSECURE);
    }
    Ok(srs)
}

/// Checks a proof. Returns what it says, as JSON.
#[pyfunction]
pub(crate) fn verify(py: Python<'_>, setup: &Setup, proof: &Proof) -> PyResult<String> {
    let (public, bundle) = (setup.public.clone(), proof.bundle.clone());
    work::run(py, None, move |_| {
        json(&verdict::verify(&public, &bundle).map_err(verdict::Error::from)?)
    })
}

/// What a proof states about inputs, inference by inference, as JSON: the inputs by the numbers of
/// their elements, or their commitments; neither of private ones.
#[pyfunction]
pub(crate) fn stated(setup: &Setup, proof: &Proof) -> PyResult<String> {
    let (manifest, instances) = (setup.public.manifest(), &proof.bundle.instances);
    let batch = manifest.shape.statements();
    let parts = manifest.public_values().split(instances);
    let stated = parts.map(|parts| parts.inputs).unwrap_or_default();
    let words: Vec<_> = (0..batch).map(|index| of_inference(stated, batch, index)).collect();
    let mut found = Stated { inputs: None, commitments: None };
    if !stated.is_empty() && manifest.shape.committed() {
        found.commitments = Some(words.concat());
    } else if !stated.is_empty() {
        found.inputs = words.iter().map(|own| manifest.stated_inputs(own)).collect();
    }
    Ok(json(&found)?)
}

/// What a proof states about inputs.
#[derive(serde::Serialize)]
struct Stated {
    inputs: Option<Vec<Vec<(usize, f64)>>>,
    commitments: Option<Vec<alloy::primitives::B256>>,
}

/// Commits to samples in JSON with fresh salts, into a file. Returns the commitments.
#[pyfunction]
pub(crate) fn commit(
    py: Python<'_>,
    setup: &Setup,
    samples: String,
    out: PathBuf,
) -> PyResult<Vec<String>> {
    let public = setup.public.clone();
    work::run(py, None, move |_| {
        let inputs: Vec<_> = read(&public, &samples)?.into_iter().map(|own| own.values).collect();
        let made = verdict::commit(&public, &inputs)?;
        write_commitments(&made, &out)?;
        Ok(made.iter().map(|own| own.commitment.to_string()).collect())
    })
}

/// Measures a setup on samples in JSON. Returns the report as JSON, and as a page.
#[pyfunction]
#[pyo3(signature = (setup, samples, thresholds, model=None, srs=None, solc=None, threads=0, progress=None))]
#[allow(clippy::too_many_arguments)] // Python names them.
pub(crate) fn report(
    py: Python<'_>,
    setup: &Setup,
    samples: String,
    thresholds: Vec<String>,
    model: Option<PathBuf>,
    srs: Option<PathBuf>,
    solc: Option<PathBuf>,
    threads: usize,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, String)> {
    let public = setup.public.clone();
    let thresholds: Result<Vec<Threshold>, _> = thresholds.iter().map(|own| own.parse()).collect();
    let thresholds = thresholds.map_err(Failure::usage)?;
    work::run_pooled(py, progress, move |task| {
        let samples = read(&public, &samples)?;
        let planned = verdict::step(task, "plan the circuit as the setup says", || {
            public.planned_model(model.as_deref())
        })?;
        task.go_on()?;
        let prover = ProverOptions { srs, engine: task.engine(threads) };
        let options = ReportOptions { thresholds, prover, solc };
        let report = verdict::report(&public, &planned, &samples, &options, task)?;
        Ok((json(&report)?, report.to_html()?))
    })
}
