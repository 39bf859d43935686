//! Trees behind other operators against what onnxruntime computes (scripts/make_step_fixtures.py):
//! thresholds that are moved before the operations on single features, and the doubt about what is
//! made of several.

use std::path::Path;

use verdict_prover::{
    graph::Graph,
    onnx::{self, LoadOptions},
    plan::{Plan, PlanOptions},
    quantize::{Grid, Ranges},
};

use crate::trees::{Case, FORMATS, assert_read, cases, compare_in_integers, read_cases};

fn steps(several: bool) -> impl Iterator<Item = (String, Case, Graph)> {
    let all = cases("steps", "VERDICT_STEP_CASES").into_iter();
    all.filter(move |(_, case, _)| case.several == several)
}

#[test]
fn every_step_is_read_as_onnxruntime_runs_it() {
    assert_read(steps(false));
}

#[test]
fn every_comparison_behind_single_features_in_integers_is_onnxruntimes() {
    for (name, _, graph) in steps(false) {
        assert_eq!(graph.doubts(), [""; 0], "{name}");
    }
    let by_paths = compare_in_integers(steps(false).collect(), &FORMATS);
    assert!(by_paths >= 60, "only {by_paths} circuits of paths");
}

/// The float model rounds as the file does, so that whoever compares with it sees the difference.
#[test]
fn what_is_made_of_several_features_is_compared_as_float32_makes_it() {
    assert!(steps(true).count() >= 3);
    assert_read(steps(true));
}

#[test]
fn comparisons_of_what_is_made_of_several_features_are_doubted_and_counted() {
    let mut differing = 0;
    for (name, case, graph) in steps(true) {
        assert!(!graph.doubts().is_empty(), "{name}");
        let plan = Plan::new(&graph, &case.ranges(), &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        let comparisons = plan.comparisons.unwrap_or_else(|| panic!("{name} is taken for exact"));
        assert_eq!(comparisons.behind, graph.doubts());
        assert!(comparisons.inputs > 200, "{name}: {comparisons}");
        let text = comparisons.to_string();
        let said = if comparisons.differing == 0 { "not known to be exact" } else { "NOT exact" };
        assert!(text.contains(said) && text.contains(&comparisons.behind[0]), "{text}");
        differing += comparisons.differing;
    }
    assert!(differing > 0, "nothing next to thresholds differs");
}

#[test]
fn exact_comparisons_are_not_doubted() {
    let (_, case, graph) =
        steps(false).find(|(name, ..)| name == "minmax_xgboost").expect("it is there");
    let plan = Plan::new(&graph, &case.ranges(), &PlanOptions::default()).expect("it is planned");
    assert_eq!(plan.comparisons, None);
}

/// Sigmoid, Abs, ReduceSum, Div: Abs changes nothing.
#[test]
fn a_logistic_regression_of_doubles_is_planned() {
    let (_, case, graph) =
        steps(false).find(|(name, ..)| name == "doubles_logistic").expect("it is there");
    let plan = Plan::new(&graph, &case.ranges(), &PlanOptions::default()).expect("it is planned");
    assert!(plan.error.largest < 1e-3, "{:?}", plan.error);
}

/// Where a runtime makes a number of a missing value, which one depends on the machine.
#[test]
fn a_missing_value_made_an_integer_is_refused() {
    let (_, case, graph) = steps(false).find(|(name, ..)| name == "truncate").expect("it is there");
    let mut ranges = case.ranges();
    Plan::new(&graph, &ranges, &PlanOptions::default()).expect("none is missing");
    ranges.grids.iter_mut().flatten().for_each(|grid| grid.missing = true);
    let error = Plan::new(&graph, &ranges, &PlanOptions::default()).expect_err("it is refused");
    assert!(error.to_string().contains("may be missing, but node trees"), "{error}");
}

fn is_doubted(name: &str) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/steps");
    let graph = onnx::load(&folder.join(name), &LoadOptions::default()).expect("it is read");
    !graph.doubts().is_empty()
}

#[test]
fn floats_of_sixteen_bits_before_trees_are_doubted() {
    assert!(is_doubted("half.onnx"));
}

/// A mean's sum is rounded in an order that runtimes choose.
#[test]
fn constants_that_the_file_sums_are_doubted() {
    assert!(is_doubted("constant_mean.onnx"));
}

