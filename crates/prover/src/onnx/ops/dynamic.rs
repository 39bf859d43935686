//! DynamicQuantizeLinear: a tensor's own least and greatest element are the ends of its grid.
//!
//! With D = max(0, greatest) − min(0, least), the scale is D / 255, and x / scale is 255 times x's
//! share of D = |x| + (D − |x|): shares are what is divided without knowing how small D may be. A
//! tensor of zeros has shares of 0; its scale, which onnxruntime sets to 1, is 0 here, and products
//! with its integers less the zero point are 0 either way.

use super::{activation::apply, arithmetic::add};
use crate::{
    graph::{Element, Extremum, Function, Op, Rounding, Scale, Shares, Staircase},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
    },
};

/// The greatest of its integers.
const GREATEST: f64 = 255.0;

/// The integers, their scale, and their zero point.
pub(super) fn quantize(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take(0)?;
    if x.dtype() != DType::Float32 {
        return Err(node.malformed(format!("its input has type {}", x.dtype().name())));
    }
    let (shape, len) = (x.shape().to_vec(), x.len());
    if len == 0 {
        return Err(node.unsupported("its input has no elements"));
    }
    node.pay(&[len, 16])?;
    let x = node.reshape(x, vec![len])?;
    let (greatest, least) = (end(node, &x, false)?, end(node, &x, true)?);
    let spread = add(node, vec![(greatest, 1.0), (least.clone(), -1.0)])?;

    // x, and the least, of which the zero point is made.
    let x = joined(node, x, least)?;
    let magnitude = apply(node, Function::Abs, x.clone())?;
    let around = node.pick(spread.clone(), vec![len + 1], &vec![0; len + 1])?;
    let rest = add(node, vec![(around, 1.0), (magnitude, -1.0)])?;
    // Intervals do not show that it is never negative.
    let rest = apply(node, Function::Relu, rest)?;
    let all = joined(node, x, rest)?;
    let groups = (0..=len).map(|at| vec![at, len + 1 + at]).collect();
    let shares = Shares { groups, of: (0..=len).map(|at| (at, at)).collect(), signed: true };
    let shares = node.emit(Op::Shares(shares), vec![all], vec![len + 1], DType::Float32)?;
    let stairs = Staircase {
        rounding: Rounding::HalfEven,
        scale: Scale::Multiply(vec![GREATEST]),
        single: false,
        zeros: vec![0.0],
        low: -GREATEST,
        high: GREATEST,
    };
    let whole = apply(node, Function::Staircase(stairs), shares)?;

    let at: Vec<usize> = (0..len).collect();
    let own = node.pick(whole.clone(), vec![len], &at)?;
    let zero = node.pick(whole, vec![1], &[len])?;
    let zero = node.scale(zero, |_| (-1.0, 0.0))?;
    let zeros = node.pick(zero.clone(), vec![len], &vec![0; len])?;
    let moved = add(node, vec![(own, 1.0), (zeros, 1.0)])?;
    let y = apply(node, Function::Clip { low: 0.0, high: GREATEST }, moved)?;
    let y = super::quantize::as_whole(node, y, DType::UInt8)?;
    let zero = super::quantize::as_whole(node, zero, DType::UInt8)?;
    let scale = node.scale(spread, |_| (1.0 / GREATEST, 0.0))?;
    Ok(vec![node.reshape(y, shape)?, node.reshape(scale, vec![])?, node.reshape(zero, vec![])?])
}

/// The greatest or the least of all elements and 0.
fn end(node: &mut Node<'_>, x: &Value, minimum: bool) -> Result<Value, OnnxError> {
    let groups = vec![(0..x.len()).collect()];
    let extremum = Op::Extremum(Extremum { minimum, groups });
    let end = node.emit(extremum, vec![x.clone()], vec![1], DType::Float32)?;
    let (low, high) = match minimum {
        true => (f64::NEG_INFINITY, 0.0),
        false => (0.0, f64::INFINITY),
    };
    apply(node, Function::Clip { low, high }, end)
}

/// Two lists, one after the other.
fn joined(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    let len = a.len() + b.len();
    let of = |input: usize, len: usize| (0..len).map(move |index| Element::Input { input, index });
    let elements = of(0, a.len()).chain(of(1, b.len())).collect();
    node.emit(Op::Select(elements), vec![a, b], vec![len], DType::Float32)
}
