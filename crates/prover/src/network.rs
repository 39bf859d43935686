//! The integer network: the specification of a proven inference.
//!
//! A network is a list of dense layers of one kind,
//!
//! ```text
//! z = A·x + c,      x' = max(0, ⌊z / 2^n⌋),
//! ```
//!
//! on integers. Everything the quantizer reads is brought to this form: an
//! identity is a layer whose bias keeps z non-negative, a piecewise-linear function
//! is a layer of ReLUs at its knots followed by a layer that sums them.
//! [`Network::run`] is what a proof proves, exactly; [`Network::intervals`] bounds
//! every integer that any input in range can produce.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::circuit::WrongBatch;

/// A chain of integer layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Number of inputs.
    pub inputs: usize,
    /// An input is an integer in [0, 2^input_bits).
    pub input_bits: u32,
    /// n of every layer's rescale.
    pub shift_bits: u32,
    /// The layers, first applied first.
    pub layers: Vec<Layer>,
}

/// One layer, x' = max(0, ⌊(A·x + c) / 2^n⌋).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The ONNX nodes it comes from.
    pub node: String,
    /// Length of x.
    pub inputs: usize,
    /// Length of x'.
    pub outputs: usize,
    /// A, row-major: `outputs` rows of `inputs` integers.
    pub weights: Vec<i64>,
    /// c, which includes half a unit of the rescale for rounding.
    pub bias: Vec<i64>,
    /// For a layer of ReLUs at the knots of functions of one variable: the index
    /// of the input each output is a knot of. Empty otherwise. Only the interval
    /// analysis uses it, to bound the sums of such ReLUs exactly.
    pub knots_of: Vec<usize>,
}

/// Bounds of a layer's integers, over all inputs in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerIntervals {
    /// [lo, hi] of every z.
    pub accumulators: Vec<(i128, i128)>,
    /// [lo, hi] of every x'.
    pub values: Vec<(i128, i128)>,
}

/// Everything one run computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// z of every layer.
    pub accumulators: Vec<Vec<i64>>,
    /// x' of every layer.
    pub values: Vec<Vec<i64>>,
}

/// Why a network is not valid or could not be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Wrong number of inferences.
    #[error(transparent)]
    Batch(#[from] WrongBatch),
    /// A layer's data do not fit its sizes or its predecessor.
    #[error("layer {node}: {what} holds {got} values, expected {expected}")]
    Mismatch {
        /// The layer.
        node: String,
        /// Which of its parts.
        what: &'static str,
        /// The number that fits.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// A network without layers.
    #[error("the network has no layers")]
    Empty,
    /// A pre-activation may leave its range.
    #[error(
        "layer {node}, output {index}: a value may need {bits} bits, the circuit has {limit}; \
         narrow the declared input range or lower the precision"
    )]
    Overflow {
        /// The layer.
        node: String,
        /// Index within the layer.
        index: usize,
        /// Bits needed.
        bits: u32,
        /// Bits available.
        limit: u32,
    },
    /// Wrong number of inputs.
    #[error("the model takes {expected} inputs, got {got}")]
    InputLength {
        /// Inputs of the network.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input outside [0, 2^input_bits).
    #[error("input {index} is {value} in integer units, outside its range of {bits} bits")]
    InputRange {
        /// Index of the input.
        index: usize,
        /// The value.
        value: i64,
        /// Bits of the range.
        bits: u32,
    },
}

