//! Shares of sums of absolute values as steps.

use super::{
    Kind, Lowering, View,
    products::{WIDE_OPERAND, factor_of, largest},
};
use crate::graph::{Node, Shares};

impl Lowering<'_> {
    /// Shares of a step of one unit, whose elements leave room for the sums.
    pub(super) fn shares(&mut self, node: &Node, shares: &Shares) -> View {
        let tensor = node.inputs[0];
        let most = self.bounds[tensor.0].iter().map(largest).fold(0.0, f64::max);
        let (source, elements) = match self.named(node) {
            Some(named) => named,
            None if most > WIDE_OPERAND => {
                // Shares of values times a power of two are the same.
                let len = self.bounds[tensor.0].len();
                let step = self.scaled_step(&node.name, tensor, &vec![factor_of(most); len]);
                if let Kind::Shifted { uniform, .. } = &mut self.steps[step].kind {
                    *uniform = true;
                }
                (step, (0..len).collect())
            }
            None => {
                let view = self.views[tensor.0].take();
                let view = view.unwrap_or_else(|| View { parts: Vec::new(), bias: Vec::new() });
                let len = view.len();
                let name = self.name(node, &view);
                let step = self.add_step(name, tensor, Kind::Shifted { view, uniform: true });
                (step, (0..len).collect())
            }
        };
        let most = shares.groups.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let fewer = (most as f64).log2().ceil() as i32 + 1;
        let own = &mut self.steps[source].operand;
        *own = Some(own.unwrap_or(0).max(fewer));
        let place = |index: &usize| elements[*index];
        let groups = shares.groups.iter().map(|group| group.iter().map(place).collect());
        let of = shares.of.iter().map(|(index, group)| (elements[*index], *group));
        let kind = Kind::Shares { source, groups: groups.collect(), of: of.collect() };
        let step = self.add_step(node.name.clone(), node.output, kind);
        View::identity(step, shares.of.len())
    }

    /// The step of one unit, on whose grid 0 is, that a node's input only names elements of.
    fn named(&self, node: &Node) -> Option<(usize, Vec<usize>)> {
        let view = self.views[node.inputs[0].0].as_ref()?;
        let [part] = &view.parts[..] else { return None };
        let (factor, elements) = super::selection(&part.map)?;
        let exact = |first: usize| {
            let grid = |index: usize| self.ranges.grid(index);
            (first..first + self.steps[part.step].len)
                .all(|index| grid(index).is_some_and(|grid| grid.exact && !grid.missing))
        };
        let suits = match &self.steps[part.step].kind {
            Kind::Input { first } => exact(*first),
            Kind::Relu(_)
            | Kind::Shifted { uniform: true, .. }
            | Kind::Quotients(_)
            | Kind::Roots(_)
            | Kind::Shares { .. } => true,
            _ => false,
        };
        let plain = factor == 1.0 && !part.raw && view.bias.iter().all(|bias| *bias == 0.0);
        (suits && plain && self.is_uniform(part.step)).then_some((part.step, elements))
    }
}
