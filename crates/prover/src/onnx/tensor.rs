//! Constant tensors: what initializers and Constant nodes hold.
//!
//! Lengths are taken from the data that is there, never from the declared shape;
//! a shape that does not match its data is an error.

use tract_onnx::pb::{TensorProto, tensor_proto::DataType};

use super::{
    error::OnnxError,
    shape::{MAX_RANK, size},
};

/// A constant: row-major elements and their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Elements of a constant: weights, or shapes and indices.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Float(Vec<f64>),
    Int(Vec<i64>),
}

impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Int(values) => values.len(),
        }
    }
}

impl Tensor {
    /// A one-dimensional tensor.
    pub(super) fn vector(data: Data) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// A tensor without dimensions, of one element.
    pub(super) fn scalar(data: Data) -> Self {
        Self { shape: vec![], data }
    }

    /// Decodes a tensor of the file; `name` is for errors.
    pub(super) fn decode(proto: &TensorProto, name: &str) -> Result<Self, OnnxError> {
        let bad = |detail: String| OnnxError::BadTensor { tensor: name.into(), detail };
        if proto.data_location.is_some_and(|l| l != 0) || !proto.external_data.is_empty() {
            return Err(OnnxError::ExternalData { tensor: name.into() });
        }
        let shape = proto
            .dims
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| bad(format!("dimension {d} in its shape"))))
            .collect::<Result<Vec<_>, _>>()?;
        let raw = |size| match proto.raw_data.len() % size {
            0 => Ok(proto.raw_data.chunks_exact(size)),
            _ => Err(bad(format!("{} bytes of raw data", proto.raw_data.len()))),
        };
        let is_raw = !proto.raw_data.is_empty();
        let data = match DataType::try_from(proto.data_type) {
            Ok(DataType::Float) if is_raw => {
                Data::Float(raw(4)?.map(|b| f64::from(f32::from_le_bytes(bytes(b)))).collect())
            }
            Ok(DataType::Float) => {
                Data::Float(proto.float_data.iter().map(|&v| f64::from(v)).collect())
            }
            Ok(DataType::Double) if is_raw => {
                Data::Float(raw(8)?.map(|b| f64::from_le_bytes(bytes(b))).collect())
            }
            Ok(DataType::Double) => Data::Float(proto.double_data.clone()),
            Ok(DataType::Int64) if is_raw => {
                Data::Int(raw(8)?.map(|b| i64::from_le_bytes(bytes(b))).collect())
            }
            Ok(DataType::Int64) => Data::Int(proto.int64_data.clone()),
            Ok(DataType::Int32) if is_raw => {
                Data::Int(raw(4)?.map(|b| i64::from(i32::from_le_bytes(bytes(b)))).collect())
            }
            Ok(DataType::Bool) if is_raw => {
                Data::Int(proto.raw_data.iter().map(|&b| i64::from(b != 0)).collect())
            }
            Ok(DataType::Int32 | DataType::Bool) => {
                Data::Int(proto.int32_data.iter().map(|&v| i64::from(v)).collect())
            }
            _ => {
                let dtype = type_name(proto.data_type);
                return Err(OnnxError::WrongType { tensor: name.into(), dtype });
            }
        };
        let empty_matrix = data.len() == 0 && shape.len() > 1;
        if size(&shape) != Some(data.len()) || shape.len() > MAX_RANK || empty_matrix {
            return Err(bad(format!("shape {shape:?} with {} elements of data", data.len())));
        }
        Ok(Self { shape, data })
    }
}

/// The first N bytes of a chunk of N.
fn bytes<const N: usize>(chunk: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(chunk);
    array
}

/// ONNX's name for an element type, `float16` for example.
pub(super) fn type_name(code: i32) -> String {
    match DataType::try_from(code) {
        Ok(DataType::Float) => "float32".into(),
        Ok(DataType::Double) => "float64".into(),
        Ok(known) => format!("{known:?}").to_lowercase(),
        Err(_) => format!("number {code}"),
    }
}

/// True for the element types a model may compute in.
pub(super) fn is_float(code: i32) -> bool {
    matches!(DataType::try_from(code), Ok(DataType::Float | DataType::Double))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(dims: &[i64], data_type: DataType) -> TensorProto {
        TensorProto { dims: dims.to_vec(), data_type: data_type as i32, ..Default::default() }
    }

    #[test]
    fn floats_are_read_exactly_from_either_field() {
        let mut typed = proto(&[2], DataType::Float);
        typed.float_data = vec![0.1, -2.5];
        let mut raw = proto(&[2], DataType::Float);
        raw.raw_data = [0.1f32.to_le_bytes(), (-2.5f32).to_le_bytes()].concat();
        let expected = Tensor::vector(Data::Float(vec![f64::from(0.1f32), -2.5]));
        assert_eq!(Tensor::decode(&typed, "w").unwrap(), expected);
        assert_eq!(Tensor::decode(&raw, "w").unwrap(), expected);
    }

    #[test]
    fn a_shape_that_does_not_match_its_data_is_refused() {
        for dims in [&[3][..], &[-1], &[i64::MAX, i64::MAX], &[2, 0], &[2, 1 << 62, 4]] {
            let mut tensor = proto(dims, DataType::Float);
            tensor.float_data = vec![1.0, 2.0];
            let error = Tensor::decode(&tensor, "w").unwrap_err();
            assert!(matches!(error, OnnxError::BadTensor { .. }), "{dims:?}: {error}");
        }
    }

    #[test]
    fn raw_data_of_a_partial_element_is_refused() {
        let mut tensor = proto(&[1], DataType::Float);
        tensor.raw_data = vec![0; 5];
        assert!(matches!(Tensor::decode(&tensor, "w"), Err(OnnxError::BadTensor { .. })));
    }

    #[test]
    fn an_element_type_that_is_not_understood_is_named() {
        for (data_type, name) in [(DataType::Float16, "float16"), (DataType::Int8, "int8")] {
            let error = Tensor::decode(&proto(&[0], data_type), "w").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
