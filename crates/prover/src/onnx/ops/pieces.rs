//! Operators that take tensors apart and put them together: Concat, Split, Slice, Gather
//! and its relatives.

use crate::{
    graph::{Element, Function, Linear, LinearMap, Op, Test},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::{activation::apply, compare, ml, quantize},
        shape,
        tensor::{Data, Tensor},
    },
};

pub(super) fn concat(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let count = node.input_count();
    let parts = (0..count).map(|i| node.take(i)).collect::<Result<Vec<_>, _>>()?;
    beside(node, parts, node.int("axis").unwrap_or(0))
}

/// Matrices side by side.
pub(super) fn join_columns(node: &mut Node<'_>, parts: Vec<Value>) -> Result<Value, OnnxError> {
    beside(node, parts, 1)
}

fn beside(node: &mut Node<'_>, parts: Vec<Value>, axis: i64) -> Result<Value, OnnxError> {
    let Some((first, dtype)) = parts.first().map(|p| (p.shape().to_vec(), p.dtype())) else {
        return Err(node.malformed("it has no inputs".into()));
    };
    let axis = node.axis(axis, first.len())?;
    let mut to = first.clone();
    to[axis] = 0;
    for part in &parts {
        let shape = part.shape();
        let fits = shape.len() == first.len()
            && (0..shape.len()).all(|i| i == axis || shape[i] == first[i]);
        if !fits {
            return Err(node.mismatch(format!("{first:?} beside {shape:?} along axis {axis}")));
        }
        if part.dtype() != dtype {
            let (a, b) = (dtype.name(), part.dtype().name());
            return Err(node.malformed(format!("it mixes {a} with {b}")));
        }
        let sum = to[axis].checked_add(shape[axis]);
        to[axis] = sum.ok_or_else(|| node.malformed("its size overflows".into()))?;
    }
    node.pay(&to)?;
    node.pay(&to)?;
    // Elements of each part that stay together.
    let runs: Vec<usize> = parts.iter().map(|part| part.shape()[axis..].iter().product()).collect();
    let outer: usize = to[..axis].iter().product();
    let places = (0..outer).flat_map(|o| {
        runs.iter().enumerate().flat_map(move |(input, &run)| {
            (o * run..(o + 1) * run).map(move |index| (input, index))
        })
    });
    if parts.iter().all(|part| matches!(part, Value::Const(_))) {
        return join(node, &parts, to, places);
    }
    let elements = places.map(|(input, index)| Element::Input { input, index }).collect();
    node.emit(Op::Select(elements), parts, to, dtype)
}

/// Constants, put together exactly.
fn join(
    node: &Node<'_>,
    parts: &[Value],
    shape: Vec<usize>,
    places: impl Iterator<Item = (usize, usize)>,
) -> Result<Value, OnnxError> {
    let (mut floats, mut ints) = (vec![], vec![]);
    for (input, index) in places {
        match &parts[input] {
            Value::Const(Tensor { data: Data::Float(values), .. }) => floats.push(values[index]),
            Value::Const(Tensor { data: Data::Int(values), .. }) => ints.push(values[index]),
            Value::Signal(_) => return Err(node.malformed("it mixes constants".into())),
        }
    }
    let dtype = parts[0].dtype();
    let data = if dtype.is_float() { Data::Float(floats) } else { Data::Int(ints) };
    Ok(Value::Const(Tensor { shape, dtype, data }))
}

