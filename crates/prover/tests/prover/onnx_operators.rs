//! Every operator and its attributes, against what onnxruntime computes
//! (scripts/make_operator_fixtures.py) and against tract.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use verdict_prover::{
    graph::{ElementKind, Graph, LinearMap, Op},
    onnx::{
        self, LoadOptions,
        crosscheck::{CrosscheckError, Reading, crosscheck},
    },
    plan::{Plan, PlanOptions},
    quantize::{Grid, Ranges},
};

#[derive(Deserialize)]
struct Sample {
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators")
}

fn cases() -> BTreeMap<String, Vec<Sample>> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("it is checked in");
    serde_json::from_str(&text).expect("it is JSON")
}

fn load(name: &str) -> Graph {
    let path = folder().join(format!("{name}.onnx"));
    onnx::load(&path, &LoadOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_operator_agrees_with_onnxruntime() {
    let cases = cases();
    assert!(cases.len() >= 85, "only {} models", cases.len());
    let mut faults = vec![];
    for (name, samples) in &cases {
        let path = folder().join(format!("{name}.onnx"));
        let graph = match onnx::load(&path, &LoadOptions::default()) {
            Ok(graph) => graph,
            Err(error) => {
                faults.push(format!("{name}: {error}"));
                continue;
            }
        };
        for sample in samples {
            let got = match graph.run(&sample.inputs) {
                Ok(got) => got,
                Err(error) => {
                    faults.push(format!("{name}: {error}"));
                    break;
                }
            };
            let far = |(got, expected): (&Vec<f64>, &Vec<f64>)| {
                let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                got.len() != expected.len()
                    || got.iter().zip(expected).any(|(a, b)| (a - b).abs() / size > 2e-6)
            };
            if got.len() != sample.outputs.len() || got.iter().zip(&sample.outputs).any(far) {
                faults.push(format!("{name}: {got:?} instead of {:?}", sample.outputs));
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn check(name: &str, graph: &Graph, inputs: &[Vec<f64>]) -> Result<Reading, CrosscheckError> {
    let path = folder().join(format!("{name}.onnx"));
    crosscheck(&path, &LoadOptions::default(), graph, inputs, 0)
}

/// Divisors that are clipped at next to nothing, and scores that are hidden by float32's least number.
#[test]
fn what_is_clipped_or_hidden_is_planned_as_onnxruntime_computes_it() {
    let mut cases = cases();
    for name in
        ["mean_over_mask", "norm_that_is_clipped", "mask_added", "mask_least", "mask_infinite"]
    {
        let graph = load(name);
        let ranges = Ranges::uniform(graph.input_len(), -2.0, 2.0);
        let ranges = Ranges {
            grids: vec![Some(Grid { decimals: 4, exact: true, missing: false }); graph.input_len()],
            ..ranges
        };
        let plan = Plan::new(&graph, &ranges, &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        for Sample { inputs, outputs } in cases.remove(name).expect("it is recorded") {
            let got = plan.quantized.run(&inputs.concat()).expect("it is in range");
            for (got, expected) in got.iter().zip(outputs.concat()) {
                assert!((got - expected).abs() < 1e-3, "{name}: {got}, not {expected}");
            }
        }
    }
}

/// A number that hides must be far enough below the scores, whatever they are.
#[test]
fn scores_that_a_mask_would_not_hide_are_refused() {
    let graph = load("mask_least");
    let ranges = Ranges::uniform(graph.input_len(), -6000.0, 6000.0);
    let error = Plan::new(&graph, &ranges, &PlanOptions::default()).expect_err("too wide");
    assert!(error.to_string().contains("it would not hide them"), "{error}");
}

/// What tract reads otherwise than onnxruntime: for it −∞ is not −∞.
const TRACT_DIFFERS: [&str; 1] = ["mask_of_a_whole_row"];

#[test]
fn tract_agrees_wherever_it_knows_the_operators() {
    let (mut compared, mut lacking) = (0, vec![]);
    for (name, samples) in cases() {
        let inputs: Vec<Vec<f64>> = samples.into_iter().map(|s| s.inputs.concat()).collect();
        match check(&name, &load(&name), &inputs) {
            Ok(Reading::Checked(difference)) => {
                assert_eq!(difference.samples, 3);
                assert!(difference.of_rounding < 0.5, "{name}: {difference:?}");
                println!("{name}: {difference:?}");
                compared += 1;
            }
            Ok(Reading::Unchecked { reason }) => lacking.push((name, reason)),
            Err(_) if TRACT_DIFFERS.contains(&&*name) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    for (name, reason) in &lacking {
        println!("{name}: {}", &reason[..reason.len().min(150)]);
    }
    assert!(compared >= 70, "{compared} compared, tract lacks {lacking:?}");
}

#[test]
fn a_graph_that_is_not_what_the_file_says_is_found_by_tract() {
    let mut graph = load("conv_plain");
    let Op::Linear(linear) = &mut graph.nodes[0].op else { panic!("a convolution") };
    let LinearMap::Convolution(conv) = &mut linear.maps[0] else { panic!("a convolution") };
    // Less than a float32 weight tells apart from the one before it is nothing …
    let honest = conv.weights[3];
    conv.weights[3] *= 1.0 + 1e-8;
    let reading = check("conv_plain", &graph, &[vec![1.0; 40]]).expect("only rounding");
    assert!(matches!(reading, Reading::Checked(_)), "{reading:?}");
    // … and a hundred thousandth of it is something.
    let Op::Linear(linear) = &mut graph.nodes[0].op else { panic!("a convolution") };
    let LinearMap::Convolution(conv) = &mut linear.maps[0] else { panic!("a convolution") };
    conv.weights[3] = honest + 1e-4;
    let error = check("conv_plain", &graph, &[vec![1.0; 40]]).unwrap_err();
    assert!(matches!(error, CrosscheckError::Differs { .. }), "{error}");
    assert!(error.to_string().contains("output y differs"), "{error}");
}

#[test]
fn an_operator_that_tract_lacks_is_named_and_is_no_error() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good/scaler.onnx");
    let options = LoadOptions::default();
    let graph = onnx::load(&path, &options).expect("it is read");
    let sample = vec![0.5; graph.input_len()];
    let reading = crosscheck(&path, &options, &graph, &[sample], 1).expect("nothing differs");
    let Reading::Unchecked { reason } = reading else { panic!("{reading:?}") };
    assert_eq!(reason, "tract lacks ai.onnx.ml.Scaler");
}

#[test]
fn another_file_than_the_graphs_is_refused_and_ranges_beyond_float32_are_not_compared() {
    let graph = load("conv_plain");
    let error = check("conv_groups", &graph, &[vec![1.0; 40]]).unwrap_err();
    assert!(matches!(error, CrosscheckError::Changed), "{error}");
    let reading = check("conv_plain", &graph, &[vec![1e300; 40]]).expect("nothing differs");
    assert!(matches!(&reading, Reading::Unchecked { reason } if reason.contains("float32")));
}

/// What each node computes, as it prints.
fn operations(name: &str) -> Vec<String> {
    load(name).nodes.iter().map(|node| format!("{}: {}", node.name, node.op)).collect()
}

#[test]
fn what_is_linear_joins_the_map_that_reads_it() {
    let folded = operations("conv_folded");
    assert_eq!(
        folded,
        ["c_node+q_node+h_node+n_node: convolution 3×3, 2 → 3 channels", "y_node: relu"]
    );
    let lenet = [
        "c1_node: convolution 3×3, 1 → 4 channels",
        "p1_node: maximum of 4",
        "r1_node: relu",
        "c2_node: convolution 2×2, 4 → 6 channels",
        "r2_node: relu",
        "p2_node: sparse 96 terms",
        "h_node: dense 24 → 8",
        "r3_node: relu",
        "y_node: dense 8 → 5",
    ];
    assert_eq!(operations("lenet"), lenet);
    let block = operations("residual_block");
    assert!(
        block.contains(&"c2_node+a_node: convolution 3×3, 3 → 3 channels + scale 48".into()),
        "{block:?}"
    );
    assert_eq!(operations("transpose_flatten_dense"), ["t_node+y_node: dense 12 → 3"]);
}

#[test]
fn inputs_and_outputs_keep_names_shapes_and_kinds() {
    let graph = load("integer_input");
    assert_eq!(graph.tensors[graph.inputs[0].0].kind, ElementKind::Integer);
    let graph = load("residual_block");
    let output = &graph.tensors[graph.outputs[0].0];
    assert_eq!((output.name.as_str(), &output.dims[..]), ("y", &[1, 1][..]));
    assert_eq!(output.kind, ElementKind::Integer);
    let graph = load("output_read_on");
    let outputs: Vec<String> =
        graph.outputs.iter().map(|id| graph.tensors[id.0].to_string()).collect();
    assert_eq!(outputs, ["y[1×3]", "z[3×1]"]);
}

#[test]
fn outputs_are_chosen_by_name_and_what_only_others_need_is_left_out() {
    let path = folder().join("two_outputs.onnx");
    let options = |outputs: &[&str]| LoadOptions {
        outputs: Some(outputs.iter().map(|&name| name.to_owned()).collect()),
        ..LoadOptions::default()
    };
    let graph = onnx::load(&path, &options(&["y"])).expect("one output");
    assert_eq!((graph.nodes.len(), graph.outputs.len()), (1, 1));
    let graph = onnx::load(&path, &options(&["z", "y"])).expect("both, the other way round");
    let names: Vec<&str> =
        graph.outputs.iter().map(|id| graph.tensors[id.0].name.as_str()).collect();
    assert_eq!(names, ["z", "y"]);
    let error = onnx::load(&path, &options(&["w"])).unwrap_err().to_string();
    assert_eq!(error, "the model has no output w; its outputs are y, z");
}

#[test]
fn a_symbolic_batch_is_bound_by_name() {
    let path = folder().join("lenet.onnx");
    let bound = |name: &str, size| LoadOptions {
        dims: BTreeMap::from([(name.to_owned(), size)]),
        ..LoadOptions::default()
    };
    for name in ["N", "x:0"] {
        let graph = onnx::load(&path, &bound(name, 3)).expect("a batch of three");
        assert_eq!(graph.tensors[graph.outputs[0].0].dims, [3, 5]);
        let one = load("lenet");
        let sample: Vec<f64> = (0..144).map(|i| f64::from(i % 7) / 4.0).collect();
        let single = one.run(&[&sample]).expect("it runs").concat();
        let batch = graph.run(&[sample.repeat(3)]).expect("it runs").concat();
        assert_eq!(batch, single.repeat(3));
    }
    let error = onnx::load(&path, &bound("M", 3)).unwrap_err().to_string();
    assert_eq!(error, "no input has a symbolic dimension M");
    assert!(onnx::load(&path, &bound("N", 0)).is_err());
    assert!(onnx::load(&path, &bound("N", 1 << 40)).is_err());
}
