//! The integer graph: the specification of a proven inference.
//!
//! A graph of a few kinds of nodes on integers. A *linear* node reads tensors x_i and makes
//!
//! ```text
//! z = Σ M_i·x_i + c,      x' = max(0, ⌊z / 2^n⌋),
//! ```
//!
//! a *maxima* node makes x' of the greatest z of each of its windows, a *select* node names
//! elements again, a *trees* node makes z of the leaves that paths
//! through decision trees lead to ([`trees`]), and a *curves* node reads them off tables ([`curves`]). Nodes of
//! *products* multiply two elements exactly, those of *quotients* and *roots* round down. So values are never
//! negative; whatever can be is
//! stored with a shift that its readers take back. Everything the quantizer reads is brought
//! to this form: an identity is a linear node whose bias keeps z non-negative, a
//! piecewise-linear function is a node of ReLUs at its knots, a maximum is
//! b + max(0, a − b), which a weight of 2^n makes exact.
//!
//! [`IntegerGraph::run`] is what a proof proves, exactly; [`IntegerGraph::validate`] checks
//! that no input in range can take an integer out of the circuit's bits.

mod boxes;
mod check;
pub mod curves;
mod intervals;
mod maxima;
mod products;
mod run;
#[cfg(test)]
mod tests;
pub mod trees;

use serde::{Deserialize, Serialize};

pub(crate) use self::intervals::{Analysis, bits_of};
pub use self::{
    check::IntegerError,
    curves::{CurveTable, Curves, Segment},
    intervals::{Interval, Intervals},
    maxima::Maxima,
    products::{Affine, Division},
    run::Trace,
    trees::{Tree, TreeNode, Trees},
};
use crate::graph::{Linear, LinearMap, TensorId};

/// A directed graph of integer nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegerGraph {
    /// n of every rescale.
    pub shift_bits: u32,
    /// An input element is an integer in [0, 2^input_bits).
    pub input_bits: u32,
    /// Every tensor.
    pub tensors: Vec<IntegerTensor>,
    /// The tensors that are given, in the model's order.
    pub inputs: Vec<TensorId>,
    /// Inputs that stay private where inputs are public.
    pub private: Vec<TensorId>,
    /// In topological order; each makes one tensor.
    pub nodes: Vec<IntegerNode>,
    /// The tensors that are the result, in the model's order.
    pub outputs: Vec<TensorId>,
}

/// A list of integers that are never negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegerTensor {
    /// For people: the model's tensor, or what it was made for.
    pub name: String,
    /// Number of elements.
    pub len: usize,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegerNode {
    /// The model's nodes it comes from.
    pub name: String,
    /// What it computes.
    pub op: IntegerOp,
    /// The tensors it reads.
    pub inputs: Vec<TensorId>,
    /// The tensor it makes.
    pub output: TensorId,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum IntegerOp {
    /// x' = max(0, ⌊(Σ M_i·x_i + c) / 2^n⌋). c includes half a unit of the rescale where the
    /// result is to be rounded to the nearest.
    Linear(Linear<i64>),
    /// Maxima of a linear node's z, rescaled as they are.
    Maxima(Maxima),
    /// Elements named again; costs nothing.
    Select(Vec<Selected>),
    /// Sums of leaves of decision trees, rescaled as those of a linear node.
    Trees(Trees),
    /// Functions of one variable, rescaled as a linear node's z.
    Curves(Curves),
    /// a·b for every pair, exactly: not rescaled. The first factor is below 2^n, the second is
    /// a value.
    Products(Vec<[Selected; 2]>),
    /// Quotients of two elements, rounded down.
    Quotients(Vec<Division>),
    /// ⌊√x⌋ for every x.
    Roots(Vec<Affine>),
}

impl IntegerOp {
    /// Whether it makes values of its own, by equations.
    pub fn makes_values(&self) -> bool {
        !matches!(self, Self::Select(_))
    }

    /// Values that it commits to in order to make `len` elements.
    pub fn commitments(&self, len: usize) -> usize {
        match self {
            Self::Select(_) => 0,
            Self::Linear(_)
            | Self::Maxima(_)
            | Self::Trees(_)
            | Self::Curves(_)
            | Self::Products(_) => len,
            Self::Quotients(_) => 4 * len,
            Self::Roots(_) => 5 * len,
        }
    }
}

/// An element of one of a node's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Which of the node's inputs.
    pub input: usize,
    /// Index within it.
    pub index: usize,
}

