//! Gemm and MatMul of a signal and a constant matrix, on either side.

use super::arithmetic::{add, rescaled};
use crate::onnx::{
    error::OnnxError,
    map::Map,
    node::{Node, Signal, Value},
    tensor::{Data, Tensor},
};

/// alpha·A'·B' + beta·C, where a prime is an optional transposition.
pub(super) fn gemm(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b, c) = (node.take(0)?, node.take(1)?, node.take_optional(2)?);
    let flag = |name| node.int(name).unwrap_or(0) != 0;
    let (trans_a, trans_b) = (flag("transA"), flag("transB"));
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let (dims_a, dims_b) = (dims(node, a.shape(), trans_a)?, dims(node, b.shape(), trans_b)?);
    let mut product = match (a, b) {
        (Value::Signal(x), Value::Const(w)) => {
            times_matrix(node, x, trans_a, dims_a, w, trans_b, dims_b)
        }
        (Value::Const(w), Value::Signal(x)) => {
            matrix_times(node, w, trans_a, dims_a, x, trans_b, dims_b)
        }
        (a, b) => Err(not_linear(node, &a, &b)),
    }?;
    if alpha != 1.0 {
        product.map.rescale(|_| (alpha, 0.0));
    }
    let product = Value::Signal(product);
    match c {
        Some(c) if beta != 0.0 => {
            let to = product.shape().to_vec();
            let c = scale(node, c, beta);
            let c = node.expand(c, &to)?;
            add(node, product, c)
        }
        _ => Ok(product),
    }
}

/// beta·c.
fn scale(node: &Node<'_>, c: Value, beta: f64) -> Value {
    match c {
        c if beta == 1.0 => c,
        Value::Signal(c) => rescaled(node, c, |_| (beta, 0.0)),
        Value::Const(mut c) => {
            if let Data::Float(values) = &mut c.data {
                values.iter_mut().for_each(|v| *v *= beta);
            }
            Value::Const(c)
        }
    }
}

/// Rows and columns of a two-dimensional tensor after its transposition.
fn dims(node: &Node<'_>, shape: &[usize], transposed: bool) -> Result<[usize; 2], OnnxError> {
    match *shape {
        [rows, columns] if transposed => Ok([columns, rows]),
        [rows, columns] => Ok([rows, columns]),
        _ => Err(node.mismatch(format!("{shape:?} where a matrix is needed"))),
    }
}

/// NumPy's matmul: vectors count as a row on the left and a column on the right.
pub(super) fn matmul(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take(0)?, node.take(1)?);
    let (shape_a, shape_b) = (a.shape().to_vec(), b.shape().to_vec());
    let ((Some((&last_a, lead_a)), Some(_)), (Some(_), Some(_))) =
        ((shape_a.split_last(), shape_a.first()), (shape_b.split_last(), shape_b.first()))
    else {
        return Err(node.mismatch("a number where a matrix or vector is needed".into()));
    };
    // The right operand as batch × rows × columns; `column` is absent for a vector.
    let (batch_b, rows_b, column) = match *shape_b.as_slice() {
        [ref batch @ .., rows, columns] => (batch, rows, Some(columns)),
        [rows] => (&shape_b[..0], rows, None),
        [] => (&shape_b[..0], 1, None),
    };
    let (product, lead) = match (a, b) {
        (Value::Signal(x), Value::Const(w)) => {
            if batch_b.iter().any(|&d| d != 1) {
                return Err(node.unsupported("its constant is a batch of matrices"));
            }
            // One matrix for all rows of x, however many dimensions they come in.
            let rows = lead_a.iter().product();
            let dims_b = [rows_b, column.unwrap_or(1)];
            let product = times_matrix(node, x, false, [rows, last_a], w, false, dims_b)?;
            let missing = (batch_b.len() + 1).saturating_sub(lead_a.len().max(1));
            (product, [&vec![1; missing][..], lead_a].concat())
        }
        (Value::Const(w), Value::Signal(x)) => {
            let (batch_a, row) = match lead_a {
                [batch @ .., row] => (batch, Some(*row)),
                [] => (lead_a, None),
            };
            if batch_a.iter().chain(batch_b).any(|&d| d != 1) {
                return Err(node.unsupported("it multiplies batches of matrices"));
            }
            let (dims_a, dims_b) = ([row.unwrap_or(1), last_a], [rows_b, column.unwrap_or(1)]);
            let product = matrix_times(node, w, false, dims_a, x, false, dims_b)?;
            let mut lead = vec![1; batch_a.len().max(batch_b.len())];
            lead.extend(row);
            (product, lead)
        }
        (a, b) => return Err(not_linear(node, &a, &b)),
    };
    let mut to = lead;
    to.extend(column);
    node.reshape(Value::Signal(product), to)
}

