//! A model on its way to a circuit. What the rest of this crate needs to know about graphs,
//! plans and quantized models stands here.

use std::path::{Path, PathBuf};

use rand::rngs::OsRng;
use verdict_contracts::{MAX_INSTANCES, PublicValues};
use verdict_engine::Options;
use verdict_prover::{
    circuit,
    graph::Graph,
    keys::{self, KeyError, Keys, protocol},
    onnx::{
        self, LoadOptions,
        crosscheck::{Reading, crosscheck},
        measure::{Figure, Measure, Metric},
    },
    plan::{Plan, PlanOptions},
    quantize::{InputSchema, OutputSchema, Ranges},
    samples::InputTensor,
    shape::Shape,
    srs::Srs,
};

use crate::{
    error::Error,
    setup::{SetupError, Source, Weights},
    srs::bases_file,
};

/// How the public values of a model's proofs are laid out, as contracts see it.
pub(crate) fn public_values(
    shape: &Shape,
    input: &InputSchema,
    output: &OutputSchema,
) -> PublicValues {
    let public = circuit::PublicValues::new(shape, input.stated(&input.ranges).len(), output.count);
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
    crosscheck: bool,
    /// The ranges of the inputs that a measure adds.
    added: Vec<[f64; 2]>,
}

/// How good one of a model's outputs is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// What is asked.
    pub figure: Figure,
    /// Whether approvals of two groups are counted, too.
    pub groups: bool,
    /// Smallest and largest of what may be expected: of classes by position, or of a single score,
    /// known by itself.
    pub expected: Option<[f64; 2]>,
}

impl ModelFile {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// The file is no model, or has operators that are not supported.
    pub fn open(path: &Path, options: &LoadOptions) -> Result<Self, Error> {
        let graph = onnx::load(path, options)?;
        let (path, options) = (path.to_owned(), options.clone());
        Ok(Self { path, options, graph, crosscheck: true, added: Vec::new() })
    }

    /// Reads an ONNX file of which not the output is proven, but how good it is.
    ///
    /// # Errors
    /// As [`Self::open`]; the output is not one of which that can be said, or the range of what
    /// is expected is not known.
    pub fn open_measured(
        path: &Path,
        options: &LoadOptions,
        question: &Question,
    ) -> Result<Self, Error> {
        let model = onnx::load(path, options)?;
        let measure = Measure::of(&model, question.figure, question.groups)?;
        let classes =
            model.outputs.iter().map(|output| model.tensors[output.0].len()).sum::<usize>();
        let known = match measure.metric {
            Metric::Greatest => Some([0.0, classes as f64 - 1.0]),
            Metric::Threshold(_) => Some([0.0, 1.0]),
            _ => None,
        };
        let Some(expected) = question.expected.or(known) else {
            return Err(Error::ExpectedRange { output: measure.output });
        };
        let [lo, hi] = expected;
        if !(lo.is_finite() && hi.is_finite() && lo < hi) {
            return Err(Error::Expected { lo, hi });
        }
        let added = [expected].into_iter().chain(question.groups.then_some([0.0, 1.0])).collect();
        let options =
            LoadOptions { outputs: None, measure: Some(measure), dims: options.dims.clone() };
        Ok(Self { added, ..Self::open(path, &options)? })
    }

    /// The tensors that the model itself takes, without those that a measure adds.
    pub fn model_inputs(&self) -> Vec<InputTensor> {
        let mut tensors = self.inputs();
        tensors.truncate(tensors.len().saturating_sub(self.added.len()));
        tensors
    }

    /// The ranges of the model's own inputs, and of those that a measure adds.
    pub fn with_added(&self, mut ranges: Ranges) -> Ranges {
        if !ranges.grids.is_empty() {
            ranges.grids.extend(self.added.iter().map(|_| None));
        }
        ranges.input.extend(&self.added);
        ranges
    }

    /// The float model.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The tensors it takes.
    pub fn inputs(&self) -> Vec<InputTensor> {
        InputTensor::of(&self.graph)
    }

    /// The same, and tract is not asked whether it reads the file so too: for a model that it
    /// gets wrong itself. What is made of it says that nobody else has run it.
    pub fn without_crosscheck(self) -> Self {
        Self { crosscheck: false, ..self }
    }

    /// Lets tract run the file on samples from `ranges` and on their corners, and compares.
    ///
    /// # Errors
    /// tract computes something else, by more than rounding.
    pub fn check_reading(&self, ranges: &Ranges) -> Result<Reading, Error> {
        ranges.validate(self.graph.input_len())?;
        if !self.crosscheck {
            return Ok(Reading::unchecked("left out, as was asked for"));
        }
        let probes = (PROBE_BUDGET / self.graph.multiplications().max(1)).clamp(4, MAX_PROBES);
        let samples = ranges.probes(&self.graph, probes)?;
        Ok(crosscheck(&self.path, &self.options, &self.graph, &samples, Ranges::CORNERS)?)
    }

    /// Checks the reading, and plans the circuit for inputs within `ranges`.
    ///
    /// # Errors
    /// No circuit is precise enough, the ranges do not fit the model, tract computes
    /// something else, or the model has more outputs than a proof can state.
    pub fn plan(self, ranges: &Ranges, options: &PlanOptions) -> Result<PlannedModel, Error> {
        // Whatever the circuit, each output is a public value: nothing is worked out before.
        let each = self.graph.outputs.iter().map(|output| self.graph.tensors[output.0].len());
        let outputs = each.fold(0, usize::saturating_add);
        let whole = options.committed && options.totals && ranges.private.is_empty();
        if self.options.measure.is_some() && !whole {
            return Err(Error::MeasuredUncommitted);
        }
        let stated = if options.totals { 1 } else { options.batch.unwrap_or(1) };
        let count = outputs.saturating_mul(stated).saturating_add(1);
        if count > MAX_INSTANCES {
            return Err(SetupError::TooManyValues { count }.into());
        }
        let reading = self.check_reading(ranges)?;
        let plan = Plan::new(&self.graph, ranges, options)?;
        let source = Source::new(&self.path, &self.options);
        let measure = self.options.measure;
        Ok(PlannedModel { reading, source, measure, ..PlannedModel::new(self.graph, plan) })
    }
}

