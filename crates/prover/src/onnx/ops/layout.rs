//! Operators that change shapes and the order of elements: they cost a model nothing.

use crate::onnx::{
    dtype::DType,
    error::OnnxError,
    node::{Node, Value},
    shape,
    tensor::{Data, Tensor},
};

/// Nothing at inference; a mask that keeps everything.
pub(super) fn dropout(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    if node.take_ints(2)?.is_some_and(|training| training.iter().any(|&t| t != 0)) {
        return Err(node.unsupported("it is in training mode; export the model for inference"));
    }
    let value = node.take(0)?;
    let shape = value.shape().to_vec();
    let data = Data::Int(vec![1; node.pay(&shape)?]);
    Ok(vec![value, Value::Const(Tensor { shape, dtype: DType::Bool, data })])
}

pub(super) fn reshape(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let wanted = node.take_ints(1)?.ok_or_else(|| node.malformed("its shape is missing".into()))?;
    let from = value.shape().to_vec();
    let bad = |node: &Node<'_>| node.mismatch(format!("{from:?} cannot become {wanted:?}"));
    let keep_zero = node.flag("allowzero", false)?;
    let mut to = Vec::with_capacity(wanted.len().min(shape::MAX_RANK + 1));
    let mut free = None;
    for (axis, &dim) in wanted.iter().take(shape::MAX_RANK + 1).enumerate() {
        to.push(match dim {
            -1 if free.is_none() => {
                free = Some(axis);
                1
            }
            0 if !keep_zero => *from.get(axis).ok_or_else(|| bad(node))?,
            _ => usize::try_from(dim).map_err(|_| bad(node))?,
        });
    }
    if let Some(axis) = free {
        let (have, rest) = (shape::size(&from), shape::size(&to));
        to[axis] = have.zip(rest).and_then(|(h, r)| h.checked_div(r)).ok_or_else(|| bad(node))?;
    }
    node.reshape(value, to)
}

pub(super) fn flatten(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let rank = value.shape().len();
    let axis = match node.int("axis").unwrap_or(1) {
        // `axis` may equal the rank here: everything before, nothing after.
        axis if axis == rank as i64 => rank,
        axis => node.axis(axis, rank)?,
    };
    let (before, after) = value.shape().split_at(axis);
    let to = vec![before.iter().product(), after.iter().product()];
    node.reshape(value, to)
}

pub(super) fn squeeze(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let drop = match axes(node)? {
        Some(axes) => node.axes(&axes, from.len())?,
        None => (0..from.len()).filter(|&i| from[i] == 1).collect(),
    };
    let kept = from.iter().enumerate().filter(|(i, _)| !drop.contains(i)).map(|(_, &d)| d);
    let to = kept.collect();
    node.reshape(value, to)
}

pub(super) fn unsqueeze(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let axes = axes(node)?.ok_or_else(|| node.malformed("axes are missing".into()))?;
    let rank = value.shape().len() + axes.len();
    if rank > shape::MAX_RANK {
        return Err(node.malformed(format!("{rank} dimensions")));
    }
    let new = node.axes(&axes, rank)?;
    let mut old = value.shape().iter();
    let to: Option<Vec<usize>> =
        (0..rank).map(|i| if new.contains(&i) { Some(1) } else { old.next().copied() }).collect();
    let to = to.ok_or_else(|| node.malformed(format!("axes {axes:?}")))?;
    node.reshape(value, to)
}

/// The `axes` of Squeeze and Unsqueeze: an input since opset 13.
fn axes(node: &mut Node<'_>) -> Result<Option<Vec<i64>>, OnnxError> {
    match node.opset {
        ..13 => Ok(node.ints("axes").map(<[i64]>::to_vec)),
        _ => node.take_ints(1),
    }
}

pub(super) fn transpose(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let rank = value.shape().len();
    let axes = match node.ints("perm") {
        Some(perm) => node.axes(perm, rank)?,
        None => (0..rank).rev().collect(),
    };
    match axes.len() == rank {
        true => permute(node, value, &axes),
        false => Err(node.malformed(format!("{axes:?} is no order of {rank} axes"))),
    }
}

/// `value` with axis `axes[i]` as axis i.
pub(super) fn permute(
    node: &mut Node<'_>,
    value: Value,
    axes: &[usize],
) -> Result<Value, OnnxError> {
    let from = value.shape().to_vec();
    let to: Vec<usize> = axes.iter().map(|&axis| from[axis]).collect();
    let long = |axis: &&usize| from[**axis] > 1;
    if axes.iter().filter(long).is_sorted() {
        return node.reshape(value, to);
    }
    node.pay(&to)?;
    let positions = shape::transpose(&from, axes);
    node.pick(value, to, &positions)
}

/// `axis` last, or back again.
pub(super) fn turned(
    node: &mut Node<'_>,
    x: Value,
    axis: usize,
    back: bool,
) -> Result<Value, OnnxError> {
    let rank = x.shape().len();
    let order: Vec<usize> = (0..rank).filter(|a| *a != axis).chain([axis]).collect();
    let order = match back {
        false => order,
        true => (0..rank).map(|a| order.iter().position(|own| *own == a).unwrap_or(a)).collect(),
    };
    if axis + 1 == rank { Ok(x) } else { permute(node, x, &order) }
}

pub(super) fn expand(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let wanted = super::constant::dimensions(node, 1)?;
    match shape::broadcast(value.shape(), &wanted) {
        Some(to) => node.expand(value, &to),
        None => Err(node.mismatch(format!("{:?} cannot become {wanted:?}", value.shape()))),
    }
}

pub(super) fn tile(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let repeats = super::constant::dimensions(node, 1)?;
    let from = value.shape().to_vec();
    if repeats.len() != from.len() {
        return Err(node.mismatch(format!("{} repeats for {from:?}", repeats.len())));
    }
    let to = from.iter().zip(&repeats).map(|(d, r)| d.checked_mul(*r)).collect::<Option<Vec<_>>>();
    let to = to.ok_or_else(|| node.malformed(format!("repeats {repeats:?}")))?;
    if to == from {
        return Ok(value);
    }
    node.pay(&to)?;
    if to.contains(&0) {
        return node.pick(value, to, &[]);
    }
    let choice = |(&d, &r): (&usize, &usize)| (0..r).flat_map(|_| 0..d).collect();
    let choices: Vec<Vec<usize>> = from.iter().zip(&repeats).map(choice).collect();
    let positions = shape::select(&from, &choices);
    node.pick(value, to, &positions)
}
