//! How far a run in float32 may be from the exact one.
//!
//! Every value gets a bound on its error, from those of what it is made of (Higham,
//! *Accuracy and Stability of Numerical Algorithms*, §3.1): a sum of n products is off by at
//! most `γ·Σ|w·x|` and what its operands' errors come to, `Σ|w|·e`. γ is n roundings; on
//! random samples a few times √n where that is less, as independent roundings add up. Where
//! all inputs stand at an end of their ranges, equal terms may be rounded the same way.

use crate::graph::{
    Element, Extremum, Function, Graph, Leading, Linear, Op, Product, Shares, TreeEnsemble,
    run::evaluate,
};

/// Half a unit of the last place of a float32 of 1.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;
/// Roundings of whatever is computed otherwise than here: weights joined, functions by
/// polynomials.
const OTHERWISE: f64 = 16.0;
/// How many times the bound two runs may be apart: one may join what the other does not.
const SAFETY: f64 = 4.0;
/// Near a moved threshold, relative to it, others may decide as they round what follows it.
const MOVED: f64 = 1e-5;

/// How far each element of every tensor may be from `values`, by tensor; infinite where
/// float32 does not determine it. `random`: whether roundings are independent.
pub(super) fn allowed(graph: &Graph, values: &[Vec<f64>], random: bool) -> Vec<Vec<f64>> {
    let mut errors: Vec<Vec<f64>> = vec![vec![]; graph.tensors.len()];
    for id in &graph.inputs {
        errors[id.0] = vec![0.0; values[id.0].len()];
    }
    for node in &graph.nodes {
        let x: Vec<&[f64]> = node.inputs.iter().map(|id| &*values[id.0]).collect();
        let e: Vec<&[f64]> = node.inputs.iter().map(|id| &*errors[id.0]).collect();
        let (first, own) = (x.first().copied().unwrap_or_default(), &values[node.output.0]);
        let first_error = e.first().copied().unwrap_or_default();
        let mut result = match &node.op {
            Op::Linear(map) => linear(map, &x, &e, random),
            Op::Function(map) => function(map, first, first_error, own),
            Op::Extremum(map) => extremum(map, first_error),
            Op::ArgExtremum(map) => position(map, first, first_error),
            Op::Leading(leading) => leading_ones(leading, first, first_error),
            Op::Select(elements) => select(elements, &e),
            Op::Trees(ensemble) => trees(ensemble, first, first_error),
            Op::Product(map) => {
                let second = (x.get(1).unwrap_or(&first), e.get(1).unwrap_or(&first_error));
                products(map, (first, first_error), (second.0, second.1))
            }
            Op::Quotient(numbers) => {
                let (b, f) = (x.last().unwrap_or(&first), e.last().unwrap_or(&first_error));
                let error = |at: usize| if numbers.is_some() { 0.0 } else { first_error[at] };
                let all = b.iter().zip(*f).zip(own).enumerate();
                all.map(|(at, ((b, f), q))| quotient((error(at), *b, *f), *q)).collect()
            }
            Op::Shares(shares) => shares_of(shares, first, first_error, own),
            Op::Root => {
                let all = first.iter().zip(first_error).zip(own);
                all.map(|((x, e), y)| root(*x, *e) + OTHERWISE * UNIT * y).collect()
            }
        };
        for (error, value) in result.iter_mut().zip(own) {
            if error.is_nan() || value.abs() + *error > f64::from(f32::MAX) / 4.0 {
                *error = f64::INFINITY;
            }
        }
        errors[node.output.0] = result;
    }
    for error in errors.iter_mut().flatten() {
        *error *= SAFETY;
    }
    errors
}

fn linear(linear: &Linear, x: &[&[f64]], e: &[&[f64]], random: bool) -> Vec<f64> {
    let count = linear.bias.len();
    let (mut sizes, mut errors) = (vec![0.0f64; count], vec![0.0f64; count]);
    let mut terms = vec![1.0f64; count];
    for ((map, x), e) in linear.maps.iter().zip(x).zip(e) {
        map.for_each_term(|row, column, weight| {
            if weight != 0.0 {
                sizes[row] += (weight * x[column]).abs();
                errors[row] += weight.abs() * e[column];
                terms[row] += 1.0;
            }
        });
    }
    let rows = sizes.iter().zip(&errors).zip(&terms).zip(&linear.bias);
    rows.map(|(((size, error), terms), bias)| {
        let independent = if random { 4.0 * terms.sqrt() } else { f64::INFINITY };
        let roundings = terms.min(independent) + OTHERWISE;
        // Products too small for float32 are lost.
        let lost = terms * f64::from(f32::MIN_POSITIVE);
        error + roundings * UNIT * (size + bias.abs()) + lost
    })
    .collect()
}

