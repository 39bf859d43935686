//! Functions of one variable.

use crate::graph::Function;

/// The function of each element.
pub(super) fn run(function: &Function, x: &[f64]) -> Vec<f64> {
    let apply = |f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(v)).collect();
    match function {
        Function::Relu => apply(&|v| v.max(0.0)),
        Function::LeakyRelu { slopes } => {
            let slope = |i: usize| slopes[if slopes.len() == 1 { 0 } else { i }];
            let leaky = |(i, &v): (usize, &f64)| if v < 0.0 { slope(i) * v } else { v };
            x.iter().enumerate().map(leaky).collect()
        }
        Function::Within { .. } => x.to_vec(),
        Function::Abs => apply(&f64::abs),
        Function::Clip { low, high } => apply(&|v| v.max(*low).min(*high)),
        Function::Impute { values } => {
            let known = |(v, value): (&f64, &f64)| if v.is_nan() { *value } else { *v };
            x.iter().zip(values).map(known).collect()
        }
        Function::Curve(curve) => apply(&|v| curve.value(v)),
        Function::Staircase(stairs) => {
            x.iter().enumerate().map(|(index, v)| stairs.value(index, *v)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Curve;

    #[test]
    fn functions_compute_what_their_definitions_say() {
        let x = [-2.0, 0.0, 3.0];
        assert_eq!(run(&Function::Relu, &x), [0.0, 0.0, 3.0]);
        assert_eq!(run(&Function::Abs, &x), [2.0, 0.0, 3.0]);
        assert_eq!(run(&Function::LeakyRelu { slopes: vec![0.5] }, &x), [-1.0, 0.0, 3.0]);
        let slopes = vec![3.0, 4.0, 5.0];
        assert_eq!(run(&Function::LeakyRelu { slopes }, &x), [-6.0, 0.0, 3.0]);
        let clip = Function::Clip { low: f64::NEG_INFINITY, high: 1.0 };
        assert_eq!(run(&clip, &x), [-2.0, 0.0, 1.0]);
    }

    #[test]
    fn the_logarithm_of_a_sum_of_exponentials_is_the_greater_and_the_rest() {
        for (a, b) in [(0.5f64, -2.0f64), (-30.0, 40.0), (1.0, 1.0), (700.0, 720.0)] {
            let rest = run(&Function::Curve(Curve::SoftplusRest), &[a - b])[0];
            let shifted = ((a - a.max(b)).exp() + (b - a.max(b)).exp()).ln() + a.max(b);
            assert!((a.max(b) + rest - shifted).abs() < 1e-12, "{a} {b}");
        }
        assert_eq!(run(&Function::Curve(Curve::Power(2.0)), &[-3.0, 2.0]), [9.0, 4.0]);
        assert_eq!(run(&Function::Curve(Curve::Power(-1.0)), &[-4.0, 2.0]), [-0.25, 0.5]);
    }

    #[test]
    fn sigmoid_saturates_without_overflow() {
        assert_eq!(run(&Function::Curve(Curve::Sigmoid), &[-1e6, 0.0, 1e6]), [0.0, 0.5, 1.0]);
    }
}
