//! What a model that rounds to integers may be off by where its numbers stand next to halves:
//! inputs that are drawn, or corners, are seldom there.

use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{
    Functions, InputSchema, Precision, QuantizeError, Quantizer, Ranges, compare::Sample,
    sensitivity,
};
use crate::{
    graph::{Function, Graph, Op, Scale, Staircase, TensorId},
    shape::Shape,
};

/// Inputs that are moved next to halves.
const MOVED: usize = 16;
/// What of a step is next to its middle.
const BESIDE: f64 = 1e-3;

/// What rounding to integers may come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// What one step of one integer adds to an output, at most, on the inputs that were run.
    pub one: f64,
    /// The largest error on inputs whose elements stand next to halves, as far as they can be moved
    /// there; none where integers are of no input.
    pub halfway: Option<f64>,
    /// The largest error on the planner's own inputs, of the scores that labels are chosen by; none
    /// where outputs are no labels.
    pub scores: Option<f64>,
}

impl Steps {
    /// Of a model whose inputs are as `schema` has them, in circuits of `shape`; nothing of one that
    /// does not round.
    ///
    /// # Errors
    /// As [`Quantizer::new`] and [`Quantizer::quantize`].
    pub fn of(
        graph: &Graph,
        schema: &InputSchema,
        shape: &Shape,
        precision: &Precision,
    ) -> Result<Option<Self>, QuantizeError> {
        if !graph.rounds() {
            return Ok(None);
        }
        let grids = (0..schema.ranges.len()).map(|index| schema.grid(index)).collect();
        let ranges = &Ranges { input: schema.ranges.clone(), grids, private: vec![] };
        let scored = scores(graph);
        let own = scored.as_ref().unwrap_or(graph);
        let quantizer = Quantizer::suited(own, ranges, shape)?;
        let functions: Functions = quantizer.functions(precision);
        let quantized = quantizer.quantize(shape, &functions)?;
        let inputs: Vec<&[f64]> = quantizer.reference.some_inputs().collect();
        let values = inputs.iter().map(|inputs| own.run_all(&own.split(inputs)));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let most = sensitivity::largest(own, &values);
        let stairs = own.nodes.iter().filter(|node| is_staircase(&node.op));
        let one = stairs.map(|node| most[node.output.0]).fold(0.0, f64::max);
        // A slope may be steeper than what a whole step comes to, next to a root of 0.
        let one = one.min(2.0 * quantizer.magnitude());
        let mut halfway: Option<f64> = None;
        for inputs in halves(own, &quantizer.ranges) {
            let Sample { inputs, outputs, .. } = Sample::real(own, inputs)?;
            let ours = quantized.run(&inputs)?;
            let errors = ours.iter().zip(&outputs).map(|(ours, theirs)| (ours - theirs).abs());
            halfway = Some(errors.fold(halfway.unwrap_or(0.0), f64::max));
        }
        let scores = match scored {
            Some(_) => Some(quantizer.compare(&quantized)?.largest),
            None => None,
        };
        Ok(Some(Self { one, halfway, scores }))
    }
}

fn is_staircase(op: &Op) -> bool {
    matches!(op, Op::Function(Function::Staircase(_)))
}

/// The same graph with what labels are chosen by in their place; nothing where it has no labels.
fn scores(graph: &Graph) -> Option<Graph> {
    let compared = |output: &TensorId| {
        let mut at = *output;
        loop {
            let node = graph.nodes.iter().find(|node| node.output == at)?;
            match &node.op {
                Op::ArgExtremum(_) => return node.inputs.first().copied(),
                Op::Select(_) if node.inputs.len() == 1 => at = node.inputs[0],
                _ => return None,
            }
        }
    };
    let mut outputs: Vec<TensorId> = graph.outputs.iter().filter_map(compared).collect();
    outputs.dedup();
    let made = |id: &TensorId| graph.nodes.iter().any(|node| node.output == *id);
    if outputs.is_empty() || !outputs.iter().all(made) {
        return None;
    }
    let mut scored = Graph { outputs, ..graph.clone() };
    crate::graph::passes::drop_dead(&mut scored);
    Some(scored)
}

/// How an input's elements are brought to integers.
enum Width {
    /// In steps of this width.
    Of(f64),
    /// In 255 steps of the spread of all of them and 0.
    Spread,
}

