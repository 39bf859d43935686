//! Rewriting a graph into fewer nodes that compute the same, each pass a file.
//!
//! A value is rounded once for each node that makes it, so what is linear should join the
//! linear map of whoever reads it, unless that costs coefficients.

mod compose;
mod dead;
mod functions;
mod fuse;
mod merge;

use super::{Graph, TensorId};

/// Runs all passes.
pub(crate) fn simplify(graph: &mut Graph) {
    functions::merge(graph);
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

/// The names of two nodes, without repeating a part.
fn joined(first: &str, second: &str) -> String {
    let mut parts: Vec<&str> = first.split('+').collect();
    for part in second.split('+') {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join("+")
}
