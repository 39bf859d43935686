//! Cast and CastLike: nothing where every value keeps its meaning, cut off towards 0 where floats
//! become integers. Floats of fewer bits are computed with as they are, more exactly; constants are
//! rounded to them.

use crate::{
    graph::{Function, Test},
    onnx::{
        dtype::{DType, type_name},
        error::OnnxError,
        minifloat,
        node::{Node, Signal, Value},
        ops::{activation::apply, bits, compare, ratio},
        tensor::{Data, Tensor},
    },
};

pub(super) fn cast(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let code = node.int("to").and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
    match DType::of(code) {
        Some(to) => convert(node, to),
        None => Err(node.unsupported(format!("it converts to {}", type_name(code)))),
    }
}

pub(super) fn cast_like(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let to = node.take(1)?.dtype();
    convert(node, to)
}

fn convert(node: &mut Node<'_>, to: DType) -> Result<Value, OnnxError> {
    let value = node.take_unchecked(0);
    let value = value.ok_or_else(|| node.malformed("input 0 is missing".into()))?;
    let from = value.dtype();
    if let (Value::Const(tensor), Some(_)) = (&value, to.limits().filter(|_| to != DType::Bool))
        && let Some(data) = wrapped(tensor, to)
    {
        let shape = tensor.shape.clone();
        return Ok(Value::Const(Tensor { shape, dtype: to, data }));
    }
    let value = match node.is_uncut(&value) && from != to {
        true => super::cut_here(node, value)?,
        false => value,
    };
    if from == to {
        return Ok(value);
    }
    // Those of 16 bits are computed with more exactly; fewer bits change what a model says.
    if to.is_minifloat() {
        let saturates = node.flag("saturate", true)?;
        if let Value::Const(Tensor { shape, data: Data::Float(values), .. }) = &value {
            let rounded = values.iter().map(|v| minifloat::nearest(to, *v, saturates)).collect();
            if let Some(values) = rounded {
                let data = Data::Float(values);
                return Ok(Value::Const(Tensor { shape: shape.clone(), dtype: to, data }));
            }
        }
        let (from, to) = (from.name(), to.name());
        return Err(node.unsupported(format!("it converts {from} to {to}, which rounds")));
    }
    if from == DType::String || to == DType::String {
        let (from, to) = (from.name(), to.name());
        return Err(node.unsupported(format!("it converts {from} to {to}")));
    }
    let lossy = |node: &Node<'_>| {
        node.unsupported(format!("it converts {} to {}, which rounds", from.name(), to.name()))
    };
    match value {
        Value::Signal(mut signal) => {
            let keeps = match (from.limits(), to.limits()) {
                (_, None) => true,
                (Some((low, high)), Some((least, greatest))) => low >= least && high <= greatest,
                (None, Some(_)) => false,
            };
            if from.is_float() && to == DType::Int64 && node.is_whole(signal.id) {
                signal.dtype = to;
                return Ok(Value::Signal(signal));
            }
            if to == DType::Bool {
                return truth(node, signal);
            }
            if from.computes() && from.is_float() && matches!(to, DType::Int32 | DType::Int64) {
                // Encoders and Equal cut off themselves what they read; nothing else may read it.
                // What the type does not hold is another integer at every runtime.
                signal.dtype = to;
                let copy = within(node, Value::Signal(signal))?;
                if let Value::Signal(signal) = &copy {
                    node.note_uncut(signal.id);
                }
                return Ok(copy);
            }
            if from.is_float() && !to.is_float() {
                let cut = super::cut_to(node, Value::Signal(signal), to)?;
                return within(node, cut);
            }
            if from.is_half() || to.is_half() {
                node.builder().halved.insert(signal.id);
            }
            signal.dtype = to;
            let value = Value::Signal(signal);
            if keeps { Ok(value) } else { within(node, value) }
        }
        Value::Const(tensor) => {
            let range = to.limits();
            let fits = |v: i64| range.is_some_and(|(low, high)| (low..=high).contains(&v));
            let data = match (tensor.data, range) {
                (Data::Float(v), None) if to == DType::Float32 => {
                    Data::Float(v.into_iter().map(|v| f64::from(v as f32)).collect())
                }
                (Data::Float(v), None) => Data::Float(v),
                (Data::Int(v), None) if to == DType::Float32 => {
                    Data::Float(v.into_iter().map(|v| f64::from(v as f32)).collect())
                }
                (Data::Int(v), None) => Data::Float(v.into_iter().map(|v| v as f64).collect()),
                (Data::Float(v), Some(_)) if to == DType::Bool => {
                    Data::Int(v.into_iter().map(|v| i64::from(v != 0.0)).collect())
                }
                (Data::Int(v), Some(_)) if to == DType::Bool => {
                    Data::Int(v.into_iter().map(|v| i64::from(v != 0)).collect())
                }
                (Data::Float(v), Some(_)) => {
                    let whole = |v: f64| {
                        let whole = v.trunc();
                        (whole.abs() < 2f64.powi(63)).then_some(whole as i64).filter(|&v| fits(v))
                    };
                    let values: Option<_> = v.into_iter().map(whole).collect();
                    Data::Int(values.ok_or_else(|| lossy(node))?)
                }
                (Data::Int(_), Some(_)) => return Err(lossy(node)),
            };
            Ok(Value::Const(Tensor { shape: tensor.shape, dtype: to, data }))
        }
    }
}

/// Constants beyond an integer type's ends, which wrap: integers, and floats made integers of four
/// or two bits; what is made of other floats is not defined.
fn wrapped(tensor: &Tensor, to: DType) -> Option<Data> {
    let values = match &tensor.data {
        Data::Int(values) => values.iter().map(|v| bits::wrapped(i128::from(*v), to)).collect(),
        Data::Float(values)
            if matches!(to, DType::Int4 | DType::UInt4 | DType::Int2 | DType::UInt2) =>
        {
            let whole = |v: &f64| (v.abs() < 1e15).then_some(v.trunc() as i128);
            values.iter().map(|v| bits::wrapped(whole(v)?, to)).collect()
        }
        Data::Float(_) => None,
    };
    values.map(Data::Int)
}

/// Whether each element is not 0.
fn truth(node: &mut Node<'_>, signal: Signal) -> Result<Value, OnnxError> {
    if ratio::is_positive(node, signal.id) {
        let data = Data::Int(vec![1; node.pay(&signal.shape)?]);
        return Ok(Value::Const(Tensor { shape: signal.shape, dtype: DType::Bool, data }));
    }
    let steps = |_| vec![(Test::Equal(0.0), -1.0)];
    compare::each(node, Value::Signal(signal), 1.0, steps, DType::Bool)
}

/// Integers that must fit their type.
fn within(node: &mut Node<'_>, value: Value) -> Result<Value, OnnxError> {
    match value.dtype().limits() {
        Some((low, high)) => {
            let within = Function::Within { low: low as f64, high: high as f64 };
            apply(node, within, value)
        }
        None => Ok(value),
    }
}
