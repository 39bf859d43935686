//! From a float model to an integer network.
//!
//! Every tensor gets the finest power-of-two unit with which the circuit's bits
//! still hold whatever the declared input ranges can produce; weights take up the
//! rest of the pre-activation's bits. Rounding is all there is to the error: there
//! is no clipping and no calibration that a real input could break.
//!
//! ```text
//! Graph ─ bounds, program: steps and views, once ─► Program ─ emit, for a circuit's bits ─► IntegerGraph
//!            sensitivity: how closely functions are needed ┘                 └─ compare: the measured error
//! ```
//!
//! - A ReLU of what is linear is one node; linear maps join whoever reads them, so that no
//!   value is rounded twice.
//! - What is linear and must be a value of its own is shifted so that no input in range makes
//!   it negative, and whoever reads it takes the shift back.
//! - A function of one variable is a sum of ReLUs at knots, a maximum b + max(0, a − b).

mod bounds;
mod calibration;
mod compare;
mod comparisons;
mod compose;
mod convex;
mod emit;
mod encoding;
pub mod grid;
mod missing;
mod program;
pub mod pwl;
pub mod schema;
mod sensitivity;
mod steps;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    compare::ErrorReport,
    comparisons::Comparisons,
    encoding::{Encoding, LayerError},
    grid::Grid,
    schema::{InputSchema, InputTensor, OutputSchema, OutputTensor, Ranges, SchemaError},
    steps::Steps,
};
use self::{
    compare::Reference,
    emit::{DEFAULT_DECIMALS, Emitted, Emitter},
    program::{Kind, Program, Step},
    pwl::PiecewiseLinear,
};
use crate::{
    graph::{Curve, ElementKind, Graph, GraphError, RunError},
    integer::{IntegerError, IntegerGraph},
    shape::Shape,
};

/// Bounds of a function's tolerance: finer ones cost more than any output shows, coarser
/// ones don't resemble the function.
const TOLERANCES: (f64, f64) = (1e-9, 0.05);
/// The most that a mask may count.
pub(crate) const COUNTS: f64 = (1u64 << 40) as f64;
/// How close to its limit a function is where its table ends.
const TABLE_TOLERANCE: f64 = 1e-8;

/// What the user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Precision {
    /// Decimals of the outputs; the most that fit, 6 at most, if not given.
    pub decimals: Option<u32>,
    /// What the piecewise-linear approximations of all functions together may add to the
    /// error of an output.
    pub function_tolerance: f64,
}

impl Default for Precision {
    fn default() -> Self {
        Self { decimals: None, function_tolerance: 4.5e-5 }
    }
}

/// An integer graph and what its inputs and outputs mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The graph.
    pub graph: IntegerGraph,
    /// How inputs become integers.
    pub input: InputSchema,
    /// How output words are read.
    pub output: OutputSchema,
    /// What the integers of each tensor of the graph stand for.
    pub encodings: Vec<Encoding>,
    /// How close values may be that change places where only their order counts, as of distances to
    /// known points: 0 where none do, none where there are no such.
    pub apart: Option<f64>,
    /// Whether a normalization brings rows to one size that may be as different as their declared
    /// ranges allow: one far smaller than it may be has few digits of its own.
    pub scaled: bool,
    /// What becomes of numbers on a grid that are next to a half when they are made whole.
    pub halves: Halves,
}

/// Which whole numbers a circuit makes of numbers on a grid next to a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Halves {
    /// Those that the file's arithmetic makes.
    #[default]
    Same,
    /// One of those that float32 may make, within 2^−23 of a half.
    Either,
    /// Either neighbour, where the circuit's bits do not tell which is nearer.
    Coarse,
}

/// A model with all that is decided about it before the circuit's bits are known.
#[derive(Debug)]
pub struct Quantizer<'a> {
    graph: &'a Graph,
    ranges: Ranges,
    program: Program,
    reference: Reference,
    /// By tensor of the graph: how much an error of its elements adds to one of an output.
    gains: Vec<f64>,
}

/// A quantizer's functions, approximated.
#[derive(Debug)]
pub struct Functions {
    /// By step, one for each of its elements.
    fitted: Vec<Vec<PiecewiseLinear>>,
    decimals: Option<u32>,
}

