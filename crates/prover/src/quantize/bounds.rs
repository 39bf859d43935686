//! Bounds of every tensor of a graph over all inputs in range, in real numbers.

use super::{QuantizeError, convex::Convexity};
use crate::graph::{Element, Function, Graph, Node, Op, TreeEnsemble, run::evaluate};

/// [lo, hi] of every element, by tensor.
///
/// Rounding is not accounted for: whoever uses these bounds to choose a unit leaves room.
pub(super) fn bounds(
    graph: &Graph,
    ranges: &[[f64; 2]],
) -> Result<Vec<Vec<(f64, f64)>>, QuantizeError> {
    let mut bounds = vec![Vec::new(); graph.tensors.len()];
    let mut rest = ranges.iter().map(|[lo, hi]| (*lo, *hi));
    for tensor in &graph.inputs {
        bounds[tensor.0] = rest.by_ref().take(graph.tensors[tensor.0].len()).collect();
    }
    let convexity = Convexity::new(graph);
    for node in &graph.nodes {
        let mut own = node_bounds(node, &bounds);
        if let Op::Product(product) = &node.op
            && let Some(weighed) = convexity.bounds(node, product, &bounds)
        {
            let narrower = |((a, b), (c, d)): (&mut (f64, f64), (f64, f64))| {
                (*a, *b) = (a.max(c), b.min(d));
            };
            own.iter_mut().zip(weighed).for_each(narrower);
        }
        if matches!(node.op, Op::Quotient(_))
            && let Some(divisors) = node.inputs.last()
            && let Some((lowest, _)) = bounds[divisors.0].iter().find(|(lo, _)| *lo <= 0.0)
        {
            return Err(QuantizeError::Divisor { node: node.name.clone(), lowest: *lowest });
        }
        if matches!(node.op, Op::Root)
            && let Some((lowest, _)) = bounds[node.inputs[0].0].iter().find(|(lo, _)| *lo < 0.0)
        {
            return Err(QuantizeError::Radicand { node: node.name.clone(), lowest: *lowest });
        }
        if let Op::Function(Function::Within { low, high }) = &node.op
            && let Some((lo, hi)) = own.iter().find(|(lo, hi)| lo < low || hi > high)
        {
            let (node, value) = (node.name.clone(), if lo < low { *lo } else { *hi });
            return Err(QuantizeError::Wraps { node, value, low: *low, high: *high });
        }
        if let Op::Trees(trees) = &node.op {
            leaves_integers(node, trees, &bounds[node.inputs[0].0])?;
        }
        if let Op::Shares(shares) = &node.op
            && !shares.signed
            && let Some((lowest, _)) = bounds[node.inputs[0].0].iter().find(|(lo, _)| *lo < 0.0)
        {
            return Err(QuantizeError::NegativeShare { node: node.name.clone(), lowest: *lowest });
        }
        if let Some((lo, hi)) = own.iter().find(|(lo, hi)| !lo.is_finite() || !hi.is_finite()) {
            let (node, magnitude) = (node.name.clone(), hi.abs().max(lo.abs()));
            return Err(QuantizeError::TooWide { node, magnitude, fraction_bits: i32::MIN });
        }
        bounds[node.output.0] = own;
    }
    Ok(bounds)
}

/// Refuses features of which the file makes integers that would wrap.
fn leaves_integers(
    node: &Node,
    trees: &TreeEnsemble,
    features: &[(f64, f64)],
) -> Result<(), QuantizeError> {
    for row in features.chunks_exact(trees.features.max(1)) {
        for (feature, limit) in &trees.limits {
            let (lo, hi) = row[*feature];
            let ends = [trees.rounded(lo), trees.rounded(hi)];
            if !limit.holds_throughout(ends) {
                let value = if limit.holds(ends[0]) { hi } else { lo };
                return Err(QuantizeError::CastWraps { node: node.name.clone(), value });
            }
        }
    }
    Ok(())
}

/// The interval of two values; everything where the function is not defined.
fn between((a, b): (&f64, &f64)) -> (f64, f64) {
    match a.is_nan() || b.is_nan() {
        true => (f64::NEG_INFINITY, f64::INFINITY),
        false => (a.min(*b), a.max(*b)),
    }
}

