//! Attention of operator set 23 and later: scores of queries and keys, a cap, masks, softmax
//! row by row, sums of values.

use super::{
    arithmetic::add,
    layout::permute,
    products,
    shares::{INFINITE, finite, shares},
    smooth,
};
use crate::{
    graph::{Element, Op},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// softmax(scale·Q·Kᵀ, capped, + masks)·V by head; then the keys and values with those of the
/// past before them, and the scores as far as the file asks for them.
pub(super) fn lower(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let (q, k, v) = (node.take_real(0)?, node.take_real(1)?, node.take_real(2)?);
    let flat = q.shape().len() == 3;
    let q = heads(node, q, "q_num_heads")?;
    let k = heads(node, k, "kv_num_heads")?;
    let v = heads(node, v, "kv_num_heads")?;
    let (k, past) = after(node, k, 4)?;
    let (v, _) = after(node, v, 5)?;
    let present = [k.clone(), v.clone()];
    let ([batch, count, rows, size], [_, own, columns, _], [_, _, _, width]) =
        (dims(node, &q)?, dims(node, &k)?, dims(node, &v)?);
    if own == 0 || count % own != 0 || v.shape()[1] != own {
        return Err(node.mismatch(format!("{count} heads of queries and {own} of keys")));
    }
    let (k, v) = (repeated(node, k, count)?, repeated(node, v, count)?);
    let scale = node.float("scale", 1.0 / (size as f64).sqrt())?;
    let k = permute(node, k, &[0, 1, 3, 2])?;
    let to = vec![batch, count, rows, columns];
    let sizes = (batch * count, [rows, size, columns]);
    let raw = products::matrices(node, [q, k], sizes, scale, to.clone())?;
    let cap = node.float("softcap", 0.0)?;
    let capped = match cap {
        0.0 => raw.clone(),
        cap if cap > 0.0 => {
            let part = node.scale(raw.clone(), |_| (1.0 / cap, 0.0))?;
            let tanh = smooth::tanh(node, part)?;
            node.scale(tanh, |_| (cap, 0.0))?
        }
        cap => return Err(node.malformed(format!("its soft cap is {cap}"))),
    };
    let lengths = lengths(node, batch, columns)?;
    let known = mask(node, &to, past, lengths.as_deref())?;
    let mut scores = add(node, vec![(capped.clone(), 1.0), (known, 1.0)])?;
    if let Some(given) = given_mask(node, &to)? {
        scores = add(node, vec![(scores, 1.0), (given, 1.0)])?;
    }
    let groups: Vec<Vec<usize>> = (0..batch * count * rows)
        .map(|row| (row * columns..(row + 1) * columns).collect())
        .collect();
    let shares = shares(node, scores.clone(), &groups, true)?;
    let sizes = (batch * count, [rows, columns, width]);
    let operands = [shares.clone(), v];
    let made = products::matrices(node, operands, sizes, 1.0, vec![batch, count, rows, width])?;
    let made = match flat {
        false => made,
        true => {
            let made = permute(node, made, &[0, 2, 1, 3])?;
            node.reshape(made, vec![batch, rows, count * width])?
        }
    };
    // What it means changed with operator set 25.
    let shown = match (node.int("qk_matmul_output_mode").unwrap_or(0), node.opset < 25) {
        (0, _) => raw,
        (1, false) => capped,
        (3, _) => shares,
        (1, true) | (2, _) => {
            if node.names_output(3) {
                return Err(
                    node.unsupported("its scores after a mask are given, of which some are −∞")
                );
            }
            scores
        }
        (other, _) => return Err(node.malformed(format!("qk_matmul_output_mode is {other}"))),
    };
    let [keys, values] = present;
    Ok(vec![made, keys, values, shown])
}

/// Keys or values after those of the past, of which there may be some.
fn after(node: &mut Node<'_>, new: Value, index: usize) -> Result<(Value, usize), OnnxError> {
    let Some(past) = node.take_optional(index)? else { return Ok((new, 0)) };
    let ([batch, heads, before, size], [a, b, own, c]) = (dims(node, &past)?, dims(node, &new)?);
    if [batch, heads, size] != [a, b, c] {
        return Err(node.mismatch(format!("{:?} after {:?}", new.shape(), past.shape())));
    }
    let to = vec![batch, heads, before + own, size];
    let len = node.pay(&to)?;
    let element = |at: usize| {
        let (place, rest) = (at / size % (before + own), at % size);
        let head = at / size / (before + own);
        match place.checked_sub(before) {
            None => Element::Input { input: 0, index: (head * before + place) * size + rest },
            Some(place) => Element::Input { input: 1, index: (head * own + place) * size + rest },
        }
    };
    let dtype = new.dtype();
    let elements = (0..len).map(element).collect();
    Ok((node.emit(Op::Select(elements), vec![past, new], to, dtype)?, before))
}

/// How many keys of each row are not padding, if that is given.
fn lengths(
    node: &mut Node<'_>,
    batch: usize,
    columns: usize,
) -> Result<Option<Vec<i64>>, OnnxError> {
    let lengths = node.take_ints(6)?;
    match &lengths {
        Some(own)
            if own.len() != batch || own.iter().any(|n| !(0..=columns as i64).contains(n)) =>
        {
            Err(node.malformed(format!("its lengths are not {batch} of up to {columns}")))
        }
        _ => Ok(lengths),
    }
}

/// −∞ where no key is attended, whatever the values: padding, what comes later, what is beyond
/// a window.
fn mask(
    node: &mut Node<'_>,
    to: &[usize],
    past: usize,
    lengths: Option<&[i64]>,
) -> Result<Value, OnnxError> {
    let &[_, count, rows, columns] = to else {
        return Err(node.mismatch(format!("scores of {to:?}")));
    };
    let causal = node.flag("is_causal", false)?;
    let bound = |name: &str| node.int(name).filter(|size| *size >= 0);
    let (left, right) = (bound("left_window_size"), bound("right_window_size"));
    let len = node.pay(to)?;
    let of = |at: usize| {
        let (batch, row, key) =
            (at / columns / rows / count, at / columns % rows, (at % columns) as i64);
        let offset = match lengths {
            Some(lengths) => lengths[batch] - rows as i64,
            None => past as i64,
        };
        let place = offset + row as i64;
        let kept = lengths.is_none_or(|lengths| key < lengths[batch])
            && (!causal || key <= place)
            && left.is_none_or(|left| key >= place.saturating_sub(left))
            && right.is_none_or(|right| key <= place.saturating_add(right));
        if kept { 0.0 } else { INFINITE }
    };
    let data = Data::Float((0..len).map(of).collect());
    Ok(Value::Const(Tensor { shape: to.to_vec(), dtype: DType::Float32, data }))
}

/// The mask that is an input, as what is added.
fn given_mask(node: &mut Node<'_>, to: &[usize]) -> Result<Option<Value>, OnnxError> {
    let Some(mask) = finite(node.take_unchecked(3)) else { return Ok(None) };
    let mut mask = match mask {
        Value::Const(Tensor { shape, dtype: DType::Bool, data: Data::Int(values) }) => {
            let of = |yes: i64| if yes == 0 { INFINITE } else { 0.0 };
            let data = Data::Float(values.into_iter().map(of).collect());
            Value::Const(Tensor { shape, dtype: DType::Float32, data })
        }
        Value::Signal(signal) if signal.dtype == DType::Bool => {
            return Err(node.unsupported("its mask of truth values is not a constant"));
        }
        mask => mask,
    };
    // Shorter than the keys, it leaves out those behind.
    if let (Some(own), Some(columns)) = (mask.shape().last().copied(), to.last().copied())
        && own != 1
        && own < columns
    {
        let longer = [&mask.shape()[..mask.shape().len() - 1], &[columns]].concat();
        let len = node.pay(&longer)?;
        let element = |at: usize| match at % columns {
            column if column < own => {
                Element::Input { input: 0, index: at / columns * own + column }
            }
            _ => Element::Constant(INFINITE),
        };
        let (elements, dtype) = ((0..len).map(element).collect(), mask.dtype());
        mask = node.emit(Op::Select(elements), vec![mask], longer, dtype)?;
    }
    node.expand(mask, to).map(Some)
}

/// [batch, heads, positions, size] of a tensor that may have its heads side by side.
fn heads(node: &mut Node<'_>, x: Value, attribute: &str) -> Result<Value, OnnxError> {
    let [batch, positions, all] = x.shape()[..] else { return Ok(x) };
    let count = usize::try_from(node.int(attribute).unwrap_or(0)).unwrap_or(0);
    if count == 0 || all % count != 0 {
        return Err(node.mismatch(format!("{all} elements of {count} heads ({attribute})")));
    }
    let x = node.reshape(x, vec![batch, positions, count, all / count])?;
    permute(node, x, &[0, 2, 1, 3])
}

fn dims(node: &Node<'_>, x: &Value) -> Result<[usize; 4], OnnxError> {
    match x.shape().try_into() {
        Ok(dims) if x.len() > 0 => Ok(dims),
        _ => Err(node.mismatch(format!("{:?} where heads of positions are needed", x.shape()))),
    }
}

/// As many heads, each of a few repeated.
fn repeated(node: &mut Node<'_>, x: Value, count: usize) -> Result<Value, OnnxError> {
    let [batch, own, positions, size] = dims(node, &x)?;
    if own == count {
        return Ok(x);
    }
    let to = vec![batch, count, positions, size];
    let len = node.pay(&to)?;
    let plane = positions * size;
    let from: Vec<usize> = (0..len)
        .map(|at| {
            let (head, rest) = (at / plane, at % plane);
            (head / count * own + head % count / (count / own)) * plane + rest
        })
        .collect();
    node.pick(x, to, &from)
}
