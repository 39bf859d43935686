//! Reading a model from an ONNX file.
//!
//! ```text
//! bytes ─ wire: size limits ─► protobuf ─ lower: node by node ─► FloatModel
//! ```
//!
//! The protobuf types are tract's; the lowering is our own, because it needs the
//! file's node names for errors and reports, the weights exactly, and a chain of
//! affine maps rather than a tensor program.
//!
//! Supported is what such a chain can express: Gemm, MatMul, Add, Sub, Mul, Div,
//! Neg, BatchNormalization and Scaler with constants, operators that move elements,
//! Relu (also as Clip or Max), Sigmoid, Softmax over two classes. All else is
//! refused by name, never approximated.
//!
//! A model file is untrusted input: reading never panics, and never allocates by a
//! length that was merely read.

mod budget;
mod error;
#[cfg(test)]
mod folding_tests;
mod lower;
mod map;
mod node;
mod ops;
mod shape;
mod tensor;
mod wire;

use std::{fs::File, io::Read, path::Path};

use sha2::{Digest, Sha256};
use tract_onnx::{pb::ModelProto, tract_hir::prelude::Framework};

use self::node::printable;
pub use self::{error::OnnxError, wire::MAX_FILE_BYTES};
use crate::model::FloatModel;

/// The oldest operator set whose broadcasting is today's.
const MIN_OPSET: i64 = 7;

/// Reads a model file; the model is named after the file.
///
/// # Errors
/// See [`OnnxError`]; nothing about a file makes this panic.
pub fn load(path: &Path) -> Result<FloatModel, OnnxError> {
    let io = |source| OnnxError::Io { path: path.to_owned(), source };
    let mut bytes = vec![];
    // One byte more than allowed tells a file that is too large.
    File::open(path).map_err(io)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    parse(&bytes, &name)
}

/// Reads a model from the bytes of an ONNX file.
///
/// # Errors
/// See [`OnnxError`]; nothing about the bytes makes this panic.
pub fn parse(bytes: &[u8], name: &str) -> Result<FloatModel, OnnxError> {
    wire::check(bytes)?;
    let proto: ModelProto = tract_onnx::onnx()
        .proto_model_for_read(&mut &*bytes)
        .map_err(|e| wire::not_onnx(&printable(&e.to_string())))?;
    let graph = proto.graph.as_ref().ok_or_else(|| wire::not_onnx("it has no graph"))?;
    let opset = proto
        .opset_import
        .iter()
        .find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"))
        .map_or(0, |import| import.version);
    if opset < MIN_OPSET {
        return Err(OnnxError::UnsupportedOpset { version: opset, min: MIN_OPSET });
    }
    let lower::Chain { input, output, layers } = lower::lower(graph, opset, bytes.len())?;
    let sha256 = Sha256::digest(bytes).into();
    Ok(FloatModel { name: name.to_owned(), input, output, layers, sha256 })
}
