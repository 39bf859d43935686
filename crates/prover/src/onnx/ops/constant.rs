//! Constant, Shape and Cast: what exporters compute shapes with.

use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor, is_float, type_name},
};

pub(super) fn constant(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let tensor = if let Some(proto) = node.tensor("value") {
        Tensor::decode(proto, &node.name)?
    } else if let Some(value) = node.bound("value_float") {
        Tensor::scalar(Data::Float(vec![value]))
    } else if let Some(value) = node.int("value_int") {
        Tensor::scalar(Data::Int(vec![value]))
    } else if let Some(values) = node.floats("value_floats")? {
        Tensor::vector(Data::Float(values))
    } else if let Some(values) = node.ints("value_ints") {
        Tensor::vector(Data::Int(values.to_vec()))
    } else {
        return Err(node.unsupported("its value is neither a tensor nor numbers"));
    };
    node.pay(&[tensor.data.len()])?;
    Ok(Value::Const(tensor))
}

/// The shape of a tensor, as a constant.
pub(super) fn shape(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    if node.int("start").unwrap_or(0) != 0 || node.int("end").is_some() {
        return Err(node.unsupported("only the whole shape is"));
    }
    let shape = node.take(0)?.shape().iter().map(|&d| i64::try_from(d)).collect::<Result<_, _>>();
    let shape = shape.map_err(|_| node.malformed("a dimension overflows".into()))?;
    Ok(Value::Const(Tensor::vector(Data::Int(shape))))
}

/// A change of element type: nothing for signals, which are real numbers here.
pub(super) fn cast(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    const FLOAT32: i32 = 1;
    const INT32: i32 = 6;
    const INT64: i32 = 7;
    let to = i32::try_from(node.int("to").unwrap_or(0)).unwrap_or(0);
    let no = |node: &Node<'_>| node.unsupported(format!("it converts to {}", type_name(to)));
    let tensor = match node.take(0)? {
        signal @ Value::Signal(_) => return if is_float(to) { Ok(signal) } else { Err(no(node)) },
        Value::Const(tensor) => tensor,
    };
    let data = match tensor.data {
        Data::Float(v) if to == FLOAT32 => {
            Data::Float(v.into_iter().map(|v| f64::from(v as f32)).collect())
        }
        Data::Float(v) if is_float(to) => Data::Float(v),
        Data::Float(v) if to == INT64 => Data::Int(v.into_iter().map(|v| v as i64).collect()),
        Data::Int(v) if is_float(to) => Data::Float(v.into_iter().map(|v| v as f64).collect()),
        Data::Int(v) if to == INT64 || to == INT32 => Data::Int(v),
        _ => return Err(no(node)),
    };
    Ok(Value::Const(Tensor { data, ..tensor }))
}
