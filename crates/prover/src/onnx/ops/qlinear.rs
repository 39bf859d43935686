//! The quantized operators of onnxruntime's own operator set, as its quantizer writes them.
//!
//! What onnxruntime computes in float32 between integers is computed here in reals and rounded
//! like there; functions of one byte are tables of its values, a step wherever they change.

use super::{
    arithmetic::add,
    compare, dynamic, matrix, pool, products,
    quantize::{as_real, as_whole, matmul_integer, saturated},
    reduce, shares,
};
use crate::{
    graph::{Curve, Function, Op, Rounding, Scale, Staircase, Test},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// How the names of its operators start.
pub(super) const DOMAIN: &str = "com.microsoft.";

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    match operator {
        "DynamicQuantizeMatMul" => dynamic_matmul(node),
        "MatMulIntegerToFloat" => to_float(node),
        "QGemm" => gemm(node),
        "QLinearAdd" | "QLinearMul" => both(node, operator == "QLinearMul"),
        "QLinearAveragePool" => average_pool(node),
        "QLinearConcat" => concat(node),
        "QLinearGlobalAveragePool" => average(node),
        "QLinearLeakyRelu" => {
            let alpha = node.float("alpha", f64::from(0.01f32))?;
            table(node, |x| if x < 0.0 { alpha * x } else { x })
        }
        "QLinearSigmoid" => table(node, |x| Curve::Sigmoid.value(x)),
        "QLinearSoftmax" => softmax(node),
        _ => Err(node.unsupported("the reader has no such operator")),
    }
}

/// A scale and a zero point, each a single constant.
fn grid(node: &mut Node<'_>, scale: usize) -> Result<(f64, f64, DType), OnnxError> {
    let scales = node.take_floats(scale)?.unwrap_or_default();
    let zero = node.take_optional(scale + 1)?;
    let (zero, dtype) = match &zero {
        Some(Value::Const(Tensor { data: Data::Int(v), dtype, .. })) if v.len() == 1 => {
            (v[0] as f64, *dtype)
        }
        None => (0.0, DType::UInt8),
        _ => return Err(node.unsupported("its zero point is not one integer constant")),
    };
    match scales[..] {
        [scale] if scale > 0.0 && scale.is_finite() => Ok((scale, zero, dtype)),
        _ => Err(node.unsupported("its scale is not one positive constant")),
    }
}

/// What the integers of input `index` stand for, the scale and zero point following it.
fn real(node: &mut Node<'_>, index: usize) -> Result<Value, OnnxError> {
    let x = node.take(index)?;
    if x.dtype().is_float() {
        return Err(node.malformed(format!("input {index} is of floats")));
    }
    let (scale, zero, _) = grid(node, index + 1)?;
    let x = as_real(x);
    node.scale(x, |_| (scale, -zero * scale))
}

/// Rounded to the integers of a type.
fn quantized(
    node: &mut Node<'_>,
    x: Value,
    (scale, zero, dtype): (f64, f64, DType),
) -> Result<Value, OnnxError> {
    saturated(node, x, Scale::Divide(vec![scale]), vec![zero], dtype)
}

/// a + b or a·b.
fn both(node: &mut Node<'_>, product: bool) -> Result<Value, OnnxError> {
    let (a, b) = (real(node, 0)?, real(node, 3)?);
    let to = grid(node, 6)?;
    let mut operands = node.broadcast(vec![a, b])?;
    let (Some(b), Some(a)) = (operands.pop(), operands.pop()) else {
        return Err(node.malformed("it has no operands".into()));
    };
    let made = match product {
        true => products::multiply(node, a, b)?,
        false => add(node, vec![(a, 1.0), (b, 1.0)])?,
    };
    quantized(node, made, to)
}

/// Scales and zero points of a matrix of weights: one of each, or one a column.
fn columns(
    node: &mut Node<'_>,
    scale: usize,
    count: usize,
) -> Result<(Vec<f64>, Vec<f64>), OnnxError> {
    let scales = node.take_floats(scale)?.unwrap_or_default();
    let zeros = match node.take_ints(scale + 1)? {
        Some(zeros) => zeros.into_iter().map(|zero| zero as f64).collect(),
        None => vec![0.0],
    };
    let fits = |len: usize| len == 1 || len == count;
    if !fits(scales.len()) || !fits(zeros.len()) {
        let (scales, zeros) = (scales.len(), zeros.len());
        let got = format!("{scales} scales and {zeros} zero points for {count} columns");
        return Err(node.mismatch(got));
    }
    match scales.iter().all(|scale| *scale > 0.0 && scale.is_finite()) {
        true => Ok((scales, zeros)),
        false => Err(node.unsupported("its scales are not positive constants")),
    }
}

