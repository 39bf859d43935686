//! Walks a graph and turns it into a chain of layers.
//!
//! Nodes are visited in the file's order (ONNX demands a topological one), nodes
//! the output does not depend on are left out. Each tensor is a constant or an
//! affine map of the vector after the last activation. An activation ends that
//! map: it becomes a layer, and the activation's result the new vector.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{
    GraphProto, NodeProto, TensorProto, ValueInfoProto,
    tensor_shape_proto::dimension::Value as Dimension, type_proto,
};

use super::{
    budget::Budget,
    error::OnnxError,
    map::{Map, Payer},
    node::{Node, Signal, Value, display_name, printable},
    ops::{self, Activation, Step},
    shape::{MAX_RANK, size},
    tensor::{Tensor, is_float, type_name},
};
use crate::model::{FloatLayer, FloatOp, TensorInfo};

/// Input, output and layers of a model.
pub(super) struct Chain {
    pub(super) input: TensorInfo,
    pub(super) output: TensorInfo,
    pub(super) layers: Vec<FloatLayer>,
}

/// Lowers a graph; `bytes` is the size of its file, which bounds the work.
pub(super) fn lower(graph: &GraphProto, opset: i64, bytes: usize) -> Result<Chain, OnnxError> {
    let initializers: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    // Before IR version 4 initializers were listed as inputs too.
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|i| !initializers.contains_key(i.name.as_str())).collect();
    let names = |infos: &[&ValueInfoProto]| {
        printable(&infos.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", "))
    };
    let [input] = inputs[..] else {
        return Err(OnnxError::Inputs { count: inputs.len(), names: names(&inputs) });
    };
    let outputs: Vec<&ValueInfoProto> = graph.output.iter().collect();
    let [output] = outputs[..] else {
        return Err(OnnxError::Outputs { count: outputs.len(), names: names(&outputs) });
    };
    let mut reader = Reader::new(graph, initializers, opset, Budget::new(bytes));
    let input_info = reader.input(input)?;
    for &position in &live_nodes(graph, &output.name) {
        reader.visit(position, &graph.node[position])?;
    }
    let output_info = reader.output(output)?;
    Ok(Chain { input: input_info, output: output_info, layers: reader.layers })
}

/// Positions of the nodes `output` depends on, in order.
fn live_nodes(graph: &GraphProto, output: &str) -> Vec<usize> {
    let mut needed = HashSet::from([output]);
    let mut live = vec![];
    for (position, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|name| !name.is_empty() && needed.contains(name.as_str())) {
            live.push(position);
            needed.extend(node.input.iter().map(String::as_str));
        }
    }
    live.reverse();
    live
}

struct Reader<'a> {
    graph: &'a GraphProto,
    initializers: HashMap<&'a str, &'a TensorProto>,
    opset: i64,
    budget: Budget,
    values: HashMap<&'a str, Value>,
    /// Names of all tensors made so far.
    defined: HashSet<&'a str>,
    /// How often each tensor is still to be read; the last time it is moved.
    uses: HashMap<&'a str, usize>,
    layers: Vec<FloatLayer>,
    /// Activations so far.
    stage: usize,
}

impl<'a> Reader<'a> {
    fn new(
        graph: &'a GraphProto,
        initializers: HashMap<&'a str, &'a TensorProto>,
        opset: i64,
        budget: Budget,
    ) -> Self {
        let mut uses = HashMap::new();
        let outputs = graph.output.iter().map(|output| &output.name);
        for name in graph.node.iter().flat_map(|node| &node.input).chain(outputs) {
            *uses.entry(name.as_str()).or_default() += 1;
        }
        Self {
            graph,
            initializers,
            opset,
            budget,
            values: HashMap::new(),
            defined: HashSet::new(),
            uses,
            layers: vec![],
            stage: 0,
        }
    }

