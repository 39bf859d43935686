//! Chooses a circuit shape for a model, before any key is made.
//!
//! Candidates differ in the size of a limb, the number of limbs and the number of
//! weight lanes. What does not depend on them is decided once, by the quantizer; for
//! each number of bits the model is quantized and its error against the float model
//! measured, and those that miss the error target are dropped. Of the rest the cheapest
//! is taken, where gas counts commitments (a lane is one more) and time counts rows.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    circuit::{Layout, LayoutError, PublicValues, constraint_system},
    graph::Graph,
    quantize::{ErrorReport, Precision, QuantizeError, Quantized, Quantizer, Ranges},
    shape::{GraphShape, Shape, ShapeError},
};

/// (bits of a limb, limbs dropped by the rescale, limbs) of the candidates.
const FORMATS: [(u32, usize, usize); 11] = [
    (8, 3, 7),
    (9, 2, 4),
    (9, 2, 5),
    (10, 2, 4),
    (10, 2, 5),
    (10, 2, 6),
    (11, 2, 5),
    (12, 2, 4),
    (12, 2, 5),
    (14, 2, 4),
    (15, 2, 4),
];
/// Lane counts of the candidates.
const LANES: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64];
/// Gas of a verification with no lanes and no limbs.
const GAS_BASE: f64 = 262_000.0;
/// Columns of that verification: those of the chain circuit.
const COLUMNS_OF_BASE: usize = 10;
/// Gas of one more column: a multiplication, an addition, an evaluation.
const GAS_PER_COLUMN: f64 = 6_900.0;
/// Gas of one more limb: an evaluation and a larger interpolation.
const GAS_PER_LIMB: f64 = 1_000.0;
/// The error target of those who name none …
const DEFAULT_TARGET: f64 = 1e-4;
/// … and how far it gives way for models whose outputs may be large.
const LARGEST_DEFAULT_TARGET: f64 = 1e-2;
/// The part of the target that functions may use up; the rest is for rounding. Next to
/// a point of inflection a function's error is half as much again.
const FUNCTIONS_SHARE: f64 = 0.45;
/// The target that says how close the circuits come at all.
const FINEST_TARGET: f64 = 1e-7;

/// What to optimize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// A balance: halving a long proof's time is worth a sixth more gas.
    #[default]
    Balanced,
    /// The least gas, whatever the time.
    Gas,
    /// The least time, whatever the gas.
    Time,
}

/// What the user may choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Largest output error against the float model; 1e-4 if not given, or what the
    /// circuits reach, should none reach that.
    pub target_error: Option<f64>,
    /// Whether inputs are instances.
    pub public_inputs: bool,
    /// What to optimize.
    pub objective: Objective,
    /// Decimals of the outputs; the most that fit, 6 at most, if not given.
    pub decimals: Option<u32>,
    /// Inferences that one proof is of; one if not given.
    pub batch: Option<usize>,
}

/// A model with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The chosen shape.
    pub shape: Shape,
    /// log2 of the rows.
    pub k: u32,
    /// The quantized model.
    pub quantized: Quantized,
    /// Its measured error.
    pub error: ErrorReport,
    /// What it will cost.
    pub estimate: Estimate,
    /// Every candidate that met the target, cheapest first.
    pub considered: Vec<Candidate>,
}

/// A shape that would do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The shape.
    pub shape: Shape,
    /// log2 of the rows.
    pub k: u32,
    /// Measured error.
    pub error: f64,
    /// Its cost under the objective; only comparable within one plan.
    pub cost: f64,
}

/// Costs known before any key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows, 2^k.
    pub rows: usize,
    /// Advice and fixed columns.
    pub columns: usize,
    /// Commitments a verifier multiplies: proof, key and quotient pieces.
    pub commitments: usize,
    /// Instances, the context included.
    pub instances: usize,
    /// Bytes of a proof.
    pub proof_bytes: usize,
    /// Peak memory of proving, bytes.
    pub memory_bytes: usize,
}