/// What a circuit proves besides linear nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arguments {
    /// Paths through decision trees; else ensembles are made of decisions.
    pub paths: bool,
    /// Maxima over windows; else they are made of differences.
    pub windows: bool,
    /// Functions of one variable by tables; else they are made of ReLUs.
    pub tables: bool,
}

/// Why a model cannot be quantized.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The graph is not consistent.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The float model cannot be run.
    #[error(transparent)]
    Model(#[from] RunError),
    /// Ranges or samples that do not fit.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The resulting integer graph is not valid.
    #[error(transparent)]
    Integer(#[from] IntegerError),
    /// No layers.
    #[error("the model computes nothing: its output is its input")]
    Empty,
    /// A layer's values may be too large for a useful unit.
    #[error("layer {node}: {}; narrow the ranges", too_wide(*magnitude, *fraction_bits))]
    TooWide {
        /// The layer.
        node: String,
        /// Largest magnitude.
        magnitude: f64,
        /// Fraction bits left.
        fraction_bits: i32,
    },
    /// The outputs do not fit with the decimals asked for.
    #[error("outputs may reach {magnitude:.3e}, {}", too_large(*decimals))]
    Decimals {
        /// Largest magnitude.
        magnitude: f64,
        /// Decimals asked for.
        decimals: u32,
    },
    /// Products of values that need more bits than the circuit has.
    #[error(
        "layer {node}: the values it multiplies or divides need more bits than the circuit has; \
         narrow the declared input ranges"
    )]
    ProductTooWide {
        /// The layer.
        node: String,
    },
    /// A divisor may be 0 or negative.
    #[error(
        "layer {node}: it divides by what may be {lowest:.3e} within the declared input ranges, \
         and only positive divisors are proven; narrow the ranges"
    )]
    Divisor {
        /// The layer.
        node: String,
        /// The least that a divisor may be.
        lowest: f64,
    },
    /// A root's operand may be negative.
    #[error(
        "layer {node}: it takes the root of what may be {lowest:.3e} within the declared input \
         ranges; narrow them"
    )]
    Radicand {
        /// The layer.
        node: String,
        /// The least that an operand may be.
        lowest: f64,
    },
    /// What is divided by a maximum may be negative.
    #[error(
        "layer {node}: it divides by the greatest of what may be {lowest:.3e} within the declared \
         input ranges, and only of values that are not negative it is proven; narrow the ranges"
    )]
    NegativeShare {
        /// The layer.
        node: String,
        /// The least that an element may be.
        lowest: f64,
    },
    /// Numbers that leave the bounds of what is made of them: integers those of their type.
    #[error("layer {node}: {}; narrow the ranges", wraps(*value, *low, *high))]
    Wraps {
        /// The layer.
        node: String,
        /// What they may reach.
        value: f64,
        /// Least value of the type.
        low: f64,
        /// Greatest value of the type.
        high: f64,
    },
    /// Features of which integers are made that leave their type.
    #[error(
        "layer {node}: what it compares is made an integer on the way, and of {value}, which is within \
         the declared input ranges, that would be beyond its type, where it would wrap; narrow the ranges"
    )]
    CastWraps {
        /// The layer.
        node: String,
        /// The number of which it is made.
        value: f64,
    },
    /// Rounding to whole numbers that no line of the circuit's bits follows.
    #[error(
        "layer {node}: the sums that it rounds to whole numbers need more bits than the circuit has; \
         narrow the declared input ranges, or quantize by a coarser scale"
    )]
    Staircase {
        /// The layer.
        node: String,
    },
    /// A weight does not fit 63 bits.
    #[error("layer {node}: a weight of {weight:.3e} is too large for the unit its input has")]
    WeightTooLarge {
        /// The layer.
        node: String,
        /// The weight in the layer's unit.
        weight: f64,
    },
    /// Function values by the thousand.
    #[error(
        "layer {node}: {functions} function evaluations of {knots} knots in all are more than this \
         circuit is made for"
    )]
    TooManyKnots {
        /// The layer.
        node: String,
        /// Function evaluations.
        functions: usize,
        /// Knots of all of them.
        knots: usize,
    },
}

fn wraps(value: f64, low: f64, high: f64) -> String {
    match (low.fract() != 0.0, low == 0.0 && high == COUNTS) {
        (true, _) => format!(
            "the scores of a mask may reach {value} within the declared input ranges, and beyond \
             {low} to {high} it would not hide them"
        ),
        (_, true) => format!(
            "what a mask counts may be {value} within the declared input ranges, and only what is not \
             negative is counted"
        ),
        _ => format!(
            "its integers may reach {value} within the declared input ranges, and their type holds \
             {low} to {high}, beyond which they would wrap"
        ),
    }
}

