//! What the integers of a tensor stand for, and how far they are from the float model's values.

use super::{QuantizeError, Quantized};
use crate::graph::{Graph, TensorId};

/// What a tensor's integers stand for: element i of the integer X_i is units_i·X_i + offsets_i.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoding {
    /// The model's tensor whose values these are; none for what is the circuit's own, as
    /// differences and counts are.
    pub of: Option<TensorId>,
    /// The real value of one unit, by element; empty where integers stand for no number by
    /// themselves.
    pub units: Vec<f64>,
    /// The real value of 0, by element.
    pub offsets: Vec<f64>,
}

impl Encoding {
    /// The smallest and the largest unit; 1 where there is none.
    pub fn unit_range(&self) -> [f64; 2] {
        let wider = |[low, high]: [f64; 2], unit: &f64| [low.min(*unit), high.max(*unit)];
        match self.units.is_empty() {
            true => [1.0; 2],
            false => self.units.iter().fold([f64::INFINITY, 0.0], wider),
        }
    }

    /// The real values of integers.
    pub fn decode<'a>(&'a self, integers: &'a [i64]) -> impl Iterator<Item = f64> + 'a {
        let affine = self.units.iter().zip(&self.offsets);
        integers.iter().zip(affine).map(|(x, (unit, offset))| *x as f64 * unit + offset)
    }
}

/// How far the integers of a tensor were from the float model's values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LayerError {
    /// Elements compared.
    pub count: usize,
    /// The largest absolute difference.
    pub largest: f64,
    /// The sum of absolute differences.
    pub sum: f64,
    /// The largest absolute value that the float model has there.
    pub magnitude: f64,
}

impl LayerError {
    /// The mean absolute difference.
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl Quantized {
    /// Runs one input, the elements of all input tensors, and the float model on it too.
    /// Returns the outputs of both, theirs first, and adds to `layers`, one for each tensor of
    /// the integer graph, how far those that hold a tensor of the model are from it.
    ///
    /// # Errors
    /// An input that doesn't fit the schema or the model.
    pub fn compare_layers(
        &self,
        graph: &Graph,
        inputs: &[f64],
        layers: &mut [Option<LayerError>],
    ) -> Result<(Vec<f64>, Vec<f64>), QuantizeError> {
        let trace = self.graph.run(&self.input.encode(inputs)?)?;
        let float = graph.run_all(&graph.split(inputs))?;
        for ((encoding, integers), layer) in self.encodings.iter().zip(&trace.values).zip(layers) {
            let Some(theirs) = encoding.of.map(|tensor| &float[tensor.0]) else { continue };
            let layer = layer.get_or_insert_default();
            for (ours, theirs) in encoding.decode(integers).zip(theirs) {
                // What is missing is no number in either.
                if theirs.is_nan() {
                    continue;
                }
                let error = (ours - theirs).abs();
                layer.count += 1;
                layer.sum += error;
                layer.largest = layer.largest.max(error);
                layer.magnitude = layer.magnitude.max(theirs.abs());
            }
        }
        let theirs = graph.outputs.iter().flat_map(|output| &float[output.0]).copied();
        let ours = trace.outputs.iter().map(|word| self.output.decode(*word));
        Ok((theirs.collect(), ours.collect()))
    }
}
