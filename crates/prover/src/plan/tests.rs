//! What the planner chooses, and what it refuses.

use super::*;
use crate::graph::{
    Branch, Child, Curve, ElementKind, Function, Leaf, Linear, LinearMap, Node, Op, Tensor,
    TensorId, Test, TreeEnsemble,
};

/// Σ weights·x + 0.25, and what follows it.
fn graph(weights: Vec<f64>, following: Vec<Op>) -> Graph {
    let inputs = weights.len();
    let tensor = |len| Tensor { name: "t".into(), dims: vec![1, len], kind: ElementKind::Real };
    let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs: 1, weights }];
    let linear = Op::Linear(Linear { maps, bias: vec![0.25] });
    let ops: Vec<Op> = std::iter::once(linear).chain(following).collect();
    Graph {
        name: "linear".into(),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        tensors: (0..=ops.len()).map(|i| tensor(if i == 0 { inputs } else { 1 })).collect(),
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(ops.len())],
        nodes: ops
            .into_iter()
            .enumerate()
            .map(|(index, op)| Node {
                name: format!("n{index}"),
                op,
                inputs: vec![TensorId(index)],
                output: TensorId(index + 1),
            })
            .collect(),
    }
}

fn linear(weights: Vec<f64>) -> Graph {
    graph(weights, vec![])
}

/// 300 + 550·sigmoid.
fn score_card() -> Graph {
    let scale = Linear { maps: vec![LinearMap::Diagonal(vec![550.0])], bias: vec![300.0] };
    graph(
        vec![1.5, -2.0, 0.5],
        vec![Op::Function(Function::Curve(Curve::Sigmoid)), Op::Linear(scale)],
    )
}

#[test]
fn a_score_card_is_planned_with_the_default_target() {
    let ranges = Ranges::uniform(3, -2.0, 2.0);
    let plan = Plan::new(&score_card(), &ranges, &PlanOptions::default()).expect("plans");
    assert!(plan.error.largest <= 1e-4, "{:?}", plan.error);
}

#[test]
fn a_target_far_above_any_error_is_met_too() {
    for target in [0.5, 5.0, 1e9] {
        let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
        let ranges = Ranges::uniform(3, -2.0, 2.0);
        let plan = Plan::new(&score_card(), &ranges, &options).expect("plans");
        assert!(plan.error.largest <= target);
    }
}

#[test]
fn how_close_the_circuits_come_does_not_depend_on_the_target() {
    let reached = [1e-9, 1e-10, 1e-12].map(|target| {
        let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
        match Plan::new(&score_card(), &Ranges::uniform(3, -2.0, 2.0), &options) {
            Err(PlanError::Imprecise { best, .. }) => best,
            other => panic!("{other:?}"),
        }
    });
    assert!(reached.iter().all(|best| *best == reached[0]), "{reached:?}");
}

#[test]
fn the_objective_decides_between_rows_and_commitments() {
    let model = linear((0..3000).map(|i| f64::from(i % 17) / 300.0).collect());
    let plan = |objective| {
        let options = PlanOptions { objective, target_error: Some(1e-3), ..PlanOptions::default() };
        Plan::new(&model, &Ranges::uniform(3000, 0.0, 1.0), &options).expect("plans")
    };
    let (gas, time) = (plan(Objective::Gas), plan(Objective::Time));
    assert_eq!(gas.shape.lanes, 1);
    assert!(time.k <= gas.k);
    let costs: Vec<f64> = gas.considered.iter().map(|candidate| candidate.cost).collect();
    assert!(costs.is_sorted());
}

#[test]
fn decimals_that_are_asked_for_are_given_or_contradict_the_target() {
    let ranges = Ranges::uniform(2, 0.0, 1.0);
    let model = linear(vec![30.0, 70.0]);
    let plan = |target_error| {
        let options = PlanOptions { decimals: Some(0), target_error, ..PlanOptions::default() };
        Plan::new(&model, &ranges, &options)
    };
    let whole = plan(None).expect("integers were asked for");
    assert_eq!(whole.quantized.output.decimals, 0);
    assert!(whole.error.largest <= 0.5 + DEFAULT_TARGET);
    assert!(matches!(plan(Some(1e-2)), Err(PlanError::Decimals { decimals: 0, .. })));
}

