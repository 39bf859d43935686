//! The float reference: what a graph computes, in f64.

mod extremum;
mod function;
mod leading;
mod linear;
mod select;

pub(crate) use self::linear::add;

use thiserror::Error;

use super::{Graph, GraphError, Op};

/// Why a graph could not be run.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// More or fewer vectors than the graph has inputs.
    #[error("input count mismatch: the model takes {expected} inputs, got {got}")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Vectors handed in.
        got: usize,
    },
    /// A vector has the wrong length.
    #[error("input {name} has {got} values, the model takes {expected}")]
    InputLength {
        /// The input.
        name: String,
        /// Values the input takes.
        expected: usize,
        /// Values handed in.
        got: usize,
    },
    /// A value is infinite.
    #[error("value {index} of input {name} is {value}: every value must be a finite number")]
    InputNotFinite {
        /// The input.
        name: String,
        /// Position in it, row-major.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// A missing value was computed with.
    #[error("output {name} is not a number for this input, a value of which is missing")]
    OutputMissing {
        /// The output.
        name: String,
    },
    /// An intermediate value overflowed.
    #[error(
        "value {index} after node {node} is not finite: the input is too large for this model, or \
         where that node is not defined; narrow the ranges"
    )]
    Overflow {
        /// The node.
        node: String,
        /// Position in its output.
        index: usize,
    },
    /// The graph is malformed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Graph {
    /// Runs the graph in f64 on the row-major elements of its inputs, NaN being a missing one;
    /// gives the elements of its outputs, both in the graph's order.
    ///
    /// # Errors
    /// Inputs that don't fit, a value that is not finite, or a malformed graph.
    pub fn run<V: AsRef<[f64]>>(&self, inputs: &[V]) -> Result<Vec<Vec<f64>>, RunError> {
        let values = self.run_all(inputs)?;
        Ok(self.outputs.iter().map(|id| values[id.0].clone()).collect())
    }

    /// As [`run`](Self::run), but gives every tensor's elements, by [`TensorId`](super::TensorId).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_all<V: AsRef<[f64]>>(&self, inputs: &[V]) -> Result<Vec<Vec<f64>>, RunError> {
        self.run_as(inputs, true)
    }

    /// As [`run_all`](Self::run_all). `rounded`: whether trees compare what the file's roundings
    /// make of their features, where that is not known to decide as the features themselves.
    pub(crate) fn run_as<V: AsRef<[f64]>>(
        &self,
        inputs: &[V],
        rounded: bool,
    ) -> Result<Vec<Vec<f64>>, RunError> {
        self.check_structure()?;
        if inputs.len() != self.inputs.len() {
            return Err(RunError::InputCount { expected: self.inputs.len(), got: inputs.len() });
        }
        let mut values = vec![vec![]; self.tensors.len()];
        for (id, input) in self.inputs.iter().zip(inputs) {
            let (tensor, input) = (&self.tensors[id.0], input.as_ref());
            if input.len() != tensor.len() {
                return Err(RunError::InputLength {
                    name: tensor.name.clone(),
                    expected: tensor.len(),
                    got: input.len(),
                });
            }
            let infinite = |(_, value): &(usize, &f64)| value.is_infinite();
            if let Some((index, &value)) = input.iter().enumerate().find(infinite) {
                let name = tensor.name.clone();
                return Err(RunError::InputNotFinite { name, index, value });
            }
            values[id.0] = input.to_vec();
        }
        let missing = values.iter().flatten().any(|value| value.is_nan());
        for node in &self.nodes {
            let operands: Vec<&[f64]> = node.inputs.iter().map(|id| &*values[id.0]).collect();
            let result = match &node.op {
                Op::Trees(trees) if rounded && trees.doubt.is_some() => {
                    let inputs: Vec<&[f64]> = self.inputs.iter().map(|id| &*values[id.0]).collect();
                    trees.run(
                        &trees.features(&inputs, operands.first().copied().unwrap_or_default()),
                    )
                }
                op => evaluate(op, &operands),
            };
            let overflows = |v: &f64| v.is_infinite() || v.is_nan() && !missing;
            if let Some(index) = result.iter().position(overflows) {
                return Err(RunError::Overflow { node: node.name.clone(), index });
            }
            values[node.output.0] = result;
        }
        let missed = self.outputs.iter().find(|id| values[id.0].iter().any(|v| v.is_nan()));
        match missed {
            Some(id) => Err(RunError::OutputMissing { name: self.tensors[id.0].name.clone() }),
            None => Ok(values),
        }
    }
}

/// What an operation that fits its operands computes of them.
pub(crate) fn evaluate(op: &Op, operands: &[&[f64]]) -> Vec<f64> {
    let first = operands.first().copied().unwrap_or_default();
    match op {
        Op::Linear(map) => linear::run(map, operands),
        Op::Function(function) => function::run(function, first),
        Op::Extremum(extremum) => extremum::values(extremum, first),
        Op::ArgExtremum(extremum) => extremum::positions(extremum, first),
        Op::Leading(leading) => leading::run(leading, first),
        Op::Select(elements) => select::run(elements, operands),
        Op::Trees(trees) => trees.run(first),
        Op::Product(product) => product.run(first, operands.get(1).copied().unwrap_or(first)),
        Op::Quotient(numbers) => {
            let divisors = operands.last().copied().unwrap_or_default();
            let numerators = numbers.as_deref().unwrap_or(first);
            numerators.iter().zip(divisors).map(|(a, b)| a / b).collect()
        }
        Op::Root => first.iter().map(|x| x.sqrt()).collect(),
        Op::Shares(shares) => shares.run(first),
    }
}
