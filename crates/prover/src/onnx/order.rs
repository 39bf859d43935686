//! The nodes that the outputs need, in an order in which they can be read.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use tract_onnx::pb::{GraphProto, NodeProto};

use super::{
    error::OnnxError,
    node::{display_name, printable},
};

/// Outputs that an error is sorted out for.
const MAX_SPARED: usize = 64;

/// Refuses names that are defined twice: by two nodes, initializers or inputs. (Old files
/// list initializers among the inputs; that is one definition.)
pub(super) fn check_names(graph: &GraphProto) -> Result<(), OnnxError> {
    let twice = |what: String, name: &str| OnnxError::DefinedTwice {
        tensor: printable(name),
        definition: what,
    };
    let mut inputs = HashSet::new();
    for input in &graph.input {
        if !inputs.insert(input.name.as_str()) {
            return Err(twice("as an input".into(), &input.name));
        }
    }
    let sparse = graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref());
    let mut defined = HashSet::new();
    for tensor in graph.initializer.iter().chain(sparse) {
        if !defined.insert(tensor.name.as_str()) {
            return Err(twice("as an initializer".into(), &tensor.name));
        }
    }
    defined.extend(inputs);
    for (position, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if !defined.insert(name) {
                return Err(twice(format!("by node {}", display_name(node, position)), name));
            }
        }
    }
    Ok(())
}

/// An error of the node at `position`, with the outputs of the file that do not need it.
pub(super) fn spared(error: OnnxError, graph: &GraphProto, position: usize) -> OnnxError {
    let needs = |name: &str| match live(graph, [name].into_iter()) {
        Ok(nodes) => nodes.contains(&position),
        Err(_) => true,
    };
    let outputs = graph.output.iter().take(MAX_SPARED).map(|info| info.name.as_str());
    let outputs: Vec<String> = outputs.filter(|name| !needs(name)).map(printable).collect();
    match outputs.is_empty() {
        true => error,
        false => OnnxError::Spared { error: Box::new(error), outputs },
    }
}

/// Positions of the nodes that the tensors `outputs` depend on, each after those it reads
/// from, in the file's order where that allows it.
pub(super) fn live<'a>(
    graph: &'a GraphProto,
    outputs: impl Iterator<Item = &'a str>,
) -> Result<Vec<usize>, OnnxError> {
    let mut maker = HashMap::new();
    for (position, node) in graph.node.iter().enumerate() {
        maker.extend(node.output.iter().filter(|o| !o.is_empty()).map(|o| (o.as_str(), position)));
    }
    let makers = |position: usize| -> HashSet<usize> {
        let mut names = Vec::new();
        reads(&graph.node[position], &mut names);
        names.into_iter().filter_map(|input| maker.get(input).copied()).collect()
    };
    // Nodes that are needed, with how many of those they read are still missing.
    let mut missing: HashMap<usize, usize> = HashMap::new();
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open: Vec<usize> = outputs.filter_map(|name| maker.get(name).copied()).collect();
    while let Some(position) = open.pop() {
        if missing.contains_key(&position) {
            continue;
        }
        let before = makers(position);
        missing.insert(position, before.len());
        for &one in &before {
            readers.entry(one).or_default().push(position);
        }
        open.extend(before);
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        missing.iter().filter(|(_, count)| **count == 0).map(|(&p, _)| Reverse(p)).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(Reverse(position)) = ready.pop() {
        order.push(position);
        for reader in readers.get(&position).into_iter().flatten() {
            if let Some(count) = missing.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(*reader));
                }
            }
        }
    }
    if order.len() == missing.len() {
        return Ok(order);
    }
    let waiting = missing.iter().filter(|(_, count)| **count > 0).map(|(&position, _)| position);
    let first = waiting.min().unwrap_or(0);
    Err(OnnxError::BadNode {
        node: display_name(&graph.node[first], first),
        detail: "it depends on itself: the graph has a cycle".into(),
    })
}

/// The names that a node reads, those that graphs inside of it take from outside among them.
fn reads<'a>(node: &'a NodeProto, names: &mut Vec<&'a str>) {
    names.extend(node.input.iter().map(String::as_str));
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        let mut inside = Vec::new();
        graph.node.iter().for_each(|inner| reads(inner, &mut inside));
        inside.extend(graph.output.iter().map(|output| output.name.as_str()));
        // A name of its own means nothing outside, also where it means something there.
        let own = own_names(graph);
        names.extend(inside.into_iter().filter(|name| !own.contains(name)));
    }
}

/// The names that a graph defines.
fn own_names(graph: &GraphProto) -> HashSet<&str> {
    let sparse = graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref());
    let constants = graph.initializer.iter().chain(sparse).map(|tensor| &tensor.name);
    let made = graph.node.iter().flat_map(|node| &node.output);
    let inputs = graph.input.iter().map(|input| &input.name);
    constants.chain(made).chain(inputs).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, ValueInfoProto};

    use super::*;

    fn node(input: &str, output: &str, body: Option<GraphProto>) -> NodeProto {
        let attribute = AttributeProto { g: body, ..AttributeProto::default() };
        NodeProto {
            input: vec![input.into()],
            output: vec![output.into()],
            attribute: vec![attribute],
            ..NodeProto::default()
        }
    }

    fn graph(node: Vec<NodeProto>, output: &str) -> GraphProto {
        let output = vec![ValueInfoProto { name: output.into(), ..ValueInfoProto::default() }];
        GraphProto { node, output, ..GraphProto::default() }
    }

    #[test]
    fn names_of_a_graph_inside_are_not_read_from_outside() {
        // The graph inside makes a y of its own, of what is x outside.
        let body = graph(vec![node("x", "y", None)], "y");
        let outer = graph(vec![node("a", "y", Some(body)), node("b", "x", None)], "y");
        assert_eq!(live(&outer, ["y"].into_iter()).ok(), Some(vec![1, 0]));
        let body = graph(vec![node("y", "z", None)], "z");
        let outer = graph(vec![node("a", "y", Some(body))], "y");
        assert!(live(&outer, ["y"].into_iter()).is_err(), "it reads what it makes");
    }
}