/// Errors of sums of products: of each factor's times the other factor, and roundings.
fn products(product: &Product, (a, e): (&[f64], &[f64]), (b, f): (&[f64], &[f64])) -> Vec<f64> {
    let row = |row: &[[usize; 2]]| {
        let (mut size, mut error) = (0.0f64, 0.0f64);
        for [i, j] in row {
            size += (a[*i] * b[*j]).abs();
            error += a[*i].abs() * f[*j] + b[*j].abs() * e[*i] + e[*i] * f[*j];
        }
        let terms = row.len() as f64 + 1.0;
        error + (terms + OTHERWISE) * UNIT * size + terms * f64::from(f32::MIN_POSITIVE)
    };
    product.rows().map(row).collect()
}

/// The error of a / b = q from those of a and b.
fn quotient((e, b, f): (f64, f64, f64), q: f64) -> f64 {
    let least = b.abs() - f;
    if least <= 0.0 {
        return f64::INFINITY;
    }
    (e + q.abs() * f) / least + OTHERWISE * UNIT * q.abs()
}

/// The errors of shares from those of what they are made of.
fn shares_of(shares: &Shares, x: &[f64], e: &[f64], own: &[f64]) -> Vec<f64> {
    let of = |((index, group), q): (&(usize, usize), &f64)| {
        let group = &shares.groups[*group];
        let sum: f64 = group.iter().map(|at| x[*at].abs()).sum();
        let error: f64 = group.iter().map(|at| e[*at]).sum();
        let error = error + (group.len() as f64 + OTHERWISE) * UNIT * sum;
        quotient((e[*index], sum, error), *q)
    };
    shares.of.iter().zip(own).map(of).collect()
}

/// The error of √x from that of x.
fn root(x: f64, e: f64) -> f64 {
    (x + e).sqrt() - (x - e).max(0.0).sqrt()
}

fn function(function: &Function, x: &[f64], e: &[f64], y: &[f64]) -> Vec<f64> {
    let at = |error: f64| {
        let moved: Vec<f64> = x.iter().zip(e).map(|(x, e)| x + error * e).collect();
        evaluate(&Op::Function(function.clone()), &[&moved])
    };
    if let Function::Staircase(_) = function {
        // Exact, unless a step is as near as two runs may be apart.
        let ends = at(-SAFETY).into_iter().zip(at(SAFETY));
        return ends.map(|(low, high)| if low == high { 0.0 } else { f64::INFINITY }).collect();
    }
    let (low, high) = (at(-1.0), at(1.0));
    // Straight pieces take a rounding at most; polynomials are off by roundings of 1.
    let exact = matches!(
        function,
        Function::Relu
            | Function::LeakyRelu { .. }
            | Function::Abs
            | Function::Clip { .. }
            | Function::Within { .. }
    );
    let own = if exact { 0.0 } else { 1.0 };
    let elements = low.iter().zip(&high).zip(y);
    elements
        .map(|((low, high), y)| {
            let moved = (low - y).abs().max((high - y).abs());
            moved + OTHERWISE * UNIT * y.abs().max(own)
        })
        .collect()
}

fn extremum(extremum: &Extremum, e: &[f64]) -> Vec<f64> {
    let group = |group: &Vec<usize>| group.iter().map(|at| e[*at]).fold(0.0, f64::max);
    extremum.groups.iter().map(group).collect()
}

/// Positions are exact where the extreme is clear, and anything where it is not.
fn position(extremum: &Extremum, x: &[f64], e: &[f64]) -> Vec<f64> {
    let sign = if extremum.minimum { -1.0 } else { 1.0 };
    let group = |group: &Vec<usize>| {
        let best = group.iter().copied().max_by(|a, b| (sign * x[*a]).total_cmp(&(sign * x[*b])));
        let Some(best) = best else { return f64::INFINITY };
        let clear = |at: &usize| {
            *at == best || sign * (x[best] - x[*at]) > SAFETY * (e[best] + e[*at]).max(0.0)
        };
        if group.iter().all(clear) { 0.0 } else { f64::INFINITY }
    };
    extremum.groups.iter().map(group).collect()
}

