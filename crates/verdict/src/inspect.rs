//! What a model will cost, before any key is made.

use serde::Serialize;
use verdict_codegen::gas_estimate;
use verdict_prover::{
    costs::Costs,
    keys::{KeyError, protocol},
    onnx::crosscheck::Reading,
    plan::{Candidate, Estimate, Plan},
    quantize::{Comparisons, ErrorReport, OutputSchema, Steps},
};

use crate::{error::Error, model::PlannedModel};

/// A planned model: its circuit, node by node, and what it will cost.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The model's name.
    pub model: String,
    /// Weights and biases.
    pub parameters: usize,
    /// How the reading of its file was checked from outside.
    pub reading: Reading,
    /// The circuit's shape.
    pub shape: String,
    /// log2 of its rows.
    pub k: u32,
    /// Sizes that are known before any key is made.
    pub estimate: Estimate,
    /// Gas of a transaction that verifies a proof.
    pub verification_gas: u64,
    /// Measured error against the float model.
    pub error: ErrorReport,
    /// How comparisons came out that are not known to be the file's; none if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparisons: Option<Comparisons>,
    /// How close values may be that change places where only their order counts, as of distances to
    /// known points: 0 where none do; left out where there are no such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<f64>,
    /// What rounding to integers may come to, of a model that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// Names of the inputs that a proof states.
    pub public_inputs: Vec<String>,
    /// How outputs are read.
    pub output: OutputSchema,
    /// Rows, node by node.
    pub costs: Costs,
    /// What takes most of them.
    pub dominated_by: String,
    /// The circuits that the planner looked at, the chosen one first.
    pub considered: Vec<Candidate>,
}

impl Inspection {
    /// Lays a planned model out, and counts.
    ///
    /// # Errors
    /// The circuit has no layout, or no proofs that could be verified.
    pub fn of(planned: &PlannedModel) -> Result<Self, Error> {
        let (model, plan) = (planned.model(), planned.plan());
        let costs = Costs::of(model, plan).map_err(|error| Error::Plan(error.into()))?;
        Ok(Self {
            model: model.name.clone(),
            parameters: model.parameters(),
            reading: planned.reading().clone(),
            shape: plan.shape.to_string(),
            k: plan.k,
            estimate: plan.estimate,
            verification_gas: verification_gas(plan)?,
            error: plan.error,
            comparisons: plan.comparisons.clone(),
            apart: plan.quantized.apart,
            // Scores may have no plan where their labels have.
            steps: steps(planned).ok().flatten(),
            public_inputs: public_inputs(plan),
            output: plan.output(),
            dominated_by: costs.dominant(),
            costs,
            considered: plan.considered.clone(),
        })
    }
}

/// What rounding to integers may come to in a planned model, if it does round.
///
/// # Errors
/// The model cannot be run.
pub fn steps(planned: &PlannedModel) -> Result<Option<Steps>, Error> {
    let plan = planned.plan();
    Steps::of(planned.model(), &plan.quantized.input, &plan.shape, &plan.precision)
        .map_err(|error| Error::Plan(error.into()))
}

/// Gas of a transaction that verifies a proof.
fn verification_gas(plan: &Plan) -> Result<u64, Error> {
    let protocol = protocol(&plan.shape, plan.opening).map_err(KeyError::from)?;
    Ok(gas_estimate(&protocol, plan.estimate.instances))
}

/// The names of the inputs that a proof states.
fn public_inputs(plan: &Plan) -> Vec<String> {
    let schema = &plan.quantized.input;
    let tensors = schema.tensors.iter().enumerate().filter(|_| plan.shape.public_inputs);
    let stated = tensors.filter(|(index, _)| !schema.private.contains(index));
    stated.map(|(_, tensor)| tensor.name.clone()).collect()
}
