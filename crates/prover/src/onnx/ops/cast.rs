//! Cast and CastLike: nothing where every value keeps its meaning, else refused.

use crate::{
    graph::{Element, Op, Test},
    onnx::{
        dtype::{DType, type_name},
        error::OnnxError,
        node::{Node, Value},
        ops::{compare, ratio},
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
    let half = matches!(to, DType::Float16 | DType::BFloat16);
    if node.is_uncut(&value) {
        return Err(node.unsupported("it reads floats that were cut off to integers"));
    }
    if from == to {
        return Ok(value);
    }
    if from == DType::String || to == DType::String {
        let (from, to) = (from.name(), to.name());
        return Err(node.unsupported(format!("it converts {from} to {to}")));
    }
    let lossy = |node: &Node<'_>| {
        node.unsupported(format!("it converts {} to {}, which rounds", from.name(), to.name()))
    };
    match value {
        _ if half => Err(lossy(node)),
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
            if from.is_float() && to == DType::Bool && ratio::is_positive(node, signal.id) {
                let data = Data::Int(vec![1; node.pay(&signal.shape)?]);
                return Ok(Value::Const(Tensor { shape: signal.shape, dtype: to, data }));
            }
            if from.is_float() && to == DType::Bool {
                let steps = |_: usize| vec![(Test::Above(0.0), 1.0), (Test::Below(0.0), 1.0)];
                return compare::each(node, Value::Signal(signal), 0.0, steps, to);
            }
            if from.computes() && from.is_float() && matches!(to, DType::Int32 | DType::Int64) {
                // Encoders and Equal cut off themselves what they read; nothing else may read it.
                let elements = (0..signal.shape.iter().product())
                    .map(|index| Element::Input { input: 0, index })
                    .collect();
                let shape = signal.shape.clone();
                node.pay(&shape)?;
                let value = Value::Signal(signal);
                let copy = node.emit(Op::Select(elements), vec![value], shape, to)?;
                if let Value::Signal(signal) = &copy {
                    node.note_uncut(signal.id);
                }
                return Ok(copy);
            }
            signal.dtype = to;
            if keeps { Ok(Value::Signal(signal)) } else { Err(lossy(node)) }
        }
        Value::Const(tensor) => {
            let range = to.limits();
            let fits = |v: i64| range.is_some_and(|(low, high)| (low..=high).contains(&v));
            let data = match (tensor.data, range) {
                (Data::Float(v), None) if to == DType::Float32 => {
                    Data::Float(v.into_iter().map(|v| f64::from(v as f32)).collect())
                }
                (Data::Float(v), None) => Data::Float(v),
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
                (Data::Int(v), Some(_)) if v.iter().all(|&v| fits(v)) => Data::Int(v),
                (Data::Int(_), Some(_)) => return Err(lossy(node)),
            };
            Ok(Value::Const(Tensor { shape: tensor.shape, dtype: to, data }))
        }
    }
}
