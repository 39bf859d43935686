//! One node of the file with its inputs resolved, as an operator sees it.

mod facts;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto};

use super::{
    builder::Builder,
    dtype::DType,
    error::OnnxError,
    ops, shape,
    tensor::{Data, Tensor},
};
use crate::graph::{self, Element, ElementKind, Graph, Linear, LinearMap, Op, TensorId};

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known now.
    Const(Tensor),
    /// Depends on the model's inputs.
    Signal(Signal),
}

/// A tensor of the graph under a shape: reshaping makes no node.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub(super) id: TensorId,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Const(tensor) => &tensor.shape,
            Self::Signal(signal) => &signal.shape,
        }
    }

    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Const(tensor) => tensor.dtype,
            Self::Signal(signal) => signal.dtype,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shape().iter().product()
    }
}

/// Operators that read floats which are meant cut off to integers: those that only pass them
/// on, and those that cut them off.
const READ_UNCUT: [&str; 8] = [
    "Equal",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "ai.onnx.ml.LabelEncoder",
    "ai.onnx.ml.OneHotEncoder",
];

/// Operators that read strings: those that only move them, and encoders.
const READ_STRINGS: [&str; 16] = [
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
    "ai.onnx.ml.ArrayFeatureExtractor",
    "ai.onnx.ml.CategoryMapper",
    "ai.onnx.ml.LabelEncoder",
    "ai.onnx.ml.OneHotEncoder",
];

/// What the dimensions of a tensor without elements may come to, beside those that are 0.
const MAX_EMPTY: usize = 1 << 20;

/// Shape and elements of a constant of integers.
type Indices = (Vec<usize>, Vec<i64>);

/// A node being lowered.
pub(super) struct Node<'a> {
    proto: &'a NodeProto,
    pub(super) name: String,
    pub(super) opset: i64,
    inputs: Vec<Option<Value>>,
    builder: &'a mut Builder,
    /// Why the outputs that the operator does not give are not given.
    pub(super) withheld: Option<String>,
}

impl<'a> Node<'a> {
    pub(super) fn new(
        proto: &'a NodeProto,
        position: usize,
        opset: i64,
        inputs: Vec<Option<Value>>,
        builder: &'a mut Builder,
    ) -> Self {
        let (name, withheld) = (display_name(proto, position), None);
        Self { proto, name, opset, inputs, builder, withheld }
    }

    /// The operator with its domain, unless that is ONNX's own.
    pub(super) fn operator(&self) -> String {
        operator(self.proto)
    }

    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs the file names.
    pub(super) fn output_count(&self) -> usize {
        self.proto.output.len()
    }

    /// Whether the file names an output at `index`.
    pub(super) fn names_output(&self, index: usize) -> bool {
        self.proto.output.get(index).is_some_and(|name| !name.is_empty())
    }

    /// Whether an ArrayFeatureExtractor takes an output for places.
    pub(super) fn extracts_by(&self, index: usize) -> bool {
        self.proto.output.get(index).is_some_and(|name| self.builder.places.contains(name))
    }

    /// The input at `index` with finite elements, or an error if there is none.
    pub(super) fn take(&mut self, index: usize) -> Result<Value, OnnxError> {
        self.take_optional(index)?
            .ok_or_else(|| self.malformed(format!("input {index} is missing")))
    }

