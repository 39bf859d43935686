//! What a file compares, where that is not known to be what is compared here.

use super::{Function, Graph, Op, TensorId, TreeEnsemble, run};

/// Why an ensemble's features may not be what the file compares: they are made of several
/// elements, or by functions that runtimes approximate, so that how they are rounded decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// The nodes that make them.
    pub behind: Vec<String>,
    /// The features as the file makes them.
    pub single: Option<Single>,
    /// The two elements, of all inputs', of which each feature is the difference, if all are so and
    /// compared with 0: which of them is greater is what is asked.
    pub(crate) differences: Vec<[usize; 2]>,
}

/// A part of a file, every operation rounded to the file's own type.
#[derive(Debug, Clone, PartialEq)]
pub struct Single {
    graph: Graph,
    /// By tensor: whether it is not of float32.
    wide: Vec<bool>,
}

impl Single {
    /// Of a graph as it was read, before anything is joined, and its one output; `wide` tells of
    /// each tensor whether it is of something else than float32.
    pub(crate) fn new(graph: Graph, wide: Vec<bool>) -> Self {
        Self { graph, wide }
    }

    /// The output's elements, for those of the inputs.
    fn run(&self, inputs: &[&[f64]]) -> Vec<f64> {
        let mut values = vec![vec![]; self.graph.tensors.len()];
        let round = |id: usize, mut own: Vec<f64>| {
            if !self.wide[id] {
                own.iter_mut().for_each(|value| *value = f64::from(*value as f32));
            }
            own
        };
        for (id, input) in self.graph.inputs.iter().zip(inputs) {
            values[id.0] = round(id.0, input.to_vec());
        }
        for node in &self.graph.nodes {
            let operands: Vec<&[f64]> = node.inputs.iter().map(|id| &*values[id.0]).collect();
            // Of ensembles among them, the features have been rounded already.
            let result = run::evaluate(&node.op, &operands);
            values[node.output.0] = round(node.output.0, result);
        }
        let output = self.graph.outputs.first();
        output.map(|id| std::mem::take(&mut values[id.0])).unwrap_or_default()
    }
}

impl TreeEnsemble {
    /// The features as the file makes them, if these may be others.
    pub(crate) fn single_features(&self, inputs: &[&[f64]]) -> Option<Vec<f64>> {
        Some(self.doubt.as_ref()?.single.as_ref()?.run(inputs))
    }

    /// The features that the file compares, for the elements of the graph's inputs and the
    /// features that are computed without rounding.
    pub(crate) fn features(&self, inputs: &[&[f64]], x: &[f64]) -> Vec<f64> {
        let Some(own) = self.single_features(inputs) else { return x.to_vec() };
        // What float32 does not hold is left as it is.
        let known = |(own, x): (&f64, &f64)| if own.is_finite() { *own } else { *x };
        match own.len() == x.len() {
            true => own.iter().zip(x).map(known).collect(),
            false => x.to_vec(),
        }
    }
}

impl Graph {
    /// Whether the model rounds numbers to integers itself, as quantized ones do.
    pub fn rounds(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.op, Op::Function(Function::Staircase(_))))
    }

    /// Whether it rounds shares of a spread, as DynamicQuantizeLinear does: of those that are exactly
    /// halfway between two integers the rounding of float32 decides.
    pub fn rounds_shares(&self) -> bool {
        let shares =
            |id| self.nodes.iter().any(|n| n.output == id && matches!(n.op, Op::Shares(_)));
        self.nodes.iter().any(|node| {
            matches!(node.op, Op::Function(Function::Staircase(_))) && shares(node.inputs[0])
        })
    }

    /// Whether it rounds to integers what the circuit has rounded already: what is multiplied, divided
    /// or a curve's, and inputs on no grid, of whose elements `on_grid` is asked. Shares of a spread
    /// are told apart, by [`Self::rounds_shares`].
    pub fn rounds_again(&self, on_grid: impl Fn(usize) -> bool) -> bool {
        let mut exact = vec![false; self.tensors.len()];
        let mut first = 0;
        for id in &self.inputs {
            let len = self.tensors[id.0].len();
            exact[id.0] = (first..first + len).all(&on_grid);
            first += len;
        }
        let (mut shares, mut again) = (vec![false; self.tensors.len()], false);
        for node in &self.nodes {
            let of = node.inputs.iter().all(|id| exact[id.0]);
            exact[node.output.0] = match &node.op {
                Op::Function(Function::Staircase(_)) => {
                    again |= !of && !shares[node.inputs[0].0];
                    true
                }
                Op::ArgExtremum(_) | Op::Leading(_) => true,
                Op::Function(Function::Curve(_)) => false,
                Op::Linear(_) | Op::Select(_) | Op::Extremum(_) | Op::Function(_) => of,
                _ => false,
            };
            shares[node.output.0] = matches!(node.op, Op::Shares(_));
        }
        again
    }

    /// The nodes behind which comparisons of trees are not known to be the file's; none if all
    /// are.
    pub fn doubts(&self) -> Vec<String> {
        self.doubts_but(|_, _| false)
    }

    /// Those that are not settled.
    ///
    /// `settled` is asked of each with the tensor that is compared.
    pub(crate) fn doubts_but(&self, settled: impl Fn(&Doubt, TensorId) -> bool) -> Vec<String> {
        let trees = self.nodes.iter().filter_map(|node| match &node.op {
            Op::Trees(trees) => Some((trees.doubt.as_deref()?, node.inputs[0])),
            _ => None,
        });
        let open = trees.filter(|(doubt, compared)| !settled(doubt, *compared));
        let mut behind: Vec<String> = open.flat_map(|(doubt, _)| doubt.behind.clone()).collect();
        behind.sort();
        behind.dedup();
        behind
    }
}
