//! Add, Sub, Mul, Div and Neg with broadcasting, as long as the result is affine.

use crate::onnx::{
    error::OnnxError,
    map::Map,
    node::{Node, Signal, Value},
    shape,
    tensor::{Data, Tensor},
};

#[derive(Clone, Copy, PartialEq)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
}

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let op = match node.operator().as_str() {
        "Neg" => return neg(node),
        "Add" => Op::Add,
        "Sub" => Op::Sub,
        "Mul" => Op::Mul,
        _ => Op::Div,
    };
    let (a, b) = (node.take(0)?, node.take(1)?);
    binary(node, op, a, b)
}

/// a + b with broadcasting.
pub(super) fn add(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    binary(node, Op::Add, a, b)
}

fn neg(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    match node.take(0)? {
        Value::Signal(signal) => Ok(rescaled(node, signal, |_| (-1.0, 0.0))),
        Value::Const(mut tensor) => {
            match &mut tensor.data {
                Data::Float(values) => values.iter_mut().for_each(|v| *v = -*v),
                Data::Int(values) => values.iter_mut().for_each(|v| *v = v.wrapping_neg()),
            }
            Ok(Value::Const(tensor))
        }
    }
}

fn binary(node: &mut Node<'_>, op: Op, a: Value, b: Value) -> Result<Value, OnnxError> {
    let Some(to) = shape::broadcast(a.shape(), b.shape()) else {
        return Err(node.mismatch(format!("{:?} and {:?} do not broadcast", a.shape(), b.shape())));
    };
    match (node.expand(a, &to)?, node.expand(b, &to)?) {
        (Value::Signal(a), Value::Signal(b)) => signals(node, op, a, b),
        (Value::Signal(x), Value::Const(c)) => {
            let c = floats(node, c)?;
            if op == Op::Div
                && let Some(index) = c.iter().position(|&c| c == 0.0)
            {
                return Err(node.malformed(format!("it divides by zero at position {index}")));
            }
            Ok(rescaled(node, x, |i| match op {
                Op::Add => (1.0, c[i]),
                Op::Sub => (1.0, -c[i]),
                Op::Mul => (c[i], 0.0),
                Op::Div => (1.0 / c[i], 0.0),
            }))
        }
        (Value::Const(c), Value::Signal(x)) => {
            let c = floats(node, c)?;
            match op {
                Op::Add => Ok(rescaled(node, x, |i| (1.0, c[i]))),
                Op::Sub => Ok(rescaled(node, x, |i| (-1.0, c[i]))),
                Op::Mul => Ok(rescaled(node, x, |i| (c[i], 0.0))),
                Op::Div => Err(node.unsupported("it divides by a value that is not a constant")),
            }
        }
        (Value::Const(a), Value::Const(b)) => constants(node, op, a, b),
    }
}

fn signals(node: &mut Node<'_>, op: Op, a: Signal, b: Signal) -> Result<Value, OnnxError> {
    let sign = match op {
        Op::Add => 1.0,
        Op::Sub => -1.0,
        Op::Mul | Op::Div => {
            return Err(node.unsupported("both of its operands depend on the model's input"));
        }
    };
    let map = a.map.add(b.map, sign, &mut node.payer())?;
    let mut nodes = a.nodes;
    nodes.extend(b.nodes);
    nodes.push(node.position);
    Ok(Value::Signal(Signal { map, nodes, ..a }))
}

/// `signal` with its elements rescaled by this node.
pub(super) fn rescaled(
    node: &Node<'_>,
    mut signal: Signal,
    by: impl Fn(usize) -> (f64, f64),
) -> Value {
    signal.map.rescale(by);
    signal.nodes.push(node.position);
    Value::Signal(signal)
}

/// A constant as a signal beside others with `inputs` inputs.
pub(super) fn constant_map(
    node: &mut Node<'_>,
    inputs: usize,
    tensor: Tensor,
) -> Result<Map, OnnxError> {
    let values = floats(node, tensor)?;
    node.pay(&[values.len(), Map::TERM])?;
    Ok(Map::constant(inputs, &values))
}

fn floats(node: &Node<'_>, tensor: Tensor) -> Result<Vec<f64>, OnnxError> {
    match tensor.data {
        Data::Float(values) => Ok(values),
        Data::Int(_) => Err(node.malformed("it mixes floats with integers".into())),
    }
}

/// Two constants of the same shape.
fn constants(node: &Node<'_>, op: Op, a: Tensor, b: Tensor) -> Result<Value, OnnxError> {
    let data = match (a.data, b.data) {
        (Data::Float(a), Data::Float(b)) => {
            let compute = |(a, b): (f64, f64)| match op {
                Op::Add => a + b,
                Op::Sub => a - b,
                Op::Mul => a * b,
                Op::Div => a / b,
            };
            Data::Float(a.into_iter().zip(b).map(compute).collect())
        }
        (Data::Int(a), Data::Int(b)) => {
            let compute = |(a, b): (i64, i64)| match op {
                Op::Add => a.checked_add(b),
                Op::Sub => a.checked_sub(b),
                Op::Mul => a.checked_mul(b),
                Op::Div => a.checked_div(b),
            };
            let values: Option<_> = a.into_iter().zip(b).map(compute).collect();
            Data::Int(values.ok_or_else(|| node.malformed("integer overflow".into()))?)
        }
        _ => return Err(node.malformed("it mixes floats with integers".into())),
    };
    Ok(Value::Const(Tensor { shape: a.shape, data }))
}
