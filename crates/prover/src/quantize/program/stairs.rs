//! Numbers made whole: one rescale, and a ReLU where they saturate above.

use super::{Kind, Lowering, View};
use crate::graph::{Node, Staircase};

impl Lowering<'_> {
    pub(super) fn staircase(&mut self, node: &Node, stairs: &Staircase) -> View {
        let tensor = node.inputs[0];
        let bounds = self.bounds[tensor.0].clone();
        let view = self.view(tensor);
        let (name, len) = (self.name(node, &view), view.len());
        // Bounded below by being a rescaled value; bounded above by what is taken off it.
        let open = Staircase { high: f64::INFINITY, ..stairs.clone() };
        let ends = bounds.iter().enumerate().map(|(index, (lo, hi))| {
            (open.value(index, *lo), open.value(index, *hi).max(stairs.low.min(stairs.high)))
        });
        let ends: Vec<(f64, f64)> = ends.collect();
        let exact = view.parts.iter().all(|part| !part.raw && self.is_exact(part.step));
        let saturates = ends.iter().any(|(_, hi)| *hi > stairs.high);
        let kind = Kind::Staircase { view, stairs: stairs.clone(), exact };
        let step = self.add_step(name, node.output, kind);
        self.steps[step].bounds = ends;
        match saturates {
            true => self.bend(node, step, vec![1.0; len], &[(stairs.high, vec![-1.0; len])], 0.0),
            false => View::identity(step, len),
        }
    }

    /// Whether a step's integers are what the model computes, without rounding.
    fn is_exact(&self, step: usize) -> bool {
        match &self.steps[step].kind {
            Kind::Input { first } => {
                let mut all = *first..*first + self.steps[step].len;
                all.all(|index| self.ranges.grid(index).is_some())
            }
            Kind::Exact { .. } | Kind::Decisions { .. } | Kind::Staircase { .. } => true,
            Kind::Kink { source, .. } => self.is_exact(*source),
            Kind::Select(elements) => {
                let mut steps: Vec<usize> = elements.iter().map(|(step, _)| *step).collect();
                steps.dedup();
                steps.into_iter().all(|step| self.is_exact(step))
            }
            _ => false,
        }
    }
}