/// Chosen as here where nothing that is chosen is within rounding of what is not.
fn leading_ones(leading: &Leading, x: &[f64], e: &[f64]) -> Vec<f64> {
    let sign = if leading.extremum.minimum { -1.0 } else { 1.0 };
    let of = |group: &Vec<usize>| {
        let mut order = group.clone();
        order.sort_by(|a, b| (sign * x[*b]).total_cmp(&(sign * x[*a])));
        let (first, others) = order.split_at(leading.count.min(order.len()));
        let clear = |at: &usize, other: &usize| {
            sign * (x[*at] - x[*other]) > SAFETY * (e[*at] + e[*other]).max(0.0)
        };
        let all = first.iter().all(|at| others.iter().all(|other| clear(at, other)));
        std::iter::repeat_n(if all { 0.0 } else { f64::INFINITY }, group.len())
    };
    leading.extremum.groups.iter().flat_map(of).collect()
}

fn select(elements: &[Element], e: &[&[f64]]) -> Vec<f64> {
    let element = |element: &Element| match *element {
        Element::Input { input, index } => e[input][index],
        Element::Constant(value) => UNIT * value.abs(),
    };
    elements.iter().map(element).collect()
}

/// Scores are sums of a leaf a tree where every comparison is clear, and anything where a
/// feature is off by more than it is from what it is compared with.
fn trees(ensemble: &TreeEnsemble, x: &[f64], e: &[f64]) -> Vec<f64> {
    let weights = ensemble.leaves.iter().flat_map(|leaf| &leaf.weights);
    let leaf = weights.fold(0.0f64, |most, (_, weight)| most.max(weight.abs()));
    let count = ensemble.roots.len() as f64;
    let width = ensemble.features.max(1);
    let rows = x.chunks_exact(width).zip(e.chunks_exact(width));
    rows.flat_map(|(x, e)| {
        let clear = ensemble.branches.iter().all(|branch| {
            let (x, e) = (x[branch.feature], SAFETY * e[branch.feature]);
            // What follows a moved threshold rounds elsewhere as it likes.
            let e = if ensemble.moved { e + MOVED * x.abs() } else { e };
            e == 0.0 || branch.test.constants().iter().all(|t| (t - x).abs() > e + UNIT * t.abs())
        });
        let sum = |base: &f64| (count + OTHERWISE) * UNIT * (count * leaf + base.abs());
        let own = ensemble.base.iter().map(sum);
        own.map(move |bound| if clear { bound } else { f64::INFINITY }).collect::<Vec<_>>()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Branch, Child, ElementKind, Leaf, LinearMap, Node, Tensor, TensorId, Test};

    fn graph(ops: Vec<(Op, usize)>, inputs: usize) -> Graph {
        let tensor = |len| Tensor { name: "t".into(), dims: vec![len], kind: ElementKind::Real };
        let mut tensors = vec![tensor(inputs)];
        let mut nodes = vec![];
        for (index, (op, len)) in ops.into_iter().enumerate() {
            tensors.push(tensor(len));
            let output = TensorId(index + 1);
            nodes.push(Node { name: "n".into(), op, inputs: vec![TensorId(index)], output });
        }
        let outputs = vec![TensorId(nodes.len())];
        let (name, sha256) = ("g".into(), [0; 32]);
        let (inputs, vocabulary) = (vec![TensorId(0)], vec![]);
        Graph { name, sha256, tensors, nodes, inputs, outputs, vocabulary, names: vec![] }
    }

    fn last(graph: &Graph, x: &[f64]) -> Vec<f64> {
        let values = graph.run_all(&[x]).expect("runs");
        allowed(graph, &values, true).pop().expect("a tensor")
    }

    fn dense(inputs: usize, weights: Vec<f64>) -> (Op, usize) {
        let outputs = weights.len() / inputs;
        let maps = vec![LinearMap::Dense { positions: 1, inputs, outputs, weights }];
        (Op::Linear(Linear { maps, bias: vec![0.0; outputs] }), outputs)
    }

    #[test]
    fn what_cancels_may_be_off_by_roundings_of_what_was_added() {
        let sum = graph(vec![dense(2, vec![1.0, 1.0])], 2);
        let (small, large) = (last(&sum, &[1.0, -1.0])[0], last(&sum, &[1e6, -1e6])[0]);
        assert!(small > UNIT && small < 1e-4, "{small}");
        assert!((large / small / 1e6 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn errors_grow_with_the_weights_that_follow() {
        let (first, last_only) = (dense(1, vec![1.0]), dense(1, vec![1e3]));
        let both = graph(vec![first, last_only], 1);
        let direct = graph(vec![dense(1, vec![1e3])], 1);
        assert!(last(&both, &[1.0])[0] > 1.9 * last(&direct, &[1.0])[0]);
    }

    #[test]
    fn float32_errors_of_sums_stay_within_the_bound() {
        let count = 2000;
        let weights: Vec<f64> = (0..count).map(|i| f64::from((i as f32 * 0.7).sin())).collect();
        let x: Vec<f64> = (0..count).map(|i| f64::from((i as f32 * 1.3).cos())).collect();
        let exact: f64 = weights.iter().zip(&x).map(|(w, x)| w * x).sum();
        let float = weights.iter().zip(&x).fold(0.0f32, |s, (w, x)| s + *w as f32 * *x as f32);
        let bound = last(&graph(vec![dense(count, weights)], count), &x)[0];
        assert!((f64::from(float) - exact).abs() < bound && bound < 0.05, "{bound}");
    }

    #[test]
    fn equal_terms_that_are_all_rounded_up_stay_within_the_bound_of_corners() {
        // 1 and a bit more than half a unit of the last place of the sums, again and again.
        let count = 1 << 20;
        let x = vec![1.06f64; count].into_iter().map(|x| f64::from(x as f32)).collect::<Vec<_>>();
        let float = x.iter().fold(0.0f32, |sum, x| sum + *x as f32);
        let exact: f64 = x.iter().sum();
        let sum = graph(vec![dense(count, vec![1.0; count])], count);
        let values = sum.run_all(&[&x]).expect("runs");
        let bound = |random| allowed(&sum, &values, random).pop().expect("a tensor")[0];
        let error = (f64::from(float) - exact).abs();
        assert!(error < bound(false) && bound(true) < bound(false), "{error}");
    }

    #[test]
    fn a_position_is_exact_unless_the_extreme_is_nearly_met_twice() {
        let groups = vec![vec![0, 1, 2]];
        let arg = Op::ArgExtremum(Extremum { minimum: false, groups });
        let graph = graph(vec![dense(1, vec![1.0, 1.0 + 1e-9, 0.5]), (arg, 1)], 1);
        assert_eq!(last(&graph, &[1.0]), [f64::INFINITY]);
        assert_eq!(last(&graph, &[-1.0]), [0.0]);
    }

    #[test]
    fn scores_are_compared_where_every_decision_is_clear() {
        let leaf = |weight| Leaf { weights: vec![(0, weight)] };
        let trees = TreeEnsemble {
            positions: 1,
            features: 1,
            outputs: 1,
            double: false,
            branches: vec![Branch {
                feature: 0,
                test: Test::AtMost(3.0),
                holds: Child::Leaf(0),
                fails: Child::Leaf(1),
                missing_holds: false,
            }],
            leaves: vec![leaf(1.0), leaf(-2.0)],
            roots: vec![Child::Branch(0)],
            base: vec![0.5],
            ..TreeEnsemble::default()
        };
        let graph = graph(vec![dense(1, vec![3.0]), (Op::Trees(trees), 1)], 1);
        assert_eq!(last(&graph, &[1.0 + 1e-8]), [f64::INFINITY]);
        for clear in [0.9, 1.1] {
            let bound = last(&graph, &[clear])[0];
            assert!(bound > 0.0 && bound < 1e-4, "{bound}");
        }
    }

    #[test]
    fn what_float32_cannot_hold_is_not_compared() {
        let graph = graph(vec![dense(1, vec![1e30]), dense(1, vec![1e30])], 1);
        assert_eq!(last(&graph, &[1.0]), [f64::INFINITY]);
    }
}
