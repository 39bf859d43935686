//! What is known of tensors while a graph is read, beside what makes them.

use super::{Node, Value};
use crate::{
    graph::{Curve, Function, Op, TensorId},
    onnx::builder::{ByLeaf, Chosen, Dequantized, Sorted},
};

impl Node<'_> {
    /// Whether a tensor's elements are meant cut off to integers, which they are not yet.
    pub(in crate::onnx) fn is_uncut(&self, value: &Value) -> bool {
        matches!(value, Value::Signal(signal) if self.builder.uncut.contains(&signal.id))
    }

    /// Whether a tensor was made of integers, as floats or not, or is of trees that add up
    /// integers; it is one of integers then.
    pub(in crate::onnx) fn is_whole(&mut self, tensor: TensorId) -> bool {
        /// How far back is looked through what only moves elements.
        const STEPS: usize = 4;
        self.is_whole_within(tensor, STEPS)
    }

    /// Notes the names, by their numbers, that an encoder of strings tells apart.
    pub(in crate::onnx) fn note_names(&mut self, made: &Value, names: &[f64]) {
        if let Value::Signal(signal) = made {
            let names = names.iter().map(|code| *code as usize).collect();
            self.builder.encoded.insert(signal.id, names);
        }
    }

    /// Notes what a tensor is at each leaf of the tree it is made of.
    pub(in crate::onnx) fn note_by_leaf(&mut self, tensor: TensorId, known: ByLeaf) {
        self.builder.by_leaf.insert(tensor, known);
    }

    /// What a tensor is at each leaf of the one tree that it is made of.
    pub(in crate::onnx) fn by_leaf(&self, tensor: TensorId) -> Option<&ByLeaf> {
        self.builder.by_leaf.get(&tensor)
    }

    /// Notes what a tensor stands for of chosen points.
    pub(in crate::onnx) fn note_chosen(&mut self, tensor: TensorId, chosen: Chosen) {
        self.builder.chosen.insert(tensor, chosen);
    }

    /// What a tensor stands for of chosen points.
    pub(in crate::onnx) fn chosen(&self, tensor: TensorId) -> Option<&Chosen> {
        self.builder.chosen.get(&tensor)
    }

    /// Notes what a tensor stands for of a row's elements in order.
    pub(in crate::onnx) fn note_sorted(&mut self, tensor: TensorId, sorted: Sorted) {
        self.builder.sorted.insert(tensor, sorted);
    }

    /// What a tensor stands for of a row's elements in order.
    pub(in crate::onnx) fn sorted(&self, tensor: TensorId) -> Option<&Sorted> {
        self.builder.sorted.get(&tensor)
    }

    /// Notes that the rows of a tensor rise as those of another.
    pub(in crate::onnx) fn note_ordered(&mut self, made: &Value, of: TensorId) {
        if let Value::Signal(signal) = made {
            self.builder.ordered.insert(signal.id, of);
        }
    }

    /// A tensor with the order of `tensor` in its rows, from before exponentials and softmax.
    pub(in crate::onnx) fn ordered_as(&self, mut tensor: TensorId) -> TensorId {
        loop {
            tensor = match (self.builder.ordered.get(&tensor), self.maker(tensor)) {
                (Some(other), _) => *other,
                (None, Some(maker)) if maker.op == Op::Function(Function::Curve(Curve::Exp)) => {
                    maker.inputs[0]
                }
                _ => return tensor,
            };
        }
    }

    /// Notes that a tensor's elements are meant cut off to integers.
    pub(in crate::onnx) fn note_uncut(&mut self, tensor: TensorId) {
        self.builder.uncut.insert(tensor);
    }

    /// Notes that a tensor is ln Σ exp of groups of another's elements.
    pub(in crate::onnx) fn note_log_sum(
        &mut self,
        made: TensorId,
        of: TensorId,
        groups: Vec<Vec<usize>>,
    ) {
        self.builder.log_sums.insert(made, (of, groups));
    }

    /// What a tensor is ln Σ exp of.
    pub(in crate::onnx) fn log_sum(&self, of: TensorId) -> Option<(TensorId, &[Vec<usize>])> {
        self.builder.log_sums.get(&of).map(|(x, groups)| (*x, groups.as_slice()))
    }

    /// Notes that a tensor's rows are probabilities.
    pub(in crate::onnx) fn note_normalized(&mut self, value: &Value) {
        if let Value::Signal(signal) = value {
            self.builder.normalized.insert(signal.id);
        }
    }

    /// Whether a tensor's rows are probabilities that add up to 1.
    pub(in crate::onnx) fn is_normalized(&self, value: &Value) -> bool {
        matches!(value, Value::Signal(signal) if self.builder.normalized.contains(&signal.id))
    }

    /// Notes what integers a tensor was dequantized from.
    pub(in crate::onnx) fn note_dequantized(&mut self, made: &Value, from: Dequantized) {
        if let Value::Signal(signal) = made {
            self.builder.dequantized.insert(signal.id, from);
        }
    }

    /// Notes the scales that its result, a constant, was dequantized by, several along an axis.
    pub(in crate::onnx) fn note_dequantized_constant(&mut self, scales: Vec<f64>, axis: usize) {
        if let Some(name) = self.proto.output.first() {
            self.builder.dequantized_constants.insert(name.clone(), (scales, axis));
        }
    }

    /// The scales that the constant of input `index` was dequantized by, and their axis.
    pub(in crate::onnx) fn dequantized_constant(&self, index: usize) -> Option<(&[f64], usize)> {
        let name = self.proto.input.get(index)?;
        let (scales, axis) = self.builder.dequantized_constants.get(name)?;
        Some((scales, *axis))
    }

    /// Notes that elements are integers times `units`, one or one an element.
    pub(in crate::onnx) fn note_sums(&mut self, made: &Value, units: Vec<f64>) {
        if let Value::Signal(signal) = made {
            self.builder.sums.insert(signal.id, units);
        }
    }

    /// The units whose whole multiples elements are, if that is known.
    pub(in crate::onnx) fn sums(&self, value: &Value) -> Option<&[f64]> {
        match value {
            Value::Signal(signal) => self.builder.sums.get(&signal.id).map(Vec::as_slice),
            Value::Const(_) => None,
        }
    }

    /// What integers a tensor was dequantized from.
    pub(in crate::onnx) fn dequantized(&self, value: &Value) -> Option<Dequantized> {
        match value {
            Value::Signal(signal) => self.builder.dequantized.get(&signal.id).copied(),
            Value::Const(_) => None,
        }
    }
}
