//! MaxPool, AveragePool and their global forms.

use super::{
    activation::apply,
    compare, curves, products, quantize, reduce,
    sums::weighted,
    window::{Window, positive, spatial},
};
use crate::{
    graph::{Extremum, Function, Linear, LinearMap, Op, SparseRows, Test},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
    },
};

const PADDING_ONLY: &str = "one of its windows covers padding only";

/// The greatest element of each window, and where it stands in the input.
pub(super) fn max(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take(0)?;
    let (window, planes) = operands(node, &x)?;
    let groups = windows(node, &window, planes)?;
    if groups.iter().any(Vec::is_empty) {
        return Err(node.unsupported(PADDING_ONLY));
    }
    let (to, dtype) = (shape(&x, &window), x.dtype());
    let indices = match node.names_output(1) {
        true => Some(places(node, &x, &window, groups.clone(), to.clone())?),
        false => None,
    };
    let greatest = Op::Extremum(Extremum { minimum: false, groups });
    // The greatest of dequantized integers is that of the greatest integer.
    if let (Some(known), Value::Signal(own), None) = (node.dequantized(&x), &x, &indices) {
        let integers = Signal { id: known.source, dtype: known.dtype, ..own.clone() };
        let made = node.emit(greatest, vec![Value::Signal(integers)], to, known.dtype)?;
        return Ok(vec![quantize::restored(node, made, known.scale, known.zero)?]);
    }
    let mut made = vec![node.emit(greatest, vec![x], to, dtype)?];
    made.extend(indices);
    Ok(made)
}

/// Where the greatest of each window stands, row-major or column-major within its plane: a step
/// for every place of the window.
fn places(
    node: &mut Node<'_>,
    x: &Value,
    window: &Window,
    groups: Vec<Vec<usize>>,
    to: Vec<usize>,
) -> Result<Value, OnnxError> {
    let first_fastest = node.flag("storage_order", false)?;
    let plane: usize = window.input.iter().product();
    let number = |at: usize| {
        if !first_fastest {
            return at as f64;
        }
        let (mut rest, mut turned) = (at % plane, 0);
        let mut stride = plane;
        for size in window.input.iter().rev() {
            stride /= size;
            turned += rest % size * stride;
            rest /= size;
        }
        (at / plane * plane + turned) as f64
    };
    let numbers: Vec<Vec<f64>> =
        groups.iter().map(|group| group.iter().map(|at| number(*at)).collect()).collect();
    let at = Op::ArgExtremum(Extremum { minimum: false, groups });
    let at = node.emit(at, vec![x.clone()], to, DType::Int64)?;
    let steps = |element: usize| {
        let pairs = numbers[element].windows(2).enumerate();
        // Counted from the first place's number, which is added below.
        pairs.map(|(n, pair)| (Test::AtLeast((n + 1) as f64), pair[1] - pair[0])).collect()
    };
    let moved = compare::each(node, at, 0.0, steps, DType::Int64)?;
    node.scale(moved, |element| (1.0, numbers[element][0]))
}

pub(super) fn average(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (window, planes) = operands(node, &x)?;
    let include = node.flag("count_include_pad", false)?;
    let (to, dtype) = (shape(&x, &window), x.dtype());
    let len = node.pay(&to)?;
    let size = node.pay(&window.kernel)?;
    let axes = 0..window.input.len();
    let inside = |axis: usize, at: usize| match include {
        true => window.padded(axis, at),
        false => window.covers(axis, at).len(),
    };
    let mut counts: Vec<Vec<usize>> = Vec::with_capacity(axes.len());
    for axis in axes.clone() {
        node.pay(&[window.output[axis], window.kernel[axis]])?;
        counts.push((0..window.output[axis]).map(|at| inside(axis, at)).collect());
    }
    if counts.iter().flatten().any(|count| *count == 0) {
        return Err(node.unsupported(PADDING_ONLY));
    }
    let full = axes.clone().all(|axis| counts[axis].iter().all(|n| *n == window.kernel[axis]));
    let overlap = axes.clone().any(|axis| window.strides[axis] < window.kernel[axis]);
    let flat = window.input.len() <= 2;
    let map = if full && overlap && flat {
        // One kernel a channel, whose windows share what they read.
        node.pay(&[planes, size])?;
        let channels = x.shape()[1];
        let weights = vec![1.0 / size as f64; channels * size];
        LinearMap::Convolution(
            window.convolution([x.shape()[0], channels, channels, channels], weights),
        )
    } else {
        let groups = windows(node, &window, planes)?;
        let row = |(at, group): (usize, Vec<usize>)| {
            let (mut rest, mut count) = (at, 1);
            for axis in axes.clone().rev() {
                count *= counts[axis][rest % window.output[axis]];
                rest /= window.output[axis];
            }
            let factor = 1.0 / count as f64;
            group.into_iter().map(move |index| (index, factor))
        };
        LinearMap::Sparse(SparseRows::from_rows(groups.into_iter().enumerate().map(row)))
    };
    node.emit(Op::Linear(Linear { maps: vec![map], bias: vec![0.0; len] }), vec![x], to, dtype)
}

