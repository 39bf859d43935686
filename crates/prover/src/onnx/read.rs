//! Reads a graph node by node into a [`Graph`].

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};

use super::{
    LoadOptions,
    builder::Builder,
    dtype::DType,
    error::OnnxError,
    interface::{self, Bindings},
    nested,
    node::{Node, Signal, Value, display_name, printable},
    ops, order, schema,
    tensor::Tensor,
};
use crate::graph::{Element, Function, Graph, Op};

/// Graphs inside of graphs.
const MAX_DEPTH: usize = 8;
/// Nodes that all runs of graphs inside of graphs may read.
const MAX_INNER: usize = 1 << 18;

/// The versions of the operator sets that the file imports.
pub(super) struct Opsets {
    /// ONNX's own.
    pub(super) onnx: Option<i64>,
    /// `ai.onnx.ml`.
    pub(super) ml: Option<i64>,
}

/// Reads a graph into `builder`.
pub(super) fn read(
    graph: &GraphProto,
    opsets: &Opsets,
    options: &LoadOptions,
    builder: Builder,
    simplify: fn(&mut Graph),
) -> Result<Graph, OnnxError> {
    order::check_names(graph)?;
    let outputs = chosen_outputs(graph, options)?;
    let mut reader = Reader::new(graph, opsets, builder);
    let extractors = graph.node.iter().filter(|node| node.op_type == "ArrayFeatureExtractor");
    reader.builder.places = extractors.filter_map(|node| node.input.get(1).cloned()).collect();
    let mut bindings = Bindings::new(&options.dims);
    for info in &graph.input {
        // Before IR version 4 initializers were listed as inputs too.
        if !reader.is_initializer(&info.name) {
            let (dtype, shape) = interface::input(info, &mut bindings)?;
            let name = printable(&info.name);
            reader.builder.budget.elements(&name, &shape)?;
            let signal = Value::Signal(reader.builder.input(&name, shape.clone(), dtype));
            let value = match dtype.limits() {
                // What its type does not hold is not declared of it.
                Some((low, high)) if dtype == DType::Bool || dtype.is_narrow() => {
                    let within = Function::Within { low: low as f64, high: high as f64 };
                    reader.builder.emit(&name, Op::Function(within), vec![signal], shape, dtype)?
                }
                _ => signal,
            };
            reader.scope().values.insert(&info.name, value);
        }
    }
    bindings.check()?;
    for position in order::live(graph, outputs.iter().map(|info| info.name.as_str()))? {
        reader
            .visit(position, &graph.node[position])
            .map_err(|error| order::spared(error, graph, position))?;
    }
    for info in outputs {
        reader.output(info)?;
    }
    reader.builder.graph.names = reader.builder.names();
    finish(reader.builder.graph, simplify)
}

/// The outputs that are asked for: by name, or all.
fn chosen_outputs<'a>(
    graph: &'a GraphProto,
    options: &LoadOptions,
) -> Result<Vec<&'a ValueInfoProto>, OnnxError> {
    let names = |infos: &[ValueInfoProto]| {
        printable(&infos.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", "))
    };
    let chosen: Vec<&ValueInfoProto> = match &options.proven() {
        None => graph.output.iter().collect(),
        Some(wanted) => {
            let find = |name: &String| {
                graph.output.iter().find(|info| info.name == *name).ok_or_else(|| {
                    let (name, outputs) = (printable(name), names(&graph.output));
                    OnnxError::UnknownOutput { name, outputs }
                })
            };
            wanted.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    if chosen.is_empty() {
        return Err(OnnxError::NoOutputs);
    }
    let twice = chosen
        .iter()
        .enumerate()
        .find(|(i, info)| chosen[..*i].iter().any(|other| other.name == info.name));
    match twice {
        Some((_, info)) => Err(OnnxError::DefinedTwice {
            tensor: printable(&info.name),
            definition: "as an output".into(),
        }),
        None => Ok(chosen),
    }
}

/// What names mean inside of a graph.
#[derive(Default)]
struct Scope<'a> {
    initializers: HashMap<&'a str, &'a TensorProto>,
    sparse: HashMap<&'a str, &'a SparseTensorProto>,
    values: HashMap<&'a str, Value>,
    /// Tensors that their nodes compute but the reader does not, with why.
    withheld: HashMap<&'a str, String>,
}

