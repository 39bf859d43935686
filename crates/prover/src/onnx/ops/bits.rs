//! Operators on the bits of numbers: shifts, and what is computed while reading, on constants.

use super::whole::floor;
use crate::onnx::{
    dtype::DType,
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor},
};

/// Bits of an integer's type.
fn width(dtype: DType) -> u32 {
    let signed = dtype.limits().is_some_and(|(low, _)| low < 0);
    match dtype.limits() {
        _ if dtype == DType::UInt64 => 64,
        Some((_, high)) => 64 - high.leading_zeros() + u32::from(signed),
        None => 64,
    }
}

/// An integer of the type whose lowest bits these are.
pub(super) fn wrapped(value: i128, dtype: DType) -> Option<i64> {
    let (low, _) = dtype.limits()?;
    let size = 1i128 << width(dtype);
    let value = value.rem_euclid(size);
    let value = if low < 0 && value >= size / 2 { value - size } else { value };
    i64::try_from(value).ok()
}

/// Bits shifted: of what depends on the input, by constants of fewer bits than the type has.
pub(super) fn shift(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (x, by) = (node.take(0)?, node.take(1)?);
    let dtype = x.dtype();
    let direction = node.text("direction", "");
    let left = match direction.as_str() {
        "LEFT" => true,
        "RIGHT" => false,
        other => return Err(node.malformed(format!("its direction is {other:?}"))),
    };
    let mut both = node.broadcast(vec![x, by])?;
    let (Some(Value::Const(by)), Some(x)) = (both.pop(), both.pop()) else {
        return Err(node.unsupported("it shifts by what is not a constant"));
    };
    let Data::Int(by) = by.data else {
        return Err(node.malformed("it shifts by floats".into()));
    };
    let bits = i64::from(width(dtype));
    if let Value::Const(Tensor { shape, data: Data::Int(values), .. }) = &x {
        // What is shifted by as many bits as there are, or by fewer than none, is all sign.
        let shifted = |(value, by): (&i64, &i64)| {
            let (value, whole) = (i128::from(*value), (0..bits).contains(by));
            match (left, whole) {
                (true, true) => wrapped(value << by, dtype),
                (true, false) => Some(0),
                (false, true) => wrapped(value >> by, dtype),
                (false, false) => wrapped(value >> 127, dtype),
            }
        };
        let made: Option<_> = values.iter().zip(&by).map(shifted).collect();
        let made = made.ok_or_else(|| node.unsupported("a number over 2^63 comes of it"))?;
        return Ok(Value::Const(Tensor { shape: shape.clone(), dtype, data: Data::Int(made) }));
    }
    if by.iter().any(|by| !(0..bits).contains(by)) {
        return Err(
            node.unsupported(format!("it shifts by {bits} bits or more, or by less than 0"))
        );
    }
    let factors: Vec<f64> = by.iter().map(|by| 2f64.powi(*by as i32)).collect();
    match left {
        true => node.scale(x, |at| (factors[at], 0.0)),
        false => floor(node, x, &factors),
    }
}

/// And, Or and Xor, bit by bit, of constants.
pub(super) fn two(node: &mut Node<'_>, operator: &str) -> Result<Value, OnnxError> {
    let values = vec![node.take(0)?, node.take(1)?];
    if values[0].dtype() != values[1].dtype() {
        return Err(node.malformed("its operands have different types".into()));
    }
    let mut both = node.broadcast(values)?;
    let (Some(Value::Const(b)), Some(Value::Const(a))) = (both.pop(), both.pop()) else {
        return Err(node.unsupported("it depends on the model's input; only constants can be"));
    };
    let (Data::Int(x), Data::Int(y)) = (&a.data, &b.data) else {
        return Err(node.malformed("its operands are floats".into()));
    };
    let pairs = x.iter().zip(y);
    let made = match operator {
        "BitwiseAnd" => pairs.map(|(x, y)| x & y).collect(),
        "BitwiseOr" => pairs.map(|(x, y)| x | y).collect(),
        _ => pairs.map(|(x, y)| x ^ y).collect(),
    };
    Ok(Value::Const(Tensor { data: Data::Int(made), ..a }))
}

/// Every bit turned: −1 − x, or the greatest minus x where there is no sign.
pub(super) fn not(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let x = node.take(0)?;
    match x.dtype().limits() {
        _ if x.dtype() == DType::UInt64 => Err(node.unsupported("a number over 2^63 comes of it")),
        Some((low, high)) if x.dtype().computes() => {
            let least = if low < 0 { -1.0 } else { high as f64 };
            node.scale(x, |_| (-1.0, least))
        }
        _ => Err(node.malformed(format!("its input has type {}", x.dtype().name()))),
    }
}

/// The bits of a constant as those of another type.
pub(super) fn cast(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let code = node.int("to").and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
    let x = node.take(0)?;
    let from = x.dtype();
    let to = DType::of(code).unwrap_or(DType::String);
    let Value::Const(tensor) = x else {
        return Err(node.unsupported("it depends on the model's input; only constants can be"));
    };
    let size = |dtype: DType| match dtype {
        DType::Float32 => Some(32),
        DType::Float64 => Some(64),
        DType::Bool => Some(8),
        dtype if dtype.is_float() || dtype == DType::String => None,
        dtype => Some(width(dtype)),
    };
    if size(from).is_none() || size(from) != size(to) {
        return Err(node.unsupported(format!("it reads {} as {}", from.name(), to.name())));
    }
    let bits: Vec<i128> = match &tensor.data {
        Data::Float(values) if from == DType::Float32 => {
            values.iter().map(|v| (*v as f32).to_bits().into()).collect()
        }
        Data::Float(values) => values.iter().map(|v| v.to_bits().into()).collect(),
        Data::Int(values) => values.iter().map(|v| i128::from(*v)).collect(),
    };
    let data = match to {
        DType::Float32 => {
            Data::Float(bits.iter().map(|b| f32::from_bits(*b as u32).into()).collect())
        }
        DType::Float64 => Data::Float(bits.iter().map(|b| f64::from_bits(*b as u64)).collect()),
        DType::Bool => Data::Int(bits.iter().map(|b| i64::from(*b != 0)).collect()),
        to => {
            let values: Option<_> = bits.iter().map(|b| wrapped(*b, to)).collect();
            Data::Int(values.ok_or_else(|| node.unsupported("a number over 2^63 comes of it"))?)
        }
    };
    Ok(Value::Const(Tensor { shape: tensor.shape, dtype: to, data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_at_their_types_ends() {
        for (value, dtype, made) in [
            (300, DType::UInt8, Some(44)),
            (200, DType::Int8, Some(-56)),
            (-9, DType::Int4, Some(7)),
            (-1, DType::UInt2, Some(3)),
            (1 << 31, DType::Int32, Some(-(1i64 << 31))),
            (-1, DType::UInt64, None),
        ] {
            assert_eq!(wrapped(value, dtype), made, "{value} {dtype:?}");
        }
    }
}