fn node_bounds(node: &Node, bounds: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let inputs: Vec<&Vec<(f64, f64)>> = node.inputs.iter().map(|input| &bounds[input.0]).collect();
    match &node.op {
        Op::Linear(linear) => {
            let mut sums: Vec<(f64, f64)> = linear.bias.iter().map(|b| (*b, *b)).collect();
            for (map, x) in linear.maps.iter().zip(&inputs) {
                map.fold(x, &mut sums, |(lo, hi), w, x: (f64, f64)| {
                    let (at_lo, at_hi) = (w * x.0, w * x.1);
                    (lo + at_lo.min(at_hi), hi + at_lo.max(at_hi))
                });
            }
            sums
        }
        Op::Select(elements) => elements
            .iter()
            .map(|element| match *element {
                Element::Input { input, index } => inputs[input][index],
                Element::Constant(value) => (value, value),
            })
            .collect(),
        Op::Leading(leading) => {
            vec![(0.0, 1.0); leading.extremum.groups.iter().map(Vec::len).sum()]
        }
        Op::ArgExtremum(extremum) => {
            extremum.groups.iter().map(|group| (0.0, (group.len() - 1) as f64)).collect()
        }
        Op::Trees(trees) => trees.bounds(),
        Op::Product(product) => {
            let same = node.inputs.len() < 2 || node.inputs[0] == node.inputs[1];
            product.bounds(inputs[0], inputs.get(1).unwrap_or(&inputs[0]), same)
        }
        Op::Quotient(numbers) => {
            let of = |((a, b), (c, d)): (&(f64, f64), &(f64, f64))| {
                if *c <= 0.0 {
                    return (f64::NEG_INFINITY, f64::INFINITY);
                }
                let corners = [a / c, a / d, b / c, b / d];
                corners.into_iter().fold((f64::MAX, f64::MIN), |(lo, hi), x| (lo.min(x), hi.max(x)))
            };
            let divisors = inputs[inputs.len() - 1];
            match numbers {
                Some(numbers) => {
                    let numbers: Vec<_> = numbers.iter().map(|n| (*n, *n)).collect();
                    numbers.iter().zip(divisors).map(of).collect()
                }
                None => inputs[0].iter().zip(divisors).map(of).collect(),
            }
        }
        Op::Shares(shares) => shares.bounds(inputs[0]),
        // Rounding may have made a sum of squares negative.
        Op::Root => {
            inputs[0].iter().map(|(lo, hi)| (lo.max(0.0).sqrt(), hi.max(0.0).sqrt())).collect()
        }
        op @ (Op::Function(_) | Op::Extremum(_)) => {
            // Monotone between the ends, but for what bends in between.
            let end = |side: fn(&(f64, f64)) -> f64| {
                let x: Vec<f64> = inputs.iter().flat_map(|x| x.iter().map(side)).collect();
                evaluate(op, &[&x])
            };
            let (at_lo, at_hi) = (end(|x| x.0), end(|x| x.1));
            if let Op::Function(Function::Curve(curve)) = op {
                return inputs[0].iter().map(|(lo, hi)| curve.bounds(*lo, *hi)).collect();
            }
            let bends = matches!(op, Op::Function(Function::Abs | Function::LeakyRelu { .. }));
            let mut result: Vec<(f64, f64)> = at_lo.iter().zip(&at_hi).map(between).collect();
            if let Op::Function(Function::Impute { values }) = op {
                for ((lo, hi), value) in result.iter_mut().zip(values) {
                    (*lo, *hi) = (lo.min(*value), hi.max(*value));
                }
            }
            if bends {
                // They bend at 0.
                let at_zero = evaluate(op, &[&vec![0.0; inputs[0].len()]]);
                for ((bounds, x), at_zero) in result.iter_mut().zip(inputs[0]).zip(at_zero) {
                    if x.0 <= 0.0 && x.1 >= 0.0 {
                        *bounds = (bounds.0.min(at_zero), bounds.1.max(at_zero));
                    }
                }
            }
            result
        }
    }
}
