//! Constant tensors: what initializers and Constant nodes hold.
//!
//! Lengths are taken from the data that is there, never from the declared shape; a shape
//! that does not match its data is an error.

use tract_onnx::pb::{SparseTensorProto, TensorProto};

use super::{
    budget::Budget,
    dtype::{DType, type_name},
    error::OnnxError,
    minifloat,
    shape::{MAX_RANK, size},
};

/// A constant: row-major elements, their type and their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
    pub(super) data: Data,
}

/// Elements of a constant: weights, or shapes, indices and truth values.
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
    pub(super) fn floats(shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { shape, dtype: DType::Float32, data: Data::Float(values) }
    }

    pub(super) fn ints(shape: Vec<usize>, values: Vec<i64>) -> Self {
        Self { shape, dtype: DType::Int64, data: Data::Int(values) }
    }

    /// Decodes a tensor of the file; `name` is for errors.
    pub(super) fn decode(proto: &TensorProto, name: &str) -> Result<Self, OnnxError> {
        if proto.data_location.is_some_and(|l| l != 0) || !proto.external_data.is_empty() {
            return Err(OnnxError::ExternalData {
                tensor: name.into(),
                detail: "it is stored outside the model file, which was read without its folder"
                    .into(),
            });
        }
        Self::decode_raw(proto, &proto.raw_data, name)
    }

    /// Decodes a tensor whose raw data is given apart.
    pub(super) fn decode_raw(
        proto: &TensorProto,
        raw: &[u8],
        name: &str,
    ) -> Result<Self, OnnxError> {
        let bad = |detail: String| OnnxError::BadTensor { tensor: name.into(), detail };
        if proto.segment.is_some() {
            return Err(bad("it is stored in segments".into()));
        }
        let shape = dims(&proto.dims).map_err(bad)?;
        let Some(dtype) = DType::of(proto.data_type).filter(|d| *d != DType::String) else {
            let dtype = type_name(proto.data_type);
            return Err(OnnxError::WrongType { tensor: name.into(), dtype });
        };
        let count = size(&shape).unwrap_or(usize::MAX);
        let few = minifloat::per_byte(dtype) > 1 || dtype.is_minifloat();
        let data = match raw.is_empty() {
            false if few => few_bits(dtype, raw, count),
            false => from_raw(dtype, raw),
            true if few => {
                let byte = |v: &i32| u8::try_from(*v).map_err(|_| format!("{v} for 8 bits"));
                let bytes: Result<Vec<u8>, String> = proto.int32_data.iter().map(byte).collect();
                bytes.and_then(|bytes| few_bits(dtype, &bytes, count))
            }
            true => from_fields(dtype, proto),
        }
        .map_err(bad)?;
        if data.len() == 0 && shape.len() > 1 && size(&shape) == Some(0) {
            return Err(bad(format!("it has no elements, being of shape {shape:?}; leave it out")));
        }
        if size(&shape) != Some(data.len()) || shape.len() > MAX_RANK {
            return Err(bad(format!("shape {shape:?} with {} elements of data", data.len())));
        }
        Ok(Self { shape, dtype, data })
    }

    /// Decodes a sparse tensor into all its elements.
    pub(super) fn decode_sparse(
        proto: &SparseTensorProto,
        name: &str,
        budget: &mut Budget,
    ) -> Result<Self, OnnxError> {
        let bad = |detail: String| OnnxError::BadTensor { tensor: name.into(), detail };
        let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
            return Err(bad("a sparse tensor without values or indices".into()));
        };
        let shape = dims(&proto.dims).map_err(bad)?;
        let values = Self::decode(values, name)?;
        let indices = Self::decode(indices, name)?;
        let Data::Int(places) = indices.data else {
            return Err(bad("its indices are not integers".into()));
        };
        let count = budget.elements(name, &shape)?;
        let columns = match indices.shape[..] {
            [n] if n == values.data.len() => 1,
            [n, rank] if n == values.data.len() && rank == shape.len() => rank,
            _ => return Err(bad(format!("indices of shape {:?}", indices.shape))),
        };
        let place = |place: &[i64]| -> Option<usize> {
            let dims: &[usize] = if columns == 1 && shape.len() != 1 { &[count] } else { &shape };
            place.iter().zip(dims).try_fold(0usize, |at, (&i, &dim)| {
                let i = usize::try_from(i).ok().filter(|&i| i < dim)?;
                Some(at * dim + i)
            })
        };
        let places: Option<Vec<usize>> = places.chunks(columns.max(1)).map(place).collect();
        let places = places.ok_or_else(|| bad("an index out of range".into()))?;
        let data = match values.data {
            Data::Float(values) => {
                let mut all = vec![0.0; count];
                places.iter().zip(values).for_each(|(&at, value)| all[at] = value);
                Data::Float(all)
            }
            Data::Int(values) => {
                let mut all = vec![0; count];
                places.iter().zip(values).for_each(|(&at, value)| all[at] = value);
                Data::Int(all)
            }
        };
        if count == 0 || shape.len() > MAX_RANK {
            return Err(bad(format!("shape {shape:?}")));
        }
        Ok(Self { shape, dtype: values.dtype, data })
    }
}

fn dims(dims: &[i64]) -> Result<Vec<usize>, String> {
    let dim = |&d: &i64| usize::try_from(d).map_err(|_| format!("dimension {d} in its shape"));
    dims.iter().map(dim).collect()
}

