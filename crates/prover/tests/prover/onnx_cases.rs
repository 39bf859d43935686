//! Models from the field: read right, as onnxruntime says, or refused for the reason that is
//! the reason. The numbers of 46a are those of the standard's definition: onnxruntime
//! quantizes its input too, against the file.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use verdict_prover::onnx::{self, LoadOptions};

#[derive(Deserialize)]
struct Case {
    input: Vec<Vec<f64>>,
    output: Vec<Vec<f64>>,
}

/// Cases that are refused, with words of the reason.
const REFUSED: &[(&str, &str)] = &[
    ("16c-bn-train9", "it is in training mode"),
    ("16d-bn-train9-min", "it is in training mode"),
    ("16e-bn-train7-batch1", "it is in training mode"),
    ("48c-opset99", "operator set ai.onnx 99 is not supported; export with 7 to 28"),
    ("50a-ssa", "tensor h is defined twice, the second time by node"),
    ("71a-alpha-int", "attribute alpha has type Int, it must be Float"),
    ("71b-legacy-broadcast", "Add has no attribute axis in operator set 7"),
    ("71c-clip-attr-opset13", "Clip has no attribute max in operator set 13"),
    ("71d-softmax-axis-float", "attribute axis has type Float, it must be Int"),
    ("71e-transB-float", "attribute transB has type Float, it must be Int"),
    ("71f-bn-epsilon-int", "attribute epsilon has type Int, it must be Float"),
];

/// What is recorded of a model whose other outputs are no tensors with onnxruntime.
const CHOSEN: &[(&str, &str)] = &[("24a-logreg-zipmap", "output_label")];

#[test]
fn every_case_is_read_as_onnxruntime_reads_it_or_refused_for_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    let cases: BTreeMap<String, Case> = serde_json::from_str(&text).expect("it is JSON");
    let refused: BTreeMap<&str, &str> = REFUSED.iter().copied().collect();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut faults = vec![];
    for (name, case) in &cases {
        let chosen = CHOSEN.iter().find(|(case, _)| case == name);
        let outputs = chosen.map(|(_, output)| vec![(*output).to_owned()]);
        let options = LoadOptions { outputs, ..LoadOptions::default() };
        let graph = onnx::load(&folder.join(format!("{name}.onnx")), &options);
        let graph = match (graph, refused.get(name.as_str())) {
            (Ok(graph), None) => graph,
            (Ok(_), Some(reason)) => {
                faults.push(format!("{name} was read, not refused: {reason}"));
                continue;
            }
            (Err(error), None) => {
                faults.push(format!("{name}: {error}"));
                continue;
            }
            (Err(error), Some(reason)) => {
                let text = error.to_string();
                if !text.contains(reason) || text.contains('\n') {
                    faults.push(format!("{name}: {text}, not {reason}"));
                }
                continue;
            }
        };
        for (input, output) in case.input.iter().zip(&case.output) {
            let got = graph.run(&[input]).expect("the model runs").concat();
            let size = output.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            let far = got.len() != output.len()
                || got.iter().zip(output).any(|(a, b)| (a - b).abs() / size > 2e-6);
            if far {
                faults.push(format!("{name}: {got:?} instead of {output:?}"));
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
