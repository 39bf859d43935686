//! Constant, ConstantOfShape, Range, Shape and Size: what exporters compute shapes with.

use crate::onnx::{
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor},
};

pub(super) fn constant(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let tensor = if let Some(proto) = node.tensor("value") {
        Tensor::decode(proto, &node.name)?
    } else if let Some(tensor) = node.sparse("sparse_value") {
        tensor?
    } else if let Some(value) = node.bound("value_float") {
        Tensor::floats(vec![], vec![value])
    } else if let Some(value) = node.int("value_int") {
        Tensor::ints(vec![], vec![value])
    } else if let Some(values) = node.floats("value_floats")? {
        Tensor::floats(vec![values.len()], values)
    } else if let Some(values) = node.ints("value_ints") {
        Tensor::ints(vec![values.len()], values.to_vec())
    } else {
        return Err(node.unsupported("its value is neither a tensor nor numbers"));
    };
    node.pay(&[tensor.data.len()])?;
    Ok(Value::Const(tensor))
}

pub(super) fn of_shape(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let shape = dimensions(node, 0)?;
    let value = match node.tensor("value") {
        Some(proto) => Tensor::decode(proto, &node.name)?,
        None => Tensor::floats(vec![1], vec![0.0]),
    };
    let len = node.pay(&shape)?;
    let data = match value.data {
        Data::Float(values) if values.len() == 1 => Data::Float(vec![values[0]; len]),
        Data::Int(values) if values.len() == 1 => Data::Int(vec![values[0]; len]),
        other => return Err(node.malformed(format!("its value has {} elements", other.len()))),
    };
    Ok(Value::Const(Tensor { shape, dtype: value.dtype, data }))
}

/// The input at `index` as dimensions.
pub(super) fn dimensions(node: &mut Node<'_>, index: usize) -> Result<Vec<usize>, OnnxError> {
    let dims = node.take_ints(index)?;
    let dims = dims.ok_or_else(|| node.malformed(format!("input {index} is missing")))?;
    if dims.len() > crate::onnx::shape::MAX_RANK {
        return Err(node.malformed(format!("{} dimensions", dims.len())));
    }
    let dim = |&d: &i64| {
        usize::try_from(d).map_err(|_| node.malformed(format!("dimension {d} in {dims:?}")))
    };
    dims.iter().map(dim).collect()
}

pub(super) fn range(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let ends = [node.take(0)?, node.take(1)?, node.take(2)?];
    let [start, limit, delta] = ends.map(|value| match value {
        Value::Const(tensor) if tensor.data.len() == 1 => Some(tensor),
        _ => None,
    });
    let (Some(start), Some(limit), Some(delta)) = (start, limit, delta) else {
        return Err(node.unsupported("its start, limit and step are not single constants"));
    };
    match (&start.data, &limit.data, &delta.data) {
        (Data::Int(start_), Data::Int(limit), Data::Int(delta)) => {
            let (a, b, step) = (i128::from(start_[0]), i128::from(limit[0]), i128::from(delta[0]));
            if step == 0 {
                return Err(node.malformed("step 0".into()));
            }
            let count = ((b - a + step - step.signum()) / step).max(0);
            let len = node.pay(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
            let at = |i: usize| i64::try_from(a + i as i128 * step).unwrap_or(i64::MAX);
            let data = Data::Int((0..len).map(at).collect());
            Ok(Value::Const(Tensor { shape: vec![len], dtype: start.dtype, data }))
        }
        (Data::Float(a), Data::Float(b), Data::Float(step)) => {
            let count = ((b[0] - a[0]) / step[0]).ceil().max(0.0);
            if !count.is_finite() {
                return Err(node.malformed(format!("step {}", step[0])));
            }
            let len = node.pay(&[count as usize])?;
            let data = Data::Float((0..len).map(|i| a[0] + i as f64 * step[0]).collect());
            Ok(Value::Const(Tensor { shape: vec![len], dtype: start.dtype, data }))
        }
        _ => Err(node.malformed("it mixes floats with integers".into())),
    }
}

/// The shape of a tensor, or a part of it.
pub(super) fn shape(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let value = node.take(0)?;
    let rank = value.shape().len();
    let bound = |at: Option<i64>, default: usize| match at {
        None => default,
        Some(at) if at < 0 => usize::try_from(at.saturating_add_unsigned(rank as u64)).unwrap_or(0),
        Some(at) => usize::try_from(at).unwrap_or(rank).min(rank),
    };
    let (start, end) = (bound(node.int("start"), 0), bound(node.int("end"), rank));
    let dims = value.shape().get(start..end).unwrap_or_default();
    let dims: Vec<i64> = dims
        .iter()
        .map(|&d| i64::try_from(d).map_err(|_| node.malformed("a dimension overflows".into())))
        .collect::<Result<_, _>>()?;
    Ok(Value::Const(Tensor::ints(vec![dims.len()], dims)))
}

pub(super) fn size(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let len = node.take(0)?.len();
    let len = i64::try_from(len).map_err(|_| node.malformed("its size overflows".into()))?;
    Ok(Value::Const(Tensor::ints(vec![], vec![len])))
}
