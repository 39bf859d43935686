//! Why an ONNX file could not be read.

use thiserror::Error;

use crate::bounded::ReadError;

/// Why an ONNX file could not be turned into a [`Graph`](crate::graph::Graph).
///
/// Nodes are named as in the file; a node without a name is called by its
/// operator and position, `Gemm#3`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file could not be read, or is larger than any model that is read.
    #[error(transparent)]
    File(#[from] ReadError),
    /// The bytes are more than the reader takes.
    #[error("the model has {bytes} bytes, the limit is {limit}")]
    FileTooLarge {
        /// Size of the file.
        bytes: u64,
        /// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
        limit: u64,
    },
    /// The bytes are made of more parts than the reader takes.
    #[error("the model has more than {limit} {what}, which is the most that is read")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
    /// The bytes are not an ONNX model.
    #[error("not an ONNX model: {reason}; export the model as .onnx")]
    NotOnnx {
        /// What is wrong with the bytes.
        reason: String,
    },
    /// A tensor is kept outside the file, where it cannot be read.
    #[error(
        "tensor {tensor}: {detail}; keep its file beside the model, or save the model as one file"
    )]
    ExternalData {
        /// The tensor whose data is elsewhere.
        tensor: String,
        /// What is wrong with the place.
        detail: String,
    },
    /// An operator set is too old, too new, or not declared.
    #[error("operator set {domain} {version} is not supported; export with {min} to {max}")]
    UnsupportedOpset {
        /// The set's domain.
        domain: String,
        /// The declared version, 0 if there is none.
        version: i64,
        /// The oldest one understood.
        min: i64,
        /// The newest one understood.
        max: i64,
    },
    /// An operator, or a use of it, that cannot be expressed.
    #[error("operator {operator} (node {node}) is not supported: {reason}")]
    UnsupportedOperator {
        /// The operator, with its domain unless it is ONNX's own.
        operator: String,
        /// The node.
        node: String,
        /// What exactly is not supported, or what to use.
        reason: String,
    },
    /// A dimension other than the batch's has no fixed size.
    #[error(
        "dimension {axis} of tensor {tensor} is {dimension}; bind it to a size, or export the model \
         with fixed sizes"
    )]
    DynamicShape {
        /// The tensor.
        tensor: String,
        /// Which of its dimensions.
        axis: usize,
        /// Its symbolic name, or what is missing.
        dimension: String,
    },
    /// A weight is NaN or infinite, or becomes so by folding.
    #[error("weight {index} of node {node} is {value}; every weight must be a finite number")]
    NotFinite {
        /// The node that uses it.
        node: String,
        /// Position in the weight tensor, row-major.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// A tensor has an element type that is not understood where it stands.
    #[error("tensor {tensor} has type {dtype}, which is not supported here")]
    WrongType {
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: String,
    },
    /// A tensor's name is defined more than once.
    #[error("tensor {tensor} is defined twice, the second time {definition}")]
    DefinedTwice {
        /// The name.
        tensor: String,
        /// The second definition.
        definition: String,
    },
    /// An output that was asked for is not there.
    #[error("the model has no output {name}; its outputs are {outputs}")]
    UnknownOutput {
        /// The name asked for.
        name: String,
        /// The names there are.
        outputs: String,
    },
    /// An output that cannot be measured as was asked for.
    #[error("output {output} cannot be measured: {detail}")]
    Measure {
        /// The output, or all of them.
        output: String,
        /// Why not.
        detail: String,
    },
    /// A dimension that was bound is not there.
    #[error("no input has a symbolic dimension {name}")]
    UnknownDimension {
        /// The name, or `input:axis`.
        name: String,
    },
    /// An output that depends on no input.
    #[error("output {name} is a constant: there is nothing to prove about it")]
    ConstantOutput {
        /// The output.
        name: String,
    },
    /// The model needs more memory or work than the reader allows.
    #[error("node {node} makes the model too large: {what} exceed {limit}")]
    TooLarge {
        /// The node that went over the limit.
        node: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// No output, so nothing to prove.
    #[error("the model has no outputs")]
    NoOutputs,
    /// A node that some outputs need and others don't.
    #[error("{error}; it is not needed for {}", outputs.join(", "))]
    Spared {
        /// What is wrong with the node.
        error: Box<OnnxError>,
        /// The outputs that do not depend on it.
        outputs: Vec<String>,
    },
    /// Shapes of a node's inputs do not fit together.
    #[error("shape mismatch at node {node}: {detail}")]
    ShapeMismatch {
        /// The node.
        node: String,
        /// The shapes, and what would fit.
        detail: String,
    },
    /// A tensor's data does not match its declared shape.
    #[error("tensor {tensor} is malformed: {detail}")]
    BadTensor {
        /// The tensor.
        tensor: String,
        /// What does not match.
        detail: String,
    },
    /// The graph that was read is malformed.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// A node is malformed: an input or attribute is missing or out of range.
    #[error("node {node} is malformed: {detail}")]
    BadNode {
        /// The node.
        node: String,
        /// What is wrong.
        detail: String,
    },
}
