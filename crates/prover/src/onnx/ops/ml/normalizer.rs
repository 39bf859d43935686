//! Normalizer, where what it divides by is known or makes shares of the row.

use super::scores;
use crate::{
    graph::{Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        ops::ratio,
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
    // Of what is positive the norm is the sum, and x is a share of it.
    node.pay(&[rows, columns, columns])?;
    let row = |at: usize| {
        let first = at / columns.max(1) * columns;
        (first..first + columns).map(|at| (at, 1.0))
    };
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows((0..rows * columns).map(row)))];
    let linear = Linear { maps, bias: vec![0.0; rows * columns] };
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let sums = node.emit(Op::Linear(linear), vec![x.clone()], shape, dtype)?;
    ratio::share(node, &x, &sums)?.ok_or_else(|| node.unsupported(divides))
}
