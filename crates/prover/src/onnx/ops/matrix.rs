//! Gemm, MatMul and LinearRegressor: products of matrices, of which one or neither is a
//! constant.

use super::{arithmetic::add, layout::permute, ml, products};
use crate::{
    graph::{Linear, LinearMap, Op, SparseRows},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        shape,
        tensor::{Data, Tensor},
    },
};

/// alpha·A'·B' + beta·C, where a prime is an optional transposition.
pub(super) fn gemm(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    gemm_of(node, alpha, beta)
}

/// The same with factors that are not the node's.
pub(super) fn gemm_of(node: &mut Node<'_>, alpha: f64, beta: f64) -> Result<Value, OnnxError> {
    let (mut a, mut b, c) = (node.take_real(0)?, node.take_real(1)?, node.take_optional(2)?);
    for value in [&a, &b] {
        if value.shape().len() != 2 {
            return Err(node.mismatch(format!("{:?} where a matrix is needed", value.shape())));
        }
    }
    if node.flag("transA", false)? {
        a = permute(node, a, &[1, 0])?;
    }
    if node.flag("transB", false)? {
        b = permute(node, b, &[1, 0])?;
    }
    let mut product = product(node, a, b, alpha)?;
    let to = product.shape().to_vec();
    if let Some(c) = c.filter(|_| beta != 0.0) {
        if c.dtype() != product.dtype() {
            let (a, b) = (product.dtype().name(), c.dtype().name());
            return Err(node.malformed(format!("it mixes {a} with {b}")));
        }
        let c = node.expand(c, &to)?;
        product = add(node, vec![(product, 1.0), (c, beta)])?;
    }
    Ok(product)
}

/// NumPy's matmul: vectors count as a row on the left and a column on the right.
pub(super) fn matmul(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (mut a, mut b) = (node.take_real(0)?, node.take_real(1)?);
    let (vector_a, vector_b) = (a.shape().len() == 1, b.shape().len() == 1);
    if a.shape().is_empty() || b.shape().is_empty() {
        return Err(node.mismatch("a number where a matrix or vector is needed".into()));
    }
    if vector_a {
        let to = [&[1], a.shape()].concat();
        a = node.reshape(a, to)?;
    }
    if vector_b {
        let to = [b.shape(), &[1]].concat();
        b = node.reshape(b, to)?;
    }
    let product = product(node, a, b, 1.0)?;
    let mut to = product.shape().to_vec();
    let last = to.len() - 1;
    if vector_b {
        to.remove(last);
    }
    if vector_a {
        to.remove(last - 1);
    }
    node.reshape(product, to)
}

/// alpha·A·B for stacks of matrices.
fn product(node: &mut Node<'_>, a: Value, b: Value, alpha: f64) -> Result<Value, OnnxError> {
    if a.dtype() != b.dtype() {
        let (a, b) = (a.dtype().name(), b.dtype().name());
        return Err(node.malformed(format!("it mixes {a} with {b}")));
    }
    let (Some((&k, [.., rows])), Some((&columns, [.., inner]))) =
        (a.shape().split_last(), b.shape().split_last())
    else {
        return Err(node.mismatch("a vector where a matrix is needed".into()));
    };
    if k != *inner {
        return Err(node.mismatch(format!("{k} columns times {inner} rows")));
    }
    let rows = *rows;
    let batch_of = |value: &Value| value.shape()[..value.shape().len() - 2].to_vec();
    let (batch_a, batch_b) = (batch_of(&a), batch_of(&b));
    let Some(batch) = shape::broadcast(&batch_a, &batch_b) else {
        return Err(node.mismatch(format!("{:?} times {:?}", a.shape(), b.shape())));
    };
    let to = [&batch[..], &[rows, columns]].concat();
    match (a, b) {
        (Value::Signal(x), Value::Const(w)) => {
            let x = node.expand(Value::Signal(x), &[&batch[..], &[rows, k]].concat())?;
            if batch_b.iter().all(|&d| d == 1) {
                let weights = transposed(node, &floats(node, w)?, [k, columns], alpha)?;
                return dense(node, x, [k, columns], weights, to);
            }
            let w = node.expand(Value::Const(w), &[&batch[..], &[k, columns]].concat())?;
            stacked(node, x, w, [rows, k, columns], alpha, to)
        }
        (Value::Const(w), Value::Signal(x)) => {
            // A·B is the transposed of Bᵀ·Aᵀ, and a constant's transposition is known.
            let swap = |rank: usize| {
                let mut axes: Vec<usize> = (0..rank).collect();
                axes.swap(rank - 1, rank - 2);
                axes
            };
            let (w, x) = (Value::Const(w), Value::Signal(x));
            let (axes_w, axes_x) = (swap(w.shape().len()), swap(x.shape().len()));
            let w = permute(node, w, &axes_w)?;
            let x = permute(node, x, &axes_x)?;
            let turned = product(node, x, w, alpha)?;
            permute(node, turned, &swap(to.len()))
        }
        (Value::Const(_), Value::Const(_)) => {
            Err(node.unsupported("both of its operands are constants; fold them before exporting"))
        }
        (a, b) => {
            let a = node.expand(a, &[&batch[..], &[rows, k]].concat())?;
            let b = node.expand(b, &[&batch[..], &[k, columns]].concat())?;
            let sizes = (batch.iter().product(), [rows, k, columns]);
            products::matrices(node, [a, b], sizes, alpha, to)
        }
    }
}

