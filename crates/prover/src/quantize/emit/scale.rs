//! Views in integers.

use super::{Emitter, Meaning, Part, Scaled, View, integer};
use crate::{
    graph::{Linear, LinearMap, SparseRows},
    quantize::QuantizeError,
};

impl Emitter<'_> {
    /// A view in integers: outputs in units of 1/scale, shifted by `offsets`.
    pub(super) fn scale(
        &self,
        node: &str,
        view: &View,
        offsets: &[f64],
        scale: f64,
    ) -> Result<Scaled, QuantizeError> {
        let half = 1i64 << (self.graph.shift_bits - 1);
        let scale = scale * (1u64 << self.graph.shift_bits) as f64;
        let mut constants: Vec<f64> =
            view.bias.iter().zip(offsets).map(|(bias, offset)| (bias - offset) * scale).collect();
        let (mut inputs, mut maps) = (Vec::new(), Vec::new());
        for part in &view.parts {
            if let Meaning::Products(factors) = &self.made[part.step].meaning {
                let own = self.scale_products(node, part, factors, scale, &mut constants)?;
                let (tensors, own): (Vec<_>, Vec<_>) = own.into_iter().unzip();
                inputs.extend(tensors);
                maps.extend(own);
                continue;
            }
            inputs.push(self.made[part.step].tensor);
            maps.push(self.scale_part(node, part, scale, &mut constants)?);
        }
        if maps.is_empty() {
            inputs.extend(self.graph.inputs.first());
            maps.push(LinearMap::Sparse(SparseRows::from_rows(vec![[]; offsets.len()])));
        }
        let bias = constants
            .into_iter()
            .map(|constant| Ok(integer(node, constant)? + half))
            .collect::<Result<Vec<i64>, QuantizeError>>()?;
        let linear = Linear { maps, bias };
        let bounds = self.analysis.linear(&inputs, &linear);
        Ok(Scaled { inputs, linear, bounds })
    }

    fn scale_part(
        &self,
        node: &str,
        part: &Part,
        scale: f64,
        constants: &mut [f64],
    ) -> Result<LinearMap<i64>, QuantizeError> {
        match &self.made[part.step].meaning {
            Meaning::Affine { .. } if part.raw => part.map.try_map(|_, w| integer(node, w * scale)),
            Meaning::Affine { units, offsets, middles } => {
                let shifted = |(offset, middle): (&f64, &f64)| *offset != 0.0 || *middle != 0.0;
                if offsets.iter().zip(middles).any(shifted) {
                    part.map.for_each_term(|o, i, w| {
                        let exact = w * units[i] * scale;
                        constants[o] +=
                            w * offsets[i] * scale + (exact - exact.round()) * middles[i];
                    });
                }
                part.map.try_map(|i, w| integer(node, w * units[i] * scale))
            }
            Meaning::Products(_) => Err(QuantizeError::Empty),
            Meaning::Functions(functions) => {
                let mut rows = SparseRows { starts: vec![0], terms: Vec::new() };
                for (row, constant) in constants.iter_mut().enumerate() {
                    let mut error = None;
                    part.map.for_each_in_row(row, |index, w| {
                        let function = &functions[index];
                        // Rounding the slopes, not their differences, keeps the function
                        // flat where it is flat.
                        let mut before = 0;
                        for (knot, slope) in function.slopes.iter().enumerate() {
                            match integer(node, w * slope * function.unit * scale) {
                                Ok(after) => {
                                    rows.terms.push((function.first + knot, after - before));
                                    before = after;
                                }
                                Err(e) => error = Some(e),
                            }
                        }
                        *constant += w * function.constant * scale;
                    });
                    if let Some(error) = error {
                        return Err(error);
                    }
                    rows.starts.push(rows.terms.len());
                }
                Ok(LinearMap::Sparse(rows))
            }
        }
    }
}
