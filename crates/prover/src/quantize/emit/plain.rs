//! Nodes whose operation rescales by itself.

use super::{Emitter, Made, Meaning, exp2};
use crate::{
    graph::TensorId,
    integer::{IntegerNode, IntegerOp},
    quantize::program::Step,
};

impl Emitter<'_> {
    /// Adds the node of a step whose elements stand for `offset` and so many units of 2^−bits
    /// more.
    pub(super) fn plain(
        &mut self,
        step: &Step,
        (op, inputs): (IntegerOp, Vec<TensorId>),
        bounds: &[(i128, i128)],
        (bits, offset): (i32, f64),
    ) -> Made {
        let tensor = self.tensor(&step.name, step.len);
        self.analysis.add_plain(tensor, bounds);
        self.graph.nodes.push(IntegerNode { name: step.name.clone(), op, inputs, output: tensor });
        let meaning = Meaning::Affine {
            units: vec![exp2(-bits); step.len],
            offsets: vec![offset; step.len],
            // A real 0, so that the error is in proportion to the real value.
            middles: vec![-offset * exp2(bits); step.len],
        };
        Made { tensor, bits, meaning }
    }
}
