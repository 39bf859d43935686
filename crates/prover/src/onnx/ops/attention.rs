//! Attention, as one operator and as exporters write it: scores, a mask, softmax row by row.
//!
//! What a mask sets to −∞, or to less than [`MASKED`], has no share: such elements are left out
//! of their row's maximum and sum, so that the mask is part of the circuit.

use super::{activation::apply, arithmetic::add, layout::permute, products, ratio};
use crate::{
    graph::{Curve, Element, Extremum, Function, Linear, LinearMap, Op, SparseRows},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// exp of less than this beside anything that is not masked is 0, also in float64.
const MASKED: f64 = -1e4;
/// What stands for −∞.
const INFINITE: f64 = -1e30;

/// A constant's −∞, of a mask, as a number.
pub(super) fn finite(mut value: Option<Value>) -> Option<Value> {
    if let Some(Value::Const(Tensor { data: Data::Float(values), .. })) = &mut value {
        let infinite = values.iter_mut().filter(|value| **value == f64::NEG_INFINITY);
        infinite.for_each(|value| *value = INFINITE);
    }
    value
}

/// Whether a mask leaves out each element.
fn masked(node: &Node<'_>, x: &Value) -> Vec<bool> {
    let Value::Signal(signal) = x else { return vec![false; x.len()] };
    let of = |index: usize| {
        let mut at = (signal.id, index);
        while let Some(maker) = node.maker(at.0) {
            match &maker.op {
                Op::Select(elements) => match elements[at.1] {
                    Element::Input { input, index } => at = (maker.inputs[input], index),
                    Element::Constant(value) => return value <= MASKED,
                },
                Op::Linear(_) => {
                    return ratio::row(maker, at.1).is_some_and(|(_, bias)| bias <= MASKED);
                }
                _ => return false,
            }
        }
        false
    };
    (0..x.len()).map(of).collect()
}

/// exp(x − max) of each element, divided by the sum of its group's; groups do not overlap.
pub(super) fn shares(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let masked = masked(node, &x);
    let mut members = Vec::with_capacity(x.len());
    let mut group_of = Vec::with_capacity(x.len());
    let mut own: Vec<Vec<usize>> = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        let first = members.len();
        members.extend(group.iter().copied().filter(|member| !masked[*member]));
        if members.len() == first {
            return Err(node.unsupported("its mask leaves a row without any element"));
        }
        group_of.resize(members.len(), index);
        own.push((first..members.len()).collect());
    }
    let len = members.len();
    node.pay(&[len, 8])?;
    let x = node.pick(x, vec![len], &members)?;
    let count = vec![own.len()];
    let rows = SparseRows::from_rows(own.iter().map(|g| g.iter().map(|index| (*index, 1.0))));
    let extremum = Op::Extremum(Extremum { minimum: false, groups: own });
    let greatest = node.emit(extremum, vec![x.clone()], count.clone(), dtype)?;
    let greatest = node.pick(greatest, vec![len], &group_of)?;
    let below = add(node, vec![(x, 1.0), (greatest, -1.0)])?;
    // Intervals do not show that none is above the greatest.
    let below = apply(node, Function::Clip { low: f64::NEG_INFINITY, high: 0.0 }, below)?;
    let exponential = apply(node, Function::Curve(Curve::Exp), below)?;
    // A value of its own, which both the sum and the quotient read.
    let exponential = apply(node, Function::Relu, exponential)?;
    let sums = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; groups.len()] };
    let sum = node.emit(Op::Linear(sums), vec![exponential.clone()], count, dtype)?;
    // Nor that one of them is 1.
    let sum = apply(node, Function::Clip { low: 1.0, high: f64::INFINITY }, sum)?;
    let sum = node.pick(sum, vec![len], &group_of)?;
    let shares = products::quotient(node, exponential, sum)?;
    let mut elements = vec![Element::Constant(0.0); masked.len()];
    for (index, member) in members.iter().enumerate() {
        elements[*member] = Element::Input { input: 0, index };
    }
    node.emit(Op::Select(elements), vec![shares], shape, dtype)
}

