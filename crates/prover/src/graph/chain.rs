//! A graph that is a chain, as the layers of a [`FloatModel`].
//!
//! For the quantizer, which takes chains only. Every tensor is an affine map of the vector
//! after the last activation; an activation ends that map.

use std::collections::HashMap;

use thiserror::Error;

use super::{
    Function, Graph, LinearMap, Node, Op, Tensor, TensorId,
    map::{Map, Payer},
    passes,
};
use crate::model::{FloatLayer, FloatModel, FloatOp, TensorInfo};

/// Array elements that the maps of a chain may take, beside four for each weight.
const ROOM: usize = 1 << 24;

/// Why a graph is no chain of layers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A value computed before the last activation is used after it.
    #[error(
        "node {node} joins values from before and after an activation (a residual or branching \
         graph); only chains of layers can be proven"
    )]
    Branching {
        /// The node that joins them.
        node: String,
    },
    /// An operation that no layer is.
    #[error("node {node} computes {op}; only linear layers, ReLU and sigmoid can be proven")]
    Operation {
        /// The node.
        node: String,
        /// What it computes.
        op: String,
    },
    /// More or fewer than one input or output.
    #[error("the model has {count} {what} ({names}); exactly one can be proven")]
    Interface {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// Written as dense matrices the model is too large.
    #[error("node {node} makes the model too large when written as a dense matrix")]
    TooLarge {
        /// The node.
        node: String,
    },
}

/// A tensor as a map of the vector after the last activation before it.
#[derive(Clone)]
struct Value {
    map: Map,
    /// Activations before it.
    stage: usize,
    nodes: Vec<usize>,
}

struct Chain<'a> {
    graph: &'a Graph,
    left: usize,
    layers: Vec<FloatLayer>,
    stage: usize,
}

impl Graph {
    /// The graph as a chain of dense layers.
    ///
    /// # Errors
    /// [`ChainError`] with the first node that no chain has.
    pub fn chain(&self) -> Result<FloatModel, ChainError> {
        let (input, output) = match (&self.inputs[..], &self.outputs[..]) {
            ([input], [output]) => (*input, *output),
            ([_], outputs) => return Err(self.interface("outputs", outputs)),
            (inputs, _) => return Err(self.interface("inputs", inputs)),
        };
        let left = ROOM.saturating_add(self.parameters().saturating_mul(4));
        let mut chain = Chain { graph: self, left, layers: vec![], stage: 0 };
        let info = |tensor: &Tensor| TensorInfo {
            name: tensor.name.clone(),
            shape: tensor.dims.clone(),
            len: tensor.len(),
        };
        let input_info = info(&self.tensors[input.0]);
        let name = &input_info.name;
        Payer { node: name, left: &mut chain.left }.elements(&[input_info.len, Map::TERM])?;
        let map = Map::identity(input_info.len);
        let mut values = HashMap::from([(input, Value { map, stage: 0, nodes: vec![] })]);
        for (n, node) in self.nodes.iter().enumerate() {
            let value = chain.node(n, node, &values)?;
            values.insert(node.output, value);
        }
        if let Some(value) = values.remove(&output) {
            let name = self.nodes.last().map_or("", |node| &node.name);
            if value.stage != chain.stage {
                return Err(ChainError::Branching { node: name.into() });
            }
            chain.flush(value)?;
        }
        Ok(FloatModel {
            name: self.name.clone(),
            input: input_info,
            output: info(&self.tensors[output.0]),
            layers: chain.layers,
            sha256: self.sha256,
        })
    }

    fn interface(&self, what: &'static str, ids: &[TensorId]) -> ChainError {
        let names: Vec<&str> = ids.iter().map(|id| self.tensors[id.0].name.as_str()).collect();
        ChainError::Interface { what, count: ids.len(), names: names.join(", ") }
    }
}