pub(super) fn split(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(0), from.len())?;
    let given = match node.opset {
        ..13 => node.ints("split").map(<[i64]>::to_vec),
        _ => node.take_ints(1)?,
    };
    let count = node.output_count();
    let wanted = node.int("num_outputs");
    if wanted.is_some_and(|wanted| usize::try_from(wanted) != Ok(count)) {
        return Err(node.malformed(format!("num_outputs is not its {count} outputs")));
    }
    let sizes: Vec<usize> = match given {
        Some(_) if wanted.is_some() => {
            return Err(node.malformed("it has both split and num_outputs".into()));
        }
        Some(sizes) => {
            let size = |&d: &i64| usize::try_from(d).ok();
            let sizes: Option<Vec<usize>> = sizes.iter().map(size).collect();
            sizes.ok_or_else(|| node.malformed("a part of it has a negative size".into()))?
        }
        None => {
            // All parts alike, the last one shorter since opset 18.
            let each = from[axis].div_ceil(count.max(1));
            let parts: Vec<usize> =
                (0..count).map(|i| from[axis].saturating_sub(i * each).min(each)).collect();
            let uneven = node.opset < 18 && parts.last() != Some(&each);
            if uneven || parts.contains(&0) {
                let detail = format!("{} elements in {count} parts", from[axis]);
                return Err(node.malformed(detail));
            }
            parts
        }
    };
    let total = sizes.iter().try_fold(0usize, |sum, &d| sum.checked_add(d));
    if total != Some(from[axis]) || sizes.len() != count {
        let detail = format!("parts {sizes:?} of {} for {count} outputs", from[axis]);
        return Err(node.mismatch(detail));
    }
    let mut start = 0;
    let mut parts = vec![];
    for size in sizes {
        let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
        choices[axis] = (start..start + size).collect();
        start += size;
        node.pay(&[value.len()])?;
        parts.push(choose(node, value.clone(), &choices)?);
    }
    Ok(parts)
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
        _ => (
            node.take_ints(1)?.unwrap_or_default(),
            node.take_ints(2)?.unwrap_or_default(),
            node.take_ints(3)?,
            node.take_ints(4)?,
        ),
    };
    let axes = axes.unwrap_or_else(|| (0i64..).take(starts.len()).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(node.malformed("starts, ends, axes and steps differ in length".into()));
    }
    let axes = node.axes(&axes, from.len())?;
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    for (((&start, &end), axis), &step) in starts.iter().zip(&ends).zip(axes).zip(&steps) {
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
    let axis = node.axis(node.int("axis").unwrap_or(0), value.shape().len())?;
    if let (Value::Const(table), Some(Value::Signal(_)), 0) = (&value, node.peek(1), axis) {
        return embedded(node, table);
    }
    along(node, value, axis)
}

/// Rows of a constant table by indices that depend on the input: a truth value for every row,
/// of which one is 1, and their sum. An index beyond the table is refused with the ranges.
fn embedded(node: &mut Node<'_>, table: &Tensor) -> Result<Value, OnnxError> {
    let indices = node.take(1)?;
    let Some((&rows, width)) = table.shape.split_first() else {
        return Err(node.malformed("its table is a number".into()));
    };
    let values: Vec<f64> = match &table.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    };
    // Integers are chosen as the real numbers that they are.
    let whole = !table.dtype.is_float();
    let dtype = if whole { DType::Float32 } else { table.dtype };
    let (columns, count) = (width.iter().product::<usize>(), indices.len());
    let to = [indices.shape(), width].concat();
    let len = node.pay(&[count, rows, columns.max(1)])? / rows.max(1);
    let within = Function::Within { low: -(rows as f64), high: rows as f64 - 1.0 };
    let indices = apply(node, within, indices)?;
    let spread: Vec<usize> = (0..count * rows).map(|at| at / rows).collect();
    let indices = node.pick(indices, vec![count, rows], &spread)?;
    // A negative index counts from the end.
    let tests = |at: usize| {
        let row = (at % rows) as f64;
        vec![(Test::Equal(row), 1.0), (Test::Equal(row - rows as f64), 1.0)]
    };
    let chosen = compare::each(node, indices, 0.0, tests, dtype)?;
    let weights = (0..columns * rows).map(|at| values[at % rows * columns + at / rows]).collect();
    let map = LinearMap::Dense { positions: count, inputs: rows, outputs: columns, weights };
    let linear = Linear { maps: vec![map], bias: vec![0.0; len] };
    let rows = node.emit(Op::Linear(linear), vec![chosen], to, dtype)?;
    if whole { quantize::as_whole(node, rows, table.dtype) } else { Ok(rows) }
}