#[test]
fn a_target_nothing_meets_is_an_error_that_says_how_close_it_came() {
    let options = PlanOptions { target_error: Some(1e-12), ..PlanOptions::default() };
    let result = Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, 1.0), &options);
    assert!(matches!(result, Err(PlanError::Imprecise { best, .. }) if best < 1e-5));
    for target in [0.0, -1.0, f64::NAN] {
        let options = PlanOptions { target_error: Some(target), ..PlanOptions::default() };
        let result = Plan::new(&linear(vec![0.3]), &Ranges::uniform(1, 0.0, 1.0), &options);
        assert!(matches!(result, Err(PlanError::Target { .. })));
    }
}

/// Dense layers with a ReLU between them, weights uniform with variance 2 / inputs (He).
fn dense(sizes: &[usize]) -> Graph {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let mut model = linear(vec![0.0; sizes[0]]);
    model.tensors.truncate(1);
    model.nodes.clear();
    for (index, pair) in sizes.windows(2).enumerate() {
        let &[inputs, outputs] = pair else { continue };
        let bound = (6.0 / inputs as f64).sqrt();
        let weights = (0..inputs * outputs).map(|_| random() * bound).collect();
        let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
        let mut ops = vec![Op::Linear(Linear { maps, bias: vec![0.1; outputs] })];
        if index > 0 {
            ops.insert(0, Op::Function(Function::Relu));
        }
        for op in ops {
            let from = TensorId(model.tensors.len() - 1);
            let output = TensorId(model.tensors.len());
            let len = if matches!(op, Op::Linear(_)) { outputs } else { inputs };
            let (dims, kind) = (vec![1, len], ElementKind::Real);
            model.tensors.push(Tensor { name: format!("t{}", output.0), dims, kind });
            model.nodes.push(Node { name: "n".into(), op, inputs: vec![from], output });
            model.outputs = vec![output];
        }
    }
    model
}

/// Prints how long planning takes:
/// cargo nextest run --release -p verdict-prover are_planned_in_seconds --no-capture
#[test]
fn four_million_parameters_are_planned_in_seconds() {
    for (sizes, most) in [(&[784, 1024, 192, 10][..], 15), (&[1024, 2048, 1000], 17)] {
        let model = dense(sizes);
        let start = std::time::Instant::now();
        let ranges = Ranges::uniform(sizes[0], -1.0, 1.0);
        let plan = Plan::new(&model, &ranges, &PlanOptions::default()).expect("plans");
        let time = start.elapsed().as_secs_f64();
        println!(
            "{} parameters planned in {time:.2} s: {} in 2^{} rows, {:.0} gas, {:.2} s",
            model.parameters(),
            plan.shape,
            plan.k,
            plan.considered[0].gas,
            plan.considered[0].seconds
        );
        assert!(plan.k <= most, "2^{}", plan.k);
        // Many times what it takes, for machines that do something else besides.
        assert!(time < 60.0, "{time} s");
    }
}

#[test]
fn public_inputs_are_counted_as_instances() {
    let options = PlanOptions { public_inputs: true, ..PlanOptions::default() };
    let plan =
        Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, 1.0), &options).expect("plans");
    // The context, the inputs in one word or two, the output.
    let public = PublicValues::new(&plan.shape, 2, 1);
    assert!((1..=2).contains(&public.input_words()));
    assert_eq!(plan.estimate.instances, 2 + public.input_words());
    assert_eq!(plan.shape.lanes, 1);
}

#[test]
fn what_a_plan_estimates_is_what_the_protocol_says() {
    let plan = Plan::new(&score_card(), &Ranges::uniform(3, -2.0, 2.0), &PlanOptions::default());
    let plan = plan.expect("plans");
    let protocol = crate::keys::protocol(&plan.shape, plan.opening).expect("supported");
    assert_eq!(plan.estimate.proof_bytes, protocol.proof_length());
    assert_eq!(plan.estimate.commitments, protocol.multiplications());
    // Every candidate has its costs; the one chosen is the first.
    assert!(plan.considered.iter().all(|candidate| candidate.gas > 0.0 && candidate.seconds > 0.0));
    assert_eq!(plan.considered[0].shape, plan.shape);
}