impl Network {
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, |layer| layer.outputs)
    }

    /// Number of values: inputs and the outputs of every layer.
    pub fn value_count(&self) -> usize {
        self.inputs + self.layers.iter().map(|layer| layer.outputs).sum::<usize>()
    }

    /// Number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.layers.iter().map(|layer| layer.weights.len() + layer.bias.len()).sum()
    }

    /// Checks that sizes agree and that no input in range can take a
    /// pre-activation out of [−2^accumulator_bits, 2^accumulator_bits).
    pub fn validate(&self, accumulator_bits: u32) -> Result<Vec<LayerIntervals>, NetworkError> {
        if self.layers.is_empty() || self.inputs == 0 {
            return Err(NetworkError::Empty);
        }
        let mut width = self.inputs;
        for layer in &self.layers {
            layer.check_sizes(width)?;
            width = layer.outputs;
        }
        let intervals = self.intervals();
        for (layer, bounds) in self.layers.iter().zip(&intervals) {
            for (index, (lo, hi)) in bounds.accumulators.iter().enumerate() {
                let bits = bits_of(*lo, *hi);
                if bits > accumulator_bits {
                    let node = layer.node.clone();
                    return Err(NetworkError::Overflow {
                        node,
                        index,
                        bits,
                        limit: accumulator_bits,
                    });
                }
            }
        }
        Ok(intervals)
    }

    /// Bounds of every layer's integers by exact interval arithmetic.
    pub fn intervals(&self) -> Vec<LayerIntervals> {
        let mut values = vec![(0, (1i128 << self.input_bits) - 1); self.inputs];
        let mut result: Vec<LayerIntervals> = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let knots = index
                .checked_sub(1)
                .map(|previous| (&self.layers[previous], previous))
                .filter(|(previous, _)| !previous.knots_of.is_empty());
            let accumulators: Vec<_> = match knots {
                Some((previous, at)) => {
                    let sources = match at.checked_sub(1) {
                        Some(source) => result[source].values.clone(),
                        None => vec![(0, (1i128 << self.input_bits) - 1); self.inputs],
                    };
                    let breakpoints = previous.breakpoints(&sources, self.shift_bits);
                    (0..layer.outputs)
                        .map(|row| layer.bound_over_breakpoints(row, &breakpoints))
                        .collect()
                }
                None => (0..layer.outputs).map(|row| layer.bound(row, &values)).collect(),
            };
            values = accumulators
                .iter()
                .map(|(lo, hi)| ((lo >> self.shift_bits).max(0), (hi >> self.shift_bits).max(0)))
                .collect();
            result.push(LayerIntervals { accumulators, values: values.clone() });
        }
        result
    }

    /// Runs the network on integer inputs. Call [`Network::validate`] first: a
    /// valid network cannot overflow here.
    pub fn run(&self, inputs: &[i64]) -> Result<Trace, NetworkError> {
        if inputs.len() != self.inputs {
            return Err(NetworkError::InputLength { expected: self.inputs, got: inputs.len() });
        }
        for (index, value) in inputs.iter().enumerate() {
            if *value < 0 || *value >> self.input_bits != 0 {
                let bits = self.input_bits;
                return Err(NetworkError::InputRange { index, value: *value, bits });
            }
        }
        let mut trace = Trace { accumulators: Vec::new(), values: Vec::new() };
        let mut current = inputs;
        for layer in &self.layers {
            let accumulators = layer.accumulate(current);
            trace.values.push(accumulators.iter().map(|z| (z >> self.shift_bits).max(0)).collect());
            trace.accumulators.push(accumulators);
            current = trace.values.last().map_or(inputs, Vec::as_slice);
        }
        Ok(trace)
    }
}

impl Layer {
    fn check_sizes(&self, width: usize) -> Result<(), NetworkError> {
        let mismatch = |what, expected, got| {
            if expected == got {
                return Ok(());
            }
            Err(NetworkError::Mismatch { node: self.node.clone(), what, expected, got })
        };
        mismatch("the input", width, self.inputs)?;
        mismatch("the weight matrix", self.inputs * self.outputs, self.weights.len())?;
        mismatch("the bias", self.outputs, self.bias.len())?;
        if !self.knots_of.is_empty() {
            mismatch("the list of knots", self.outputs, self.knots_of.len())?;
        }
        if self.outputs == 0 {
            return Err(NetworkError::Empty);
        }
        Ok(())
    }

