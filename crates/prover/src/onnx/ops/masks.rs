//! Masks that depend on the input and set scores to float32's least number, or to −∞, before a
//! softmax: no circuit has bits for these beside the scores. A number that is low enough hides as
//! well, e^−110 being 0 in float32: it takes their place, and how far scores may be from 0 is
//! held against it when the ranges are known.
//!
//! What is added to float32's least number is lost in it: hidden scores are cut at one number, so that
//! a row that is masked throughout has equal shares.

use super::{activation::apply, arithmetic::add, products};
use crate::{
    graph::{
        self, Element, ElementKind, Function, Linear, LinearMap, Op, Product, SparseRows, TensorId,
    },
    onnx::{
        error::OnnxError,
        node::{Node, Signal, Value},
        tensor::{Data, Tensor},
    },
};

/// Numbers that are meant to be infinite.
const HUGE: f64 = 1e29;
/// What stands for them.
const HIDING: f64 = 1e4;
/// How far from 0 scores may be that are hidden by it, those that are not being 110 above; a
/// fraction, which tells this bound from those of types.
const SCORES: f64 = 4944.5;
/// How far back masks are looked for.
const DEPTH: usize = 10;

/// A tensor without its huge numbers, and the sum of what they add, which is a multiple of
/// [`HIDING`] then; nothing where they add nothing.
struct Parts {
    small: Value,
    huge: Option<Value>,
}

/// Scores with masks as low as they have to be.
pub(super) fn tamed(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let Value::Signal(signal) = &x else { return Ok(x) };
    // What a constant masks is left out of its row.
    let Some(Parts { small, huge: Some(Value::Signal(huge)) }) = parts(node, signal, DEPTH)? else {
        return Ok(x);
    };
    let small = match small {
        Value::Const(Tensor { data: Data::Float(own), .. })
            if own.iter().any(|score| score.abs() > SCORES) =>
        {
            return Ok(x);
        }
        small @ Value::Const(_) => small,
        small => apply(node, Function::Within { low: -SCORES, high: SCORES }, small)?,
    };
    let shape = signal.shape.clone();
    let tamed = add(node, vec![(small, 1.0), (Value::Signal(huge), 1.0)])?;
    let cut = Function::Clip { low: SCORES - HIDING, high: f64::INFINITY };
    let tamed = apply(node, cut, tamed)?;
    node.reshape(tamed, shape)
}

fn signal_of(node: &Node<'_>, id: TensorId) -> Signal {
    let (shape, dtype) = (node.so_far().tensors[id.0].dims.clone(), node.built().dtypes[id.0]);
    Signal { id, shape, dtype }
}

/// A tensor's parts; nothing where nothing on the way to it is huge, or not for certain.
fn parts(node: &mut Node<'_>, signal: &Signal, depth: usize) -> Result<Option<Parts>, OnnxError> {
    let Some(maker) = node.maker(signal.id) else { return Ok(None) };
    let simple = |map: &LinearMap| matches!(map, LinearMap::Diagonal(_) | LinearMap::Sparse(_));
    let known = match &maker.op {
        Op::Linear(linear) => linear.maps.iter().all(simple),
        Op::Select(_) => maker.inputs.len() == 1,
        Op::Product(product) => {
            maker.inputs.len() == 2 && *product == Product::elementwise(product.len())
        }
        _ => false,
    };
    if depth == 0 || !known {
        return Ok(None);
    }
    node.pay(&[signal.shape.iter().product(), 8])?;
    let Some(maker) = node.maker(signal.id).cloned() else { return Ok(None) };
    let mut inputs = Vec::new();
    for id in &maker.inputs {
        let own = signal_of(node, *id);
        let parts = parts(node, &own, depth - 1)?;
        inputs.push((own, parts));
    }
    match &maker.op {
        Op::Linear(linear) => of_sum(node, linear, inputs, signal),
        Op::Select(elements) => of_moved(node, elements, inputs, signal),
        _ => of_product(node, inputs, signal),
    }
}

fn is_huge(number: f64) -> bool {
    number.abs() >= HUGE
}

/// A huge number's stand-in.
fn hiding(number: f64) -> f64 {
    if is_huge(number) { HIDING.copysign(number) } else { 0.0 }
}

fn ordinary(number: f64) -> f64 {
    if is_huge(number) { 0.0 } else { number }
}

/// A map of other weights; nothing if all are 0.
fn mapped(map: &LinearMap, rows: usize, of: fn(f64) -> f64) -> Option<LinearMap> {
    let rows = (0..rows).map(|row| {
        let mut terms = Vec::new();
        map.for_each_in_row(row, |index, weight| {
            if of(weight) != 0.0 {
                terms.push((index, of(weight)));
            }
        });
        terms
    });
    let rows: Vec<Vec<(usize, f64)>> = rows.collect();
    let any = rows.iter().any(|row| !row.is_empty());
    any.then(|| LinearMap::Sparse(SparseRows::from_rows(rows)))
}

