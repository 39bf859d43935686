//! What is made of exponentials, logarithms and powers: Exp, Pow, Softplus, LogSoftmax, sums and
//! norms over axes.
//!
//! A curve is approximated by straight pieces within its share of the allowed error, over all
//! values that the declared ranges let it take. So what is written with large numbers in
//! between is brought to a form without them: 1 / (1 + exp(x)) is a sigmoid, and exp(x − ln Σ
//! exp(x)) has no argument above 0.

use super::activation::apply;
use crate::{
    graph::{Curve, Element, Function, Linear, LinearMap, Op, TensorId},
    onnx::{
        error::OnnxError,
        node::{Node, Signal, Value},
        ops::{arithmetic::add, products, reduce, shares, softmax},
        tensor::{Data, Tensor},
    },
};

/// exp(x), which has no argument above 0 where that is known.
pub(super) fn exp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let bounded = match is_below_its_log_sum(node, &x) {
        true => apply(node, Function::Clip { low: f64::NEG_INFINITY, high: 0.0 }, x)?,
        false => x,
    };
    apply(node, Function::Curve(Curve::Exp), bounded)
}

/// ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(−|x|)).
pub(super) fn softplus(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let straight = apply(node, Function::Relu, x.clone())?;
    let rest = apply(node, Function::Curve(Curve::SoftplusRest), x)?;
    add(node, vec![(straight, 1.0), (rest, 1.0)])
}

/// x to the power of a tensor, which must be one constant.
pub(super) fn power(node: &mut Node<'_>, x: Value, exponent: Value) -> Result<Value, OnnxError> {
    if !x.dtype().computes() {
        return Err(node.unsupported(format!("its input has type {}", x.dtype().name())));
    }
    let (shape, whole) = (x.shape().to_vec(), !x.dtype().is_float());
    let mut both = node.broadcast(vec![x, exponent])?;
    let (Some(exponent), Some(x)) = (both.pop(), both.pop()) else {
        return Err(node.malformed("it has no operands".into()));
    };
    if let (Value::Const(Tensor { data: Data::Float(bases), .. }), Value::Signal(_)) =
        (&x, &exponent)
    {
        // b^y is exp(y·ln b).
        return match bases.first().copied() {
            Some(base) if base > 0.0 && bases.iter().all(|other| *other == base) => {
                let scaled = node.scale(exponent, |_| (base.ln(), 0.0))?;
                apply(node, Function::Curve(Curve::Exp), scaled)
            }
            _ => Err(node.unsupported("its bases are not one positive constant")),
        };
    }
    if x.shape() != shape {
        return Err(node.unsupported("its exponents are more than its input"));
    }
    let exponent = match exponent {
        Value::Const(tensor) => match tensor.data {
            Data::Float(values) => values,
            Data::Int(values) => values.into_iter().map(|v| v as f64).collect(),
        },
        Value::Signal(_) => return Err(node.unsupported("its exponent is not a constant")),
    };
    if whole && exponent.iter().any(|e| ![0.0, 1.0, 2.0, 3.0].contains(e)) {
        return Err(node.unsupported("of integers, only powers of 0 to 3 are read"));
    }
    let mut powers = exponent.clone();
    powers.sort_by(f64::total_cmp);
    powers.dedup();
    if let [power] = powers[..] {
        return raise(node, x, power);
    }
    // The elements of each exponent apart, and together again.
    let (shape, dtype, len) = (x.shape().to_vec(), x.dtype(), x.len());
    let mut elements = vec![Element::Constant(1.0); len];
    let mut parts = Vec::new();
    for power in powers {
        let own: Vec<usize> = (0..len).filter(|at| exponent[*at] == power).collect();
        if power == 0.0 {
            continue;
        }
        let picked = node.pick(x.clone(), vec![own.len()], &own)?;
        parts.push(raise(node, picked, power)?);
        for (index, at) in own.into_iter().enumerate() {
            elements[at] = Element::Input { input: parts.len() - 1, index };
        }
    }
    node.emit(Op::Select(elements), parts, shape, dtype)
}

