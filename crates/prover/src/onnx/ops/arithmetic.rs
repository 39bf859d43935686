//! Add, Sub, Mul, Div, Neg, Sum and Mean with broadcasting.

use crate::{
    graph::{Curve, Function, Linear, LinearMap, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        ops::{activation, clipped, curves, products, ratio, shares, whole},
        tensor::{Data, Tensor},
    },
};

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    if operator == "Add" {
        // Masks of attention.
        let inputs = [node.take_unchecked(0), node.take_unchecked(1)];
        node.replace_inputs(inputs.map(shares::finite).into());
    }
    let (a, b) = (node.take(0)?, node.take(1)?);
    same_types(node, [&a, &b])?;
    let mut both = node.broadcast(vec![a, b])?;
    let (Some(b), Some(a)) = (both.pop(), both.pop()) else {
        return Err(node.malformed("it has no operands".into()));
    };
    if let (Value::Const(a), Value::Const(b)) = (&a, &b) {
        return constants(node, operator, a, b);
    }
    if !a.dtype().computes() {
        let name = a.dtype().name();
        return Err(node.unsupported(format!("its operands have type {name}")));
    }
    match (operator, a, b) {
        ("Add" | "Sub", x @ Value::Signal(_), Value::Const(c))
        | ("Add", Value::Const(c), x @ Value::Signal(_))
            if is_zero(&c) =>
        {
            Ok(x)
        }
        ("Add", a, b) => add(node, vec![(a, 1.0), (b, 1.0)]),
        ("Sub", a, b) => add(node, vec![(a, 1.0), (b, -1.0)]),
        ("Mul", x @ Value::Signal(_), Value::Const(c))
        | ("Mul", Value::Const(c), x @ Value::Signal(_)) => {
            let c = floats(c);
            node.scale(x, |i| (c[i], 0.0))
        }
        ("Div", x @ Value::Signal(_), Value::Const(c)) => {
            if !x.dtype().is_float() {
                return whole::divide(node, x, &c);
            }
            let c = floats(c);
            match c.iter().position(|&c| c == 0.0) {
                Some(at) => Err(node.malformed(format!("it divides by zero at position {at}"))),
                None => node.scale(x, |i| (1.0 / c[i], 0.0)),
            }
        }
        ("Div", Value::Const(c), y) => match curves::logistic(node, &y)? {
            Some(sigmoid) => {
                let c = floats(c);
                node.scale(sigmoid, |i| (c[i], 0.0))
            }
            None if !y.dtype().is_float() => {
                Err(node.unsupported("it divides integers, which rounds"))
            }
            None => {
                let (c, inverse) =
                    (floats(c), activation::apply(node, Function::Curve(Curve::Power(-1.0)), y)?);
                node.scale(inverse, |i| (c[i], 0.0))
            }
        },
        ("Div", a @ Value::Signal(_), Value::Signal(b))
            if let Some(c) = ratio::known(node, b.id, a.len())
                && c.iter().all(|c| *c != 0.0) =>
        {
            node.scale(a, |i| (1.0 / c[i], 0.0))
        }
        ("Div", a, _) if !a.dtype().is_float() => {
            Err(node.unsupported("it divides integers, which rounds"))
        }
        ("Div", a, b) => {
            if let Some(share) = ratio::share(node, &a, &b)? {
                return Ok(share);
            }
            if let Some(quotient) = clipped::quotient(node, &a, &b)? {
                return Ok(quotient);
            }
            match ratio::of_sum(node, &a, &b)? {
                Some(shares) => {
                    let (shape, dtype) = (a.shape().to_vec(), a.dtype());
                    node.emit(Op::Shares(shares), vec![a], shape, dtype)
                }
                None => products::quotient(node, a, b),
            }
        }
        (_, a, b) => products::multiply(node, a, b),
    }
}

/// Refuses operands of different types, which ONNX does too.
fn same_types<'v>(
    node: &Node<'_>,
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<(), OnnxError> {
    let types: Vec<_> = values.into_iter().map(Value::dtype).collect();
    match types.windows(2).find(|pair| pair[0] != pair[1]) {
        Some(pair) => {
            let (a, b) = (pair[0].name(), pair[1].name());
            Err(node.malformed(format!("it mixes {a} with {b}")))
        }
        None => Ok(()),
    }
}

/// Σ factor·x of tensors of one shape.
pub(super) fn add(node: &mut Node<'_>, terms: Vec<(Value, f64)>) -> Result<Value, OnnxError> {
    let Some((first, _)) = terms.first() else {
        return Err(node.malformed("it has no operands".into()));
    };
    let (shape, dtype, len) = (first.shape().to_vec(), first.dtype(), first.len());
    node.pay(&[terms.len() + 1, len])?;
    let diagonal = |factor: f64| LinearMap::Diagonal(vec![factor; len]);
    let (values, maps) = terms.into_iter().map(|(value, f)| (value, diagonal(f))).unzip();
    let linear = Linear { maps, bias: vec![0.0; len] };
    node.emit(Op::Linear(linear), values, shape, dtype)
}

/// The sum of all inputs, or their mean.
pub(super) fn sum(node: &mut Node<'_>, mean: bool) -> Result<Value, OnnxError> {
    let count = node.input_count();
    let values = (0..count).map(|i| node.take_real(i)).collect::<Result<Vec<_>, _>>()?;
    same_types(node, &values)?;
    let factor = if mean { 1.0 / count as f64 } else { 1.0 };
    let values = node.broadcast(values)?;
    add(node, values.into_iter().map(|value| (value, factor)).collect())
}

pub(super) fn neg(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    match x.dtype().computes() {
        true => node.scale(x, |_| (-1.0, 0.0)),
        false => Err(node.unsupported(format!("its input has type {}", x.dtype().name()))),
    }
}

fn is_zero(tensor: &Tensor) -> bool {
    match &tensor.data {
        Data::Float(values) => values.iter().all(|value| *value == 0.0),
        Data::Int(values) => values.iter().all(|value| *value == 0),
    }
}

fn floats(tensor: Tensor) -> Vec<f64> {
    match tensor.data {
        Data::Float(values) => values,
        Data::Int(values) => values.into_iter().map(|v| v as f64).collect(),
    }
}

/// Two constants of the same shape and type.
fn constants(node: &Node<'_>, operator: &str, a: &Tensor, b: &Tensor) -> Result<Value, OnnxError> {
    let data = match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => {
            let compute = |(a, b): (&f64, &f64)| match operator {
                "Add" => a + b,
                "Sub" => a - b,
                "Mul" => a * b,
                _ => a / b,
            };
            Data::Float(a.iter().zip(b).map(compute).collect())
        }
        (Data::Int(x), Data::Int(y)) => {
            let limits = a.dtype.limits().unwrap_or((i64::MIN, i64::MAX));
            let compute = |(&a, &b): (&i64, &i64)| {
                let value = match operator {
                    "Add" => a.checked_add(b),
                    "Sub" => a.checked_sub(b),
                    "Mul" => a.checked_mul(b),
                    _ => a.checked_div(b),
                };
                value.filter(|v| (limits.0..=limits.1).contains(v))
            };
            let values: Option<_> = x.iter().zip(y).map(compute).collect();
            Data::Int(values.ok_or_else(|| {
                node.malformed("integers that overflow, or a division by zero".into())
            })?)
        }
        _ => return Err(node.malformed("it mixes floats with integers".into())),
    };
    Ok(Value::Const(Tensor { shape: a.shape.clone(), dtype: a.dtype, data }))
}
