use super::{
    floats::moved,
    steps::{Does, Step},
};
use crate::graph::{Curve, Test};

fn random() -> impl FnMut() -> f64 {
    let mut state = 1u32;
    move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        f64::from((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    }
}

fn made(by: &[Step], x: f64) -> f64 {
    by.iter().fold(x, |x, step| step.apply(x))
}

/// Every step, two of them in turn, every test, on numbers next to where it changes and others.
#[test]
fn a_test_before_steps_decides_as_one_behind_them() {
    let mut random = random();
    let single = |x: f64| f64::from(x as f32);
    for wide in [false, true] {
        for round in 0..2_000 {
            let mut step = |which: usize| {
                let (a, b) = (single(random()), single(random() * 3.0));
                let does = match which {
                    0 => Does::Add(a),
                    1 => Does::From(a),
                    2 => Does::Times(b),
                    3 => Does::Over(b),
                    4 => Does::Under(b),
                    5 => Does::Scale { offset: a, scale: b, wide: false },
                    6 => Does::Abs,
                    7 => Does::Clip(a.min(b), a.max(b)),
                    8 => Does::Leaky(b),
                    9 => Does::Square,
                    10 => Does::Cube,
                    11 => Does::Replace(a, b),
                    12 => Does::Root,
                    13 => Does::Truncate,
                    14 => Does::Round,
                    15 => Does::Curve(Curve::Log),
                    16 => Does::Impute(a),
                    17 => Does::Floor,
                    18 => Does::Ceil,
                    _ => Does::Nothing,
                };
                Step { does, wide: wide && which.is_multiple_of(3), fits: None }
            };
            let by = [step(round % 20), step(round / 20 % 20)];
            assert!(by.iter().all(Step::is_sound));
            let round_first = |x: f64| if wide { x } else { single(x) };
            let x = round_first(random());
            let t = made(&by, x);
            if t.is_nan() {
                continue;
            }
            let other = made(&by, round_first(random()));
            let tests = [
                Test::AtMost(t),
                Test::Below(t),
                Test::AtLeast(t),
                Test::Above(t),
                Test::Equal(t),
                Test::NotEqual(t),
                Test::Member(vec![t, 0.5, 7.0]),
                Test::Within(vec![t.min(0.25), t.max(0.25)]),
                Test::AtMost(other),
            ];
            let test = &tests[round / 3 % tests.len()];
            if test.constants().iter().any(|t| t.is_nan()) {
                continue;
            }
            let missing = round % 2 == 0;
            let moved = moved(&by, test, missing, wide).expect("it is in few pieces");
            let ends = moved.constants().to_vec();
            let up = |x: f64| match wide {
                true => x.next_up(),
                false => f64::from((x as f32).next_up()),
            };
            let down = |x: f64| match wide {
                true => x.next_down(),
                false => f64::from((x as f32).next_down()),
            };
            let near = ends.into_iter().filter(|end| end.is_finite()).flat_map(|end| {
                let above = std::iter::successors(Some(end), |x| Some(up(*x))).take(4);
                above.chain(std::iter::successors(Some(end), |x| Some(down(*x))).take(4))
            });
            let far = (0..30).map(|_| round_first(random() * 2.0));
            let near: Vec<f64> = near.collect();
            for x in near.into_iter().chain(far).chain([x, 0.0]) {
                // −0 is none of an input's values.
                let x = x + 0.0;
                // Where a root is not defined, its result is missing.
                let made = made(&by, x);
                let expected = test.holds(made) || made.is_nan() && missing;
                assert_eq!(moved.holds(x), expected, "{x:e} {by:?} {test:?} {moved:?}");
            }
        }
    }
}

#[test]
fn what_falls_into_too_many_pieces_is_left() {
    let step = |does| Step { does, wide: false, fits: None };
    let folds = [1e5, 1e4, 1e3, 100.0, 0.0].into_iter();
    let by: Vec<Step> = folds.flat_map(|by| [step(Does::Abs), step(Does::Add(-by))]).collect();
    let members: Vec<f64> = (1..60).map(|t| f64::from(t) / 2.0).collect();
    assert_eq!(moved(&by, &Test::Member(members), false, false), None);
    let by = vec![step(Does::Abs); 4];
    let few = moved(&by, &Test::Member(vec![1.0, 2.0]), false, false);
    assert_eq!(few, Some(Test::Within(vec![-2.0, -2.0, -1.0, -1.0, 1.0, 1.0, 2.0, 2.0])));
}