    /// The input at `index` with finite elements, if there is one.
    pub(super) fn take_optional(&mut self, index: usize) -> Result<Option<Value>, OnnxError> {
        let mut value = self.take_unchecked(index);
        if let Some(Value::Signal(signal)) = &value
            && self.builder.uncut.contains(&signal.id)
            && !READ_UNCUT.contains(&self.operator().as_str())
        {
            value = value.map(|value| ops::cut(self.builder, &self.name, value)).transpose()?;
        }
        if value.as_ref().is_some_and(|value| value.dtype() == DType::String)
            && !READ_STRINGS.contains(&self.operator().as_str())
        {
            return Err(self.unsupported("it reads strings, which only encoders do here"));
        }
        if let Some(Value::Const(Tensor { data: Data::Float(values), .. })) = &value
            && let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite())
        {
            return Err(OnnxError::NotFinite { node: self.name.clone(), index, value });
        }
        Ok(value)
    }

    /// The input at `index`, left where it is.
    pub(super) fn peek(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// What a Where puts in the place of missing elements, and of whose, if it does that alone.
    pub(super) fn imputed(&self) -> Option<(&Signal, &Tensor)> {
        match (self.peek(0)?, self.peek(1)?, self.peek(2)?) {
            (Value::Signal(is), Value::Const(value), Value::Signal(x))
                if self.builder.gaps.get(&is.id) == Some(&x.id)
                    && value.dtype == x.dtype
                    && is.shape == x.shape
                    && shape::broadcast(&value.shape, &x.shape).as_ref() == Some(&x.shape) =>
            {
                Some((x, value))
            }
            _ => None,
        }
    }

    /// What has been read so far.
    pub(super) fn built(&self) -> &Builder {
        self.builder
    }

    /// Whether it reads a constant that runtimes may compute otherwise.
    pub(super) fn reads_doubted(&self) -> bool {
        self.proto.input.iter().any(|name| self.builder.doubted.contains(name))
    }

    /// Notes that its constants may be others where a runtime computes them.
    pub(super) fn doubt_results(&mut self) {
        self.builder.doubted.extend(self.proto.output.iter().cloned());
    }

    /// Puts other inputs in the place of its inputs, which are returned.
    pub(super) fn replace_inputs(&mut self, inputs: Vec<Option<Value>>) -> Vec<Option<Value>> {
        std::mem::replace(&mut self.inputs, inputs)
    }

    /// The input at `index` whatever its elements: bounds may be infinite.
    pub(super) fn take_unchecked(&mut self, index: usize) -> Option<Value> {
        self.inputs.get_mut(index).and_then(Option::take)
    }

    /// The input at `index` to compute with as real numbers.
    pub(super) fn take_real(&mut self, index: usize) -> Result<Value, OnnxError> {
        let value = self.take(index)?;
        match value.dtype().is_float() {
            true => Ok(value),
            false => Err(self.unsupported(format!("its input has type {}", value.dtype().name()))),
        }
    }

    /// The input at `index`, if there is one; it must be a constant of floats, flattened.
    pub(super) fn take_floats(&mut self, index: usize) -> Result<Option<Vec<f64>>, OnnxError> {
        match self.take_optional(index)? {
            None => Ok(None),
            Some(Value::Const(Tensor { data: Data::Float(values), .. })) => Ok(Some(values)),
            Some(Value::Const(_)) => {
                Err(self.malformed(format!("input {index} is not a float tensor")))
            }
            Some(Value::Signal(_)) => Err(self.not_constant(index)),
        }
    }

    /// The input at `index`, if there is one; it must be a constant of integers.
    pub(super) fn take_ints(&mut self, index: usize) -> Result<Option<Vec<i64>>, OnnxError> {
        Ok(self.take_int_tensor(index)?.map(|(_, values)| values))
    }

    /// As [`take_ints`](Self::take_ints), with the shape.
    pub(super) fn take_int_tensor(&mut self, index: usize) -> Result<Option<Indices>, OnnxError> {
        match self.take_optional(index)? {
            None => Ok(None),
            Some(Value::Const(Tensor { data: Data::Int(values), shape, .. })) => {
                Ok(Some((shape, values)))
            }
            Some(Value::Const(_)) => {
                Err(self.malformed(format!("input {index} is not an integer tensor")))
            }
            Some(Value::Signal(_)) => Err(self.not_constant(index)),
        }
    }

    fn not_constant(&self, index: usize) -> OnnxError {
        self.unsupported(format!("its input {index} is not a constant"))
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    /// An attribute that is 0 or 1.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, OnnxError> {
        match self.int(name) {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(self.malformed(format!("attribute {name} is {other}, not 0 or 1"))),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// A string attribute, or the default.
    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name)
            .map_or_else(|| default.to_owned(), |a| String::from_utf8_lossy(&a.s).into_owned())
    }

    /// A float attribute, finite.
    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64, OnnxError> {
        let value = self.attribute(name).map_or(default, |attribute| f64::from(attribute.f));
        match value.is_finite() {
            true => Ok(value),
            false => Err(self.malformed(format!("attribute {name} is {value}"))),
        }
    }

    /// A float attribute that may be infinite.
    pub(super) fn bound(&self, name: &str) -> Option<f64> {
        self.attribute(name).map(|attribute| f64::from(attribute.f))
    }

    /// A list of floats, each finite.
    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let values: Vec<f64> = attribute.floats.iter().map(|&v| f64::from(v)).collect();
        match values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            Some((index, &value)) => {
                Err(OnnxError::NotFinite { node: self.name.clone(), index, value })
            }
            None => Ok(Some(values)),
        }
    }

    /// A list of floats, whatever they are.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.attribute(name).map(|a| a.floats.iter().map(|&v| f64::from(v)).collect())
    }

    /// A list of strings; empty where the attribute is absent.
    pub(super) fn strings(&self, name: &str) -> &'a [Vec<u8>] {
        self.attribute(name).map(|attribute| attribute.strings.as_slice()).unwrap_or_default()
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    /// A sparse tensor attribute, decoded.
    pub(super) fn sparse(&mut self, name: &str) -> Option<Result<Tensor, OnnxError>> {
        let sparse: &SparseTensorProto = self.attribute(name)?.sparse_tensor.as_ref()?;
        Some(Tensor::decode_sparse(sparse, &self.name, &mut self.builder.budget))
    }

    /// An axis counted from the end when negative, below `rank`.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, OnnxError> {
        let from_front = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
        usize::try_from(from_front)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| self.malformed(format!("axis {axis} of a tensor of rank {rank}")))
    }

    /// Different axes, as [`axis`](Self::axis).
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, OnnxError> {
        let mut found = Vec::with_capacity(axes.len().min(rank));
        for &axis in axes {
            let axis = self.axis(axis, rank)?;
            if found.contains(&axis) {
                return Err(self.malformed(format!("axis {axis} is named twice")));
            }
            found.push(axis);
        }
        Ok(found)
    }

    /// The graph as far as it has been read.
    pub(super) fn so_far(&self) -> &Graph {
        &self.builder.graph
    }

    /// The operation that makes a tensor, unless it is an input.
    pub(super) fn maker(&self, tensor: TensorId) -> Option<&graph::Node> {
        self.builder.maker(tensor)
    }

    /// The number that stands for a name of a category, which is text in the file.
    pub(super) fn code(&mut self, name: &[u8]) -> Result<f64, OnnxError> {
        match std::str::from_utf8(name) {
            Ok(text) => Ok(self.builder.code(&self.name, text)? as f64),
            Err(_) => Err(self.malformed("a category's name is not UTF-8".into())),
        }
    }

    fn is_whole_within(&mut self, tensor: TensorId, steps: usize) -> bool {
        let whole = |value: &f64| value.fract() == 0.0;
        // Elements of what was.
        let moved = match self.maker(tensor).map(|maker| (&maker.op, &maker.inputs)) {
            Some((Op::Select(elements), inputs)) => {
                let of = |element: &Element| match element {
                    Element::Constant(value) => whole(value),
                    Element::Input { .. } => true,
                };
                elements.iter().all(of).then(|| inputs.clone())
            }
            _ => None,
        };
        if let Some(inputs) = moved
            && steps > 0
            && inputs.iter().all(|input| self.is_whole_within(*input, steps - 1))
        {
            self.builder.graph.tensors[tensor.0].kind = ElementKind::Integer;
            return true;
        }
        let counts = match self.maker(tensor).map(|maker| &maker.op) {
            Some(Op::Trees(trees)) => {
                let mut weights = trees.leaves.iter().flat_map(|leaf| &leaf.weights);
                weights.all(|(_, weight)| whole(weight)) && trees.base.iter().all(whole)
            }
            _ => false,
        };
        let kind = &mut self.builder.graph.tensors[tensor.0].kind;
        if counts {
            *kind = ElementKind::Integer;
        }
        *kind == ElementKind::Integer
    }

    /// Notes that a tensor's elements are distances.
    pub(super) fn note_distances(&mut self, made: &Value) {
        if let Value::Signal(signal) = made {
            self.builder.distances.insert(signal.id);
        }
    }

    /// 1 if a tensor's elements are distances or what rises with them, −1 if their negatives are.
    pub(super) fn sign_of_distances(&self, mut tensor: TensorId) -> Option<f64> {
        let mut sign = 1.0;
        while !self.builder.distances.contains(&tensor) {
            let maker = self.maker(tensor)?;
            match &maker.op {
                Op::Root => {}
                Op::Select(elements)
                    if elements.iter().all(|of| matches!(of, Element::Input { input: 0, .. })) => {}
                Op::Linear(Linear { maps, bias })
                    if matches!(&maps[..], [LinearMap::Diagonal(factors)] if factors.iter().all(|f| *f == -1.0))
                        && bias.iter().all(|b| *b == 0.0) =>
                {
                    sign = -sign;
                }
                _ => return None,
            }
            tensor = maker.inputs[0];
        }
        Some(sign)
    }

    /// An attribute that is a graph.
    pub(super) fn graph(&self, name: &str) -> Option<&'a GraphProto> {
        self.attribute(name)?.g.as_ref()
    }

    /// Pays for an array of the given dimensions; returns its length.
    pub(super) fn pay(&mut self, dims: &[usize]) -> Result<usize, OnnxError> {
        self.builder.budget.elements(&self.name, dims)
    }

    /// The graph being made.
    pub(super) fn builder(&mut self) -> &mut Builder {
        self.builder
    }

    /// Adds an operation to the graph.
    pub(super) fn emit(
        &mut self,
        op: Op,
        operands: Vec<Value>,
        shape: Vec<usize>,
        dtype: DType,
    ) -> Result<Value, OnnxError> {
        self.builder.emit(&self.name, op, operands, shape, dtype)
    }

    /// factor·x + offset, element by element.
    pub(super) fn scale(
        &mut self,
        x: Value,
        by: impl Fn(usize) -> (f64, f64),
    ) -> Result<Value, OnnxError> {
        let (shape, dtype) = (x.shape().to_vec(), x.dtype());
        self.pay(&shape)?;
        self.pay(&shape)?;
        let (factors, bias) = (0..x.len()).map(by).unzip();
        let linear = Linear { maps: vec![LinearMap::Diagonal(factors)], bias };
        self.emit(Op::Linear(linear), vec![x], shape, dtype)
    }

    /// `value` with a new shape of the same size.
    pub(super) fn reshape(&self, mut value: Value, to: Vec<usize>) -> Result<Value, OnnxError> {
        let size = shape::size(&to);
        let empty = size == Some(0) && matches!(value, Value::Signal(_));
        // What has no elements has dimensions that are gone through all the same.
        let around = to.iter().try_fold(1usize, |n, d| n.checked_mul((*d).max(1)));
        let vast = size == Some(0) && around.is_none_or(|around| around > MAX_EMPTY);
        if size != shape::size(value.shape()) || empty || vast || to.len() > shape::MAX_RANK {
            return Err(self.mismatch(format!("{:?} cannot become {to:?}", value.shape())));
        }
        match &mut value {
            Value::Const(tensor) => tensor.shape = to,
            Value::Signal(signal) => signal.shape = to,
        }
        Ok(value)
    }

    /// A tensor of shape `to` from elements of `value` at the given positions.
    pub(super) fn pick(
        &mut self,
        value: Value,
        to: Vec<usize>,
        at: &[usize],
    ) -> Result<Value, OnnxError> {
        match value {
            Value::Const(tensor) => {
                self.pay(&[at.len()])?;
                let data = match tensor.data {
                    Data::Float(values) => Data::Float(at.iter().map(|&i| values[i]).collect()),
                    Data::Int(values) => Data::Int(at.iter().map(|&i| values[i]).collect()),
                };
                Ok(Value::Const(Tensor { shape: to, data, ..tensor }))
            }
            Value::Signal(_) => {
                if at.is_empty() {
                    // What has no elements is known.
                    let dtype = value.dtype();
                    let empty = Vec::new();
                    let data =
                        if dtype.is_float() { Data::Float(empty) } else { Data::Int(vec![]) };
                    return Ok(Value::Const(Tensor { shape: to, dtype, data }));
                }
                let element = |&index| Element::Input { input: 0, index };
                let elements = at.iter().map(element).collect();
                let dtype = value.dtype();
                self.emit(Op::Select(elements), vec![value], to, dtype)
            }
        }
    }

    /// `value` broadcast to the shape `to`.
    pub(super) fn expand(&mut self, value: Value, to: &[usize]) -> Result<Value, OnnxError> {
        if value.shape() == to {
            return Ok(value);
        }
        if shape::broadcast(value.shape(), to).as_deref() != Some(to) {
            return Err(self.mismatch(format!("{:?} cannot become {to:?}", value.shape())));
        }
        if shape::size(value.shape()) == shape::size(to) {
            return self.reshape(value, to.to_vec());
        }
        self.pay(to)?;
        let positions = shape::broadcast_positions(value.shape(), to);
        self.pick(value, to.to_vec(), &positions)
    }

    /// Tensors broadcast to their common shape.
    pub(super) fn broadcast(&mut self, values: Vec<Value>) -> Result<Vec<Value>, OnnxError> {
        let mut to = vec![];
        for value in &values {
            let Some(both) = shape::broadcast(&to, value.shape()) else {
                let shapes: Vec<&[usize]> = values.iter().map(Value::shape).collect();
                return Err(self.mismatch(format!("{shapes:?} do not broadcast")));
            };
            to = both;
        }
        if to.len() > shape::MAX_RANK {
            return Err(self.mismatch(format!("{} dimensions", to.len())));
        }
        values.into_iter().map(|value| self.expand(value, &to)).collect()
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> OnnxError {
        OnnxError::UnsupportedOperator {
            operator: self.operator(),
            node: self.name.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn mismatch(&self, detail: String) -> OnnxError {
        OnnxError::ShapeMismatch { node: self.name.clone(), detail }
    }

    pub(super) fn malformed(&self, detail: String) -> OnnxError {
        OnnxError::BadNode { node: self.name.clone(), detail }
    }
}

/// The operator with its domain, unless that is ONNX's own.
pub(super) fn operator(proto: &NodeProto) -> String {
    match proto.domain.as_str() {
        "" | "ai.onnx" => printable(&proto.op_type),
        domain => printable(&format!("{domain}.{}", proto.op_type)),
    }
}

/// The node's name, or operator and position where it has none.
pub(super) fn display_name(proto: &NodeProto, position: usize) -> String {
    match proto.name.is_empty() {
        true => format!("{}#{position}", printable(&proto.op_type)),
        false => printable(&proto.name),
    }
}

/// A name out of the file, fit for one line of a terminal.
pub(super) fn printable(name: &str) -> String {
    const LONGEST: usize = 100;
    let mut text: String = name.chars().take(LONGEST).flat_map(|c| c.escape_debug()).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