/// The same matrix, `outputs` × `inputs`, at all positions of x.
fn dense(
    node: &mut Node<'_>,
    x: Value,
    [inputs, outputs]: [usize; 2],
    weights: Vec<f64>,
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let positions = x.len() / inputs.max(1);
    let (len, dtype) = (node.pay(&to)?, x.dtype());
    let map = LinearMap::Dense { positions, inputs, outputs, weights };
    node.emit(Op::Linear(Linear { maps: vec![map], bias: vec![0.0; len] }), vec![x], to, dtype)
}

/// A matrix for each matrix of x.
fn stacked(
    node: &mut Node<'_>,
    x: Value,
    w: Value,
    [rows, k, columns]: [usize; 3],
    alpha: f64,
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let dtype = x.dtype();
    let weights = match w {
        Value::Const(tensor) => floats(node, tensor)?,
        Value::Signal(_) => return Err(node.unsupported("its matrices are not constants")),
    };
    let len = node.pay(&to)?;
    node.pay(&[len, k, 2])?;
    let row = |at: usize| {
        let (b, r, c) = (at / columns / rows, at / columns % rows, at % columns);
        let weights = &weights;
        (0..k).map(move |i| ((b * rows + r) * k + i, alpha * weights[(b * k + i) * columns + c]))
    };
    let rows = SparseRows::from_rows((0..len).map(row));
    let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; len] };
    node.emit(Op::Linear(linear), vec![x], to, dtype)
}

/// The transposed of a matrix, times alpha.
fn transposed(
    node: &mut Node<'_>,
    values: &[f64],
    [rows, columns]: [usize; 2],
    alpha: f64,
) -> Result<Vec<f64>, OnnxError> {
    if values.is_empty() {
        return Err(node.malformed("its matrix is empty".into()));
    }
    let mut out = Vec::with_capacity(node.pay(&[rows, columns])?);
    for column in 0..columns {
        out.extend(values.iter().skip(column).step_by(columns).map(|w| alpha * w));
    }
    Ok(out)
}

fn floats(node: &Node<'_>, tensor: Tensor) -> Result<Vec<f64>, OnnxError> {
    match tensor.data {
        Data::Float(values) => Ok(values),
        Data::Int(_) => Err(node.malformed("its matrix has integer elements".into())),
    }
}

/// x·Cᵀ + intercepts, by rows of x.
pub(super) fn linear_regressor(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let targets = node.int("targets").unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|&targets| targets > 0);
    let targets = targets.ok_or_else(|| node.malformed("no targets".into()))?;
    let (rows, features) = match *x.shape() {
        [features] => (1, features),
        [rows, features] => (rows, features),
        _ => return Err(node.mismatch(format!("{:?} where a matrix is needed", x.shape()))),
    };
    let weights = node.floats("coefficients")?.unwrap_or_default();
    let intercepts = node.floats("intercepts")?.unwrap_or_default();
    if targets.checked_mul(features) != Some(weights.len())
        || !(intercepts.is_empty() || intercepts.len() == targets)
    {
        return Err(node.mismatch(format!(
            "{} coefficients and {} intercepts for {features} features and {targets} targets",
            weights.len(),
            intercepts.len()
        )));
    }
    node.pay(&[rows, targets])?;
    let map = LinearMap::Dense { positions: rows, inputs: features, outputs: targets, weights };
    let of = |at: usize| intercepts.get(at % targets).copied().unwrap_or(0.0);
    let bias = (0..rows * targets).map(of).collect();
    let linear = Linear { maps: vec![map], bias };
    let sums = node.emit(Op::Linear(linear), vec![x], vec![rows, targets], DType::Float32)?;
    let post = node.text("post_transform", "NONE");
    ml::of_regression(node, sums, &post)
}