/// x to a constant power.
pub(super) fn raise(node: &mut Node<'_>, x: Value, exponent: f64) -> Result<Value, OnnxError> {
    match exponent {
        0.0 => node.scale(x, |_| (0.0, 1.0)),
        1.0 => Ok(x),
        2.0 => products::multiply(node, x.clone(), x),
        4.0 => {
            let square = products::multiply(node, x.clone(), x)?;
            products::multiply(node, square.clone(), square)
        }
        3.0 => {
            let square = products::multiply(node, x.clone(), x.clone())?;
            products::multiply(node, square, x)
        }
        exponent if exponent.is_finite() && exponent != 0.0 => {
            apply(node, Function::Curve(Curve::Power(exponent)), x)
        }
        exponent => Err(node.unsupported(format!("its exponent is {exponent}"))),
    }
}

/// 1 / (1 + exp(z)) for what is made as 1 + exp(z), if `y` is.
pub(super) fn logistic(node: &mut Node<'_>, y: &Value) -> Result<Option<Value>, OnnxError> {
    let Value::Signal(signal) = y else { return Ok(None) };
    let maker = |id: TensorId| node.maker(id);
    let one = |values: &[f64]| values.iter().all(|value| *value == 1.0);
    let Some(sum) = maker(signal.id) else { return Ok(None) };
    let Op::Linear(Linear { maps, bias }) = &sum.op else { return Ok(None) };
    let ([LinearMap::Diagonal(factors)], [summand]) = (&maps[..], &sum.inputs[..]) else {
        return Ok(None);
    };
    let Some(exp) = maker(*summand) else { return Ok(None) };
    if !one(factors) || !one(bias) || exp.op != Op::Function(Function::Curve(Curve::Exp)) {
        return Ok(None);
    }
    let z = Signal { id: exp.inputs[0], ..signal.clone() };
    let negative = node.scale(Value::Signal(z), |_| (-1.0, 0.0))?;
    apply(node, Function::Curve(Curve::Sigmoid), negative).map(Some)
}

/// Whether x is some y − ln Σ exp(y), the sum being over elements of which each is one.
fn is_below_its_log_sum(node: &Node<'_>, x: &Value) -> bool {
    let Value::Signal(signal) = x else { return false };
    let maker = |id: TensorId| node.maker(id);
    let Some(Op::Linear(Linear { maps, bias })) = maker(signal.id).map(|node| &node.op) else {
        return false;
    };
    let ([LinearMap::Diagonal(plus), LinearMap::Diagonal(minus)], Some([y, sum])) =
        (&maps[..], maker(signal.id).map(|node| &node.inputs[..]))
    else {
        return false;
    };
    let fits = plus.iter().all(|f| *f == 1.0) && minus.iter().all(|f| *f == -1.0);
    if !fits || bias.iter().any(|b| *b != 0.0) {
        return false;
    }
    // The sum is spread over the elements, or stands as it is.
    let (sum, from): (TensorId, Vec<usize>) = match maker(*sum).map(|node| (&node.op, node)) {
        Some((Op::Select(elements), select)) if node.log_sum(*sum).is_none() => {
            let index = |element: &Element| match *element {
                Element::Input { input: 0, index } => Some(index),
                _ => None,
            };
            match elements.iter().map(index).collect() {
                Some(from) => (select.inputs[0], from),
                None => return false,
            }
        }
        _ => (*sum, (0..bias.len()).collect()),
    };
    let Some((source, groups)) = node.log_sum(sum) else { return false };
    let within = |(element, group): (usize, &usize)| {
        groups.get(*group).is_some_and(|group| group.contains(&element))
    };
    source == *y && from.iter().enumerate().all(within)
}

/// ln Σ exp over axes.
pub(super) fn reduce_log_sum_exp(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let Some((axes, keep)) = reduce::axes(node, x.shape().len(), 18)? else { return Ok(x) };
    let (to, groups) = reduce::groups(node, x.shape(), &axes, keep)?;
    let sum = log_sum_exp(node, x, &groups)?;
    node.reshape(sum, to)
}

/// Most exponentials that are summed.
const MAX_SUMMANDS: usize = 64;

