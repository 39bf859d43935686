use super::*;
use crate::graph::{
    Convolution, Curve, Element, Extremum, Function, Linear, LinearMap, Node, Op, SparseRows,
    Tensor, TensorId,
};

/// Numbers in [−1, 1) that are the same every time.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = 12345 + seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// A graph being put together.
struct Model(Graph);

impl Model {
    fn new(inputs: &[usize]) -> Self {
        let mut model = Self(Graph {
            name: "m".into(),
            sha256: [0; 32],
            vocabulary: vec![],
            names: vec![],
            tensors: vec![],
            nodes: vec![],
            inputs: vec![],
            outputs: vec![],
        });
        for len in inputs {
            let tensor = model.tensor(*len);
            model.0.inputs.push(tensor);
        }
        model
    }

    fn tensor(&mut self, len: usize) -> TensorId {
        let name = format!("t{}", self.0.tensors.len());
        self.0.tensors.push(Tensor { name, dims: vec![1, len], kind: ElementKind::Real });
        TensorId(self.0.tensors.len() - 1)
    }

    /// Adds a node; its output is the model's for now.
    fn node(&mut self, name: &str, op: Op, inputs: &[TensorId], len: usize) -> TensorId {
        let output = self.tensor(len);
        self.0.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec(), output });
        self.0.outputs = vec![output];
        output
    }

    fn linear(&mut self, maps: Vec<LinearMap>, inputs: &[TensorId], bias: Vec<f64>) -> TensorId {
        let (len, name) = (bias.len(), format!("linear{}", self.0.nodes.len()));
        self.node(&name, Op::Linear(Linear { maps, bias }), inputs, len)
    }

    fn function(&mut self, function: Function, input: TensorId) -> TensorId {
        let (len, name) = (self.len(input), format!("f{}", self.0.nodes.len()));
        self.node(&name, Op::Function(function), &[input], len)
    }

    fn len(&self, tensor: TensorId) -> usize {
        self.0.tensors[tensor.0].len()
    }
}

fn dense(inputs: usize, outputs: usize, mut weight: impl FnMut() -> f64) -> LinearMap {
    let weights = (0..inputs * outputs).map(|_| weight()).collect();
    LinearMap::Dense { positions: 1, inputs, outputs, weights }
}

/// A model of pseudo-random weights; widths from input to output.
fn model(widths: &[usize], function: Function, last: Option<Function>) -> Graph {
    let mut random = random(0);
    let mut model = Model::new(&widths[..1]);
    let mut tensor = TensorId(0);
    for (index, pair) in widths.windows(2).enumerate() {
        let scale = (2.0 / pair[0] as f64).sqrt();
        let map = dense(pair[0], pair[1], || random() * scale);
        let bias = (0..pair[1]).map(|_| random() * 0.1).collect();
        tensor = model.linear(vec![map], &[tensor], bias);
        let is_last = index + 2 == widths.len();
        if let Some(function) = if is_last { last.clone() } else { Some(function.clone()) } {
            tensor = model.function(function, tensor);
        }
    }
    model.0
}

