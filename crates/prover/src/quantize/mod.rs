//! From a float model to an integer network.
//!
//! Every tensor gets the finest power-of-two unit with which the circuit's bits
//! still hold whatever the declared input ranges can produce; weights take up the
//! rest of the pre-activation's bits. Rounding is all there is to the error: there
//! is no clipping and no calibration that a real input could break.
//!
//! - ReLU after an affine map is one layer of the network.
//! - An affine map alone is a layer too: its bias is shifted so that no input in
//!   range makes it negative, and whoever reads its values takes the shift back.
//! - A function of one variable is a layer of ReLUs at the knots of its
//!   piecewise-linear approximation; whoever reads it sums them.

mod builder;
pub mod pwl;
pub mod schema;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::builder::Builder;
pub use self::schema::{InputSchema, OutputSchema, Ranges, SchemaError};
use crate::{
    model::{FloatLayer, FloatModel, FloatOp, ModelError},
    network::{Network, NetworkError},
    shape::Shape,
};

/// What the user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Precision {
    /// Decimals of the outputs; the most that fit, 6 at most, if not given.
    pub decimals: Option<u32>,
    /// Largest error of a piecewise-linear approximation.
    pub function_tolerance: f64,
}

impl Default for Precision {
    fn default() -> Self {
        Self { decimals: None, function_tolerance: 4.5e-5 }
    }
}

/// An integer network and what its inputs and outputs mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The network.
    pub network: Network,
    /// How inputs become integers.
    pub input: InputSchema,
    /// How output words are read.
    pub output: OutputSchema,
}

/// The difference between the integer network and the float model on some inputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// Inputs compared.
    pub samples: usize,
    /// Largest absolute difference of an output.
    pub largest: f64,
    /// Mean absolute difference.
    pub mean: f64,
}

/// Why a model cannot be quantized.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The float model is not consistent, or cannot be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Ranges or samples that do not fit.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The resulting network is not valid.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No layers.
    #[error("the model computes nothing: its output is its input")]
    Empty,
    /// A layer's values may be too large for a useful unit.
    #[error(
        "layer {node}: values may reach {magnitude:.3e} within the declared input ranges, which \
         leaves {fraction_bits} fraction bits, too few; narrow the ranges"
    )]
    TooWide {
        /// The layer.
        node: String,
        /// Largest magnitude.
        magnitude: f64,
        /// Fraction bits left.
        fraction_bits: i32,
    },
    /// The outputs do not fit with the decimals asked for.
    #[error("outputs may reach {magnitude:.3e}, too large for {decimals} decimals; ask for fewer")]
    Decimals {
        /// Largest magnitude.
        magnitude: f64,
        /// Decimals asked for.
        decimals: u32,
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

impl Quantized {
    /// Quantizes `model` for inputs within `ranges` to what `shape` can hold.
    pub fn new(
        model: &FloatModel,
        ranges: &Ranges,
        shape: &Shape,
        precision: &Precision,
    ) -> Result<Self, QuantizeError> {
        model.check()?;
        ranges.validate(model.input.len)?;
        let input = InputSchema { ranges: ranges.input.clone(), bits: shape.value_bits() };
        let affine = |layer: &&FloatLayer| matches!(layer.op, FloatOp::Affine(_));
        let affine_maps = model.layers.iter().filter(affine).count();
        let mut builder = Builder::new(&input, shape, affine_maps, precision.decimals);
        let mut layers = model.layers.iter().peekable();
        let mut identity = None;
        while let Some(layer) = layers.next() {
            let (affine, function) = match &layer.op {
                FloatOp::Affine(affine) => {
                    let function = layers.next_if(|next| !matches!(next.op, FloatOp::Affine(_)));
                    (affine, function)
                }
                FloatOp::Relu | FloatOp::Sigmoid => {
                    let affine = identity.insert(builder.identity());
                    (&*affine, Some(layer))
                }
            };
            let last = layers.peek().is_none();
            match function.map(|function| &function.op) {
                Some(FloatOp::Sigmoid) => {
                    builder.push_shifted(&layer.node, affine)?;
                    builder.push_sigmoids(&layer.node, precision.function_tolerance)?;
                    if last {
                        let identity = builder.identity();
                        builder.push_output(&layer.node, &identity, precision.decimals, true)?;
                    }
                }
                Some(FloatOp::Relu) if last => {
                    builder.push_output(&layer.node, affine, precision.decimals, true)?;
                }
                Some(FloatOp::Relu) => builder.push_relu(&layer.node, affine)?,
                _ if last => builder.push_output(&layer.node, affine, precision.decimals, false)?,
                _ => builder.push_shifted(&layer.node, affine)?,
            }
        }
        let (network, output) = builder.finish().ok_or(QuantizeError::Empty)?;
        network.validate(shape.accumulator_bits())?;
        Ok(Self { network, input, output })
    }

    /// Runs the network on real inputs; outputs are real too.
    pub fn run(&self, inputs: &[f64]) -> Result<Vec<f64>, QuantizeError> {
        let trace = self.network.run(&self.input.encode(inputs)?)?;
        let words = trace.values.last().map_or(&[][..], Vec::as_slice);
        Ok(words.iter().map(|word| self.output.decode(*word)).collect())
    }

    /// Compares the network with the float model.
    pub fn compare(
        &self,
        model: &FloatModel,
        samples: &[Vec<f64>],
    ) -> Result<ErrorReport, QuantizeError> {
        let (mut largest, mut sum, mut count) = (0.0f64, 0.0, 0usize);
        for sample in samples {
            for (ours, theirs) in self.run(sample)?.iter().zip(model.run(sample)?) {
                let difference = (ours - theirs).abs();
                largest = largest.max(difference);
                sum += difference;
                count += 1;
            }
        }
        let mean = if count == 0 { 0.0 } else { sum / count as f64 };
        Ok(ErrorReport { samples: samples.len(), largest, mean })
    }
}

impl Ranges {
    /// `count` inputs drawn evenly from the ranges, the same ones every time.
    pub fn samples(&self, count: usize) -> Vec<Vec<f64>> {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7992);
        (0..count)
            .map(|_| self.input.iter().map(|[lo, hi]| rng.gen_range(*lo..=*hi)).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests;
