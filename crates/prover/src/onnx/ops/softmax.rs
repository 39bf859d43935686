//! Softmax. Over two classes it is the sigmoid of the differences: exp(x)/(exp(x) + exp(y)) =
//! 1/(1 + exp(−(x − y))); over more, exp(x − ln Σ exp(x)).

use super::{activation::apply, curves, masks, reduce};
use crate::{
    graph::{Curve, Function, Linear, LinearMap, Op, SparseRows},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

pub(super) fn lower(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let x = masks::tamed(node, x)?;
    let shape = x.shape().to_vec();
    let default = if node.opset < 13 { 1 } else { -1 };
    let axis = node.axis(node.int("axis").unwrap_or(default), shape.len())?;
    // Before opset 13 a class is an element of everything from `axis` on.
    let (classes, inner) = match node.opset {
        ..13 => (shape[axis..].iter().product::<usize>(), 1),
        _ => (shape[axis], shape[axis + 1..].iter().product::<usize>()),
    };
    over(node, x, classes, inner)
}

/// The lists of elements that softmax and its relatives are over: along an axis, before operator
/// set 13 everything from it on.
pub(super) fn groups(node: &mut Node<'_>, shape: &[usize]) -> Result<Vec<Vec<usize>>, OnnxError> {
    let default = if node.opset < 13 { 1 } else { -1 };
    let axis = node.axis(node.int("axis").unwrap_or(default), shape.len())?;
    let last = if node.opset < 13 { shape.len() } else { axis + 1 };
    let axes: Vec<usize> = (axis..last).collect();
    Ok(reduce::groups(node, shape, &axes, true)?.1)
}

/// Softmax over lists of `classes` elements that stand `inner` apart.
pub(super) fn over(
    node: &mut Node<'_>,
    x: Value,
    classes: usize,
    inner: usize,
) -> Result<Value, OnnxError> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    if classes != 2 {
        let place =
            |group: usize, class: usize| (group / inner * classes + class) * inner + group % inner;
        let count = x.len() / classes.max(1);
        node.pay(&[count, classes, 2])?;
        let groups: Vec<Vec<usize>> = (0..count)
            .map(|group| (0..classes).map(|class| place(group, class)).collect())
            .collect();
        return curves::softmax(node, x, &groups);
    }
    let len = node.pay(&[x.len(), 4])? / 4;
    let partner = |i: usize| if (i / inner).is_multiple_of(2) { i + inner } else { i - inner };
    let rows = SparseRows::from_rows((0..len).map(|i| [(i, 1.0), (partner(i), -1.0)]));
    let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias: vec![0.0; len] };
    let of = match &x {
        Value::Signal(signal) => Some(signal.id),
        Value::Const(_) => None,
    };
    let difference = node.emit(Op::Linear(linear), vec![x], shape, dtype)?;
    let probabilities = apply(node, Function::Curve(Curve::Sigmoid), difference)?;
    if inner == 1 {
        node.note_normalized(&probabilities);
        of.into_iter().for_each(|of| node.note_ordered(&probabilities, of));
    }
    Ok(probabilities)
}
