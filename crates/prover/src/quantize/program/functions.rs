//! Functions of one variable as sums of ReLUs.

use super::{Kind, Lowering, Part, View};
use crate::graph::{Function, LinearMap, Node};

impl Lowering<'_> {
    pub(super) fn function(&mut self, node: &Node, function: &Function) -> View {
        let tensor = node.inputs[0];
        let len = self.bounds[tensor.0].len();
        match function {
            Function::Relu => self.relu(node),
            Function::LeakyRelu { slopes } => {
                let slope = |index: usize| slopes.get(index).or(slopes.first()).map_or(0.0, |s| *s);
                let slopes: Vec<f64> = (0..len).map(slope).collect();
                let bends = slopes.iter().map(|slope| 1.0 - slope).collect();
                self.bent(node, slopes, &[(0.0, bends)], 0.0)
            }
            Function::Abs => self.bent(node, vec![-1.0; len], &[(0.0, vec![2.0; len])], 0.0),
            Function::Clip { low, high } if *low == f64::NEG_INFINITY => {
                let bends = [(*high, vec![-1.0; len])];
                self.bent(node, vec![1.0; len], &bends[..usize::from(high.is_finite())], 0.0)
            }
            Function::Clip { low: 0.0, high } => {
                // What is cut at 0 needs no shift, so the ReLU itself is what is bent.
                let view = self.view(tensor);
                let name = self.name(node, &view);
                let relu = self.add_step(name, node.output, Kind::Relu(view));
                let bounds = &self.bounds[tensor.0];
                let cut = |(lo, hi): &(f64, f64)| (lo.max(0.0), hi.max(0.0));
                self.steps[relu].bounds = bounds.iter().map(cut).collect();
                self.steps[relu].of = None;
                let bends = [(*high, vec![-1.0; len])];
                let bends = &bends[..usize::from(high.is_finite())];
                self.bend(node, relu, vec![1.0; len], bends, 0.0)
            }
            Function::Clip { low, high } => {
                let bends = [(*low, vec![1.0; len]), (*high, vec![-1.0; len])];
                let bends = &bends[..1 + usize::from(high.is_finite())];
                self.bent(node, vec![0.0; len], bends, *low)
            }
            Function::Within { .. } => self.view(tensor),
            Function::Impute { values } => self.impute(node, values),
            Function::Staircase(stairs) => self.staircase(node, stairs),
            Function::Curve(curve) => {
                if self.arguments.tables {
                    return self.table(node, *curve);
                }
                let (source, argument) = (self.argument(node), tensor);
                let kind = Kind::Curve { curve: *curve, source, argument, tensor: node.output };
                let step = self.add_step(node.name.clone(), node.output, kind);
                View::identity(step, len)
            }
        }
    }

    /// A step that holds what a node is a function of. Inputs have units much finer than
    /// anything that reads them, which would leave slopes few bits: they are rounded first.
    fn argument(&mut self, node: &Node) -> usize {
        let tensor = node.inputs[0];
        let view = self.views[tensor.0].as_ref();
        let name = view.map_or_else(|| node.name.clone(), |view| self.name(node, view));
        let step = self.materialise(&name, tensor, false);
        if !matches!(self.steps[step].kind, Kind::Input { .. }) {
            return step;
        }
        let len = self.steps[step].len;
        let kind = Kind::Shifted { view: View::identity(step, len), uniform: false };
        self.add_step(name, tensor, kind)
    }

    /// slopes·x + constant + Σ bend·max(0, x − at).
    fn bent(
        &mut self,
        node: &Node,
        slopes: Vec<f64>,
        bends: &[(f64, Vec<f64>)],
        constant: f64,
    ) -> View {
        let source = self.argument(node);
        self.bend(node, source, slopes, bends, constant)
    }

    pub(super) fn bend(
        &mut self,
        node: &Node,
        source: usize,
        slopes: Vec<f64>,
        bends: &[(f64, Vec<f64>)],
        constant: f64,
    ) -> View {
        let len = slopes.len();
        let mut bias = vec![constant; len];
        let mut parts = Vec::new();
        if slopes.iter().any(|slope| *slope != 0.0) {
            parts.push(Part { step: source, map: LinearMap::Diagonal(slopes), raw: false });
        }
        for (at, bends) in bends {
            let bounds = &self.steps[source].bounds;
            if bounds.iter().all(|(_, hi)| at >= hi) {
                continue;
            }
            // Outside its range the value has no bend: left of it, a constant is left.
            let within: Vec<f64> = bounds.iter().map(|(lo, hi)| at.max(*lo).min(*hi)).collect();
            for ((bias, bend), (within, (lo, _))) in
                bias.iter_mut().zip(bends).zip(within.iter().zip(bounds))
            {
                if at < lo {
                    *bias += bend * (within - at);
                }
            }
            let kind = Kind::Kink { source, at: within };
            let step = self.add_helper(&node.name, len, kind);
            parts.push(Part { step, map: LinearMap::Diagonal(bends.clone()), raw: false });
        }
        View { parts, bias }
    }
}