impl IntegerGraph {
    /// A chain of dense layers, each its weights (row-major) and its biases.
    pub fn chain(
        input_bits: u32,
        shift_bits: u32,
        inputs: usize,
        layers: impl IntoIterator<Item = (Vec<i64>, Vec<i64>)>,
    ) -> Self {
        let mut tensors = vec![IntegerTensor { name: "input".into(), len: inputs }];
        let mut nodes = Vec::new();
        for (index, (weights, bias)) in layers.into_iter().enumerate() {
            let (inputs, outputs) = (tensors[index].len, bias.len());
            let name = format!("layer{index}");
            tensors.push(IntegerTensor { name: name.clone(), len: outputs });
            let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
            nodes.push(IntegerNode {
                name,
                op: IntegerOp::Linear(Linear { maps, bias }),
                inputs: vec![TensorId(index)],
                output: TensorId(index + 1),
            });
        }
        let outputs = vec![TensorId(nodes.len())];
        let inputs = vec![TensorId(0)];
        Self { shift_bits, input_bits, tensors, inputs, private: Vec::new(), nodes, outputs }
    }

    /// Number of elements of a tensor.
    pub fn len(&self, tensor: TensorId) -> usize {
        self.tensors[tensor.0].len
    }

    /// Number of elements of all inputs.
    pub fn input_len(&self) -> usize {
        self.inputs.iter().map(|tensor| self.len(*tensor)).sum()
    }

    /// Of the elements of all inputs, those that are stated where inputs are public.
    pub fn stated<T: Copy>(&self, elements: &[T]) -> Vec<T> {
        let mut rest = elements;
        let mut stated = Vec::with_capacity(elements.len());
        for tensor in &self.inputs {
            let (own, others) = rest.split_at(self.len(*tensor).min(rest.len()));
            if !self.private.contains(tensor) {
                stated.extend_from_slice(own);
            }
            rest = others;
        }
        stated
    }

    /// Number of elements that are stated where inputs are public.
    pub fn stated_len(&self) -> usize {
        let stated = self.inputs.iter().filter(|tensor| !self.private.contains(tensor));
        stated.map(|tensor| self.len(*tensor)).sum()
    }

    /// Number of elements of all outputs.
    pub fn output_len(&self) -> usize {
        self.outputs.iter().map(|tensor| self.len(*tensor)).sum()
    }

    /// Number of values that are committed to: inputs, what nodes make, and what checks it.
    pub fn value_count(&self) -> usize {
        let made = self.nodes.iter().map(|node| node.op.commitments(self.len(node.output)));
        self.input_len() + made.sum::<usize>()
    }

    /// Number of weights, biases, and numbers of trees and of tables.
    pub fn parameter_count(&self) -> usize {
        let of = |linear: &Linear<i64>| {
            let weights = linear.maps.iter().map(|map| map.coefficients());
            weights.sum::<usize>() + linear.bias.len()
        };
        let count = |node: &IntegerNode| match &node.op {
            IntegerOp::Linear(linear) => of(linear),
            IntegerOp::Maxima(maxima) => of(&maxima.linear),
            IntegerOp::Trees(trees) => trees.parameters(),
            IntegerOp::Curves(curves) => 2 * curves.segments(),
            IntegerOp::Quotients(divisions) => 4 * divisions.len(),
            IntegerOp::Roots(radicands) => 2 * radicands.len(),
            IntegerOp::Select(_) | IntegerOp::Products(_) => 0,
        };
        self.nodes.iter().map(count).sum()
    }
}
