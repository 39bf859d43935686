//! Choosing what of a model is proven, and what `inspect` says of it.

mod common;

use common::{Workplace, root};
use serde_json::Value;

fn fixture(name: &str) -> String {
    root().join("crates/prover/tests/fixtures").join(name).display().to_string()
}

fn texts<'a>(values: &'a Value, key: &str) -> Vec<&'a str> {
    let values = values.as_array().expect("a list").iter();
    values.filter_map(|value| value[key].as_str()).collect()
}

#[test]
fn outputs_are_chosen_by_name_in_the_order_given() {
    let place = Workplace::new();
    let model = fixture("operators/two_outputs.onnx");
    let inspect = ["inspect", &model, "--range=-1,1"];
    let all = place.json(&inspect);
    let names = texts(&all["output"]["tensors"], "name");
    assert_eq!(names.len(), 2);
    let swapped = [&inspect[..], &["--output", names[1], "--output", names[0]]].concat();
    let swapped = place.json(&swapped);
    assert_eq!(texts(&swapped["output"]["tensors"], "name"), [names[1], names[0]]);
    let one = place.json(&[&inspect[..], &["--output", names[1]]].concat());
    assert_eq!(texts(&one["output"]["tensors"], "name"), [names[1]]);
    let error = place.failure(&[&inspect[..], &["--output", "nothing"]].concat());
    assert!(error.contains("no output nothing") && error.contains(names[0]), "{error}");
}

#[test]
fn symbolic_dimensions_are_bound_by_name() {
    let place = Workplace::new();
    let model = fixture("bad/dynamic_features.onnx");
    let inspect = ["inspect", &model, "--range=-1,1"];
    let error = place.failure(&inspect);
    assert!(error.contains("hint: bind it with --dim features=N"), "{error}");
    for wrong in ["features", "features=0", "=3", "features=x"] {
        let error = place.fails_with(2, &[&inspect[..], &["--dim", wrong]].concat());
        assert!(error.contains("NAME=N"), "{error}");
    }
    let error = place.failure(&[&inspect[..], &["--dim", "features=3", "--dim", "f=1"]].concat());
    assert!(error.contains("no input has a symbolic dimension f"), "{error}");
    let twice = [&inspect[..], &["--dim", "features=3", "--dim", "features=4"]].concat();
    assert!(place.fails_with(2, &twice).contains("two sizes"));
}

