//! Normalizer: rows divided by a norm of theirs. Each element is a share of a sum: of the row's
//! absolute values, or of its own and of what the norm is above it.

use super::{super::layout, scores};
use crate::{
    graph::{Element, Extremum, Function, Linear, LinearMap, Op, Shares, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value, printable},
        ops::{activation::apply, arithmetic::add, products, ratio},
    },
};

/// Rows of probabilities, as classifiers have them before a Normalizer by the sum of absolute
/// values: those that add up to 1 stay as they are, and sigmoids are exponentials of −ln(1 +
/// exp(−z)), so that dividing them by their sum is a softmax of these. Other rows are divided.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let norm = node.text("norm", "MAX");
    divide(node, x, &norm)
}

/// LpNormalization, which is the same along an axis.
pub(in crate::onnx::ops) fn lp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let rank = x.shape().len();
    let axis = node.axis(node.int("axis").unwrap_or(-1), rank)?;
    let norm = format!("L{}", node.int("p").unwrap_or(2));
    // The axis last, as rows of a matrix, and all back.
    let x = layout::turned(node, x, axis, false)?;
    let shape = x.shape().to_vec();
    let columns = shape[rank - 1];
    let rows = x.len() / columns.max(1);
    let x = if rank == 2 { x } else { node.reshape(x, vec![rows, columns])? };
    let x = divide(node, x, &norm)?;
    let x = node.reshape(x, shape)?;
    layout::turned(node, x, axis, true)
}

/// Rows divided by their Euclidean norms.
pub(in crate::onnx::ops) fn by_norm(
    node: &mut Node<'_>,
    x: Value,
    size: (usize, usize),
) -> Result<Value, OnnxError> {
    by_greater(node, x, size, true)
}

fn divide(node: &mut Node<'_>, x: Value, norm: &str) -> Result<Value, OnnxError> {
    let (rows, columns) = scores::matrix(node, &x)?;
    match norm {
        "L1" if node.is_normalized(&x) => Ok(x),
        "L1" => by_sum(node, x, (rows, columns)),
        "L2" | "MAX" => by_greater(node, x, (rows, columns), norm == "L2"),
        other => Err(node.malformed(format!("norm {} is none of ONNX's", printable(other)))),
    }
}

fn by_sum(
    node: &mut Node<'_>,
    x: Value,
    (rows, columns): (usize, usize),
) -> Result<Value, OnnxError> {
    // Of what is positive the norm is the sum, and x is a share of it.
    node.pay(&[rows, columns, columns])?;
    let row = |at: usize| {
        let first = at / columns.max(1) * columns;
        (first..first + columns).map(|at| (at, 1.0))
    };
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows((0..rows * columns).map(row)))];
    let linear = Linear { maps, bias: vec![0.0; rows * columns] };
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let sums = node.emit(Op::Linear(linear), vec![x.clone()], shape.clone(), dtype)?;
    match ratio::share(node, &x, &sums)? {
        Some(share) => Ok(share),
        None => node.emit(Op::Shares(Shares::rows(rows, columns)), vec![x], shape, dtype),
    }
}

/// By the Euclidean norm, or by the maximum (not of absolute values), as onnxruntime does: each
/// element beside what the norm is above it. Rows are divided by their sum before, which changes
/// nothing but that norms are of one size then, however wide the ranges are.
fn by_greater(
    node: &mut Node<'_>,
    x: Value,
    (rows, columns): (usize, usize),
    euclidean: bool,
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let len = node.pay(&[rows * columns, 8])? / 8;
    let whole = Shares { signed: euclidean, ..Shares::rows(rows, columns) };
    let x = node.emit(Op::Shares(whole), vec![x], shape.clone(), dtype)?;
    let groups: Vec<Vec<usize>> =
        (0..rows).map(|row| (row * columns..(row + 1) * columns).collect()).collect();
    let norms = match euclidean {
        true => {
            let squares = products::sums_of_squares(node, x.clone(), &groups, vec![rows])?;
            products::root(node, squares)?
        }
        false => {
            let op = Op::Extremum(Extremum { minimum: false, groups });
            node.emit(op, vec![x.clone()], vec![rows], dtype)?
        }
    };
    let of: Vec<usize> = (0..len).map(|at| at / columns.max(1)).collect();
    let norms = node.pick(norms, shape.clone(), &of)?;
    let sizes = if euclidean { apply(node, Function::Abs, x.clone())? } else { x.clone() };
    let above = add(node, vec![(norms, 1.0), (sizes, -1.0)])?;
    let above = apply(node, Function::Relu, above)?;
    let elements = (0..2 * len).map(|at| Element::Input { input: at / len, index: at % len });
    let beside = Op::Select(elements.collect());
    let parts = node.emit(beside, vec![x, above], vec![2 * len], dtype)?;
    let shares = Shares {
        groups: (0..len).map(|at| vec![at, len + at]).collect(),
        of: (0..len).map(|at| (at, at)).collect(),
        signed: true,
    };
    node.emit(Op::Shares(shares), vec![parts], shape, dtype)
}
