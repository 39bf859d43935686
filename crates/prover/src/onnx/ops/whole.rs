//! What makes numbers whole: Floor, Ceil, Round, Mod, shifts of bits, and the division of integers.

use super::{activation::apply, arithmetic::add};
use crate::{
    graph::{Function, Linear, LinearMap, Op, Rounding, Scale, Staircase},
    onnx::{
        builder::Builder,
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// Floor, Ceil or Round, half to even.
pub(super) fn round(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let rounding = match operator {
        "Floor" => Rounding::Floor,
        "Ceil" => Rounding::Ceil,
        _ => Rounding::HalfEven,
    };
    apply(node, Function::Staircase(Staircase::plain(rounding)), x)
}

/// ⌊x / width⌋, a width for each element.
fn stairs_down(widths: &[f64]) -> Op {
    let width = widths.first().copied().unwrap_or(1.0);
    let all = match widths.iter().all(|other| *other == width) {
        true => vec![width],
        false => widths.to_vec(),
    };
    let plain = Staircase::plain(Rounding::Floor);
    Op::Function(Function::Staircase(Staircase { scale: Scale::Divide(all), ..plain }))
}

/// ⌊x / width⌋.
pub(super) fn floor(node: &mut Node<'_>, x: Value, widths: &[f64]) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    node.emit(stairs_down(widths), vec![x], shape, dtype)
}

/// x / width, cut off towards 0: of whole numbers, or as fmod does.
fn truncated(node: &mut Node<'_>, x: Value, widths: &[f64]) -> Result<Value, OnnxError> {
    let (name, dtype) = (node.name.clone(), x.dtype());
    towards_zero(node.builder(), &name, x, widths, dtype)
}

/// Floats cut off to integers of a type, towards 0.
pub(super) fn cut(
    builder: &mut Builder,
    name: &str,
    x: Value,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let widths = vec![1.0; x.len()];
    towards_zero(builder, name, x, &widths, dtype)
}

/// ±(⌊max(0, x) / |width|⌋ − ⌊max(0, −x) / |width|⌋), by the sign of each element's width.
fn towards_zero(
    builder: &mut Builder,
    name: &str,
    x: Value,
    widths: &[f64],
    dtype: DType,
) -> Result<Value, OnnxError> {
    let (shape, len) = (x.shape().to_vec(), x.len());
    let mut emit = |op: Op, operands: Vec<Value>, dtype: DType| {
        builder.emit(name, op, operands, shape.clone(), dtype)
    };
    let linear = |maps: Vec<LinearMap>| Op::Linear(Linear { maps, bias: vec![0.0; len] });
    let sizes: Vec<f64> = widths.iter().map(|width| width.abs()).collect();
    let signs = |sign: f64| LinearMap::Diagonal(widths.iter().map(|w| sign * w.signum()).collect());
    let (relu, real) = (|| Op::Function(Function::Relu), DType::Float64);
    let negative = linear(vec![LinearMap::Diagonal(vec![-1.0; len])]);
    let negative = emit(negative, vec![x.clone()], real)?;
    let (right, left) = (emit(relu(), vec![x], real)?, emit(relu(), vec![negative], real)?);
    let right = emit(stairs_down(&sizes), vec![right], real)?;
    let left = emit(stairs_down(&sizes), vec![left], real)?;
    emit(linear(vec![signs(1.0), signs(-1.0)]), vec![right, left], dtype)
}

/// The numbers of a constant, none of them 0.
pub(super) fn divisors(node: &Node<'_>, tensor: &Tensor) -> Result<Vec<f64>, OnnxError> {
    let values: Vec<f64> = match &tensor.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|v| *v as f64).collect(),
    };
    match values.iter().position(|v| *v == 0.0) {
        Some(at) => Err(node.malformed(format!("it divides by zero at position {at}"))),
        None => Ok(values),
    }
}

/// x / c of integers, cut off towards 0.
pub(super) fn divide(node: &mut Node<'_>, x: Value, c: &Tensor) -> Result<Value, OnnxError> {
    let widths = divisors(node, c)?;
    truncated(node, x, &widths)
}

/// x mod c: with the sign of c, or with that of x where `fmod`.
pub(super) fn modulo(node: &mut Node<'_>, x: Value, c: &Tensor) -> Result<Value, OnnxError> {
    let fmod = node.flag("fmod", false)?;
    let widths = divisors(node, c)?;
    let times = match fmod {
        true => truncated(node, x.clone(), &widths)?,
        false => {
            // Of a negative divisor, ⌊x / c⌋ is ⌊−x / |c|⌋.
            let turned = node.scale(x.clone(), |at| (widths[at].signum(), 0.0))?;
            let sizes: Vec<f64> = widths.iter().map(|width| width.abs()).collect();
            floor(node, turned, &sizes)?
        }
    };
    let whole = node.scale(times, |at| (widths[at], 0.0))?;
    add(node, vec![(x, 1.0), (whole, -1.0)])
}