    /// Row `row` of A.
    pub fn row(&self, row: usize) -> &[i64] {
        &self.weights[row * self.inputs..(row + 1) * self.inputs]
    }

    /// A·x + c. Intermediate sums may wrap; the result does not, since the interval
    /// analysis bounds it, and addition modulo 2^64 is associative.
    fn accumulate(&self, x: &[i64]) -> Vec<i64> {
        self.bias
            .iter()
            .enumerate()
            .map(|(row, bias)| {
                let products = self.row(row).iter().zip(x).map(|(a, x)| a.wrapping_mul(*x));
                products.fold(*bias, i64::wrapping_add)
            })
            .collect()
    }

    fn bound(&self, row: usize, values: &[(i128, i128)]) -> (i128, i128) {
        let bias = i128::from(self.bias[row]);
        self.row(row).iter().zip(values).fold((bias, bias), |(lo, hi), (a, (x_lo, x_hi))| {
            let (at_lo, at_hi) = (i128::from(*a) * x_lo, i128::from(*a) * x_hi);
            (lo + at_lo.min(at_hi), hi + at_lo.max(at_hi))
        })
    }

    /// For a layer of knots: for every source value, at each point where one of
    /// its ReLUs bends and at both ends of its range, the outputs of its ReLUs.
    fn breakpoints(&self, sources: &[(i128, i128)], shift_bits: u32) -> Vec<Breakpoints> {
        let mut by_source: Vec<Vec<usize>> = vec![Vec::new(); self.inputs];
        for (output, source) in self.knots_of.iter().enumerate() {
            by_source[*source].push(output);
        }
        by_source
            .into_iter()
            .enumerate()
            .map(|(source, outputs)| {
                let (lo, hi) = sources[source];
                let knot = |output: usize| {
                    let weight = i128::from(self.row(output)[source]).max(1);
                    -i128::from(self.bias[output]).div_euclid(weight)
                };
                // One unit to either side, for the rounding of the division.
                let mut points = vec![lo, hi];
                for output in &outputs {
                    let at = knot(*output);
                    points
                        .extend([at - 1, at, at + 1].into_iter().filter(|t| (lo..=hi).contains(t)));
                }
                points.sort_unstable();
                points.dedup();
                let values = points
                    .iter()
                    .map(|t| {
                        let relu = |output: &usize| {
                            let z = i128::from(self.row(*output)[source]) * t
                                + i128::from(self.bias[*output]);
                            (z >> shift_bits).max(0)
                        };
                        outputs.iter().map(relu).collect()
                    })
                    .collect();
                Breakpoints { outputs, values }
            })
            .collect()
    }

    fn bound_over_breakpoints(&self, row: usize, sources: &[Breakpoints]) -> (i128, i128) {
        let bias = i128::from(self.bias[row]);
        let weights = self.row(row);
        sources.iter().fold((bias, bias), |(lo, hi), source| {
            let sums = source.values.iter().map(|values| {
                let terms = source.outputs.iter().zip(values);
                terms.map(|(output, value)| i128::from(weights[*output]) * value).sum::<i128>()
            });
            let (min, max) = sums.fold((i128::MAX, i128::MIN), |(a, b), s| (a.min(s), b.max(s)));
            (lo + min, hi + max)
        })
    }
}

/// The ReLUs of one source value, evaluated where a sum of them can be extreme.
struct Breakpoints {
    outputs: Vec<usize>,
    values: Vec<Vec<i128>>,
}

