//! Maxima over windows of what is not rounded yet.

use super::*;
use crate::{
    graph::passes::simplify,
    integer::{IntegerOp, Maxima},
    shape::GraphShape,
};

const SIZE: usize = 12;

/// Windows of `kernel` × `kernel`, `stride` apart, over channels of 12 × 12.
fn windows(channels: usize, kernel: usize, stride: usize) -> Vec<Vec<usize>> {
    let starts = || (0..=SIZE - kernel).step_by(stride);
    let window = move |channel: usize, top: usize, left: usize| {
        let rows = top..top + kernel;
        let row =
            move |row| (left..left + kernel).map(move |at| (channel * SIZE + row) * SIZE + at);
        rows.flat_map(row).collect()
    };
    let of_channel = move |channel| {
        starts().flat_map(move |top| starts().map(move |left| window(channel, top, left)))
    };
    (0..channels).flat_map(of_channel).collect()
}

/// A convolution of three channels, what follows it, and a dense layer.
fn model(order: &[Op]) -> Graph {
    let mut random = random(3);
    let mut model = Model::new(&[SIZE * SIZE]);
    let weights = (0..27).map(|_| random()).collect();
    let convolution = Convolution {
        batch: 1,
        groups: 1,
        in_channels: 1,
        out_channels: 3,
        in_size: [SIZE; 2],
        out_size: [SIZE; 2],
        kernel: [3; 2],
        strides: [1; 2],
        pads: [1; 2],
        dilations: [1; 2],
        weights,
    };
    let bias = (0..3 * SIZE * SIZE).map(|at| (at / SIZE / SIZE) as f64 - 1.0).collect();
    let map = LinearMap::Convolution(convolution);
    let mut tensor = model.linear(vec![map], &[TensorId(0)], bias);
    for (index, op) in order.iter().enumerate() {
        let len = match op {
            Op::Extremum(extremum) => extremum.groups.len(),
            _ => model.len(tensor),
        };
        tensor = model.node(&format!("op{index}"), op.clone(), &[tensor], len);
    }
    let inputs = model.len(tensor);
    let map = dense(inputs, 2, || random() / 8.0);
    model.linear(vec![map], &[tensor], vec![0.5, -0.5]);
    simplify(&mut model.0);
    model.0
}

fn pool(minimum: bool, kernel: usize, stride: usize) -> Op {
    Op::Extremum(Extremum { minimum, groups: windows(3, kernel, stride) })
}

/// Quantized for a circuit that proves maxima, and the error.
fn quantized(graph: &Graph) -> (Quantized, ErrorReport) {
    let graph_shape = Some(GraphShape { windows: true, ..GraphShape::new(5, 4) });
    let shape = Shape { limb_bits: 12, lanes: 4, graph: graph_shape, ..shape() };
    let ranges = Ranges::uniform(graph.input_len(), -1.0, 1.0);
    let quantizer = Quantizer::suited(graph, &ranges, &shape).expect("sound");
    let quantized =
        quantizer.quantize(&shape, &quantizer.functions(&PRECISION)).expect("quantizes");
    let report = quantizer.compare(&quantized).expect("in range");
    (quantized, report)
}

fn maxima(quantized: &Quantized) -> Vec<&Maxima> {
    let of = |node: &'_ crate::integer::IntegerNode| matches!(node.op, IntegerOp::Maxima(_));
    let nodes = quantized.graph.nodes.iter().filter(|node| of(node));
    nodes
        .filter_map(|node| match &node.op {
            IntegerOp::Maxima(maxima) => Some(maxima),
            _ => None,
        })
        .collect()
}

#[test]
fn a_convolution_its_relu_and_its_pool_are_one_node_in_either_order() {
    let relu = || Op::Function(Function::Relu);
    for order in [[relu(), pool(false, 2, 2)], [pool(false, 2, 2), relu()]] {
        let graph = model(&order);
        let (quantized, report) = quantized(&graph);
        assert_eq!(quantized.graph.nodes.len(), 2, "the maxima and the dense layer");
        assert_eq!(maxima(&quantized)[0].windows.len(), 3 * 36);
        assert!(report.largest < 1e-3, "{report:?}");
    }
}

#[test]
fn pools_without_a_relu_that_overlap_or_leave_elements_out_are_as_the_float_model_has_them() {
    for (kernel, stride) in [(2, 2), (3, 2), (2, 1), (4, 4)] {
        let graph = model(&[pool(false, kernel, stride)]);
        let (quantized, report) = quantized(&graph);
        assert_eq!(maxima(&quantized).len(), 1, "{kernel} {stride}");
        assert!(report.largest < 1e-3, "{kernel} {stride}: {report:?}");
        let one = 1i64 << quantized.graph.shift_bits;
        let trace = quantized.graph.run(&vec![7; SIZE * SIZE]).expect("in range");
        assert!(trace.accumulators[0].iter().all(|z| *z >= 0), "never negative");
        assert!(trace.gaps.iter().any(|gap| *gap > one), "{kernel} {stride}");
    }
}

#[test]
fn few_maxima_wide_ones_minima_and_those_of_values_stay_differences() {
    let few = Op::Extremum(Extremum { minimum: false, groups: vec![(0..9).collect(); 3] });
    let relu = Op::Function(Function::Relu);
    let after = Op::Linear(Linear {
        maps: vec![LinearMap::Diagonal(vec![2.0; 3 * SIZE * SIZE])],
        bias: vec![0.0; 3 * SIZE * SIZE],
    });
    for order in [
        vec![few],
        vec![pool(false, 6, 6)],
        vec![pool(true, 2, 2)],
        vec![relu, after, pool(false, 2, 2)],
    ] {
        let graph = model(&order);
        let (quantized, report) = quantized(&graph);
        assert_eq!(maxima(&quantized).len(), 0, "{graph}");
        assert!(report.largest < 1e-3, "{report:?}");
    }
}
