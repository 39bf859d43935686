//! The claims of an integer graph.

use std::borrow::Cow;

use super::{
    claims::{Claims, Curves, Ensemble, Making, Map, Node, Rows},
    committed::{Commitment, salt_values},
    products,
};
use crate::{
    circuit::PublicValues,
    graph::{Convolution, Linear, LinearMap, TensorId},
    integer::{IntegerGraph, IntegerOp, Maxima, Selected},
    shape::Shape,
};

impl<'a> Claims<'a> {
    /// The claims of a valid graph, of which each output is a public word and, with public
    /// inputs, as many inputs a word as it holds.
    pub fn graph(graph: &'a IntegerGraph, shape: &Shape) -> Self {
        let mut elements: Vec<Vec<u32>> = vec![Vec::new(); graph.tensors.len()];
        let mut next = 0;
        let mut number = |count: usize| -> Vec<u32> {
            let own = next..next + count as u32;
            next = own.end;
            own.collect()
        };
        for tensor in &graph.inputs {
            elements[tensor.0] = number(graph.len(*tensor));
        }
        let salt = number(salt_values(shape));
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        let (mut ensembles, mut curves) = (Vec::new(), Vec::new());
        let (making, shift) = (Making::Rescaled, graph.shift_bits);
        for node in &graph.nodes {
            let element = |at: &Selected| elements[node.inputs[at.input].0][at.index];
            elements[node.output.0] = match &node.op {
                IntegerOp::Linear(linear) => {
                    let maps = maps(linear, &node.inputs, &elements);
                    let capacity = shape.lanes * shape.packed();
                    let order = convolution(linear).map(|own| Grid::of(own).tiles(capacity));
                    let (bias, alike) = (Cow::Borrowed(&linear.bias[..]), alike(&linear.maps));
                    nodes.push(Node { making, bias, maps, windows: None, order, alike });
                    number(graph.len(node.output))
                }
                IntegerOp::Maxima(Maxima { linear, windows }) => {
                    let maps = maps(linear, &node.inputs, &elements);
                    let bias = Cow::Borrowed(&linear.bias[..]);
                    let own = Some(Cow::Borrowed(&windows[..]));
                    let mut claim =
                        Node { making, bias, maps, windows: own, order: None, alike: 1 };
                    let together = shape.lanes * shape.packed() / claim.widest();
                    claim.order =
                        convolution(linear).and_then(|own| window_tiles(own, windows, together));
                    nodes.push(claim);
                    number(graph.len(node.output))
                }
                IntegerOp::Trees(trees) => {
                    let values = trees.features.iter().map(element).collect();
                    ensembles.push(Ensemble { node: nodes.len(), values, trees: &trees.trees });
                    let bias = Cow::Borrowed(&trees.bias[..]);
                    let maps = Vec::new();
                    nodes.push(Node { making, bias, maps, windows: None, order: None, alike: 1 });
                    number(graph.len(node.output))
                }
                IntegerOp::Curves(own) => {
                    let values = elements[node.inputs[0].0].clone();
                    curves.push(Curves { node: nodes.len(), values, curves: own });
                    let bias = Cow::Owned(vec![0; own.of.len()]);
                    let maps = Vec::new();
                    nodes.push(Node { making, bias, maps, windows: None, order: None, alike: 1 });
                    number(graph.len(node.output))
                }
                IntegerOp::Select(selected) => selected.iter().map(element).collect(),
                IntegerOp::Products(pairs) => {
                    let pairs = pairs.iter().map(|pair| pair.each_ref().map(element));
                    nodes.push(products::products(shift, pairs));
                    number(graph.len(node.output))
                }
                IntegerOp::Quotients(divisions) => {
                    let own = number(4 * divisions.len());
                    nodes.extend(products::quotients(
                        shift,
                        divisions,
                        own.first().copied().unwrap_or(0),
                        element,
                    ));
                    own[..divisions.len()].to_vec()
                }
                IntegerOp::Roots(radicands) => {
                    let own = number(5 * radicands.len());
                    nodes.extend(products::roots(
                        shift,
                        radicands,
                        own.first().copied().unwrap_or(0),
                        element,
                    ));
                    own[..radicands.len()].to_vec()
                }
            };
        }
        let numbers = graph.stated(&(0..graph.input_len() as u32).collect::<Vec<_>>());
        let outputs = graph.outputs.iter().flat_map(|tensor| &elements[tensor.0]).copied();
        let mut outputs: Vec<u32> = outputs.collect();
        if shape.totals() {
            // Totals are of values that nothing else reads.
            nodes.push(Node::copy(&outputs, shift));
            outputs = number(outputs.len());
        }
        let public = PublicValues::new(shape, numbers.len(), graph.output_len());
        let words = public.stated(&numbers, outputs);
        let inputs = graph.input_len() + salt.len();
        let (count, hashed) = (numbers.len(), public.packed(&numbers));
        let committed = shape.committed() && count > 0;
        let commitment = committed.then_some(Commitment { count, salt, words: hashed });
        Self { inputs, nodes, ensembles, curves, commitment, words }
    }
}

