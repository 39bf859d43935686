//! Quotients of what depends on the input by what does: shares of a sum.
//!
//! Where each element is an exponential (or a sigmoid, which is one of −ln(1 + exp(−z))) and
//! what it is divided by is the sum of such elements, it is a softmax of their exponents, in
//! which nothing is divided. Exporters guard such sums against 0; what is known of them says
//! that the guard does nothing.

use std::collections::{BTreeMap, HashMap};

use super::curves;
use crate::{
    graph::{self, Curve, Element, Function, LinearMap, Op, Shares, TensorId},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Signal, Value},
    },
};

/// An element of a tensor.
pub(super) type Place = (TensorId, usize);

/// How far back is looked for what a tensor is made of.
const MAX_STEPS: usize = 64;

/// a / b, element by element, if each is a share of a sum.
pub(super) fn share(node: &mut Node<'_>, a: &Value, b: &Value) -> Result<Option<Value>, OnnxError> {
    let (Value::Signal(above), Value::Signal(below)) = (a, b) else { return Ok(None) };
    let len = a.len();
    let origins: Option<Vec<Place>> = (0..len).map(|at| origin(node, (above.id, at))).collect();
    let Some(origins) = origins else { return Ok(None) };
    let places: HashMap<Place, usize> =
        origins.iter().enumerate().map(|(at, place)| (*place, at)).collect();
    if places.len() != len {
        return Ok(None);
    }
    // Each sum once, its summands in the order of the elements.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..len {
        let Some(summands) = summands(node, (below.id, at)) else { return Ok(None) };
        node.pay(&[summands.len(), 2])?;
        let own: Option<Vec<usize>> = summands.iter().map(|p| places.get(p).copied()).collect();
        let Some(mut own) = own else { return Ok(None) };
        own.sort_unstable();
        match own.first() {
            _ if !own.contains(&at) => return Ok(None),
            Some(first) if *first == at => groups.push(own),
            _ if groups.contains(&own) => {}
            _ => return Ok(None),
        }
    }
    let Some((z, function)) = arguments(node, &origins, (a.shape(), a.dtype()))? else {
        return Ok(None);
    };
    let logs = match function {
        Function::Curve(Curve::Exp) => z,
        // ln of a sigmoid is −ln(1 + exp(−z)).
        _ => {
            let negative = node.scale(z, |_| (-1.0, 0.0))?;
            let inverse = curves::softplus(node, negative)?;
            node.scale(inverse, |_| (-1.0, 0.0))?
        }
    };
    curves::softmax(node, logs, &groups).map(Some)
}

/// a / b where each element of b is the sum of a row of a, none of which is ever negative.
pub(super) fn of_sum(
    node: &mut Node<'_>,
    a: &Value,
    b: &Value,
) -> Result<Option<Shares>, OnnxError> {
    let (Value::Signal(above), Value::Signal(below)) = (a, b) else { return Ok(None) };
    let columns = a.shape().last().copied().unwrap_or(1);
    let rows = node.pay(&[a.len(), 4])? / 4 / columns.max(1);
    for row in 0..rows {
        let mut sum = Terms::default();
        for at in row * columns..(row + 1) * columns {
            if !sum.add(node, (above.id, at), 1.0) {
                return Ok(None);
            }
        }
        if !sum.never_negative(node) {
            return Ok(None);
        }
        for at in row * columns..(row + 1) * columns {
            let mut divisor = Terms::default();
            // Rounding of sums of factors aside.
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(1.0);
            let same = divisor.add(node, (below.id, at), 1.0)
                && divisor.of.len() == sum.of.len()
                && close(divisor.constant, sum.constant)
                && divisor.of.iter().zip(&sum.of).all(|(a, b)| a.0 == b.0 && close(*a.1, *b.1));
            if !same {
                return Ok(None);
            }
        }
    }
    Ok(Some(Shares::rows(rows, columns)))
}

/// A sum over elements that no linear operation makes.
#[derive(Default)]
struct Terms {
    of: BTreeMap<Place, f64>,
    constant: f64,
    steps: usize,
}

impl Terms {
    /// Adds a multiple of an element; gives up where that is of too many.
    fn add(&mut self, node: &Node<'_>, at: Place, factor: f64) -> bool {
        let mut open = vec![(at, factor)];
        while let Some((at, factor)) = open.pop() {
            self.steps += 1;
            if self.steps > 1 << 14 {
                return false;
            }
            let Some(maker) = node.maker(at.0) else {
                *self.of.entry(at).or_insert(0.0) += factor;
                continue;
            };
            match &maker.op {
                Op::Select(elements) => match elements[at.1] {
                    Element::Input { input, index } => {
                        open.push(((maker.inputs[input], index), factor));
                    }
                    Element::Constant(value) => self.constant += factor * value,
                },
                Op::Function(Function::Within { .. }) => {
                    open.push(((maker.inputs[0], at.1), factor));
                }
                Op::Linear(_) => {
                    let Some((terms, constant)) = row(maker, at.1) else { return false };
                    self.constant += factor * constant;
                    open.extend(terms.into_iter().map(|(at, own)| (at, factor * own)));
                }
                _ => *self.of.entry(at).or_insert(0.0) += factor,
            }
        }
        true
    }

