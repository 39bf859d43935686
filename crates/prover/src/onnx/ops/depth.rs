//! DepthToSpace and SpaceToDepth: blocks of an image as channels, and back.

use super::layout::permute;
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
};

pub(super) fn to_space(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, [n, c, h, w], block) = operands(node)?;
    let square = block.checked_mul(block).filter(|&s| c.is_multiple_of(s));
    let square =
        square.ok_or_else(|| node.mismatch(format!("{c} channels in blocks of {block}")))?;
    let depth = c / square;
    let (dims, axes) = match node.text("mode", "DCR").as_str() {
        "DCR" => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(node.malformed(format!("mode {}", other.escape_debug()))),
    };
    let x = node.reshape(x, dims.to_vec())?;
    let x = permute(node, x, &axes)?;
    node.reshape(x, vec![n, depth, h * block, w * block])
}

pub(super) fn from_space(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, [n, c, h, w], block) = operands(node)?;
    if !h.is_multiple_of(block) || !w.is_multiple_of(block) {
        return Err(node.mismatch(format!("{h} × {w} elements in blocks of {block}")));
    }
    let (h, w) = (h / block, w / block);
    let x = node.reshape(x, vec![n, c, h, block, w, block])?;
    let axes = match node.text("mode", "DCR").as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(node.malformed(format!("mode {}", other.escape_debug()))),
    };
    let x = permute(node, x, &axes)?;
    node.reshape(x, vec![n, c * block * block, h, w])
}

fn operands(node: &mut Node<'_>) -> Result<(Value, [usize; 4], usize), OnnxError> {
    let x = node.take(0)?;
    let block = node.int("blocksize").unwrap_or(0);
    match (<[usize; 4]>::try_from(x.shape()), usize::try_from(block)) {
        (Ok(dims), Ok(block)) if block > 0 => Ok((x, dims, block)),
        (Err(_), _) => Err(node.mismatch(format!("{:?} is no batch of images", x.shape()))),
        _ => Err(node.malformed(format!("block size {block}"))),
    }
}