fn too_wide(magnitude: f64, fraction_bits: i32) -> String {
    match magnitude.is_finite() {
        true => format!(
            "values may reach {magnitude:.3e} within the declared input ranges, which leaves \
             {fraction_bits} fraction bits, too few"
        ),
        false => "values have no bound within the declared input ranges".into(),
    }
}

fn too_large(decimals: u32) -> String {
    match decimals {
        0 => "more than the circuit holds; narrow the ranges, or scale the model's outputs".into(),
        decimals => format!("too large for {decimals} decimals; ask for fewer"),
    }
}

impl<'a> Quantizer<'a> {
    /// Takes `graph` apart for inputs within `ranges`, for circuits that prove nothing but
    /// linear nodes.
    ///
    /// # Errors
    /// A graph or ranges that are not consistent, or values that may overflow f64.
    pub fn new(graph: &'a Graph, ranges: &Ranges) -> Result<Self, QuantizeError> {
        Self::with(graph, ranges, Arguments::default())
    }

    /// Whether there are paths to be proven: in circuits with a node table only.
    pub fn has_paths(&self) -> bool {
        self.program.has_paths()
    }

    /// Whether there are functions to be proven by tables.
    pub fn has_tables(&self) -> bool {
        self.program.has_tables()
    }

    /// Whether there are maxima over windows to be proven.
    pub fn has_windows(&self) -> bool {
        self.program.has_windows()
    }

    /// Whether there are products of two values to be proven.
    pub fn has_products(&self) -> bool {
        self.program.has_products()
    }