    /// Whether every term is of an element that cannot be negative, and adds.
    fn never_negative(&self, node: &Node<'_>) -> bool {
        let element = |(tensor, index): Place| match node.maker(tensor).map(|maker| &maker.op) {
            Some(Op::Trees(trees)) => trees.bounds().get(index).is_some_and(|b| b.0 >= 0.0),
            Some(Op::Function(
                Function::Curve(Curve::Exp | Curve::Sigmoid) | Function::Abs | Function::Relu,
            )) => true,
            Some(Op::Leading(_) | Op::ArgExtremum(_) | Op::Root) => true,
            _ => false,
        };
        self.constant >= 0.0 && self.of.iter().all(|(at, factor)| *factor >= 0.0 && element(*at))
    }
}

/// What places are one function of, side by side, and the function: Exp or Sigmoid.
fn arguments(
    node: &mut Node<'_>,
    places: &[Place],
    (shape, dtype): (&[usize], DType),
) -> Result<Option<(Value, Function)>, OnnxError> {
    let mut function = None;
    let mut tensors: Vec<TensorId> = Vec::new();
    let mut elements = Vec::with_capacity(places.len());
    for (tensor, index) in places {
        let Some(maker) = node.maker(*tensor) else { return Ok(None) };
        let Op::Function(own @ Function::Curve(Curve::Exp | Curve::Sigmoid)) = &maker.op else {
            return Ok(None);
        };
        if function.get_or_insert_with(|| own.clone()) != own {
            return Ok(None);
        }
        let argument = maker.inputs[0];
        let known = tensors.iter().position(|other| *other == argument);
        let input = known.unwrap_or(tensors.len());
        if known.is_none() {
            tensors.push(argument);
        }
        elements.push(Element::Input { input, index: *index });
    }
    let Some(function) = function else { return Ok(None) };
    let graph = node.so_far();
    let operand = |id: TensorId| {
        let shape = graph.tensors[id.0].dims.clone();
        Value::Signal(Signal { id, shape, dtype })
    };
    let operands = tensors.into_iter().map(operand).collect();
    let z = node.emit(Op::Select(elements), operands, shape.to_vec(), dtype)?;
    Ok(Some((z, function)))
}

/// A row of a linear map: its terms, and its constant.
pub(super) fn row(maker: &graph::Node, index: usize) -> Option<(Vec<(Place, f64)>, f64)> {
    let Op::Linear(linear) = &maker.op else { return None };
    let mut terms = Vec::new();
    for (map, input) in linear.maps.iter().zip(&maker.inputs) {
        LinearMap::for_each_in_row(map, index, |at, factor| {
            if factor != 0.0 {
                terms.push(((*input, at), factor));
            }
        });
    }
    Some((terms, linear.bias[index]))
}

/// Follows an element back through what only moves it; nothing if it is a constant.
pub(super) fn origin(node: &Node<'_>, mut at: Place) -> Option<Place> {
    while let Some(maker) = node.maker(at.0) {
        at = match &maker.op {
            Op::Select(elements) => match *elements.get(at.1)? {
                Element::Input { input, index } => (maker.inputs[input], index),
                Element::Constant(_) => return None,
            },
            Op::Function(Function::Within { .. }) => (*maker.inputs.first()?, at.1),
            Op::Linear(_) => match row(maker, at.1)? {
                (terms, 0.0) if terms.len() == 1 && terms[0].1 == 1.0 => terms[0].0,
                _ => return Some(at),
            },
            _ => return Some(at),
        };
    }
    Some(at)
}

/// What an element is the plain sum of.
fn summands(node: &Node<'_>, at: Place) -> Option<Vec<Place>> {
    let at = origin(node, at)?;
    match node.maker(at.0).and_then(|maker| row(maker, at.1)) {
        Some((terms, 0.0)) if terms.iter().all(|(_, factor)| *factor == 1.0) => {
            terms.into_iter().map(|(place, _)| origin(node, place)).collect()
        }
        Some(_) => None,
        None => Some(vec![at]),
    }
}

