//! What a prover could say about the nearest of known points: others, or of equally near ones not the
//! first. All that follows from the lie is computed honestly.

use super::*;
use crate::{
    graph::{
        ElementKind, Extremum, Graph, Leading, Linear, LinearMap, Node as GraphNode, Op, Tensor,
        TensorId,
    },
    quantize::{Grid, Precision, Quantized, Ranges},
};

/// On the inputs' grid, so that equal distances are equal integers.
const POINTS: [[f64; 2]; 5] = [[2.0, 1.0], [10.0, 4.0], [4.0, 3.0], [0.0, 7.0], [9.0, 12.0]];
const LABELS: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];
const COUNT: usize = 2;

/// Σ of the labels of the nearest two of five points, by |p|² − 2·p·x.
fn graph() -> Graph {
    let tensor =
        |name: &str, len| Tensor { name: name.into(), dims: vec![1, len], kind: ElementKind::Real };
    let dense = |inputs, outputs, weights, bias| {
        let map = LinearMap::Dense { positions: 1, inputs, outputs, weights };
        Op::Linear(Linear { maps: vec![map], bias })
    };
    let apart = POINTS.iter().flat_map(|p| p.map(|v| -2.0 * v)).collect();
    let lengths = POINTS.iter().map(|p| p.iter().map(|v| v * v).sum()).collect();
    let extremum = Extremum { minimum: true, groups: vec![(0..POINTS.len()).collect()] };
    let node = |name: &str, op, input, output| GraphNode {
        name: name.into(),
        op,
        inputs: vec![TensorId(input)],
        output: TensorId(output),
    };
    Graph {
        name: "nearest".into(),
        sha256: [0; 32],
        vocabulary: vec![],
        names: vec![],
        tensors: vec![tensor("x", 2), tensor("apart", 5), tensor("nearest", 5), tensor("y", 1)],
        nodes: vec![
            node("apart", dense(2, 5, apart, lengths), 0, 1),
            node("nearest", Op::Leading(Leading { extremum, count: COUNT }), 1, 2),
            node("sum", dense(5, 1, LABELS.to_vec(), vec![0.0]), 2, 3),
        ],
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(3)],
    }
}

fn shape() -> Shape {
    let graph = Some(GraphShape::new(2, 3));
    Shape { limb_bits: 6, limbs: 5, shift_limbs: 2, lanes: 2, public_inputs: false, graph }
}

fn quantized() -> Quantized {
    let grid = Some(Grid { decimals: 0, exact: true, missing: false });
    let ranges = Ranges { input: vec![[0.0, 15.0]; 2], grids: vec![grid; 2], private: vec![] };
    let precision = Precision { decimals: Some(0), ..Precision::default() };
    Quantized::new(&graph(), &ranges, &shape(), &precision).expect("small")
}

/// Squares of the distances to all points.
fn distances(inputs: [f64; 2]) -> Vec<i64> {
    let square = |p: &[f64; 2]| (inputs[0] - p[0]).powi(2) + (inputs[1] - p[1]).powi(2);
    POINTS.iter().map(|p| square(p) as i64).collect()
}

/// The nearest, of equally near ones the first.
fn nearest(inputs: [f64; 2]) -> Vec<usize> {
    let distances = distances(inputs);
    let mut order: Vec<usize> = (0..POINTS.len()).collect();
    order.sort_by_key(|at| distances[*at]);
    order.truncate(COUNT);
    order
}

