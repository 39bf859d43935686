//! Limits on a protobuf message before it is decoded.
//!
//! Decoding creates a struct of hundreds of bytes for a nested message of two,
//! so a hostile file of a few megabytes could ask for gigabytes. This walk over
//! the encoded bytes allocates next to nothing and counts what decoding would
//! create; a model of a thousand layers has a few ten thousand entries.

use super::error::OnnxError;

/// Largest model file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 128 << 20;

/// Nested messages, strings and byte fields a file may hold.
const MAX_ENTRIES: usize = 200_000;

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
    /// Strings, bytes, packed numbers and messages of scalars only.
    Leaf,
}

impl Message {
    /// The kind of the length-delimited field `field`, or why it is refused.
    fn child(self, field: u64) -> Result<Self, OnnxError> {
        Ok(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => return Err(not_onnx("the file contains training information")),
            (Self::Model, 25) => return Err(not_onnx("the file defines functions: inline them")),
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => {
                return Err(not_onnx("the file contains sparse tensors"));
            }
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 14 | 15) | (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
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
    let mut entries = 0;
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
            if key & 7 != 2 {
                continue;
            }
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(not_onnx(&format!("more than {MAX_ENTRIES} entries")));
            }
            match message.child(key >> 3)? {
                Message::Leaf => {}
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
