//! Quantized operators: the integers that onnxruntime computes, with the scales and zero points
//! of the file, rounded half to even and saturated.

use super::{arithmetic::add, conv, integers, matrix, products};
use crate::{
    graph::{Element, Function, Op, Scale, Staircase},
    onnx::{
        builder::Dequantized,
        dtype::{DType, type_name},
        error::OnnxError,
        node::{Node, Signal, Value},
        tensor::{Data, Tensor},
    },
};

/// A scale and a zero point for each element of a tensor, or one pair for all.
struct Grid {
    scales: Vec<f64>,
    zeros: Vec<f64>,
    /// The type of the zero points, if there are any.
    dtype: Option<DType>,
}

impl Grid {
    /// Of inputs `scale` and `zero`; along an axis of `shape`, or in blocks of it, where there
    /// are several.
    fn read(
        node: &mut Node<'_>,
        [scale, zero]: [usize; 2],
        shape: &[usize],
        default_axis: i64,
    ) -> Result<Self, OnnxError> {
        let (own, scales) = match node.take(scale)? {
            Value::Const(Tensor { data: Data::Float(scales), shape, .. }) => (shape, scales),
            _ => return Err(node.unsupported("its scale is not a float constant")),
        };
        let (dtype, zeros) = match node.take_optional(zero)? {
            None => (None, vec![0.0; scales.len()]),
            Some(Value::Const(Tensor { data: Data::Int(zeros), dtype, .. })) => {
                (Some(dtype), zeros.into_iter().map(|v| v as f64).collect())
            }
            Some(_) => return Err(node.unsupported("its zero point is not an integer constant")),
        };
        if zeros.len() != scales.len() {
            let (scales, zeros) = (scales.len(), zeros.len());
            return Err(node.mismatch(format!("{scales} scales and {zeros} zero points")));
        }
        if scales.len() == 1 && own.len() <= 1 {
            return Ok(Self { scales, zeros, dtype });
        }
        let axis = node.axis(node.int("axis").unwrap_or(default_axis), shape.len())?;
        let block = usize::try_from(node.int("block_size").unwrap_or(0)).unwrap_or(0);
        let along = match block {
            0 => shape[axis],
            block => shape[axis].div_ceil(block),
        };
        let inner: usize = shape[axis + 1..].iter().product::<usize>().max(1);
        let outer: usize = shape[..axis].iter().product::<usize>().max(1);
        let fits = match block {
            0 => scales.len() == along,
            _ => scales.len() == outer * along * inner,
        };
        if !fits {
            return Err(node.mismatch(format!("{} scales for {shape:?}", scales.len())));
        }
        let len = node.pay(shape)?;
        node.pay(&[len])?;
        let place = |at: usize| {
            let (place, coordinate) = (at / inner / shape[axis].max(1), at / inner % shape[axis]);
            match block {
                0 => coordinate,
                block => (place * along + coordinate / block) * inner + at % inner,
            }
        };
        let spread = |values: &[f64]| (0..len).map(|at| values[place(at)]).collect();
        Ok(Self { scales: spread(&scales), zeros: spread(&zeros), dtype })
    }

    fn at(values: &[f64], index: usize) -> f64 {
        values.get(index).or(values.first()).copied().unwrap_or(0.0)
    }
}

/// A tensor of integers as one of the same real numbers.
pub(super) fn as_real(value: Value) -> Value {
    match value {
        Value::Const(Tensor { shape, data: Data::Int(values), .. }) => {
            Value::Const(Tensor::floats(shape, values.into_iter().map(|v| v as f64).collect()))
        }
        Value::Const(tensor) => Value::Const(Tensor { dtype: DType::Float32, ..tensor }),
        Value::Signal(signal) => Value::Signal(Signal { dtype: DType::Float32, ..signal }),
    }
}

/// What is known to be integers, as a tensor of them.
pub(super) fn as_whole(
    node: &mut Node<'_>,
    value: Value,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let shape = value.shape().to_vec();
    let len = node.pay(&shape)?;
    let elements = (0..len).map(|index| Element::Input { input: 0, index }).collect();
    node.emit(Op::Select(elements), vec![value], shape, dtype)
}

/// round(x / scale) + zero point, saturated to a type.
pub(super) fn quantize(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = as_real(node.take(0)?);
    let grid = Grid::read(node, [1, 2], x.shape(), 1)?;
    let dtype = match (grid.dtype, node.int("output_dtype").unwrap_or(0)) {
        (Some(dtype), _) => dtype,
        (None, 0) => DType::UInt8,
        (None, code) => {
            let code = i32::try_from(code).unwrap_or(0);
            let named = || node.unsupported(format!("its output has type {}", type_name(code)));
            DType::of(code).ok_or_else(named)?
        }
    };
    if let Some(bad) = grid.scales.iter().find(|scale| **scale <= 0.0) {
        return Err(node.malformed(format!("a scale is {bad}, it must be positive")));
    }
    // What was dequantized just so is what it was.
    if let (Some(known), Value::Signal(x)) = (node.dequantized(&x), &x)
        && dtype == known.dtype
        && grid.scales.iter().all(|scale| *scale == known.scale)
        && grid.zeros.iter().all(|zero| *zero == known.zero)
        && known.is_finite()
    {
        return Ok(Value::Signal(Signal { id: known.source, dtype, ..x.clone() }));
    }
    let scale = integers::scale(node, &x, grid.scales, dtype);
    saturated(node, x, scale, grid.zeros, dtype)
}