/// 784 inputs of 24 bits: 79 words.
#[test]
fn many_public_inputs_are_packed() {
    let options = PlanOptions { public_inputs: true, ..PlanOptions::default() };
    let model = linear((0..784).map(|i| f64::from(i % 17) / 300.0).collect());
    let plan = Plan::new(&model, &Ranges::uniform(784, 0.0, 1.0), &options).expect("plans");
    assert!(plan.shape.graph.is_some(), "{}", plan.shape);
    assert!(plan.estimate.instances <= 100, "{}", plan.estimate.instances);
}

#[test]
fn an_mlp_of_100_000_parameters_takes_few_rows() {
    let plan = |objective| {
        let model = dense(&[784, 128, 10]);
        let options = PlanOptions { objective, ..PlanOptions::default() };
        Plan::new(&model, &Ranges::uniform(784, -1.0, 1.0), &options).expect("plans")
    };
    assert!(plan(Objective::Balanced).k <= 13);
    assert!(plan(Objective::Time).k <= 12);
}

/// Full trees over features with two decimals, each leaf with a value of its own.
fn forest(count: usize, depth: usize, features: usize) -> Graph {
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % below
    };
    let (inner, ends) = ((1 << depth) - 1, 1 << depth);
    let (mut branches, mut leaves) = (Vec::new(), Vec::new());
    for tree in 0..count {
        let child = |place: usize| match place.checked_sub(inner) {
            Some(leaf) => Child::Leaf(tree * ends + leaf),
            None => Child::Branch(tree * inner + place),
        };
        for place in 0..inner {
            branches.push(Branch {
                feature: draw(features as u64) as usize,
                test: Test::AtMost(draw(100) as f64 / 100.0),
                holds: child(2 * place + 1),
                fails: child(2 * place + 2),
                missing_holds: false,
            });
        }
        leaves
            .extend((0..ends).map(|_| Leaf { weights: vec![(0, draw(2000) as f64 / 1e4 - 0.1)] }));
    }
    let roots = (0..count).map(|tree| Child::Branch(tree * inner)).collect();
    let tensor =
        |name: &str, len| Tensor { name: name.into(), dims: vec![1, len], kind: ElementKind::Real };
    Graph {
        name: "forest".into(),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        tensors: vec![tensor("x", features), tensor("y", 1), tensor("p", 1)],
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(2)],
        nodes: vec![
            Node {
                name: "trees".into(),
                op: Op::Trees(TreeEnsemble {
                    positions: 1,
                    features,
                    outputs: 1,
                    double: false,
                    branches,
                    leaves,
                    roots,
                    base: vec![0.125],
                    ..TreeEnsemble::default()
                }),
                inputs: vec![TensorId(0)],
                output: TensorId(1),
            },
            Node {
                name: "sigmoid".into(),
                op: Op::Function(Function::Curve(Curve::Sigmoid)),
                inputs: vec![TensorId(1)],
                output: TensorId(2),
            },
        ],
    }
}

/// Prints what ensembles take:
/// cargo nextest run --release -p verdict-prover large_ensembles_take --no-capture
#[test]
fn large_ensembles_take_few_rows_by_their_paths() {
    for (trees, depth, batch, k, objective) in [
        (20, 5, 1, 12, Objective::Balanced),
        (50, 4, 1, 12, Objective::Balanced),
        (100, 6, 1, 12, Objective::Balanced),
        (100, 6, 64, 15, Objective::Time),
    ] {
        let model = forest(trees, depth, 24);
        let grids =
            vec![Some(crate::quantize::Grid { decimals: 2, exact: true, missing: false }); 24];
        let ranges = Ranges { grids, ..Ranges::uniform(24, 0.0, 1.0) };
        let options = PlanOptions { batch: Some(batch), objective, ..PlanOptions::default() };
        let plan = Plan::new(&model, &ranges, &options).expect("plans");
        let Candidate { gas, seconds, .. } = plan.considered[0];
        let (shape, error) = (plan.shape, plan.error.largest);
        println!(
            "{trees} × {depth}, batch of {batch}: {shape} of 2^{}, {gas:.0} gas, {seconds:.3} s, error {error:.1e}",
            plan.k
        );
        assert!(plan.k <= k, "{shape} 2^{}", plan.k);
        assert!(shape.node_lanes() > 0, "{shape}");
        assert!(batch > 1 || gas <= 420_000.0, "{gas}");
        assert!(error < 1e-4, "{error}");
    }
}