/// Whether all elements of a tensor are above 0 whatever the input.
pub(super) fn is_positive(node: &Node<'_>, tensor: TensorId) -> bool {
    fn positive(node: &Node<'_>, tensor: TensorId, steps: usize) -> bool {
        let Some(maker) = node.maker(tensor).filter(|_| steps > 0) else { return false };
        let all = || maker.inputs.iter().all(|input| positive(node, *input, steps - 1));
        match &maker.op {
            Op::Function(Function::Curve(Curve::Exp | Curve::Sigmoid)) => true,
            Op::Trees(trees) => trees.bounds().iter().all(|(least, _)| *least > 0.0),
            Op::Select(elements) => {
                let constant = |element: &Element| match element {
                    Element::Constant(value) => *value > 0.0,
                    Element::Input { .. } => true,
                };
                elements.iter().all(constant) && all()
            }
            Op::Linear(linear) => {
                let above = |index: usize| match row(maker, index) {
                    Some((terms, constant)) => {
                        let rises = terms.iter().all(|(_, factor)| *factor > 0.0);
                        rises && constant >= 0.0 && (constant > 0.0 || !terms.is_empty())
                    }
                    None => false,
                };
                (0..linear.bias.len()).all(above) && all()
            }
            _ => false,
        }
    }
    positive(node, tensor, MAX_STEPS)
}

/// A lower bound of a sum of exponentials of sums of trees, whatever the input: the mean of
/// exponentials is at least the exponential of the mean.
pub(super) fn least_sum(node: &Node<'_>, at: Place) -> f64 {
    let Some(summands) = summands(node, at) else { return f64::NEG_INFINITY };
    let mut mean: BTreeMap<TensorId, BTreeMap<usize, f64>> = BTreeMap::new();
    let count = summands.len() as f64;
    for (tensor, index) in summands {
        let Some(maker) = node.maker(tensor) else { return f64::NEG_INFINITY };
        if maker.op != Op::Function(Function::Curve(Curve::Exp)) {
            return f64::NEG_INFINITY;
        }
        *mean.entry(maker.inputs[0]).or_default().entry(index).or_insert(0.0) += 1.0 / count;
    }
    count * least(node, mean).exp()
}

/// What a tensor's elements are, if they do not depend on the input, as a sum of all votes.
pub(super) fn known(node: &Node<'_>, tensor: TensorId, len: usize) -> Option<Vec<f64>> {
    let bound = |at: usize, sign: f64| least(node, [(tensor, [(at, sign)].into())].into());
    let value = |at: usize| {
        let (lo, hi) = (bound(at, 1.0), -bound(at, -1.0));
        (lo.is_finite() && lo == hi).then_some(lo)
    };
    (0..len).map(value).collect()
}

/// A lower bound of a sum of factors times elements: of trees, whatever leaves are reached.
fn least(node: &Node<'_>, mut sum: BTreeMap<TensorId, BTreeMap<usize, f64>>) -> f64 {
    let mut least = 0.0;
    // Tensors stand after what they are made of.
    while let Some((tensor, mut factors)) = sum.pop_last() {
        factors.retain(|_, factor| *factor != 0.0);
        if factors.is_empty() {
            continue;
        }
        let Some(maker) = node.maker(tensor) else { return f64::NEG_INFINITY };
        let mut add = |(tensor, index): Place, factor: f64| {
            *sum.entry(tensor).or_default().entry(index).or_insert(0.0) += factor;
        };
        match &maker.op {
            Op::Trees(trees) => least += trees.least(&factors),
            // As many are chosen as are to be: a sum of all is known.
            Op::Leading(leading) if leading.extremum.groups.len() == 1 => {
                let all = leading.extremum.groups[0].len();
                let mut each = factors.values();
                match (each.next(), factors.len() == all) {
                    (Some(first), true) if each.all(|other| other == first) => {
                        least += first * leading.count as f64;
                    }
                    _ => return f64::NEG_INFINITY,
                }
            }
            Op::Function(Function::Within { .. }) => {
                for (index, factor) in factors {
                    add((maker.inputs[0], index), factor);
                }
            }
            Op::Select(elements) => {
                for (index, factor) in factors {
                    match elements[index] {
                        Element::Input { input, index } => {
                            add((maker.inputs[input], index), factor)
                        }
                        Element::Constant(value) => least += factor * value,
                    }
                }
            }
            Op::Linear(_) => {
                for (index, factor) in factors {
                    let Some((terms, constant)) = row(maker, index) else {
                        return f64::NEG_INFINITY;
                    };
                    least += factor * constant;
                    terms.into_iter().for_each(|(place, own)| add(place, factor * own));
                }
            }
            _ => return f64::NEG_INFINITY,
        }
    }
    least
}
