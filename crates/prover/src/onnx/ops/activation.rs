//! Straight functions of one variable: Relu, LeakyRelu, PRelu, Abs, Clip.

use crate::{
    graph::{Function, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        ops::ratio,
        tensor::Data,
    },
};

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let real = x.dtype().is_float();
    // Exporters take it of sigmoids, before they add these up.
    if let ("Abs", Value::Signal(signal)) = (operator, &x)
        && ratio::is_positive(node, signal.id)
    {
        return Ok(x);
    }
    let function = match operator {
        "Relu" if x.dtype().computes() => Function::Relu,
        "Abs" if x.dtype().computes() => Function::Abs,
        "LeakyRelu" if real => {
            Function::LeakyRelu { slopes: vec![node.float("alpha", f64::from(0.01f32))?] }
        }
        "PRelu" if real => prelu(node, x.shape())?,
        _ => return Err(node.unsupported(format!("its input has type {}", x.dtype().name()))),
    };
    apply(node, function, x)
}

/// The function of every element.
pub(super) fn apply(node: &mut Node<'_>, function: Function, x: Value) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    node.emit(Op::Function(function), vec![x], shape, dtype)
}

fn prelu(node: &mut Node<'_>, shape: &[usize]) -> Result<Function, OnnxError> {
    let slope = node.take_real(1)?;
    let Value::Const(_) = slope else {
        return Err(node.unsupported("its slopes are not constants"));
    };
    let slopes = match slope.len() {
        1 if slope.shape().len() <= shape.len() => slope,
        _ => node.expand(slope, shape)?,
    };
    match slopes {
        Value::Const(tensor) => match tensor.data {
            Data::Float(slopes) => Ok(Function::LeakyRelu { slopes }),
            Data::Int(_) => Err(node.malformed("its slopes are integers".into())),
        },
        Value::Signal(_) => Err(node.unsupported("its slopes are not constants")),
    }
}

/// min(max(x, low), high).
pub(super) fn clip(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let (low, high) = match node.opset {
        ..11 => (node.bound("min"), node.bound("max")),
        _ => (bound(node, 1, &x)?, bound(node, 2, &x)?),
    };
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    // float32's largest value is the older exporters' infinity.
    let infinite = |bound: f64| bound.abs() >= f64::from(f32::MAX);
    let open = |bound: Option<f64>, end: f64| match bound {
        Some(bound) if infinite(bound) && bound.signum() == end.signum() => end,
        Some(bound) => bound,
        None => end,
    };
    let (low, high) = (open(low, f64::NEG_INFINITY), open(high, f64::INFINITY));
    if low.is_nan() || high.is_nan() || low == f64::INFINITY || high == f64::NEG_INFINITY {
        return Err(node.malformed(format!("it clips to the range from {low} to {high}")));
    }
    // The upper bound comes last and wins.
    apply(node, Function::Clip { low: low.min(high), high }, x)
}

fn bound(node: &mut Node<'_>, index: usize, x: &Value) -> Result<Option<f64>, OnnxError> {
    match node.take_unchecked(index) {
        None => Ok(None),
        Some(Value::Const(tensor)) if tensor.data.len() == 1 && tensor.dtype == x.dtype() => {
            Ok(match tensor.data {
                Data::Float(values) => values.first().copied(),
                Data::Int(values) => values.first().map(|&v| v as f64),
            })
        }
        Some(Value::Const(_)) => {
            Err(node.malformed("its bounds are not single numbers of its input's type".into()))
        }
        Some(Value::Signal(_)) => Err(node.unsupported("its bounds are not constants")),
    }
}
