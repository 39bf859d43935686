//! Comparisons with constants, Sign, Not, and Where by what they give: steps, decided as the
//! file's own floating point decides them.

use super::ml::{push_step, through_steps};
use crate::{
    graph::{self, Op, Test, TreeEnsemble},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::{arithmetic::add, ratio},
        tensor::{Data, Tensor},
    },
};

/// x compared with constants: 1 where it holds.
pub(super) fn lower(
    node: &mut Node<'_>,
    operator: &str,
    a: Value,
    b: Value,
) -> Result<Value, OnnxError> {
    if a.dtype() != b.dtype() {
        let (a, b) = (a.dtype().name(), b.dtype().name());
        return Err(node.malformed(format!("its operands have types {a} and {b}")));
    }
    if node.is_uncut(&a) || node.is_uncut(&b) {
        return equal_cut_off(node, a, b);
    }
    let mut both = node.broadcast(vec![a, b])?;
    let (x, tensor, turned) = match (both.pop(), both.pop()) {
        (Some(Value::Const(tensor)), Some(x @ Value::Signal(_))) => (x, tensor, false),
        (Some(x @ Value::Signal(_)), Some(Value::Const(tensor))) => (x, tensor, true),
        (Some(b @ Value::Signal(_)), Some(a @ Value::Signal(_))) => {
            // a − b compared with 0: in float32 a difference of two floats is 0 only if they
            // are equal, and has the sign of the exact one.
            let shape = a.shape().to_vec();
            let difference = add(node, vec![(a, 1.0), (b, -1.0)])?;
            let zeros = Tensor::floats(shape.clone(), vec![0.0; shape.iter().product()]);
            (difference, zeros, false)
        }
        _ => return Err(node.malformed("it has no operands".into())),
    };
    let values: Vec<f64> = match tensor.data {
        Data::Float(values) => values,
        Data::Int(values) => values.into_iter().map(|v| v as f64).collect(),
    };
    let test: fn(f64) -> Test = match (operator, turned) {
        ("Equal", _) => Test::Equal,
        ("Greater", false) | ("Less", true) => Test::Above,
        ("GreaterOrEqual", false) | ("LessOrEqual", true) => Test::AtLeast,
        ("Less", false) | ("Greater", true) => Test::Below,
        ("LessOrEqual", false) | ("GreaterOrEqual", true) => Test::AtMost,
        _ => return Err(node.unsupported("it depends on the model's input; only constants can be")),
    };
    let steps = |at: usize| vec![(test(values[at]), 1.0)];
    each(node, x, 0.0, steps, DType::Bool)
}

/// Floats cut off to integers compared with constants for equality.
fn equal_cut_off(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    let mut both = node.broadcast(vec![a, b])?;
    let (x, tensor) = match (both.pop(), both.pop()) {
        (Some(Value::Const(tensor)), Some(Value::Signal(x)))
        | (Some(Value::Signal(x)), Some(Value::Const(tensor))) => (x, tensor),
        _ => return Err(node.unsupported("it compares floats that were cut off to integers")),
    };
    let Data::Int(values) = tensor.data else {
        return Err(node.malformed("it compares integers with floats".into()));
    };
    // Exporters ask so whether a sum of exponentials is 0.
    let (id, len) = (x.id, values.len());
    if values.iter().all(|v| *v == 0) && (0..len).all(|at| ratio::least_sum(node, (id, at)) >= 1.0)
    {
        let data = Data::Int(vec![0; node.pay(&[len])?]);
        return Ok(Value::Const(Tensor { shape: x.shape, dtype: DType::Bool, data }));
    }
    let steps = |at: usize| {
        let value = values[at] as f64;
        // Cut off towards 0.
        match value {
            0.0 => vec![(Test::Above(-1.0), 1.0), (Test::AtLeast(1.0), -1.0)],
            value if value > 0.0 => {
                vec![(Test::AtLeast(value), 1.0), (Test::AtLeast(value + 1.0), -1.0)]
            }
            value => vec![(Test::AtMost(value), 1.0), (Test::AtMost(value - 1.0), -1.0)],
        }
    };
    each(node, Value::Signal(x), 0.0, steps, DType::Bool)
}

/// 1 where x is missing, of which no comparison holds.
pub(super) fn is_missing(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    let is = each(node, x, 1.0, |_| vec![(Test::AtLeast(f64::from(f32::MIN)), -1.0)], DType::Bool)?;
    // No rounding makes a missing value of a number.
    if let Some(graph::Node { op: Op::Trees(trees), .. }) = node.builder().graph.nodes.last_mut() {
        trees.doubt = None;
    }
    Ok(is)
}

/// −1, 0 or 1.
pub(super) fn sign(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    let dtype = x.dtype();
    if !dtype.computes() {
        return Err(node.unsupported(format!("its input has type {}", dtype.name())));
    }
    each(node, x, -1.0, |_| vec![(Test::AtLeast(0.0), 1.0), (Test::Above(0.0), 1.0)], dtype)
}

/// 1 − x of what is 0 or 1.
pub(super) fn not(node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
    match x.dtype() == DType::Bool {
        true => node.scale(x, |_| (-1.0, 1.0)),
        false => Err(node.malformed(format!("its input has type {}", x.dtype().name()))),
    }
}

/// Constants of one tensor or the other, by a condition that depends on the input.
pub(super) fn choose(
    node: &mut Node<'_>,
    condition: Value,
    a: &Tensor,
    b: &Tensor,
) -> Result<Value, OnnxError> {
    let numbers = |tensor: &Tensor| match &tensor.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|v| *v as f64).collect(),
    };
    let (a_values, b_values) = (numbers(a), numbers(b));
    let chosen = node.scale(condition, |at| (a_values[at] - b_values[at], b_values[at]))?;
    Ok(match chosen {
        Value::Signal(mut signal) => {
            signal.dtype = a.dtype;
            Value::Signal(signal)
        }
        constant => constant,
    })
}

/// constant + Σ weight where its test holds, of each element with its own tests.
pub(super) fn each(
    node: &mut Node<'_>,
    x: Value,
    constant: f64,
    steps: impl Fn(usize) -> Vec<(Test, f64)>,
    dtype: DType,
) -> Result<Value, OnnxError> {
    let (shape, double) = (x.shape().to_vec(), x.dtype() != DType::Float32);
    let len = node.pay(&shape)?;
    node.pay(&[len, 16])?;
    let base = vec![constant; len];
    let (branches, leaves, roots) = (Vec::new(), Vec::new(), Vec::new());
    let mut trees = TreeEnsemble {
        positions: 1,
        features: len,
        outputs: len,
        double,
        branches,
        leaves,
        roots,
        base,
        ..TreeEnsemble::default()
    };
    for at in 0..len {
        for (test, weight) in steps(at) {
            push_step(&mut trees, at, test, vec![(at, weight)]);
        }
    }
    let moved = through_steps(node, x, &mut trees.branches, len, double)?;
    let TreeEnsemble { base, branches, leaves, roots, .. } = trees;
    let (positions, outputs) = (1, len);
    let own = TreeEnsemble { positions, outputs, base, branches, leaves, roots, ..moved.trees };
    let trees = TreeEnsemble { features: len, ..own };
    node.emit(Op::Trees(trees), vec![moved.x], shape, dtype)
}