/// Why no shape was found.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Quantization fails for every candidate; this is the last failure.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The model has too many rows in every candidate.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The shape asked for is not supported.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// No candidate is precise enough.
    #[error(
        "the smallest error against the float model is {best:.1e}, above the target {target:.1e}; \
         narrow the input ranges or accept a larger error"
    )]
    Imprecise {
        /// Smallest measured error.
        best: f64,
        /// The target.
        target: f64,
    },
    /// Rounding to the decimals asked for is more than the error allowed.
    #[error(
        "outputs of {decimals} decimals are rounded by up to {rounding:.1e}, more than the target \
         {target:.1e}; ask for more decimals or accept a larger error"
    )]
    Decimals {
        /// The decimals.
        decimals: u32,
        /// Half a unit of the last.
        rounding: f64,
        /// The target.
        target: f64,
    },
    /// The error target is not a positive number.
    #[error("the error target is {target}, must be a positive number")]
    Target {
        /// The target given.
        target: f64,
    },
}

/// What the candidates of one target came to.
#[derive(Debug)]
struct Search {
    /// The cheapest: its place among the formats, the quantized model, its error.
    best: Option<(Candidate, usize, Quantized, ErrorReport)>,
    candidates: Vec<(Candidate, usize)>,
    /// The smallest error of any format.
    error: f64,
    failure: Option<PlanError>,
}

