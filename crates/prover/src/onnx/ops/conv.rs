//! Conv over one or two dimensions.

use super::window::{Window, pair, spatial};
use crate::{
    graph::{Convolution, Linear, LinearMap, Op},
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
    let rank = x.shape().len();
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
    let to = [&[batch, out_channels], &window.dims(rank)[..]].concat();
    let bias = bias(node, out_channels, &to)?;
    let map = LinearMap::Convolution(Convolution {
        batch,
        groups,
        in_channels,
        out_channels,
        in_size: window.input,
        out_size: window.output,
        kernel: pair(&shape[2..], 1),
        strides: window.strides,
        pads: window.before,
        dilations: window.dilations,
        weights,
    });
    let dtype = x.dtype();
    node.emit(Op::Linear(Linear { maps: vec![map], bias }), vec![x], to, dtype)
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