/// Rounded, moved by the zero points, and bounded by the type.
pub(super) fn saturated(
    node: &mut Node<'_>,
    x: Value,
    scale: Scale,
    zeros: Vec<f64>,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let Some((low, high)) = dtype.limits().filter(|_| dtype != DType::Bool) else {
        return Err(node.unsupported(format!("its output has type {}", dtype.name())));
    };
    let stairs = Staircase::quantizing(scale, zeros, (low as f64, high as f64));
    let shape = x.shape().to_vec();
    node.emit(Op::Function(Function::Staircase(stairs)), vec![x], shape, dtype)
}

/// (x − zero point)·scale, of a tensor, along an axis, or in blocks.
pub(super) fn dequantize(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    if x.dtype().is_float() && !x.dtype().is_minifloat() {
        return Err(node.malformed("it dequantizes floats".into()));
    }
    if ![0, 1].contains(&node.int("output_dtype").unwrap_or(0)) {
        return Err(node.unsupported("its output type is not float32"));
    }
    if let Some(Value::Signal(scale)) = node.peek(1) {
        // What DynamicQuantizeLinear made.
        let scale = Value::Signal(scale.clone());
        if scale.len() != 1 {
            return Err(node.unsupported("its scales are several, and no constants"));
        }
        let x = centred(node, x, 2, None)?;
        let shape = x.shape().to_vec();
        let scale = node.reshape(scale, vec![])?;
        let scale = node.expand(scale, &shape)?;
        return products::multiply(node, x, scale);
    }
    let own_axis = node.axis(node.int("axis").unwrap_or(1), x.shape().len()).unwrap_or(0);
    if let (Value::Const(_), Some(Value::Const(Tensor { data: Data::Float(scales), .. }))) =
        (&x, node.peek(1))
        && (scales.len() == 1 || x.shape().get(own_axis) == Some(&scales.len()))
        && scales.iter().all(|scale| *scale > 0.0 && scale.is_finite())
    {
        let scales = scales.clone();
        node.note_dequantized_constant(scales, own_axis);
    }
    let grid = Grid::read(node, [1, 2], x.shape(), 1)?;
    if grid.dtype.is_some_and(|dtype| dtype != x.dtype()) {
        return Err(node.malformed("its zero point has another type than its input".into()));
    }
    if let ([scale], [zero]) = (&grid.scales[..], &grid.zeros[..]) {
        return restored(node, x, *scale, *zero);
    }
    node.scale(as_real(x), |at| {
        let (scale, zero) = (Grid::at(&grid.scales, at), Grid::at(&grid.zeros, at));
        (scale, -zero * scale)
    })
}

/// (q − zero)·scale, which is known to be that if the scale is positive.
pub(super) fn restored(
    node: &mut Node<'_>,
    q: Value,
    scale: f64,
    zero: f64,
) -> Result<Value, OnnxError> {
    let (dtype, real) = (q.dtype(), as_real(q));
    let source = match &real {
        Value::Signal(signal) => Some(signal.id),
        Value::Const(_) => None,
    };
    let made = node.scale(real, |_| (scale, -zero * scale))?;
    if let Some(source) = source.filter(|_| scale > 0.0) {
        node.note_dequantized(&made, Dequantized { source, dtype, scale, zero });
    }
    Ok(made)
}

/// x − zero point as real numbers, of inputs `x` and `zero`; along axis `axis` where there are
/// several zero points.
fn centred(
    node: &mut Node<'_>,
    x: Value,
    zero: usize,
    axis: Option<usize>,
) -> Result<Value, OnnxError> {
    if x.dtype().is_float() {
        return Err(node.malformed("its inputs are floats".into()));
    }
    let zeros = match node.take_optional(zero)? {
        None => return Ok(as_real(x)),
        Some(zeros) if zeros.dtype().is_float() => {
            return Err(node.malformed("a zero point is a float".into()));
        }
        Some(Value::Const(Tensor { data: Data::Int(zeros), .. })) => zeros,
        Some(zero) => return below(node, as_real(x), zero),
    };
    let shape = x.shape().to_vec();
    let (along, inner) = match axis {
        Some(axis) if zeros.len() != 1 && axis < shape.len() => {
            (shape[axis], shape[axis + 1..].iter().product::<usize>().max(1))
        }
        _ => (1, 1),
    };
    if zeros.len() != along {
        return Err(node.mismatch(format!("{} zero points for {shape:?}", zeros.len())));
    }
    let x = as_real(x);
    node.scale(x, |at| (1.0, -(zeros[at / inner % along] as f64)))
}

