//! Element types.

use tract_onnx::pb::tensor_proto::DataType;

/// An element type that tensors may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DType {
    Float32,
    Float64,
    Float16,
    BFloat16,
    Float8E4M3Fn,
    Float8E4M3FnUz,
    Float8E5M2,
    Float8E5M2FnUz,
    Float8E8M0,
    Float4E2M1,
    Bool,
    Int2,
    UInt2,
    Int4,
    UInt4,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    /// Names of categories; constants of them are read by their operators only.
    String,
}

impl DType {
    /// The type that ONNX numbers `code`.
    pub(super) fn of(code: i32) -> Option<Self> {
        // Those that the parser's list of types lacks, or calls otherwise.
        match code {
            17 => return Some(Self::Float8E4M3Fn),
            18 => return Some(Self::Float8E4M3FnUz),
            19 => return Some(Self::Float8E5M2),
            20 => return Some(Self::Float8E5M2FnUz),
            21 => return Some(Self::UInt4),
            22 => return Some(Self::Int4),
            23 => return Some(Self::Float4E2M1),
            24 => return Some(Self::Float8E8M0),
            25 => return Some(Self::UInt2),
            26 => return Some(Self::Int2),
            _ => {}
        }
        Some(match DataType::try_from(code).ok()? {
            DataType::Float => Self::Float32,
            DataType::Double => Self::Float64,
            DataType::Float16 => Self::Float16,
            DataType::Bfloat16 => Self::BFloat16,
            DataType::Bool => Self::Bool,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::Uint8 => Self::UInt8,
            DataType::Uint16 => Self::UInt16,
            DataType::Uint32 => Self::UInt32,
            DataType::Uint64 => Self::UInt64,
            DataType::String => Self::String,
            _ => return None,
        })
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64 | Self::Float16 | Self::BFloat16)
            || self.is_minifloat()
    }

    /// Whether it is of floats of sixteen bits.
    pub(super) fn is_half(self) -> bool {
        matches!(self, Self::Float16 | Self::BFloat16)
    }

    /// Whether it is of floats of eight bits or fewer.
    pub(super) fn is_minifloat(self) -> bool {
        matches!(
            self,
            Self::Float8E4M3Fn
                | Self::Float8E4M3FnUz
                | Self::Float8E5M2
                | Self::Float8E5M2FnUz
                | Self::Float8E8M0
                | Self::Float4E2M1
        )
    }

    /// Least and greatest value, of integers and truth values.
    pub(super) fn limits(self) -> Option<(i64, i64)> {
        Some(match self {
            Self::Bool => (0, 1),
            Self::Int2 => (-2, 1),
            Self::UInt2 => (0, 3),
            Self::Int4 => (-8, 7),
            Self::UInt4 => (0, 15),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN, i64::MAX),
            Self::UInt8 => (0, u8::MAX.into()),
            Self::UInt16 => (0, u16::MAX.into()),
            Self::UInt32 => (0, u32::MAX.into()),
            // Constants beyond are refused when they are read.
            Self::UInt64 => (0, i64::MAX),
            _ => return None,
        })
    }

    /// Whether its elements are numbers.
    pub(super) fn computes(self) -> bool {
        !matches!(self, Self::Bool | Self::String)
    }

    /// Whether it is of integers that a model's sums might leave.
    pub(super) fn is_narrow(self) -> bool {
        self.computes() && !self.is_float() && !matches!(self, Self::Int32 | Self::Int64)
    }

    /// ONNX's name for it.
    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// ONNX's name for an element type, known or not.
pub(super) fn type_name(code: i32) -> String {
    match (DType::of(code), DataType::try_from(code)) {
        (Some(dtype), _) => dtype.name(),
        (None, Ok(known)) => format!("{known:?}").to_lowercase(),
        (None, Err(_)) => format!("number {code}"),
    }
}
