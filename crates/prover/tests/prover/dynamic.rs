//! Integers whose scale depends on what is quantized, as onnxruntime's `quantize_dynamic` writes
//! them: what is planned, against what onnxruntime computed.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use verdict_prover::{
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    quantize::{Grid, Ranges},
};

#[derive(Deserialize)]
struct Sample {
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

/// A model, and onnxruntime's outputs for inputs between −2 and 2.
fn planned(name: &str) -> (Plan, Vec<Sample>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators");
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    let mut cases: BTreeMap<String, Vec<Sample>> = serde_json::from_str(&text).expect("it is JSON");
    let path = folder.join(format!("{name}.onnx"));
    let graph = onnx::load(&path, &LoadOptions::default()).expect("it is read");
    let len = graph.inputs.iter().map(|id| graph.tensors[id.0].len()).sum();
    let plan = Plan::new(&graph, &Ranges::uniform(len, -2.0, 2.0), &PlanOptions::default());
    let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
    (plan, cases.remove(name).expect("it is recorded"))
}

/// By how much the outputs are off, of the largest: at most and on average.
fn off(name: &str) -> (f64, f64) {
    let (plan, samples) = planned(name);
    let (mut most, mut sum, mut count, mut largest) = (0.0f64, 0.0, 0, 0.0f64);
    for Sample { inputs, outputs } in samples {
        let got = plan.quantized.run(&inputs.concat()).expect("it is in range");
        for (a, b) in got.iter().zip(outputs.concat()) {
            most = most.max((a - b).abs());
            sum += (a - b).abs();
            count += 1;
            largest = largest.max(b.abs());
        }
    }
    assert!(plan.relaxed.is_none_or(|target| plan.error.largest <= target), "{name}");
    (most / largest, sum / f64::from(count) / largest)
}

#[test]
fn products_of_what_is_quantized_by_its_own_spread_are_onnxruntimes_but_for_a_step() {
    for name in ["dynamic_quantize", "dynamic_matmul_integer", "dynamic_conv_integer"] {
        let (most, mean) = off(name);
        // A step is a 255th of the spread.
        assert!(most < 1.0 / 255.0, "{name}: off by {most:.1e}");
        assert!(mean < 5e-4, "{name}: off by {mean:.1e} on average");
    }
}

/// What is much finer than a step has a weight that is left in a rescale.
#[test]
fn layers_after_one_another_are_onnxruntimes_but_for_a_step() {
    let (most, mean) = off("dynamic_layers");
    assert!(most < 3.0 / 255.0 && mean < 5e-3, "off by {most:.1e}, {mean:.1e} on average");
}

#[test]
fn what_is_quantized_twice_is_onnxruntimes_but_for_a_step() {
    let (most, mean) = off("dynamic_chain");
    assert!(most < 1.5 / 255.0 && mean < 1e-3, "off by {most:.1e}, {mean:.1e} on average");
}

/// A spread is divided by, whatever grid it is of.
#[test]
fn declared_decimals_have_a_spread() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators");
    let path = folder.join("dynamic_layers.onnx");
    let graph = onnx::load(&path, &LoadOptions::default()).expect("it is read");
    for (most, decimals) in [(100.0, 0), (100.0, 2), (100.0, 3), (100.0, 5), (255.0, 0)] {
        let grid = Grid { decimals, exact: true, missing: false };
        let ranges = Ranges { grids: vec![Some(grid); 6], ..Ranges::uniform(6, 0.0, most) };
        let plan = Plan::new(&graph, &ranges, &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{decimals} decimals up to {most}: {error}"));
        let largest = ranges.probes(&graph, 40).expect("they fit").into_iter().map(|input| {
            let float = graph.run(&graph.split(&input)).expect("it runs").concat();
            let got = plan.quantized.run(&input).expect("it is in range");
            let off = got.iter().zip(&float).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 0.05 * float.iter().fold(1.0, |most: f64, y| most.max(y.abs())), "{off}");
            off
        });
        assert!(largest.fold(0.0, f64::max) > 0.0);
    }
}

/// One unit for it and its ends must not be as coarse as what reads it beside them.
#[test]
fn what_is_quantized_may_be_read_beside_its_integers() {
    let (most, mean) = off("dynamic_residual");
    assert!(most < 5e-3 && mean < 5e-4, "off by {most:.1e}, {mean:.1e} on average");
}

#[test]
fn of_zeros_there_are_zeros() {
    let (plan, samples) = planned("dynamic_quantize_zeros");
    for Sample { inputs, .. } in samples {
        let got = plan.quantized.run(&inputs.concat()).expect("it is in range");
        assert!(got.iter().all(|value| *value == 0.0), "{got:?}");
    }
}