    fn input(&mut self, info: &'a ValueInfoProto) -> Result<TensorInfo, OnnxError> {
        let name = printable(&info.name);
        let shape = input_shape(info, &name)?;
        let len = self.budget.elements(&name, &shape)?;
        self.budget.elements(&name, &[len, Map::TERM])?;
        let map = Map::identity(len);
        let signal = Signal { shape: shape.clone(), map, stage: 0, nodes: vec![] };
        self.values.insert(&info.name, Value::Signal(signal));
        self.defined.insert(&info.name);
        Ok(TensorInfo { name, shape, len })
    }

    fn visit(&mut self, position: usize, proto: &'a NodeProto) -> Result<(), OnnxError> {
        let name = display_name(proto, position);
        let mut inputs = Vec::with_capacity(proto.input.len());
        for input in &proto.input {
            inputs.push(self.read(input, &name)?);
        }
        let mut node = Node::new(proto, position, self.opset, inputs, &mut self.budget);
        let value = match ops::lower(&mut node)? {
            Step::Value(value) => value,
            Step::Activate(signal, activation) => {
                Value::Signal(self.activate(signal, activation, &name)?)
            }
        };
        let Some(output) = proto.output.first().filter(|output| !output.is_empty()) else {
            return Err(OnnxError::BadNode { node: name, detail: "it has no output".into() });
        };
        if self.initializers.contains_key(output.as_str()) || !self.defined.insert(output) {
            let detail = format!("tensor {} is defined twice", printable(output));
            return Err(OnnxError::BadNode { node: name, detail });
        }
        self.values.insert(output, value);
        Ok(())
    }

    /// The tensor called `name` for a node; nothing for an optional input left out.
    fn read(&mut self, name: &'a str, node: &str) -> Result<Option<Value>, OnnxError> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(proto) = self.initializers.get(name) {
            let tensor = Tensor::decode(proto, &printable(name))?;
            self.budget.elements(node, &[tensor.data.len()])?;
            return Ok(Some(Value::Const(tensor)));
        }
        let last = self.uses.get_mut(name).is_none_or(|uses| {
            *uses = uses.saturating_sub(1);
            *uses == 0
        });
        let value = match last {
            true => self.values.remove(name),
            false => match self.values.get(name) {
                Some(value) => {
                    pay_for_copy(value, node, &mut self.budget)?;
                    Some(value.clone())
                }
                None => None,
            },
        };
        match value {
            Some(Value::Signal(signal)) if signal.stage != self.stage => {
                Err(OnnxError::Branching { node: node.into() })
            }
            Some(value) => Ok(Some(value)),
            None => {
                let detail = format!("no earlier node makes tensor {}", printable(name));
                Err(OnnxError::BadNode { node: node.into(), detail })
            }
        }
    }

    /// Ends the affine map before an activation; returns the activation's result.
    fn activate(
        &mut self,
        signal: Signal,
        activation: Activation,
        node: &str,
    ) -> Result<Signal, OnnxError> {
        let len = signal.map.outputs();
        self.budget.elements(node, &[len, Map::TERM])?;
        let shape = signal.shape.clone();
        self.flush(signal)?;
        let op = match activation {
            Activation::Relu => FloatOp::Relu,
            Activation::Sigmoid => FloatOp::Sigmoid,
        };
        let idle = op == FloatOp::Relu
            && self.layers.last().is_some_and(|l| matches!(l.op, FloatOp::Relu | FloatOp::Sigmoid));
        if !idle {
            self.layers.push(FloatLayer { node: node.into(), op });
        }
        self.stage += 1;
        Ok(Signal { shape, map: Map::identity(len), stage: self.stage, nodes: vec![] })
    }

    /// Makes a layer of an affine map, unless it is the identity.
    fn flush(&mut self, mut signal: Signal) -> Result<(), OnnxError> {
        if signal.map.is_identity() {
            return Ok(());
        }
        signal.nodes.sort_unstable();
        signal.nodes.dedup();
        let names: Vec<String> =
            signal.nodes.iter().map(|&i| display_name(&self.graph.node[i], i)).collect();
        let node = names.join("+");
        let map = signal.map.into_affine(&mut Payer { node: &node, budget: &mut self.budget })?;
        let all = map.weights.iter().chain(&map.bias);
        if let Some((index, &value)) = all.enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(OnnxError::NotFinite { node, index, value });
        }
        self.layers.push(FloatLayer { node, op: FloatOp::Affine(map) });
        Ok(())
    }

    fn output(&mut self, info: &'a ValueInfoProto) -> Result<TensorInfo, OnnxError> {
        let name = printable(&info.name);
        let Some(Value::Signal(signal)) = self.read(&info.name, &name)? else {
            return Err(OnnxError::EmptyGraph);
        };
        let shape = signal.shape.clone();
        let len = signal.map.outputs();
        self.flush(signal)?;
        if self.layers.is_empty() {
            return Err(OnnxError::EmptyGraph);
        }
        if let Some(declared) = declared_shape(info, &name)?
            && !agrees(&declared, &shape)
        {
            let detail = format!("output {name} is declared otherwise, computed as {shape:?}");
            return Err(OnnxError::ShapeMismatch { node: name, detail });
        }
        Ok(TensorInfo { name, shape, len })
    }
}

