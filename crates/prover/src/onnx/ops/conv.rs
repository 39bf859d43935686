//! Conv: over one or two dimensions as such, over more as sums of weighted elements.

use super::window::{Window, spatial};
use crate::{
    graph::{Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (shape, weights) = kernel(node, &x)?;
    let input = spatial(node, x.shape())?;
    let [batch, in_channels] = [x.shape()[0], x.shape()[1]];
    let [out_channels, group_inputs] = [shape[0], shape[1]];
    let groups = groups(node)?;
    if group_inputs.checked_mul(groups) != Some(in_channels) || !out_channels.is_multiple_of(groups)
    {
        return Err(node.mismatch(format!(
            "{in_channels} channels in {groups} groups, a kernel of {shape:?}"
        )));
    }
    let window = Window::read(node, &input, &shape[2..])?;
    let to = [&[batch, out_channels], &window.output[..]].concat();
    let bias = bias(node, out_channels, &to)?;
    let sizes = [batch, groups, in_channels, out_channels];
    let map = match input.len() {
        1 | 2 => LinearMap::Convolution(window.convolution(sizes, weights)),
        _ => sums(node, &window, sizes, &weights)?,
    };
    let dtype = x.dtype();
    node.emit(Op::Linear(Linear { maps: vec![map], bias }), vec![x], to, dtype)
}

/// A convolution over any dimensions, element by element.
fn sums(
    node: &mut Node<'_>,
    window: &Window,
    [batch, groups, in_channels, out_channels]: [usize; 4],
    weights: &[f64],
) -> Result<LinearMap, OnnxError> {
    let (own, made) = (in_channels / groups, out_channels / groups);
    let size = node.pay(&window.kernel)?;
    let count = node.pay(&window.output)?;
    let plane: usize = window.input.iter().product();
    node.pay(&[batch, out_channels, count, own.saturating_mul(size), 2])?;
    let mut rows = Vec::with_capacity(batch * out_channels * count);
    for channel in 0..batch * out_channels {
        let (batch, out) = (channel / out_channels, channel % out_channels);
        for at in 0..count {
            let mut row = Vec::with_capacity(own * size);
            for input in 0..own {
                let from = batch * in_channels + out / made * own + input;
                for place in 0..size {
                    let weight = weights[(out * own + input) * size + place];
                    if let Some(element) = window.element(at, place) {
                        row.push((from * plane + element, weight));
                    }
                }
            }
            rows.push(row);
        }
    }
    Ok(LinearMap::Sparse(SparseRows::from_rows(rows)))
}

/// Shape and elements of a constant kernel for x; `kernel_shape` agrees if it is there.
pub(super) fn kernel(node: &mut Node<'_>, x: &Value) -> Result<(Vec<usize>, Vec<f64>), OnnxError> {
    let Value::Const(Tensor { shape, data: Data::Float(weights), dtype }) = node.take(1)? else {
        return Err(node.unsupported("its kernel is not a constant of floats"));
    };
    if dtype != x.dtype() {
        return Err(node.malformed(format!("it mixes {} with {}", x.dtype().name(), dtype.name())));
    }
    if shape.len() != x.shape().len() || shape.len() < 3 || weights.is_empty() {
        return Err(node.mismatch(format!("a kernel of {shape:?} over {:?}", x.shape())));
    }
    let same = |kernel: &[i64]| {
        kernel.iter().map(|&k| usize::try_from(k).ok()).eq(shape[2..].iter().map(|&k| Some(k)))
    };
    match node.ints("kernel_shape") {
        Some(kernel) if !same(kernel) => {
            Err(node.mismatch(format!("kernel_shape is not that of a kernel of {shape:?}")))
        }
        _ => Ok((shape, weights)),
    }
}

/// The attribute `group`, at least 1.
pub(super) fn groups(node: &Node<'_>) -> Result<usize, OnnxError> {
    let groups = node.int("group").unwrap_or(1);
    usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0)
        .ok_or_else(|| node.malformed(format!("{groups} groups")))
}

/// One bias an output element, from one a channel (input 2) or none.
pub(super) fn bias(
    node: &mut Node<'_>,
    channels: usize,
    to: &[usize],
) -> Result<Vec<f64>, OnnxError> {
    let len = node.pay(to)?;
    let Some(bias) = node.take_floats(2)? else { return Ok(vec![0.0; len]) };
    if bias.len() != channels {
        return Err(node.mismatch(format!("{} biases for {channels} channels", bias.len())));
    }
    let plane = to[2..].iter().product::<usize>().max(1);
    Ok((0..len).map(|i| bias[i / plane % channels]).collect())
}
