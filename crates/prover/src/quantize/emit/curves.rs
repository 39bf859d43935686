//! Functions of one variable as ReLUs at their knots.

use super::{Emitter, Knots, MAX_KNOTS, Made, Meaning, Scaled, integer};
use crate::{
    graph::{Linear, LinearMap, SparseRows},
    quantize::{QuantizeError, program::Step, pwl::PiecewiseLinear},
};

impl Emitter<'_> {
    pub(super) fn curves(
        &mut self,
        step: &Step,
        source: usize,
        fitted: &[PiecewiseLinear],
    ) -> Result<Made, QuantizeError> {
        let Meaning::Affine { units, offsets, .. } = &self.made[source].meaning else {
            return Err(QuantizeError::Empty);
        };
        // Counted before any is placed.
        let knots =
            fitted.iter().map(|fitted| fitted.points().len()).fold(0, usize::saturating_add);
        if knots > MAX_KNOTS {
            let node = step.name.clone();
            return Err(QuantizeError::TooManyKnots { node, functions: step.len, knots });
        }
        let one = 1i64 << self.graph.shift_bits;
        let mut functions = Vec::with_capacity(step.len);
        let mut rows = SparseRows { starts: vec![0], terms: Vec::new() };
        let mut bias = Vec::new();
        for (index, (fitted, (unit, offset))) in
            fitted.iter().zip(units.iter().zip(offsets)).enumerate()
        {
            let real = |x: i64| x as f64 * unit + offset;
            let mut at: Vec<i64> =
                fitted.points().iter().map(|(x, _)| ((x - offset) / unit).round() as i64).collect();
            at.dedup();
            let points = at.iter().map(|at| (real(*at), fitted.evaluate(real(*at)))).collect();
            let Some(snapped) = PiecewiseLinear::from_points(points) else {
                return Err(QuantizeError::Empty);
            };
            functions.push(Knots {
                first: bias.len(),
                slopes: snapped.slopes(),
                constant: snapped.points()[0].1,
                unit: *unit,
            });
            for at in at {
                rows.terms.push((index, one));
                rows.starts.push(rows.terms.len());
                bias.push(integer(&step.name, -(at as f64) * one as f64)?);
            }
        }
        let linear = Linear { maps: vec![LinearMap::Sparse(rows)], bias };
        let (inputs, bits) = (vec![self.made[source].tensor], self.made[source].bits);
        let bounds = self.analysis.linear(&inputs, &linear);
        let tensor = self.push(&step.name, Scaled { inputs, linear, bounds });
        Ok(Made { tensor, bits, meaning: Meaning::Functions(functions) })
    }
}
