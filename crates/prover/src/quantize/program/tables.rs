//! Functions of one variable by tables of straight segments.

use std::collections::HashMap;

use super::{Domain, Kind, Lowering, View};
use crate::{
    graph::{Curve, Function, Graph, LinearMap, Node, Op},
    quantize::{TABLE_TOLERANCE, compose::scaled},
};

type Interval = (f64, f64);

fn hull(a: Interval, b: Interval) -> Interval {
    (a.0.min(b.0), a.1.max(b.1))
}

fn all(bounds: &[Interval]) -> Interval {
    bounds.iter().copied().fold((f64::INFINITY, f64::NEG_INFINITY), hull)
}

/// Where a function of something within `bounds` is not as good as constant.
fn bent(curve: Curve, bounds: &[Interval]) -> Interval {
    let (lo, hi) = all(bounds);
    let (first, last) = curve.ends(TABLE_TOLERANCE);
    let from = lo.clamp(first, last);
    (from, hi.clamp(first, last).max(from))
}

/// What the table of each function's value, by its tensor, holds. Where the same function of several
/// nodes, as of a recurrent network's steps or of several layers, has domains that fit the same unit,
/// so that none of them is told less finely for it, all of them have the domain of all.
pub(super) fn domains(graph: &Graph, bounds: &[Vec<Interval>]) -> HashMap<usize, Domain> {
    // The unit is a power of two: the least for which the width has so many.
    let unit = |(from, to): Interval| ((to - from).max(1e-9) * 1.001).log2().ceil();
    let mut found: Vec<(Curve, usize, Domain)> = Vec::new();
    for node in &graph.nodes {
        if let Op::Function(Function::Curve(curve)) = &node.op {
            let arguments = bent(*curve, &bounds[node.inputs[0].0]);
            let values = all(&bounds[node.output.0]);
            found.push((*curve, node.output.0, Domain { arguments, values, shared: false }));
        }
    }
    let mut groups: Vec<(Curve, Domain, Vec<usize>)> = Vec::new();
    for (curve, output, own) in found {
        let fits = |(other, domain, _): &&mut (Curve, Domain, Vec<usize>)| {
            let both = hull(domain.arguments, own.arguments);
            let alike = unit(domain.arguments) == unit(own.arguments);
            *other == curve && alike && unit(both) == unit(own.arguments)
        };
        match groups.iter_mut().find(fits) {
            Some((_, domain, outputs)) => {
                domain.arguments = hull(domain.arguments, own.arguments);
                domain.values = hull(domain.values, own.values);
                domain.shared = true;
                outputs.push(output);
            }
            None => groups.push((curve, own, vec![output])),
        }
    }
    let of_group = |(_, domain, outputs): (Curve, Domain, Vec<usize>)| {
        outputs.into_iter().map(move |output| (output, domain))
    };
    groups.into_iter().flat_map(of_group).collect()
}

impl Lowering<'_> {
    /// A function of a node's input: an argument of its own, then what a table says of it.
    pub(super) fn table(&mut self, node: &Node, curve: Curve) -> View {
        let tensor = node.inputs[0];
        let bounds = &self.bounds[tensor.0];
        let len = bounds.len();
        let (lo, hi) = all(bounds);
        // Beyond its ends the function is as good as constant.
        let (from, to) = bent(curve, bounds);
        let own = Domain {
            arguments: (from, to),
            values: all(&self.bounds[node.output.0]),
            shared: false,
        };
        let domain = self.domains.get(&node.output.0).copied().unwrap_or(own);
        let mut view = self.view(tensor);
        let name = self.name(node, &view);
        if to < hi {
            // max(0, to − x), from which x follows where it is below the end.
            let below = negated(view, to);
            let bounds = vec![(0.0, (to - lo).max(0.0)); len];
            let step = self.add_bounded(&name, bounds, Kind::Relu(below));
            view = negated(View::identity(step, len), to);
        }
        let kind = Kind::Argument { view, arguments: domain.arguments };
        let source = self.add_bounded(&name, vec![(from, to); len], kind);
        let kind = Kind::Table { curve, source, argument: tensor, tensor: node.output, domain };
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
