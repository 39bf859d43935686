//! LRN: each element divided by a power of the squares around it, across channels.

use super::{activation::apply, products};
use crate::{
    graph::{Curve, Function},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

/// x / (bias + alpha/size·Σ x²)^beta, the sum being over `size` channels around x's.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let shape = x.shape().to_vec();
    let size = usize::try_from(node.int("size").unwrap_or(0)).unwrap_or(0);
    let alpha = node.float("alpha", f64::from(1e-4f32))?;
    let (beta, bias) = (node.float("beta", 0.75)?, node.float("bias", 1.0)?);
    let &[_, channels, ..] = &shape[..] else {
        return Err(node.mismatch(format!("{shape:?} is no batch of channels")));
    };
    if size == 0 || x.len() == 0 {
        return Err(node.malformed(format!("its size is {size}")));
    }
    let inner: usize = shape[2..].iter().product();
    let (before, after) = ((size - 1) / 2, size / 2);
    let around = |at: usize| -> Vec<usize> {
        let channel = at / inner % channels;
        let last = channels.min(channel.saturating_add(after) + 1);
        (channel.saturating_sub(before)..last).map(|c| at + c * inner - channel * inner).collect()
    };
    let len = node.pay(&[x.len(), size.min(channels)])? / size.min(channels);
    let groups: Vec<Vec<usize>> = (0..len).map(around).collect();
    let sums = products::sums_of_squares(node, x.clone(), &groups, shape)?;
    let sums = node.scale(sums, |_| (alpha / size as f64, bias))?;
    let factor = apply(node, Function::Curve(Curve::Power(-beta)), sums)?;
    products::multiply(node, x, factor)
}
