//! Elements put elsewhere or taken from elsewhere at positions that are constants: GatherND,
//! ScatterND, ScatterElements, TensorScatter, MaxUnpool, ReverseSequence, Trilu, CenterCropPad, Compress.

use super::{arithmetic::add, extremum, products};
use crate::{
    graph::{Element, Op},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        shape,
        tensor::{Data, Tensor},
    },
};

/// An index into a dimension, counted from its end when negative.
fn place(node: &Node<'_>, index: i64, dim: usize) -> Result<usize, OnnxError> {
    let from_front = if index < 0 { index.saturating_add_unsigned(dim as u64) } else { index };
    let place = usize::try_from(from_front).ok().filter(|place| *place < dim);
    place.ok_or_else(|| node.malformed(format!("index {index} into a dimension of {dim}")))
}

/// Positions in a tensor of shape `from` that rows of indices name, and how many elements
/// stand at each.
fn places(
    node: &mut Node<'_>,
    from: &[usize],
    (rows, depth): (&[i64], usize),
) -> Result<(Vec<usize>, usize), OnnxError> {
    let inner: usize = from[depth..].iter().product();
    let mut starts = Vec::with_capacity(rows.len() / depth.max(1));
    for row in rows.chunks(depth.max(1)) {
        let mut at = 0;
        for (index, dim) in row.iter().zip(from) {
            at = at * dim + place(node, *index, *dim)?;
        }
        starts.push(at * inner);
    }
    Ok((starts, inner))
}

pub(super) fn gather_nd(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let batch = usize::try_from(node.int("batch_dims").unwrap_or(0)).unwrap_or(usize::MAX);
    let Some((indices, rows)) = node.take_int_tensor(1)? else {
        return Err(node.malformed("indices are missing".into()));
    };
    let Some((depth, lead)) = indices.split_last() else {
        return Err(node.mismatch("its indices are a scalar".into()));
    };
    let (depth, lead) = (*depth, lead.to_vec());
    if batch > lead.len()
        || batch + depth > from.len()
        || from[..batch] != lead[..batch]
        || depth == 0
    {
        return Err(node.mismatch(format!("indices of shape {indices:?} into {from:?}")));
    }
    let batches: usize = from[..batch].iter().product();
    let plane: usize = from[batch..].iter().product();
    let own = rows.len() / batches.max(1);
    let to = [&lead[..], &from[batch + depth..]].concat();
    node.pay(&to)?;
    let mut positions = Vec::new();
    for (number, rows) in rows.chunks(own.max(1)).enumerate() {
        let (starts, inner) = places(node, &from[batch..], (rows, depth))?;
        let all = starts.into_iter().flat_map(|start| start..start + inner);
        positions.extend(all.map(|at| number * plane + at));
    }
    node.pick(value, to, &positions)
}

/// `updates` at positions of `value`: in its place, or joined with it.
fn put(
    node: &mut Node<'_>,
    value: Value,
    updates: Value,
    positions: &[usize],
    how: &str,
) -> Result<Value, OnnxError> {
    if value.dtype() != updates.dtype() {
        let (a, b) = (value.dtype().name(), updates.dtype().name());
        return Err(node.malformed(format!("it mixes {a} with {b}")));
    }
    if updates.len() != positions.len() {
        let (len, count) = (updates.len(), positions.len());
        return Err(node.mismatch(format!("{len} updates for {count} positions")));
    }
    let (shape, dtype) = (value.shape().to_vec(), value.dtype());
    let len = node.pay(&shape)?;
    node.pay(&[positions.len(), 2])?;
    // Those that go to the same place, one after the other.
    let mut rounds: Vec<Vec<Option<usize>>> = Vec::new();
    let mut depth = vec![0usize; len];
    for (update, at) in positions.iter().enumerate() {
        let round = if how == "none" { 0 } else { depth[*at] };
        depth[*at] += 1;
        if round == rounds.len() {
            node.pay(&[len])?;
            rounds.push(vec![None; len]);
        }
        rounds[round][*at] = Some(update);
    }
    let mut value = value;
    for round in rounds {
        // The update, or what joins without effect.
        let kept = |at: usize| Element::Input { input: 0, index: at };
        let elements: Vec<Element> = round
            .iter()
            .enumerate()
            .map(|(at, update)| match update {
                Some(index) => Element::Input { input: 1, index: *index },
                None => match how {
                    "add" => Element::Constant(0.0),
                    "mul" => Element::Constant(1.0),
                    _ => kept(at),
                },
            })
            .collect();
        let operands = vec![value.clone(), updates.clone()];
        let moved = node.emit(Op::Select(elements), operands, shape.clone(), dtype)?;
        value = match how {
            "none" => moved,
            "add" => add(node, vec![(value, 1.0), (moved, 1.0)])?,
            "mul" => products::multiply(node, value, moved)?,
            "max" | "min" => extremum::of_all(node, vec![value, moved], how == "min")?,
            other => return Err(node.malformed(format!("its reduction is {other:?}"))),
        };
    }
    Ok(value)
}