    /// A quantizer for a circuit: with what that proves.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn suited(graph: &'a Graph, ranges: &Ranges, shape: &Shape) -> Result<Self, QuantizeError> {
        let (paths, tables) = (shape.node_lanes() > 0, shape.segment_lanes() > 0);
        let arguments = Arguments { paths, windows: shape.windows(), tables };
        Self::with(graph, ranges, arguments)
    }

    /// The same for circuits that prove more than linear nodes, as far as that helps.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(
        graph: &'a Graph,
        ranges: &Ranges,
        arguments: Arguments,
    ) -> Result<Self, QuantizeError> {
        graph.check()?;
        let ranges = ranges.resolve(graph)?;
        if graph.nodes.is_empty() {
            return Err(QuantizeError::Empty);
        }
        let program = Program::new(graph, &ranges, arguments)?;
        let reference = Reference::new(graph, &ranges)?;
        let curved = |step: &Step| matches!(step.kind, Kind::Curve { .. } | Kind::Table { .. });
        let functions = program.steps.iter().any(curved);
        let gains = if functions {
            let values = reference
                .some_inputs()
                .map(|inputs| graph.run_all(&graph.split(inputs)))
                .collect::<Result<Vec<_>, _>>()?;
            sensitivity::gains(graph, &values)
        } else {
            vec![0.0; graph.tensors.len()]
        };
        Ok(Self { graph, ranges, program, reference, gains })
    }

    /// Approximates the functions: each as closely as its share of what an output's error
    /// may be demands, after all that follows it.
    pub fn functions(&self, precision: &Precision) -> Functions {
        let curves = self.program.steps.iter();
        let curves = curves.filter(|step| matches!(step.kind, Kind::Curve { .. })).count();
        let share = precision.function_tolerance / curves.max(1) as f64;
        let mut cache: Vec<(Curve, (f64, f64, f64), PiecewiseLinear)> = Vec::new();
        let fitted = self.program.steps.iter().map(|step| {
            let Kind::Curve { curve, source, tensor, .. } = &step.kind else {
                return Vec::new();
            };
            let source = *source;
            let gain = self.gains[tensor.0].max(1e-6);
            // At least 0 for NaN.
            let tolerance = (share / gain).max(TOLERANCES.0).min(TOLERANCES.1);
            let (first, last) = curve.ends(tolerance);
            let value = |x: f64| curve.value(x);
            let bounds = &self.program.steps[source].bounds;
            let mut fit = |(lo, hi): &(f64, f64)| {
                let from = lo.clamp(first, last);
                let to = hi.clamp(first, last).max(from);
                let key = (from, to, tolerance);
                let same = |(of, other, _): &&(Curve, _, _)| of == curve && *other == key;
                if let Some((.., fitted)) = cache.iter().find(same) {
                    return fitted.clone();
                }
                let fitted = PiecewiseLinear::fit(value, from, to, tolerance);
                cache.push((*curve, key, fitted.clone()));
                fitted
            };
            bounds.iter().map(&mut fit).collect()
        });
        Functions { fitted: fitted.collect(), decimals: precision.decimals }
    }

    /// Quantizes the model to what `shape` can hold.
    ///
    /// # Errors
    /// Values that `shape` has no bits for.
    pub fn quantize(
        &self,
        shape: &Shape,
        functions: &Functions,
    ) -> Result<Quantized, QuantizeError> {
        let input = InputSchema::new(self.graph, &self.ranges, shape.value_bits())?;
        let decimals = f64::from(functions.decimals.unwrap_or(DEFAULT_DECIMALS));
        // What follows a function multiplies the rounding of what it is a function of.
        let gain = self.program.steps.iter().map(|step| match &step.kind {
            Kind::Curve { curve, tensor, .. } | Kind::Table { curve, tensor, .. }
                if curve.is_gentle() =>
            {
                self.gains[tensor.0]
            }
            Kind::Curve { tensor, argument, .. } | Kind::Table { tensor, argument, .. } => {
                self.gains[tensor.0].max(self.gains[argument.0])
            }
            _ => 1.0,
        });
        let gain = gain.fold(1.0, f64::max).min(1e9);
        let output_bits = (decimals * 10f64.log2()).ceil() as i32 + gain.log2().ceil() as i32;
        let emitter = Emitter::new(&input, shape, output_bits, &functions.fitted);
        let Emitted { graph, output, encodings, apart, halves } =
            emitter.run(&self.program, self.graph, functions.decimals)?;
        graph.validate(shape.accumulator_bits(), shape.value_bits())?;
        let scaled = self.program.scaled;
        Ok(Quantized { graph, input, output, encodings, apart, scaled, halves })
    }

    /// Compares a quantized model with the float model.
    ///
    /// # Errors
    /// The float model overflows on an input in range.
    pub fn compare(&self, quantized: &Quantized) -> Result<ErrorReport, QuantizeError> {
        self.reference.compare(quantized, self.graph)
    }

    /// The largest absolute value that the float model gave on what is compared, of the output
    /// tensor where that is least.
    pub fn magnitude(&self) -> f64 {
        let lens = self.graph.outputs.iter().map(|id| self.graph.tensors[id.0].len());
        self.reference.magnitude(&lens.collect::<Vec<_>>())
    }
}

impl Quantized {
    /// Quantizes `graph` for inputs within `ranges` to what `shape` can hold.
    ///
    /// # Errors
    /// As [`Quantizer::new`] and [`Quantizer::quantize`].
    pub fn new(
        graph: &Graph,
        ranges: &Ranges,
        shape: &Shape,
        precision: &Precision,
    ) -> Result<Self, QuantizeError> {
        let quantizer = Quantizer::suited(graph, ranges, shape)?;
        quantizer.quantize(shape, &quantizer.functions(precision))
    }

    /// Compares with the float model on samples, each the elements of all inputs.
    ///
    /// # Errors
    /// Samples that don't fit the schema or the model.
    pub fn compare(
        &self,
        graph: &Graph,
        samples: &[Vec<f64>],
    ) -> Result<ErrorReport, QuantizeError> {
        Reference::of_samples(graph, samples)?.compare(self, graph)
    }

    /// Runs the graph on real inputs, one input after the other; outputs are real too.
    ///
    /// # Errors
    /// Inputs that don't fit the schema.
    pub fn run(&self, inputs: &[f64]) -> Result<Vec<f64>, QuantizeError> {
        let trace = self.graph.run(&self.input.encode(inputs)?)?;
        Ok(trace.outputs.iter().map(|word| self.output.decode(*word)).collect())
    }
}

/// Whether all outputs are integers.
fn integers_only(graph: &Graph) -> bool {
    let mut outputs = graph.outputs.iter().map(|tensor| graph.tensors[tensor.0].kind);
    outputs.all(|kind| kind == ElementKind::Integer)
}

#[cfg(test)]
mod tests;