/// Elements of `value` along an axis, chosen by constant indices (input 1).
fn along(node: &mut Node<'_>, value: Value, axis: usize) -> Result<Value, OnnxError> {
    let from = value.shape().to_vec();
    let indices = node.take_int_tensor(1)?;
    let (shape, chosen) = indices.ok_or_else(|| node.malformed("indices are missing".into()))?;
    let mut choices: Vec<Vec<usize>> = from.iter().map(|&d| (0..d).collect()).collect();
    choices[axis] = chosen
        .iter()
        .map(|&i| {
            node.axis(i, from[axis]).map_err(|_| {
                node.malformed(format!("index {i} of {} elements along axis {axis}", from[axis]))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let picked = choose(node, value, &choices)?;
    let to = [&from[..axis], &shape, &from[axis + 1..]].concat();
    if picked.shape() == to { Ok(picked) } else { node.reshape(picked, to) }
}

pub(super) fn gather_elements(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let from = value.shape().to_vec();
    let axis = node.axis(node.int("axis").unwrap_or(0), from.len())?;
    let indices = node.take_int_tensor(1)?;
    let (to, chosen) = indices.ok_or_else(|| node.malformed("indices are missing".into()))?;
    let fits = to.len() == from.len() && (0..to.len()).all(|i| i == axis || to[i] <= from[i]);
    if !fits {
        return Err(node.mismatch(format!("indices of shape {to:?} into {from:?}")));
    }
    node.pay(&to)?;
    let here: Vec<Vec<usize>> = to
        .iter()
        .enumerate()
        .map(|(i, &d)| match i == axis {
            // The coordinate along the axis comes from the index.
            true => vec![0; d],
            false => (0..d).collect(),
        })
        .collect();
    let inner: usize = from[axis + 1..].iter().product();
    let mut positions = shape::select(&from, &here);
    for (position, &i) in positions.iter_mut().zip(&chosen) {
        *position += node.axis(i, from[axis])? * inner;
    }
    node.pick(value, to, &positions)
}

/// Columns of the last axis.
pub(super) fn array_feature_extractor(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let mut value = node.take(0)?;
    if let &[n] = value.shape() {
        value = node.reshape(value, vec![1, n])?;
    }
    if let (Value::Const(table), &[rows, columns]) = (&value, value.shape())
        && let Some(Value::Signal(_)) = node.peek(1)
    {
        let at = node.take(1)?;
        let mut found = Vec::with_capacity(rows);
        node.pay(&[rows, columns, 2])?;
        for row in 0..rows {
            let own = row * columns..(row + 1) * columns;
            let data = match &table.data {
                Data::Float(values) => Data::Float(values[own].to_vec()),
                Data::Int(values) => Data::Int(values[own].to_vec()),
            };
            let row = Tensor { shape: vec![1, columns], dtype: table.dtype, data };
            found.push(looked_up(node, &row, at.clone())?);
        }
        return match (found.len(), found.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => beside(node, found.into_iter().chain(last).collect(), 0),
        };
    }
    let rank = value.shape().len();
    let lead = value.shape().get(..rank.saturating_sub(1)).unwrap_or_default().to_vec();
    let axis = node.axis(-1, rank)?;
    let picked = along(node, value, axis)?;
    let columns = picked.len() / lead.iter().product::<usize>().max(1);
    node.reshape(picked, [&lead[..], &[columns]].concat())
}

/// Elements of a list of constants by a position that depends on the input, as labels are by
/// the greatest score: a step at every position.
fn looked_up(node: &mut Node<'_>, table: &Tensor, at: Value) -> Result<Value, OnnxError> {
    let values: Vec<f64> = match &table.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    };
    let Some(first) = values.first().copied() else {
        return Err(node.malformed("it chooses among no constants".into()));
    };
    if at.dtype().is_float() {
        return Err(node.malformed(format!("its positions have type {}", at.dtype().name())));
    }
    let steps = values.windows(2).enumerate();
    let steps =
        steps.map(|(place, pair)| (Test::AtLeast((place + 1) as f64), pair[1] - pair[0])).collect();
    let count = at.len();
    let found = ml::step_function(node, at, first, steps, false, table.dtype)?;
    node.reshape(found, vec![1, count])
}

/// The elements of `value` at all combinations of the chosen coordinates.
fn choose(node: &mut Node<'_>, value: Value, choices: &[Vec<usize>]) -> Result<Value, OnnxError> {
    let to: Vec<usize> = choices.iter().map(Vec::len).collect();
    if to == value.shape()
        && choices.iter().all(|choice| choice.iter().copied().eq(0..choice.len()))
    {
        return Ok(value);
    }
    node.pay(&to)?;
    let positions = shape::select(value.shape(), choices);
    node.pick(value, to, &positions)
}
