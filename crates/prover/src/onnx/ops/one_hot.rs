//! OneHot, EyeLike and Hardmax: tensors of two values.

use super::{compare, softmax};
use crate::{
    graph::{Extremum, Leading, Op, Test},
    onnx::{
        dtype::{DType, type_name},
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// One of two constants at every class, by whether it is the index.
pub(super) fn one_hot(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let indices = node.take(0)?;
    let depth = match node.take(1)? {
        Value::Const(Tensor { data: Data::Int(v), .. }) => v.first().copied(),
        Value::Const(Tensor { data: Data::Float(v), .. }) => v.first().map(|v| *v as i64),
        Value::Signal(_) => return Err(node.unsupported("its depth is not a constant")),
    };
    let Value::Const(values) = node.take(2)? else {
        return Err(node.unsupported("its values are not constants"));
    };
    let numbers: Vec<f64> = match &values.data {
        Data::Float(v) => v.clone(),
        Data::Int(v) => v.iter().map(|v| *v as f64).collect(),
    };
    let (Some(depth), &[off, on]) = (depth.and_then(|d| usize::try_from(d).ok()), &numbers[..])
    else {
        return Err(node.malformed("its depth or values are none".into()));
    };
    let from = indices.shape().to_vec();
    let rank = from.len() + 1;
    let axis = node.axis(node.int("axis").unwrap_or(-1), rank)?;
    let to = [&from[..axis], &[depth], &from[axis..]].concat();
    let len = node.pay(&to)?;
    let inner: usize = from[axis..].iter().product::<usize>().max(1);
    let (class, place) = (
        |at: usize| at / inner % depth.max(1),
        |at: usize| at / inner / depth.max(1) * inner + at % inner,
    );
    let positions: Vec<usize> = (0..len).map(place).collect();
    let spread = node.pick(indices, to, &positions)?;
    // A negative index counts from the end.
    let tests = |at: usize| {
        let class = class(at) as f64;
        vec![(Test::Equal(class), on - off), (Test::Equal(class - depth as f64), on - off)]
    };
    compare::each(node, spread, off, tests, values.dtype)
}

/// Ones on a diagonal of a matrix of another's shape.
pub(super) fn eye_like(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let &[rows, columns] = value.shape() else {
        return Err(node.mismatch(format!("{:?} is no matrix", value.shape())));
    };
    let dtype = match node.int("dtype") {
        None => value.dtype(),
        Some(code) => {
            let code = i32::try_from(code).unwrap_or(0);
            let unsupported = || node.unsupported(format!("its type is {}", type_name(code)));
            DType::of(code).filter(|t| *t != DType::String).ok_or_else(unsupported)?
        }
    };
    let k = node.int("k").unwrap_or(0);
    let len = node.pay(&[rows, columns])?;
    let on = |at: usize| (at % columns) as i64 - (at / columns) as i64 == k;
    let data = match dtype.is_float() {
        true => Data::Float((0..len).map(|at| f64::from(u8::from(on(at)))).collect()),
        false => Data::Int((0..len).map(|at| i64::from(on(at))).collect()),
    };
    Ok(Value::Const(Tensor { shape: vec![rows, columns], dtype, data }))
}

/// 1 for the first of the greatest elements along an axis, 0 for the others.
pub(super) fn hardmax(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take_real(0)?;
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let groups = softmax::groups(node, &shape)?;
    let mut positions = vec![0; x.len()];
    groups.iter().flatten().enumerate().for_each(|(at, member)| positions[*member] = at);
    let extremum = Extremum { minimum: false, groups };
    let leading = Op::Leading(Leading { extremum, count: 1 });
    let count = x.len();
    let found = node.emit(leading, vec![x], vec![count], dtype)?;
    node.pick(found, shape, &positions)
}
