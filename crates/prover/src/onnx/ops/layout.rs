//! Operators that move elements and change shapes: they cost a model nothing.

use super::arithmetic::constant_map;
use crate::onnx::{
    error::OnnxError,
    map::Map,
    node::{Node, Signal, Value},
    shape,
    tensor::{Data, Tensor},
};

/// Nothing at inference.
pub(super) fn dropout(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let training = node.take_ints(2)?;
    if training.is_some_and(|t| matches!(t.data, Data::Int(v) if v.iter().any(|&v| v != 0))) {
        return Err(node.unsupported("it is in training mode; export the model for inference"));
    }
    node.take(0)
}

pub(super) fn reshape(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let wanted = required_ints(node, 1)?;
    let from = value.shape().to_vec();
    let bad = |node: &Node<'_>| node.mismatch(format!("{from:?} cannot become {wanted:?}"));
    let keep_zero = node.int("allowzero").unwrap_or(0) != 0;
    let mut to = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (axis, &dim) in wanted.iter().enumerate() {
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
        Some(axes) => {
            axes.iter().map(|&a| node.axis(a, from.len())).collect::<Result<Vec<_>, _>>()?
        }
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
    let new = axes.iter().map(|&a| node.axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = value.shape().iter();
    let to: Option<Vec<usize>> =
        (0..rank).map(|i| if new.contains(&i) { Some(1) } else { old.next().copied() }).collect();
    let to = to.ok_or_else(|| node.malformed(format!("axes {axes:?} repeat")))?;
    node.reshape(value, to)
}

pub(super) fn transpose(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let axes = match node.ints("perm") {
        Some(perm) => {
            perm.iter().map(|&a| node.axis(a, from.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..from.len()).rev().collect(),
    };
    if axes.len() != from.len() || (0..from.len()).any(|axis| !axes.contains(&axis)) {
        return Err(node.malformed(format!("{axes:?} is no order of {} axes", from.len())));
    }
    let to: Vec<usize> = axes.iter().map(|&axis| from[axis]).collect();
    if from.iter().filter(|&&d| d > 1).count() <= 1 {
        return node.reshape(value, to);
    }
    node.pay(&to)?;
    let positions = shape::transpose(&from, &axes);
    node.pick(value, to, &positions)
}

pub(super) fn slice(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let (starts, ends, axes, steps) = match node.opset {
        ..10 => (
            node.ints("starts").unwrap_or_default().to_vec(),
            node.ints("ends").unwrap_or_default().to_vec(),
            node.ints("axes").map(<[i64]>::to_vec),
            None,
        ),
        _ => (required_ints(node, 1)?, required_ints(node, 2)?, ints(node, 3)?, ints(node, 4)?),
    };
    let axes = axes.unwrap_or_else(|| (0i64..).take(starts.len()).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(node.malformed("starts, ends, axes and steps differ in length".into()));
    }
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = node.axis(axis, from.len())?;
        choices[axis] = range(from[axis], start, end, step)
            .ok_or_else(|| node.malformed(format!("step {step}")))?;
    }
    choose(node, value, &choices)
}

/// The coordinates start, start + step, … before end, as ONNX's Slice clamps them.
fn range(dim: usize, start: i64, end: i64, step: i64) -> Option<Vec<usize>> {
    let size = i64::try_from(dim).ok()?;
    let from_front = |i: i64| if i < 0 { i.saturating_add(size) } else { i };
    let (start, end) = (from_front(start), from_front(end));
    let stride = usize::try_from(step.unsigned_abs()).ok().filter(|&s| s > 0)?;
    let to_usize = |i: i64| usize::try_from(i).unwrap_or(0);
    Some(match step > 0 {
        true => {
            let (start, end) = (start.clamp(0, size), end.clamp(0, size));
            (to_usize(start)..to_usize(end)).step_by(stride).collect()
        }
        // Downwards from `start` to above `end`; shifted by one to stay unsigned.
        false => {
            let (start, end) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
            (to_usize(end + 1)..to_usize(start + 1)).rev().step_by(stride).collect()
        }
    })
}

pub(super) fn gather(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(0), from.len())?;
    let indices = node.take_ints(1)?.ok_or_else(|| node.malformed("indices are missing".into()))?;
    let Data::Int(chosen) = indices.data else {
        return Err(node.malformed("indices are not integers".into()));
    };
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    choices[axis] =
        chosen.iter().map(|&i| node.axis(i, from[axis])).collect::<Result<Vec<_>, _>>()?;
    let picked = choose(node, value, &choices)?;
    let to = [&from[..axis], &indices.shape, &from[axis + 1..]].concat();
    if picked.shape() == to { Ok(picked) } else { node.reshape(picked, to) }
}

/// The elements of `value` at all combinations of the chosen coordinates.
fn choose(node: &mut Node<'_>, value: Value, choices: &[Vec<usize>]) -> Result<Value, OnnxError> {
    let to: Vec<usize> = choices.iter().map(Vec::len).collect();
    node.pay(&to)?;
    let positions = shape::select(value.shape(), choices);
    node.pick(value, to, &positions)
}

pub(super) fn concat(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let mut parts = Vec::with_capacity(node.input_count());
    for i in 0..node.input_count() {
        parts.push(node.take(i)?);
    }
    let first = parts.first().map(|p| p.shape().to_vec()).unwrap_or_default();
    let axis = node.axis(node.int("axis").unwrap_or(0), first.len())?;
    let mut to = first.clone();
    to[axis] = 0;
    // Elements of each part that stay together, and where the part starts.
    let mut runs = vec![];
    let mut start = 0;
    for part in &parts {
        let shape = part.shape();
        let fits = shape.len() == first.len()
            && (0..shape.len()).all(|i| i == axis || shape[i] == first[i]);
        if !fits {
            return Err(node.mismatch(format!("{first:?} beside {shape:?} along axis {axis}")));
        }
        runs.push((start, shape[axis..].iter().product::<usize>()));
        start += node.pay(shape)?;
        to[axis] += shape[axis];
    }
    let outer: usize = first[..axis].iter().product();
    let joined = join(node, parts)?;
    if outer == 1 {
        return node.reshape(joined, to);
    }
    node.pay(&to)?;
    let positions: Vec<usize> = (0..outer)
        .flat_map(|o| {
            runs.iter().flat_map(move |&(start, run)| start + o * run..start + (o + 1) * run)
        })
        .collect();
    node.pick(joined, to, &positions)
}

/// All elements of the parts, one part after the other, in one dimension.
fn join(node: &mut Node<'_>, parts: Vec<Value>) -> Result<Value, OnnxError> {
    let of_signal = |v: &Value| match v {
        Value::Signal(s) => Some((s.stage, s.map.inputs())),
        Value::Const(_) => None,
    };
    if let Some((stage, inputs)) = parts.iter().find_map(of_signal) {
        let (mut maps, mut nodes) = (vec![], vec![]);
        for part in parts {
            match part {
                Value::Signal(signal) => {
                    nodes.extend(signal.nodes);
                    maps.push(signal.map);
                }
                Value::Const(tensor) => maps.push(constant_map(node, inputs, tensor)?),
            }
        }
        let map = Map::concat(inputs, maps, &mut node.payer())?;
        return Ok(Value::Signal(Signal { shape: vec![map.outputs()], map, stage, nodes }));
    }
    let (mut floats, mut ints) = (vec![], vec![]);
    for part in parts {
        match part {
            Value::Const(Tensor { data: Data::Float(values), .. }) => floats.extend(values),
            Value::Const(Tensor { data: Data::Int(values), .. }) => ints.extend(values),
            Value::Signal(_) => {}
        }
    }
    match (floats.is_empty(), ints.is_empty()) {
        (false, false) => Err(node.malformed("it mixes floats with integers".into())),
        (false, true) => Ok(Value::Const(Tensor::vector(Data::Float(floats)))),
        _ => Ok(Value::Const(Tensor::vector(Data::Int(ints)))),
    }
}

/// The `axes` of Squeeze and Unsqueeze: an input since opset 13.
fn axes(node: &mut Node<'_>) -> Result<Option<Vec<i64>>, OnnxError> {
    match node.opset {
        ..13 => Ok(node.ints("axes").map(<[i64]>::to_vec)),
        _ => ints(node, 1),
    }
}

fn ints(node: &mut Node<'_>, index: usize) -> Result<Option<Vec<i64>>, OnnxError> {
    Ok(node.take_ints(index)?.and_then(|tensor| match tensor.data {
        Data::Int(values) => Some(values),
        Data::Float(_) => None,
    }))
}

fn required_ints(node: &mut Node<'_>, index: usize) -> Result<Vec<i64>, OnnxError> {
    ints(node, index)?.ok_or_else(|| node.malformed(format!("input {index} is missing")))
}