/// x − zero point, which depends on the input and is one for all.
fn below(node: &mut Node<'_>, x: Value, zero: Value) -> Result<Value, OnnxError> {
    if zero.len() != 1 {
        return Err(node.unsupported("its zero points are several, and no constants"));
    }
    let shape = x.shape().to_vec();
    let zero = node.reshape(as_real(zero), vec![])?;
    let zero = node.expand(zero, &shape)?;
    add(node, vec![(x, 1.0), (zero, -1.0)])
}

/// (A − a)·(B − b), in integers.
pub(super) fn matmul_integer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take(0)?, node.take(1)?);
    let [rows, columns] = [a.shape().len().checked_sub(2), b.shape().len().checked_sub(1)];
    let a = centred(node, a, 2, rows)?;
    let b = centred(node, b, 3, columns)?;
    let kept = node.replace_inputs(vec![Some(a), Some(b)]);
    let product = matrix::matmul(node);
    node.replace_inputs(kept);
    as_whole(node, product?, DType::Int32)
}

/// A convolution of integers.
pub(super) fn conv_integer(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, w) = (node.take(0)?, node.take(1)?);
    let x = centred(node, x, 2, None)?;
    let w = centred(node, w, 3, Some(0))?;
    let kept = node.replace_inputs(vec![Some(x), Some(w), None]);
    let made = conv::lower(node);
    node.replace_inputs(kept);
    as_whole(node, made?, DType::Int32)
}

/// The scale that products of two quantized tensors are brought to a third's by, in float32 as
/// onnxruntime computes it; one for each of `count` outputs along axis 1, of which `inner`
/// elements are of one.
fn rescale(
    node: &mut Node<'_>,
    scales: [usize; 3],
    (to, count): (&[usize], usize),
    inner: usize,
) -> Result<Vec<f64>, OnnxError> {
    let mut own = [vec![], vec![], vec![]];
    for (own, index) in own.iter_mut().zip(scales) {
        *own = node.take_floats(index)?.unwrap_or_default();
        if own.iter().any(|scale| *scale <= 0.0) {
            return Err(node.malformed("a scale is not positive".into()));
        }
    }
    let [a, b, y] = &own;
    let (&[a], &[y]) = (&a[..], &y[..]) else {
        return Err(node.unsupported("its inputs and output have several scales each"));
    };
    let factor = |b: &f64| f64::from(a as f32 * *b as f32 / y as f32);
    let factors: Vec<f64> = b.iter().map(factor).collect();
    match factors.len() {
        1 => Ok(factors),
        len if len == count => {
            let len = node.pay(to)?;
            Ok((0..len).map(|at| factors[at / inner % count]).collect())
        }
        len => Err(node.mismatch(format!("{len} scales of weights for {count} outputs"))),
    }
}

/// The zero point of an output, and its type.
fn output_zero(node: &mut Node<'_>, index: usize) -> Result<(Vec<f64>, DType), OnnxError> {
    match node.take_optional(index)? {
        Some(Value::Const(Tensor { data: Data::Int(zeros), dtype, .. })) if zeros.len() == 1 => {
            Ok((vec![zeros[0] as f64], dtype))
        }
        _ => Err(node.unsupported("its output's zero point is not one integer constant")),
    }
}

pub(super) fn qlinear_matmul(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (a, b) = (node.take(0)?, node.take(3)?);
    let columns = b.shape().len().checked_sub(1);
    let count = b.shape().last().copied().unwrap_or(1);
    let a = centred(node, a, 2, None)?;
    let b = centred(node, b, 5, columns)?;
    let kept = node.replace_inputs(vec![Some(a), Some(b)]);
    let product = matrix::matmul(node);
    node.replace_inputs(kept);
    let product = product?;
    let to = product.shape().to_vec();
    let factors = rescale(node, [1, 4, 6], (&to, count), 1)?;
    let (zeros, dtype) = output_zero(node, 7)?;
    saturated(node, product, Scale::Multiply(factors), zeros, dtype)
}

pub(super) fn qlinear_conv(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, w) = (node.take(0)?, node.take(3)?);
    let bias = node.take_optional(8)?.map(as_real);
    let x = centred(node, x, 2, None)?;
    let w = centred(node, w, 5, Some(0))?;
    let kept = node.replace_inputs(vec![Some(x), Some(w), bias]);
    let made = conv::lower(node);
    node.replace_inputs(kept);
    let made = made?;
    let to = made.shape().to_vec();
    let inner = to.get(2..).unwrap_or_default().iter().product::<usize>().max(1);
    let count = to.get(1).copied().unwrap_or(1);
    let factors = rescale(node, [1, 4, 6], (&to, count), inner)?;
    let (zeros, dtype) = output_zero(node, 7)?;
    saturated(node, made, Scale::Multiply(factors), zeros, dtype)
}