/// alpha·(A − a)·(B − b) + C, C in the scale of the products; quantized if a scale is given.
fn gemm(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take(0)?, node.take(3)?);
    let c = node.take_optional(6)?;
    let &[rows, inner] = b.shape() else {
        return Err(node.mismatch(format!("{:?} where a matrix is needed", b.shape())));
    };
    let turned = node.flag("transB", false)?;
    // Elements of a column stand side by side in a transposed matrix.
    let (count, apart) = if turned { (rows, inner.max(1)) } else { (inner, 1) };
    let (a_scale, a_zero, _) = grid(node, 1)?;
    let (b_scales, b_zeros) = columns(node, 4, count)?;
    let alpha = node.float("alpha", 1.0)?;
    let (a, b) = (as_real(a), as_real(b));
    let a = node.scale(a, |_| (1.0, -a_zero))?;
    let b = node.scale(b, |at| (1.0, -b_zeros[at / apart % b_zeros.len()]))?;
    let kept = node.replace_inputs(vec![Some(a), Some(b), c.map(as_real)]);
    let made = matrix::gemm_of(node, 1.0, 1.0);
    node.replace_inputs(kept);
    let made = made?;
    let scales: Vec<f64> =
        b_scales.iter().map(|b| f64::from(alpha as f32 * a_scale as f32 * *b as f32)).collect();
    if node.peek(7).is_none() {
        return node.scale(made, |at| (scales[at % scales.len()], 0.0));
    }
    let (y_scale, zero, dtype) = grid(node, 7)?;
    let factor = |scale: &f64| f64::from(*scale as f32 / y_scale as f32);
    let factors: Vec<f64> = scales.iter().map(factor).collect();
    let factors = match factors.len() {
        1 => factors,
        count => {
            let len = node.pay(made.shape())?;
            (0..len).map(|at| factors[at % count]).collect()
        }
    };
    saturated(node, made, Scale::Multiply(factors), vec![zero], dtype)
}

/// (A − a)·(B − b) in integers, times the scales of both, and a bias: of inputs A, B, their scales,
/// their zero points, the bias.
fn to_float(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take(0)?, node.take(1)?);
    let a_scale = node.take(2)?;
    let scales = node.take_floats(3)?.unwrap_or_default();
    let (a_zero, b_zero) = (node.take_optional(4)?, node.take_optional(5)?);
    let bias = node.take_optional(6)?;
    let count = b.shape().last().copied().unwrap_or(1);
    if a_scale.len() != 1 || (scales.len() != 1 && scales.len() != count) {
        let got = format!("{} and {} scales for {count} columns", a_scale.len(), scales.len());
        return Err(node.mismatch(got));
    }
    let kept = node.replace_inputs(vec![Some(a), Some(b), a_zero, b_zero]);
    let made = matmul_integer(node);
    node.replace_inputs(kept);
    let made = as_real(made?);
    let shape = made.shape().to_vec();
    let made = match a_scale {
        Value::Const(Tensor { data: Data::Float(a), .. }) if a.len() == 1 => {
            let factor = |scale: &f64| f64::from(a[0] as f32 * *scale as f32);
            let factors: Vec<f64> = scales.iter().map(factor).collect();
            node.scale(made, |at| (factors[at % factors.len()], 0.0))?
        }
        Value::Const(_) => return Err(node.malformed("input 2 is not a float tensor".into())),
        scale => {
            let made = node.scale(made, |at| (scales[at % scales.len()], 0.0))?;
            let scale = node.reshape(scale, vec![])?;
            let scale = node.expand(scale, &shape)?;
            products::multiply(node, made, scale)?
        }
    };
    match bias {
        None => Ok(made),
        Some(bias) => {
            let bias = node.expand(bias, &shape)?;
            add(node, vec![(made, 1.0), (bias, 1.0)])
        }
    }
}

/// The same of floats A, quantized by their own spread: of inputs A, B, B's scales and zero points,
/// the bias.
fn dynamic_matmul(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let a = node.take(0)?;
    let rest: Vec<Option<Value>> =
        (1..5).map(|index| node.take_optional(index)).collect::<Result<_, _>>()?;
    let Ok([b, scales, zeros, bias]) = <[Option<Value>; 4]>::try_from(rest) else {
        return Err(node.malformed("its inputs are not those of a product".into()));
    };
    let kept = node.replace_inputs(vec![Some(a)]);
    let made = dynamic::quantize(node);
    node.replace_inputs(kept);
    let Ok([q, scale, zero]) = <[Value; 3]>::try_from(made?) else {
        return Err(node.malformed("it has nothing to quantize".into()));
    };
    let inputs = vec![Some(q), b, Some(scale), scales, Some(zero), zeros, bias];
    let kept = node.replace_inputs(inputs);
    let made = to_float(node);
    node.replace_inputs(kept);
    made
}

