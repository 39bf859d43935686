//! CausalConvWithState: a convolution of every channel on its own over what came before.

use super::{smooth, sums::weighted};
use crate::{
    graph::{Element, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// What is made of the input after the state, and the state for what comes next.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let x = node.take_real(0)?;
    let Value::Const(Tensor { shape, data: Data::Float(weights), .. }) = node.take(1)? else {
        return Err(node.unsupported("its kernel is not a constant of floats"));
    };
    let bias = node.take_floats(2)?;
    let past = node.take_optional(3)?;
    let &[batch, channels, own] = x.shape() else {
        return Err(node.mismatch(format!("{:?} is no batch of channels", x.shape())));
    };
    let size = match shape[..] {
        [outputs, 1, size] if outputs == channels && size > 0 && own > 0 => size,
        _ => return Err(node.mismatch(format!("a kernel of {shape:?} over {:?}", x.shape()))),
    };
    let before = size - 1;
    if past.as_ref().is_some_and(|past| past.shape() != [batch, channels, before]) {
        return Err(node.mismatch(format!("a state that is not [{batch}, {channels}, {before}]")));
    }
    if bias.as_ref().is_some_and(|bias| bias.len() != channels) {
        return Err(node.mismatch(format!("biases that are not {channels}")));
    }
    // What came before, and what comes.
    let all = before + own;
    let padded = vec![batch, channels, all];
    let len = node.pay(&padded)?;
    let known = past.is_some();
    let element = |at: usize| match (at / all, at % all) {
        (row, place) if place >= before => {
            Element::Input { input: 0, index: row * own + place - before }
        }
        (row, place) if known => Element::Input { input: 1, index: row * before + place },
        _ => Element::Constant(0.0),
    };
    let (elements, dtype) = ((0..len).map(element).collect(), x.dtype());
    let operands = [x].into_iter().chain(past).collect();
    let padded = node.emit(Op::Select(elements), operands, padded, dtype)?;
    let to = vec![batch, channels, own];
    let count = node.pay(&to)?;
    node.pay(&[count, size, 2])?;
    let row = |at: usize| {
        let (row, place) = (at / own, at % own);
        let kernel = &weights[row % channels * size..][..size];
        kernel.iter().enumerate().map(move |(k, w)| (row * all + place + k, *w))
    };
    let bias = bias.unwrap_or_else(|| vec![0.0; channels]);
    let bias = (0..count).map(|at| bias[at / own % channels]).collect();
    let made = weighted(node, padded.clone(), to, (0..count).map(row), Some(bias))?;
    let made = match node.text("activation", "none").as_str() {
        "none" => made,
        "silu" | "swish" => smooth::swish(node, made, 1.0)?,
        other => return Err(node.malformed(format!("its activation is {}", other.escape_debug()))),
    };
    // None of it where the kernel has one element.
    let left: Vec<usize> =
        (0..batch * channels).flat_map(|row| row * all + own..(row + 1) * all).collect();
    let state = node.pick(padded, vec![batch, channels, before], &left)?;
    Ok(vec![made, state])
}
