//! Functions that do nothing to what they are applied to, and pairs that are one.

use super::{Wiring, joined};
use crate::graph::{Curve, Function, Graph, Op, Staircase};

pub(super) fn merge(graph: &mut Graph) {
    let mut wiring = Wiring::of(graph);
    for n in 0..graph.nodes.len() {
        if let Op::Function(function) = &graph.nodes[n].op
            && let Some(simpler) = simpler(function)
        {
            graph.nodes[n].op = Op::Function(simpler);
        }
        let Op::Function(outer) = &graph.nodes[n].op else { continue };
        if matches!(outer, Function::Clip { low, high }
            if *low == f64::NEG_INFINITY && *high == f64::INFINITY)
        {
            wiring.bypass(graph, n);
            continue;
        }
        let [input] = graph.nodes[n].inputs[..] else { continue };
        let Some(maker) = wiring.maker[input.0] else { continue };
        let Op::Function(inner) = &graph.nodes[maker].op else { continue };
        match both(outer, inner) {
            Some(one) if one == *inner => wiring.bypass(graph, n),
            Some(one) if wiring.only_for(input, 1) => {
                let inputs = graph.nodes[maker].inputs.clone();
                let name = joined(&graph.nodes[maker].name, &graph.nodes[n].name);
                graph.nodes[n].op = Op::Function(one);
                graph.nodes[n].name = name;
                wiring.rewire(graph, n, inputs);
            }
            _ => {}
        }
    }
}

/// The same function by a simpler name.
fn simpler(function: &Function) -> Option<Function> {
    match function {
        Function::Clip { low: 0.0, high } if *high == f64::INFINITY => Some(Function::Relu),
        Function::LeakyRelu { slopes } if slopes.iter().all(|&s| s == 0.0) => Some(Function::Relu),
        Function::LeakyRelu { slopes } if slopes.iter().all(|&s| s == 1.0) => {
            Some(Function::Clip { low: f64::NEG_INFINITY, high: f64::INFINITY })
        }
        Function::LeakyRelu { slopes } if slopes.iter().all(|&s| s == -1.0) => Some(Function::Abs),
        _ => None,
    }
}

/// outer(inner(x)) as one function, if it is one.
fn both(outer: &Function, inner: &Function) -> Option<Function> {
    let clip = |function: &Function| match *function {
        Function::Relu => Some((0.0, f64::INFINITY)),
        Function::Clip { low, high } => Some((low, high)),
        _ => None,
    };
    if let (Function::Staircase(stairs), Some((low, high))) = (outer, clip(inner))
        && stairs.is_uniform()
    {
        // Cut at whole numbers, after rounding: it rises.
        let (low, high) = (stairs.value(0, low), stairs.value(0, high));
        return Some(Function::Staircase(Staircase { low, high, ..stairs.clone() }));
    }
    let (low, high) = clip(outer)?;
    if let Some((inner_low, inner_high)) = clip(inner) {
        let (low, high) = (inner_low.max(low).min(high), inner_high.max(low).min(high));
        let one = Function::Clip { low, high };
        return Some(simpler(&one).unwrap_or(one));
    }
    let harmless = match inner {
        Function::Curve(Curve::Sigmoid) => low <= 0.0 && high >= 1.0,
        Function::Abs => low <= 0.0 && high == f64::INFINITY,
        _ => false,
    };
    harmless.then(|| inner.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_one_after_the_other_are_one_pair_of_bounds() {
        let clip = |low, high| Function::Clip { low, high };
        assert_eq!(both(&Function::Relu, &Function::Relu), Some(Function::Relu));
        assert_eq!(both(&clip(-1.0, 6.0), &Function::Relu), Some(clip(0.0, 6.0)));
        assert_eq!(both(&clip(2.0, 6.0), &clip(-1.0, 1.0)), Some(clip(2.0, 2.0)));
        assert_eq!(both(&clip(-3.0, -1.0), &Function::Relu), Some(clip(-1.0, -1.0)));
        assert_eq!(
            both(&Function::Relu, &Function::Curve(Curve::Sigmoid)),
            Some(Function::Curve(Curve::Sigmoid))
        );
        assert_eq!(both(&clip(0.0, 0.5), &Function::Curve(Curve::Sigmoid)), None);
        assert_eq!(both(&Function::Abs, &Function::Relu), None);
    }
}
