//! Tables as lenders have them: amounts that nothing scales, and columns of names.

use std::path::Path;

use verdict_prover::{
    graph::ElementKind,
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    samples::{InputTensor, Samples, ranges_of_json},
};

use crate::trees::pipelines;

/// Densities, mixtures and products of ages, amounts and shares (make_pipeline_fixtures.py), as a
/// setup would plan them: within the default error, which holds of onnxruntime's scores too.
#[test]
fn squares_of_amounts_are_planned_within_the_default_error() {
    let mut models = 0;
    for (name, case, graph) in pipelines() {
        if !name.starts_with("raw_") {
            continue;
        }
        models += 1;
        let plan = Plan::new(&graph, &case.ranges(), &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(plan.relaxed, None, "{name}");
        assert!(plan.error.largest <= 1e-4, "{name}: {:?}", plan.error);
        let kinds = graph.outputs.iter().flat_map(|id| {
            let tensor = &graph.tensors[id.0];
            std::iter::repeat_n(tensor.kind, tensor.len())
        });
        let kinds: Vec<ElementKind> = kinds.collect();
        for (inputs, expected) in case.numbers(&graph) {
            let got = plan.quantized.run(&inputs).expect("it is in range");
            let scores =
                kinds.iter().zip(&expected).filter(|(kind, _)| **kind == ElementKind::Real);
            let mut scores: Vec<f64> = scores.map(|(_, score)| *score).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            let tied = matches!(scores[..], [a, b, ..] if a - b < 1e-3);
            for ((kind, a), b) in kinds.iter().zip(got).zip(expected) {
                match kind {
                    // What onnxruntime's float32 adds to what is printed.
                    ElementKind::Real => assert!((a - b).abs() <= 3e-4, "{name}: {a}, not {b}"),
                    _ => assert!(a == b || tied, "{name}: label {a}, not {b}"),
                }
            }
        }
    }
    assert_eq!(models, 6);
}

#[test]
fn decimals_of_what_takes_integers_are_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trees/integers.onnx");
    let graph = onnx::load(&path, &LoadOptions::default()).expect("it is read");
    let plan = |decimals: u32| {
        let ranges = format!(r#"{{"min": 0, "max": 100, "decimals": {decimals}}}"#);
        let read = ranges_of_json(ranges.as_bytes(), Path::new("r"), &InputTensor::of(&graph));
        Plan::new(&graph, &read.expect("reads").0, &PlanOptions::default())
    };
    assert!(plan(0).is_ok());
    let error = plan(2).expect_err("they are no integers").to_string();
    assert!(error.contains("declared with 2 decimals, the model takes integers"), "{error}");
}

/// A model of five columns of strings: `housing` and `purpose` have an encoder each, `first` and
/// `second` one together, `comment` none.
fn columns() -> Vec<InputTensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/fixtures/pipelines/columns/strings.onnx");
    InputTensor::of(&onnx::load(&path, &LoadOptions::default()).expect("it is read"))
}

fn read(housing: &str, purpose: &str, first: &str) -> Result<Vec<f64>, String> {
    let sample = serde_json::json!({
        "housing": housing, "purpose": purpose, "first": first, "second": "low", "comment": "!",
    });
    let read = Samples::of_json(sample.to_string().as_bytes(), Path::new("input"), &columns());
    let read = read.map_err(|error| error.to_string())?;
    Ok(read.into_iter().next().expect("one sample").values)
}

#[test]
fn a_name_of_one_column_is_refused_in_another() {
    assert_eq!(read("own", "tv", "high").map(|values| values.len()), Ok(5));
    let error = read("tv", "own", "high").expect_err("swapped");
    let expected = "housing is the category \"tv\"; expected one of \"own\", \"rent\"";
    assert!(error.ends_with(expected), "{error}");
    let error = read("own", "rent", "high").expect_err("another column's");
    assert!(error.ends_with("expected one of \"car\", \"tv\""), "{error}");
    // What one encoder reads together has its names.
    let error = read("own", "tv", "rent").expect_err("another encoder's");
    assert!(error.ends_with("expected one of \"high\", \"low\""), "{error}");
}

#[test]
fn categories_are_declared_of_a_columns_own_names() {
    let declared = |ranges: &str| {
        let read = ranges_of_json(ranges.as_bytes(), Path::new("ranges"), &columns());
        read.map_err(|error| error.to_string())
    };
    let error = declared(r#"{"housing": {"categories": ["own", "tv"]}}"#).expect_err("purpose's");
    assert!(error.contains("one of \"own\", \"rent\", which the model knows"), "{error}");
    // Another name is a number that no name of the column has.
    let (ranges, tensors) =
        declared(r#"{"housing": {"categories": ["own", "rent"], "other": true}}"#).expect("reads");
    let number = |name| tensors[0].categories(0).and_then(|own| own.number(name));
    let (rent, other) = (number("rent").expect("known"), number("tv").expect("any"));
    assert_ne!(rent, other);
    assert_eq!(ranges.input[0], [number("own").expect("known"), other]);
    // What the encoder knows would be proven as what it does not.
    let error = declared(r#"{"housing": {"categories": ["rent"], "other": true}}"#);
    let error = error.expect_err("own is left out");
    assert!(error.contains("not \"own\"; expected all names that the model knows"), "{error}");
    assert_eq!(columns().remove(0).declared(&tensors).categories(0), tensors[0].categories(0));
    // A range of numbers says nothing of names.
    let error = declared(r#"{"purpose": {"min": 0, "max": 2}}"#).expect_err("numbers");
    assert!(error.contains("takes names there"), "{error}");
    let error = declared(r#"{"purpose": [0, 2]}"#).expect_err("numbers");
    assert!(error.contains("names for \"purpose\": one of \"car\", \"tv\""), "{error}");
}
