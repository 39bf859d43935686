use super::*;
use crate::model::{Affine, FloatLayer, TensorInfo};

fn tensor(len: usize) -> TensorInfo {
    TensorInfo { name: "t".into(), shape: vec![1, len], len }
}

/// A model of pseudo-random weights; widths from input to output.
fn model(widths: &[usize], function: FloatOp, last: Option<FloatOp>) -> FloatModel {
    let mut state = 12345u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let mut layers = Vec::new();
    for (index, pair) in widths.windows(2).enumerate() {
        let scale = (2.0 / pair[0] as f64).sqrt();
        let affine = Affine {
            inputs: pair[0],
            outputs: pair[1],
            weights: (0..pair[0] * pair[1]).map(|_| random() * scale).collect(),
            bias: (0..pair[1]).map(|_| random() * 0.1).collect(),
        };
        layers.push(FloatLayer { node: format!("gemm{index}"), op: FloatOp::Affine(affine) });
        let is_last = index + 2 == widths.len();
        let op = if is_last { last.clone() } else { Some(function.clone()) };
        layers.extend(op.map(|op| FloatLayer { node: format!("f{index}"), op }));
    }
    FloatModel {
        name: "m".into(),
        input: tensor(widths[0]),
        output: tensor(widths[widths.len() - 1]),
        layers,
        sha256: [0; 32],
    }
}

fn shape() -> Shape {
    Shape { limb_bits: 11, limbs: 5, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

const PRECISION: Precision = Precision { decimals: None, function_tolerance: 2e-5 };

fn error(model: &FloatModel, half_width: f64, shape: &Shape) -> (Quantized, ErrorReport) {
    let ranges = Ranges::uniform(model.input.len, -half_width, half_width);
    let quantized = Quantized::new(model, &ranges, shape, &PRECISION).expect("quantizes");
    let report = quantized.compare(model, &ranges.samples(100)).expect("in range");
    (quantized, report)
}

#[test]
fn an_mlp_is_within_a_ten_thousandth_of_the_float_model() {
    let (_, report) = error(&model(&[20, 64, 32, 3], FloatOp::Relu, None), 3.0, &shape());
    assert!(report.largest < 1e-4, "{report:?}");
}

#[test]
fn a_final_sigmoid_is_within_its_tolerance_and_its_output_a_probability() {
    let model = model(&[20, 64, 32, 1], FloatOp::Relu, Some(FloatOp::Sigmoid));
    let (quantized, report) = error(&model, 3.0, &shape());
    assert!(report.largest < 4e-5, "{report:?}");
    assert_eq!(quantized.output.min, 0);
    assert!(quantized.output.max <= 1_000_001, "{:?}", quantized.output);
    assert_eq!(quantized.output.decimals, 6);
}

#[test]
fn hidden_sigmoids_and_bare_functions_are_quantized_too() {
    let hidden = model(&[5, 4, 3, 2], FloatOp::Sigmoid, Some(FloatOp::Relu));
    let (_, report) = error(&hidden, 2.0, &shape());
    assert!(report.largest < 2e-4, "{report:?}");
    let mut bare = hidden.clone();
    bare.layers = vec![FloatLayer { node: "s".into(), op: FloatOp::Sigmoid }];
    bare.output = bare.input.clone();
    let (_, report) = error(&bare, 9.0, &shape());
    assert!(report.largest < 4e-5, "{report:?}");
}

#[test]
fn affine_layers_in_a_row_and_negative_outputs_keep_their_sign() {
    let mut twice = model(&[4, 3, 3], FloatOp::Relu, None);
    twice.layers.remove(1);
    let (quantized, report) = error(&twice, 5.0, &shape());
    assert!(report.largest < 1e-4, "{report:?}");
    assert!(quantized.output.min < 0);
}

#[test]
fn a_larger_table_gives_a_smaller_error() {
    let model = model(&[20, 16, 1], FloatOp::Relu, None);
    let coarse = Shape { limb_bits: 6, limbs: 5, ..shape() };
    let fine = Shape { limb_bits: 12, ..shape() };
    assert!(error(&model, 1.0, &fine).1.largest < error(&model, 1.0, &coarse).1.largest);
}

#[test]
fn ranges_too_wide_for_the_circuit_name_the_layer() {
    let model = model(&[3, 3, 1], FloatOp::Relu, None);
    let ranges = Ranges::uniform(3, -1e12, 1e12);
    let error = Quantized::new(&model, &ranges, &shape(), &Precision::default());
    assert!(matches!(error, Err(QuantizeError::TooWide { ref node, .. }) if node == "gemm0"));
}

#[test]
fn decimals_that_do_not_fit_are_refused() {
    let model = model(&[3, 3, 1], FloatOp::Relu, None);
    let precision = Precision { decimals: Some(12), ..Precision::default() };
    let result = Quantized::new(&model, &Ranges::uniform(3, -1.0, 1.0), &shape(), &precision);
    assert!(matches!(result, Err(QuantizeError::Decimals { decimals: 12, .. })));
}

#[test]
fn no_input_in_range_leaves_the_intervals() {
    let model = model(&[6, 8, 1], FloatOp::Relu, Some(FloatOp::Sigmoid));
    let ranges = Ranges::uniform(6, -4.0, 4.0);
    let quantized =
        Quantized::new(&model, &ranges, &shape(), &Precision::default()).expect("quantizes");
    let bounds = quantized.network.intervals();
    let corners = (0..64u32).map(|bits| {
        (0..6).map(|i| if bits >> i & 1 == 1 { 4.0 } else { -4.0 }).collect::<Vec<f64>>()
    });
    for sample in ranges.samples(50).into_iter().chain(corners) {
        let inputs = quantized.input.encode(&sample).expect("in range");
        let trace = quantized.network.run(&inputs).expect("in range");
        for (layer, accumulators) in trace.accumulators.iter().enumerate() {
            for (z, (lo, hi)) in accumulators.iter().zip(&bounds[layer].accumulators) {
                assert!((lo..=hi).contains(&&i128::from(*z)));
            }
        }
    }
}
