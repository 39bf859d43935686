//! What is measured of a model's output, held against the outputs that onnxruntime computed.

use std::{collections::BTreeMap, fs, path::Path};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Deserialize;
use verdict_prover::{
    graph::Graph,
    onnx::{
        self, LoadOptions,
        crosscheck::{Reading, crosscheck},
        measure::{Figure, Measure, Metric},
    },
    plan::{Objective, Plan, PlanOptions},
    quantize::Ranges,
};

#[derive(Deserialize)]
struct Case {
    input: Vec<Vec<f64>>,
    output: Vec<Vec<f64>>,
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Recorded models with one input and one output, as they are.
fn models() -> Vec<(String, std::path::PathBuf, Graph, Case)> {
    let folder = fixtures().join("cases");
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    let cases: BTreeMap<String, Case> = serde_json::from_str(&text).expect("it is JSON");
    let read = |(name, case): (String, Case)| {
        let path = folder.join(format!("{name}.onnx"));
        let graph = onnx::load(&path, &LoadOptions::default()).ok()?;
        let single = graph.outputs.len() == 1 && graph.inputs.len() == 1;
        (single && !case.output.is_empty()).then_some((name, path, graph, case))
    };
    cases.into_iter().filter_map(read).collect()
}

fn measured(measure: &Measure) -> LoadOptions {
    LoadOptions { measure: Some(measure.clone()), ..LoadOptions::default() }
}

/// The class of an output by its definition.
fn class(metric: Metric, output: &[f64]) -> i64 {
    match metric {
        Metric::Greatest => {
            let greatest = output.iter().copied().fold(f64::MIN, f64::max);
            output.iter().position(|value| *value == greatest).expect("one") as i64
        }
        Metric::Threshold(from) => i64::from(output[0] >= from),
        _ => output[0] as i64,
    }
}

/// Whether rounding does not decide which element is the greatest.
fn is_decided(output: &[f64]) -> bool {
    let greatest = output.iter().copied().fold(f64::MIN, f64::max);
    output.iter().filter(|value| greatest - **value < 1e-6).count() == 1
}

#[test]
fn right_answers_and_approvals_are_those_of_the_recorded_outputs() {
    let mut tried = BTreeMap::new();
    for (name, path, graph, case) in models() {
        let Ok(measure) = Measure::of(&graph, Figure::Accuracy { threshold: None }, true) else {
            continue;
        };
        let own = onnx::load(&path, &measured(&measure)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(own.inputs.len(), graph.inputs.len() + 2, "{name}");
        for (input, output) in case.input.iter().zip(&case.output) {
            if measure.metric == Metric::Greatest && !is_decided(output) {
                continue;
            }
            let answer = class(measure.metric, output);
            let approved = f64::from(answer == 1);
            for expected in [answer, answer + 1, 0, 1] {
                for group in [0.0, 1.0] {
                    let inputs = [input.clone(), vec![expected as f64], vec![group]];
                    let outputs = own.run(&inputs).expect("it runs").concat();
                    let right = f64::from(answer == expected);
                    let due = [right, approved * (1.0 - group), approved * group, group];
                    assert_eq!(outputs, due, "{name}: {answer}, expected {expected} in {group}");
                }
            }
        }
        let kind = match measure.metric {
            Metric::Greatest => "greatest",
            Metric::Threshold(_) => "threshold",
            _ => "label",
        };
        *tried.entry(kind).or_insert(0) += 1;
    }
    assert!(tried["greatest"] >= 10 && tried["threshold"] >= 3, "{tried:?}");
}

#[test]
fn tract_measures_the_same() {
    let mut checked = 0;
    for (name, path, graph, case) in models() {
        for figure in [Figure::Accuracy { threshold: Some(0.25) }, Figure::Error] {
            let Ok(measure) = Measure::of(&graph, figure, false) else { continue };
            let options = measured(&measure);
            let own = onnx::load(&path, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
            let samples: Vec<Vec<f64>> = (case.input.iter())
                .flat_map(|input| [0.0, 1.0].map(|expected| [&input[..], &[expected]].concat()))
                .collect();
            match crosscheck(&path, &options, &own, &samples, 0) {
                Ok(Reading::Checked(_)) => checked += 1,
                Ok(Reading::Unchecked { .. }) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    assert!(checked >= 5, "{checked} were run by tract");
}

#[test]
fn what_has_no_measure_is_refused() {
    let path = fixtures().join("good/mlp.onnx");
    let graph = onnx::load(&path, &LoadOptions::default()).expect("a model of two outputs");
    let of =
        |figure, groups| Measure::of(&graph, figure, groups).expect_err("no measure").to_string();
    assert!(of(Figure::Error, false).contains("several elements"));
    assert!(of(Figure::Accuracy { threshold: Some(0.5) }, true).contains("several elements"));
    // A model of two outputs; one that has an input `expected` of its own after the first.
    let measure = Measure::of(&graph, Figure::Accuracy { threshold: None }, false).expect("one");
    let other = Measure { output: "nothing".into(), ..measure.clone() };
    let error = onnx::load(&path, &measured(&other)).expect_err("no such output").to_string();
    assert!(error.contains("no output nothing"), "{error}");
}

/// What a circuit takes as inputs is more than what is declared: any integers of its bits, also
/// between classes and beyond them. None of them counts for more than one sample.
#[test]
fn no_inputs_that_a_circuit_takes_count_for_more_than_a_sample() {
    let mut rng = StdRng::seed_from_u64(17);
    let mut tried = 0;
    for (name, path, graph, case) in models() {
        let Ok(measure) = Measure::of(&graph, Figure::Accuracy { threshold: None }, true) else {
            continue;
        };
        let own = onnx::load(&path, &measured(&measure)).expect("read before");
        let classes = case.output.iter().map(Vec::len).max().unwrap_or(1).max(2);
        let mut ranges = Ranges::uniform(own.input_len(), -1.0, 1.0);
        let count = ranges.input.len();
        ranges.input[count - 2] = [0.0, classes as f64 - 1.0];
        ranges.input[count - 1] = [0.0, 1.0];
        for objective in [Objective::Balanced, Objective::Time] {
            let (batch, totals, committed) = (Some(2), true, true);
            let options =
                PlanOptions { batch, totals, committed, objective, ..PlanOptions::default() };
            let Ok(plan) = Plan::new(&own, &ranges, &options) else { continue };
            let (graph, min) = (&plan.quantized.graph, plan.quantized.output.min);
            let most = (1i64 << graph.input_bits) - 1;
            for _ in 0..300 {
                let integer = |rng: &mut StdRng| match rng.gen_range(0..4) {
                    0 => 0,
                    1 => most,
                    _ => rng.gen_range(0..=most),
                };
                let inputs: Vec<i64> = (0..count).map(|_| integer(&mut rng)).collect();
                let outputs = graph.run(&inputs).expect("within the bits").outputs;
                let [right, first, second, member] = outputs[..] else { panic!("{name}") };
                let told = format!("{name} {}: {outputs:?} of {inputs:?}", plan.shape);
                assert_eq!(min, 0, "{told}");
                assert!(right <= 1 && member <= 1, "{told}");
                assert!(first <= 1 - member && second <= member, "{told}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}