impl Plan {
    /// Plans `graph` for inputs within `ranges`.
    ///
    /// # Errors
    /// A model that no candidate holds, or none as precisely as asked for.
    pub fn new(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Self, PlanError> {
        // Decimals that are asked for are meant, and what rounding to them costs is accepted.
        let rounding =
            options.decimals.map_or(0.0, |decimals| 0.5 * 10f64.powi(-(decimals as i32)));
        let target = options.target_error.unwrap_or(DEFAULT_TARGET + rounding);
        if !(target > 0.0 && target.is_finite()) {
            return Err(PlanError::Target { target });
        }
        if let Some(decimals) = options.decimals.filter(|_| rounding > target) {
            return Err(PlanError::Decimals { decimals, rounding, target });
        }
        let quantizer = Quantizer::new(graph, ranges)?;
        let search = Search::new(&quantizer, options, target, target);
        if search.best.is_some() || !search.error.is_finite() {
            return search.finish(target);
        }
        // Functions approximated for this target say little about what can be had.
        let finest = Search::new(&quantizer, options, FINEST_TARGET, target);
        if finest.best.is_some() {
            return finest.finish(target);
        }
        let reached = 2.0 * finest.error;
        if options.target_error.is_none() && reached <= LARGEST_DEFAULT_TARGET {
            return Search::new(&quantizer, options, reached, reached).finish(reached);
        }
        finest.finish(target)
    }

    /// Uses a shape of the caller's choice.
    ///
    /// # Errors
    /// A shape that is none, or does not hold the model.
    pub fn with_shape(
        graph: &Graph,
        ranges: &Ranges,
        shape: Shape,
        precision: &Precision,
    ) -> Result<Self, PlanError> {
        shape.validate()?;
        let quantizer = Quantizer::new(graph, ranges)?;
        let quantized = quantizer.quantize(&shape, &quantizer.functions(precision))?;
        let error = quantizer.compare(&quantized)?;
        let k = Layout::required_k(&quantized.graph, shape)?;
        let estimate = Estimate::new(&shape, k, &quantized);
        let considered = vec![Candidate { shape, k, error: error.largest, cost: 0.0 }];
        Ok(Self { shape, k, quantized, error, estimate, considered })
    }
}

impl Search {
    /// Tries every format, functions approximated for `functions_target`, and keeps those
    /// whose error is at most `target`.
    fn new(
        quantizer: &Quantizer<'_>,
        options: &PlanOptions,
        functions_target: f64,
        target: f64,
    ) -> Self {
        let functions = quantizer.functions(&Precision {
            decimals: options.decimals,
            function_tolerance: FUNCTIONS_SHARE * functions_target.max(1e-12),
        });
        let search = Mutex::new(Self {
            best: None,
            candidates: Vec::new(),
            error: f64::INFINITY,
            failure: None,
        });
        FORMATS.par_iter().enumerate().for_each(|(index, (limb_bits, shift_limbs, limbs))| {
            let format = Shape {
                limb_bits: *limb_bits,
                limbs: *limbs,
                shift_limbs: *shift_limbs,
                lanes: 1,
                public_inputs: options.public_inputs,
                graph: None,
            };
            let measured = quantizer
                .quantize(&format, &functions)
                .and_then(|quantized| Ok((quantizer.compare(&quantized)?, quantized)));
            let lock = || search.lock().unwrap_or_else(PoisonError::into_inner);
            let (error, quantized) = match measured {
                Ok(measured) => measured,
                Err(error) => {
                    lock().fail(error.into());
                    return;
                }
            };
            if error.largest > target {
                let mut search = lock();
                search.error = search.error.min(error.largest);
                return;
            }
            let mut candidates = Vec::new();
            let mut failure = None;
            for shape in shapes_of(&format, options.batch.unwrap_or(1)) {
                match Layout::required_k(&quantized.graph, shape) {
                    Ok(k) => {
                        let cost = cost(&shape, k, options.objective);
                        candidates
                            .push((Candidate { shape, k, error: error.largest, cost }, index));
                    }
                    Err(error) => failure = Some(error),
                }
            }
            let mut search = lock();
            search.error = search.error.min(error.largest);
            failure.into_iter().for_each(|error| search.fail(error.into()));
            let cheapest = candidates.iter().min_by(|(a, _), (b, _)| a.cost.total_cmp(&b.cost));
            if let Some((candidate, _)) = cheapest {
                // Formats come in any order: ties are decided by theirs.
                let better = search
                    .best
                    .as_ref()
                    .is_none_or(|(best, place, ..)| (candidate.cost, index) < (best.cost, *place));
                if better {
                    search.best = Some((*candidate, index, quantized, error));
                }
            }
            search.candidates.extend(candidates);
        });
        search.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why a format is no candidate; too many rows tell more than a shape that does
    /// not suit.
    fn fail(&mut self, error: PlanError) {
        if !matches!(self.failure, Some(PlanError::Layout(LayoutError::TooLarge { .. }))) {
            self.failure = Some(error);
        }
    }

    fn finish(self, target: f64) -> Result<Plan, PlanError> {
        let Some((best, _, quantized, error)) = self.best else {
            return Err(match self.failure {
                Some(failure) if self.error.is_infinite() || self.error <= target => failure,
                _ => PlanError::Imprecise { best: self.error, target },
            });
        };
        let mut candidates = self.candidates;
        candidates.sort_by(|(a, i), (b, j)| a.cost.total_cmp(&b.cost).then(i.cmp(j)));
        let considered = candidates.into_iter().map(|(candidate, _)| candidate).collect();
        let estimate = Estimate::new(&best.shape, best.k, &quantized);
        Ok(Plan { shape: best.shape, k: best.k, quantized, error, estimate, considered })
    }
}

/// The chain circuit's and the graph circuit's shapes of a format.
fn shapes_of(format: &Shape, batch: usize) -> Vec<Shape> {
    let chain = match (batch, format.public_inputs) {
        (1, true) => &LANES[..1],
        (1, false) => &LANES[..],
        // The chain circuit is of one inference.
        _ => &[],
    };
    let chain = chain.iter().map(|lanes| Shape { lanes: *lanes, ..*format });
    // As many weights in a cell as it holds; limbs in as few rows as a column more saves.
    let packed = format.most_packed();
    let columns = (1..=format.limbs)
        .filter(|m| *m == 1 || format.limbs.div_ceil(*m) < format.limbs.div_ceil(m - 1));
    let graph = columns.flat_map(|limb_columns| {
        let graph = Some(GraphShape { limb_columns, packed, batch });
        LANES.iter().map(move |lanes| Shape { lanes: *lanes, graph, ..*format })
    });
    chain.chain(graph).collect()
}

/// Relative cost of proving and verifying.
fn cost(shape: &Shape, k: u32, objective: Objective) -> f64 {
    let system = constraint_system(shape);
    let (advice, fixed) = (system.num_advice_columns(), system.num_fixed_columns());
    let more = advice + fixed - COLUMNS_OF_BASE;
    let gas = GAS_BASE + GAS_PER_COLUMN * more as f64 + GAS_PER_LIMB * shape.limbs as f64;
    // Full-size work: commitments and openings, and a little for each fixed column.
    // Seconds on two cores, for the balance only.
    let columns = 1.0 + 0.08 * (advice as f64 - 6.0) + 0.01 * fixed as f64;
    let seconds = (1u64 << k) as f64 * columns * 1.5e-5;
    match objective {
        Objective::Balanced => 4.0 * gas.ln() + (0.03 + seconds).ln(),
        Objective::Gas => gas + seconds,
        Objective::Time => seconds + gas * 1e-12,
    }
}

impl Estimate {
    /// What a model of this shape and size costs.
    pub fn new(shape: &Shape, k: u32, quantized: &Quantized) -> Self {
        let (inputs, outputs) = (quantized.graph.input_len(), quantized.output.count);
        let rows = 1usize << k;
        let system = constraint_system(shape);
        let (advice, fixed) = (system.num_advice_columns(), system.num_fixed_columns());
        // Points: advice, the vanishing argument's random polynomial, two quotient
        // pieces, two of the opening. Scalars: one for each query.
        let points = advice + 1 + 2 + 2;
        let queries = system.advice_queries().len() + system.fixed_queries().len() + 1;
        Self {
            rows,
            columns: advice + fixed,
            commitments: points + fixed,
            instances: PublicValues::new(shape, inputs, outputs).count(),
            proof_bytes: 64 * points + 32 * queries,
            // Values and coefficients of fixed and advice columns, their extension
            // to twice the rows, and the SRS in both bases.
            memory_bytes: rows * (32 * (4 * (advice + fixed) + 12) + 128) + (16 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{ElementKind, Function, Linear, LinearMap, Node, Op, Tensor, TensorId};

    /// Σ weights·x + 0.25, and what follows it.
    fn graph(weights: Vec<f64>, following: Vec<Op>) -> Graph {
        let inputs = weights.len();
        let tensor = |len| Tensor { name: "t".into(), dims: vec![1, len], kind: ElementKind::Real };
        let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs: 1, weights }];
        let linear = Op::Linear(Linear { maps, bias: vec![0.25] });
        let ops: Vec<Op> = std::iter::once(linear).chain(following).collect();
        Graph {
            name: "linear".into(),
            sha256: [0; 32],
            tensors: (0..=ops.len()).map(|i| tensor(if i == 0 { inputs } else { 1 })).collect(),
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(ops.len())],
            nodes: ops
                .into_iter()
                .enumerate()
                .map(|(index, op)| Node {
                    name: format!("n{index}"),
                    op,
                    inputs: vec![TensorId(index)],
                    output: TensorId(index + 1),
                })
                .collect(),
        }
    }