/// softmax(scale·Q·Kᵀ + mask)·V by head, of operator set 23 and later.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    for (index, what) in [(4, "keys of the past"), (5, "values of the past"), (6, "lengths")] {
        if node.peek(index).is_some() {
            return Err(node.unsupported(format!("it is given {what}")));
        }
    }
    if node.float("softcap", 0.0)? != 0.0 {
        return Err(node.unsupported("its scores have a soft cap"));
    }
    let (q, k, v) = (node.take_real(0)?, node.take_real(1)?, node.take_real(2)?);
    let flat = q.shape().len() == 3;
    let q = heads(node, q, "q_num_heads")?;
    let k = heads(node, k, "kv_num_heads")?;
    let v = heads(node, v, "kv_num_heads")?;
    let ([batch, count, rows, size], [_, own, columns, _], [_, _, _, width]) =
        (dims(node, &q)?, dims(node, &k)?, dims(node, &v)?);
    if own == 0 || count % own != 0 || v.shape()[1] != own {
        return Err(node.mismatch(format!("{count} heads of queries and {own} of keys")));
    }
    let (k, v) = (repeated(node, k, count)?, repeated(node, v, count)?);
    let scale = node.float("scale", 1.0 / (size as f64).sqrt())?;
    let k = permute(node, k, &[0, 1, 3, 2])?;
    let to = vec![batch, count, rows, columns];
    let sizes = (batch * count, [rows, size, columns]);
    let mut scores = products::matrices(node, [q, k], sizes, scale, to.clone())?;
    let mask = finite(node.take_unchecked(3));
    if let Some(mask) = mask {
        let mask = match mask {
            Value::Const(Tensor { shape, dtype: DType::Bool, data: Data::Int(values) }) => {
                let of = |yes: i64| if yes == 0 { INFINITE } else { 0.0 };
                let data = Data::Float(values.into_iter().map(of).collect());
                Value::Const(Tensor { shape, dtype: scores.dtype(), data })
            }
            mask => mask,
        };
        let mask = node.expand(mask, &to)?;
        scores = add(node, vec![(scores, 1.0), (mask, 1.0)])?;
    }
    if node.flag("is_causal", false)? {
        let len = node.pay(&to)?;
        let of = |at: usize| if at % columns > at / columns % rows { INFINITE } else { 0.0 };
        let data = Data::Float((0..len).map(of).collect());
        let mask = Value::Const(Tensor { shape: to.clone(), dtype: scores.dtype(), data });
        scores = add(node, vec![(scores, 1.0), (mask, 1.0)])?;
    }
    let groups: Vec<Vec<usize>> = (0..batch * count * rows)
        .map(|row| (row * columns..(row + 1) * columns).collect())
        .collect();
    let shares = shares(node, scores, &groups)?;
    let sizes = (batch * count, [rows, columns, width]);
    let made = products::matrices(node, [shares, v], sizes, 1.0, vec![batch, count, rows, width])?;
    node.withheld = Some("keys, values and scores as outputs are not proven".into());
    if !flat {
        return Ok(made);
    }
    let made = permute(node, made, &[0, 2, 1, 3])?;
    node.reshape(made, vec![batch, rows, count * width])
}

/// [batch, heads, positions, size] of a tensor that may have its heads side by side.
fn heads(node: &mut Node<'_>, x: Value, attribute: &str) -> Result<Value, OnnxError> {
    let [batch, positions, all] = x.shape()[..] else { return Ok(x) };
    let count = usize::try_from(node.int(attribute).unwrap_or(0)).unwrap_or(0);
    if count == 0 || all % count != 0 {
        return Err(node.mismatch(format!("{all} elements of {count} heads ({attribute})")));
    }
    let x = node.reshape(x, vec![batch, positions, count, all / count])?;
    permute(node, x, &[0, 2, 1, 3])
}

fn dims(node: &Node<'_>, x: &Value) -> Result<[usize; 4], OnnxError> {
    match x.shape().try_into() {
        Ok(dims) if x.len() > 0 => Ok(dims),
        _ => Err(node.mismatch(format!("{:?} where heads of positions are needed", x.shape()))),
    }
}

/// As many heads, each of a few repeated.
fn repeated(node: &mut Node<'_>, x: Value, count: usize) -> Result<Value, OnnxError> {
    let [batch, own, positions, size] = dims(node, &x)?;
    if own == count {
        return Ok(x);
    }
    let to = vec![batch, count, positions, size];
    let len = node.pay(&to)?;
    let plane = positions * size;
    let from: Vec<usize> = (0..len)
        .map(|at| {
            let (head, rest) = (at / plane, at % plane);
            (head / count * own + head % count / (count / own)) * plane + rest
        })
        .collect();
    node.pick(x, to, &from)
}
