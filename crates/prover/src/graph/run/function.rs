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
        Function::Abs => apply(&f64::abs),
        Function::Clip { low, high } => apply(&|v| v.max(*low).min(*high)),
        Function::Impute { values } => {
            let known = |(v, value): (&f64, &f64)| if v.is_nan() { *value } else { *v };
            x.iter().zip(values).map(known).collect()
        }
        curve => apply(&|v| value(curve, v)),
    }
}

/// The value of a curve at x; of any other function, x.
pub(crate) fn value(curve: &Function, x: f64) -> f64 {
    match curve {
        Function::Sigmoid => sigmoid(x),
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Probit => probit(x),
        Function::Power(exponent) => match *exponent {
            -1.0 => x.recip(),
            0.5 => x.sqrt(),
            2.0 => x * x,
            exponent => x.powf(exponent),
        },
        Function::SoftplusRest => (-x.abs()).exp().ln_1p(),
        Function::Relu
        | Function::LeakyRelu { .. }
        | Function::Abs
        | Function::Clip { .. }
        | Function::Impute { .. } => x,
    }
}

/// The logistic function; 0 and 1 far out, never NaN for a number.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// √2·erf⁻¹(2x − 1), Winitzki's approximation with the constants of onnxruntime; NaN outside
/// of 0 to 1.
#[expect(clippy::approx_constant, reason = "onnxruntime computes with this value")]
fn probit(x: f64) -> f64 {
    let (y, a) = (2.0 * x - 1.0, 0.147);
    let log = ((1.0 - y) * (1.0 + y)).ln();
    let v = 2.0 / (3.14159 * a) + 0.5 * log;
    let root = ((v * v - log / a).sqrt() - v).sqrt();
    std::f64::consts::SQRT_2 * root.copysign(y)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let rest = run(&Function::SoftplusRest, &[a - b])[0];
            let shifted = ((a - a.max(b)).exp() + (b - a.max(b)).exp()).ln() + a.max(b);
            assert!((a.max(b) + rest - shifted).abs() < 1e-12, "{a} {b}");
        }
        assert_eq!(run(&Function::Power(2.0), &[-3.0, 2.0]), [9.0, 4.0]);
        assert_eq!(run(&Function::Power(-1.0), &[-4.0, 2.0]), [-0.25, 0.5]);
    }

    #[test]
    fn sigmoid_saturates_without_overflow() {
        assert_eq!(run(&Function::Sigmoid, &[-1e6, 0.0, 1e6]), [0.0, 0.5, 1.0]);
    }
}
