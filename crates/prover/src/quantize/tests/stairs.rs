//! Numbers made whole.

use super::*;
use crate::{
    graph::{Rounding, Scale, Staircase},
    plan::{Plan, PlanOptions},
    shape::GraphShape,
};

/// round(factor·(3·x₀ − 2·x₁ + 5·x₂)) + 3 of three integers, saturated to a signed byte.
fn requantized(factor: f32) -> Graph {
    let mut model = Model::new(&[3]);
    let weights = vec![3.0, -2.0, 5.0];
    let map = LinearMap::Dense { positions: 1, inputs: 3, outputs: 1, weights };
    let sum = model.linear(vec![map], &[TensorId(0)], vec![-100.0]);
    let scale = Scale::Multiply(vec![f64::from(factor)]);
    let stairs = Staircase::quantizing(scale, vec![3.0], (-128.0, 127.0));
    model.function(Function::Staircase(stairs), sum);
    model.0
}

/// Ranges of integers.
fn integers(count: usize, lo: f64, hi: f64) -> Ranges {
    let grid = Some(Grid { decimals: 0, exact: true, missing: false });
    Ranges { grids: vec![grid; count], ..Ranges::uniform(count, lo, hi) }
}

#[test]
fn a_quantized_layer_gives_the_integers_of_its_own_arithmetic() {
    // The last makes exact halves, which go to the even side.
    for factor in [0.073_21f32, 0.113_7, 0.017_31, 0.125] {
        let graph = requantized(factor);
        let ranges = integers(3, 0.0, 255.0);
        let plan = Plan::new(&graph, &ranges, &PlanOptions::default()).expect("fits");
        let mut seen = [false; 2];
        for step in 0..20_000u32 {
            // Three bytes, the corners among them.
            let byte =
                |n: u32| f64::from(step.wrapping_mul(2_654_435_761).rotate_left(8 * n) % 256);
            let end = |n: u32| if step >> n & 1 == 0 { 0.0 } else { 255.0 };
            let x = if step < 8 { [end(0), end(1), end(2)] } else { [byte(0), byte(1), byte(2)] };
            let (got, float) = (plan.quantized.run(&x).expect("in range"), graph.run(&[x]));
            let float = float.expect("runs")[0][0];
            seen = [seen[0] || float == 127.0, seen[1] || float < 0.0];
            assert!(got[0] == float, "{factor} at {x:?}: {}, not {float}", got[0]);
        }
        assert!(seen[1] && (seen[0] || factor < 0.05), "{factor}: {seen:?}");
    }
}

#[test]
fn maxima_of_whole_numbers_stay_what_they_are() {
    // Rounded, the greater of two, and rounded again.
    let mut model = Model::new(&[2]);
    let stairs = |factor: f32| {
        let scale = Scale::Multiply(vec![f64::from(factor)]);
        Staircase::quantizing(scale, vec![0.0], (0.0, 255.0))
    };
    let first = model.function(Function::Staircase(stairs(0.731)), TensorId(0));
    let groups = vec![vec![0, 1]];
    let pool = Op::Extremum(Extremum { minimum: false, groups });
    let pooled = model.node("pool", pool, &[first], 1);
    let map = LinearMap::Diagonal(vec![17.0]);
    let sum = model.linear(vec![map], &[pooled], vec![-1000.0]);
    model.function(Function::Staircase(stairs(0.061_3)), sum);
    let ranges = integers(2, 0.0, 255.0);
    let plan = Plan::new(&model.0, &ranges, &PlanOptions::default()).expect("fits");
    for at in 0..65_536 {
        let x = [f64::from(at % 256), f64::from(at / 256)];
        let (got, float) = (plan.quantized.run(&x).expect("in range"), model.0.run(&[x]));
        assert_eq!(got, float.expect("runs")[0], "{x:?}");
    }
}

#[test]
fn inputs_with_decimals_are_made_whole_where_the_model_does() {
    for rounding in [Rounding::Floor, Rounding::Ceil, Rounding::HalfEven] {
        let mut model = Model::new(&[1]);
        model.function(Function::Staircase(Staircase::plain(rounding)), TensorId(0));
        let grid = Some(Grid { decimals: 2, exact: true, missing: false });
        let ranges = Ranges { grids: vec![grid], ..Ranges::uniform(1, -3.0, 4.0) };
        let plan = Plan::new(&model.0, &ranges, &PlanOptions::default()).expect("fits");
        for point in -300..=400 {
            let x = f64::from(point) / 100.0;
            let (got, float) = (plan.quantized.run(&[x]).expect("in range"), model.0.run(&[[x]]));
            let float = float.expect("runs")[0][0];
            assert!(got[0] == float, "{rounding:?} of {x}: {}, not {float}", got[0]);
        }
    }
}

#[test]
fn integers_that_would_leave_their_type_are_refused() {
    let mut model = Model::new(&[2]);
    model.function(Function::Within { low: 0.0, high: 255.0 }, TensorId(0));
    let plan = |hi: f64| Plan::new(&model.0, &integers(2, 0.0, hi), &PlanOptions::default());
    assert!(plan(255.0).is_ok());
    let error = plan(256.0).expect_err("refused").to_string();
    assert!(error.contains("may reach 256") && error.contains("holds 0 to 255"), "{error}");
}

