//! The float model: what an ONNX file means, before any quantization.
//!
//! A model is one vector going through a list of layers: affine maps and
//! functions of one variable applied to every element. Everything that is
//! affine in the file (standardisation, Gemm, MatMul, biases, re-indexing) has
//! been folded, so two [`FloatOp::Affine`] never follow each other.
//!
//! Weights are f64. For a float32 file each of them is the file's value exactly
//! unless maps were folded; folding rounds in f64, about 1e-16 relative, far
//! below the float32 arithmetic the model was trained with.
//!
//! [`FloatModel::run`] is the float reference that quantization errors are
//! measured against.

use thiserror::Error;

/// A model as a chain of layers on one vector.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// The model's name: the file's stem, or what the caller of the reader said.
    pub name: String,
    /// The only input.
    pub input: TensorInfo,
    /// The only output.
    pub output: TensorInfo,
    /// First applied first. Widths agree from one to the next.
    pub layers: Vec<FloatLayer>,
    /// SHA-256 of the model file.
    pub sha256: [u8; 32],
}

/// Name and shape of the model's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the ONNX graph.
    pub name: String,
    /// The shape as in the ONNX graph, the batch dimension included; a symbolic
    /// batch dimension stands here as 1. Elements are in row-major order.
    pub shape: Vec<usize>,
    /// Number of elements: the product of `shape`.
    pub len: usize,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// The ONNX nodes it comes from, in their order, joined by `+`.
    pub node: String,
    /// What it computes.
    pub op: FloatOp,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
pub enum FloatOp {
    /// y = W·x + b.
    Affine(Affine),
    /// max(x, 0), element by element.
    Relu,
    /// 1 / (1 + exp(−x)), element by element.
    Sigmoid,
}

/// y = W·x + b with a dense W.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Length of x, the number of columns of W.
    pub inputs: usize,
    /// Length of y, the number of rows of W.
    pub outputs: usize,
    /// W, row-major: `outputs` rows of `inputs` values.
    pub weights: Vec<f64>,
    /// b, `outputs` values.
    pub bias: Vec<f64>,
}

/// Why a float model could not be run.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The vector handed in has the wrong length.
    #[error("input length mismatch: the model takes {expected} values, got {got}")]
    InputLength {
        /// Values the model takes.
        expected: usize,
        /// Values handed in.
        got: usize,
    },
    /// An input is NaN or infinite.
    #[error("input {index} is {value}: every input must be a finite number")]
    InputNotFinite {
        /// Position in the input vector.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// An intermediate value overflowed.
    #[error("value {index} after node {node} is not finite: the input is too large for this model")]
    Overflow {
        /// The layer's node.
        node: String,
        /// Position in the layer's output.
        index: usize,
    },
    /// A layer does not fit the vector before it, or its weights are incomplete.
    #[error("layer {node}: {what} mismatch: expected {expected}, got {got}")]
    Shape {
        /// The layer's node.
        node: String,
        /// What does not fit.
        what: &'static str,
        /// The length that would fit.
        expected: usize,
        /// The length found.
        got: usize,
    },
}

impl FloatModel {
    /// Runs the model in f64 on the row-major elements of its input.
    ///
    /// # Errors
    /// A wrong number of inputs, an input or intermediate value that is not
    /// finite, or layers that do not fit together.
    pub fn run(&self, input: &[f64]) -> Result<Vec<f64>, ModelError> {
        if input.len() != self.input.len {
            return Err(ModelError::InputLength { expected: self.input.len, got: input.len() });
        }
        if let Some((index, &value)) = input.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(ModelError::InputNotFinite { index, value });
        }
        self.layers.iter().try_fold(input.to_vec(), |x, layer| {
            let y = layer.run(x)?;
            match y.iter().position(|v| !v.is_finite()) {
                Some(index) => Err(ModelError::Overflow { node: layer.node.clone(), index }),
                None => Ok(y),
            }
        })
    }

    /// Checks that every layer fits the one before it and the last the output.
    ///
    /// # Errors
    /// The first layer that does not fit.
    pub fn check(&self) -> Result<(), ModelError> {
        let mut width = self.input.len;
        for layer in &self.layers {
            width = layer.check(width)?;
        }
        if width == self.output.len {
            return Ok(());
        }
        let node = self.layers.last().map_or_else(String::new, |l| l.node.clone());
        Err(ModelError::Shape {
            node,
            what: "output length",
            expected: self.output.len,
            got: width,
        })
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| match &layer.op {
                FloatOp::Affine(map) => map.weights.len() + map.bias.len(),
                FloatOp::Relu | FloatOp::Sigmoid => 0,
            })
            .sum()
    }
}

