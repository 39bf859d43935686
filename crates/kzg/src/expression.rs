//! Gate polynomials as one directed acyclic graph.
//!
//! All gates of a constraint system are lowered into one graph with hash-consing:
//! equal subexpressions become one node, which the generated code evaluates once.
//! Constants are folded on the way; products and sums with their neutral elements
//! disappear.

use std::collections::HashMap;

use ff::Field;
use halo2curves::bn256::Fr;

/// Index of a node; children have smaller indices than their parents.
pub type NodeId = usize;

/// A value known when the gates are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// Evaluation number i of the proof's advice evaluations.
    Advice(usize),
    /// Evaluation number i of the proof's fixed evaluations.
    Fixed(usize),
    /// Evaluation of instance query i, computed by the verifier.
    Instance(usize),
    /// Challenge i of the constraint system.
    Challenge(usize),
    /// The challenge that weights the constraints.
    Y,
}

/// One operation of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// A value given.
    Leaf(Leaf),
    /// A constant.
    Constant(Fr),
    /// −a
    Negated(NodeId),
    /// a + b
    Sum(NodeId, NodeId),
    /// a·b
    Product(NodeId, NodeId),
}

/// Nodes in topological order, without duplicates.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
}

impl Graph {
    /// All nodes, children first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node as it is, or the equal one that is there already.
    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        self.intern(node)
    }

    fn intern(&mut self, node: Node) -> NodeId {
        let nodes = &mut self.nodes;
        *self.known.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        })
    }

    fn as_constant(&self, id: NodeId) -> Option<Fr> {
        match self.nodes[id] {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The node of a given value.
    pub fn leaf(&mut self, leaf: Leaf) -> NodeId {
        self.intern(Node::Leaf(leaf))
    }

    /// The node of a constant.
    pub fn constant(&mut self, value: Fr) -> NodeId {
        self.intern(Node::Constant(value))
    }

    /// −a
    pub fn negated(&mut self, a: NodeId) -> NodeId {
        match self.nodes[a] {
            Node::Constant(value) => self.constant(-value),
            Node::Negated(inner) => inner,
            _ => self.intern(Node::Negated(a)),
        }
    }

    /// a + b
    pub fn sum(&mut self, a: NodeId, b: NodeId) -> NodeId {
        match (self.as_constant(a), self.as_constant(b)) {
            (Some(x), Some(y)) => self.constant(x + y),
            (Some(x), None) if bool::from(x.is_zero()) => b,
            (None, Some(y)) if bool::from(y.is_zero()) => a,
            _ => self.intern(Node::Sum(a.min(b), a.max(b))),
        }
    }

    /// The product; signs move outwards, so that a product and its negative share
    /// their node.
    pub fn product(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let minus_one = -Fr::one();
        match (self.as_constant(a), self.as_constant(b)) {
            (Some(x), Some(y)) => return self.constant(x * y),
            (Some(x), None) | (None, Some(x)) => {
                let other = if self.as_constant(a).is_some() { b } else { a };
                if bool::from(x.is_zero()) {
                    return self.constant(Fr::zero());
                } else if x == Fr::one() {
                    return other;
                } else if x == minus_one {
                    return self.negated(other);
                }
            }
            (None, None) => {}
        }
        match (self.nodes[a], self.nodes[b]) {
            (Node::Negated(x), Node::Negated(y)) => self.product(x, y),
            (Node::Negated(x), _) => {
                let positive = self.product(x, b);
                self.negated(positive)
            }
            (_, Node::Negated(y)) => {
                let positive = self.product(a, y);
                self.negated(positive)
            }
            _ => self.intern(Node::Product(a.min(b), a.max(b))),
        }
    }

    /// The value of every node.
    pub fn evaluate(&self, leaf: impl Fn(Leaf) -> Fr) -> Vec<Fr> {
        let mut values: Vec<Fr> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Leaf(at) => leaf(at),
                Node::Constant(value) => value,
                Node::Negated(a) => -values[a],
                Node::Sum(a, b) => values[a] + values[b],
                Node::Product(a, b) => values[a] * values[b],
            });
        }
        values
    }

    /// The value of every node that follows from the leaves that are known: a product
    /// with zero is zero whatever the other factor is.
    pub fn evaluate_known(&self, leaf: impl Fn(Leaf) -> Option<Fr>) -> Vec<Option<Fr>> {
        let mut values: Vec<Option<Fr>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Leaf(at) => leaf(at),
                Node::Constant(value) => Some(value),
                Node::Negated(a) => values[a].map(|a| -a),
                Node::Sum(a, b) => values[a].zip(values[b]).map(|(a, b)| a + b),
                Node::Product(a, b) => match (values[a], values[b]) {
                    (Some(a), Some(b)) => Some(a * b),
                    (Some(zero), None) | (None, Some(zero)) if bool::from(zero.is_zero()) => {
                        Some(zero)
                    }
                    _ => None,
                },
            });
        }
        values
    }

    /// A line for each node, for the shape's canonical description.
    pub fn describe(&self) -> impl Iterator<Item = String> + '_ {
        self.nodes.iter().map(|node| match node {
            Node::Leaf(Leaf::Advice(i)) => format!("advice {i}"),
            Node::Leaf(Leaf::Fixed(i)) => format!("fixed {i}"),
            Node::Leaf(Leaf::Instance(i)) => format!("instance {i}"),
            Node::Leaf(Leaf::Challenge(i)) => format!("challenge {i}"),
            Node::Leaf(Leaf::Y) => "y".to_owned(),
            Node::Constant(value) => format!("constant {value:?}"),
            Node::Negated(a) => format!("negated {a}"),
            Node::Sum(a, b) => format!("sum {a} {b}"),
            Node::Product(a, b) => format!("product {a} {b}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_subexpressions_are_one_node() {
        let mut graph = Graph::default();
        let a = graph.leaf(Leaf::Advice(0));
        let b = graph.leaf(Leaf::Fixed(0));
        let ab = graph.product(a, b);
        assert_eq!(ab, graph.product(b, a));
        let minus_b = graph.negated(b);
        let minus_ab = graph.product(a, minus_b);
        assert_eq!(graph.negated(minus_ab), ab);
    }

    #[test]
    fn constants_and_neutral_elements_are_folded() {
        let mut graph = Graph::default();
        let a = graph.leaf(Leaf::Advice(0));
        let zero = graph.constant(Fr::zero());
        let one = graph.constant(Fr::one());
        let two = graph.sum(one, one);
        assert_eq!(graph.as_constant(two), Some(Fr::from(2)));
        assert_eq!(graph.sum(zero, a), a);
        assert_eq!(graph.product(a, one), a);
        assert_eq!(graph.product(zero, a), zero);
        let minus_one = graph.negated(one);
        let minus_a = graph.negated(a);
        assert_eq!(graph.product(minus_one, a), minus_a);
    }
}