/// Inputs within the ranges, as many elements of which as may stand next to a half.
fn halves(graph: &Graph, ranges: &Ranges) -> Vec<Vec<f64>> {
    let mut widths: Vec<Option<Width>> = graph.inputs.iter().map(|_| None).collect();
    for node in &graph.nodes {
        let Op::Function(Function::Staircase(Staircase { scale, .. })) = &node.op else { continue };
        let Some((input, shares)) = source(graph, node.inputs[0]) else { continue };
        widths[input] = match (scale, shares) {
            (_, true) => Some(Width::Spread),
            (Scale::Divide(widths), false) => widths.first().map(|width| Width::Of(*width)),
            _ => continue,
        };
    }
    if widths.iter().all(Option::is_none) {
        return Vec::new();
    }
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1330);
    let drawn = ranges.samples(MOVED);
    let moved = |mut sample: Vec<f64>| {
        let mut first = 0;
        for (id, width) in graph.inputs.iter().zip(&widths) {
            let len = graph.tensors[id.0].len();
            let own = first..first + len;
            first += len;
            let Some(width) = width else { continue };
            let ends = ranges.input[own.clone()].iter();
            let (lo, hi) = ends.fold((0.0f64, 0.0f64), |(lo, hi), [a, b]| (lo.min(*a), hi.max(*b)));
            let width = match width {
                Width::Of(width) => *width,
                Width::Spread => (hi - lo) / 255.0,
            };
            for index in own.clone() {
                let [lo, hi] = ranges.input[index];
                let beside = 0.5 + rng.gen_range(-BESIDE..=BESIDE);
                let half = ((sample[index] / width).floor() + beside) * width;
                // Two elements are the ends of the spread.
                let value = match index - own.start {
                    0 => lo,
                    1 => hi,
                    _ => half,
                };
                sample[index] = ranges.snap(index, value.clamp(lo, hi)).clamp(lo, hi);
            }
        }
        sample
    };
    drawn.into_iter().map(moved).collect()
}

/// The input that a tensor has its elements from, and whether as shares of a spread.
fn source(graph: &Graph, tensor: TensorId) -> Option<(usize, bool)> {
    let (mut at, mut shares) = (tensor, false);
    loop {
        if let Some(input) = graph.inputs.iter().position(|input| *input == at) {
            return Some((input, shares));
        }
        let node = graph.nodes.iter().find(|node| node.output == at)?;
        match &node.op {
            Op::Shares(_) => shares = true,
            Op::Select(_) | Op::Function(Function::Clip { .. } | Function::Within { .. }) => {}
            _ => return None,
        }
        at = *node.inputs.first()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{ElementKind, Extremum, Linear, LinearMap, Node, Tensor},
        plan::{Plan, PlanOptions},
    };

    /// y = 0.5·round(x / 0.1)·0.1, of five elements, or the place of its greatest.
    fn graph(label: bool) -> Graph {
        let tensor = |name: &str, len| Tensor {
            name: name.into(),
            dims: vec![len],
            kind: ElementKind::Real,
        };
        let node = |at: usize, op| Node {
            name: format!("n{at}"),
            op,
            inputs: vec![TensorId(at)],
            output: TensorId(at + 1),
        };
        let stairs = Staircase::quantizing(Scale::Divide(vec![0.1]), vec![0.0], (-128.0, 127.0));
        let maps = vec![LinearMap::Diagonal(vec![0.05; 5])];
        let mut nodes = vec![
            node(0, Op::Function(Function::Staircase(stairs))),
            node(1, Op::Linear(Linear { maps, bias: vec![0.0; 5] })),
        ];
        let mut tensors = vec![tensor("x", 5), tensor("q", 5), tensor("y", 5)];
        if label {
            let groups = vec![(0..5).collect()];
            nodes.push(node(2, Op::ArgExtremum(Extremum { minimum: false, groups })));
            tensors.push(Tensor { kind: ElementKind::Integer, ..tensor("label", 1) });
        }
        Graph {
            name: "steps".into(),
            sha256: [0; 32],
            outputs: vec![TensorId(tensors.len() - 1)],
            tensors,
            nodes,
            inputs: vec![TensorId(0)],
            vocabulary: vec![],
            names: vec![],
        }
    }

    #[test]
    fn a_step_and_errors_next_to_halves_are_measured_of_scores_too() {
        for label in [false, true] {
            let (graph, ranges) = (graph(label), Ranges::uniform(5, -2.0, 2.0));
            let plan = Plan::new(&graph, &ranges, &PlanOptions::default()).expect("it fits");
            let steps = Steps::of(&graph, &plan.quantized.input, &plan.shape, &plan.precision);
            let steps = steps.expect("it runs").expect("it rounds");
            assert!((steps.one - 0.05).abs() < 1e-9, "{steps:?}");
            assert!(steps.halfway.is_some_and(|error| error < 0.0501), "{steps:?}");
            assert_eq!(steps.scores.is_some(), label);
        }
    }
}