/// What the default gives way to is told, what was asked for is not.
#[test]
fn an_error_target_that_gives_way_is_told() {
    let planned = |most, target_error| {
        let options = PlanOptions { target_error, ..PlanOptions::default() };
        let plan = Plan::new(&linear(vec![0.3, 0.7]), &Ranges::uniform(2, 0.0, most), &options);
        plan.map(|plan| (plan.relaxed, plan.error.largest))
    };
    assert!(planned(1.0, None).is_ok_and(|(relaxed, _)| relaxed.is_none()));
    let (relaxed, error) = planned(4e6, None).expect("it is planned");
    assert!(relaxed.is_some_and(|target| target > 1e-4 && error <= target), "{relaxed:?} {error}");
    assert!(planned(4e6, Some(1e-4)).is_err());
    assert_eq!(planned(4e6, relaxed).expect("it is accepted").0, None);
}

/// What is refused by default is above what the default gives way to.
#[test]
fn the_target_that_is_named_was_tried() {
    let graph = linear(vec![0.3, 0.7]);
    let plan = Plan::new(&graph, &Ranges::uniform(2, 0.0, 4e9), &PlanOptions::default());
    let Err(PlanError::Imprecise { best, target, behind, .. }) = plan else { panic!("{plan:?}") };
    assert!(best > target && target == 1e-2 && behind.is_empty(), "{best:e} {target:e} {behind:?}");
}

/// `layers` of as many sigmoids, each of all before it.
fn sigmoids(width: usize, layers: usize) -> Graph {
    let tensor = |_| Tensor { name: "t".into(), dims: vec![1, width], kind: ElementKind::Real };
    let weight = |at: usize| f64::from((at * 37 % 101) as u32) / 101.0 - 0.5;
    let dense = || LinearMap::Dense {
        positions: 1,
        inputs: width,
        outputs: width,
        weights: (0..width * width).map(|at| 4.0 * weight(at) / (width as f64).sqrt()).collect(),
    };
    let layer = |_| {
        let maps = vec![dense()];
        let linear = Op::Linear(Linear { maps, bias: (0..width).map(weight).collect() });
        [linear, Op::Function(Function::Curve(Curve::Sigmoid))]
    };
    let ops: Vec<Op> = (0..layers).flat_map(layer).collect();
    Graph {
        name: "sigmoids".into(),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        tensors: (0..=ops.len()).map(tensor).collect(),
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(ops.len())],
        nodes: ops
            .into_iter()
            .enumerate()
            .map(|(index, op)| Node {
                name: format!("n{index}"),
                op,
                inputs: vec![TensorId(index)],
                output: TensorId(index + 1),
            })
            .collect(),
    }
}

#[test]
fn many_functions_take_few_rows_by_tables_and_few_stay_knots() {
    for (width, layers, k, tabled) in [(1, 1, 10, false), (32, 3, 12, true), (128, 4, 14, true)] {
        let ranges = Ranges::uniform(width, -1.0, 1.0);
        let plan = Plan::new(&sigmoids(width, layers), &ranges, &PlanOptions::default());
        let plan = plan.expect("plans");
        let (shape, error) = (plan.shape, plan.error.largest);
        println!("{width} × {layers}: {shape} of 2^{}, error {error:.1e}", plan.k);
        assert!(plan.k <= k && error <= 1e-4, "{shape} of 2^{}: {error:.1e}", plan.k);
        assert_eq!(shape.segment_lanes() > 0, tabled, "{shape}");
    }
}