fn of_sum(
    node: &mut Node<'_>,
    linear: &Linear,
    inputs: Vec<(Signal, Option<Parts>)>,
    signal: &Signal,
) -> Result<Option<Parts>, OnnxError> {
    let rows = linear.bias.len();
    let weights = linear.maps.iter().any(|map| map.values().any(is_huge));
    let below = inputs.iter().any(|(_, parts)| parts.is_some());
    if !weights && !below && !linear.bias.iter().any(|bias| is_huge(*bias)) {
        return Ok(None);
    }
    let (mut small, mut huge) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for (map, (own, parts)) in linear.maps.iter().zip(inputs) {
        let (own, above) = match parts {
            Some(Parts { small, huge }) => (small, huge),
            None => (Value::Signal(own), None),
        };
        if let Some(map) = mapped(map, rows, hiding) {
            // Between 0 and 1 it would hide less.
            let Value::Signal(counted) = &own else { return Ok(None) };
            if above.is_some() || !is_whole(node, counted.id, DEPTH) {
                return Ok(None);
            }
            huge.0.push(map);
            huge.1.push(own.clone());
        }
        if let (Some(map), Some(above)) = (mapped(map, rows, ordinary), above) {
            huge.0.push(map);
            huge.1.push(above);
        }
        if let Some(map) = mapped(map, rows, ordinary) {
            small.0.push(map);
            small.1.push(own);
        }
    }
    let mut sum = |(maps, values): (Vec<LinearMap>, Vec<Value>), of: fn(f64) -> f64| {
        let bias = linear.bias.iter().map(|bias| of(*bias)).collect();
        let op = Op::Linear(Linear { maps, bias });
        node.emit(op, values, signal.shape.clone(), signal.dtype)
    };
    let (small, huge) = (sum(small, ordinary)?, sum(huge, hiding)?);
    Ok(Some(Parts { small, huge: Some(huge) }))
}

fn of_moved(
    node: &mut Node<'_>,
    elements: &[Element],
    inputs: Vec<(Signal, Option<Parts>)>,
    signal: &Signal,
) -> Result<Option<Parts>, OnnxError> {
    let moves = |element: &Element| match element {
        Element::Input { index, .. } => Some(*index),
        Element::Constant(_) => None,
    };
    let places: Option<Vec<usize>> = elements.iter().map(moves).collect();
    let own = inputs.into_iter().next().and_then(|(_, parts)| parts);
    let (Some(places), Some(Parts { small, huge })) = (places, own) else { return Ok(None) };
    let small = node.pick(small, signal.shape.clone(), &places)?;
    let huge = huge.map(|huge| node.pick(huge, signal.shape.clone(), &places)).transpose()?;
    Ok(Some(Parts { small, huge }))
}

/// Of two factors the one that has no huge parts chooses.
fn of_product(
    node: &mut Node<'_>,
    inputs: Vec<(Signal, Option<Parts>)>,
    signal: &Signal,
) -> Result<Option<Parts>, OnnxError> {
    let Ok([one, other]) = <[(Signal, Option<Parts>); 2]>::try_from(inputs) else {
        return Ok(None);
    };
    let (choice, Parts { small, huge }) = match (one, other) {
        ((choice, None), (_, Some(parts))) | ((_, Some(parts)), (choice, None)) => (choice, parts),
        _ => return Ok(None),
    };
    if !is_whole(node, choice.id, DEPTH) {
        return Ok(None);
    }
    let shape = signal.shape.clone();
    let chosen = |node: &mut Node<'_>, of: Value| {
        let choice = Value::Signal(Signal { shape: shape.clone(), ..choice.clone() });
        match of {
            Value::Const(tensor) => match tensor.data {
                Data::Float(factors) => node.scale(choice, |at| (factors[at], 0.0)),
                Data::Int(_) => Err(node.malformed("it multiplies floats with integers".into())),
            },
            of => {
                let of = node.reshape(of, shape.clone())?;
                products::multiply(node, choice, of)
            }
        }
    };
    let small = chosen(node, small)?;
    let huge = huge.map(|huge| chosen(node, huge)).transpose()?;
    Ok(Some(Parts { small, huge }))
}

/// Whether a tensor's elements are whole numbers.
fn is_whole(node: &Node<'_>, id: TensorId, depth: usize) -> bool {
    if node.so_far().tensors[id.0].kind == ElementKind::Integer {
        return true;
    }
    let Some(graph::Node { op, inputs, .. }) = node.maker(id) else { return false };
    let whole = |number: &f64| number.fract() == 0.0;
    let own = match op {
        Op::Linear(linear) => {
            linear.bias.iter().all(whole)
                && linear.maps.iter().all(|map| map.values().all(|weight| whole(&weight)))
        }
        Op::Select(elements) => elements.iter().all(|element| match element {
            Element::Constant(value) => whole(value),
            Element::Input { .. } => true,
        }),
        Op::Product(_) | Op::Function(Function::Within { .. }) => true,
        _ => false,
    };
    own && depth > 0 && inputs.iter().all(|input| is_whole(node, *input, depth - 1))
}