#[test]
fn the_nearest_points_are_proven_and_no_others() {
    let (quantized, shape) = (quantized(), shape());
    let claims = Claims::graph(&quantized.graph, &shape);
    // Far from all, at a point, between two.
    for inputs in [[15.0, 0.0], [4.0, 3.0], [7.0, 3.0], [0.0, 0.0], [3.0, 14.0]] {
        let expected: f64 = nearest(inputs).iter().map(|at| LABELS[*at]).sum();
        assert_eq!(quantized.run(&inputs).expect("in range"), [expected], "{inputs:?}");
        let words = quantized.input.encode(&inputs).expect("in range");
        let honest = run(&claims, &words, &shape);
        assert!(Setting::with(&claims, std::slice::from_ref(&honest), shape).accepts());
        let members = members(&claims, &honest);
        let chosen = |at: &usize| honest[members[*at]].1 == 1;
        let refused = |lies: &[(usize, i64)]| {
            let lied = run_with(&claims, &words, &shape, lies);
            assert!(!Setting::with(&claims, &[lied], shape).accepts(), "{inputs:?} {lies:?}");
        };
        // One more, one less, and one for another.
        let lie = |at: usize| (members[at], 1 - honest[members[at]].1);
        for one in 0..POINTS.len() {
            refused(&[lie(one)]);
            for other in (0..POINTS.len()).filter(|other| chosen(other) != chosen(&one)) {
                refused(&[lie(one), lie(other)]);
            }
        }
    }
}

/// The values that say which points are chosen: the last five that are.
fn members(claims: &Claims<'_>, integers: &[(i64, i64)]) -> Vec<usize> {
    let last = claims.nodes.iter().rposition(|node| node.values() == POINTS.len());
    let first = claims.inputs
        + claims.nodes[..last.expect("a node of all points")]
            .iter()
            .map(Node::values)
            .sum::<usize>();
    let members: Vec<usize> = (first..first + POINTS.len()).collect();
    assert_eq!(members.iter().map(|value| integers[*value].1).sum::<i64>(), COUNT as i64);
    members
}

/// Every value between the inputs and what is chosen, one off in both directions.
#[test]
fn a_wrong_order_of_points_is_refused() {
    let (quantized, shape) = (quantized(), shape());
    let claims = Claims::graph(&quantized.graph, &shape);
    let words = quantized.input.encode(&[7.0, 3.0]).expect("in range");
    let honest = run(&claims, &words, &shape);
    let between = claims.inputs..members(&claims, &honest)[0];
    for (value, (_, x)) in honest[between.clone()].iter().enumerate() {
        for change in [-1, 1] {
            let lie = (between.start + value, (x + change).max(0));
            if lie.1 != *x {
                let lied = run_with(&claims, &words, &shape, &[lie]);
                assert!(!Setting::with(&claims, &[lied], shape).accepts(), "{lie:?}");
            }
        }
    }
}

#[test]
fn a_tie_that_is_decided_the_other_way_is_refused() {
    let (quantized, shape) = (quantized(), shape());
    let claims = Claims::graph(&quantized.graph, &shape);
    let mut tried = 0;
    for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
        let inputs = [f64::from(a), f64::from(b)];
        let mut sorted = distances(inputs);
        sorted.sort_unstable();
        if sorted[COUNT - 1] != sorted[COUNT] {
            continue;
        }
        let words = quantized.input.encode(&inputs).expect("in range");
        let honest = run(&claims, &words, &shape);
        let members = members(&claims, &honest);
        let tied = (0..POINTS.len()).filter(|at| distances(inputs)[*at] == sorted[COUNT]);
        let (chosen, left): (Vec<usize>, Vec<usize>) =
            tied.partition(|at| honest[members[*at]].1 == 1);
        assert!(chosen.iter().all(|one| left.iter().all(|other| one < other)), "{inputs:?}");
        let refused = |lies: &[(usize, i64)]| {
            let lied = run_with(&claims, &words, &shape, lies);
            assert!(!Setting::with(&claims, &[lied], shape).accepts(), "{inputs:?} {lies:?}");
        };
        let pairs = || chosen.iter().flat_map(|one| left.iter().map(move |other| (*one, *other)));
        pairs().for_each(|(one, other)| refused(&[(members[one], 0), (members[other], 1)]));
        // The first one said to be behind the others, so that another follows by itself.
        let turned = (claims.inputs..members[0])
            .map(|value| (value, 1 - honest[value].1))
            .filter(|lie| lie.1 >= 0)
            .find(|lie| {
                let lied = run_with(&claims, &words, &shape, &[*lie]);
                pairs().any(|(one, other)| lied[members[one]].1 == 0 && lied[members[other]].1 == 1)
            });
        refused(&[turned.expect("a decision that turns the tie")]);
        tried += 1;
    }
    assert!(tried >= 3, "{tried} ties");
}
