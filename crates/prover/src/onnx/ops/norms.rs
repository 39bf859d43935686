//! Normalizations by statistics of the values themselves: LayerNormalization,
//! RMSNormalization, InstanceNormalization, GroupNormalization, MeanVarianceNormalization.

use super::{arithmetic::add, products, reduce};
use crate::{
    graph::Op,
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

/// (x − mean) / √(variance + epsilon) over the last axes, times a scale, and a bias; without the
/// mean and the bias where not `centred`.
pub(super) fn layer(node: &mut Node<'_>, centred: bool) -> Result<Vec<Value>, OnnxError> {
    let (x, scale) = (node.take_real(0)?, node.take_real(1)?);
    let bias = if centred { node.take_optional(2)? } else { None };
    let shape = x.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(-1), shape.len())?;
    let axes: Vec<usize> = (axis..shape.len()).collect();
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let (to, groups) = reduce::groups(node, &shape, &axes, true)?;
    let (standard, [mean, deviation]) = products::standardized(node, x, &groups, epsilon, centred)?;
    let made = affine(node, standard, scale, bias, &shape)?;
    let mut all = vec![made];
    if centred && (node.names_output(1) || node.names_output(2)) {
        let ones = vec![1.0; groups.len()];
        let (count, dtype) = (vec![groups.len()], deviation.dtype());
        let inverse = node.emit(Op::Quotient(Some(ones)), vec![deviation], count, dtype)?;
        all.push(node.reshape(mean, to.clone())?);
        all.push(node.reshape(inverse, to)?);
    }
    Ok(all)
}

/// The same over each channel of each instance.
pub(super) fn instance(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, scale, bias) = (node.take_real(0)?, node.take_real(1)?, node.take_real(2)?);
    let shape = x.shape().to_vec();
    if shape.len() < 3 {
        return Err(node.mismatch(format!("{shape:?} where channels of positions are needed")));
    }
    let axes: Vec<usize> = (2..shape.len()).collect();
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let (_, groups) = reduce::groups(node, &shape, &axes, true)?;
    let standard = products::standardize(node, x, &groups, epsilon, true)?;
    let scale = by_channel(node, scale, shape[1], shape.len())?;
    let bias = by_channel(node, bias, shape[1], shape.len())?;
    affine(node, standard, scale, Some(bias), &shape)
}

/// The same over groups of channels.
pub(super) fn group(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, scale, bias) = (node.take_real(0)?, node.take_real(1)?, node.take_real(2)?);
    let shape = x.shape().to_vec();
    let count = usize::try_from(node.int("num_groups").unwrap_or(0)).unwrap_or(0);
    let channels = match shape[..] {
        [_, channels, ..] if count > 0 && channels > 0 && channels % count == 0 => channels,
        _ => return Err(node.mismatch(format!("{count} groups of the channels of {shape:?}"))),
    };
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let grouped = [shape[0] * count, x.len() / (shape[0] * count).max(1)];
    let (_, groups) = reduce::groups(node, &grouped, &[1], true)?;
    let standard = products::standardize(node, x, &groups, epsilon, true)?;
    // Before operator set 21 a scale was a group's.
    let each = if node.opset < 21 { count } else { channels };
    let mut spread = |value: Value| -> Result<Value, OnnxError> {
        if value.shape() != [each] {
            return Err(node.mismatch(format!("{:?} for {each} scales", value.shape())));
        }
        let from: Vec<usize> = (0..channels).map(|c| c / (channels / each)).collect();
        let value = node.pick(value, vec![channels], &from)?;
        by_channel(node, value, channels, shape.len())
    };
    let (scale, bias) = (spread(scale)?, spread(bias)?);
    affine(node, standard, scale, Some(bias), &shape)
}

/// (x − mean) / √variance over axes, those of everything but channels if none are named.
pub(super) fn mean_variance(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let shape = x.shape().to_vec();
    let axes = match node.ints("axes") {
        Some(axes) => node.axes(axes, shape.len())?,
        None => node.axes(&[0, 2, 3], shape.len())?,
    };
    let (_, groups) = reduce::groups(node, &shape, &axes, true)?;
    // As the standard's own definition has it.
    products::standardize(node, x, &groups, 1e-9, true)
}

/// A value for each channel, so that it is broadcast over everything after these.
fn by_channel(
    node: &Node<'_>,
    value: Value,
    channels: usize,
    rank: usize,
) -> Result<Value, OnnxError> {
    let mut to = vec![1; rank.saturating_sub(1)];
    if let Some(first) = to.first_mut() {
        *first = channels;
    }
    node.reshape(value, to)
}

/// scale·x + bias.
fn affine(
    node: &mut Node<'_>,
    x: Value,
    scale: Value,
    bias: Option<Value>,
    shape: &[usize],
) -> Result<Value, OnnxError> {
    let x = node.reshape(x, shape.to_vec())?;
    let scale = node.expand(scale, shape)?;
    let scaled = products::multiply(node, x, scale)?;
    match bias {
        Some(bias) => {
            let bias = node.expand(bias, shape)?;
            add(node, vec![(scaled, 1.0), (bias, 1.0)])
        }
        None => Ok(scaled),
    }
}