/// ln Σ exp over each group of elements, groups being of one size: of two, the greater and a
/// function of their difference, and so on in pairs. Nothing in between is larger than the
/// result.
pub(super) fn log_sum_exp(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
) -> Result<Value, OnnxError> {
    let size = groups.first().map_or(0, Vec::len);
    if size == 0 || size > MAX_SUMMANDS {
        return Err(node.unsupported(format!(
            "it adds up {size} exponentials, of which 1 to {MAX_SUMMANDS} can be"
        )));
    }
    node.pay(&[groups.len(), size, 8])?;
    let mut parts = Vec::with_capacity(size);
    for member in 0..size {
        let at: Vec<usize> = groups.iter().map(|group| group[member]).collect();
        parts.push(node.pick(x.clone(), vec![groups.len()], &at)?);
    }
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(a) = rest.next() {
            let Some(b) = rest.next() else {
                pairs.push(a);
                break;
            };
            let difference = add(node, vec![(b, 1.0), (a.clone(), -1.0)])?;
            let above = softplus(node, difference)?;
            pairs.push(add(node, vec![(a, 1.0), (above, 1.0)])?);
        }
        parts = pairs;
    }
    let Some(sum) = parts.pop() else {
        return Err(node.malformed("it adds up nothing".into()));
    };
    if let (Value::Signal(x), Value::Signal(sum)) = (&x, &sum) {
        node.note_log_sum(sum.id, x.id, groups.to_vec());
    }
    Ok(sum)
}

/// exp(x − ln Σ exp(x)) over each group of elements, which partition x.
pub(super) fn softmax(
    node: &mut Node<'_>,
    x: Value,
    groups: &[Vec<usize>],
) -> Result<Value, OnnxError> {
    let shape = x.shape().to_vec();
    let of = match &x {
        Value::Signal(signal) => Some(signal.id),
        Value::Const(_) => None,
    };
    let probabilities = match groups {
        // Of one row, whose scores may be large, nothing is larger than the results.
        [group] if group.len() <= MAX_SUMMANDS && group.len() == x.len() => {
            let sum = log_sum_exp(node, x.clone(), groups)?;
            let spread = node.pick(sum, shape.clone(), &vec![0; x.len()])?;
            let log = add(node, vec![(x, 1.0), (spread, -1.0)])?;
            // Rounding may make it positive.
            let cap = Function::Clip { low: f64::NEG_INFINITY, high: 0.0 };
            let log = apply(node, cap, log)?;
            apply(node, Function::Curve(Curve::Exp), log)?
        }
        _ => shares::shares(node, x, groups, false)?,
    };
    let probabilities = node.reshape(probabilities, shape)?;
    let columns = probabilities.shape().last().copied().unwrap_or(1);
    let is_row = |(row, group): (usize, &Vec<usize>)| {
        group.iter().copied().eq(row * columns..(row + 1) * columns)
    };
    if groups.iter().enumerate().all(is_row) {
        node.note_normalized(&probabilities);
        of.into_iter().for_each(|of| node.note_ordered(&probabilities, of));
    }
    Ok(probabilities)
}

/// x − ln Σ exp(x) over an axis.
pub(super) fn log_softmax(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let shape = x.shape().to_vec();
    let groups = softmax::groups(node, &shape)?;
    let sums = log_sum_exp(node, x.clone(), &groups)?;
    let mut group_of = vec![0; x.len()];
    for (group, members) in groups.iter().enumerate() {
        members.iter().for_each(|member| group_of[*member] = group);
    }
    let spread = node.pick(sums, shape, &group_of)?;
    add(node, vec![(x, 1.0), (spread, -1.0)])
}

/// Σ |x| over axes.
pub(super) fn reduce_l1(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let axes = reduce::axes(node, x.shape().len(), 18)?;
    let sizes = apply(node, Function::Abs, x)?;
    match axes {
        Some((axes, keep)) => reduce::reduce(node, sizes, &axes, keep, "ReduceSum"),
        None => Ok(sizes),
    }
}

/// ln Σ x over axes.
pub(super) fn reduce_log_sum(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let sum = match reduce::axes(node, x.shape().len(), 18)? {
        Some((axes, keep)) => reduce::reduce(node, x, &axes, keep, "ReduceSum")?,
        None => x,
    };
    apply(node, Function::Curve(Curve::Log), sum)
}

/// Σ x² over axes, or its root.
pub(super) fn reduce_sum_square(node: &mut Node<'_>, norm: bool) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let axes = reduce::axes(node, x.shape().len(), 18)?;
    let squares = match axes {
        None => products::multiply(node, x.clone(), x)?,
        Some((axes, keep)) => {
            let (to, groups) = reduce::groups(node, x.shape(), &axes, keep)?;
            products::sums_of_squares(node, x, &groups, to)?
        }
    };
    if norm { products::root(node, squares) } else { Ok(squares) }
}
