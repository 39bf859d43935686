//! Functions of one variable by tables of straight segments.

use super::{Kind, Lowering, View};
use crate::{
    graph::{Curve, LinearMap, Node},
    quantize::{TABLE_TOLERANCE, compose::scaled},
};

impl Lowering<'_> {
    /// A function of a node's input: an argument of its own, then what a table says of it.
    pub(super) fn table(&mut self, node: &Node, curve: Curve) -> View {
        let tensor = node.inputs[0];
        let bounds = &self.bounds[tensor.0];
        let len = bounds.len();
        let all = |(lo, hi): (f64, f64), own: &(f64, f64)| (lo.min(own.0), hi.max(own.1));
        let (lo, hi) = bounds.iter().fold((f64::INFINITY, f64::NEG_INFINITY), all);
        // Beyond its ends the function is as good as constant.
        let (first, last) = curve.ends(TABLE_TOLERANCE);
        let from = lo.clamp(first, last);
        let to = hi.clamp(first, last).max(from);
        let mut view = self.view(tensor);
        let name = self.name(node, &view);
        if to < hi {
            // max(0, to − x), from which x follows where it is below the end.
            let below = negated(view, to);
            let bounds = vec![(0.0, (to - lo).max(0.0)); len];
            let step = self.add_bounded(&name, bounds, Kind::Relu(below));
            view = negated(View::identity(step, len), to);
        }
        let kind = Kind::Argument { view, low: from };
        let source = self.add_bounded(&name, vec![(from, to); len], kind);
        let kind = Kind::Table { curve, source, argument: tensor, tensor: node.output };
        let step = self.add_step(node.name.clone(), node.output, kind);
        View::identity(step, len)
    }

    fn add_bounded(&mut self, name: &str, bounds: Vec<(f64, f64)>, kind: Kind) -> usize {
        let step = self.add_helper(name, bounds.len(), kind);
        self.steps[step].bounds = bounds;
        step
    }
}

/// constant − view.
fn negated(view: View, constant: f64) -> View {
    let negative = |map: &LinearMap| scaled(map, -1.0);
    let mut parts = view.parts;
    parts.iter_mut().for_each(|part| part.map = negative(&part.map));
    View { parts, bias: view.bias.iter().map(|bias| constant - bias).collect() }
}