/// What is far finer than a step has next to no weight in one rescale: it is rounded to parts of a
/// step before.
#[test]
fn numbers_on_no_grid_are_rounded_where_the_model_rounds_them() {
    let mut model = Model::new(&[4]);
    let scale = Scale::Multiply(vec![80.3]);
    let stairs = Staircase::quantizing(scale, vec![2.0], (-70.0, 127.0));
    model.function(Function::Staircase(stairs), TensorId(0));
    let ranges = Ranges::uniform(4, -1.0, 1.0);
    for (limb_bits, limbs, shift_limbs) in [(11, 5, 2), (8, 7, 3), (15, 4, 2)] {
        let graph = Some(GraphShape::new(limbs, 1));
        let shape = Shape { limb_bits, limbs, shift_limbs, lanes: 1, graph, ..Shape::default() };
        let quantized = Quantized::new(&model.0, &ranges, &shape, &PRECISION).expect("fits");
        let bounds = quantized.graph.validate(shape.accumulator_bits(), shape.value_bits());
        bounds.expect("valid");
        let (mut random, mut off, mut seen) = (random(3), 0, [false; 2]);
        for _ in 0..2_000 {
            let x: Vec<f64> = (0..4).map(|_| random()).collect();
            let float = model.0.run(std::slice::from_ref(&x)).expect("runs").concat();
            for (a, b) in quantized.run(&x).expect("in range").iter().zip(float) {
                assert!((a - b).abs() <= 1.0, "{a}, not {b}");
                off += usize::from(*a != b);
                seen = [seen[0] || b == -70.0, seen[1] || b > 80.0];
            }
        }
        assert!(off < 80 && seen == [true; 2], "{limb_bits} bits: {off} of 8,000, {seen:?}");
    }
}

/// Sums of bytes in scales that have no unit in common, as QLinearAdd makes them: planned whatever
/// the scales, and float32's where it does not decide itself.
#[test]
fn sums_of_bytes_in_any_two_scales_are_the_models() {
    let (mut random, mut coarse) = (random(5), 0);
    for case in 0..10 {
        let mut single = |low: f64| f64::from((low + 0.038 * (1.0 + random())) as f32);
        let (a, b, y) = (single(0.004), single(0.004), single(0.008));
        let mut model = Model::new(&[1, 1]);
        let maps = [a, b].map(|scale| LinearMap::Diagonal(vec![scale])).to_vec();
        let sum = model.linear(maps, &[TensorId(0), TensorId(1)], vec![-120.0 * a - 77.0 * b]);
        let stairs = Staircase::quantizing(Scale::Divide(vec![y]), vec![101.0], (0.0, 255.0));
        model.function(Function::Staircase(stairs.clone()), sum);
        let plan = Plan::new(&model.0, &integers(2, 0.0, 255.0), &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{case}: {a}, {b} to {y}: {error}"));
        assert_ne!(plan.quantized.halves, Halves::Same, "{case}");
        if plan.quantized.halves == Halves::Coarse {
            coarse += 1;
            continue;
        }
        for at in (0..65_536).step_by(7) {
            let x = [f64::from(at % 256), f64::from(at / 256)];
            let got = plan.quantized.run(&x).expect("in range")[0];
            let real = x[0] * a + x[1] * b - 120.0 * a - 77.0 * b;
            let (low, high) = stairs.either(0, real);
            assert!(low <= got && got <= high, "{case} at {x:?}: {got}, not {low} to {high}");
        }
    }
    assert!(coarse <= 1, "{coarse} of ten have circuits that do not tell sums apart");
}

/// Halves of decimals by a scale that float32 has only nearly are no error of the circuit's.
#[test]
fn points_that_float32_decides_are_left_out_of_the_error_and_told() {
    for width in [0.3f32, 0.2, 1.0 / 3.0, 0.1] {
        let mut model = Model::new(&[8]);
        let scale = Scale::Divide(vec![f64::from(width)]);
        let stairs = Staircase::quantizing(scale, vec![0.0], (-128.0, 127.0));
        let whole = model.function(Function::Staircase(stairs), TensorId(0));
        let map = LinearMap::Diagonal(vec![f64::from(width); 8]);
        model.linear(vec![map], &[whole], vec![0.0; 8]);
        let grid = Some(Grid { decimals: 2, exact: true, missing: false });
        let ranges = Ranges { grids: vec![grid; 8], ..Ranges::uniform(8, -3.0, 3.0) };
        let plan = Plan::new(&model.0, &ranges, &PlanOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{width}: {error}"));
        assert!(plan.error.largest < 1e-4 && plan.relaxed.is_none(), "{width}: {:?}", plan.error);
        // A step is what such a point may be off by, and no more.
        for point in -300..=300 {
            let x = vec![f64::from(point) / 100.0; 8];
            let got = plan.quantized.run(&x).expect("in range")[0];
            let float = model.0.run(&[&x]).expect("runs")[0][0];
            let told = plan.quantized.halves != Halves::Same;
            let off = (got - float).abs();
            assert!(off < 1e-4 || (told && off < 1.01 * f64::from(width)), "{width}: {off}");
        }
    }
}
