//! ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ArgMax and ArgMin; CumSum and CumProd.

use crate::{
    graph::{Element, Extremum, Op, Product},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::{products, sums},
        shape,
        tensor::{Data, Tensor},
    },
};

pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let since = if operator == "ReduceSum" { 13 } else { 18 };
    let Some((axes, keep)) = axes(node, x.shape().len(), since)? else { return Ok(x) };
    if !x.dtype().computes() || (operator == "ReduceMean" && !x.dtype().is_float()) {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    reduce(node, x, &axes, keep, operator)
}

/// The axes to reduce, an input since operator set `since`, and whether they are kept as ones;
/// nothing where nothing is reduced.
pub(super) fn axes(
    node: &mut Node<'_>,
    rank: usize,
    since: i64,
) -> Result<Option<(Vec<usize>, bool)>, OnnxError> {
    let axes = match node.opset < since {
        true => node.ints("axes").map(<[i64]>::to_vec),
        false => node.take_ints(1)?,
    };
    let axes = match axes {
        Some(axes) if !axes.is_empty() => node.axes(&axes, rank)?,
        _ if node.flag("noop_with_empty_axes", false)? => return Ok(None),
        _ => (0..rank).collect(),
    };
    Ok(Some((axes, node.flag("keepdims", true)?)))
}

/// The sum, mean, maximum, minimum or product over some axes.
pub(super) fn reduce(
    node: &mut Node<'_>,
    x: Value,
    axes: &[usize],
    keep: bool,
    operator: &str,
) -> Result<Value, OnnxError> {
    let (to, groups) = groups(node, x.shape(), axes, keep)?;
    let dtype = x.dtype();
    let op = match operator {
        "ReduceMax" | "ReduceMin" => {
            Op::Extremum(Extremum { minimum: operator == "ReduceMin", groups })
        }
        "ReduceSum" | "ReduceMean" => {
            let row = |group: Vec<usize>| {
                let count = group.len() as f64;
                let factor = if operator == "ReduceMean" { 1.0 / count } else { 1.0 };
                group.into_iter().map(move |index| (index, factor))
            };
            return sums::weighted(node, x, to, groups.into_iter().map(row), None);
        }
        _ => return product(node, x, to, &groups),
    };
    node.emit(op, vec![x], to, dtype)
}

/// Products of two elements, of which and another one are products, and so on.
fn product(
    node: &mut Node<'_>,
    x: Value,
    shape: Vec<usize>,
    groups: &[Vec<usize>],
) -> Result<Value, OnnxError> {
    let (dtype, size) = (x.dtype(), groups.first().map_or(0, Vec::len));
    if let (Value::Signal(_), true) = (&x, !dtype.is_float()) {
        return Err(node.unsupported("it multiplies integers, whose products may wrap"));
    }
    let Value::Const(Tensor { data, dtype, .. }) = x else {
        let member = |member: usize| groups.iter().map(|group| group[member]).collect::<Vec<_>>();
        let mut made = match size {
            1 => return node.pick(x, shape, &member(0)),
            _ => {
                let pairs = groups.iter().map(|group| [group[0], group[1]]).collect();
                let pairs = Product { starts: (0..=groups.len()).collect(), pairs };
                node.pay(&[groups.len(), 3])?;
                node.emit(Op::Product(pairs), vec![x.clone()], shape.clone(), dtype)?
            }
        };
        for at in 2..size {
            let next = node.pick(x.clone(), shape.clone(), &member(at))?;
            made = products::multiply(node, made, next)?;
        }
        return Ok(made);
    };
    let data = match data {
        Data::Float(v) => {
            Data::Float(groups.iter().map(|g| g.iter().map(|&i| v[i]).product()).collect())
        }
        Data::Int(v) => {
            let all = |g: &Vec<usize>| g.iter().try_fold(1i64, |p, &i| p.checked_mul(v[i]));
            let values: Option<_> = groups.iter().map(all).collect();
            Data::Int(values.ok_or_else(|| node.malformed("integers overflow".into()))?)
        }
    };
    Ok(Value::Const(Tensor { shape, dtype, data }))
}

/// What runs along an axis.
struct Running {
    x: Value,
    axis: usize,
    /// Whether an element's own is left out.
    exclusive: bool,
    /// Whether it runs from the end.
    reverse: bool,
}

impl Running {
    fn read(node: &mut Node<'_>) -> Result<Self, OnnxError> {
        let x = node.take(0)?;
        let axis = match node.take_ints(1)?.as_deref() {
            Some([axis]) => node.axis(*axis, x.shape().len())?,
            _ => return Err(node.malformed("its axis is not one integer".into())),
        };
        let (exclusive, reverse) = (node.flag("exclusive", false)?, node.flag("reverse", false)?);
        Ok(Self { x, axis, exclusive, reverse })
    }
}