fn shape() -> Shape {
    Shape { limb_bits: 11, limbs: 5, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

/// Many bits for weights and values alike.
fn fine() -> Shape {
    Shape { limb_bits: 10, limbs: 6, shift_limbs: 3, ..shape() }
}

const PRECISION: Precision = Precision { decimals: None, function_tolerance: 2e-5 };

fn error(graph: &Graph, half_width: f64, shape: &Shape) -> (Quantized, ErrorReport) {
    let ranges = Ranges::uniform(graph.input_len(), -half_width, half_width);
    let quantizer = Quantizer::new(graph, &ranges).expect("sound");
    let functions = quantizer.functions(&PRECISION);
    let quantized = quantizer.quantize(shape, &functions).expect("quantizes");
    let report = quantizer.compare(&quantized).expect("in range");
    (quantized, report)
}

#[test]
fn an_mlp_is_within_a_ten_thousandth_of_the_float_model() {
    let (_, report) = error(&model(&[20, 64, 32, 3], Function::Relu, None), 3.0, &shape());
    assert!(report.largest < 1e-4, "{report:?}");
}

#[test]
fn a_final_sigmoid_is_within_its_tolerance_and_its_output_a_probability() {
    let model = model(&[20, 64, 32, 1], Function::Relu, Some(Function::Curve(Curve::Sigmoid)));
    let (quantized, report) = error(&model, 3.0, &shape());
    assert!(report.largest < 4e-5, "{report:?}");
    assert_eq!(quantized.output.min, 0);
    assert!(quantized.output.max <= 1_000_001, "{:?}", quantized.output);
    assert_eq!(quantized.output.decimals, 6);
}

#[test]
fn hidden_sigmoids_and_bare_functions_are_quantized_too() {
    let hidden = model(&[5, 4, 3, 2], Function::Curve(Curve::Sigmoid), Some(Function::Relu));
    let (_, report) = error(&hidden, 2.0, &shape());
    assert!(report.largest < 2e-4, "{report:?}");
    let mut bare = Model::new(&[5]);
    bare.function(Function::Curve(Curve::Sigmoid), TensorId(0));
    let (_, report) = error(&bare.0, 9.0, &shape());
    assert!(report.largest < 4e-5, "{report:?}");
}

#[test]
fn affine_layers_in_a_row_and_negative_outputs_keep_their_sign() {
    let mut twice = Model::new(&[4]);
    let mut random = random(0);
    let mut random = || random() * 0.75;
    let first = twice.linear(vec![dense(4, 3, &mut random)], &[TensorId(0)], vec![0.1; 3]);
    twice.linear(vec![dense(3, 3, &mut random)], &[first], vec![0.1; 3]);
    let (quantized, report) = error(&twice.0, 5.0, &fine());
    assert!(report.largest < 1e-4, "{report:?}");
    assert!(quantized.output.min < 0);
}

#[test]
fn a_larger_table_gives_a_smaller_error() {
    let model = model(&[20, 16, 1], Function::Relu, None);
    let coarse = Shape { limb_bits: 6, limbs: 5, ..shape() };
    let fine = Shape { limb_bits: 12, ..shape() };
    assert!(error(&model, 1.0, &fine).1.largest < error(&model, 1.0, &coarse).1.largest);
}

#[test]
fn ranges_too_wide_for_the_circuit_name_the_layer() {
    let model = model(&[3, 3, 1], Function::Relu, None);
    let ranges = Ranges::uniform(3, -1e12, 1e12);
    let error = Quantized::new(&model, &ranges, &shape(), &Precision::default());
    assert!(
        matches!(error, Err(QuantizeError::TooWide { ref node, .. }) if node.starts_with("linear0"))
    );
}

#[test]
fn decimals_that_do_not_fit_are_refused() {
    let model = model(&[3, 3, 1], Function::Relu, None);
    let precision = Precision { decimals: Some(12), ..Precision::default() };
    let result = Quantized::new(&model, &Ranges::uniform(3, -1.0, 1.0), &shape(), &precision);
    assert!(matches!(result, Err(QuantizeError::Decimals { decimals: 12, .. })));
}

#[test]
fn no_input_in_range_leaves_the_intervals() {
    let model = model(&[6, 8, 1], Function::Relu, Some(Function::Curve(Curve::Sigmoid)));
    let ranges = Ranges::uniform(6, -4.0, 4.0);
    let quantized =
        Quantized::new(&model, &ranges, &shape(), &Precision::default()).expect("quantizes");
    let shape = shape();
    let bounds = quantized.graph.validate(shape.accumulator_bits(), shape.value_bits());
    let bounds = bounds.expect("valid");
    let corners = (0..64u32).map(|bits| {
        (0..6).map(|i| if bits >> i & 1 == 1 { 4.0 } else { -4.0 }).collect::<Vec<f64>>()
    });
    for sample in ranges.samples(50).into_iter().chain(corners) {
        let inputs = quantized.input.encode(&sample).expect("in range");
        let trace = quantized.graph.run(&inputs).expect("in range");
        for (layer, accumulators) in trace.accumulators.iter().enumerate() {
            for (z, (lo, hi)) in accumulators.iter().zip(&bounds.accumulators[layer]) {
                assert!((lo..=hi).contains(&&i128::from(*z)));
            }
        }
    }
}

#[test]
fn a_residual_joins_the_linear_map_and_is_rounded_once() {
    let mut random = random(7);
    let mut model = Model::new(&[8]);
    let h = model.linear(vec![dense(8, 8, || random() * 0.5)], &[TensorId(0)], vec![0.1; 8]);
    let h = model.function(Function::Relu, h);
    let g = model.linear(vec![dense(8, 8, || random() * 0.5)], &[h], vec![0.0; 8]);
    let one = LinearMap::Diagonal(vec![1.0; 8]);
    let sum = model.linear(vec![one.clone(), one], &[g, h], vec![0.0; 8]);
    let sum = model.function(Function::Relu, sum);
    model.linear(vec![dense(8, 2, || random() * 0.5)], &[sum], vec![0.0; 2]);
    let (quantized, report) = error(&model.0, 2.0, &shape());
    assert!(report.largest < 5e-5, "{report:?}");
    // ReLU, sum and ReLU, output.
    assert_eq!(quantized.graph.nodes.len(), 3);
    assert_eq!(quantized.graph.nodes[1].inputs.len(), 2);
}

#[test]
fn functions_of_straight_pieces_are_exact_but_for_rounding() {
    let slopes = (0..6).map(|i| f64::from(i) * 0.3 - 0.4).collect();
    for (function, most) in [
        (Function::LeakyRelu { slopes: vec![0.01] }, 2e-6),
        (Function::LeakyRelu { slopes }, 3e-6),
        (Function::Abs, 2e-6),
        (Function::Clip { low: 0.0, high: 1.5 }, 2e-6),
        (Function::Clip { low: -0.7, high: 0.9 }, 2e-6),
        (Function::Clip { low: f64::NEG_INFINITY, high: 0.25 }, 2e-6),
        (Function::Clip { low: -0.25, high: f64::INFINITY }, 2e-6),
        (Function::Clip { low: 100.0, high: 101.0 }, 2e-6),
        (Function::Clip { low: -101.0, high: -100.0 }, 2e-6),
    ] {
        let mut random = random(3);
        let mut model = Model::new(&[6]);
        let z = model.linear(vec![dense(6, 6, || random() * 0.5)], &[TensorId(0)], vec![0.0; 6]);
        model.function(function.clone(), z);
        let (_, report) = error(&model.0, 1.0, &fine());
        assert!(report.largest < most, "{function:?}: {report:?}");
    }
}

#[test]
fn extremes_of_any_number_of_elements_are_those_of_the_rounded_ones() {
    let groups: Vec<Vec<usize>> =
        vec![vec![0, 1, 2, 3], vec![4], vec![5, 6, 7], (0..9).collect(), vec![8, 0]];
    for minimum in [false, true] {
        for after_relu in [false, true] {
            let mut random = random(5);
            let mut model = Model::new(&[9]);
            let mut z =
                model.linear(vec![dense(9, 9, || random() * 0.5)], &[TensorId(0)], vec![0.2; 9]);
            if after_relu {
                z = model.function(Function::Relu, z);
            }
            let extremum = Extremum { minimum, groups: groups.clone() };
            let best = model.node("max", Op::Extremum(extremum), &[z], groups.len());
            model.linear(vec![dense(5, 3, || random() * 0.5)], &[best], vec![0.0; 3]);
            let (_, report) = error(&model.0, 1.0, &fine());
            assert!(report.largest < 1e-5, "{minimum}, {after_relu}: {report:?}");
        }
    }
}

#[test]
fn the_position_of_an_extreme_is_exact_and_the_first_wins_ties() {
    let groups: Vec<Vec<usize>> = vec![vec![0, 1, 2, 3, 4], vec![3, 2], vec![1]];
    for minimum in [false, true] {
        let mut model = Model::new(&[5]);
        let extremum = Extremum { minimum, groups: groups.clone() };
        let output = model.node("arg", Op::ArgExtremum(extremum), &[TensorId(0)], 3);
        model.0.tensors[output.0].kind = ElementKind::Integer;
        let ranges = Ranges::uniform(5, -3.0, 3.0);
        let quantized = Quantized::new(&model.0, &ranges, &shape(), &PRECISION).expect("quantizes");
        assert_eq!((quantized.output.decimals, quantized.output.min), (0, 0));
        assert_eq!(quantized.output.max, 4);
        let mut random = random(11);
        for _ in 0..300 {
            // Few different values, so that ties are many.
            let x: Vec<f64> = (0..5).map(|_| (random() * 2.4).round()).collect();
            let expected = model.0.run(&[&x]).expect("runs").concat();
            assert_eq!(quantized.run(&x).expect("in range"), expected, "{x:?}");
        }
    }
}

/// conv (ReLU) → pool → conv → ReLU → dense, with a branch around the second.
fn convolutional(pool: impl Fn(&mut Model, TensorId) -> TensorId) -> Graph {
    let mut random = random(9);
    let mut conv = |ins: usize, outs: usize, size: usize| {
        LinearMap::Convolution(Convolution {
            batch: 1,
            groups: 1,
            in_channels: ins,
            out_channels: outs,
            in_size: [size, size],
            out_size: [size, size],
            kernel: [3, 3],
            strides: [1, 1],
            pads: [1, 1],
            dilations: [1, 1],
            weights: (0..outs * ins * 9).map(|_| random() * 0.4).collect(),
        })
    };
    let (first, second) = (conv(1, 3, 8), conv(3, 3, 4));
    let mut model = Model::new(&[64]);
    let z = model.linear(vec![first], &[TensorId(0)], vec![0.05; 192]);
    let h = model.function(Function::Relu, z);
    let p = pool(&mut model, h);
    let z = model.linear(vec![second], &[p], vec![-0.1; 48]);
    let one = LinearMap::Diagonal(vec![1.0; 48]);
    let z = model.linear(vec![one.clone(), one], &[z, p], vec![0.0; 48]);
    let h = model.function(Function::Relu, z);
    model.linear(vec![dense(48, 4, || random() * 0.3)], &[h], vec![0.0; 4]);
    model.0
}

fn windows() -> Vec<Vec<usize>> {
    let at = |channel: usize, r: usize, c: usize| (channel * 8 + r) * 8 + c;
    (0..48)
        .map(|i| {
            let (channel, r, c) = (i / 16, i / 4 % 4 * 2, i % 4 * 2);
            vec![
                at(channel, r, c),
                at(channel, r, c + 1),
                at(channel, r + 1, c),
                at(channel, r + 1, c + 1),
            ]
        })
        .collect()
}

#[test]
fn a_convolutional_network_is_within_a_ten_thousandth_of_the_float_model() {
    let largest = convolutional(|model, h| {
        let extremum = Extremum { minimum: false, groups: windows() };
        model.node("pool", Op::Extremum(extremum), &[h], 48)
    });
    let (quantized, report) = error(&largest, 1.0, &shape());
    assert!(report.largest < 1e-4, "{report:?}");
    // 192 values, three differences a window, 48 values, 4 outputs, 64 inputs.
    assert_eq!(quantized.graph.value_count(), 192 + 3 * 48 + 48 + 4 + 64);
    let mean = convolutional(|model, h| {
        let rows =
            windows().into_iter().map(|w| w.into_iter().map(|i| (i, 0.25)).collect::<Vec<_>>());
        model.linear(vec![LinearMap::Sparse(SparseRows::from_rows(rows))], &[h], vec![0.0; 48])
    });
    let (_, report) = error(&mean, 1.0, &shape());
    assert!(report.largest < 1e-4, "{report:?}");
}

#[test]
fn several_inputs_and_outputs_are_taken_and_given_in_the_models_order() {
    let mut random = random(2);
    let mut model = Model::new(&[3, 2]);
    let order = [(1, 1), (0, 2), (0, 0), (1, 0), (0, 1)]
        .map(|(input, index)| Element::Input { input, index });
    let elements = order.into_iter().chain([Element::Constant(0.75)]).collect();
    let all = model.node("concat", Op::Select(elements), &[TensorId(0), TensorId(1)], 6);
    let z = model.linear(vec![dense(6, 4, &mut random)], &[all], vec![0.3; 4]);
    let h = model.function(Function::Relu, z);
    let s = model.function(Function::Curve(Curve::Sigmoid), z);
    let y = model.linear(vec![dense(4, 2, &mut random)], &[h], vec![-1.0; 2]);
    model.0.outputs = vec![s, y, h];
    let (quantized, report) = error(&model.0, 1.0, &fine());
    assert!(report.largest < 1e-4, "{report:?}");
    assert_eq!(quantized.output.count, 10);
    assert!(quantized.output.min < 0);
    let names: Vec<&str> = quantized.output.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, [s, y, h].map(|t| model.0.tensors[t.0].name.clone()));
}

#[test]
fn a_function_that_is_scaled_afterwards_is_approximated_as_closely_as_that_demands() {
    // A score card, 300 + 550·sigmoid, and a hidden layer of sigmoids with gains of 20.
    let fine = Shape { limb_bits: 14, limbs: 4, ..shape() };
    let mut random = random(1);
    let mut card = Model::new(&[6]);
    let z = card.linear(vec![dense(6, 1, || random() * 2.0)], &[TensorId(0)], vec![0.2]);
    let s = card.function(Function::Curve(Curve::Sigmoid), z);
    card.linear(vec![LinearMap::Diagonal(vec![550.0])], &[s], vec![300.0]);
    let (_, report) = error(&card.0, 1.0, &fine);
    assert!(report.largest < 1e-3, "{report:?}");
    let mut hidden = Model::new(&[6]);
    let z = hidden.linear(vec![dense(6, 8, || random() * 2.0)], &[TensorId(0)], vec![0.2; 8]);
    let s = hidden.function(Function::Curve(Curve::Sigmoid), z);
    hidden.linear(vec![dense(8, 1, || random() * 20.0)], &[s], vec![1.0]);
    let (_, report) = error(&hidden.0, 1.0, &fine);
    assert!(report.largest < 1e-4, "{report:?}");
}

mod curves;
mod products;
mod ranked;
mod stairs;
mod tables;
mod windows;
