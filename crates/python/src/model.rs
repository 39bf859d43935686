//! Models, and the circuits planned for them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pyo3::prelude::*;
use serde::Deserialize;
use verdict::{
    Graph, Inspection, LoadOptions, ModelFile, Objective, PlanOptions, PlannedModel, Weights,
};
use verdict_prover::{
    onnx::output_names,
    samples::{InputTensor, Sample, Samples, ranges_of_json},
};

use crate::{
    error::{Failure, Outcome},
    work::{self, Task},
};

/// Multiplications that a comparison with the fitted model may cost.
const RUN_BUDGET: usize = 100_000_000;

/// Outputs a sample of the float model, the same as they would be proven, the largest error measured.
type Compared = (Vec<Vec<f64>>, Vec<Vec<f64>>, f64);

/// What decides how a model becomes a circuit, as the command line's options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Ranges as in a file of them.
    ranges: serde_json::Value,
    /// Whether proofs state all inputs, or a commitment to them.
    public_inputs: bool,
    committed: bool,
    /// The inputs that are stated; all of them if there are none.
    stated: Vec<String>,
    target_error: Option<f64>,
    decimals: Option<u32>,
    batch: Option<usize>,
    #[serde(default)]
    totals: bool,
    optimize: Optimize,
    crosscheck: bool,
    public_weights: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Optimize {
    Balanced,
    Gas,
    Time,
}

/// An ONNX file that was read.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Model {
    file: ModelFile,
}

#[pymethods]
impl Model {
    /// Reads a file: the outputs named, or all; sizes of symbolic dimensions by name.
    #[staticmethod]
    #[pyo3(signature = (path, outputs=None, dims=None, progress=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        outputs: Option<Vec<String>>,
        dims: Option<BTreeMap<String, usize>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        work::run_pooled(py, progress, move |_| {
            let options = LoadOptions { outputs, dims: dims.unwrap_or_default(), measure: None };
            Ok(Self { file: ModelFile::open(&path, &options)? })
        })
    }

    /// The names of all outputs of a file.
    #[staticmethod]
    fn outputs(path: PathBuf) -> PyResult<Vec<String>> {
        Ok(output_names(&path).map_err(Failure::from)?)
    }

    /// The inputs as JSON: name, shape, categories.
    fn inputs(&self) -> PyResult<String> {
        Ok(json(&self.file.inputs())?)
    }

    /// The float model's outputs on samples in JSON, one list a sample, as far as a multiplication
    /// budget goes.
    fn run(&self, py: Python<'_>, samples: String) -> PyResult<Vec<Vec<f64>>> {
        let file = self.file.clone();
        work::run(py, None, move |task| {
            let samples =
                Samples::of_json(samples.as_bytes(), Path::new("the data"), &file.inputs())?;
            let each = file.graph().multiplications().max(1);
            let most = (RUN_BUDGET / each).max(1);
            run(file.graph(), samples.iter().take(most), task)
        })
    }

    /// The model's name.
    #[getter]
    fn name(&self) -> String {
        self.file.graph().name.clone()
    }

    /// Plans a circuit.
    #[pyo3(signature = (options, progress=None))]
    fn plan(
        &self,
        py: Python<'_>,
        options: &str,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Plan> {
        let options: Options = serde_json::from_str(options).map_err(Failure::from)?;
        let file = self.file.clone();
        work::run_pooled(py, progress, move |task| {
            let planned = verdict::step(task, "plan the circuit", || plan(file, &options))?;
            Ok(Plan { planned })
        })
    }
}

/// The outputs of each sample.
pub(crate) fn run<'a>(
    model: &Graph,
    samples: impl Iterator<Item = &'a Sample>,
    task: &Task,
) -> Outcome<Vec<Vec<f64>>> {
    let mut all = Vec::new();
    for sample in samples {
        task.go_on()?;
        all.push(model.run(&model.split(&sample.values))?.concat());
    }
    Ok(all)
}