/// X·W for a signal X of `rows` rows.
fn times_matrix(
    node: &mut Node<'_>,
    x: Signal,
    trans_x: bool,
    [rows, k]: [usize; 2],
    w: Tensor,
    trans_w: bool,
    [k_w, columns]: [usize; 2],
) -> Result<Signal, OnnxError> {
    inner_sizes(node, k, k_w)?;
    let weights = floats(node, w, !trans_w, [columns, k])?;
    let at = |row: usize, j: usize| if trans_x { j * rows + row } else { row * k + j };
    let map = by_group(node, &x.map, [rows, k], at, weights)?;
    Ok(finish(node, x, map, vec![rows, columns]))
}

/// W·X for a signal X of `columns` columns.
fn matrix_times(
    node: &mut Node<'_>,
    w: Tensor,
    trans_w: bool,
    [rows, k]: [usize; 2],
    x: Signal,
    trans_x: bool,
    [k_x, columns]: [usize; 2],
) -> Result<Signal, OnnxError> {
    inner_sizes(node, k, k_x)?;
    let weights = floats(node, w, trans_w, [rows, k])?;
    let at = |column: usize, j: usize| if trans_x { column * k + j } else { j * columns + column };
    let mut map = by_group(node, &x.map, [columns, k], at, weights)?;
    if columns > 1 && rows > 1 {
        // Column by column so far.
        node.pay(&[rows, columns])?;
        let order: Vec<usize> =
            (0..rows).flat_map(|r| (0..columns).map(move |c| c * rows + r)).collect();
        map = map.pick(&order, &mut node.payer())?;
    }
    Ok(finish(node, x, map, vec![rows, columns]))
}

/// Multiplies each group of k elements of a map, `at(group, j)`, by one matrix.
fn by_group(
    node: &mut Node<'_>,
    map: &Map,
    [groups, k]: [usize; 2],
    at: impl Fn(usize, usize) -> usize,
    weights: Vec<f64>,
) -> Result<Map, OnnxError> {
    if groups == 1 {
        return map.multiply(weights, &mut node.payer());
    }
    let mut products = vec![];
    for group in 0..groups {
        node.pay(&[k])?;
        let positions: Vec<usize> = (0..k).map(|j| at(group, j)).collect();
        let part = map.pick(&positions, &mut node.payer())?;
        node.pay(&[weights.len()])?;
        products.push(part.multiply(weights.clone(), &mut node.payer())?);
    }
    Map::concat(map.inputs(), products, &mut node.payer())
}

fn finish(node: &Node<'_>, x: Signal, map: Map, shape: Vec<usize>) -> Signal {
    let mut nodes = x.nodes;
    nodes.push(node.position);
    Signal { shape, map, nodes, stage: x.stage }
}

/// The elements of a constant matrix of `dims` (after the transposition asked for).
fn floats(
    node: &mut Node<'_>,
    tensor: Tensor,
    transposed: bool,
    [rows, columns]: [usize; 2],
) -> Result<Vec<f64>, OnnxError> {
    let Data::Float(values) = tensor.data else {
        return Err(node.malformed("its matrix has integer elements".into()));
    };
    if values.is_empty() {
        return Err(node.malformed("its matrix is empty".into()));
    }
    if !transposed || rows == 1 || columns == 1 {
        return Ok(values);
    }
    let mut out = Vec::with_capacity(node.pay(&[rows, columns])?);
    for row in 0..rows {
        out.extend(values.iter().skip(row).step_by(rows));
    }
    Ok(out)
}

fn inner_sizes(node: &Node<'_>, left: usize, right: usize) -> Result<(), OnnxError> {
    match left == right {
        true => Ok(()),
        false => Err(node.mismatch(format!("{left} columns times {right} rows"))),
    }
}

fn not_linear(node: &Node<'_>, a: &Value, b: &Value) -> OnnxError {
    match (a, b) {
        (Value::Signal(_), Value::Signal(_)) => {
            node.unsupported("both of its operands depend on the model's input")
        }
        _ => node.unsupported("both of its operands are constants; fold them before exporting"),
    }
}