fn pay_for_copy(value: &Value, node: &str, budget: &mut Budget) -> Result<(), OnnxError> {
    match value {
        Value::Const(tensor) => budget.elements(node, &[tensor.data.len()])?,
        Value::Signal(signal) => {
            budget.elements(node, &[signal.nodes.len()])?;
            budget.elements(node, &signal.map.storage())?
        }
    };
    Ok(())
}

/// A declared dimension: a number, or the name of a symbolic one.
type Declared = Result<i64, String>;

/// The shape the file declares for an input or output, if any; checks its type.
fn declared_shape(info: &ValueInfoProto, name: &str) -> Result<Option<Vec<Declared>>, OnnxError> {
    let wrong = |dtype: String| OnnxError::WrongType { tensor: name.into(), dtype };
    let Some(type_proto::Value::TensorType(tensor)) =
        info.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Err(wrong("none, or is not a tensor".into()));
    };
    if !is_float(tensor.elem_type) {
        return Err(wrong(type_name(tensor.elem_type)));
    }
    let declared = |value: &Option<Dimension>| match value {
        Some(Dimension::DimValue(size)) => Ok(*size),
        Some(Dimension::DimParam(symbol)) => Err(printable(symbol)),
        None => Err("unknown".to_owned()),
    };
    Ok(tensor.shape.as_ref().map(|s| s.dim.iter().map(|d| declared(&d.value)).collect()))
}

/// The input's shape; a symbolic first dimension is the batch and becomes 1.
fn input_shape(info: &ValueInfoProto, name: &str) -> Result<Vec<usize>, OnnxError> {
    let dynamic =
        |axis, dimension| OnnxError::DynamicShape { tensor: name.into(), axis, dimension };
    let declared =
        declared_shape(info, name)?.ok_or_else(|| dynamic(0, "not declared".to_owned()))?;
    let bad = |detail| OnnxError::BadTensor { tensor: name.into(), detail };
    let dimension = |(axis, dim): (usize, &Declared)| match dim {
        Ok(dim) => usize::try_from(*dim)
            .ok()
            .filter(|&dim| dim > 0)
            .ok_or_else(|| bad(format!("dimension {dim} in its shape"))),
        Err(_) if axis == 0 => Ok(1),
        Err(symbol) => Err(dynamic(axis, symbol.clone())),
    };
    let shape = declared.iter().enumerate().map(dimension).collect::<Result<Vec<_>, _>>()?;
    match size(&shape) {
        Some(_) if shape.len() <= MAX_RANK => Ok(shape),
        _ => Err(bad(format!("{} dimensions or too many elements", shape.len()))),
    }
}

/// True unless a declared number contradicts the computed shape.
fn agrees(declared: &[Declared], computed: &[usize]) -> bool {
    declared.len() == computed.len()
        && declared.iter().zip(computed).all(|(declared, &computed)| match declared {
            Ok(dim) => usize::try_from(*dim) == Ok(computed),
            Err(_) => true,
        })
}
