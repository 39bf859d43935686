//! What a circuit's rows are for, and which others there are.

use std::collections::BTreeMap;

use serde::Serialize;
use verdict_prover::{
    costs::{Costs, NodeCost, NodeKind},
    plan::{Candidate, Objective, Plan, PlanOptions},
    quantize::LayerError,
};

use crate::{error::Error, model::PlannedModel, setup::PublicSetup};

/// A tensor that is proven: what it costs, and how far it is from the float model's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// What it is, and its rows.
    #[serde(flatten)]
    pub cost: NodeCost,
    /// Its part of all rows that are taken.
    pub share: f64,
    /// The largest absolute difference from the float model's value; none where the tensor is the
    /// circuit's own.
    pub largest_error: Option<f64>,
    /// The mean absolute difference.
    pub mean_error: Option<f64>,
    /// The largest difference as a part of the largest value that was seen there.
    pub relative_error: Option<f64>,
}

/// Rows of one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// The purpose; none for rows of public values, biases and the ends of layers.
    pub kind: Option<NodeKind>,
    /// How many.
    pub rows: usize,
}

/// What a circuit's rows are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CircuitRows {
    /// All of them, 2^k.
    pub all: usize,
    /// log2 of them.
    pub k: u32,
    /// Those that are taken, by what is proven there.
    pub taken: Vec<Rows>,
    /// Rows that only tables need.
    pub tables_only: usize,
    /// Those that are left.
    pub free: usize,
    /// What decides how many there are.
    pub dominated_by: String,
}

/// A circuit for the same model, with what a planner expects of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherCircuit {
    /// log2 of its rows.
    pub k: u32,
    /// Its shape, and how its columns are committed to.
    pub shape: String,
    /// The largest error that was measured.
    pub error: f64,
    /// About the gas of a verification.
    pub gas: f64,
    /// About the seconds of a proof on two cores with AVX-512 IFMA.
    pub seconds: f64,
    /// What `--optimize` makes a planner choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// The `--target-error` that it takes, where that is not the setup's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_error: Option<f64>,
}

impl OtherCircuit {
    fn new(candidate: &Candidate, objective: Option<Objective>) -> Self {
        let Candidate { shape, opening, k, error, gas, seconds, .. } = candidate;
        let shape = format!("{shape}, {opening}");
        let (k, error, gas, seconds) = (*k, *error, *gas, *seconds);
        Self { k, shape, error, gas, seconds, objective, target_error: None }
    }
}

/// Every tensor's cost and error, and the rows by kind.
pub(super) fn layers(
    planned: &PlannedModel,
    errors: &[Option<LayerError>],
) -> Result<(Vec<Layer>, CircuitRows), Error> {
    let costs =
        Costs::of(planned.model(), planned.plan()).map_err(|error| Error::Plan(error.into()))?;
    let mut by_kind: BTreeMap<NodeKind, usize> = BTreeMap::new();
    for node in costs.nodes.iter().filter(|node| node.rows > 0) {
        *by_kind.entry(node.kind).or_default() += node.rows;
    }
    let mut taken: Vec<Rows> =
        by_kind.into_iter().map(|(kind, rows)| Rows { kind: Some(kind), rows }).collect();
    taken.push(Rows { kind: None, rows: costs.shared_rows });
    let tables_only = costs.table_rows.saturating_sub(costs.taken()).min(costs.free_rows);
    let rows = CircuitRows {
        all: costs.rows,
        k: planned.plan().k,
        taken,
        tables_only,
        free: costs.free_rows - tables_only,
        dominated_by: costs.dominant(),
    };
    let layer = |node: &NodeCost| {
        let error = errors.get(node.tensor).copied().flatten();
        Layer {
            share: costs.share(node),
            largest_error: error.map(|error| error.largest),
            mean_error: error.map(|error| error.mean()),
            relative_error: error
                .filter(|error| error.magnitude > 0.0)
                .map(|error| error.largest / error.magnitude),
            cost: node.clone(),
        }
    };
    Ok((costs.nodes.iter().map(layer).collect(), rows))
}

/// The circuit of a plan itself.
pub(super) fn own(planned: &PlannedModel) -> OtherCircuit {
    let plan = planned.plan();
    let own = plan.considered.first().map(|candidate| OtherCircuit::new(candidate, None));
    own.unwrap_or_else(|| OtherCircuit {
        k: plan.k,
        shape: plan.shape.to_string(),
        error: plan.error.largest,
        gas: 0.0,
        seconds: 0.0,
        objective: None,
        target_error: None,
    })
}

/// The circuits that a planner considers for the same model, ranges and precision: those it
/// would choose first, of others only such as none is better than in gas and in time; last, if
/// there is one, that for a tenth of the error.
pub(super) fn others(setup: &PublicSetup, planned: &PlannedModel) -> Vec<OtherCircuit> {
    let manifest = setup.manifest();
    let (ranges, options) = (manifest.ranges(), manifest.plan_options());
    let reached = planned.plan().error.largest;
    let target = options.target_error.map_or(reached, |target| target.max(reached));
    let model = planned.model();
    let mut chosen = Vec::new();
    let mut all: Vec<OtherCircuit> = Vec::new();
    for objective in [Objective::Gas, Objective::Time] {
        let target_error = Some(target);
        let options = PlanOptions { objective, target_error, ..options.clone() };
        let Ok(plan) = Plan::new(model, &ranges, &options) else { continue };
        let mut considered = plan.considered.iter();
        chosen.extend(considered.next().map(|own| OtherCircuit::new(own, Some(objective))));
        all.extend(considered.map(|own| OtherCircuit::new(own, None)));
    }
    // Least gas first: what follows must take less time than all before, and beat what is known.
    all.sort_by(|a, b| {
        (a.gas, a.seconds).partial_cmp(&(b.gas, b.seconds)).unwrap_or(a.k.cmp(&b.k))
    });
    let own = own(planned);
    let beats = |one: &OtherCircuit, other: &OtherCircuit| {
        one.gas <= other.gas && one.seconds <= other.seconds
    };
    let mut least = f64::INFINITY;
    all.retain(|other| {
        let known = chosen.iter().chain([&own]).any(|known| beats(known, other));
        let better = other.seconds < least && !known;
        least = least.min(other.seconds);
        better
    });
    chosen.extend(all);
    let target_error = finer(reached);
    let options = PlanOptions { target_error: Some(target_error), ..options };
    if let Ok(plan) = Plan::new(model, &ranges, &options)
        && let Some(own) = plan.considered.first()
    {
        let own = OtherCircuit::new(own, Some(options.objective));
        chosen.push(OtherCircuit { target_error: Some(target_error), ..own });
    }
    chosen
}

/// A tenth of an error, to a digit.
fn finer(error: f64) -> f64 {
    let tenth = error / 10.0;
    let power = 10f64.powi(tenth.max(1e-12).log10().floor() as i32);
    (tenth / power).floor().max(1.0) * power
}
