//! Relu, Sigmoid, and what equals one of them: Clip and Max with a lower bound
//! of 0, Softmax over two classes.

use super::{Activation, Step};
use crate::onnx::{
    error::OnnxError,
    node::{Node, Signal, Value},
    tensor::{Data, Tensor},
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Step, OnnxError> {
    let (signal, activation) = match node.operator().as_str() {
        "Sigmoid" => (node.take_signal(0)?, Activation::Sigmoid),
        "Clip" => (clip(node)?, Activation::Relu),
        "Max" => (max(node)?, Activation::Relu),
        "Softmax" => (softmax(node)?, Activation::Sigmoid),
        _ => (node.take_signal(0)?, Activation::Relu),
    };
    Ok(Step::Activate(signal, activation))
}

/// Clip(x, 0, ∞) is Relu.
fn clip(node: &mut Node<'_>) -> Result<Signal, OnnxError> {
    let (low, high) = match node.opset {
        ..11 => (node.bound("min"), node.bound("max")),
        _ => (bound(node, 1)?, bound(node, 2)?),
    };
    // float32's largest value is the older exporters' infinity.
    let unbounded = high.is_none_or(|high| high >= f64::from(f32::MAX));
    match low {
        Some(0.0) if unbounded => node.take_signal(0),
        _ => Err(node.unsupported("only the bounds 0 and infinity are, which make it Relu")),
    }
}

fn bound(node: &mut Node<'_>, index: usize) -> Result<Option<f64>, OnnxError> {
    match node.take_unchecked(index) {
        None => Ok(None),
        Some(Value::Const(Tensor { data: Data::Float(values), .. })) if values.len() == 1 => {
            Ok(values.first().copied())
        }
        Some(_) => Err(node.unsupported("its bounds must be constant numbers")),
    }
}

/// Max(x, 0) is Relu.
fn max(node: &mut Node<'_>) -> Result<Signal, OnnxError> {
    let reason = "only the maximum with the constant 0 is, which is Relu";
    if node.input_count() != 2 {
        return Err(node.unsupported(reason));
    }
    match (node.take(0)?, node.take(1)?) {
        (Value::Signal(signal), Value::Const(zero))
        | (Value::Const(zero), Value::Signal(signal)) => {
            let is_zero = matches!(&zero.data, Data::Float(v) if v.iter().all(|&v| v == 0.0));
            match is_zero
                && zero.shape.iter().all(|&d| d == 1)
                && zero.shape.len() <= signal.shape.len()
            {
                true => Ok(signal),
                false => Err(node.unsupported(reason)),
            }
        }
        _ => Err(node.unsupported(reason)),
    }
}

/// Softmax over two classes is the sigmoid of the differences: exp(x)/(exp(x) +
/// exp(y)) = 1/(1 + exp(−(x − y))).
fn softmax(node: &mut Node<'_>) -> Result<Signal, OnnxError> {
    let signal = node.take_signal(0)?;
    let rank = signal.shape.len();
    let default = if node.opset < 13 { 1 } else { -1 };
    let axis = node.axis(node.int("axis").unwrap_or(default), rank)?;
    // Before opset 13 a class is an element of everything from `axis` on.
    let (classes, inner) = match node.opset {
        ..13 => (signal.shape[axis..].iter().product::<usize>(), 1),
        _ => (signal.shape[axis], signal.shape[axis + 1..].iter().product::<usize>()),
    };
    if classes != 2 {
        return Err(node.unsupported(format!(
            "it normalises over {classes} classes, only two can be expressed exactly; end the \
             model at the scores before it"
        )));
    }
    let count = node.pay(&[signal.map.outputs()])?;
    let partners: Vec<usize> =
        (0..count).map(|i| if i / inner % 2 == 0 { i + inner } else { i - inner }).collect();
    let other = signal.map.pick(&partners, &mut node.payer())?;
    let map = signal.map.add(other, -1.0, &mut node.payer())?;
    let mut nodes = signal.nodes;
    nodes.push(node.position);
    Ok(Signal { map, nodes, ..signal })
}