impl<'a> Scope<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let named = |tensor: &'a SparseTensorProto| Some((&*tensor.values.as_ref()?.name, tensor));
        Self {
            initializers: graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect(),
            sparse: graph.sparse_initializer.iter().filter_map(named).collect(),
            ..Self::default()
        }
    }
}

pub(super) struct Reader<'a> {
    opsets: &'a Opsets,
    pub(super) builder: Builder,
    /// Nodes that graphs inside of graphs have read.
    inner: usize,
    /// The graph's names, and those of graphs inside of graphs that are being read.
    scopes: Vec<Scope<'a>>,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto, opsets: &'a Opsets, builder: Builder) -> Self {
        Self { opsets, builder, inner: 0, scopes: vec![Scope::new(graph)] }
    }

    fn is_initializer(&self, name: &str) -> bool {
        let own = |s: &Scope<'_>| s.initializers.contains_key(name) || s.sparse.contains_key(name);
        self.scopes.iter().any(own)
    }

    /// The names of the innermost graph.
    fn scope(&mut self) -> &mut Scope<'a> {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// Reads a graph inside of the one being read, its inputs given; its outputs.
    pub(super) fn inner(
        &mut self,
        graph: &'a GraphProto,
        inputs: Vec<Value>,
        node: &str,
    ) -> Result<Vec<Value>, OnnxError> {
        let bad = |detail: String| OnnxError::BadNode { node: node.to_owned(), detail };
        if self.scopes.len() > MAX_DEPTH {
            return Err(bad(format!("graphs inside of graphs over {MAX_DEPTH} deep")));
        }
        // A run of nothing counts, too.
        self.inner = self.inner.saturating_add(graph.node.len() + 1);
        if self.inner > MAX_INNER {
            return Err(bad(format!("graphs inside of graphs run over {MAX_INNER} nodes")));
        }
        if inputs.len() != graph.input.len() {
            let (count, given) = (graph.input.len(), inputs.len());
            return Err(bad(format!("its graph has {count} inputs, it gives {given}")));
        }
        order::check_names(graph)?;
        let mut scope = Scope::new(graph);
        scope.values.extend(graph.input.iter().map(|info| info.name.as_str()).zip(inputs));
        self.scopes.push(scope);
        let outputs = graph.output.iter().map(|info| info.name.as_str());
        let made = order::live(graph, outputs.clone()).and_then(|positions| {
            for position in positions {
                self.visit(position, &graph.node[position])?;
            }
            outputs
                .map(|name| {
                    let value = self.read(name, node)?;
                    value.ok_or_else(|| bad("its graph has an output without a name".into()))
                })
                .collect()
        });
        self.scopes.pop();
        made
    }

    fn visit(&mut self, position: usize, proto: &'a NodeProto) -> Result<(), OnnxError> {
        let name = display_name(proto, position);
        let opset = self.opset(proto, position)?;
        schema::check(proto, position, opset)?;
        let mut inputs = Vec::with_capacity(proto.input.len());
        for input in &proto.input {
            inputs.push(self.read(input, &name)?);
        }
        let first = self.builder.graph.tensors.len();
        if let Some(values) = nested::lower(self, proto, &name, &inputs)? {
            let outputs = proto.output.iter().zip(values).filter(|(name, _)| !name.is_empty());
            for (output, value) in outputs {
                self.scope().values.insert(output, value);
            }
            return Ok(());
        }
        let mut node = Node::new(proto, position, opset, inputs, &mut self.builder);
        let values = ops::lower(&mut node)?;
        let withheld = node.withheld.take();
        let mut values = values.into_iter();
        for (at, output) in proto.output.iter().enumerate() {
            match values.next() {
                _ if output.is_empty() => {}
                Some(value) => {
                    if let Value::Signal(signal) = &value
                        && signal.id.0 >= first
                    {
                        self.builder.graph.tensors[signal.id.0].name = printable(output);
                    }
                    self.scope().values.insert(output, value);
                }
                None => {
                    let plain = || format!("output {at} of node {name} is not supported");
                    let why = withheld.clone().unwrap_or_else(plain);
                    self.scope().withheld.insert(output, why);
                }
            }
        }
        Ok(())
    }

    /// The version of the operator set that a node's operator comes from.
    fn opset(&self, proto: &NodeProto, position: usize) -> Result<i64, OnnxError> {
        let operator = super::node::operator(proto);
        let unsupported = |reason: String| OnnxError::UnsupportedOperator {
            operator: operator.clone(),
            node: display_name(proto, position),
            reason,
        };
        if !schema::knows(&operator) {
            return Err(unsupported(ops::hint(&operator)));
        }
        let (domain, version) = match proto.domain.as_str() {
            "" | "ai.onnx" => ("ai.onnx", self.opsets.onnx),
            // Its operators have one version each, whatever a file says of the set.
            domain @ "com.microsoft" => (domain, Some(1)),
            domain => (domain, self.opsets.ml),
        };
        version.ok_or_else(|| {
            unsupported(format!("the file does not import its operator set, {domain}"))
        })
    }

    /// The tensor called `name` for a node; nothing for an optional input left out.
    fn read(&mut self, name: &'a str, node: &str) -> Result<Option<Value>, OnnxError> {
        if name.is_empty() {
            return Ok(None);
        }
        for at in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[at];
            if let Some(proto) = scope.initializers.get(name) {
                let tensor = Tensor::decode(proto, &printable(name))?;
                self.builder.budget.elements(node, &[tensor.data.len()])?;
                return Ok(Some(Value::Const(tensor)));
            }
            if let Some(proto) = scope.sparse.get(name) {
                let budget = &mut self.builder.budget;
                let tensor = Tensor::decode_sparse(proto, &printable(name), budget)?;
                return Ok(Some(Value::Const(tensor)));
            }
            if let Some(why) = scope.withheld.get(name) {
                return Err(OnnxError::BadNode { node: node.into(), detail: why.clone() });
            }
            if let Some(value) = scope.values.get(name) {
                if let Value::Const(tensor) = value {
                    self.builder.budget.elements(node, &[tensor.data.len()])?;
                }
                return Ok(Some(value.clone()));
            }
        }
        let detail = format!("no node makes tensor {}", printable(name));
        Err(OnnxError::BadNode { node: node.into(), detail })
    }

    fn output(&mut self, info: &'a ValueInfoProto) -> Result<(), OnnxError> {
        let name = printable(&info.name);
        let Some(mut value @ Value::Signal(_)) = self.read(&info.name, &name)? else {
            return Err(OnnxError::ConstantOutput { name });
        };
        if matches!(&value, Value::Signal(signal) if self.builder.uncut.contains(&signal.id)) {
            value = ops::cut(&mut self.builder, &name, value)?;
        }
        let Value::Signal(signal) = value else {
            return Err(OnnxError::ConstantOutput { name });
        };
        let sorted = self.builder.sorted.contains_key(&signal.id);
        if sorted || self.builder.chosen.contains_key(&signal.id) {
            let detail = "it is which points are the nearest, one by one; prove what is made of \
                          them"
                .into();
            return Err(OnnxError::BadTensor { tensor: name, detail });
        }
        if signal.dtype == DType::String {
            let detail = "it is strings; prove the tensor of numbers they are chosen by".into();
            return Err(OnnxError::BadTensor { tensor: name, detail });
        }
        interface::check_output(info, signal.dtype)?;
        let Signal { id, shape, dtype } = signal;
        let graph = &self.builder.graph;
        let id = match graph.inputs.contains(&id) || graph.outputs.contains(&id) {
            false => {
                let tensor = &mut self.builder.graph.tensors[id.0];
                (tensor.dims, tensor.name) = (shape, name);
                id
            }
            // The same elements under another name.
            true => {
                let elements = (0..shape.iter().product())
                    .map(|index| Element::Input { input: 0, index })
                    .collect();
                let value = Value::Signal(Signal { id, shape: shape.clone(), dtype });
                let op = Op::Select(elements);
                match self.builder.emit(&name, op, vec![value], shape, dtype)? {
                    Value::Signal(signal) => {
                        self.builder.graph.tensors[signal.id.0].name = name;
                        signal.id
                    }
                    Value::Const(_) => return Err(OnnxError::ConstantOutput { name }),
                }
            }
        };
        self.builder.graph.outputs.push(id);
        Ok(())
    }
}

/// Simplifies and checks a graph that was read.
fn finish(mut graph: Graph, simplify: fn(&mut Graph)) -> Result<Graph, OnnxError> {
    simplify(&mut graph);
    for node in &graph.nodes {
        if let Op::Linear(linear) = &node.op {
            let weights = linear.maps.iter().flat_map(|map| map.values());
            let mut all = weights.chain(linear.bias.iter().copied()).enumerate();
            if let Some((index, value)) = all.find(|(_, v)| !v.is_finite()) {
                return Err(OnnxError::NotFinite { node: node.name.clone(), index, value });
            }
        }
    }
    graph.check()?;
    Ok(graph)
}