/// What a node adds up of the values with these numbers.
fn maps<'a>(linear: &'a Linear<i64>, inputs: &[TensorId], numbers: &[Vec<u32>]) -> Vec<Map<'a>> {
    let map = |(map, input): (&'a LinearMap<i64>, &TensorId)| Map {
        values: numbers[input.0].clone(),
        rows: match map {
            LinearMap::Dense { positions: 1, weights, .. } => Rows::Dense(weights),
            LinearMap::Sparse(rows) => Rows::Sparse(Cow::Borrowed(rows)),
            map => Rows::Structured(map),
        },
    };
    linear.maps.iter().zip(inputs).map(map).collect()
}

/// The first convolution of a node.
fn convolution(linear: &Linear<i64>) -> Option<&Convolution<i64>> {
    linear.maps.iter().find_map(|map| match map {
        LinearMap::Convolution(convolution) => Some(convolution),
        _ => None,
    })
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

/// Channels of images, in groups that read the same values.
struct Grid {
    /// Groups of all images.
    groups: usize,
    /// Channels of a group.
    channels: usize,
    /// Height and width.
    size: [usize; 2],
}

impl Grid {
    /// The results of a convolution.
    fn of<T>(convolution: &Convolution<T>) -> Self {
        Self {
            groups: convolution.batch * convolution.groups,
            channels: convolution.out_channels / convolution.groups,
            size: convolution.out_size,
        }
    }

    /// The elements, tile by tile: all channels of a group at positions next to each other,
    /// about `capacity` a tile, so that what they read is read by few stripes.
    fn tiles(&self, capacity: usize) -> Vec<u32> {
        let Self { groups, channels, size: [height, width] } = *self;
        let area = (capacity / channels).max(1);
        let tile_width = area.isqrt().clamp(1, width);
        let tile_height = (area / tile_width).clamp(1, height);
        let mut order = Vec::with_capacity(groups * channels * height * width);
        for plane in 0..groups {
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
}

/// Windows over the results of a convolution, tile by tile, `together` in each, if their
/// first elements are a grid.
fn window_tiles<T>(
    convolution: &Convolution<T>,
    windows: &[Vec<usize>],
    together: usize,
) -> Option<Vec<u32>> {
    let [height, width] = convolution.out_size;
    let channels = convolution.batch * convolution.out_channels;
    // The window that begins there.
    let mut begins = vec![None; channels * height * width];
    let (mut rows, mut columns) = (vec![false; height], vec![false; width]);
    for (index, window) in windows.iter().enumerate() {
        let first = *window.first()?;
        rows[first / width % height] = true;
        columns[first % width] = true;
        begins[first] = Some(index as u32);
    }
    let places =
        |taken: &[bool]| -> Vec<usize> { (0..taken.len()).filter(|place| taken[*place]).collect() };
    let (rows, columns) = (places(&rows), places(&columns));
    let grid = Grid { size: [rows.len(), columns.len()], ..Grid::of(convolution) };
    if channels * rows.len() * columns.len() != windows.len() {
        return None;
    }
    let window = |element: u32| {
        let (element, across) = (element as usize, columns.len());
        let (plane, column) = (element / across, element % across);
        let (channel, row) = (plane / rows.len(), plane % rows.len());
        begins[(channel * height + rows[row]) * width + columns[column]]
    };
    grid.tiles(together.max(1)).into_iter().map(window).collect()
}
