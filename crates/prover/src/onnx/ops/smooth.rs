//! Activations and functions of one variable that are made of curves and straight pieces.
//!
//! An activation that is x far to the right is max(x, 0) and a *rest* that falls to 0 at both
//! ends ([`Curve`]), so that no table is as long as its input's range.

use super::{activation::apply, arithmetic::add, compare, products};
use crate::{
    graph::{Curve, Function, Test},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

/// SELU's constants, as the standard's defaults round them.
const SELU: (f64, f64) = (1.673_263_192_176_818_8, 1.050_701_022_148_132_3);

/// The curve that an operator is as it is.
fn plain(operator: &str) -> Option<Curve> {
    Some(match operator {
        "Acos" => Curve::Acos,
        "Acosh" => Curve::Acosh,
        "Asin" => Curve::Asin,
        "Asinh" => Curve::Asinh,
        "Atan" => Curve::Atan,
        "Atanh" => Curve::Atanh,
        "Cos" => Curve::Cos,
        "Cosh" => Curve::Cosh,
        "Erf" => Curve::Erf,
        "Exp" => Curve::Exp,
        "Log" => Curve::Log,
        "Reciprocal" => Curve::Power(-1.0),
        "Sigmoid" => Curve::Sigmoid,
        "Sin" => Curve::Sin,
        "Sinh" => Curve::Sinh,
        "Softsign" => Curve::Softsign,
        "Tan" => Curve::Tan,
        _ => return None,
    })
}

/// Whether an operator is of this file.
pub(super) fn is_one(operator: &str) -> bool {
    const MADE: [&str; 11] = [
        "Celu",
        "Elu",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Mish",
        "Selu",
        "Shrink",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
    ];
    MADE.contains(&operator) || plain(operator).is_some()
}

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let alpha = |node: &Node<'_>, default: f64| node.float("alpha", default);
    match operator {
        "Tanh" => tanh(node, x),
        "Gelu" => match node.text("approximate", "none").as_str() {
            "none" => with_rest(node, x, Curve::GeluRest),
            "tanh" => with_rest(node, x, Curve::TanhGeluRest),
            other => Err(node.unsupported(format!("its approximation is {other}"))),
        },
        "Mish" => with_rest(node, x, Curve::MishRest),
        "HardSwish" => with_rest(node, x, Curve::HardSwishRest),
        "Swish" => {
            let alpha = alpha(node, 1.0)?;
            swish(node, x, alpha)
        }
        "Elu" => {
            let alpha = alpha(node, 1.0)?;
            exponential(node, x, (1.0, alpha, 1.0))
        }
        "Selu" => {
            let (alpha, gamma) = (alpha(node, SELU.0)?, node.float("gamma", SELU.1)?);
            exponential(node, x, (gamma, alpha * gamma, 1.0))
        }
        "Celu" => match alpha(node, 1.0)? {
            alpha if alpha > 0.0 => exponential(node, x, (1.0, alpha, 1.0 / alpha)),
            alpha => Err(node.malformed(format!("its alpha is {alpha}, it must be positive"))),
        },
        "HardSigmoid" => {
            let (alpha, beta) = (alpha(node, f64::from(0.2f32))?, node.float("beta", 0.5)?);
            let line = node.scale(x, |_| (alpha, beta))?;
            apply(node, Function::Clip { low: 0.0, high: 1.0 }, line)
        }
        "ThresholdedRelu" => {
            let alpha = alpha(node, 1.0)?;
            beyond(node, x, Test::Above(alpha), (alpha, alpha))
        }
        "Shrink" => {
            let (bias, at) = (node.float("bias", 0.0)?, node.float("lambd", 0.5)?);
            let negative = node.scale(x.clone(), |_| (-1.0, 0.0))?;
            let right = beyond(node, x, Test::Above(at), (at, at - bias))?;
            let left = beyond(node, negative, Test::Above(at), (at, at - bias))?;
            add(node, vec![(right, 1.0), (left, -1.0)])
        }
        other => match plain(other) {
            Some(curve) => apply(node, Function::Curve(curve), x),
            None => Err(node.unsupported("it is no function of one variable")),
        },
    }
}

/// tanh(x) = 2·sigmoid(2x) − 1.
pub(super) fn tanh(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let double = node.scale(x, |_| (2.0, 0.0))?;
    let sigmoid = apply(node, Function::Curve(Curve::Sigmoid), double)?;
    node.scale(sigmoid, |_| (2.0, -1.0))
}

/// x·sigmoid(alpha·x).
pub(super) fn swish(node: &mut Node<'_>, x: Value, alpha: f64) -> Result<Value, OnnxError> {
    match alpha {
        0.0 => node.scale(x, |_| (0.5, 0.0)),
        1.0 => with_rest(node, x, Curve::SiluRest),
        alpha => {
            let scaled = node.scale(x, |_| (alpha, 0.0))?;
            let silu = with_rest(node, scaled, Curve::SiluRest)?;
            node.scale(silu, |_| (1.0 / alpha, 0.0))
        }
    }
}

/// SwiGLU: swish(a)·b.
pub(super) fn gated(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take_real(0)?, node.take_real(1)?);
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        return Err(node.mismatch(format!("{:?} gates {:?}", a.shape(), b.shape())));
    }
    let alpha = node.float("alpha", 1.0)?;
    let gate = swish(node, a, alpha)?;
    products::multiply(node, gate, b)
}

/// max(x, 0) and the rest.
pub(super) fn with_rest(node: &mut Node<'_>, x: Value, rest: Curve) -> Result<Value, OnnxError> {
    let straight = apply(node, Function::Relu, x.clone())?;
    let rest = apply(node, Function::Curve(rest), x)?;
    add(node, vec![(straight, 1.0), (rest, 1.0)])
}

/// slope·max(x, 0) + height·(exp(rate·min(x, 0)) − 1).
pub(super) fn exponential(
    node: &mut Node<'_>,
    x: Value,
    (slope, height, rate): (f64, f64, f64),
) -> Result<Value, OnnxError> {
    let straight = apply(node, Function::Relu, x.clone())?;
    let left = apply(node, Function::Clip { low: f64::NEG_INFINITY, high: 0.0 }, x)?;
    let scaled = node.scale(left, |_| (rate, 0.0))?;
    let exp = apply(node, Function::Curve(Curve::Exp), scaled)?;
    let below = node.scale(exp, |_| (height, -height))?;
    add(node, vec![(straight, slope), (below, 1.0)])
}

/// x − at + jump where the test, of x at `at`, holds, else 0.
pub(super) fn beyond(
    node: &mut Node<'_>,
    x: Value,
    test: Test,
    (at, jump): (f64, f64),
) -> Result<Value, OnnxError> {
    let dtype = x.dtype();
    let over = node.scale(x.clone(), |_| (1.0, -at))?;
    let over = apply(node, Function::Relu, over)?;
    if jump == 0.0 {
        return Ok(over);
    }
    let step = compare::each(node, x, 0.0, |_| vec![(test.clone(), jump)], dtype)?;
    add(node, vec![(over, 1.0), (step, 1.0)])
}
