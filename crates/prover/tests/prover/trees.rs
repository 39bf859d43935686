//! Models with decision trees, pipelines, and other models of credit scores against what
//! onnxruntime computes of them (scripts/make_tree_fixtures.py): read, run, and as the
//! integers that are proven.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;
use verdict_prover::{
    graph::{ElementKind, Graph, Op},
    integer::{IntegerNode, IntegerOp},
    onnx::{
        self, LoadOptions,
        crosscheck::{Reading, crosscheck},
    },
    plan::{Plan, PlanOptions},
    quantize::{Grid, Precision, Quantized, Ranges},
    shape::{GraphShape, Shape},
};

#[derive(Deserialize)]
pub(super) struct Case {
    ranges: Vec<[f64; 2]>,
    decimals: Vec<u32>,
    /// Which features may be missing, if any may.
    #[serde(default)]
    missing: Vec<bool>,
    /// The outputs that are proven, if not all are.
    chosen: Option<Vec<String>>,
    /// Whether trees compare what is made of several features, in make_step_fixtures.py.
    #[serde(default)]
    pub(super) several: bool,
    /// What float32 may differ by, relative to the largest output.
    tolerance: Option<f64>,
    /// What rounding to integers may add where more is rounded than leaves and their sum.
    rounding: Option<f64>,
    /// What sums of float32 may come to, of check_exactness.py: trees and one, times 2⁻²⁴, times
    /// the sum of the largest weights.
    #[serde(default)]
    sums: f64,
    pub(super) samples: Vec<Sample>,
}

#[derive(Deserialize)]
pub(super) struct Sample {
    inputs: Vec<Vec<Element>>,
    outputs: Vec<Vec<f64>>,
}

/// A number, a category's name, or nothing.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
enum Element {
    Number(f64),
    Name(String),
    Missing,
}

impl TryFrom<Value> for Element {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::Missing),
            Value::String(name) => Ok(Self::Name(name)),
            other => match other.as_f64() {
                Some(number) => Ok(Self::Number(number)),
                None => Err(format!("{other} is no element")),
            },
        }
    }
}

impl Sample {
    /// The inputs as numbers; a name that the model does not know has the number behind all.
    fn numbers(&self, graph: &Graph) -> Vec<Vec<f64>> {
        let number = |element: &Element| match element {
            Element::Number(number) => *number,
            Element::Missing => f64::NAN,
            Element::Name(name) => {
                let code = graph.vocabulary.iter().position(|known| known == name);
                code.unwrap_or(graph.vocabulary.len()) as f64
            }
        };
        self.inputs.iter().map(|input| input.iter().map(number).collect()).collect()
    }
}

/// Where cases are: in the fixtures, or where a variable says that more of them are.
fn folder(name: &str, variable: &str) -> PathBuf {
    let fixtures = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::env::var_os(variable).map_or_else(fixtures, PathBuf::from)
}

/// (limb bits, limbs of the rescale, limbs) of circuits.
pub(super) const FORMATS: [(u32, usize, usize); 4] = [(12, 2, 4), (10, 2, 5), (8, 3, 7), (9, 2, 5)];

/// Of make_tree_fixtures.py.
fn trees() -> Vec<(String, Case, Graph)> {
    cases("trees", "VERDICT_TREE_CASES")
}

/// Of make_pipeline_fixtures.py.
pub(super) fn pipelines() -> Vec<(String, Case, Graph)> {
    cases("pipelines", "VERDICT_PIPELINE_CASES")
}

