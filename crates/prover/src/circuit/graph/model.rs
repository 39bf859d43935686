//! The claims of an integer graph.

use std::borrow::Cow;

use super::claims::{Claims, Ensemble, Map, Node, Rows};
use crate::{
    circuit::PublicValues,
    graph::{Convolution, LinearMap, TensorId},
    integer::{IntegerGraph, IntegerOp, Selected},
    shape::Shape,
};

impl<'a> Claims<'a> {
    /// The claims of a valid graph, of which each output is a public word and, with public
    /// inputs, as many inputs a word as it holds.
    pub fn graph(graph: &'a IntegerGraph, shape: &Shape) -> Self {
        let mut elements: Vec<Vec<u32>> = vec![Vec::new(); graph.tensors.len()];
        let mut next = 0;
        let mut number = |tensor: TensorId| {
            let own = next..next + graph.len(tensor) as u32;
            next = own.end;
            own.collect()
        };
        for tensor in &graph.inputs {
            elements[tensor.0] = number(*tensor);
        }
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        let mut ensembles = Vec::new();
        for node in &graph.nodes {
            elements[node.output.0] = match &node.op {
                IntegerOp::Linear(linear) => {
                    let maps = linear.maps.iter().zip(&node.inputs);
                    let maps = maps.map(|(map, input)| Map {
                        values: elements[input.0].clone(),
                        rows: match map {
                            LinearMap::Dense { positions: 1, weights, .. } => Rows::Dense(weights),
                            LinearMap::Sparse(rows) => Rows::Sparse(Cow::Borrowed(rows)),
                            map => Rows::Structured(map),
                        },
                    });
                    let maps: Vec<_> = maps.collect();
                    let capacity = shape.lanes * shape.packed();
                    let order = linear.maps.iter().find_map(|map| match map {
                        LinearMap::Convolution(convolution) => Some(tiles(convolution, capacity)),
                        _ => None,
                    });
                    let alike = alike(&linear.maps);
                    nodes.push(Node { bias: Cow::Borrowed(&linear.bias), maps, order, alike });
                    number(node.output)
                }
                IntegerOp::Trees(trees) => {
                    let value = |at: &Selected| elements[node.inputs[at.input].0][at.index];
                    let values = trees.features.iter().map(value).collect();
                    ensembles.push(Ensemble { node: nodes.len(), values, trees: &trees.trees });
                    let bias = Cow::Borrowed(&trees.bias[..]);
                    nodes.push(Node { bias, maps: Vec::new(), order: None, alike: 1 });
                    number(node.output)
                }
                IntegerOp::Select(selected) => {
                    let element = |at: &Selected| elements[node.inputs[at.input].0][at.index];
                    selected.iter().map(element).collect()
                }
            };
        }
        let inputs = graph.input_len();
        let outputs = graph.outputs.iter().flat_map(|tensor| &elements[tensor.0]).copied();
        let numbers: Vec<u32> = (0..inputs as u32).collect();
        let words = PublicValues::new(shape, inputs, graph.output_len()).stated(&numbers, outputs);
        Self { inputs, nodes, ensembles, words }
    }
}

/// As many equations at a time, in the order in which they are packed, read the same
/// values: those of a position's outputs.
fn alike(maps: &[LinearMap<i64>]) -> usize {
    // Convolutions are packed in tiles, everything else in its natural order.
    let of = |map: &LinearMap<i64>| match map {
        LinearMap::Dense { outputs, .. } => (false, *outputs),
        LinearMap::Convolution(c) => (true, c.out_channels / c.groups),
        LinearMap::Diagonal(_) | LinearMap::Sparse(_) => (false, 1),
    };
    let mut alike = maps.iter().map(of);
    let first = alike.next().unwrap_or((false, 1));
    if alike.all(|other| other == first) { first.1.max(1) } else { 1 }
}

/// The equations of a convolution, tile by tile: all channels of a group at positions
/// next to each other, about `capacity` equations a tile, so that a value is read by few
/// stripes.
fn tiles<T>(convolution: &Convolution<T>, capacity: usize) -> Vec<u32> {
    let [height, width] = convolution.out_size;
    let channels = convolution.out_channels / convolution.groups;
    let area = (capacity / channels).max(1);
    let tile_width = area.isqrt().clamp(1, width);
    let tile_height = (area / tile_width).clamp(1, height);
    let mut order =
        Vec::with_capacity(convolution.batch * convolution.out_channels * height * width);
    for plane in 0..convolution.batch * convolution.groups {
        for top in (0..height).step_by(tile_height) {
            for left in (0..width).step_by(tile_width) {
                for row in top..(top + tile_height).min(height) {
                    for column in left..(left + tile_width).min(width) {
                        for channel in plane * channels..(plane + 1) * channels {
                            order.push(((channel * height + row) * width + column) as u32);
                        }
                    }
                }
            }
        }
    }
    order
}