/// The mean over windows.
fn average_pool(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    if node.flag("channels_last", false)? {
        return Err(node.unsupported("its channels come last"));
    }
    let x = real(node, 0)?;
    let to = grid(node, 3)?;
    let kept = node.replace_inputs(vec![Some(x)]);
    let made = pool::average(node);
    node.replace_inputs(kept);
    quantized(node, made?, to)
}

/// Pieces in scales of their own, side by side in one.
fn concat(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let to = grid(node, 0)?;
    let mut pieces = Vec::new();
    for index in (2..node.input_count()).step_by(3) {
        let piece = real(node, index)?;
        pieces.push(Some(quantized(node, piece, to)?));
    }
    let kept = node.replace_inputs(pieces);
    let made = super::pieces::concat(node);
    node.replace_inputs(kept);
    made
}

/// The mean over all positions of each channel.
fn average(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    if node.flag("channels_last", false)? {
        return Err(node.unsupported("its channels come last"));
    }
    let x = real(node, 0)?;
    let to = grid(node, 3)?;
    if x.shape().len() < 3 {
        return Err(node.mismatch(format!("{:?} is no batch of channels", x.shape())));
    }
    let axes: Vec<usize> = (2..x.shape().len()).collect();
    let mean = reduce::reduce(node, x, &axes, true, "ReduceMean")?;
    quantized(node, mean, to)
}

/// Shares of exponentials: of a byte and the greatest of its row only 256 differences are possible,
/// so that an exponential is one of as many values.
fn softmax(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let (scale, _, dtype) = grid(node, 1)?;
    let to = grid(node, 3)?;
    if x.dtype() != dtype || !matches!(dtype, DType::Int8 | DType::UInt8) {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let shape = x.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(-1), shape.len())?;
    // Before operator set 13 a row is everything from the axis on.
    let last = if node.int("opset").unwrap_or(0) < 13 { shape.len() } else { axis + 1 };
    let axes: Vec<usize> = (axis..last).collect();
    let (_, groups) = reduce::groups(node, &shape, &axes, true)?;
    let mut group_of = vec![0; x.len()];
    for (group, members) in groups.iter().enumerate() {
        members.iter().for_each(|member| group_of[*member] = group);
    }
    let below = shares::below_greatest(node, as_real(x), &groups, &group_of)?;
    let value = |difference: i32| (scale * f64::from(difference)).exp();
    let steps: Vec<(Test, f64)> =
        (-254..=0).map(|v| (Test::AtLeast(f64::from(v)), value(v) - value(v - 1))).collect();
    let exponential = compare::each(node, below, value(-255), |_| steps.clone(), DType::Float32)?;
    let shares = shares::of_sums(node, exponential, &groups, &group_of)?;
    // onnxruntime multiplies integers by the whole part of 1 / scale, and rounds a half up.
    let ((made, zero, to), shape) = (to, shares.shape().to_vec());
    let whole = f64::from((1.0 / made as f32).floor());
    let (Some((low, high)), true) = (to.limits(), whole >= 1.0) else {
        return Err(node.unsupported(format!("its output has scale {made} and type {}", to.name())));
    };
    let stairs = Staircase {
        rounding: Rounding::HalfUp,
        scale: Scale::Multiply(vec![whole]),
        single: false,
        zeros: vec![zero],
        low: low as f64,
        high: high as f64,
    };
    node.emit(Op::Function(Function::Staircase(stairs)), vec![shares], shape, to)
}

/// A function of what a byte stands for, quantized: a step wherever its value changes.
fn table(node: &mut Node<'_>, function: impl Fn(f64) -> f64) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let (scale, zero, dtype) = grid(node, 1)?;
    let (y_scale, y_zero, to) = grid(node, 3)?;
    let (Some((low, high)), Some((least, most)), false) =
        (x.dtype().limits(), to.limits(), x.dtype() != dtype)
    else {
        return Err(node.malformed("its zero point has another type than its input".into()));
    };
    if high - low > 255 {
        return Err(node.unsupported(format!("its input has type {}", dtype.name())));
    }
    let value = |v: i64| {
        let x = (v as f64 - zero) * scale;
        let scaled = (function(f64::from(x as f32)) as f32 / y_scale as f32).round_ties_even();
        (f64::from(scaled) + y_zero).clamp(least as f64, most as f64)
    };
    let steps: Vec<(Test, f64)> = (low..high)
        .map(|v| (Test::AtLeast((v + 1) as f64), value(v + 1) - value(v)))
        .filter(|(_, change)| *change != 0.0)
        .collect();
    let x = as_real(x);
    let made = compare::each(node, x, value(low), |_| steps.clone(), DType::Float32)?;
    as_whole(node, made, to)
}