/// Cases, and what is said of those that are refused.
pub(super) fn read_cases(name: &str, variable: &str) -> (Vec<(String, Case, Graph)>, Vec<String>) {
    let folder = folder(name, variable);
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    let cases: BTreeMap<String, Case> = serde_json::from_str(&text).expect("it is JSON");
    assert!(
        cases.len() >= 30 || std::env::var_os(variable).is_some(),
        "only {} models",
        cases.len()
    );
    let mut refused = Vec::new();
    let mut all = Vec::with_capacity(cases.len());
    for (name, case) in cases {
        let options = LoadOptions { outputs: case.chosen.clone(), ..LoadOptions::default() };
        match onnx::load(&folder.join(format!("{name}.onnx")), &options) {
            Ok(graph) => all.push((name, case, graph)),
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    (all, refused)
}

pub(super) fn cases(name: &str, variable: &str) -> Vec<(String, Case, Graph)> {
    let (all, refused) = read_cases(name, variable);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    all
}

impl Case {
    /// The inputs of each sample as numbers, and the outputs that are expected.
    pub(super) fn numbers(&self, graph: &Graph) -> impl Iterator<Item = (Vec<f64>, Vec<f64>)> {
        self.samples.iter().map(|sample| (sample.numbers(graph).concat(), sample.outputs.concat()))
    }

    pub(super) fn ranges(&self) -> Ranges {
        let grid = |(index, decimals): (usize, &u32)| {
            let missing = self.missing.get(index).copied().unwrap_or(false);
            Some(Grid { decimals: *decimals, exact: true, missing })
        };
        let grids = self.decimals.iter().enumerate().map(grid).collect();
        Ranges { input: self.ranges.clone(), grids, private: vec![] }
    }
}

/// What differs by more than sums of float32 and the outputs' decimals do.
fn faults(graph: &Graph, expected: &[Vec<f64>], got: &[f64], tolerance: f64) -> Vec<String> {
    let mut rest = got;
    let mut faults = Vec::new();
    for (id, expected) in graph.outputs.iter().zip(expected) {
        let tensor = &graph.tensors[id.0];
        let (own, others) = rest.split_at(expected.len().min(rest.len()));
        rest = others;
        let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let near = |(a, b): (&f64, &f64)| match tensor.kind {
            ElementKind::Integer | ElementKind::Category => a == b,
            ElementKind::Real => (a - b).abs() <= tolerance * size,
        };
        if own.len() != expected.len() || !own.iter().zip(expected).all(near) {
            faults.push(format!("{} is {own:?}, not {expected:?}", tensor.name));
        }
    }
    if !rest.is_empty() || expected.len() != graph.outputs.len() {
        faults.push(format!("{} outputs, not {}", graph.outputs.len(), expected.len()));
    }
    faults
}

#[test]
fn every_model_is_read_as_onnxruntime_runs_it() {
    assert_read(trees().into_iter().chain(pipelines()));
}

/// What is said of runtimes' own sums holds of onnxruntime's.
#[test]
fn float32_sums_are_as_far_off_as_is_said() {
    let mut compared = 0;
    for (name, case, graph) in trees() {
        let most = graph.float32_sums();
        if most == 0.0 || graph.outputs.len() > 1 {
            continue;
        }
        compared += 1;
        for sample in &case.samples {
            let got = graph.run(&sample.numbers(&graph)).expect("it runs").concat();
            for (a, b) in got.iter().zip(&sample.outputs[0]) {
                assert!((a - b).abs() <= most, "{name}: {a}, not {b}, which is more than {most}");
            }
        }
    }
    assert!(compared >= 5, "only {compared} models");
}

/// Runs models in floats and compares with onnxruntime.
pub(super) fn assert_read(cases: impl Iterator<Item = (String, Case, Graph)>) {
    let mut all = Vec::new();
    for (name, case, graph) in cases {
        for sample in &case.samples {
            let got = graph.run(&sample.numbers(&graph)).expect("it runs").concat();
            let own = faults(&graph, &sample.outputs, &got, case.tolerance.unwrap_or(2e-6));
            all.extend(own.into_iter().map(|fault| format!("{name} {:?}: {fault}", sample.inputs)));
        }
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all[..all.len().min(20)].join("\n"));
}

/// What another runtime gets wrong is left out of the comparison, not taken for our fault.
#[test]
fn no_model_is_refused_for_what_another_runtime_says() {
    let (mut refused, mut checked) = (Vec::new(), 0);
    let all = trees().into_iter().map(|case| ("trees", case));
    for (kind, (name, case, graph)) in
        all.chain(pipelines().into_iter().map(|case| ("pipelines", case)))
    {
        let options = LoadOptions { outputs: case.chosen.clone(), ..LoadOptions::default() };
        let path = folder(kind, "VERDICT_NO_OTHER_CASES").join(format!("{name}.onnx"));
        let samples: Vec<Vec<f64>> =
            case.samples.iter().map(|sample| sample.numbers(&graph).concat()).collect();
        let known = |sample: &Vec<f64>| sample.iter().all(|value| !value.is_nan());
        let samples: Vec<Vec<f64>> = samples.into_iter().filter(known).collect();
        match crosscheck(&path, &options, &graph, &samples, 0) {
            Ok(Reading::Checked(_)) => checked += 1,
            Ok(Reading::Unchecked { .. }) => {}
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(checked > 0, "none was compared");
}

/// In circuits whose values are as wide as the rescale, and wider: decisions read inputs, or
/// inputs without the bits below their grid.
#[test]
fn every_decision_in_integers_is_onnxruntimes() {
    let by_paths = compare_in_integers(trees(), &FORMATS);
    assert!(by_paths >= 60, "only {by_paths} circuits of paths");
}

#[test]
fn every_pipeline_in_integers_is_onnxruntimes() {
    let by_paths = compare_in_integers(pipelines(), &[(12, 2, 4)]);
    assert!(by_paths >= 8, "only {by_paths} circuits of paths");
}

/// Quantizes models for circuits of some formats and compares with onnxruntime; gives the
/// number of circuits with paths.
pub(super) fn compare_in_integers(
    cases: Vec<(String, Case, Graph)>,
    formats: &[(u32, usize, usize)],
) -> usize {
    // By decisions, and by paths where these can be.
    let shapes = [0, 1].into_iter().flat_map(|node_lanes| {
        formats.iter().map(move |&(limb_bits, shift_limbs, limbs)| Shape {
            limb_bits,
            limbs,
            shift_limbs,
            lanes: 4,
            public_inputs: false,
            graph: Some(GraphShape { node_lanes, ..GraphShape::new(limbs, 1) }),
        })
    });
    let shapes: Vec<Shape> = shapes.collect();
    let (mut all, mut by_paths) = (Vec::new(), 0);
    for (name, case, graph) in cases {
        // Curves take long to fit, and their rounding hardly depends on the shape.
        let step = if case.rounding.is_some() { 2 } else { 1 };
        for shape in shapes.iter().step_by(step) {
            let precision = Precision { function_tolerance: 1e-5, ..Precision::default() };
            let quantized = match Quantized::new(&graph, &case.ranges(), shape, &precision) {
                Ok(quantized) => quantized,
                Err(error) => {
                    all.push(format!("{name} {shape}: {error}"));
                    continue;
                }
            };
            let is_trees = |node: &IntegerNode| matches!(node.op, IntegerOp::Trees(_));
            by_paths += usize::from(quantized.graph.nodes.iter().any(is_trees));
            let tolerance = case.rounding.unwrap_or(1e-4);
            for sample in &case.samples {
                let got = quantized.run(&sample.numbers(&graph).concat()).expect("it is in range");
                let own = faults(&graph, &sample.outputs, &got, tolerance);
                all.extend(
                    own.into_iter()
                        .map(|fault| format!("{name} {shape} {:?}: {fault}", sample.inputs)),
                );
            }
        }
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all[..all.len().min(30)].join("\n"));
    by_paths
}

#[test]
fn an_ensemble_is_one_operation_that_prints() {
    let (_, _, graph) =
        trees().into_iter().find(|(name, ..)| name == "pipeline_scaler").expect("it is there");
    let trees = graph.nodes.iter().filter(|node| matches!(node.op, Op::Trees(_))).count();
    // The boosted trees, and the label's threshold.
    assert_eq!(trees, 2, "{graph}");
    // The scaler went into the thresholds.
    assert!(matches!(graph.nodes[0].op, Op::Trees(_)), "{graph}");
    assert!(graph.to_string().contains("trees of"), "{graph}");
    assert!(graph.parameters() > 50);
}

#[test]
fn what_is_no_ensemble_is_refused_by_what_is_wrong_with_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trees/refused");
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is checked in");
    let cases: BTreeMap<String, String> = serde_json::from_str(&text).expect("it is JSON");
    assert!(cases.len() >= 16, "only {} models", cases.len());
    for (name, expected) in cases {
        let path = folder.join(format!("{name}.onnx"));
        let error = onnx::load(&path, &LoadOptions::default()).expect_err(&name).to_string();
        assert!(error.contains(&expected), "{name}: {error}");
        assert!(error.contains("trees"), "{name} names its node: {error}");
        assert!(!error.contains('\n'), "{name}: {error}");
    }
}

/// What a model's inputs came to, for [`exactness`].
#[derive(Default)]
struct Tally {
    leaves: usize,
    other_leaves: usize,
    labels: usize,
    ties: usize,
    other_labels: usize,
    scores: usize,
    largest: f64,
    far: usize,
    /// Whether comparisons are not known to be the file's.
    doubted: bool,
}

impl Tally {
    fn add(
        &mut self,
        graph: &Graph,
        expected: &[Vec<f64>],
        got: &[f64],
        (sums, error): (f64, f64),
    ) {
        let mut rest = got;
        let kind = |id: &verdict_prover::graph::TensorId| graph.tensors[id.0].kind;
        // Two of a sample's scores that may be taken for one another: by float32's sums, or by the
        // rounding of what is proven.
        let tied = graph.outputs.iter().zip(expected).any(|(id, scores)| {
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let gap = match sorted[..] {
                [first, second, ..] => first - second,
                [one] => one.abs().min((one - 0.5).abs()),
                [] => f64::INFINITY,
            };
            kind(id) == ElementKind::Real && gap <= 2.0 * (sums + error)
        });
        for (id, expected) in graph.outputs.iter().zip(expected) {
            let (own, others) = rest.split_at(expected.len());
            rest = others;
            for (a, b) in own.iter().zip(expected) {
                if kind(id) == ElementKind::Real {
                    self.scores += 1;
                    let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                    self.largest = self.largest.max((a - b).abs());
                    self.far += usize::from((a - b).abs() > sums + error * size);
                } else {
                    self.labels += 1;
                    self.ties += usize::from(a != b && tied);
                    self.other_labels += usize::from(a != b && !tied);
                }
            }
        }
    }

    fn add_leaves(&mut self, expected: &[f64], got: &[f64]) {
        self.leaves += expected.len();
        let other = expected.iter().zip(got).filter(|(a, b)| (*a - *b).abs() > 1e-3);
        self.other_leaves += other.count();
    }
}

/// All that scripts/check_exactness.py recorded in a folder, as a setup would run it: planned, and run
/// in integers. NAME.leaves is the same model with its trees' leaves as outputs.
#[test]
#[ignore = "scripts/check_exactness.py runs it, with thousands of inputs"]
fn exactness() {
    let variable = "VERDICT_EXACTNESS";
    let mut tallies: BTreeMap<String, (usize, Tally)> = BTreeMap::new();
    for (name, case, graph) in cases("exactness", variable) {
        let options = PlanOptions::default();
        let plan = Plan::new(&graph, &case.ranges(), &options);
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        let model = name.trim_end_matches(".leaves");
        let (inputs, tally) = tallies.entry(model.to_owned()).or_default();
        tally.doubted |= plan.comparisons.is_some();
        *inputs = case.samples.len();
        for sample in &case.samples {
            let own = sample.numbers(&graph).concat();
            let got = plan.quantized.run(&own).expect("it is in range");
            if model == name {
                // What a plan may be away from the float model, unless asked for less.
                tally.add(&graph, &sample.outputs, &got, (case.sums, 1e-4));
            } else {
                tally.add_leaves(&sample.outputs.concat(), &got);
            }
        }
    }
    println!(
        "| model | inputs | leaves | other leaves | labels | ties | other labels | scores | largest difference | beyond the bound |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut faults = 0;
    for (name, (inputs, tally)) in tallies {
        let Tally {
            leaves,
            other_leaves,
            labels,
            ties,
            other_labels,
            scores,
            largest,
            far,
            doubted,
        } = tally;
        faults += if doubted { 0 } else { other_leaves + other_labels + far };
        let name = if doubted { format!("{name} (not known to be exact)") } else { name };
        println!(
            "| {name} | {inputs} | {leaves} | {other_leaves} | {labels} | {ties} | {other_labels} | \
             {scores} | {largest:.1e} | {far} |"
        );
    }
    assert_eq!(faults, 0, "leaves, labels or scores that are not onnxruntime's");
}
