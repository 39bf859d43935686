//! A model on its way to a circuit. What the rest of this crate needs to know about graphs,
//! plans and quantized models stands here.

use std::path::Path;

use rand::rngs::OsRng;
use verdict_contracts::PublicValues;
use verdict_engine::{Engine, Options};
use verdict_prover::{
    graph::Graph,
    keys::Keys,
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    quantize::Ranges,
    samples::InputTensor,
    srs::Srs,
};

use crate::error::Error;

/// A model and the circuit planned for it.
#[derive(Debug, Clone)]
pub struct PlannedModel {
    model: Graph,
    plan: Plan,
}

impl PlannedModel {
    /// Reads an ONNX file and plans its circuit for inputs within `ranges`.
    ///
    /// # Errors
    /// The file is no model, has operators that are not supported, or no circuit is
    /// precise enough.
    pub fn load(path: &Path, ranges: &Ranges, options: &PlanOptions) -> Result<Self, Error> {
        Self::plan_for(onnx::load(path, &LoadOptions::default())?, ranges, options)
    }

    /// Plans the circuit of a model that is read already.
    ///
    /// # Errors
    /// No circuit is precise enough, or the ranges do not fit the model.
    pub fn plan_for(model: Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Self, Error> {
        let plan = Plan::new(&model, ranges, options)?;
        Ok(Self { model, plan })
    }

    /// A model with its plan.
    pub fn new(model: Graph, plan: Plan) -> Self {
        Self { model, plan }
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
        let quantized = &self.plan.quantized;
        let (shape, output) = (&self.plan.shape, &quantized.output);
        let inputs = shape.input_words(quantized.input.ranges.len());
        PublicValues { inputs: inputs * shape.batch(), outputs: output.count * shape.batch() }
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