/// Running sums along an axis.
pub(super) fn cumulative(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let Running { x, axis, exclusive, reverse } = Running::read(node)?;
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let size = x.shape()[axis];
    let inner: usize = x.shape()[axis + 1..].iter().product();
    node.pay(&[x.len(), size])?;
    let row = |at: usize| {
        let (place, first) = (at / inner % size, at - at / inner % size * inner);
        let own = usize::from(!exclusive);
        let members = if reverse { place + 1 - own..size } else { 0..place + own };
        members.map(move |member| (first + member * inner, 1.0))
    };
    let (shape, len) = (x.shape().to_vec(), x.len());
    sums::weighted(node, x, shape, (0..len).map(row), None)
}

/// Running products along an axis.
pub(super) fn cumulative_product(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let Running { x, axis, exclusive, reverse } = Running::read(node)?;
    if !x.dtype().is_float() && (!x.dtype().computes() || matches!(x, Value::Signal(_))) {
        return Err(node.unsupported("it multiplies integers, whose products may wrap"));
    }
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let rows = node.pay(&shape)?.checked_div(size).filter(|rows| *rows > 0);
    let rows = rows.ok_or_else(|| node.unsupported("it multiplies an empty tensor"))?;
    // The elements at one place of each row, and their products so far.
    let at = |place: usize| {
        let place = if reverse { size - 1 - place } else { place };
        let of = |row: usize| row / inner * inner * size + place * inner + row % inner;
        (0..rows).map(of).collect::<Vec<_>>()
    };
    node.pay(&[x.len(), 4])?;
    let mut products: Vec<Value> = Vec::with_capacity(size);
    for place in 0..size - usize::from(exclusive) {
        let next = node.pick(x.clone(), vec![rows], &at(place))?;
        let made = match products.last().cloned() {
            Some(before) => products::multiply(node, before, next)?,
            None => next,
        };
        products.push(made);
    }
    let element = |index: usize| {
        let (place, row) = (index / inner % size, index / inner / size * inner + index % inner);
        let place = if reverse { size - 1 - place } else { place };
        match place.checked_sub(usize::from(exclusive)) {
            Some(input) => Element::Input { input, index: row },
            None => Element::Constant(1.0),
        }
    };
    let elements = (0..x.len()).map(element).collect();
    node.emit(Op::Select(elements), products, shape, dtype)
}

/// The position of the greatest element along an axis, or of the least.
pub(super) fn arg(node: &mut Node<'_>, minimum: bool) -> Result<Value, OnnxError> {
    let mut x = node.take(0)?;
    let axis = node.axis(node.int("axis").unwrap_or(0), x.shape().len())?;
    // Exponentials and softmax keep the order, which is not rounded before them.
    if let Value::Signal(signal) = &mut x
        && axis + 1 == signal.shape.len()
    {
        signal.id = node.ordered_as(signal.id);
    }
    let keep = node.flag("keepdims", true)?;
    let last = node.flag("select_last_index", false)?;
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let (to, mut groups) = groups(node, x.shape(), &[axis], keep)?;
    if !last {
        let op = Op::ArgExtremum(Extremum { minimum, groups });
        return node.emit(op, vec![x], to, DType::Int64);
    }
    // Of equal elements the first one from the end.
    groups.iter_mut().for_each(|group| group.reverse());
    let size = groups.first().map_or(1, Vec::len) as f64;
    let op = Op::ArgExtremum(Extremum { minimum, groups });
    let from_end = node.emit(op, vec![x], to, DType::Int64)?;
    node.scale(from_end, |_| (-1.0, size - 1.0))
}

/// The shape after a reduction, and for each of its elements those it is taken over.
pub(super) fn groups(
    node: &mut Node<'_>,
    from: &[usize],
    axes: &[usize],
    keep: bool,
) -> Result<(Vec<usize>, Vec<Vec<usize>>), OnnxError> {
    let reduced = |axis: usize| axes.contains(&axis);
    let size: usize = axes.iter().map(|&axis| from[axis]).product();
    let count = from.iter().product::<usize>().checked_div(size);
    let Some(count) = count else {
        return Err(node.unsupported("it reduces an empty tensor"));
    };
    node.pay(&[count, size.saturating_add(3)])?;
    let rank = from.len();
    let order: Vec<usize> =
        (0..rank).filter(|&a| !reduced(a)).chain((0..rank).filter(|&a| reduced(a))).collect();
    let positions = shape::transpose(from, &order);
    let groups = positions.chunks(size.max(1)).map(<[usize]>::to_vec).collect();
    let to = from.iter().enumerate().filter_map(|(axis, &d)| match (reduced(axis), keep) {
        (true, true) => Some(1),
        (true, false) => None,
        (false, _) => Some(d),
    });
    Ok((to.collect(), groups))
}
