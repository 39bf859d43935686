//! Shares of exponentials, row by row, and masks: what a mask sets to −∞, or to less than
//! [`MASKED`], has no share. Such elements are left out of their row's maximum and sum, so that
//! the mask is part of the circuit.

use super::{activation::apply, arithmetic::add, products, ratio};
use crate::{
    graph::{Curve, Element, Extremum, Function, Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// exp of less than this beside anything that is not masked is 0, also in float64.
const MASKED: f64 = -1e4;
/// What stands for −∞; a float32, so that it is the same before and after constants are rounded.
pub(super) const INFINITE: f64 = -1e30_f32 as f64;

/// A constant's −∞, of a mask, as a number.
pub(super) fn finite(mut value: Option<Value>) -> Option<Value> {
    if let Some(Value::Const(Tensor { data: Data::Float(values), .. })) = &mut value {
        let infinite = values.iter_mut().filter(|value| **value == f64::NEG_INFINITY);
        infinite.for_each(|value| *value = INFINITE);
    }
    value
}

/// What a mask adds to each element that it leaves out.
fn masked(node: &Node<'_>, x: &Value) -> Vec<Option<f64>> {
    let by = |value: f64| Some(value).filter(|value| *value <= MASKED);
    let signal = match x {
        Value::Signal(signal) => signal,
        Value::Const(Tensor { data: Data::Float(values), .. }) => {
            return values.iter().map(|value| by(*value)).collect();
        }
        Value::Const(_) => return vec![None; x.len()],
    };
    let of = |index: usize| {
        let mut at = (signal.id, index);
        while let Some(maker) = node.maker(at.0) {
            match &maker.op {
                Op::Select(elements) => match elements[at.1] {
                    Element::Input { input, index } => at = (maker.inputs[input], index),
                    Element::Constant(value) => return by(value),
                },
                Op::Linear(_) => {
                    return ratio::row(maker, at.1).and_then(|(_, bias)| by(bias));
                }
                _ => return None,
            }
        }
        None
    };
    (0..x.len()).map(of).collect()
}

/// exp(x − max) of each element, divided by the sum of its group's; groups do not overlap. Where
/// `empty` is allowed, a group of nothing but −∞ has no shares, which are zeros then, as Attention
/// has it; a softmax of it is no number.
pub(super) fn shares(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
    empty: bool,
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let masked = masked(node, &x);
    let mut members = Vec::with_capacity(x.len());
    let mut group_of = Vec::with_capacity(x.len());
    let mut own: Vec<Vec<usize>> = Vec::with_capacity(groups.len());
    for group in groups {
        let first = members.len();
        members.extend(group.iter().copied().filter(|member| masked[*member].is_none()));
        // What is masked by less than −∞ throughout has shares all the same.
        let infinite = |member: &usize| masked[*member].is_some_and(|by| by <= INFINITE / 10.0);
        if members.len() == first && !(empty && group.iter().all(infinite)) {
            return Err(node.unsupported("its mask leaves a row without any element"));
        }
        if members.len() > first {
            group_of.resize(members.len(), own.len());
            own.push((first..members.len()).collect());
        }
    }
    let len = members.len();
    if len == 0 {
        return Err(node.unsupported("its mask leaves no element at all"));
    }
    node.pay(&[len, 8])?;
    let x = node.pick(x, vec![len], &members)?;
    let below = below_greatest(node, x, &own, &group_of)?;
    let exponential = apply(node, Function::Curve(Curve::Exp), below)?;
    let shares = of_sums(node, exponential, &own, &group_of)?;
    let mut elements = vec![Element::Constant(0.0); masked.len()];
    for (index, member) in members.iter().enumerate() {
        elements[*member] = Element::Input { input: 0, index };
    }
    node.emit(Op::Select(elements), vec![shares], shape, dtype)
}

/// x − max of each element's group, `group_of` it.
pub(super) fn below_greatest(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
    group_of: &[usize],
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let extremum = Op::Extremum(Extremum { minimum: false, groups: groups.to_vec() });
    let greatest = node.emit(extremum, vec![x.clone()], vec![groups.len()], dtype)?;
    let greatest = node.pick(greatest, shape, group_of)?;
    let below = add(node, vec![(x, 1.0), (greatest, -1.0)])?;
    // Intervals do not show that none is above the greatest.
    apply(node, Function::Clip { low: f64::NEG_INFINITY, high: 0.0 }, below)
}

/// Each element's share of the sum of its group, of exponentials whose greatest is 1.
pub(super) fn of_sums(
    node: &mut Node<'_>,
    exponential: Value,
    groups: &[Vec<usize>],
    group_of: &[usize],
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (exponential.shape().to_vec(), exponential.dtype());
    let count = groups.len();
    // A value of its own, which both the sum and the quotient read.
    let exponential = apply(node, Function::Relu, exponential)?;
    let rows = SparseRows::from_rows(groups.iter().map(|g| g.iter().map(|index| (*index, 1.0))));
    let sums = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; count] };
    let sum = node.emit(Op::Linear(sums), vec![exponential.clone()], vec![count], dtype)?;
    // Intervals do not show that one of them is 1.
    let sum = apply(node, Function::Clip { low: 1.0, high: f64::INFINITY }, sum)?;
    let sum = node.pick(sum, shape, group_of)?;
    products::quotient(node, exponential, sum)
}