/// A model on a grid of hundredths from 0 to 1.
fn plan(name: &str, change: impl Fn(&mut Ranges)) -> Result<Plan, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/steps");
    let graph = onnx::load(&folder.join(format!("{name}.onnx")), &LoadOptions::default());
    let graph = graph.map_err(|error| error.to_string())?;
    let mut ranges = Ranges::uniform(4, 0.0, 1.0);
    ranges.grids = vec![Some(Grid { decimals: 2, exact: true, missing: false }); 4];
    change(&mut ranges);
    Plan::new(&graph, &ranges, &PlanOptions::default()).map_err(|error| error.to_string())
}

fn wide(ranges: &mut Ranges) {
    ranges.input.iter_mut().for_each(|range| *range = [0.0, 100_000.0]);
}

/// onnxruntime's integers wrap, or become the least one.
#[test]
fn integers_that_leave_their_type_on_the_way_to_trees_are_refused() {
    for name in ["cast_int32", "product_int32", "product_int8", "sum_int32"] {
        plan(name, |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = plan(name, wide).expect_err(name);
        assert!(error.contains("wrap"), "{name}: {error}");
    }
}

#[test]
fn to_ask_whether_what_is_computed_is_missing_is_refused() {
    for name in ["missing_sum", "missing_product"] {
        plan(name, |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
        let missing = |ranges: &mut Ranges| {
            ranges.grids.iter_mut().flatten().for_each(|grid| grid.missing = true);
        };
        let error = plan(name, missing).expect_err(name);
        assert!(error.contains("may be missing, but node"), "{name}: {error}");
    }
}

#[test]
fn which_of_two_inputs_is_greater_is_exact_of_whole_numbers_that_circuit_and_float32_tell_apart() {
    for name in ["which_greater", "which_at_most"] {
        let of = |most: f64, decimals: u32| {
            let planned = plan(name, |ranges| {
                ranges.input.iter_mut().for_each(|range| *range = [0.0, most]);
                ranges.grids.iter_mut().flatten().for_each(|grid| grid.decimals = decimals);
            });
            planned.expect("it is planned").comparisons
        };
        assert_eq!(of(1000.0, 0), None, "{name}");
        // Decimals are no multiples of the circuit's units …
        assert!(of(100.0, 2).is_some(), "{name}: hundredths");
        // … float32 does not have these, …
        assert!(of(900_000.0, 3).is_some(), "{name}: thousandths of much");
        assert!(of(2f64.powi(30), 0).is_some(), "{name}: large whole numbers");
    }
}

/// Neighbours, in ranges that leave the circuit a unit above 1 or not: what is said to be exact is.
#[test]
fn neighbours_among_whole_numbers_are_told_apart_or_doubted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/steps");
    let graph = onnx::load(&folder.join("which_greater.onnx"), &LoadOptions::default());
    let graph = graph.expect("it is read");
    for most in [500_000.0, 1_000_000.0, 4_000_000.0] {
        let plan = plan("which_greater", |ranges| {
            ranges.input.iter_mut().for_each(|range| *range = [0.0, most]);
            ranges.grids.iter_mut().flatten().for_each(|grid| grid.decimals = 0);
        });
        let plan = plan.expect("it is planned");
        if plan.comparisons.is_some() {
            continue;
        }
        for x in [1.0, 459_989.0, most - 1.0] {
            for (a, b) in [(x, x), (x + 1.0, x), (x, x + 1.0)] {
                let inputs = [a, b, a, b];
                let got = plan.quantized.run(&inputs).expect("it is in range");
                let theirs = graph.run(&graph.split(&inputs)).expect("it is in range").concat();
                assert_eq!(got, theirs, "{inputs:?} up to {most}");
            }
        }
    }
}

/// Graphs of operations in random order (scripts/make_random_steps.py): what is not doubted is
/// decided as onnxruntime decides it.
#[test]
fn random_steps_are_refused_doubted_or_decided_as_onnxruntime_does() {
    let (all, refused) = read_cases("random_steps", "VERDICT_RANDOM_STEPS");
    let (mut exact, mut doubted, mut wraps) = (Vec::new(), 0, 0);
    for (name, case, graph) in all {
        match Plan::new(&graph, &case.ranges(), &PlanOptions::default()) {
            Err(_) => wraps += 1,
            Ok(plan) if plan.comparisons.is_some() => doubted += 1,
            Ok(_) => exact.push((name, case, graph)),
        }
    }
    let counts = format!(
        "{} exact, {doubted} doubted, {wraps} refused in their ranges, {} when read",
        exact.len(),
        refused.len()
    );
    println!("{counts}");
    assert!(exact.len() >= 20 && doubted >= 1, "{counts}");
    compare_in_integers(exact, &FORMATS[..1]);
}