    fn linear(weights: Vec<f64>) -> Graph {
        graph(weights, vec![])
    }

    /// 300 + 550·sigmoid.
    fn score_card() -> Graph {
        let scale = Linear { maps: vec![LinearMap::Diagonal(vec![550.0])], bias: vec![300.0] };
        graph(vec![1.5, -2.0, 0.5], vec![Op::Function(Function::Sigmoid), Op::Linear(scale)])
    }

    #[test]
    fn a_score_card_is_planned_with_the_default_target() {
        let ranges = Ranges::uniform(3, -2.0, 2.0);
        let plan = Plan::new(&score_card(), &ranges, &PlanOptions::default()).expect("plans");
        assert!(plan.error.largest <= 1e-4, "{:?}", plan.error);
    }

    #[test]
    fn a_target_far_above_any_error_is_met_too() {
        for target in [0.5, 5.0, 1e9] {
            let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
            let ranges = Ranges::uniform(3, -2.0, 2.0);
            let plan = Plan::new(&score_card(), &ranges, &options).expect("plans");
            assert!(plan.error.largest <= target);
        }
    }

    #[test]
    fn how_close_the_circuits_come_does_not_depend_on_the_target() {
        let reached = [1e-9, 1e-10, 1e-12].map(|target| {
            let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
            match Plan::new(&score_card(), &Ranges::uniform(3, -2.0, 2.0), &options) {
                Err(PlanError::Imprecise { best, .. }) => best,
                other => panic!("{other:?}"),
            }
        });
        assert!(reached.iter().all(|best| *best == reached[0]), "{reached:?}");
    }

