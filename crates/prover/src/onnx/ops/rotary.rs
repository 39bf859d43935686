//! RotaryEmbedding: pairs of elements turned by angles whose sines and cosines stand in a cache.

use super::{arithmetic::add, products};
use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let shape = x.shape().to_vec();
    // [batch, positions, heads, size], however it is given; and how far a step is in each.
    let (dims, strides) = match shape[..] {
        [batch, heads, positions, size] => {
            let strides = [heads * positions * size, size, positions * size, 1];
            ([batch, positions, heads, size], strides)
        }
        [batch, positions, all] => {
            let heads = usize::try_from(node.int("num_heads").unwrap_or(0)).unwrap_or(0);
            if heads == 0 || all % heads != 0 {
                return Err(node.mismatch(format!("{all} elements of {heads} heads")));
            }
            let size = all / heads;
            ([batch, positions, heads, size], [positions * all, all, size, 1])
        }
        _ => return Err(node.mismatch(format!("{shape:?} where heads of positions are needed"))),
    };
    let [batch, positions, heads, size] = dims;
    let turned = match node.int("rotary_embedding_dim").unwrap_or(0) {
        0 => size,
        dim => usize::try_from(dim).unwrap_or(usize::MAX),
    };
    if turned > size || turned % 2 != 0 || x.len() == 0 {
        return Err(node.mismatch(format!("{turned} of {size} elements to turn, in pairs")));
    }
    let interleaved = node.flag("interleaved", false)?;
    let half = turned / 2;
    let (cosines, sines) = (node.take_real(1)?, node.take_real(2)?);
    if cosines.shape() != sines.shape() || cosines.shape().last() != Some(&half) {
        return Err(node.mismatch(format!("caches of {:?} for {half} pairs", cosines.shape())));
    }
    let rows = cosines.len() / half.max(1);
    let ids = node.take_ints(3)?;
    let place = |b: usize, p: usize| -> Option<usize> {
        match &ids {
            Some(ids) => ids.get(b * positions + p).and_then(|id| usize::try_from(*id).ok()),
            None => Some(b * positions + p),
        }
        .filter(|row| *row < rows)
    };
    // Of every turned element: itself, its partner, its angle, and whether it is the first.
    let len = node.pay(&[batch, positions, heads, turned])?;
    node.pay(&[len, 6])?;
    let (mut own, mut partner, mut angle, mut first) = (vec![], vec![], vec![], vec![]);
    let mut to = vec![usize::MAX; x.len()];
    for b in 0..batch {
        for p in 0..positions {
            let row = place(b, p).ok_or_else(|| {
                node.malformed(format!("position {p} has no row of {rows} in its caches"))
            })?;
            for h in 0..heads {
                let base = b * strides[0] + p * strides[1] + h * strides[2];
                for pair in 0..half {
                    let (i, j) = match interleaved {
                        true => (2 * pair, 2 * pair + 1),
                        false => (pair, pair + half),
                    };
                    for (it, other, is_first) in [(i, j, true), (j, i, false)] {
                        to[base + it] = own.len();
                        own.push(base + it);
                        partner.push(base + other);
                        angle.push(row * half + pair);
                        first.push(is_first);
                    }
                }
            }
        }
    }
    let flat = vec![len];
    let cosines = node.pick(cosines, flat.clone(), &angle)?;
    let sines = node.pick(sines, flat.clone(), &angle)?;
    let straight = node.pick(x.clone(), flat.clone(), &own)?;
    let crossed = node.pick(x.clone(), flat, &partner)?;
    let straight = products::multiply(node, straight, cosines)?;
    let crossed = products::multiply(node, crossed, sines)?;
    let crossed = node.scale(crossed, |at| (if first[at] { -1.0 } else { 1.0 }, 0.0))?;
    let made = add(node, vec![(straight, 1.0), (crossed, 1.0)])?;
    // What is not turned stays as it is.
    let elements = to.iter().enumerate().map(|(at, made)| match *made {
        usize::MAX => crate::graph::Element::Input { input: 1, index: at },
        index => crate::graph::Element::Input { input: 0, index },
    });
    let elements = elements.collect();
    let dtype = x.dtype();
    node.emit(crate::graph::Op::Select(elements), vec![made, x], shape, dtype)
}
