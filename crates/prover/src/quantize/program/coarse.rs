//! Inputs rounded once more before weights of what is multiplied read them.
//!
//! An input has all bits that a value can have, an operand of a product few: a weight that takes
//! one to the other in one rescale would have next to no bits itself. Between the two a rounded copy
//! of the input stands, in a unit that leaves the weights theirs (`Emitter::caps`), and amounts
//! next to shares are brought to one magnitude.

use super::{
    Kind, Part, Program, Step, View,
    products::{WIDE_OPERAND, factor_of, largest, narrowed},
};
use crate::{
    graph::LinearMap,
    quantize::compose::{compose, selection},
};

impl Program {
    /// Puts rounded copies of inputs before the operands that read them with weights.
    pub(super) fn round_inputs(&mut self) {
        let count = self.steps.len();
        let bounds: Vec<Option<Vec<(f64, f64)>>> =
            (0..count).map(|step| self.bounds_of_input(step)).collect();
        let mut steps = Vec::with_capacity(count);
        // By step its place, then by step that of its rounded copies: what sums read with weights may
        // be coarser than what is divided.
        let mut places = vec![usize::MAX; 3 * count];
        for (index, mut step) in std::mem::take(&mut self.steps).into_iter().enumerate() {
            // One unit for elements of several tensors is a weight of its own.
            let uniform = matches!(step.kind, Kind::Shifted { uniform: true, .. });
            let view = match &mut step.kind {
                Kind::Relu(view) | Kind::Shifted { view, .. } | Kind::Maxima { view, .. } => {
                    Some(view)
                }
                _ => None,
            };
            let read = view.filter(|_| !step.ranked).map(|view| &mut view.parts);
            for part in read.into_iter().flatten() {
                let Some(bounds) = &bounds[part.step] else { continue };
                // What is only named again has no weights to lose.
                if selection(&part.map).is_some() && !uniform {
                    continue;
                }
                let factors = factors(bounds);
                // Who adds amounts to products of them reads them as these do.
                let copied = factors.is_some() && places[part.step + count] != usize::MAX;
                if step.operand.is_none() && !copied {
                    continue;
                }
                if let Some(factors) = &factors {
                    let back = factors.iter().map(|factor| factor.recip()).collect();
                    let back = LinearMap::Diagonal(back);
                    // Positions that share weights and have other ranges read the input itself.
                    let Some(map) = compose(&part.map, &back, bounds.len()) else { continue };
                    part.map = map;
                }
                let source = places[part.step];
                part.step += if uniform { 2 * count } else { count };
                if places[part.step] == usize::MAX {
                    let (name, len) = (step.name.clone(), bounds.len());
                    let factors = factors.unwrap_or_else(|| vec![1.0; len]);
                    let bounds = narrowed(bounds, &factors);
                    let own = Part { step: source, map: LinearMap::Diagonal(factors), raw: false };
                    let view = View { parts: vec![own], bias: vec![0.0; len] };
                    let kind = Kind::Shifted { view, uniform: false };
                    places[part.step] = steps.len();
                    steps.push(Step { bounds, ..Step::new(name, len, kind) });
                }
            }
            step.kind.sources_mut().into_iter().for_each(|source| *source = places[*source]);
            places[index] = steps.len();
            steps.push(step);
        }
        self.steps = steps;
        let outputs = self.outputs.iter_mut().flat_map(|output| &mut output.view.parts);
        outputs.for_each(|part| part.step = places[part.step]);
    }

    /// The bounds of an input, or of elements of inputs alone.
    fn bounds_of_input(&self, step: usize) -> Option<Vec<(f64, f64)>> {
        let is_input = |step: usize| matches!(self.steps[step].kind, Kind::Input { .. });
        match &self.steps[step].kind {
            Kind::Input { .. } => Some(self.steps[step].bounds.clone()),
            Kind::Select(elements) => elements
                .iter()
                .map(|(step, index)| is_input(*step).then(|| self.steps[*step].bounds[*index]))
                .collect(),
            _ => None,
        }
    }
}

/// Powers of two that bring inputs of wide ranges to one magnitude, so that an amount leaves a
/// share beside it its bits.
fn factors(bounds: &[(f64, f64)]) -> Option<Vec<f64>> {
    let largest = bounds.iter().map(largest);
    let wide = largest.clone().any(|largest| largest > WIDE_OPERAND);
    wide.then(|| largest.map(factor_of).collect())
}
