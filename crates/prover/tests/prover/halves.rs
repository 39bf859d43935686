//! Integers of networks in the QDQ form where they are next to a half: what is planned, against
//! what onnxruntime computed. Which of its two ways, fused or operator by operator, is told apart.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use verdict_prover::{
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    quantize::{Grid, Halves, Ranges},
};

#[derive(Deserialize)]
struct Sample {
    input: Vec<f64>,
    fused: Vec<f64>,
    /// Of each operator by itself, where that is another.
    single: Option<Vec<f64>>,
    /// Elements that are within a millionth of a half.
    open: Vec<usize>,
}

impl Sample {
    /// Whether these are its integers; where float32's sums decide, one of both.
    fn allows(&self, got: &[f64], floats: bool) -> bool {
        let own = |(at, (got, fused)): (usize, (&f64, &f64))| {
            let single = self.single.as_ref().map_or(fused, |single| &single[at]);
            let open = self.open.contains(&at) && (got - fused).abs() <= 1.0;
            got == fused || (floats && (got == single || open))
        };
        got.len() == self.fused.len() && got.iter().zip(&self.fused).enumerate().all(own)
    }
}

fn planned(name: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/halves");
    let path = folder.join(format!("{name}.onnx"));
    let graph = onnx::load(&path, &LoadOptions::default()).expect("it is read");
    let len = graph.inputs.iter().map(|id| graph.tensors[id.0].len()).sum();
    let grid = Grid { decimals: 2, exact: true, missing: false };
    let ranges = Ranges { grids: vec![Some(grid); len], ..Ranges::uniform(len, -2.0, 2.0) };
    Plan::new(&graph, &ranges, &PlanOptions::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn cases() -> BTreeMap<String, Vec<Sample>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/halves");
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn next_to_halves_integers_are_those_of_onnxruntime() {
    let cases = cases();
    assert!(cases.len() >= 15, "only {} networks", cases.len());
    let mut faults = Vec::new();
    for (name, samples) in cases {
        let plan = planned(&name);
        for (number, sample) in samples.iter().enumerate() {
            let got = plan.quantized.run(&sample.input).expect("it is in range");
            // What onnxruntime does not fuse is a sum of floats; what it does is not but for Add.
            let floats = name.ends_with("_int8") || name.starts_with("add");
            if !sample.allows(&got, floats) {
                faults.push(format!("{name}, {number}: {got:?}, not {:?}", sample.fused));
            }
        }
    }
    assert!(faults.is_empty(), "{} wrong:\n{}", faults.len(), faults.join("\n"));
}

/// Of sums of floats float32's rounding decides next to a half, which is told.
#[test]
fn what_float32_may_decide_is_told() {
    assert_eq!(planned("conv_int8").quantized.halves, Halves::Either);
    assert_eq!(planned("conv_ties_uint8").quantized.halves, Halves::Same);
}
