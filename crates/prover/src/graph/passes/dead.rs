//! Drops nodes that no output needs, and their tensors.

use crate::graph::{Graph, TensorId};

pub(crate) fn drop_dead(graph: &mut Graph) {
    let mut needed = vec![false; graph.tensors.len()];
    graph.outputs.iter().for_each(|id| needed[id.0] = true);
    for node in graph.nodes.iter().rev() {
        if needed[node.output.0] {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
        }
    }
    graph.nodes.retain(|node| needed[node.output.0]);
    // The model's inputs are its interface, read or not.
    graph.inputs.iter().for_each(|id| needed[id.0] = true);
    let mut renumbered = vec![TensorId(0); graph.tensors.len()];
    let kept = renumbered.iter_mut().zip(&needed).filter(|(_, needed)| **needed);
    kept.enumerate().for_each(|(number, (new, _))| *new = TensorId(number));
    let mut keep = needed.iter();
    graph.tensors.retain(|_| keep.next().is_some_and(|&needed| needed));
    let nodes = graph.nodes.iter_mut();
    let in_nodes = nodes.flat_map(|node| node.inputs.iter_mut().chain([&mut node.output]));
    for id in in_nodes.chain(&mut graph.inputs).chain(&mut graph.outputs) {
        *id = renumbered[id.0];
    }
}