impl FloatLayer {
    /// The layer's output for `x`; may contain values that are not finite.
    fn run(&self, mut x: Vec<f64>) -> Result<Vec<f64>, ModelError> {
        self.check(x.len())?;
        match &self.op {
            FloatOp::Affine(map) => return Ok(map.apply(&x)),
            FloatOp::Relu => x.iter_mut().for_each(|v| *v = v.max(0.0)),
            FloatOp::Sigmoid => x.iter_mut().for_each(|v| *v = sigmoid(*v)),
        }
        Ok(x)
    }

    /// Returns the output width for an input of `width` values.
    fn check(&self, width: usize) -> Result<usize, ModelError> {
        let FloatOp::Affine(map) = &self.op else { return Ok(width) };
        let fits = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(ModelError::Shape { node: self.node.clone(), what, expected, got }),
        };
        fits("input length", map.inputs, width)?;
        fits("weight count", map.inputs.saturating_mul(map.outputs), map.weights.len())?;
        fits("bias count", map.outputs, map.bias.len())?;
        Ok(map.outputs)
    }
}

impl Affine {
    /// W·x + b for an `x` of `inputs` values.
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        if self.inputs == 0 {
            return self.bias.clone();
        }
        self.weights
            .chunks_exact(self.inputs)
            .zip(&self.bias)
            .map(|(row, b)| row.iter().zip(x).map(|(w, v)| w * v).sum::<f64>() + b)
            .collect()
    }
}

/// The logistic function; 0 and 1 far out, never NaN for a number.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> FloatModel {
        let affine = |inputs, outputs, weights: &[f64], bias: &[f64]| {
            let (weights, bias) = (weights.to_vec(), bias.to_vec());
            FloatOp::Affine(Affine { inputs, outputs, weights, bias })
        };
        let layer = |node: &str, op| FloatLayer { node: node.into(), op };
        FloatModel {
            name: "test".into(),
            input: TensorInfo { name: "x".into(), shape: vec![1, 2], len: 2 },
            output: TensorInfo { name: "y".into(), shape: vec![1, 1], len: 1 },
            layers: vec![
                layer("hidden", affine(2, 3, &[1., 2., 3., 4., -5., -6.], &[0.5, 0., 1.])),
                layer("relu", FloatOp::Relu),
                layer("out", affine(3, 1, &[1., -1., 10.], &[7.])),
                layer("score", FloatOp::Sigmoid),
            ],
            sha256: [0; 32],
        }
    }

    #[test]
    fn a_small_network_computes_what_its_formula_says() {
        let y = model().run(&[1.0, 2.0]).unwrap();
        // hidden (5.5, 11, -16), relu (5.5, 11, 0), out 1.5
        assert_eq!(y, vec![1.0 / (1.0 + (-1.5f64).exp())]);
    }

    #[test]
    fn an_input_of_the_wrong_length_is_refused() {
        let error = model().run(&[1.0]).unwrap_err();
        assert_eq!(error, ModelError::InputLength { expected: 2, got: 1 });
    }

    #[test]
    fn an_input_that_is_not_finite_is_refused_with_its_position() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = model().run(&[0.0, value]).unwrap_err();
            assert!(matches!(error, ModelError::InputNotFinite { index: 1, .. }), "{error}");
        }
    }

    #[test]
    fn an_overflow_names_the_node_it_happened_in() {
        let error = model().run(&[1e308, 1e308]).unwrap_err();
        assert_eq!(error, ModelError::Overflow { node: "hidden".into(), index: 0 });
    }

    #[test]
    fn layers_that_do_not_fit_together_are_refused_by_name() {
        let mut broken = model();
        if let FloatOp::Affine(map) = &mut broken.layers[2].op {
            map.weights.pop();
        }
        let expected =
            ModelError::Shape { node: "out".into(), what: "weight count", expected: 3, got: 2 };
        assert_eq!(broken.check().unwrap_err(), expected);
        assert_eq!(broken.run(&[1.0, 2.0]).unwrap_err(), expected);
        assert_eq!(model().check(), Ok(()));
    }

    #[test]
    fn sigmoid_saturates_without_overflow() {
        assert_eq!(sigmoid(-1e6), 0.0);
        assert_eq!(sigmoid(1e6), 1.0);
        assert_eq!(sigmoid(0.0), 0.5);
    }
}
