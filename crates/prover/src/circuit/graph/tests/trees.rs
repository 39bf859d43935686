//! What a prover could say about decision trees: a decision that was not taken, another leaf,
//! two leaves, none, another tree's. All that follows from the lie is computed honestly, so
//! that nothing but the lie itself is refused.

use super::*;
use crate::{
    graph::{
        Branch, Child, ElementKind, Graph, Leaf, Node as GraphNode, Op, Tensor, TensorId, Test,
        TreeEnsemble,
    },
    quantize::{Grid, Precision, Quantized, Ranges},
};

/// Two trees of four and three leaves over two features; one decision is in both.
fn ensemble() -> TreeEnsemble {
    let branch = |feature, test, holds, fails| {
        let (holds, fails) = (Child::Leaf(holds), Child::Leaf(fails));
        Branch { feature, test, holds, fails, missing_holds: false }
    };
    let mut branches = vec![
        branch(0, Test::AtMost(0.5), 0, 0),
        branch(1, Test::Below(0.3), 0, 1),
        branch(1, Test::Above(0.7), 2, 3),
        branch(1, Test::AtLeast(0.3), 0, 4),
        branch(0, Test::AtMost(0.2), 5, 6),
    ];
    (branches[0].holds, branches[0].fails) = (Child::Branch(1), Child::Branch(2));
    branches[3].holds = Child::Branch(4);
    let leaves = (0..7).map(|leaf| Leaf { weights: vec![(0, f64::from(1 << leaf))] }).collect();
    TreeEnsemble {
        positions: 1,
        features: 2,
        outputs: 1,
        double: false,
        branches,
        leaves,
        roots: vec![Child::Branch(0), Child::Branch(3)],
        base: vec![0.0],
        ..TreeEnsemble::default()
    }
}

fn quantized(shape: &Shape) -> Quantized {
    quantized_of(ensemble(), shape)
}

fn quantized_of(trees: TreeEnsemble, shape: &Shape) -> Quantized {
    quantized_with(trees, [false; 2], shape)
}

/// Of which of both features may be missing.
pub(super) fn quantized_with(trees: TreeEnsemble, missing: [bool; 2], shape: &Shape) -> Quantized {
    let tensor =
        |name: &str, len| Tensor { name: name.into(), dims: vec![1, len], kind: ElementKind::Real };
    let graph = Graph {
        name: "trees".into(),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        tensors: vec![tensor("x", 2), tensor("y", 1)],
        nodes: vec![GraphNode {
            name: "trees".into(),
            op: Op::Trees(trees),
            inputs: vec![TensorId(0)],
            output: TensorId(1),
        }],
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(1)],
    };
    let grids = missing.map(|missing| Some(Grid { decimals: 1, exact: true, missing })).to_vec();
    let ends = missing.map(|missing| [0.0, if missing { 1.4 } else { 1.5 }]).to_vec();
    let ranges = Ranges { input: ends, grids, private: vec![] };
    let precision = Precision { decimals: Some(1), ..Precision::default() };
    Quantized::new(&graph, &ranges, shape, &precision).expect("small")
}

/// Decisions by one node each, and by two.
fn shapes() -> [Shape; 2] {
    let graph = Some(GraphShape::new(2, 6));
    [(5, 3, 6), (4, 1, 5)].map(|(limb_bits, shift_limbs, limbs)| Shape {
        limb_bits,
        limbs,
        shift_limbs,
        lanes: 2,
        public_inputs: false,
        graph,
    })
}

#[test]
fn every_point_of_the_grid_is_proven_as_the_trees_decide_it() {
    for shape in shapes() {
        let quantized = quantized(&shape);
        let claims = Claims::graph(&quantized.graph, &shape);
        for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
            let inputs = [f64::from(a) / 10.0, f64::from(b) / 10.0];
            let expected = ensemble().run(&inputs)[0];
            assert_eq!(quantized.run(&inputs).expect("in range"), [expected], "{inputs:?}");
            if (a + b) % 7 == 0 {
                let inputs = quantized.input.encode(&inputs).expect("in range");
                assert!(Setting::of(&claims, &[inputs], shape).accepts());
            }
        }
    }
}

/// Tests of sets and of equality, whose sides several comparisons lead to.
fn sets() -> TreeEnsemble {
    let single = |x: f32| f64::from(x);
    let mut trees = ensemble();
    let tests = [
        Test::Member(vec![single(0.2), single(0.5), single(0.6), single(1.5)]),
        Test::Equal(single(0.4)),
        Test::NotEqual(single(0.7)),
        Test::Member(vec![single(0.0), single(0.9)]),
        Test::AtLeast(single(0.3)),
    ];
    trees.branches.iter_mut().zip(tests).for_each(|(branch, test)| branch.test = test);
    // The sides of one of them are the same.
    trees.leaves[3] = trees.leaves[2].clone();
    trees
}

#[test]
fn paths_lead_where_the_trees_do() {
    let graph = Some(GraphShape { node_lanes: 1, ..GraphShape::new(4, 3) });
    // Scores are values: the rescale must leave their readers' weights some bits.
    let formats = [(5, 3, 6), (6, 2, 5)];
    for (limb_bits, shift_limbs, limbs) in formats {
        let shape = Shape { limb_bits, limbs, shift_limbs, graph, ..shapes()[0] };
        for trees in [ensemble(), sets()] {
            let quantized = quantized_of(trees.clone(), &shape);
            let claims = Claims::graph(&quantized.graph, &shape);
            assert_eq!(claims.ensembles.len(), 1);
            for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
                let inputs = [f64::from(a) / 10.0, f64::from(b) / 10.0];
                let expected = trees.run(&inputs)[0];
                assert_eq!(quantized.run(&inputs).expect("in range"), [expected], "{inputs:?}");
                if (a + 5 * b) % 37 == 0 {
                    let layout = circuit::Layout::new(&quantized.graph, shape).expect("small");
                    let inputs = quantized.input.encode(&inputs).expect("in range");
                    let witness =
                        circuit::Witness::new(&layout, &quantized.graph, &inputs, Fr::one());
                    assert!(mock_accepts(layout, witness.expect("in range"), |_| {}));
                }
            }
        }
    }
}