pub(super) fn scatter_nd(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (value, updates) = (node.take(0)?, node.take(2)?);
    let from = value.shape().to_vec();
    let Some((indices, rows)) = node.take_int_tensor(1)? else {
        return Err(node.malformed("indices are missing".into()));
    };
    let depth = indices.last().copied().unwrap_or(0);
    if depth == 0 || depth > from.len() {
        return Err(node.mismatch(format!("indices of shape {indices:?} into {from:?}")));
    }
    let (starts, inner) = places(node, &from, (&rows, depth))?;
    node.pay(&[starts.len(), inner])?;
    let positions: Vec<usize> = starts.into_iter().flat_map(|start| start..start + inner).collect();
    let how = node.text("reduction", "none");
    put(node, value, updates, &positions, &how)
}

pub(super) fn scatter_elements(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (value, updates) = (node.take(0)?, node.take(2)?);
    let from = value.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(0), from.len())?;
    let Some((at, rows)) = node.take_int_tensor(1)? else {
        return Err(node.malformed("indices are missing".into()));
    };
    let fits = at.len() == from.len() && (0..at.len()).all(|i| i == axis || at[i] <= from[i]);
    if !fits || at != updates.shape() {
        return Err(node.mismatch(format!("indices of shape {at:?} into {from:?}")));
    }
    node.pay(&at)?;
    let here: Vec<Vec<usize>> = at
        .iter()
        .enumerate()
        .map(|(i, &d)| if i == axis { vec![0; d] } else { (0..d).collect() })
        .collect();
    let inner: usize = from[axis + 1..].iter().product();
    let mut positions = shape::select(&from, &here);
    for (position, &i) in positions.iter_mut().zip(&rows) {
        *position += place(node, i, from[axis])? * inner;
    }
    let how = node.text("reduction", "none");
    put(node, value, updates, &positions, &how)
}

/// A cache of keys or values, of which a few positions are written anew.
pub(super) fn tensor_scatter(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (past, update) = (node.take(0)?, node.take(1)?);
    let (from, new) = (past.shape().to_vec(), update.shape().to_vec());
    let axis = node.axis(node.int("axis").unwrap_or(-2), from.len())?;
    let same = from.len() == new.len() && (0..from.len()).all(|i| i == axis || from[i] == new[i]);
    if axis == 0 || !same {
        return Err(node.mismatch(format!("{new:?} into {from:?} along axis {axis}")));
    }
    let starts = node.take_ints(2)?.unwrap_or_else(|| vec![0; from[0]]);
    if starts.len() != from[0] {
        return Err(node.mismatch(format!("{} positions for {} rows", starts.len(), from[0])));
    }
    let circular = match node.text("mode", "linear").as_str() {
        "linear" => false,
        "circular" => true,
        other => return Err(node.malformed(format!("its mode is {other:?}"))),
    };
    let len = node.pay(&new)?;
    let inner: usize = new[axis + 1..].iter().product();
    let row: usize = new[1..].iter().product();
    let mut positions = Vec::with_capacity(len);
    for at in 0..len {
        let (batch, along) = (at / row.max(1), at / inner.max(1) % new[axis]);
        let start = usize::try_from(starts[batch])
            .map_err(|_| node.malformed(format!("position {}", starts[batch])))?;
        let mut place = start.saturating_add(along);
        if circular {
            place %= from[axis];
        }
        if place >= from[axis] {
            return Err(node.malformed(format!("position {place} of {}", from[axis])));
        }
        let outer = at / inner.max(1) / new[axis];
        positions.push((outer * from[axis] + place) * inner + at % inner.max(1));
    }
    put(node, past, update, &positions, "none")
}

