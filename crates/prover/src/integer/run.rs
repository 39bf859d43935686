//! The run of an integer graph.

use super::{IntegerError, IntegerGraph, IntegerNode, IntegerOp, products};
use crate::graph::Linear;

/// Everything one run computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// z of every element made, then of what checks them, by node; empty for nodes that only
    /// name elements again.
    pub accumulators: Vec<Vec<i64>>,
    /// How far each z of a window is below the greatest, window by window, of all nodes of
    /// maxima, one after the other.
    pub gaps: Vec<i64>,
    /// Every tensor's elements, by tensor.
    pub values: Vec<Vec<i64>>,
    /// The elements of all outputs, one output after the other.
    pub outputs: Vec<i64>,
}

impl IntegerGraph {
    /// Runs the graph on the elements of all inputs, one input after the other. Call
    /// [`IntegerGraph::validate`] first: a valid graph cannot overflow here.
    ///
    /// # Errors
    /// A wrong number of inputs, or one outside [0, 2^input_bits).
    pub fn run(&self, inputs: &[i64]) -> Result<Trace, IntegerError> {
        let expected = self.input_len();
        if inputs.len() != expected {
            return Err(IntegerError::InputLength { expected, got: inputs.len() });
        }
        let bits = self.input_bits;
        let outside = |value: &i64| *value < 0 || value.checked_shr(bits).unwrap_or(0) != 0;
        if let Some(index) = inputs.iter().position(outside) {
            return Err(IntegerError::InputRange { index, value: inputs[index], bits });
        }
        let mut values = vec![Vec::new(); self.tensors.len()];
        let mut rest = inputs;
        for tensor in &self.inputs {
            let (own, others) = rest.split_at(self.len(*tensor));
            values[tensor.0] = own.to_vec();
            rest = others;
        }
        let mut accumulators = Vec::with_capacity(self.nodes.len());
        let mut gaps = Vec::new();
        let rescale = |z: &i64| (z >> self.shift_bits).max(0);
        let shift = self.shift_bits;
        for node in &self.nodes {
            let element = |at: &super::Selected| values[node.inputs[at.input].0][at.index];
            let (z, x) = match &node.op {
                IntegerOp::Linear(linear) => {
                    let z = sums(linear, node, &values);
                    let x = z.iter().map(rescale).collect();
                    (z, x)
                }
                IntegerOp::Maxima(maxima) => {
                    let (z, own) = maxima.run(&sums(&maxima.linear, node, &values));
                    gaps.extend(own);
                    let x = z.iter().map(rescale).collect();
                    (z, x)
                }
                IntegerOp::Trees(trees) => {
                    let z = trees.run(|at| element(at));
                    let x = z.iter().map(rescale).collect();
                    (z, x)
                }
                IntegerOp::Curves(curves) => {
                    let z = curves.run(&values[node.inputs[0].0]);
                    let x = z.iter().map(rescale).collect();
                    (z, x)
                }
                IntegerOp::Select(elements) => (Vec::new(), elements.iter().map(element).collect()),
                IntegerOp::Products(pairs) => {
                    let made = products::products(shift, pairs, element);
                    (made.accumulators, made.values)
                }
                IntegerOp::Quotients(divisions) => {
                    let made = products::quotients(shift, divisions, element);
                    (made.accumulators, made.values)
                }
                IntegerOp::Roots(radicands) => {
                    let made = products::roots(shift, radicands, element);
                    (made.accumulators, made.values)
                }
            };
            accumulators.push(z);
            values[node.output.0] = x;
        }
        let outputs = self.outputs.iter().flat_map(|tensor| &values[tensor.0]).copied().collect();
        Ok(Trace { accumulators, gaps, values, outputs })
    }
}

/// Σ M_i·x_i + c. Intermediate sums may wrap; the result does not, since the intervals bound
/// it, and addition modulo 2^64 is associative.
fn sums(linear: &Linear<i64>, node: &IntegerNode, values: &[Vec<i64>]) -> Vec<i64> {
    let mut z = linear.bias.clone();
    for (map, input) in linear.maps.iter().zip(&node.inputs) {
        map.fold(&values[input.0], &mut z, |z, w, x: i64| z.wrapping_add(w.wrapping_mul(x)));
    }
    z
}
