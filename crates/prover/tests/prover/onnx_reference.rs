//! Models that are read agree with onnxruntime, which wrote the expected outputs:
//! scripts/train_credit.py for the credit models, scripts/make_fixtures.py for the rest.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use verdict_prover::{
    graph::{Curve, Function, Graph, LinearMap, Op, Tensor},
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    quantize,
};

fn load(path: &Path) -> Result<Graph, Box<dyn std::error::Error>> {
    Ok(onnx::load(path, &LoadOptions::default())?)
}

/// The only input of a model.
fn input(model: &Graph) -> &Tensor {
    &model.tensors[model.inputs[0].0]
}

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good").join(name)
}

fn credit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit").join(name)
}

/// The largest absolute difference.
fn distance(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[derive(Deserialize)]
struct Case {
    input: Vec<Vec<f64>>,
    output: Vec<Vec<f64>>,
}

#[test]
fn every_supported_operator_agrees_with_onnxruntime() -> TestResult {
    let expected: BTreeMap<String, Case> =
        serde_json::from_str(&fs::read_to_string(fixture("expected.json"))?)?;
    assert!(expected.len() >= 25, "only {} fixtures", expected.len());
    for (name, case) in expected {
        let model = load(&fixture(&format!("{name}.onnx")))?;
        model.check()?;
        assert_eq!(model.name, name);
        for (input, output) in case.input.iter().zip(&case.output) {
            let got = model.run(&[input])?.concat();
            let size = output.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            let error = distance(&got, output) / size;
            assert!(error < 1e-6, "{name}: {got:?} instead of {output:?}");
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Applicants {
    features: Vec<String>,
    applicants: Vec<Applicant>,
}

#[derive(Deserialize)]
struct Applicant {
    id: String,
    input: Vec<f64>,
}

#[derive(Deserialize)]
struct Reference {
    applicants: ReferenceScores,
    rows: ReferenceScores,
}

#[derive(Deserialize)]
struct ReferenceScores {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    input: Vec<Vec<f64>>,
    model: Vec<f64>,
    logistic: Vec<f64>,
}

#[derive(Deserialize)]
struct Ranges {
    input: Vec<[f64; 2]>,
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> Result<T, Box<dyn std::error::Error>> {
    Ok(serde_json::from_str(&fs::read_to_string(credit(name))?)?)
}

#[test]
fn both_credit_models_agree_with_onnxruntime_on_every_row() -> TestResult {
    let applicants: Applicants = read("applicants.json")?;
    let reference: Reference = read("reference.json")?;
    let ids: Vec<&String> = applicants.applicants.iter().map(|a| &a.id).collect();
    assert_eq!(ids, reference.applicants.ids.iter().collect::<Vec<_>>());
    let inputs: Vec<&Vec<f64>> =
        applicants.applicants.iter().map(|a| &a.input).chain(reference.rows.input.iter()).collect();
    assert_eq!(inputs.len(), 212);

    let scores = [
        ("model.onnx", &reference.applicants.model, &reference.rows.model),
        ("logistic.onnx", &reference.applicants.logistic, &reference.rows.logistic),
    ];
    for (file, first, rest) in scores {
        let model = load(&credit(file))?;
        assert_eq!(input(&model).len(), applicants.features.len());
        let expected: Vec<f64> = first.iter().chain(rest).copied().collect();
        let mut got = vec![];
        for &input in &inputs {
            got.extend(model.run(&[input])?.concat());
        }
        let error = distance(&got, &expected);
        assert!(error < 1e-6, "{file}: largest error {error:e}");
    }
    Ok(())
}

#[test]
fn every_applicant_is_inside_the_declared_ranges() -> TestResult {
    let applicants: Applicants = read("applicants.json")?;
    let reference: Reference = read("reference.json")?;
    let ranges: Ranges = read("ranges.json")?;
    assert_eq!(ranges.input.len(), applicants.features.len());
    let inputs = applicants.applicants.iter().map(|a| &a.input).chain(&reference.rows.input);
    for input in inputs {
        assert_eq!(input.len(), ranges.input.len());
        for ((value, [low, high]), feature) in
            input.iter().zip(&ranges.input).zip(&applicants.features)
        {
            assert!(low <= value && value <= high, "{feature} is {value}");
        }
    }
    Ok(())
}

fn shape_of(model: &Graph) -> Vec<String> {
    let describe = |op: &Op| match op {
        Op::Linear(linear) => match &linear.maps[..] {
            [LinearMap::Dense { inputs, outputs, .. }] => format!("{outputs}x{inputs}"),
            maps => format!("{} maps", maps.len()),
        },
        Op::Function(Function::Relu) => "relu".to_owned(),
        Op::Function(Function::Curve(Curve::Sigmoid)) => "sigmoid".to_owned(),
        _ => "other".to_owned(),
    };
    model.nodes.iter().map(|node| format!("{} {}", node.name, describe(&node.op))).collect()
}

#[test]
fn the_credit_network_is_three_affine_layers_with_its_preprocessing_folded_in() -> TestResult {
    let model = load(&credit("model.onnx"))?;
    let layers = [
        "center+standardize+dense1 64x20",
        "relu1 relu",
        "dense2 32x64",
        "relu2 relu",
        "dense3 1x32",
        "sigmoid sigmoid",
    ];
    assert_eq!(shape_of(&model), layers);
    assert_eq!(model.parameters(), 20 * 64 + 64 + 64 * 32 + 32 + 32 + 1);
    assert_eq!(
        (input(&model).name.as_str(), input(&model).dims.as_slice()),
        ("applicant", &[1, 20][..])
    );
    let output = &model.tensors[model.outputs[0].0];
    assert_eq!((output.name.as_str(), output.len()), ("score", 1));
    Ok(())
}

#[test]
fn a_fixed_batch_of_one_is_the_same_model_as_a_symbolic_batch() -> TestResult {
    let model = load(&fixture("fixed_batch.onnx"))?;
    assert_eq!(input(&model).dims, [1, 3]);
    assert_eq!(load(&fixture("mlp.onnx"))?.tensors[0].dims, [1, 3]);
    Ok(())
}

#[test]
fn two_relus_in_a_row_are_one_layer() -> TestResult {
    let model = load(&fixture("max_and_double_relu.onnx"))?;
    assert_eq!(shape_of(&model), ["h_node 4x3", "m_node relu"]);
    Ok(())
}

#[test]
fn nodes_without_a_name_are_called_by_operator_and_position() -> TestResult {
    let model = load(&fixture("unnamed_nodes.onnx"))?;
    assert_eq!(shape_of(&model), ["Gemm#0 4x3", "Relu#1 relu"]);
    Ok(())
}

#[test]
fn unsupported_nodes_the_output_does_not_need_are_left_out() -> TestResult {
    let model = load(&fixture("dead_nodes.onnx"))?;
    assert_eq!(shape_of(&model), ["y_node 4x3"]);
    Ok(())
}

#[test]
fn the_hash_is_the_files() -> TestResult {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(credit("model.onnx"))?;
    let expected: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(load(&credit("model.onnx"))?.sha256, expected);
    assert_eq!(onnx::parse(&bytes, "other", &LoadOptions::default())?.sha256, expected);
    Ok(())
}

#[derive(Deserialize)]
struct Images {
    samples: Vec<Applicant>,
}

#[derive(Deserialize)]
struct Read {
    digit: Vec<f64>,
    scores: Vec<Vec<f64>>,
}

#[test]
fn digits_are_read_as_onnxruntime_reads_them() -> TestResult {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/digits");
    let images: Images = serde_json::from_str(&fs::read_to_string(folder.join("samples.json"))?)?;
    let reference: BTreeMap<String, Read> =
        serde_json::from_str(&fs::read_to_string(folder.join("reference.json"))?)?;
    assert_eq!(reference.len(), 3);
    let pixels = quantize::Grid { decimals: 0, exact: true, missing: false };
    let ranges = quantize::Ranges::uniform(64, 0.0, 16.0);
    let ranges = quantize::Ranges { grids: vec![Some(pixels); 64], ..ranges };
    for (name, expected) in reference {
        let model = load(&folder.join(format!("{name}.onnx")))?;
        let plan = Plan::new(&model, &ranges, &PlanOptions::default())?;
        assert_eq!(images.samples.len(), 10);
        for (at, image) in images.samples.iter().enumerate() {
            let (float, ours) = (model.run(&[&image.input])?.concat(), &plan.quantized);
            let ours = ours.run(&image.input)?;
            for made in [&float, &ours] {
                assert_eq!(made[0], expected.digit[at], "{name}: {}", image.id);
            }
            // A quantized network's scores are multiples of 0.14: nothing but the outputs' own
            // decimals may be between ours and onnxruntime's. The planner measures on drawn
            // inputs, which hold the target of 1e-4; one image of the LSTM is 1.4e-4 off.
            let allowed = match &*name {
                "int8" => 1e-5,
                "lstm" => 2e-4,
                _ => 1e-4,
            };
            let scores = &expected.scores[at];
            let [float, ours] = [&float, &ours].map(|made| distance(&made[1..], scores));
            assert!(float < 1e-5 && ours < allowed, "{name}: {}: {float} {ours}", image.id);
        }
    }
    Ok(())
}

/// Normalizations, attention and a feed-forward part in basic operators.
#[test]
fn a_block_of_a_transformer_is_as_exact_as_its_normalizations_allow() -> TestResult {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/operators");
    let model = load(&folder.join("transformer_block.onnx"))?;
    let ranges = quantize::Ranges::uniform(model.input_len(), -1.0, 1.0);
    let plan = Plan::new(&model, &ranges, &PlanOptions::default())?;
    assert!(plan.error.largest < 2e-3, "{}", plan.error.largest);
    Ok(())
}

/// Eight trees of weight 0.7: the fifth of their values reaches half of the weights, and so, to the
/// last bit, does the fourth. The values are onnxruntime's.
#[test]
fn a_median_of_equal_weights_is_one_of_the_values() -> TestResult {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipelines");
    let model = load(&folder.join("median_of_equal_weights.onnx"))?;
    let ranges = quantize::Ranges::uniform(4, -5.0, 100.0);
    let plan = Plan::new(&model, &ranges, &PlanOptions::default())?;
    for (input, expected) in [
        ([79.5, 79.8, 49.1, 25.0], 2.357_117),
        ([0.7, 35.3, 37.9, -0.2], 1.062_997_5),
        ([0.1, 99.9, 63.5, 19.6], 0.674_844_2),
        ([36.2, 46.8, 66.1, 1.4], 1.593_530_3),
        ([53.3, 23.5, 87.4, 1.7], 1.000_137_1),
    ] {
        let (float, ours) = (model.run(&[&input])?.concat(), plan.quantized.run(&input)?);
        assert!((float[0] - expected).abs() < 1e-5, "{float:?} instead of {expected}");
        assert!((ours[0] - expected).abs() < 1e-3, "{ours:?} instead of {expected}");
    }
    Ok(())
}
