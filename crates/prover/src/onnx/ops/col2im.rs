//! Col2Im: blocks put back where they were taken from, and added up where they overlap.

use super::{constant, sums::weighted, window::Window};
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let (image, block) = (constant::dimensions(node, 1)?, constant::dimensions(node, 2)?);
    if image.is_empty() || image.len() != block.len() || image.contains(&0) {
        return Err(node.mismatch(format!("an image of {image:?} of blocks of {block:?}")));
    }
    let window = Window::read(node, &image, &block)?;
    let outputs = window.output.clone();
    let block_len = node.pay(&block)?;
    let count = node.pay(&outputs)?;
    let &[batch, all, own] = x.shape() else {
        return Err(node.mismatch(format!("{:?} where blocks of channels are needed", x.shape())));
    };
    if own != count || block_len == 0 || all % block_len != 0 || x.len() == 0 {
        return Err(node.mismatch(format!("{:?} for {count} blocks of {block:?}", x.shape())));
    }
    let channels = all / block_len;
    let to = [&[batch, channels], &image[..]].concat();
    let len = node.pay(&to)?;
    node.pay(&[x.len(), 2])?;
    let plane: usize = image.iter().product();
    let mut rows = vec![Vec::new(); len];
    for place in 0..block_len {
        for at in 0..count {
            let Some(pixel) = window.element(at, place) else { continue };
            for channel in 0..batch * channels {
                rows[channel * plane + pixel]
                    .push(((channel * block_len + place) * count + at, 1.0));
            }
        }
    }
    weighted(node, x, to, rows, None)
}