/// The smallest b with −2^b ≤ lo and hi < 2^b.
fn bits_of(lo: i128, hi: i128) -> u32 {
    let magnitude = hi.max(-(lo + 1)).max(0);
    128 - magnitude.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer(inputs: usize, weights: Vec<i64>, bias: Vec<i64>) -> Layer {
        let outputs = bias.len();
        Layer { node: "test".into(), inputs, outputs, weights, bias, knots_of: vec![] }
    }

    fn network(layers: Vec<Layer>) -> Network {
        Network { inputs: layers[0].inputs, input_bits: 8, shift_bits: 4, layers }
    }

    #[test]
    fn a_negative_pre_activation_gives_zero_and_a_positive_one_is_rounded_down() {
        let network = network(vec![layer(1, vec![3, -3], vec![5, 5])]);
        let trace = network.run(&[10]).expect("in range");
        assert_eq!(trace.accumulators, vec![vec![35, -25]]);
        assert_eq!(trace.values, vec![vec![2, 0]]);
    }

    #[test]
    fn inputs_outside_their_range_are_refused() {
        let network = network(vec![layer(1, vec![1], vec![0])]);
        for value in [-1, 256, i64::MAX, i64::MIN] {
            assert!(matches!(network.run(&[value]), Err(NetworkError::InputRange { .. })));
        }
        assert!(matches!(network.run(&[]), Err(NetworkError::InputLength { .. })));
    }

    #[test]
    fn a_layer_that_may_overflow_is_named() {
        let mut network = network(vec![layer(1, vec![1 << 10], vec![0])]);
        assert!(network.validate(18).is_ok());
        let error = network.validate(17).expect_err("255·2^10 needs 18 bits");
        assert!(matches!(error, NetworkError::Overflow { bits: 18, .. }), "{error}");
        network.layers[0].weights.push(1);
        assert!(matches!(network.validate(62), Err(NetworkError::Mismatch { .. })));
    }

    #[test]
    fn the_smallest_and_the_largest_integer_have_as_many_bits_as_they_need() {
        assert_eq!(bits_of(-16, 15), 4);
        assert_eq!(bits_of(-17, 15), 5);
        assert_eq!(bits_of(0, 16), 5);
        assert_eq!(bits_of(0, 0), 0);
    }

    #[test]
    fn sums_of_knots_are_bounded_exactly() {
        // |t − 100| as t − 100 + 2·max(0, 100 − t) has naive bounds three times as wide.
        let mut knots = layer(1, vec![16, -16], vec![-1600, 1600]);
        knots.knots_of = vec![0, 0];
        let sum = layer(2, vec![16, 16], vec![0]);
        let network = network(vec![knots, sum]);
        let bounds = network.intervals();
        assert_eq!(bounds[1].values, vec![(0, 155)]);
    }

    proptest! {
        #[test]
        fn every_run_stays_within_its_intervals_and_equals_big_integer_arithmetic(
            weights in proptest::collection::vec(-5000i64..5000, 12),
            bias in proptest::collection::vec(-100_000i64..100_000, 5),
            inputs in proptest::collection::vec(0i64..256, 2),
        ) {
            let (first, second) = weights.split_at(6);
            let network = network(vec![
                layer(2, first.to_vec(), bias[..3].to_vec()),
                layer(3, second.to_vec(), bias[3..].to_vec()),
            ]);
            let bounds = network.validate(62).expect("small");
            let trace = network.run(&inputs).expect("in range");
            let mut x: Vec<i128> = inputs.iter().map(|x| i128::from(*x)).collect();
            for (index, layer) in network.layers.iter().enumerate() {
                let z: Vec<i128> = (0..layer.outputs)
                    .map(|row| {
                        i128::from(layer.bias[row])
                            + layer.row(row).iter().zip(&x).map(|(a, x)| i128::from(*a) * x).sum::<i128>()
                    })
                    .collect();
                x = z.iter().map(|z| z.div_euclid(16).max(0)).collect();
                for (row, z) in z.iter().enumerate() {
                    prop_assert_eq!(i128::from(trace.accumulators[index][row]), *z);
                    let (lo, hi) = bounds[index].accumulators[row];
                    prop_assert!((lo..=hi).contains(z));
                    let (lo, hi) = bounds[index].values[row];
                    prop_assert!((lo..=hi).contains(&x[row]));
                }
            }
        }
    }
}