fn plan(file: ModelFile, options: &Options) -> Outcome<PlannedModel> {
    let file = if options.crosscheck { file } else { file.without_crosscheck() };
    let ranges = serde_json::to_vec(&options.ranges)?;
    let (mut ranges, inputs) = ranges_of_json(&ranges, Path::new("ranges"), &file.inputs())?;
    if !options.stated.is_empty() {
        ranges.private = all_but(&options.stated, &inputs)?;
    }
    let plan_options = PlanOptions {
        target_error: options.target_error,
        public_inputs: options.public_inputs,
        committed: options.committed,
        objective: match options.optimize {
            Optimize::Balanced => Objective::Balanced,
            Optimize::Gas => Objective::Gas,
            Optimize::Time => Objective::Time,
        },
        decimals: options.decimals,
        batch: options.batch,
        totals: options.totals,
    };
    let weights = if options.public_weights { Weights::Public } else { Weights::Hidden };
    let planned = file.plan(&ranges, &plan_options)?;
    Ok(planned.with_categories(&inputs).with_weights(weights))
}

/// The positions of all inputs but those named.
fn all_but(stated: &[String], inputs: &[InputTensor]) -> Outcome<Vec<usize>> {
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    if let Some(name) = stated.iter().find(|name| !names.contains(&name.as_str())) {
        let all = names.join(", ");
        return Err(Failure::new(format!("no input is called {name}, the model takes {all}")));
    }
    let private = |index: &usize| !stated.iter().any(|name| name == names[*index]);
    Ok((0..names.len()).filter(private).collect())
}

/// A model with its circuit.
#[pyclass(frozen, module = "verdict._verdict")]
pub(crate) struct Plan {
    pub(crate) planned: PlannedModel,
}

#[pymethods]
impl Plan {
    /// log2 of the powers that an SRS has to have.
    #[getter]
    fn srs_k(&self) -> u32 {
        self.planned.plan().estimate.srs_k
    }

    /// The inputs as JSON, with the categories that are declared.
    fn inputs(&self) -> PyResult<String> {
        Ok(json(&self.planned.inputs())?)
    }

    /// The schema of the inputs as JSON, as a setup's manifest has it.
    fn schema(&self) -> PyResult<String> {
        Ok(json(&self.planned.plan().quantized.input)?)
    }

    /// The float model's outputs on samples in JSON, within their ranges or not, one list a sample, as
    /// far as a multiplication budget goes.
    fn run(&self, py: Python<'_>, samples: String) -> PyResult<Vec<Vec<f64>>> {
        let planned = self.planned.clone();
        work::run(py, None, move |task| {
            let name = Path::new("the data");
            let samples = Samples::of_json(samples.as_bytes(), name, planned.inputs())?;
            let model = planned.model();
            let most = (RUN_BUDGET / model.multiplications().max(1)).max(1);
            run(model, samples.iter().take(most), task)
        })
    }

    /// Outputs of samples in JSON, of the float model and as they would be proven, as far as a
    /// multiplication budget goes; samples that are refused are left out. And the largest error that
    /// the planner measured.
    fn compare(&self, py: Python<'_>, samples: String) -> PyResult<Compared> {
        let planned = self.planned.clone();
        work::run(py, None, move |task| {
            let name = Path::new("the data");
            let samples = Samples::of_json(samples.as_bytes(), name, planned.inputs())?;
            let (model, quantized) = (planned.model(), &planned.plan().quantized);
            let most = (RUN_BUDGET / model.multiplications().max(1)).max(1);
            let (mut floats, mut proven) = (Vec::new(), Vec::new());
            for sample in samples.iter().take(most) {
                task.go_on()?;
                let Ok(outputs) = quantized.run(&sample.values) else { continue };
                floats.push(model.run(&model.split(&sample.values))?.concat());
                proven.push(outputs);
            }
            Ok((floats, proven, planned.plan().error.largest))
        })
    }

    /// What the model will cost, as JSON.
    fn inspect(&self, py: Python<'_>) -> PyResult<String> {
        let planned = self.planned.clone();
        work::run(py, None, move |_| json(&Inspection::of(&planned)?))
    }
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> Outcome<String> {
    Ok(serde_json::to_string(value)?)
}