fn from_raw(dtype: DType, raw: &[u8]) -> Result<Data, String> {
    fn chunks<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        let (whole, rest) = raw.as_chunks::<N>();
        match rest.is_empty() {
            true => Ok(whole.iter().map(|chunk| f(*chunk)).collect()),
            false => Err(format!("{} bytes of raw data", raw.len())),
        }
    }
    Ok(match dtype {
        DType::Float32 => Data::Float(chunks(raw, |b| f32::from_le_bytes(b).into())?),
        DType::Float64 => Data::Float(chunks(raw, f64::from_le_bytes)?),
        DType::Float16 => Data::Float(chunks(raw, |b| half(u16::from_le_bytes(b)))?),
        DType::BFloat16 => Data::Float(chunks(raw, |b| brain(u16::from_le_bytes(b)))?),
        DType::Bool => Data::Int(raw.iter().map(|&b| i64::from(b != 0)).collect()),
        DType::Int8 => Data::Int(chunks(raw, |b| i8::from_le_bytes(b).into())?),
        DType::UInt8 => Data::Int(raw.iter().map(|&b| b.into()).collect()),
        DType::Int16 => Data::Int(chunks(raw, |b| i16::from_le_bytes(b).into())?),
        DType::UInt16 => Data::Int(chunks(raw, |b| u16::from_le_bytes(b).into())?),
        DType::Int32 => Data::Int(chunks(raw, |b| i32::from_le_bytes(b).into())?),
        DType::UInt32 => Data::Int(chunks(raw, |b| u32::from_le_bytes(b).into())?),
        DType::Int64 => Data::Int(chunks(raw, i64::from_le_bytes)?),
        DType::UInt64 => {
            let values = chunks(raw, |b| i64::try_from(u64::from_le_bytes(b)).ok())?;
            Data::Int(values.into_iter().collect::<Option<_>>().ok_or("a number over 2^63")?)
        }
        other => return Err(format!("{} in raw_data", other.name())),
    })
}

/// Elements of eight bits or fewer, of which several may share a byte.
fn few_bits(dtype: DType, bytes: &[u8], count: usize) -> Result<Data, String> {
    if bytes.len() != count.div_ceil(minifloat::per_byte(dtype)) {
        return Err(format!("{} bytes for {count} elements", bytes.len()));
    }
    let bits = minifloat::unpack(dtype, bytes, count);
    Ok(match dtype.is_float() {
        true => Data::Float(
            bits.into_iter().map(|b| minifloat::float(dtype, b).unwrap_or(f64::NAN)).collect(),
        ),
        false => Data::Int(bits.into_iter().map(|b| minifloat::integer(dtype, b)).collect()),
    })
}

fn from_fields(dtype: DType, proto: &TensorProto) -> Result<Data, String> {
    let halves = |f: fn(u16) -> f64| -> Result<Data, String> {
        let value = |&v: &i32| u16::try_from(v).map(f).map_err(|_| format!("{v} for 16 bits"));
        Ok(Data::Float(proto.int32_data.iter().map(value).collect::<Result<_, _>>()?))
    };
    match dtype {
        DType::Float32 => Ok(Data::Float(proto.float_data.iter().map(|&v| f64::from(v)).collect())),
        DType::Float64 => Ok(Data::Float(proto.double_data.clone())),
        DType::Float16 => halves(half),
        DType::BFloat16 => halves(brain),
        DType::Int64 => Ok(Data::Int(proto.int64_data.clone())),
        // The parser has no uint64_data, where these would stand.
        DType::UInt32 | DType::UInt64 => Err(format!("{} outside raw_data", dtype.name())),
        _ => {
            let (low, high) = dtype.limits().unwrap_or((0, 0));
            let value = |&v: &i32| match (low..=high).contains(&v.into()) {
                true => Ok(i64::from(v)),
                false => Err(format!("{v} is no {}", dtype.name())),
            };
            Ok(Data::Int(proto.int32_data.iter().map(value).collect::<Result<_, _>>()?))
        }
    }
}

/// The value of an IEEE half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// The value of a bfloat16, the upper half of a float32.
fn brain(bits: u16) -> f64 {
    f32::from_bits(u32::from(bits) << 16).into()
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::tensor_proto::DataType;

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
        let expected = Tensor::floats(vec![2], vec![f64::from(0.1f32), -2.5]);
        assert_eq!(Tensor::decode(&typed, "w").unwrap(), expected);
        assert_eq!(Tensor::decode(&raw, "w").unwrap(), expected);
    }

    #[test]
    fn halves_are_read_exactly() {
        let values = [(0x3c00, 1.0), (0xc500, -5.0), (0x0001, 2f64.powi(-24)), (0x7bff, 65504.0)];
        values.iter().for_each(|&(bits, value)| assert_eq!(half(bits), value));
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert!(half(0x7c01).is_nan());
        assert_eq!(brain(0x3fc0), 1.5);
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
        for (data_type, name) in [(DataType::String, "string"), (DataType::Complex64, "complex64")]
        {
            let error = Tensor::decode(&proto(&[0], data_type), "w").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_sparse_tensor_is_filled_with_zeros_and_checked() {
        let mut values = proto(&[2], DataType::Float);
        values.float_data = vec![5.0, 7.0];
        let mut indices = proto(&[2], DataType::Int64);
        indices.int64_data = vec![1, 2];
        let mut sparse =
            SparseTensorProto { values: Some(values), indices: Some(indices), dims: vec![2, 2] };
        let mut budget = Budget::new(100);
        let dense = Tensor::decode_sparse(&sparse, "w", &mut budget).unwrap();
        assert_eq!(dense, Tensor::floats(vec![2, 2], vec![0.0, 5.0, 7.0, 0.0]));
        sparse.dims = vec![1, 2];
        assert!(Tensor::decode_sparse(&sparse, "w", &mut budget).is_err());
        sparse.dims = vec![1 << 40, 1 << 20];
        assert!(Tensor::decode_sparse(&sparse, "w", &mut budget).is_err());
    }
}
