//! Functions of one variable by tables.

use super::*;
use crate::{integer::IntegerOp, shape::GraphShape};

/// A circuit that proves functions by tables, of 2^11 segments.
fn tabled() -> Shape {
    let graph = Some(GraphShape { segment_lanes: 1, ..GraphShape::new(5, 4) });
    Shape { limb_bits: 11, lanes: 2, graph, ..shape() }
}

fn quantized(graph: &Graph, half_width: f64) -> (Quantized, ErrorReport) {
    let shape = tabled();
    shape.validate().expect("supported");
    let ranges = Ranges::uniform(graph.input_len(), -half_width, half_width);
    let quantizer = Quantizer::suited(graph, &ranges, &shape).expect("sound");
    let functions = quantizer.functions(&PRECISION);
    let quantized = quantizer.quantize(&shape, &functions).expect("quantizes");
    let report = quantizer.compare(&quantized).expect("in range");
    (quantized, report)
}

/// Functions of several factors·x + offset each, one input.
fn curves(function: Function, factors: &[f64], offset: f64) -> Graph {
    let mut model = Model::new(&[1]);
    let weights = factors.to_vec();
    let map = LinearMap::Dense { positions: 1, inputs: 1, outputs: factors.len(), weights };
    let x = model.linear(vec![map], &[TensorId(0)], vec![offset; factors.len()]);
    model.function(function, x);
    model.0
}

#[test]
fn every_function_is_close_to_its_table() {
    for (function, factors, offset) in [
        (Function::Curve(Curve::Exp), [3.0, -1.0, 0.0], -1.0),
        (Function::Curve(Curve::Log), [1.0, 0.5, -1.0], 1.5),
        (Function::Curve(Curve::Power(2.0)), [2.0, 1.0, 0.5], 0.25),
        (Function::Curve(Curve::Power(3.0)), [1.5, 1.0, -1.0], 0.0),
        (Function::Curve(Curve::Power(0.5)), [2.0, 1.0, 0.5], 2.25),
        (Function::Curve(Curve::Power(-1.0)), [1.0, 0.5, -1.0], 2.0),
        (Function::Curve(Curve::Power(-1.0)), [1.0, 0.5, -1.0], -2.0),
        (Function::Curve(Curve::SoftplusRest), [30.0, 1.0, -20.0], 0.0),
        (Function::Curve(Curve::Sigmoid), [30.0, 2.0, -100.0], 1.0),
    ] {
        let graph = curves(function.clone(), &factors, offset);
        let (quantized, _) = quantized(&graph, 1.0);
        let tables = quantized.graph.nodes.iter();
        let tables = tables.filter(|node| matches!(node.op, IntegerOp::Curves(_)));
        assert_eq!(tables.count(), 1, "{function:?}");
        // At the ends and where it bends most, not on samples only.
        for step in 0..=400 {
            let x = f64::from(step) / 200.0 - 1.0;
            let (got, float) = (quantized.run(&[x]), graph.run(&[[x]]));
            let (got, float) = (got.expect("in range"), float.expect("runs"));
            for (got, float) in got.iter().zip(&float[0]) {
                let close = (got - float).abs() < 1e-4 * float.abs().max(1.0);
                assert!(close, "{function:?} at {x}: {got}, not {float}");
            }
        }
    }
}

#[test]
fn a_hidden_layer_of_sigmoids_takes_five_rows_each_and_keeps_its_precision() {
    let graph = model(&[20, 64, 3], Function::Curve(Curve::Sigmoid), None);
    let (quantized, report) = quantized(&graph, 3.0);
    assert!(report.largest < 1e-4, "{report:?}");
    // Inputs, arguments, those that are reflected at the table's end, sigmoids, outputs.
    assert!(quantized.graph.value_count() <= 20 + 3 * 64 + 3);
}
