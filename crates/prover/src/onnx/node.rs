//! One node of the graph with its inputs resolved, as an operator sees it.

use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::{
    budget::Budget,
    error::OnnxError,
    map::{Map, Payer},
    shape,
    tensor::{Data, Tensor},
};

/// A tensor of the graph.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known now.
    Const(Tensor),
    /// Depends on the model's input.
    Signal(Signal),
}

/// A tensor that is an affine map of the vector after the last activation.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub(super) shape: Vec<usize>,
    pub(super) map: Map,
    /// How many activations come before.
    pub(super) stage: usize,
    /// Positions of the nodes that made the map, for naming the layer.
    pub(super) nodes: Vec<usize>,
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Const(tensor) => &tensor.shape,
            Self::Signal(signal) => &signal.shape,
        }
    }
}

/// A node being lowered.
pub(super) struct Node<'a> {
    proto: &'a NodeProto,
    pub(super) name: String,
    pub(super) position: usize,
    pub(super) opset: i64,
    inputs: Vec<Option<Value>>,
    budget: &'a mut Budget,
}

impl<'a> Node<'a> {
    pub(super) fn new(
        proto: &'a NodeProto,
        position: usize,
        opset: i64,
        inputs: Vec<Option<Value>>,
        budget: &'a mut Budget,
    ) -> Self {
        Self { proto, name: display_name(proto, position), position, opset, inputs, budget }
    }

    /// The operator with its domain, unless that is ONNX's own.
    pub(super) fn operator(&self) -> String {
        operator(self.proto)
    }

    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The input at `index` with finite elements, or an error if there is none.
    pub(super) fn take(&mut self, index: usize) -> Result<Value, OnnxError> {
        self.take_optional(index)?
            .ok_or_else(|| self.malformed(format!("input {index} is missing")))
    }

    /// The input at `index` with finite elements, if there is one.
    pub(super) fn take_optional(&mut self, index: usize) -> Result<Option<Value>, OnnxError> {
        let value = self.take_unchecked(index);
        if let Some(Value::Const(Tensor { data: Data::Float(values), .. })) = &value
            && let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite())
        {
            return Err(OnnxError::NotFinite { node: self.name.clone(), index, value });
        }
        Ok(value)
    }

    /// The input at `index` whatever its elements: bounds may be infinite.
    pub(super) fn take_unchecked(&mut self, index: usize) -> Option<Value> {
        self.inputs.get_mut(index).and_then(Option::take)
    }

    /// The input at `index`, which must depend on the model's input.
    pub(super) fn take_signal(&mut self, index: usize) -> Result<Signal, OnnxError> {
        match self.take(index)? {
            Value::Signal(signal) => Ok(signal),
            Value::Const(_) => Err(self.unsupported("it is applied to a constant")),
        }
    }

    /// The input at `index`, which must be a constant of floats, flattened.
    pub(super) fn take_floats(&mut self, index: usize) -> Result<Vec<f64>, OnnxError> {
        match self.take(index)? {
            Value::Const(Tensor { data: Data::Float(values), .. }) => Ok(values),
            Value::Const(_) => Err(self.malformed(format!("input {index} is not a float tensor"))),
            Value::Signal(_) => Err(self.unsupported(format!("input {index} is not a constant"))),
        }
    }

    /// The input at `index`, if there is one; it must be a constant of integers.
    pub(super) fn take_ints(&mut self, index: usize) -> Result<Option<Tensor>, OnnxError> {
        match self.take_optional(index)? {
            None => Ok(None),
            Some(Value::Const(tensor @ Tensor { data: Data::Int(_), .. })) => Ok(Some(tensor)),
            Some(Value::Const(_)) => {
                Err(self.malformed(format!("input {index} is not an integer tensor")))
            }
            Some(Value::Signal(_)) => {
                Err(self.unsupported(format!("input {index} is not a constant")))
            }
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
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

    pub(super) fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    /// An axis counted from the end when negative, below `rank`.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, OnnxError> {
        let from_front = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
        usize::try_from(from_front)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| self.malformed(format!("axis {axis} of a tensor of rank {rank}")))
    }

    pub(super) fn payer(&mut self) -> Payer<'_> {
        Payer { node: &self.name, budget: self.budget }
    }

    /// Pays for an array of the given dimensions; returns its length.
    pub(super) fn pay(&mut self, dims: &[usize]) -> Result<usize, OnnxError> {
        self.budget.elements(&self.name, dims)
    }

    /// `value` with a new shape of the same size.
    pub(super) fn reshape(&self, mut value: Value, to: Vec<usize>) -> Result<Value, OnnxError> {
        let size = shape::size(&to);
        if size != shape::size(value.shape()) || size == Some(0) || to.len() > shape::MAX_RANK {
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
                Ok(Value::Const(Tensor { shape: to, data }))
            }
            Value::Signal(mut signal) => {
                if at.is_empty() {
                    return Err(self.unsupported("its result is an empty tensor"));
                }
                signal.map = signal.map.pick(at, &mut self.payer())?;
                signal.shape = to;
                Ok(Value::Signal(signal))
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