/// (Σ |x|^p)^(1/p) over each window.
pub(super) fn lp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (window, planes) = operands(node, &x)?;
    let groups = windows(node, &window, planes)?;
    let to = shape(&x, &window);
    let p = node.int("p").unwrap_or(2);
    if p == 2 {
        let sums = products::sums_of_squares(node, x, &groups, to)?;
        return products::root(node, sums);
    }
    let sizes = match p {
        1 => apply(node, Function::Abs, x)?,
        4 => curves::raise(node, x, 4.0)?,
        // Other roots are steep next to 0.
        p => return Err(node.unsupported(format!("its p is {p}; 1, 2 and 4 can be"))),
    };
    let rows = groups.iter().map(|group| group.iter().map(|at| (*at, 1.0)));
    let sums = weighted(node, sizes, to, rows, None)?;
    if p == 1 {
        return Ok(sums);
    }
    let square = products::root(node, sums)?;
    products::root(node, square)
}

pub(super) fn global(node: &mut Node<'_>, maximum: bool) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let rank = x.shape().len();
    if rank < 3 {
        return Err(node.mismatch(format!("{:?} is no batch of channels", x.shape())));
    }
    let axes: Vec<usize> = (2..rank).collect();
    let operator = if maximum { "ReduceMax" } else { "ReduceMean" };
    reduce::reduce(node, x, &axes, true, operator)
}

/// The windows over x, and how many planes it has.
fn operands(node: &Node<'_>, x: &Value) -> Result<(Window, usize), OnnxError> {
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let input = spatial(node, x.shape())?;
    let kernel = positive(node, "kernel_shape", input.len())?;
    let window = Window::read(node, &input, &kernel)?;
    Ok((window, x.shape()[0] * x.shape()[1]))
}

fn shape(x: &Value, window: &Window) -> Vec<usize> {
    [&x.shape()[..2], &window.output[..]].concat()
}

/// For each output element, the elements of the input that its window covers.
fn windows(
    node: &mut Node<'_>,
    window: &Window,
    planes: usize,
) -> Result<Vec<Vec<usize>>, OnnxError> {
    let axes = 0..window.input.len();
    let size = axes.clone().map(|axis| window.kernel[axis].min(window.input[axis]));
    let size = size.fold(1usize, usize::saturating_mul);
    let count = node.pay(&window.output)?;
    node.pay(&[planes, count, size.saturating_add(3)])?;
    // One axis after the other, the last one fastest.
    let mut own: Vec<Vec<usize>> = vec![vec![0]];
    for axis in axes {
        node.pay(&[window.output[axis], window.kernel[axis]])?;
        let along: Vec<Vec<usize>> =
            (0..window.output[axis]).map(|at| window.covers(axis, at)).collect();
        let input = window.input[axis];
        let with = |group: &[usize], covered: &[usize]| -> Vec<usize> {
            let mut made = Vec::with_capacity(group.len() * covered.len());
            for at in group {
                made.extend(covered.iter().map(|c| at * input + c));
            }
            made
        };
        own = own.iter().flat_map(|group| along.iter().map(|c| with(group, c))).collect();
    }
    let plane: usize = window.input.iter().product();
    let mut groups: Vec<Vec<usize>> = Vec::with_capacity(planes * count);
    for first in (0..planes).map(|plane_at| plane_at * plane) {
        groups.extend(own.iter().map(|group| group.iter().map(|at| first + at).collect()));
    }
    Ok(groups)
}