impl Chain<'_> {
    fn node(
        &mut self,
        n: usize,
        node: &Node,
        values: &HashMap<TensorId, Value>,
    ) -> Result<Value, ChainError> {
        let mut operands = vec![];
        for id in &node.inputs {
            match values.get(id) {
                Some(value) if value.stage == self.stage => operands.push(value.clone()),
                _ => return Err(ChainError::Branching { node: node.name.clone() }),
            }
        }
        let function = match &node.op {
            Op::Function(Function::Relu) => FloatOp::Relu,
            Op::Function(Function::Sigmoid) => FloatOp::Sigmoid,
            Op::Linear(_) | Op::Select(_) => return self.linear(n, node, operands),
            other => {
                let (node, op) = (node.name.clone(), other.to_string());
                return Err(ChainError::Operation { node, op });
            }
        };
        let Some(value) = operands.pop() else {
            return Err(ChainError::Branching { node: node.name.clone() });
        };
        let len = value.map.outputs();
        self.flush(value)?;
        self.layers.push(FloatLayer { node: node.name.clone(), op: function });
        self.stage += 1;
        Payer { node: &node.name, left: &mut self.left }.elements(&[len, Map::TERM])?;
        Ok(Value { map: Map::identity(len), stage: self.stage, nodes: vec![] })
    }

    /// Σ M_i·x_i + b.
    fn linear(&mut self, n: usize, node: &Node, operands: Vec<Value>) -> Result<Value, ChainError> {
        let Some((maps, bias)) = passes::as_sum(node, &self.graph.tensors) else {
            return Err(ChainError::Branching { node: node.name.clone() });
        };
        let mut payer = Payer { node: &node.name, left: &mut self.left };
        let (mut sum, mut nodes): (Option<Map>, Vec<usize>) = (None, vec![]);
        for (map, value) in maps.iter().zip(operands) {
            let term = apply(map, &value.map, bias.len(), &mut payer)?;
            sum = Some(match sum {
                None => term,
                Some(before) => before.add(term, 1.0, &mut payer)?,
            });
            nodes.extend(value.nodes);
        }
        let Some(mut map) = sum else {
            return Err(ChainError::Branching { node: node.name.clone() });
        };
        map.rescale(|i| (1.0, bias[i]));
        if let Op::Linear(_) = node.op {
            nodes.push(n);
        }
        Ok(Value { map, stage: self.stage, nodes })
    }

    /// Makes a layer of an affine map, unless it is the identity.
    fn flush(&mut self, mut value: Value) -> Result<(), ChainError> {
        if value.map.is_identity() {
            return Ok(());
        }
        value.nodes.sort_unstable();
        value.nodes.dedup();
        let names: Vec<&str> =
            value.nodes.iter().map(|&n| self.graph.nodes[n].name.as_str()).collect();
        let node = names.join("+");
        let map = value.map.into_affine(&mut Payer { node: &node, left: &mut self.left })?;
        self.layers.push(FloatLayer { node, op: FloatOp::Affine(map) });
        Ok(())
    }
}

/// M·y for a map y of the last vector.
fn apply(
    map: &LinearMap,
    y: &Map,
    outputs: usize,
    payer: &mut Payer<'_>,
) -> Result<Map, ChainError> {
    let inputs = y.outputs();
    match map {
        LinearMap::Diagonal(factors) => {
            payer.elements(&[inputs, Map::TERM])?;
            let mut scaled = y.clone();
            scaled.rescale(|i| (factors[i], 0.0));
            return Ok(scaled);
        }
        LinearMap::Sparse(rows) if rows.iter().all(|row| row.len() <= 1) => {
            let first = |row: &[(usize, f64)]| row.first().copied().unwrap_or((0, 0.0));
            let (at, factors): (Vec<usize>, Vec<f64>) = rows.iter().map(first).unzip();
            let mut picked = y.pick(&at, payer)?;
            picked.rescale(|i| (factors[i], 0.0));
            return Ok(picked);
        }
        LinearMap::Dense { positions: 1, weights, .. } => {
            payer.elements(&[weights.len()])?;
            return y.multiply(weights.clone(), payer);
        }
        _ => {}
    }
    let mut matrix = vec![0.0; payer.elements(&[outputs, inputs])?];
    map.for_each_term(|o, i, w| matrix[o * inputs + i] += w);
    y.multiply(matrix, payer)
}
