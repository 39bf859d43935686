//! Functions of one variable that are curved.

use super::*;

/// f(factor·x + offset) of one input.
fn curve(function: Function, factor: f64, offset: f64) -> Graph {
    let mut model = Model::new(&[1]);
    let x = model.linear(vec![LinearMap::Diagonal(vec![factor])], &[TensorId(0)], vec![offset]);
    model.function(function, x);
    model.0
}

#[test]
fn every_curve_is_close_to_its_function() {
    for (function, factor, offset) in [
        (Function::Curve(Curve::Exp), 3.0, -1.0),
        (Function::Curve(Curve::Log), 1.0, 1.5),
        (Function::Curve(Curve::Power(2.0)), 2.0, 0.25),
        (Function::Curve(Curve::Power(3.0)), 1.5, 0.0),
        (Function::Curve(Curve::Power(0.5)), 2.0, 2.0),
        (Function::Curve(Curve::Power(-1.0)), 1.0, 2.0),
        (Function::Curve(Curve::Power(-1.0)), 1.0, -2.0),
        (Function::Curve(Curve::SoftplusRest), 30.0, 0.0),
        (Function::Curve(Curve::Sigmoid), 30.0, 1.0),
    ] {
        let graph = curve(function.clone(), factor, offset);
        let (quantized, report) = error(&graph, 1.0, &fine());
        assert!(report.largest < 1e-4, "{function:?}: {report:?}");
        // Where it bends most, not on samples only.
        for step in 0..=400 {
            let x = f64::from(step) / 200.0 - 1.0;
            let (got, float) = (quantized.run(&[x]), graph.run(&[[x]]));
            let (got, float) = (got.expect("in range")[0], float.expect("runs")[0][0]);
            assert!((got - float).abs() < 1e-4, "{function:?} at {x}: {got}, not {float}");
        }
    }
}

#[test]
fn a_curve_over_a_pole_or_where_it_is_not_defined_is_refused() {
    for (function, offset) in [
        (Function::Curve(Curve::Log), 0.5),
        (Function::Curve(Curve::Log), 1.0),
        (Function::Curve(Curve::Power(-1.0)), 0.5),
        (Function::Curve(Curve::Power(-2.0)), 0.0),
        (Function::Curve(Curve::Power(0.5)), 0.5),
    ] {
        let graph = curve(function.clone(), 1.0, offset);
        let error = Quantizer::new(&graph, &Ranges::uniform(1, -1.0, 1.0)).expect_err("refused");
        assert!(matches!(error, QuantizeError::TooWide { .. }), "{function:?}: {error}");
    }
}

#[test]
fn an_exponential_that_no_circuit_can_follow_has_a_bound_on_its_pieces() {
    let graph = curve(Function::Curve(Curve::Exp), 12.0, 0.0);
    let quantizer = Quantizer::new(&graph, &Ranges::uniform(1, -1.0, 1.0)).expect("sound");
    let functions = quantizer.functions(&PRECISION);
    let points = functions.fitted.iter().flatten().map(|fitted| fitted.points().len()).max();
    assert!(points <= Some(pwl::MAX_POINTS + 1), "{points:?}");
}