/// A model and the circuit planned for it.
#[derive(Debug, Clone)]
pub struct PlannedModel {
    model: Graph,
    plan: Plan,
    reading: Reading,
    weights: Weights,
    inputs: Vec<InputTensor>,
    source: Option<Source>,
    measure: Option<Measure>,
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
        let reading = Reading::unchecked("it was not read from a file");
        let inputs = InputTensor::of(&model);
        let (weights, source) = (Weights::default(), None);
        Self { model, plan, reading, weights, inputs, source, measure: None }
    }

    /// How its outputs were made of one of the model's, if they say how good that is.
    pub fn measure(&self) -> Option<&Measure> {
        self.measure.as_ref()
    }

    /// Notes how its outputs were made.
    pub(crate) fn with_measure(self, measure: Option<Measure>) -> Self {
        Self { measure, ..self }
    }

    /// Notes how the reading was checked when it was.
    pub(crate) fn with_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// Where it was read from.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Notes another place for its file, where it will be kept: it was read from one that goes away.
    pub fn kept_at(self, path: &Path) -> Self {
        let moved = |source: Source| source.moved(path);
        Self { source: self.source.and_then(moved), ..self }
    }

    /// How the reading of its file was checked from outside.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Decides whether the key hides the weights, as it does by itself, or is one that
    /// anyone who has the model makes again.
    pub fn with_weights(self, weights: Weights) -> Self {
        Self { weights, ..self }
    }

    /// Whether the key will hide the weights.
    pub fn weights(&self) -> Weights {
        self.weights
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
    pub fn inputs(&self) -> &[InputTensor] {
        &self.inputs
    }

    /// Lets input files say the names of the categories that `declared` has for inputs of the
    /// model's names and shapes; of strings, those that the model knows.
    pub fn with_categories(self, declared: &[InputTensor]) -> Self {
        let inputs = self.inputs.into_iter().map(|own| own.declared(declared)).collect();
        Self { inputs, ..self }
    }

    /// How its proofs' public values are laid out.
    pub fn public_values(&self) -> PublicValues {
        let Plan { shape, quantized, .. } = &self.plan;
        public_values(shape, &quantized.input, &quantized.output)
    }

    /// Makes the model's keys; if they are to hide the weights, with fresh randomness.
    ///
    /// # Errors
    /// The SRS has fewer powers than planned, or the engine fails.
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
        let Plan { shape, opening, k, .. } = self.plan;
        let protocol = protocol(&shape, opening).map_err(KeyError::from)?;
        let file = bases_file(srs, &protocol, k);
        let folds = protocol.folds();
        let engine = keys::engine(srs, &protocol, k, &folds, file.as_deref(), options)?;
        let (graph, shape) = (self.plan.quantized.graph.clone(), (shape, opening));
        Ok(match (self.weights, blinding) {
            (Weights::Public, _) => Keys::public(&engine, graph, shape)?,
            (Weights::Hidden, Some(blinding)) => Keys::again(&engine, graph, shape, blinding)?,
            (Weights::Hidden, None) => Keys::new(&engine, graph, shape, OsRng)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict_codegen::gas_estimate;

    /// The planner cannot ask the generator, which stands behind it; it has to agree with it.
    /// Prints both: cargo nextest run -p verdict --release the_gas_that --no-capture
    #[test]
    fn the_gas_that_the_planner_expects_is_the_generators_estimate() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prover/tests/fixtures/good");
        let mut wrong = Vec::new();
        for public_inputs in [false, true] {
            let options =
                PlanOptions { public_inputs, target_error: Some(1e-2), ..PlanOptions::default() };
            let ranges = Ranges::uniform(3, -1.0, 1.0);
            let planned = PlannedModel::load(&fixtures.join("mlp.onnx"), &ranges, &options);
            let planned = planned.expect("plans");
            let mut shapes = std::collections::BTreeSet::new();
            for candidate in &planned.plan().considered {
                let shape = &candidate.shape;
                // The number of rows and of packed weights do not matter.
                let columns = shape.graph.map(|graph| graph.limb_columns);
                let kind = (shape.limbs, shape.lanes, columns, candidate.opening);
                if !shapes.insert(kind) {
                    continue;
                }
                let input = &planned.plan().quantized.input;
                let values = public_values(shape, input, &planned.plan().quantized.output);
                let protocol = protocol(shape, candidate.opening).expect("supported");
                let estimate = gas_estimate(&protocol, values.count()) as f64;
                let expected = candidate.gas;
                println!(
                    "{shape}: {expected:.0}, {estimate}, {} multiplications, {} points, {} values, \
                     {} queries, {} instances, {}",
                    protocol.multiplications(),
                    protocol.num_points(),
                    protocol.num_evaluations(),
                    protocol.advice_queries.len() + protocol.fixed_queries.len(),
                    values.count(),
                    candidate.opening
                );
                if (expected / estimate - 1.0).abs() > 0.02 {
                    wrong.push(shape.to_string());
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
