//! Reading a model from an ONNX file.
//!
//! ```text
//! bytes ─ wire: size limits ─► protobuf ─ functions, external data ─► one graph of nodes
//!       ─ order: names, live nodes ─► schema: what a node may look like ─► ops: an operator
//!       a file ─► builder ─► graph::passes ─► Graph
//! ```
//!
//! The protobuf types are tract's; the reading is our own, because it needs the file's node
//! names for errors and reports, the weights exactly, and a graph of few operations rather
//! than a tensor program. [`crosscheck`](crosscheck::crosscheck) lets tract run the same
//! file and compares.
//!
//! What is not supported is refused by name, never approximated and never passed over.
//!
//! A model file is untrusted input: reading never panics, and never allocates by a length
//! that was merely read.

mod budget;
mod builder;
pub mod crosscheck;
mod dtype;
mod error;
mod external;
#[cfg(test)]
mod folding_tests;
mod functions;
mod interface;
pub mod measure;
mod minifloat;
mod nested;
mod node;
mod ops;
mod order;
mod read;
mod schema;
mod shape;
mod tensor;
mod wire;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tract_onnx::{pb::ModelProto, tract_hir::prelude::Framework};

pub use self::{error::OnnxError, wire::MAX_FILE_BYTES};
use self::{measure::Measure, node::printable, read::Opsets};
use crate::{
    bounded::read_bounded,
    graph::{Graph, passes},
};

/// The oldest operator set whose broadcasting is today's.
const MIN_OPSET: i64 = 7;

/// What a caller decides about a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadOptions {
    /// Names of the outputs to prove, in this order; all of the file's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<String>>,
    /// Sizes of symbolic dimensions: by the dimension's name, or as `input:axis`. A first
    /// dimension that is not bound is the batch, of size 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dims: BTreeMap<String, usize>,
    /// Prove how good an output is instead of it; then `outputs` are not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
}

/// Reads a model file; the model is named after the file. Tensors may stand in other files
/// of its folder.
///
/// # Errors
/// See [`OnnxError`]; nothing about a file makes this panic.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Graph, OnnxError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    parse_in(&bytes, &name, Some(path.parent().unwrap_or(Path::new(""))), options, passes::simplify)
}

/// Names of the outputs that a model file declares, in its order.
///
/// # Errors
/// The file is not read, or is no model.
pub fn output_names(path: &Path) -> Result<Vec<String>, OnnxError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    let Decoded { model, .. } = decode(&bytes, None, None)?;
    let graph = model.graph.ok_or_else(|| wire::not_onnx("it has no graph"))?;
    Ok(graph.output.into_iter().map(|info| info.name).collect())
}

/// Reads a model from the bytes of an ONNX file.
///
/// # Errors
/// See [`OnnxError`]; nothing about the bytes makes this panic.
pub fn parse(bytes: &[u8], name: &str, options: &LoadOptions) -> Result<Graph, OnnxError> {
    parse_in(bytes, name, None, options, passes::simplify)
}

/// Reads a model; `simplify` joins what can be joined.
fn parse_in(
    bytes: &[u8],
    name: &str,
    folder: Option<&Path>,
    options: &LoadOptions,
    simplify: fn(&mut Graph),
) -> Result<Graph, OnnxError> {
    let Decoded { mut model, sha256, size } = decode(bytes, folder, options.measure.as_ref())?;
    let opsets = opsets(&model)?;
    let mut graph = model.graph.take().ok_or_else(|| wire::not_onnx("it has no graph"))?;
    graph.node = functions::expand(&model, graph.node)?;
    let builder = builder::Builder::new(name, sha256, budget::Budget::new(size));
    read::read(&graph, &opsets, options, builder, simplify)
}

/// A model whose tensors are all in it, with what is measured of it.
struct Decoded {
    model: ModelProto,
    /// Of the file's bytes, followed by those of external tensors in the file's order.
    sha256: [u8; 32],
    /// How many bytes that are.
    size: usize,
}

fn decode(
    bytes: &[u8],
    folder: Option<&Path>,
    measure: Option<&Measure>,
) -> Result<Decoded, OnnxError> {
    wire::check(bytes)?;
    let mut model: ModelProto = tract_onnx::onnx()
        .proto_model_for_read(&mut &*bytes)
        .map_err(|e| wire::not_onnx(&printable(&e.to_string())))?;
    let mut hash = Sha256::new_with_prefix(bytes);
    let mut size = bytes.len();
    if let (Some(graph), Some(folder)) = (&mut model.graph, folder) {
        let external = external::resolve(graph, folder, &mut hash)?;
        size = size.saturating_add(usize::try_from(external).unwrap_or(usize::MAX));
    }
    if let Some(measure) = measure {
        measure.add(&mut model)?;
    }
    Ok(Decoded { model, sha256: hash.finalize().into(), size })
}

/// The operator sets, of versions that are known.
fn opsets(model: &ModelProto) -> Result<Opsets, OnnxError> {
    let version = |domains: &[&str], min: i64, max: i64| {
        let imports = model.opset_import.iter().filter(|i| domains.contains(&i.domain.as_str()));
        // Some exporters import a set twice; the newer one counts.
        match imports.map(|import| import.version).max() {
            Some(version) if version < min || version > max => {
                let domain = domains[0].to_owned();
                Err(OnnxError::UnsupportedOpset { domain, version, min, max })
            }
            version => Ok(version),
        }
    };
    let onnx = version(&["ai.onnx", ""], MIN_OPSET, schema::NEWEST)?;
    let ml = version(&["ai.onnx.ml"], 1, schema::NEWEST_ML)?;
    match (onnx, ml) {
        (None, None) => {
            let domain = "ai.onnx".to_owned();
            let (min, max) = (MIN_OPSET, schema::NEWEST);
            Err(OnnxError::UnsupportedOpset { domain, version: 0, min, max })
        }
        (onnx, ml) => Ok(Opsets { onnx, ml }),
    }
}