/// Steps of each sequence turned round, up to its own length.
pub(super) fn reverse_sequence(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let time = node.axis(node.int("time_axis").unwrap_or(0), from.len())?;
    let batch = node.axis(node.int("batch_axis").unwrap_or(1), from.len())?;
    let lengths = node.take_ints(1)?.unwrap_or_default();
    if time > 1 || batch > 1 || time == batch || lengths.len() != from[batch] {
        return Err(node.mismatch(format!("{} lengths for {from:?}", lengths.len())));
    }
    let len = node.pay(&from)?;
    let inner: usize = from[2..].iter().product::<usize>().max(1);
    let positions = (0..len).map(|at| {
        let outer = [at / inner / from[1], at / inner % from[1]];
        let length = usize::try_from(lengths[outer[batch]]).ok().filter(|l| *l <= from[time]);
        let length = length.ok_or_else(|| node.malformed("a length that is none".into()))?;
        let mut place = outer;
        if outer[time] < length {
            place[time] = length - 1 - outer[time];
        }
        Ok((place[0] * from[1] + place[1]) * inner + at % inner)
    });
    let positions = positions.collect::<Result<Vec<_>, OnnxError>>()?;
    node.pick(value, from, &positions)
}

/// A triangle of matrices, zeros elsewhere.
pub(super) fn trilu(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let (to, dtype) = (value.shape().to_vec(), value.dtype());
    let &[.., rows, columns] = &to[..] else {
        return Err(node.mismatch(format!("{to:?} is no matrix")));
    };
    let diagonal = node.take_ints(1)?.and_then(|k| k.first().copied()).unwrap_or(0);
    let upper = node.flag("upper", true)?;
    let len = node.pay(&to)?;
    if len == 0 {
        return Ok(value);
    }
    let element = |index: usize| {
        let (row, column) = (index / columns % rows, index % columns);
        let beyond = column as i64 - row as i64;
        let kept = if upper { beyond >= diagonal } else { beyond <= diagonal };
        if kept { Element::Input { input: 0, index } } else { Element::Constant(0.0) }
    };
    node.emit(Op::Select((0..len).map(element).collect()), vec![value], to, dtype)
}

/// Dimensions brought to a size: the middle, or zeros around.
pub(super) fn center_crop_pad(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let (from, dtype) = (value.shape().to_vec(), value.dtype());
    let sizes = node.take_ints(1)?.unwrap_or_default();
    let axes: Vec<i64> = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => (0i64..).take(from.len()).collect(),
    };
    let axes = node.axes(&axes, from.len())?;
    if axes.len() != sizes.len() {
        return Err(node.mismatch(format!("{} sizes for {} axes", sizes.len(), axes.len())));
    }
    let mut to = from.clone();
    for (axis, size) in axes.iter().zip(&sizes) {
        to[*axis] = usize::try_from(*size).map_err(|_| node.malformed(format!("size {size}")))?;
    }
    let len = node.pay(&to)?;
    if len == 0 {
        return Err(node.unsupported("its result is an empty tensor"));
    }
    let element = |mut at: usize| {
        let (mut index, mut stride) = (0, 1);
        for axis in (0..to.len()).rev() {
            let place = at % to[axis];
            at /= to[axis];
            // Of an odd difference, the smaller half stands before.
            let place = match to[axis] <= from[axis] {
                true => place + (from[axis] - to[axis]) / 2,
                false => match place.checked_sub((to[axis] - from[axis]) / 2) {
                    Some(place) if place < from[axis] => place,
                    _ => return Element::Constant(0.0),
                },
            };
            index += place * stride;
            stride *= from[axis];
        }
        Element::Input { input: 0, index }
    };
    node.emit(Op::Select((0..len).map(element).collect()), vec![value], to, dtype)
}

