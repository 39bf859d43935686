//! A model on its way to a circuit. What the rest of this crate needs to know about graphs,
//! plans and quantized models stands here.

use std::path::{Path, PathBuf};

use rand::rngs::OsRng;
use verdict_contracts::PublicValues;
use verdict_engine::{Engine, Options};
use verdict_prover::{
    circuit,
    graph::Graph,
    keys::Keys,
    onnx::{
        self, LoadOptions,
        crosscheck::{Reading, crosscheck},
    },
    plan::{Plan, PlanOptions},
    quantize::{InputSchema, OutputSchema, Ranges},
    samples::InputTensor,
    shape::Shape,
    srs::Srs,
};

use crate::error::Error;

/// How the public values of a model's proofs are laid out, as contracts see it.
pub(crate) fn public_values(
    shape: &Shape,
    input: &InputSchema,
    output: &OutputSchema,
) -> PublicValues {
    let public = circuit::PublicValues::new(shape, input.ranges.len(), output.count);
    PublicValues { inputs: public.input_words(), outputs: public.output_words() }
}

/// Most samples that a model's reading is checked on …
const MAX_PROBES: usize = 24;
/// … and what all of them together may cost, in multiplications.
const PROBE_BUDGET: usize = 60_000_000;

/// A model read from a file, which is read again to check the reading.
#[derive(Debug, Clone)]
pub struct ModelFile {
    path: PathBuf,
    options: LoadOptions,
    graph: Graph,
}

impl ModelFile {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// The file is no model, or has operators that are not supported.
    pub fn open(path: &Path, options: &LoadOptions) -> Result<Self, Error> {
        let graph = onnx::load(path, options)?;
        Ok(Self { path: path.to_owned(), options: options.clone(), graph })
    }

    /// The float model.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The tensors it takes.
    pub fn inputs(&self) -> Vec<InputTensor> {
        InputTensor::of(&self.graph)
    }

    /// Lets tract run the file on samples from `ranges` and on their corners, and compares.
    ///
    /// # Errors
    /// tract computes something else, by more than rounding.
    pub fn check_reading(&self, ranges: &Ranges) -> Result<Reading, Error> {
        ranges.validate(self.graph.input_len())?;
        let probes = (PROBE_BUDGET / self.graph.multiplications().max(1)).clamp(4, MAX_PROBES);
        let samples = ranges.probes(&self.graph, probes)?;
        Ok(crosscheck(&self.path, &self.options, &self.graph, &samples, Ranges::CORNERS)?)
    }

    /// Checks the reading, and plans the circuit for inputs within `ranges`.
    ///
    /// # Errors
    /// No circuit is precise enough, the ranges do not fit the model, or tract computes
    /// something else.
    pub fn plan(self, ranges: &Ranges, options: &PlanOptions) -> Result<PlannedModel, Error> {
        let reading = self.check_reading(ranges)?;
        let plan = Plan::new(&self.graph, ranges, options)?;
        Ok(PlannedModel { model: self.graph, plan, reading })
    }
}

/// A model and the circuit planned for it.
#[derive(Debug, Clone)]
pub struct PlannedModel {
    model: Graph,
    plan: Plan,
    reading: Reading,
}

impl PlannedModel {
    /// Reads an ONNX file, plans its circuit for inputs within `ranges`, and checks the
    /// reading.
    ///
    /// # Errors
    /// As [`ModelFile::open`] and [`ModelFile::plan`].
    pub fn load(path: &Path, ranges: &Ranges, options: &PlanOptions) -> Result<Self, Error> {
        ModelFile::open(path, &LoadOptions::default())?.plan(ranges, options)
    }

    /// A model that was made without a file, with its plan.
    pub fn new(model: Graph, plan: Plan) -> Self {
        Self { model, plan, reading: Reading::unchecked("it was not read from a file") }
    }

    /// How the reading of its file was checked from outside.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The float model.
    pub fn model(&self) -> &Graph {
        &self.model
    }

    /// The circuit planned for it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The tensors it takes.
    pub fn inputs(&self) -> Vec<InputTensor> {
        InputTensor::of(&self.model)
    }

    /// How its proofs' public values are laid out.
    pub fn public_values(&self) -> PublicValues {
        let Plan { shape, quantized, .. } = &self.plan;
        public_values(shape, &quantized.input, &quantized.output)
    }

    /// Makes the model's keys, with fresh randomness that hides it in the verifying key.
    ///
    /// # Errors
    /// The SRS has other rows than planned, or the engine fails.
    pub fn make_keys(&self, srs: &Srs, options: Options) -> Result<Keys, Error> {
        self.make_keys_again(srs, options, None)
    }

    /// Makes the model's keys with the randomness that it had before, if it had one.
    pub(crate) fn make_keys_again(
        &self,
        srs: &Srs,
        options: Options,
        blinding: Option<&[u8]>,
    ) -> Result<Keys, Error> {
        let engine = Engine::new(srs.params(), options)?;
        let (graph, shape) = (self.plan.quantized.graph.clone(), self.plan.shape);
        Ok(match blinding {
            Some(blinding) => Keys::again(&engine, graph, shape, blinding)?,
            None => Keys::new(&engine, graph, shape, OsRng)?,
        })
    }
}
