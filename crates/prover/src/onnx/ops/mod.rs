//! The operators, by kind. Each takes a [`Node`] and gives its output.

mod activation;
mod arithmetic;
mod constant;
mod layout;
mod matrix;
mod normalize;

use super::{
    error::OnnxError,
    node::{Node, Signal, Value},
};

/// What a node computes.
pub(super) enum Step {
    /// A constant, or an affine map of the vector after the last activation.
    Value(Value),
    /// An activation of every element of a signal.
    Activate(Signal, Activation),
}

/// Functions of one variable that end an affine map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    Relu,
    Sigmoid,
}

/// Lowers one node.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Step, OnnxError> {
    let value = match node.operator().as_str() {
        "Relu" | "Sigmoid" | "Clip" | "Max" | "Softmax" => return activation::lower(node),
        "Add" | "Sub" | "Mul" | "Div" | "Neg" => arithmetic::lower(node),
        "Gemm" => matrix::gemm(node),
        "MatMul" => matrix::matmul(node),
        "BatchNormalization" => normalize::batch_normalization(node),
        "ai.onnx.ml.Scaler" => normalize::scaler(node),
        "Constant" => constant::constant(node),
        "Shape" => constant::shape(node),
        "Cast" => constant::cast(node),
        "Identity" => node.take(0),
        "Dropout" => layout::dropout(node),
        "Reshape" => layout::reshape(node),
        "Flatten" => layout::flatten(node),
        "Squeeze" => layout::squeeze(node),
        "Unsqueeze" => layout::unsqueeze(node),
        "Transpose" => layout::transpose(node),
        "Concat" => layout::concat(node),
        "Slice" => layout::slice(node),
        "Gather" => layout::gather(node),
        _ => Err(node.unsupported(
            "use Gemm, MatMul, Add, Sub, Mul, Div, Relu, Sigmoid, Softmax over two classes, or \
             operators that move elements",
        )),
    };
    value.map(Step::Value)
}
