//! Limits on a protobuf message before it is decoded.
//!
//! Decoding creates a struct of hundreds of bytes for a nested message of two,
//! so a hostile file of a few megabytes could ask for gigabytes. This walk over
//! the encoded bytes allocates next to nothing and counts what decoding would
//! create; a model of a thousand layers has a few ten thousand entries.

use super::error::OnnxError;

/// Largest model file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 128 << 20;

/// Nested messages and byte fields a file may hold, and strings but for those below.
const MAX_ENTRIES: usize = 200_000;

/// Bytes of attributes' lists of strings in memory: an ensemble of trees has one for each of
/// its nodes, which may be millions.
const MAX_STRING_BYTES: usize = 128 << 20;
/// Bytes in memory of a string beside its own.
const PER_STRING: usize = 40;

/// Bytes of integers, packed or one by one: each may become eight in memory. Weights are
/// raw bytes, which stay as many.
const MAX_NUMBER_BYTES: usize = 32 << 20;

/// The messages of onnx.proto that contain further messages.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Tensor,
    SparseTensor,
    /// A tensor's quantization parameters.
    Annotation,
    Function,
    /// Numbers packed into as little as a byte each.
    Numbers,
    /// One of an attribute's list of strings.
    Text,
    /// Strings, bytes, packed floats and messages of scalars only.
    Leaf,
}

impl Message {
    /// The kind of the length-delimited field `field`, or why it is refused.
    fn child(self, field: u64) -> Result<Self, OnnxError> {
        Ok(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => return Err(not_onnx("the file contains training information")),
            (Self::Model, 25) => Self::Function,
            (Self::Function, 11) => {
                return Err(not_onnx("a function has attributes with defaults: inline it"));
            }
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Graph, 14) => Self::Annotation,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 14 | 15) | (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7) | (Self::SparseTensor, 3) => {
                Self::Numbers
            }
            (Self::Attribute, 9) => Self::Text,
            _ => Self::Leaf,
        })
    }
}

/// Refuses bytes that are too long, not well-formed, or made of too many parts.
pub(super) fn check(bytes: &[u8]) -> Result<(), OnnxError> {
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty"));
    }
    let length = bytes.len() as u64;
    if length > MAX_FILE_BYTES {
        return Err(OnnxError::FileTooLarge { bytes: length, limit: MAX_FILE_BYTES });
    }
    let (mut entries, mut numbers, mut strings) = (0, 0, 0);
    let mut open = vec![(Message::Model, bytes)];
    while let Some((message, mut rest)) = open.pop() {
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let skip = match key & 7 {
                0 => varint(&mut rest).map(|_| 0)?,
                1 => 8,
                2 => varint(&mut rest)?,
                5 => 4,
                other => return Err(not_onnx(&format!("unknown wire type {other}"))),
            };
            let (field, after) = usize::try_from(skip)
                .ok()
                .and_then(|skip| rest.split_at_checked(skip))
                .ok_or_else(|| not_onnx("the file is cut short"))?;
            rest = after;
            let child = match key & 7 {
                2 => message.child(key >> 3)?,
                _ => Message::Numbers,
            };
            let (sum, amount, limit, what) = match child {
                Message::Numbers => {
                    (&mut numbers, field.len() + 1, MAX_NUMBER_BYTES, "bytes of single numbers")
                }
                Message::Text => {
                    let amount = field.len() + PER_STRING;
                    (&mut strings, amount, MAX_STRING_BYTES, "bytes of lists of strings")
                }
                _ => (&mut entries, 1, MAX_ENTRIES, "entries"),
            };
            *sum += amount;
            if *sum > limit {
                return Err(OnnxError::TooMany { what, limit });
            }
            match child {
                Message::Leaf | Message::Numbers | Message::Text => {}
                child => open.push((child, field)),
            }
        }
    }
    Ok(())
}

/// Takes a base-128 number off the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Result<u64, OnnxError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(|| not_onnx("the file is cut short"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(not_onnx("a number of more than 64 bits"))
}

pub(super) fn not_onnx(reason: &str) -> OnnxError {
    OnnxError::NotOnnx { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of wire type 2.
    fn nested(field: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(content);
        bytes
    }

    fn reason(bytes: &[u8]) -> String {
        check(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert!(reason(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]).contains("cut short"));
        assert!(reason(&[0x3a, 0x05, 0x0a]).contains("cut short"));
    }

    #[test]
    fn a_number_that_never_ends_is_refused() {
        assert!(reason(&[0xff; 12]).contains("64 bits"));
    }

    #[test]
    fn a_million_empty_attributes_are_refused_before_they_are_decoded() {
        let attributes = nested(5, &[]).repeat(1_000_000);
        let model = nested(7, &nested(1, &attributes));
        assert!(reason(&model).contains("entries"));
    }

    #[test]
    fn a_million_entries_of_any_optional_field_are_refused_before_they_are_decoded() {
        let million = |field: u8| nested(field, &[]).repeat(1_000_000);
        let tensor = |field| nested(7, &nested(5, &million(field)));
        let models = [
            ("string_data", tensor(6)),
            ("external_data", tensor(13)),
            ("quantization_annotation", nested(7, &million(14))),
            ("quant_parameter_tensor_names", nested(7, &nested(14, &million(2)))),
            ("metadata_props", million(14)),
            ("opset_import", million(8)),
        ];
        for (field, model) in models {
            assert!(reason(&model).contains("entries"), "{field}");
        }
    }

    #[test]
    fn integers_that_would_grow_eightfold_are_bounded_packed_or_not() {
        let packed = nested(7, &nested(5, &nested(7, &vec![0; 33 << 20])));
        assert!(reason(&packed).contains("single numbers"));
        let loose = nested(7, &nested(5, &[7 << 3, 0].repeat(33 << 20)));
        assert!(reason(&loose).contains("single numbers"));
    }

    /// As many strings as an ensemble of half a million nodes has.
    #[test]
    fn strings_of_an_attribute_are_bounded_by_their_bytes() {
        let modes = |count: usize, mode: &[u8]| {
            nested(7, &nested(1, &nested(5, &nested(9, mode).repeat(count))))
        };
        assert!(check(&modes(500_000, b"BRANCH_LEQ")).is_ok());
        for model in [modes(4_000_000, b""), modes(3_000_000, b"BRANCH_LEQ")] {
            let reason = reason(&model);
            assert!(reason.contains("bytes of lists of strings"), "{reason}");
            assert!(!reason.contains("not an ONNX model"), "{reason}");
        }
    }

    #[test]
    fn nesting_of_any_depth_is_walked_without_recursion() {
        let mut graph = nested(1, &[]);
        for _ in 0..2_000 {
            // graph → node → attribute → graph
            graph = nested(1, &nested(5, &nested(6, &graph)));
        }
        assert!(check(&nested(7, &graph)).is_ok());
    }

    #[test]
    fn an_empty_file_is_refused() {
        assert!(reason(&[]).contains("empty"));
    }
}
