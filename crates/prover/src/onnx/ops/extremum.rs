//! Max and Min of several tensors, constants among them.

use super::activation::apply;
use crate::{
    graph::{Element, Extremum, Function, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::Data,
    },
};

pub(super) fn lower(node: &mut Node<'_>, minimum: bool) -> Result<Value, OnnxError> {
    let count = node.input_count();
    let values = (0..count).map(|i| node.take(i)).collect::<Result<Vec<_>, _>>()?;
    if let Some(pair) = values.windows(2).find(|pair| pair[0].dtype() != pair[1].dtype()) {
        let (a, b) = (pair[0].dtype().name(), pair[1].dtype().name());
        return Err(node.malformed(format!("it mixes {a} with {b}")));
    }
    let values = node.broadcast(values)?;
    let (constants, mut signals): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| matches!(value, Value::Const(_)));
    let constant = match constants.len() {
        0 => None,
        _ => Some(of_all(node, constants, minimum)?),
    };
    let signal = match signals.len() {
        0 => None,
        1 => signals.pop(),
        _ => Some(of_all(node, signals, minimum)?),
    };
    match (signal, constant) {
        (Some(x), Some(Value::Const(c))) => {
            let bounds = match c.data {
                Data::Float(values) => values,
                Data::Int(values) => values.into_iter().map(|v| v as f64).collect(),
            };
            bounded(node, x, &bounds, minimum)
        }
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err(node.malformed("it has no inputs".into())),
    }
}

/// The extremum of tensors of one shape, element by element.
pub(super) fn of_all(
    node: &mut Node<'_>,
    values: Vec<Value>,
    minimum: bool,
) -> Result<Value, OnnxError> {
    let Some((shape, dtype)) = values.first().map(|v| (v.shape().to_vec(), v.dtype())) else {
        return Err(node.malformed("it has no inputs".into()));
    };
    let (count, len) = (values.len(), values[0].len());
    node.pay(&[count, len])?;
    let places = (0..count).flat_map(|input| (0..len).map(move |index| (input, index)));
    let elements = places.map(|(input, index)| Element::Input { input, index }).collect();
    let all = node.emit(Op::Select(elements), values, vec![count, len], dtype)?;
    let groups = (0..len).map(|i| (0..count).map(|k| k * len + i).collect()).collect();
    node.emit(Op::Extremum(Extremum { minimum, groups }), vec![all], shape, dtype)
}

/// max(x, c) or min(x, c).
fn bounded(node: &mut Node<'_>, x: Value, c: &[f64], minimum: bool) -> Result<Value, OnnxError> {
    let first = c.first().copied().unwrap_or(0.0);
    if c.iter().all(|&c| c == first) {
        let (low, high) = match minimum {
            true => (f64::NEG_INFINITY, first),
            false => (first, f64::INFINITY),
        };
        return apply(node, Function::Clip { low, high }, x);
    }
    // max(x, c) = c + max(x − c, 0), min(x, c) = c − max(c − x, 0).
    let sign = if minimum { -1.0 } else { 1.0 };
    let over = node.scale(x, |i| (sign, -sign * c[i]))?;
    let over = apply(node, Function::Relu, over)?;
    node.scale(over, |i| (sign, c[i]))
}
