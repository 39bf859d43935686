//! MaxPool, AveragePool and their global forms.

use super::{
    activation::apply,
    compare, products, reduce,
    window::{Window, positive, spatial},
};
use crate::{
    graph::{Convolution, Extremum, Function, Linear, LinearMap, Op, SparseRows, Test},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
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
    let columns_first = node.flag("storage_order", false)?;
    let [height, width] = window.input;
    let number = |at: usize| {
        let (plane, place) = (at / (height * width), at % (height * width));
        match columns_first {
            true => (plane * height * width + place % width * height + place / width) as f64,
            false => at as f64,
        }
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
    let size = window.kernel[0] * window.kernel[1];
    let [rows, columns] = window.output;
    let count = |r: usize, c: usize| match include {
        true => window.padded(0, r) * window.padded(1, c),
        false => window.covers(0, r).len() * window.covers(1, c).len(),
    };
    node.pay(&[rows + columns, window.kernel[0] + window.kernel[1]])?;
    let empty =
        (0..2).any(|axis| (0..window.output[axis]).any(|at| window.covers(axis, at).is_empty()));
    if empty && !include {
        return Err(node.unsupported(PADDING_ONLY));
    }
    let full = (0..2).all(|axis| {
        (0..window.output[axis]).all(|at| {
            let inside = match include {
                true => window.padded(axis, at),
                false => window.covers(axis, at).len(),
            };
            inside == window.kernel[axis]
        })
    });
    let overlap = (0..2).any(|axis| window.strides[axis] < window.kernel[axis]);
    let map = if full && overlap {
        // One kernel a channel, whose windows share what they read.
        node.pay(&[planes, size])?;
        let channels = x.shape()[1];
        LinearMap::Convolution(Convolution {
            batch: x.shape()[0],
            groups: channels,
            in_channels: channels,
            out_channels: channels,
            in_size: window.input,
            out_size: window.output,
            kernel: window.kernel,
            strides: window.strides,
            pads: window.before,
            dilations: window.dilations,
            weights: vec![1.0 / size as f64; channels * size],
        })
    } else {
        let groups = windows(node, &window, planes)?;
        let row = |(at, group): (usize, Vec<usize>)| {
            let factor = 1.0 / count(at / columns % rows, at % columns).max(1) as f64;
            group.into_iter().map(move |index| (index, factor))
        };
        LinearMap::Sparse(SparseRows::from_rows(groups.into_iter().enumerate().map(row)))
    };
    node.emit(Op::Linear(Linear { maps: vec![map], bias: vec![0.0; len] }), vec![x], to, dtype)
}

/// (Σ |x|^p)^(1/p) over each window, for p of 1 and 2.
pub(super) fn lp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (window, planes) = operands(node, &x)?;
    let groups = windows(node, &window, planes)?;
    let to = shape(&x, &window);
    match node.int("p").unwrap_or(2) {
        1 => {
            let sizes = apply(node, Function::Abs, x)?;
            let rows = SparseRows::from_rows(groups.iter().map(|g| g.iter().map(|at| (*at, 1.0))));
            let linear =
                Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; groups.len()] };
            let dtype = sizes.dtype();
            node.emit(Op::Linear(linear), vec![sizes], to, dtype)
        }
        2 => {
            let sums = products::sums_of_squares(node, x, &groups, to)?;
            products::root(node, sums)
        }
        p => Err(node.unsupported(format!("its p is {p}; 1 and 2 can be"))),
    }
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
    [&x.shape()[..2], &window.dims(x.shape().len())].concat()
}

/// For each output element, the elements of the input that its window covers.
fn windows(
    node: &mut Node<'_>,
    window: &Window,
    planes: usize,
) -> Result<Vec<Vec<usize>>, OnnxError> {
    let [height, width] = window.input;
    let [rows, columns] = window.output;
    let size = window.kernel[0].min(height) * window.kernel[1].min(width);
    node.pay(&[planes, rows, columns, size + 3])?;
    node.pay(&[rows, window.kernel[0]])?;
    node.pay(&[columns, window.kernel[1]])?;
    let across: Vec<Vec<usize>> = (0..columns).map(|c| window.covers(1, c)).collect();
    let down: Vec<Vec<usize>> = (0..rows).map(|r| window.covers(0, r)).collect();
    let mut groups = Vec::with_capacity(planes * rows * columns);
    for plane in 0..planes {
        for ys in &down {
            for xs in &across {
                let line = |&y: &usize| xs.iter().map(move |x| (plane * height + y) * width + x);
                groups.push(ys.iter().flat_map(line).collect());
            }
        }
    }
    Ok(groups)
}
