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
        Function::Sigmoid => apply(&sigmoid),
    }
}

/// The logistic function; 0 and 1 far out, never NaN for a number.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
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
    fn sigmoid_saturates_without_overflow() {
        assert_eq!(run(&Function::Sigmoid, &[-1e6, 0.0, 1e6]), [0.0, 0.5, 1.0]);
    }
}
