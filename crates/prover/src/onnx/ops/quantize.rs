//! DequantizeLinear of constants: weights stored as integers.

use crate::onnx::{
    dtype::DType,
    error::OnnxError,
    node::{Node, Value},
    tensor::{Data, Tensor},
};

/// (x − zero point)·scale, of a tensor or along an axis.
pub(super) fn dequantize(node: &mut Node<'_>) -> Result<Value, OnnxError> {
    let (shape, x) = match node.take(0)? {
        Value::Const(Tensor { data: Data::Int(x), shape, .. }) => (shape, x),
        Value::Const(_) => return Err(node.malformed("it dequantizes floats".into())),
        Value::Signal(_) => return Err(node.unsupported("only constants can be dequantized")),
    };
    let block = node.int("block_size").unwrap_or(0);
    let output = node.int("output_dtype").unwrap_or(0);
    if block != 0 || ![0, 1].contains(&output) {
        return Err(node.unsupported("it has blocks, or an output type other than float32"));
    }
    let (scale_shape, scale) = match node.take(1)? {
        Value::Const(Tensor { data: Data::Float(scale), shape, dtype: DType::Float32 }) => {
            (shape, scale)
        }
        _ => return Err(node.unsupported("its scale is not a float32 constant")),
    };
    let zero = node.take_ints(2)?.unwrap_or_else(|| vec![0; scale.len()]);
    let single = scale.len() == 1 && scale_shape.len() <= 1;
    let (count, inner) = match single {
        true => (1, 1),
        false => {
            let axis = node.axis(node.int("axis").unwrap_or(1), shape.len())?;
            (shape[axis], shape[axis + 1..].iter().product::<usize>().max(1))
        }
    };
    if scale.len() != count || zero.len() != count {
        let (scales, zeros) = (scale.len(), zero.len());
        return Err(node.mismatch(format!("{scales} scales and {zeros} zero points for {count}")));
    }
    let of = |(i, &x): (usize, &i64)| {
        let at = i / inner % count;
        x.saturating_sub(zero[at]) as f64 * scale[at]
    };
    let values = x.iter().enumerate().map(of).collect();
    Ok(Value::Const(Tensor::floats(shape, values)))
}
