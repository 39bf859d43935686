//! How much the outputs depend on a tensor's elements, and decisions on what they are made of.

use crate::graph::{Element, Extremum, Function, Graph, Op, TensorId, run::evaluate};

/// Most outputs that are followed back.
const MAX_OUTPUTS: usize = 16;

/// For every sample and output, Σ |∂output/∂element| over each tensor's elements; the largest
/// by tensor. `values` holds every tensor's elements, by sample.
pub(super) fn gains(graph: &Graph, values: &[Vec<Vec<f64>>]) -> Vec<f64> {
    measured(graph, values, |gradient| gradient.iter().map(|g| g.abs()).sum())
}

/// For every sample and output, the greatest |∂output/∂element| of each tensor's elements; the
/// largest by tensor.
pub(super) fn largest(graph: &Graph, values: &[Vec<Vec<f64>>]) -> Vec<f64> {
    measured(graph, values, |gradient| gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs())))
}

fn measured(graph: &Graph, values: &[Vec<Vec<f64>>], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut gains = vec![0.0f64; graph.tensors.len()];
    let outputs: Vec<(TensorId, usize)> = graph
        .outputs
        .iter()
        .flat_map(|tensor| (0..graph.tensors[tensor.0].len()).map(|index| (*tensor, index)))
        .collect();
    let step = outputs.len().div_ceil(MAX_OUTPUTS).max(1);
    for values in values {
        for (tensor, index) in outputs.iter().step_by(step) {
            let mut gradients: Vec<Vec<f64>> = values.iter().map(|v| vec![0.0; v.len()]).collect();
            gradients[tensor.0][*index] = 1.0;
            for node in graph.nodes.iter().rev() {
                let own = std::mem::take(&mut gradients[node.output.0]);
                if own.iter().any(|g| *g != 0.0) {
                    for (position, input) in node.inputs.iter().enumerate() {
                        let x = &values[input.0];
                        // The other factor or operand, where there are two.
                        let other = node.inputs.get(1 - position.min(1)).unwrap_or(input);
                        let (other, input) = (&values[other.0], &mut gradients[input.0]);
                        match &node.op {
                            Op::Product(_) | Op::Quotient(_) | Op::Root => {
                                let single = node.inputs.len() == 1;
                                back_product(&node.op, (position, single), [x, other], &own, input);
                            }
                            op => back(op, position, x, &own, input),
                        }
                    }
                }
                gradients[node.output.0] = own;
            }
            for (gain, gradient) in gains.iter_mut().zip(&gradients) {
                *gain = gain.max(of(gradient));
            }
        }
    }
    gains
}

/// The same for operations of two values: x and the other of the two. Of a `single` input both
/// factors are x.
fn back_product(
    op: &Op,
    (position, single): (usize, bool),
    [x, other]: [&[f64]; 2],
    output: &[f64],
    input: &mut [f64],
) {
    match op {
        Op::Product(product) => {
            for (row, output) in product.rows().zip(output) {
                for [i, j] in row {
                    if single || position == 0 {
                        input[*i] += output * other[*j];
                    }
                    if single {
                        input[*j] += output * x[*i];
                    } else if position == 1 {
                        input[*j] += output * other[*i];
                    }
                }
            }
        }
        Op::Quotient(numbers) => {
            for (index, output) in output.iter().enumerate() {
                let x = x[index];
                let over = numbers.as_ref().map_or(other[index], |numbers| numbers[index]);
                let slope = match position == 0 && !single {
                    true => 1.0 / over,
                    false => -over / (x * x),
                };
                input[index] += output * slope;
            }
        }
        _ => {
            let slope = |x: f64| 0.5 / x.sqrt().max(1e-6);
            let all = input.iter_mut().zip(x).zip(output);
            all.for_each(|((input, x), output)| *input += output * slope(*x));
        }
    }
}

/// Adds what an operation's output gradient gives its input number `position`, x.
fn back(op: &Op, position: usize, x: &[f64], output: &[f64], input: &mut [f64]) {
    match op {
        Op::Linear(linear) => {
            linear.maps[position].for_each_term(|o, i, w| input[i] += w * output[o]);
        }
        Op::Function(function) => {
            for (index, (x, output)) in x.iter().zip(output).enumerate() {
                input[index] += output * slope(function, index, *x);
            }
        }
        Op::Extremum(extremum) => {
            let Extremum { minimum, groups } = extremum;
            for (group, output) in groups.iter().zip(output) {
                let values: Vec<f64> = group.iter().map(|index| x[*index]).collect();
                let groups = vec![(0..values.len()).collect()];
                let arg = Op::ArgExtremum(Extremum { minimum: *minimum, groups });
                let at = evaluate(&arg, &[&values]).first().map_or(0, |at| *at as usize);
                input[group[at]] += output;
            }
        }
        // A step has no slope, but what it decides about has to be as close as an output.
        Op::ArgExtremum(extremum) => {
            // Each a little different: what one vote takes from another would cancel.
            let share = |at: usize| 1.0 + (at as f64 * 0.618).fract();
            for (group, output) in extremum.groups.iter().zip(output) {
                let own = group.iter().enumerate();
                own.for_each(|(at, index)| input[*index] += output.abs() * share(at));
            }
        }
        Op::Leading(leading) => {
            let mut own = output.iter();
            for group in &leading.extremum.groups {
                let most = own.by_ref().take(group.len()).fold(0.0f64, |m, g| m.max(g.abs()));
                group.iter().for_each(|index| input[*index] += most);
            }
        }
        Op::Trees(trees) => {
            let rows = input.chunks_exact_mut(trees.features.max(1));
            for (row, output) in rows.zip(output.chunks_exact(trees.outputs.max(1))) {
                let largest = output.iter().fold(0.0f64, |most, g| most.max(g.abs()));
                let mut compared = vec![false; row.len()];
                trees.branches.iter().for_each(|branch| compared[branch.feature] = true);
                for (gradient, _) in row.iter_mut().zip(compared).filter(|(_, yes)| *yes) {
                    *gradient += largest;
                }
            }
        }
        Op::Product(_) | Op::Quotient(_) | Op::Root => {}
        Op::Shares(shares) => shares.back(x, output, input),
        Op::Select(elements) => {
            for (element, output) in elements.iter().zip(output) {
                match element {
                    Element::Input { input: from, index } if *from == position => {
                        input[*index] += output;
                    }
                    _ => {}
                }
            }
        }
    }
}

fn slope(function: &Function, index: usize, x: f64) -> f64 {
    let step = |inside: bool| if inside { 1.0 } else { 0.0 };
    match function {
        Function::Relu => step(x > 0.0),
        Function::LeakyRelu { slopes } => {
            let slope = slopes.get(index).or(slopes.first()).copied().unwrap_or(0.0);
            if x < 0.0 { slope } else { 1.0 }
        }
        Function::Impute { .. } | Function::Within { .. } => 1.0,
        Function::Abs => x.signum(),
        Function::Clip { low, high } => step(x > *low && x < *high),
        Function::Curve(curve) => curve.slope(x),
        Function::Staircase(stairs) => stairs.slope(index, x),
    }
}
