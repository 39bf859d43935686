//! Rewriting a graph into fewer nodes that compute the same, each pass a file.
//!
//! A value is rounded once for each node that makes it, so what is linear should join the
//! linear map of whoever reads it, unless that costs coefficients.

mod compose;
mod dead;
mod functions;
mod fuse;
mod merge;
mod order;

pub(crate) use self::dead::drop_dead;
use super::{Graph, TensorId};

/// Runs all passes.
pub(crate) fn simplify(graph: &mut Graph) {
    functions::merge(graph);
    order::commute(graph);
    fuse::fuse(graph);
    dead::drop_dead(graph);
}

/// Who makes and who reads each tensor.
struct Wiring {
    /// Index of the node that makes a tensor; none for inputs.
    maker: Vec<Option<usize>>,
    /// How often nodes read a tensor.
    reads: Vec<usize>,
    /// Whether it is an output of the graph.
    output: Vec<bool>,
}

impl Wiring {
    fn of(graph: &Graph) -> Self {
        let count = graph.tensors.len();
        let mut wiring =
            Self { maker: vec![None; count], reads: vec![0; count], output: vec![false; count] };
        for (n, node) in graph.nodes.iter().enumerate() {
            wiring.maker[node.output.0] = Some(n);
            node.inputs.iter().for_each(|id| wiring.reads[id.0] += 1);
        }
        graph.outputs.iter().for_each(|id| wiring.output[id.0] = true);
        wiring
    }

    /// Whether nothing but `reads` inputs of one node needs a tensor.
    fn only_for(&self, id: TensorId, reads: usize) -> bool {
        !self.output[id.0] && self.reads[id.0] <= reads
    }

    /// Gives a node other inputs.
    fn rewire(&mut self, graph: &mut Graph, n: usize, inputs: Vec<TensorId>) {
        let old = std::mem::replace(&mut graph.nodes[n].inputs, inputs);
        graph.nodes[n].inputs.iter().for_each(|id| self.reads[id.0] += 1);
        old.iter().for_each(|id| self.reads[id.0] -= 1);
    }

    /// Takes out node n, whose result is its only input; the node stays, read by nothing,
    /// for [`dead`] to drop. Does nothing where both tensors are needed.
    fn bypass(&mut self, graph: &mut Graph, n: usize) {
        let (from, to) = match graph.nodes[n].inputs[..] {
            [from] => (from, graph.nodes[n].output),
            _ => return,
        };
        if !self.output[to.0] {
            self.replace(graph, to, from);
        } else if let (false, Some(maker)) = (self.output[from.0], self.maker[from.0]) {
            graph.nodes[n].output = from;
            graph.nodes[maker].output = to;
            self.maker[from.0] = Some(n);
            self.maker[to.0] = Some(maker);
            // Node n reads itself now, and nobody reads it.
            self.replace(graph, from, to);
        }
    }

    /// Lets every reader of `old` read `new`.
    fn replace(&mut self, graph: &mut Graph, old: TensorId, new: TensorId) {
        for id in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
            if *id == old {
                *id = new;
                self.reads[new.0] += 1;
                self.reads[old.0] -= 1;
            }
        }
    }
}

/// Most names that a node is called by.
const MOST_NAMES: usize = 64;

/// The names of two nodes, without repeating a part.
fn joined(first: &str, second: &str) -> String {
    let mut parts: Vec<&str> = first.split('+').collect();
    for part in second.split('+') {
        // A name of thousands would be read by nobody, and take long to join.
        if parts.len() < MOST_NAMES && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{ElementKind, Linear, LinearMap, Node, Op, Tensor};

    /// A graph of linear nodes one after the other, on a vector of `inputs` elements.
    fn chain(inputs: usize, nodes: Vec<Linear>) -> Graph {
        let lens = std::iter::once(inputs).chain(nodes.iter().map(|linear| linear.bias.len()));
        let tensor = |len| Tensor { name: "t".into(), dims: vec![1, len], kind: ElementKind::Real };
        let tensors: Vec<_> = lens.map(tensor).collect();
        let output = TensorId(tensors.len() - 1);
        let node = |(index, linear)| Node {
            name: format!("n{index}"),
            op: Op::Linear(linear),
            inputs: vec![TensorId(index)],
            output: TensorId(index + 1),
        };
        Graph {
            name: "chain".into(),
            sha256: [0; 32],
            vocabulary: vec![],
            names: vec![],
            tensors,
            inputs: vec![TensorId(0)],
            outputs: vec![output],
            nodes: nodes.into_iter().enumerate().map(node).collect(),
        }
    }

    fn dense(inputs: usize, outputs: usize, weights: &[f64], bias: &[f64]) -> Linear {
        let weights = weights.to_vec();
        let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
        Linear { maps, bias: bias.to_vec() }
    }

    fn scale(factors: &[f64], bias: &[f64]) -> Linear {
        Linear { maps: vec![LinearMap::Diagonal(factors.to_vec())], bias: bias.to_vec() }
    }

    #[test]
    fn a_scaler_before_a_dense_layer_becomes_one_map_with_it() {
        // (x − mean) / scale as scikit-learn's exporter writes it, then Gemm.
        let shift = scale(&[1.0, 1.0, 1.0], &[-0.5, 2.0, 1.0]);
        let divide = scale(&[0.5, 4.0, -1.0], &[0.0, 0.0, 0.0]);
        let gemm = dense(3, 2, &[1.0, 2.0, 3.0, -1.0, 0.25, 8.0], &[10.0, 20.0]);
        let mut graph = chain(3, vec![shift, divide, gemm]);
        simplify(&mut graph);
        let [Node { op: Op::Linear(linear), .. }] = &graph.nodes[..] else {
            panic!("one node: {graph}");
        };
        let [LinearMap::Dense { weights, .. }] = &linear.maps[..] else {
            panic!("one dense map: {graph}");
        };
        assert_eq!(weights, &[0.5, 8.0, -3.0, -0.5, 1.0, -8.0]);
        assert_eq!(linear.bias, [10.0 - 0.25 + 16.0 - 3.0, 20.0 + 0.25 + 2.0 - 8.0]);
    }

    #[test]
    fn what_narrows_stays_apart_from_what_widens() {
        // One map from 4 to 4 would have 16 coefficients, these have 8.
        let narrow = dense(4, 1, &[1.0, 2.0, 3.0, 4.0], &[0.5]);
        let wide = dense(1, 4, &[1.0, -1.0, 2.0, -2.0], &[0.0; 4]);
        let mut graph = chain(4, vec![narrow, wide]);
        simplify(&mut graph);
        assert_eq!(graph.nodes.len(), 2, "{graph}");
    }
}
