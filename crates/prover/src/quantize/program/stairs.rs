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
            true => {
                self.steps[step].of = None;
                self.bend(node, step, vec![1.0; len], &[(stairs.high, vec![-1.0; len])], 0.0)
            }
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
            Kind::Select(elements) => steps_of(elements).into_iter().all(|s| self.is_exact(s)),
            Kind::Relu(view) | Kind::Shifted { view, .. } | Kind::Maxima { view, .. } => {
                self.is_whole(view)
            }
            _ => false,
        }
    }

    /// Whether a view is of whole numbers only, which a rescale to parts of one keeps.
    pub(super) fn is_whole(&self, view: &View) -> bool {
        let whole = |number: f64| number.fract() == 0.0;
        view.bias.iter().all(|bias| whole(*bias))
            && view
                .parts
                .iter()
                .all(|part| !part.raw && self.counts(part.step) && part.map.values().all(whole))
    }

    /// Whether a step's elements are whole numbers.
    fn counts(&self, step: usize) -> bool {
        match &self.steps[step].kind {
            Kind::Input { first } => {
                let mut all = *first..*first + self.steps[step].len;
                all.all(|index| self.ranges.grid(index).is_some_and(|grid| grid.decimals == 0))
            }
            Kind::Exact { like: None, .. } | Kind::Decisions { .. } | Kind::Staircase { .. } => {
                true
            }
            Kind::Kink { source, at } => {
                at.iter().all(|at| at.fract() == 0.0) && self.counts(*source)
            }
            Kind::Select(elements) => steps_of(elements).into_iter().all(|s| self.counts(s)),
            Kind::Relu(view) | Kind::Shifted { view, .. } | Kind::Maxima { view, .. } => {
                self.is_whole(view)
            }
            _ => false,
        }
    }
}

fn steps_of(elements: &[(usize, usize)]) -> Vec<usize> {
    let mut steps: Vec<usize> = elements.iter().map(|(step, _)| *step).collect();
    steps.dedup();
    steps
}