/// Trees in which a missing value goes where a test holds or fails, by the branch.
pub(super) fn with_gaps() -> TreeEnsemble {
    let mut trees = sets();
    let tracks = [true, false, true, true, false];
    trees.branches.iter_mut().zip(tracks).for_each(|(branch, holds)| branch.missing_holds = holds);
    trees
}

#[test]
fn a_missing_value_goes_where_its_branch_sends_it() {
    let paths = Some(GraphShape { node_lanes: 1, ..GraphShape::new(4, 3) });
    let paths = Shape { graph: paths, ..shapes()[0] };
    for shape in shapes().into_iter().chain([paths]) {
        for missing in [[true, true], [false, true]] {
            let trees = with_gaps();
            let quantized = quantized_with(trees.clone(), missing, &shape);
            let values = |missing| {
                let numbers = (0..15).map(|point| f64::from(point) / 10.0);
                numbers.chain(if missing { Some(f64::NAN) } else { None }).collect::<Vec<_>>()
            };
            for (at, a) in values(missing[0]).into_iter().enumerate() {
                for b in values(missing[1]) {
                    let expected = trees.run(&[a, b])[0];
                    assert_eq!(quantized.run(&[a, b]).expect("in range"), [expected], "{a} {b}");
                    if at % 7 == 0 && (b.is_nan() || b == 0.0) {
                        let layout = circuit::Layout::new(&quantized.graph, shape).expect("small");
                        let inputs = quantized.input.encode(&[a, b]).expect("in range");
                        let witness =
                            circuit::Witness::new(&layout, &quantized.graph, &inputs, Fr::one());
                        assert!(mock_accepts(layout, witness.expect("in range"), |_| {}));
                    }
                }
            }
            // Only where it is declared.
            let absent = quantized.input.encode(&[f64::NAN, 0.0]);
            assert_eq!(absent.is_ok(), missing[0], "{absent:?}");
        }
    }
}

#[test]
fn a_missing_value_that_is_not_one_is_refused() {
    for shape in shapes() {
        let quantized = quantized_with(with_gaps(), [true, true], &shape);
        let claims = Claims::graph(&quantized.graph, &shape);
        let words = |inputs: &[f64; 2]| quantized.input.encode(inputs).expect("in range");
        let lies = |inputs: &[i64], others: &[i64]| -> Vec<(usize, i64)> {
            let [honest, other] = [inputs, others].map(|words| run(&claims, words, &shape));
            let values = claims.inputs..claims.values();
            let differs = values.filter(|value| honest[*value].1 != other[*value].1);
            differs.map(|value| (value, other[value].1)).collect()
        };
        // What is missing as if it were some value, the least that is decided otherwise, and the
        // other way round: every decision that differs, and all of them together.
        for (missing, put) in [
            ([f64::NAN, 0.3], [true, false]),
            ([0.5, f64::NAN], [false, true]),
            ([f64::NAN, f64::NAN], [true, true]),
        ] {
            let values = (0..15).map(|point| f64::from(point) / 10.0);
            let mut given = values
                .map(|value| std::array::from_fn(|i| if put[i] { value } else { missing[i] }));
            let given = given.find(|given| !lies(&words(&missing), &words(given)).is_empty());
            let given = given.expect("some value that is decided otherwise");
            for (inputs, others) in [(missing, given), (given, missing)] {
                let (inputs, others) = (words(&inputs), words(&others));
                let honest = run(&claims, &inputs, &shape);
                assert!(Setting::with(&claims, &[honest], shape).accepts());
                let lies = lies(&inputs, &others);
                let refused = |lies: &[(usize, i64)]| {
                    let lied = run_with(&claims, &inputs, &shape, lies);
                    assert!(!Setting::with(&claims, &[lied], shape).accepts(), "{lies:?}");
                };
                lies.iter().for_each(|lie| refused(&[*lie]));
                refused(&lies);
            }
        }
    }
}

#[test]
fn another_decision_or_leaf_than_the_inputs_give_is_refused() {
    for shape in shapes() {
        let quantized = quantized(&shape);
        let claims = Claims::graph(&quantized.graph, &shape);
        // On thresholds and next to them.
        for inputs in [[0.5, 0.3], [0.6, 0.7], [0.2, 0.2]] {
            let inputs = quantized.input.encode(&inputs).expect("in range");
            let honest = run(&claims, &inputs, &shape);
            assert!(Setting::with(&claims, std::slice::from_ref(&honest), shape).accepts());
            // Everything between inputs and the score; of it, the decisions and leaves.
            let values = claims.inputs..claims.values() - 1;
            let binary: Vec<usize> = values.filter(|value| honest[*value].1 <= 1).collect();
            assert!(binary.len() >= 8, "{}", binary.len());
            let refused = |lies: &[(usize, i64)]| {
                let lied = run_with(&claims, &inputs, &shape, lies);
                assert!(!Setting::with(&claims, &[lied], shape).accepts(), "{lies:?}");
            };
            for (at, first) in binary.iter().enumerate() {
                let lie = |value: usize| (value, 1 - honest[value].1);
                // A wrong decision; one more leaf, or none.
                refused(&[lie(*first)]);
                for second in &binary[at + 1..] {
                    // Another leaf, of this tree or of the other.
                    refused(&[lie(*first), lie(*second)]);
                }
            }
        }
    }
}