/// Slices along an axis that a constant condition keeps.
pub(super) fn compress(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let Some((_, keep)) = node.take_int_tensor(1)? else {
        return Err(node.malformed("its condition is missing".into()));
    };
    let (value, axis) = match node.int("axis") {
        Some(axis) => {
            let axis = node.axis(axis, value.shape().len())?;
            (value, axis)
        }
        None => {
            let len = value.len();
            (node.reshape(value, vec![len])?, 0)
        }
    };
    let from = value.shape().to_vec();
    if keep.len() > from[axis] {
        return Err(node.mismatch(format!("{} conditions for {}", keep.len(), from[axis])));
    }
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    choices[axis] = keep.iter().enumerate().filter(|(_, yes)| **yes != 0).map(|(i, _)| i).collect();
    let to: Vec<usize> = choices.iter().map(Vec::len).collect();
    node.pay(&to)?;
    let positions = shape::select(&from, &choices);
    node.pick(value, to, &positions)
}

/// Maxima put back where a pool found them.
pub(super) fn max_unpool(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let Some((at, indices)) = node.take_int_tensor(1)? else {
        return Err(node.malformed("indices are missing".into()));
    };
    if at != value.shape() || at.len() < 3 {
        return Err(node.mismatch(format!("indices of shape {at:?} for {:?}", value.shape())));
    }
    let spatial = at.len() - 2;
    let list = |name: &str, default: i64| {
        node.ints(name).map_or_else(|| vec![default; spatial], <[i64]>::to_vec)
    };
    let (kernel, strides) = (list("kernel_shape", 1), list("strides", 1));
    let pads = node.ints("pads").map_or_else(|| vec![0; 2 * spatial], <[i64]>::to_vec);
    let mut own = at.clone();
    for axis in 0..spatial {
        let [Some(kernel), Some(stride), Some(before), Some(after)] =
            [kernel.get(axis), strides.get(axis), pads.get(axis), pads.get(axis + spatial)]
        else {
            return Err(node.malformed("attributes of different lengths".into()));
        };
        let size = (at[2 + axis] as i64 - 1)
            .saturating_mul(*stride)
            .saturating_add(*kernel)
            .saturating_sub(before.saturating_add(*after));
        own[2 + axis] =
            usize::try_from(size).map_err(|_| node.malformed(format!("size {size}")))?;
    }
    let to = match node.take_ints(2)? {
        None => own.clone(),
        Some(to) => to
            .iter()
            .map(|d| usize::try_from(*d).map_err(|_| node.malformed(format!("size {d}"))))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let fits = to.len() == own.len() && to.iter().zip(&own).all(|(to, own)| to >= own);
    let len = node.pay(&to)?;
    if !fits {
        return Err(node.mismatch(format!("an output of {to:?} for windows over {own:?}")));
    }
    // Indices count in the tensor that was pooled.
    let total: usize = own.iter().product();
    let place = |index: i64| {
        let mut index = usize::try_from(index).ok().filter(|index| *index < total)?;
        let (mut at, mut stride) = (0, 1);
        for axis in (0..to.len()).rev() {
            at += index % own[axis] * stride;
            index /= own[axis];
            stride *= to[axis];
        }
        Some(at)
    };
    let positions: Option<Vec<usize>> = indices.iter().map(|index| place(*index)).collect();
    let positions = positions.ok_or_else(|| node.malformed("an index beyond the tensor".into()))?;
    let zeros = Tensor { shape: to, dtype: value.dtype(), data: Data::Float(vec![0.0; len]) };
    put(node, Value::Const(zeros), value, &positions, "none")
}
