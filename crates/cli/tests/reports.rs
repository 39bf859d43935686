//! `verdict report`: a setup, measured on the user's own data.

mod common;

use std::fs;

use common::{Workplace, example};
use serde_json::{Value, json};

/// The applicants of the credit example, as many times as asked for.
fn applicants() -> Vec<Value> {
    let text = fs::read_to_string(example("applicants.json")).expect("it is checked in");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let list = file.as_array().or_else(|| file["applicants"].as_array());
    list.expect("a list of applicants").clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_report_has_errors_decisions_layers_costs_and_a_page_that_needs_nothing_else() {
    let place = Workplace::new();
    let setup = place.setup("model.onnx", &[]);
    let (data, page) = (example("applicants.json"), place.path("report.html"));
    let args = ["report", &setup, "--data", &data, "--threshold", "0.5", "--out", &page];
    let report = place.json(&args);
    let accuracy = &report["accuracy"];
    assert_eq!(accuracy["samples"], applicants().len());
    let largest = number(&accuracy["largest"]);
    assert!(largest > 0.0 && largest < 1e-4, "{largest}");
    let errors: Vec<f64> = accuracy["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|own| number(&own["error"]))
        .collect();
    assert_eq!(errors.iter().copied().fold(0.0, f64::max), largest);
    let bars = accuracy["distribution"].as_array().expect("a list");
    let counted: f64 = bars.iter().map(|bar| number(&bar["samples"])).sum();
    assert_eq!(counted as usize, errors.len());
    // What an applicant's report says is what the float model and the proof say.
    let worst = &accuracy["worst"];
    let difference = number(&worst["float"]) - number(&worst["proven"]);
    assert!((difference.abs() - largest).abs() < 1e-12, "{worst}");
    let id = worst["sample"].as_str().expect("an id");
    let proof = place.path("proof.json");
    let proven = place.json(&["prove", &setup, "--input", &data, "--id", id, "--out", &proof]);
    let output = proven["decoded"].as_array().map_or(&proven["outputs"][0], |own| &own[0]);
    assert_eq!(number(output), number(&worst["proven"]));

    let decisions = &report["decisions"][0];
    assert_eq!(decisions["changed_count"], 0);
    assert_eq!(decisions["same"], errors.len());
    assert!(decisions["rule"].as_str().is_some_and(|rule| rule.contains("at least 0.5")));

    let rows = &report["rows"];
    let taken: f64 =
        rows["taken"].as_array().expect("a list").iter().map(|own| number(&own["rows"])).sum();
    assert_eq!(taken + number(&rows["tables_only"]) + number(&rows["free"]), number(&rows["all"]));
    let layers = report["layers"].as_array().expect("a list");
    let last = layers.last().expect("an output");
    assert!((number(&last["largest_error"]) - largest).abs() < 1e-12, "{last}");
    assert!(layers.iter().filter(|layer| layer["largest_error"].is_number()).count() >= 3);

    let gas = &report["gas"]["value"];
    let parts: f64 = gas["parts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|part| number(&part["gas"]["today"]))
        .sum();
    assert_eq!(parts, number(&gas["later"]["today"]));
    assert!(number(&report["proof"]["value"]["seconds"]) > 0.0);
    assert!(report["advice"].as_array().is_some_and(|advice| advice.len() >= 3));

    let page = fs::read_to_string(page).expect("written");
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for foreign in ["http:", "https:", "src=", "<script", "<link", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.matches("<svg").count() >= 3 && page.contains(id));
}

#[test]
fn samples_that_no_proof_can_be_made_of_are_counted_and_named() {
    let place = Workplace::new();
    let setup = place.setup("logistic.onnx", &[]);
    let list = applicants();
    let inputs: Vec<&Value> = list.iter().map(|own| &own["input"]).collect();
    let mut outside = inputs[0].clone();
    let first = outside.as_array_mut().expect("a list").first_mut().expect("numbers");
    *first = json!(1e9);
    let data = place.path("data.json");
    let named = json!([
        {"id": "inside", "input": inputs[1]},
        {"id": "<outside>", "input": outside},
    ]);
    fs::write(&data, named.to_string()).expect("written");
    let page = place.path("report.html");
    let report = place.json(&["report", &setup, "--data", &data, "--out", &page]);
    assert_eq!(report["accuracy"]["samples"], 1);
    assert_eq!(report["accuracy"]["refused_count"], 1);
    let refused = &report["accuracy"]["refused"][0];
    assert_eq!(refused["sample"], "<outside>");
    assert!(
        refused["reason"].as_str().is_some_and(|why| why.contains("outside its declared range"))
    );
    // What a file says is text in the page.
    let page = fs::read_to_string(page).expect("written");
    assert!(!page.contains("<outside>") && page.contains("outside its declared range"));
    // Nothing but such.
    fs::write(&data, json!([{"id": "x", "input": outside}]).to_string()).expect("written");
    let error = place.failure(&["report", &setup, "--data", &data, "--out", "unused.html"]);
    assert!(error.contains("outside its declared range"), "{error}");
}

#[test]
fn a_report_is_of_the_model_that_the_setup_was_made_of() {
    let place = Workplace::new();
    let own = place.path("own.onnx");
    fs::copy(example("logistic.onnx"), &own).expect("copied");
    let setup = place.path("setup");
    let ranges = example("ranges.json");
    place.json(&["setup", &own, "--ranges", &ranges, "--dev-srs", "--out", &setup]);
    let (data, out) = (example("applicants.json"), place.path("report.html"));
    let report = ["report", &setup, "--data", &data, "--out", &out];
    fs::remove_file(&own).expect("removed");
    let error = place.failure(&report);
    assert!(error.contains("there is no file now") && error.contains("--model FILE"), "{error}");
    let other = example("model.onnx");
    let error = place.failure(&[&report[..], &["--model", &other]].concat());
    assert!(error.contains("has another hash"), "{error}");
    let error = place.failure(&[&report[..], &["--model", &data]].concat());
    assert!(error.contains("not an ONNX model"), "{error}");
    let there = example("logistic.onnx");
    let good = [&report[..], &["--model", &there]].concat();
    place.json(&good);
    let error = place.failure(&[&good[..], &["--threshold", "nothing=0.5"]].concat());
    assert!(error.contains("no output is called nothing"), "{error}");
    let error = place.fails_with(2, &[&good[..], &["--threshold", "much"]].concat());
    assert!(error.contains("NAME=T"), "{error}");
    // A setup that does not know its model's place, as one made without a file.
    let private = place.path("setup/private/manifest.json");
    let noted = fs::read(&private).expect("written");
    let mut forgetful: Value = serde_json::from_slice(&noted).expect("JSON");
    forgetful.as_object_mut().and_then(|own| own.remove("source")).expect("a place is noted");
    fs::write(&private, forgetful.to_string()).expect("written");
    let error = place.failure(&report);
    assert!(error.contains("does not say which file") && error.contains("--model"), "{error}");
    place.json(&good);
    // What it is made of stays.
    let manifest = place.path("setup/public/manifest.json");
    for taken in [&data, &manifest] {
        let args = ["report", &setup, "--data", &data, "--out", taken, "--model", &there];
        assert!(place.fails_with(2, &args).contains("is what the report is made of"));
    }
    // The public part alone has no model to compare with.
    let public = place.path("setup/public");
    fs::rename(place.path("setup/private"), place.path("private-elsewhere")).expect("renamed");
    let error = place.failure(&["report", &public, "--data", &data, "--out", &out]);
    assert!(error.contains("no private part"), "{error}");
}
