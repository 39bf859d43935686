//! Which of known points is the nearest.

use super::*;
use crate::{
    graph::Leading,
    plan::{Plan, PlanOptions},
    quantize::Grid,
    shape::GraphShape,
};

/// Least, greatest, decimals of each feature.
const GRID: [(f64, f64, u32); 4] =
    [(-1.0, 1.0, 2), (0.0, 100.0, 0), (0.0, 20.0, 1), (-5.0, 5.0, 3)];
const POINTS: usize = 40;

fn ranges() -> Ranges {
    let grid = |(_, _, decimals)| Some(Grid { decimals, exact: true, missing: false });
    let input = GRID.map(|(low, high, _)| [low, high]).to_vec();
    Ranges { input, grids: GRID.map(grid).to_vec(), private: vec![] }
}

/// Thousandths of a number of the grid.
fn thousandths(feature: usize, mut random: impl FnMut() -> f64) -> i64 {
    let (low, high, decimals) = GRID[feature];
    let value = low + (high - low) * (random() + 1.0) / 2.0;
    let unit = 10f64.powi(decimals as i32);
    (value * unit).round() as i64 * 1000 / unit as i64
}

/// Points in thousandths, and the place of the nearest one by |p|² − 2·p·x of their float32 numbers.
fn nearest() -> (Vec<[i64; 4]>, Graph) {
    let mut random = random(3);
    let points: Vec<[i64; 4]> = (0..POINTS)
        .map(|_| std::array::from_fn(|feature| thousandths(feature, &mut random)))
        .collect();
    let written = |at: &i64| f64::from((*at as f64 / 1000.0) as f32);
    let floats: Vec<[f64; 4]> = points.iter().map(|p| p.each_ref().map(written)).collect();
    let mut model = Model::new(&[4]);
    let mut weights = floats.iter().flatten().map(|v| -2.0 * v);
    let map = dense(4, POINTS, || weights.next().unwrap_or_default());
    let bias = floats.iter().map(|p| p.iter().map(|v| v * v).sum()).collect();
    let apart = model.linear(vec![map], &[TensorId(0)], bias);
    let extremum = Extremum { minimum: true, groups: vec![(0..POINTS).collect()] };
    let one = model.node("one", Op::Leading(Leading { extremum, count: 1 }), &[apart], POINTS);
    model.0.tensors[one.0].kind = ElementKind::Integer;
    let mut places = (0..POINTS).map(|place| place as f64);
    let place = dense(POINTS, 1, || places.next().unwrap_or_default());
    let place = model.linear(vec![place], &[one], vec![0.0]);
    model.0.tensors[place.0].kind = ElementKind::Integer;
    (points, model.0)
}

/// In thousandths, next to where two of the points are as near as one another.
fn between(points: &[[i64; 4]]) -> Vec<[i64; 4]> {
    let mut random = random(4);
    let mut found = Vec::new();
    while found.len() < 400 {
        let mut x: [i64; 4] = std::array::from_fn(|feature| thousandths(feature, &mut random));
        let mut order: Vec<&[i64; 4]> = points.iter().collect();
        order.sort_by_key(|p| distance(p, &x));
        let ([a, b], square) = ([order[0], order[1]], |v: i64| v * v);
        if a[3] == b[3] {
            continue;
        }
        let rest: i64 = (0..3).map(|f| square(x[f] - a[f]) - square(x[f] - b[f])).sum();
        let even = (rest + square(a[3]) - square(b[3])) / (2 * (a[3] - b[3]));
        x[3] = even + (found.len() as i64 % 5) - 2;
        if (-5000..=5000).contains(&x[3]) {
            found.push(x);
        }
    }
    found
}

fn distance(a: &[i64; 4], b: &[i64; 4]) -> i64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// (expected, got) wherever another point is taken than the first of the nearest ones.
fn others(quantized: &Quantized, points: &[[i64; 4]]) -> Vec<([i64; 4], usize, usize)> {
    let mut others = Vec::new();
    for x in between(points) {
        let expected = (0..POINTS).min_by_key(|at| (distance(&points[*at], &x), *at));
        let got = quantized.run(&x.map(|v| v as f64 / 1000.0)).expect("in range")[0] as usize;
        if expected != Some(got) {
            others.push((x, expected.unwrap_or_default(), got));
        }
    }
    others
}

fn circuit(limb_bits: u32, limbs: usize) -> Shape {
    let graph = Some(GraphShape::new(limbs, 1));
    Shape { limb_bits, limbs, shift_limbs: 2, lanes: 1, public_inputs: false, graph }
}

#[test]
fn points_on_the_grid_are_told_apart_however_close_their_distances_are() {
    let (points, graph) = nearest();
    let exact = Quantized::new(&graph, &ranges(), &circuit(12, 5), &PRECISION).expect("fits");
    assert_eq!((exact.apart, others(&exact, &points)), (Some(0.0), vec![]));
    // And the planner takes such a circuit.
    let plan = Plan::new(&graph, &ranges(), &PlanOptions::default()).expect("a shape holds it");
    assert_eq!((plan.quantized.apart, others(&plan.quantized, &points)), (Some(0.0), vec![]));
}

#[test]
fn points_take_each_others_place_within_what_is_said_only() {
    let (points, graph) = nearest();
    let coarse = Quantized::new(&graph, &ranges(), &circuit(12, 4), &PRECISION).expect("fits");
    let apart = coarse.apart.expect("it orders distances");
    let others = others(&coarse, &points);
    assert!(!others.is_empty() && apart < 0.05, "{} within {apart}", others.len());
    for (x, expected, got) in others {
        let gap = distance(&points[got], &x) - distance(&points[expected], &x);
        assert!(gap as f64 / 1e6 <= apart, "{x:?}: {gap} millionths, more than {apart}");
    }
}
