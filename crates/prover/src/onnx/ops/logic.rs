//! And, Or and Xor of truth values, which are 0 or 1.

use super::{activation::apply, arithmetic::add};
use crate::{
    graph::Function,
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
    },
};

pub(super) fn lower(
    node: &mut Node<'_>,
    operator: &str,
    [a, b]: [Value; 2],
) -> Result<Value, OnnxError> {
    if a.dtype() != DType::Bool || b.dtype() != DType::Bool {
        let (a, b) = (a.dtype().name(), b.dtype().name());
        return Err(node.malformed(format!("its operands have types {a} and {b}")));
    }
    let mut values = node.broadcast(vec![a, b])?;
    let (Some(b), Some(a)) = (values.pop(), values.pop()) else {
        return Err(node.malformed("it has no operands".into()));
    };
    let both = both(node, a.clone(), b.clone())?;
    match operator {
        "And" => Ok(both),
        "Or" => add(node, vec![(a, 1.0), (b, 1.0), (both, -1.0)]),
        _ => add(node, vec![(a, 1.0), (b, 1.0), (both, -2.0)]),
    }
}

/// max(0, a + b − 1).
pub(super) fn both(node: &mut Node<'_>, a: Value, b: Value) -> Result<Value, OnnxError> {
    let sum = add(node, vec![(a, 1.0), (b, 1.0)])?;
    let over = node.scale(sum, |_| (1.0, -1.0))?;
    apply(node, Function::Relu, over)
}