    #[test]
    fn the_objective_decides_between_rows_and_commitments() {
        let model = linear((0..3000).map(|i| f64::from(i % 17) / 300.0).collect());
        let plan = |objective| {
            let options =
                PlanOptions { objective, target_error: Some(1e-3), ..PlanOptions::default() };
            Plan::new(&model, &Ranges::uniform(3000, 0.0, 1.0), &options).expect("plans")
        };
        let (gas, time) = (plan(Objective::Gas), plan(Objective::Time));
        assert_eq!(gas.shape.lanes, 1);
        assert!(time.k <= gas.k);
        let costs: Vec<f64> = gas.considered.iter().map(|candidate| candidate.cost).collect();
        assert!(costs.is_sorted());
    }

    #[test]
    fn decimals_that_are_asked_for_are_given_or_contradict_the_target() {
        let ranges = Ranges::uniform(2, 0.0, 1.0);
        let model = linear(vec![30.0, 70.0]);
        let plan = |target_error| {
            let options = PlanOptions { decimals: Some(0), target_error, ..PlanOptions::default() };
            Plan::new(&model, &ranges, &options)
        };
        let whole = plan(None).expect("integers were asked for");
        assert_eq!(whole.quantized.output.decimals, 0);
        assert!(whole.error.largest <= 0.5 + DEFAULT_TARGET);
        assert!(matches!(plan(Some(1e-2)), Err(PlanError::Decimals { decimals: 0, .. })));
    }

    #[test]
    fn a_target_nothing_meets_is_an_error_that_says_how_close_it_came() {
        let options = PlanOptions { target_error: Some(1e-12), ..PlanOptions::default() };
        let result = Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, 1.0), &options);
        assert!(matches!(result, Err(PlanError::Imprecise { best, .. }) if best < 1e-5));
        for target in [0.0, -1.0, f64::NAN] {
            let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
            let result = Plan::new(&linear(vec![0.3]), &Ranges::uniform(1, 0.0, 1.0), &options);
            assert!(matches!(result, Err(PlanError::Target { .. })));
        }
    }

    /// Prints how long planning takes:
    /// cargo nextest run --release -p verdict-prover four_million --no-capture
    #[test]
    fn four_million_parameters_are_planned_in_seconds() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
        };
        let sizes = [1024, 2048, 1000];
        let mut model = linear(vec![0.0; sizes[0]]);
        model.tensors.truncate(1);
        model.nodes.clear();
        for (index, pair) in sizes.windows(2).enumerate() {
            let &[inputs, outputs] = pair else { continue };
            let bound = (6.0 / inputs as f64).sqrt();
            let weights = (0..inputs * outputs).map(|_| random() * bound).collect();
            let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
            let mut ops = vec![Op::Linear(Linear { maps, bias: vec![0.1; outputs] })];
            if index == 0 {
                ops.push(Op::Function(Function::Relu));
            }
            for op in ops {
                let from = TensorId(model.tensors.len() - 1);
                let output = TensorId(model.tensors.len());
                let (dims, kind) = (vec![1, outputs], ElementKind::Real);
                model.tensors.push(Tensor { name: format!("t{}", output.0), dims, kind });
                model.nodes.push(Node { name: "n".into(), op, inputs: vec![from], output });
                model.outputs = vec![output];
            }
        }
        let start = std::time::Instant::now();
        let ranges = Ranges::uniform(sizes[0], -1.0, 1.0);
        let plan = Plan::new(&model, &ranges, &PlanOptions::default()).expect("plans");
        let time = start.elapsed().as_secs_f64();
        println!("{} parameters planned in {time:.2} s: 2^{}", model.parameters(), plan.k);
        assert!(plan.k <= 17, "2^{}", plan.k);
        // Many times what it takes, for machines that do something else besides.
        assert!(time < 60.0, "{time} s");
    }

    #[test]
    fn public_inputs_are_counted_as_instances() {
        let options = PlanOptions { public_inputs: true, ..PlanOptions::default() };
        let plan = Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, 1.0), &options)
            .expect("plans");
        assert_eq!(plan.estimate.instances, 4);
        assert_eq!(plan.shape.lanes, 1);
    }
}