#[test]
fn several_inputs_are_given_ranges_by_name() {
    let place = Workplace::new();
    let model = fixture("operators/two_inputs.onnx");
    fn inspect<'a>(model: &'a str, ranges: &[&'a str]) -> Vec<&'a str> {
        let options = ranges.iter().flat_map(|range| ["--range", *range]);
        ["inspect", model].into_iter().chain(options).collect()
    }
    let report = place.json(&inspect(&model, &["-1,1"]));
    let inputs: Vec<&str> = texts(&report["costs"]["nodes"], "name")[..2].to_vec();
    let [first, second] = inputs[..] else { panic!("{inputs:?}") };
    let (one, other) = (format!("{first}=0,1"), format!("{second}=-2,2"));
    place.json(&inspect(&model, &[&one, &other]));
    place.json(&inspect(&model, &["-1,1", &other]));
    let error = place.failure(&inspect(&model, &[&one]));
    let hint = format!("--range {first}=LO,HI --range {second}=LO,HI");
    assert!(error.contains(&format!("input {second} is not known")), "{error}");
    assert!(error.contains(&hint), "{error}");
    assert!(place.failure(&inspect(&model, &["z=0,1"])).contains("names z, the model takes"));
    assert!(place.fails_with(2, &inspect(&model, &[&one, &one, "0,1"])).contains("twice"));
    assert!(place.fails_with(2, &inspect(&model, &["0"])).contains("two numbers"));
    // A file with the ranges of one of two.
    let ranges = place.path("ranges.json");
    std::fs::write(&ranges, "{\"input\": [[0, 1]]}").expect("written");
    let error = place.failure(&["inspect", &model, "--ranges", &ranges]);
    assert!(error.contains("expected one for each of") && error.contains(&hint), "{error}");
}

#[test]
fn an_error_target_that_gives_way_is_warned_of() {
    let place = Workplace::new();
    let model = fixture("operators/two_inputs.onnx");
    let said = |range: &str, more: &[&str]| {
        let output = place.run(&[&["inspect", &model, range][..], more].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let warned = said("--range=-1000000,1000000", &[]);
    assert!(warned.contains("warning: no circuit comes as close to the float model as 1e-4"));
    for (range, more) in
        [("--range=-1,1", &[][..]), ("--range=-1000000,1000000", &["--target-error", "1e-3"])]
    {
        assert!(!said(range, more).contains("warning"), "{range}");
    }
}

#[test]
fn a_calibration_says_what_may_be_missing() {
    let place = Workplace::new();
    let model = fixture("pipelines/missing_xgboost.onnx");
    let (samples, setup, out) = (place.path("s.json"), place.path("setup"), place.path("p.json"));
    let content = "[[0.5, null, 3.5, -1.25], [0.1, 40, null, 2], [-0.75, 7, 12.5, null]]";
    std::fs::write(&samples, content).expect("written");
    let from = ["--calibration", &samples, "--dev-srs", "--out", &setup];
    place.json(&[&["setup", &model][..], &from].concat());
    place.json(&["prove", &setup, "--input", &samples, "--id", "0", "--out", &out]);
    place.json(&["verify", &setup, &out]);
    // The first was never missing.
    std::fs::write(&samples, "[null, 40, 3.5, 1]").expect("written");
    let error = place.failure(&["prove", &setup, "--input", &samples, "--out", &out]);
    assert!(error.contains("[0] is null") && error.contains("\"missing\": true"), "{error}");
}

#[test]
fn one_input_of_several_is_made_public_by_name() {
    let place = Workplace::new();
    let model = fixture("operators/two_inputs.onnx");
    let inspect = ["inspect", &model, "--range=-1,1"];
    let of = |more: &[&str]| place.json(&[&inspect[..], more].concat());
    let instances = |report: &Value| report["estimate"]["instances"].as_u64().expect("a number");
    let (none, all) = (instances(&of(&[])), instances(&of(&["--public-inputs"])));
    for name in ["a", "b"] {
        let one = of(&["--public", name]);
        assert_eq!(one["public_inputs"], serde_json::json!([name]));
        assert!((none + 1..=all).contains(&instances(&one)), "{one}");
    }
    let both = of(&["--public", "b", "--public", "a"]);
    assert_eq!((&both["public_inputs"], instances(&both)), (&serde_json::json!(["a", "b"]), all));
    let error = place.failure(&[&inspect[..], &["--public", "c"]].concat());
    assert!(error.contains("no input is called c, the model takes a, b"), "{error}");
    place.fails_with(2, &[&inspect[..], &["--public", "a", "--public-inputs"]].concat());
}

#[test]
fn inspect_shows_every_node_with_its_rows_and_what_dominates() {
    let place = Workplace::new();
    let model = fixture("operators/lenet.onnx");
    let report = place.json(&["inspect", &model, "--range=0,1"]);
    let costs = &report["costs"];
    let number = |value: &Value| value.as_u64().expect("a number");
    let nodes = costs["nodes"].as_array().expect("a list");
    let rows: u64 = nodes.iter().map(|node| number(&node["rows"])).sum();
    assert_eq!(
        rows + number(&costs["shared_rows"]) + number(&costs["free_rows"]),
        1 << number(&report["k"])
    );
    assert_eq!(number(&costs["rows"]), 1 << number(&report["k"]));
    let operators = texts(&costs["nodes"], "operator");
    assert!(operators.iter().any(|text| text.contains("convolution 3×3")), "{operators:?}");
    let first = nodes.iter().find(|n| n["operator"].as_str().is_some_and(|t| t.contains("conv")));
    assert_eq!(first.expect("there is one")["shape"].as_array().map(Vec::len), Some(4));
    assert!(nodes.iter().all(|node| node["unit"][0].as_f64().is_some_and(|unit| unit > 0.0)));
    let checked = &report["reading"]["checked"];
    assert!(number(&checked["compared"]) > 0 && checked["of_rounding"].as_f64() < Some(0.5));
    let people = place.run(&["inspect", &model, "--range=0,1"]);
    let people = String::from_utf8_lossy(&people.stdout);
    for words in ["dominated by", "proven as", "agrees with tract's", "measured against"] {
        assert!(people.contains(words), "{people}");
    }
    assert!(!people.contains("error  at most"), "a measured error is no bound: {people}");
}

#[test]
fn setup_says_how_the_reading_was_checked_and_warns_where_it_was_not() {
    let place = Workplace::new();
    let (model, out) = (fixture("good/scaler.onnx"), place.path("setup"));
    let args = ["setup", &model, "--range=-1,1", "--dev-srs", "--out", &out, "--json"];
    let output = place.run(&args);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = common::json(output);
    let reason = "tract lacks ai.onnx.ml.Scaler";
    assert_eq!(report["reading"]["unchecked"]["reason"], reason);
    assert!(errors.contains(&format!("not checked from outside: {reason}")), "{errors}");
    let manifest = std::fs::read(place.folder.path().join("setup/public/manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest.expect("written")).expect("JSON");
    assert_eq!(manifest["reading"], report["reading"]);
}

#[test]
fn a_reading_that_was_not_checked_is_written_down() {
    let place = Workplace::new();
    let (model, out) = (fixture("good/mlp.onnx"), place.path("setup"));
    let args = ["setup", &model, "--range=-1,1", "--target-error", "0.1", "--decimals", "1"];
    let args = [&args[..], &["--dev-srs", "--no-crosscheck", "--out", &out]].concat();
    let output = place.run(&args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("warning: the reading of the model was not checked"), "{told}");
    let manifest = std::fs::read(format!("{out}/public/manifest.json")).expect("there");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let reason = manifest["reading"]["unchecked"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("as was asked for"), "{reason}");
}
