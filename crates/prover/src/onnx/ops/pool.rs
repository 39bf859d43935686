//! MaxPool, AveragePool and their global forms.

use super::{
    reduce,
    window::{Window, positive, spatial},
};
use crate::{
    graph::{Convolution, Extremum, Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

const PADDING_ONLY: &str = "one of its windows covers padding only";

pub(super) fn max(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let (window, planes) = operands(node, &x)?;
    let groups = windows(node, &window, planes)?;
    if groups.iter().any(Vec::is_empty) {
        return Err(node.unsupported(PADDING_ONLY));
    }
    let (to, dtype) = (shape(&x, &window), x.dtype());
    node.emit(Op::Extremum(Extremum { minimum: false, groups }), vec![x], to, dtype)
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
