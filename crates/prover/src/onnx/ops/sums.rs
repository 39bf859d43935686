//! Sums of weighted elements of one tensor.

use crate::{
    graph::{Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

/// For each element of a tensor of shape `to`, a sum of weighted elements of x, and a constant
/// each where there are any.
pub(super) fn weighted<R: IntoIterator<Item = (usize, f64)>>(
    node: &mut Node<'_>,
    x: Value,
    to: Vec<usize>,
    rows: impl IntoIterator<Item = R>,
    bias: Option<Vec<f64>>,
) -> Result<Value, OnnxError> {
    let rows = SparseRows::from_rows(rows);
    let bias = bias.unwrap_or_else(|| vec![0.0; rows.len()]);
    let dtype = x.dtype();
    let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias };
    node.emit(Op::Linear(linear), vec![x], to, dtype)
}

/// One weight an element.
pub(super) fn merged(mut row: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    row.sort_by_key(|(index, _)| *index);
    row.dedup_by(|next, own| {
        let same = next.0 == own.0;
        own.1 += if same { next.1 } else { 0.0 };
        same
    });
    row
}
