//! Normalizer, where what it divides by is known or has a logarithm.

use super::scores;
use crate::{
    graph::{Function, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Signal, Value},
        ops::curves,
    },
};

/// Rows of probabilities, as classifiers have them before a Normalizer by the sum of absolute
/// values: those that add up to 1 stay as they are, and sigmoids are exponentials of −ln(1 +
/// exp(−z)), so that dividing them by their sum is a softmax of these.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let norm = node.text("norm", "MAX");
    divide(node, x, &norm)
}

/// LpNormalization, which is the same along an axis.
pub(in crate::onnx::ops) fn lp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let rank = x.shape().len();
    if node.axis(node.int("axis").unwrap_or(-1), rank)? + 1 != rank {
        return Err(node.unsupported("it divides along another axis than the last"));
    }
    let norm = format!("L{}", node.int("p").unwrap_or(2));
    divide(node, x, &norm)
}

fn divide(node: &mut Node<'_>, x: Value, norm: &str) -> Result<Value, OnnxError> {
    let (rows, columns) = scores::matrix(node, &x)?;
    if norm == "L1" && node.is_normalized(&x) {
        return Ok(x);
    }
    let divides = format!(
        "it divides each row by its {norm} norm, which is possible for probabilities only: \
         export the model without, or normalise the inputs before"
    );
    if norm != "L1" {
        return Err(node.unsupported(divides));
    }
    let Value::Signal(signal) = &x else { return Err(node.unsupported(divides)) };
    let Some(argument) = node
        .maker(signal.id)
        .filter(|maker| maker.op == Op::Function(Function::Sigmoid))
        .map(|maker| maker.inputs[0])
    else {
        return Err(node.unsupported(divides));
    };
    let z = Value::Signal(Signal { id: argument, ..signal.clone() });
    let negative = node.scale(z, |_| (-1.0, 0.0))?;
    let inverse = curves::softplus(node, negative)?;
    let logs = node.scale(inverse, |_| (-1.0, 0.0))?;
    node.pay(&[rows, columns, 2])?;
    let groups: Vec<Vec<usize>> =
        (0..rows).map(|row| (row * columns..(row + 1) * columns).collect()).collect();
    curves::softmax(node, logs, &groups)
}
