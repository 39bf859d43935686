//! The example of boosted trees behind a scaler and encoders of strings, against what
//! onnxruntime computes of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use verdict_prover::{
    graph::Graph,
    onnx::{self, LoadOptions},
    quantize::{Precision, Quantized, Ranges},
    samples::{InputTensor, Samples, read_ranges},
    shape::{GraphShape, Shape},
};

#[derive(Deserialize)]
struct Reference {
    applicants: Applicants,
    rows: Rows,
}

#[derive(Deserialize)]
struct Applicants {
    ids: Vec<String>,
    score: Vec<f64>,
}

#[derive(Deserialize)]
struct Rows {
    input: serde_json::Value,
    score: Vec<f64>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit-gbdt").join(name)
}

struct Example {
    graph: Graph,
    ranges: Ranges,
    /// Inputs and the scores that onnxruntime gives them.
    rows: Vec<(Vec<f64>, f64)>,
}

fn load() -> Example {
    let graph = onnx::load(&file("model.onnx"), &LoadOptions::default()).expect("it is read");
    let (ranges, tensors) =
        read_ranges(&file("ranges.json"), &InputTensor::of(&graph)).expect("ranges");
    let text = fs::read_to_string(file("reference.json")).expect("it is checked in");
    let reference: Reference = serde_json::from_str(&text).expect("it is JSON");
    let applicants = Samples::read(&file("applicants.json"), &tensors).expect("applicants");
    let ids: Vec<_> = applicants.iter().filter_map(|sample| sample.id.clone()).collect();
    assert_eq!(ids, reference.applicants.ids);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.json");
    fs::write(&path, reference.rows.input.to_string()).expect("it is written");
    let others = Samples::read(&path, &tensors).expect("rows");
    let scores = reference.applicants.score.into_iter().chain(reference.rows.score);
    let inputs = applicants.into_iter().chain(others).map(|sample| sample.values);
    let rows: Vec<_> = inputs.zip(scores).collect();
    assert_eq!(rows.len(), 300);
    Example { graph, ranges, rows }
}

#[test]
fn the_pipeline_scores_as_onnxruntime_does() {
    let Example { graph, rows, .. } = load();
    assert_eq!(graph.inputs.len(), 20);
    for (inputs, score) in rows {
        let got = graph.run(&graph.split(&inputs)).expect("it runs").concat();
        assert!((got[0] - score).abs() < 1e-6, "{inputs:?}: {got:?}, not {score}");
    }
}

#[test]
fn what_is_proven_decides_as_onnxruntime_does() {
    let Example { graph, ranges, rows } = load();
    let shape = Shape {
        limb_bits: 12,
        limbs: 4,
        shift_limbs: 2,
        lanes: 4,
        public_inputs: false,
        graph: Some(GraphShape::new(1, 1)),
    };
    let quantized =
        Quantized::new(&graph, &ranges, &shape, &Precision::default()).expect("it is quantized");
    for (inputs, score) in rows {
        let got = quantized.run(&inputs).expect("in range");
        assert!((got[0] - score).abs() < 1e-4, "{inputs:?}: {got:?}, not {score}");
    }
}
