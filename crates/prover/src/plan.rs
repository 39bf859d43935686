//! Chooses a circuit shape for a model, before any key is made.
//!
//! Candidates differ in the size of a limb, the number of limbs and the number of
//! weight lanes. For each, the model is quantized and its error against the float
//! model measured on inputs drawn from the declared ranges; those that miss the
//! error target are dropped. Of the rest the cheapest is taken, where gas counts
//! commitments (a lane is one more) and time counts rows.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    circuit::{Layout, LayoutError, constraint_system},
    model::FloatModel,
    quantize::{ErrorReport, Precision, QuantizeError, Quantized, Ranges},
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
/// Multiply-accumulates spent on comparing a candidate with the float model.
const COMPARISON_BUDGET: usize = 40_000_000;

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
    /// The error target is not a positive number.
    #[error("the error target is {target}, must be a positive number")]
    Target {
        /// The target given.
        target: f64,
    },
}

impl Plan {
    /// Plans `model` for inputs within `ranges`.
    pub fn new(
        model: &FloatModel,
        ranges: &Ranges,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let Some(target) = options.target_error else {
            return match Self::within(model, ranges, options, DEFAULT_TARGET) {
                Err(PlanError::Imprecise { best, .. }) if 2.0 * best <= LARGEST_DEFAULT_TARGET => {
                    Self::within(model, ranges, options, 2.0 * best)
                }
                planned => planned,
            };
        };
        if !(target > 0.0 && target.is_finite()) {
            return Err(PlanError::Target { target });
        }
        Self::within(model, ranges, options, target)
    }

    fn within(
        model: &FloatModel,
        ranges: &Ranges,
        options: &PlanOptions,
        target: f64,
    ) -> Result<Self, PlanError> {
        let precision = Precision {
            decimals: options.decimals,
            function_tolerance: FUNCTIONS_SHARE * target.max(1e-12),
        };
        let mut failure = None;
        let mut best_error = f64::INFINITY;
        let mut candidates = Vec::new();
        let mut quantized_formats = Vec::new();
        for (limb_bits, shift_limbs, limbs) in FORMATS {
            let public_inputs = options.public_inputs;
            let format =
                Shape { limb_bits, limbs, shift_limbs, lanes: 1, public_inputs, graph: None };
            format.validate()?;
            let (quantized, error) = match measure(model, ranges, &format, &precision) {
                Ok(measured) => measured,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            best_error = best_error.min(error.largest);
            if error.largest > target {
                continue;
            }
            for shape in shapes_of(&format) {
                let Ok(k) = Layout::required_k(&quantized.network, shape) else { continue };
                let cost = cost(&shape, k, options.objective);
                candidates.push((
                    Candidate { shape, k, error: error.largest, cost },
                    quantized_formats.len(),
                ));
            }
            quantized_formats.push((quantized, error));
        }
        candidates.sort_by(|(a, _), (b, _)| a.cost.total_cmp(&b.cost));
        let Some((best, format)) = candidates.first().copied() else {
            return Err(match failure {
                _ if !quantized_formats.is_empty() => {
                    let (quantized, _) = &quantized_formats[0];
                    let rows = quantized.network.parameter_count();
                    LayoutError::TooLarge { rows, limit: crate::circuit::MAX_K }.into()
                }
                Some(error) if best_error.is_infinite() => error.into(),
                _ => PlanError::Imprecise { best: best_error, target },
            });
        };
        let (quantized, error) = quantized_formats.swap_remove(format);
        let considered = candidates.into_iter().map(|(candidate, _)| candidate).collect();
        let estimate = Estimate::new(&best.shape, best.k, &quantized);
        Ok(Self { shape: best.shape, k: best.k, quantized, error, estimate, considered })
    }

    /// Uses a shape of the caller's choice.
    pub fn with_shape(
        model: &FloatModel,
        ranges: &Ranges,
        shape: Shape,
        precision: &Precision,
    ) -> Result<Self, PlanError> {
        shape.validate()?;
        let (quantized, error) = measure(model, ranges, &shape, precision)?;
        let k = Layout::required_k(&quantized.network, shape)?;
        let estimate = Estimate::new(&shape, k, &quantized);
        let considered = vec![Candidate { shape, k, error: error.largest, cost: 0.0 }];
        Ok(Self { shape, k, quantized, error, estimate, considered })
    }
}

fn measure(
    model: &FloatModel,
    ranges: &Ranges,
    shape: &Shape,
    precision: &Precision,
) -> Result<(Quantized, ErrorReport), QuantizeError> {
    let quantized = Quantized::new(model, ranges, shape, precision)?;
    let samples = (COMPARISON_BUDGET / model.parameters().max(1)).clamp(4, 256);
    let error = quantized.compare(model, &ranges.samples(samples))?;
    Ok((quantized, error))
}

/// The chain circuit's and the graph circuit's shapes of a format.
fn shapes_of(format: &Shape) -> Vec<Shape> {
    let chain = if format.public_inputs { &LANES[..1] } else { &LANES[..] };
    let chain = chain.iter().map(|lanes| Shape { lanes: *lanes, ..*format });
    // As many weights in a cell as it holds; limbs in as few rows as a column more saves.
    let packed = format.most_packed();
    let columns = (1..=format.limbs)
        .filter(|m| *m == 1 || format.limbs.div_ceil(*m) < format.limbs.div_ceil(m - 1));
    let graph = columns.flat_map(|limb_columns| {
        let graph = Some(GraphShape { limb_columns, packed });
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
        let public = shape.input_words(quantized.network.inputs);
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
            instances: 1 + public + quantized.output.count,
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
    use crate::model::{Affine, FloatLayer, FloatOp, TensorInfo};

    fn linear(weights: Vec<f64>) -> FloatModel {
        let inputs = weights.len();
        let tensor = |len| TensorInfo { name: "t".into(), shape: vec![1, len], len };
        let affine = Affine { inputs, outputs: 1, weights, bias: vec![0.25] };
        FloatModel {
            name: "linear".into(),
            input: tensor(inputs),
            output: tensor(1),
            layers: vec![FloatLayer { node: "gemm".into(), op: FloatOp::Affine(affine) }],
            sha256: [0; 32],
        }
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

    #[test]
    fn public_inputs_are_counted_as_instances() {
        let options = PlanOptions { public_inputs: true, ..PlanOptions::default() };
        let plan = Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, 1.0), &options)
            .expect("plans");
        assert_eq!(plan.estimate.instances, 4);
        assert_eq!(plan.shape.lanes, 1);
    }
}
