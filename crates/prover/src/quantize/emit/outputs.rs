//! A model's outputs.

use super::{DEFAULT_DECIMALS, Emitter, MAX_OUTPUT_DECIMALS, Scaled};
use crate::{
    graph::Graph,
    quantize::{OutputSchema, QuantizeError, program::Output, schema::OutputTensor},
};

impl Emitter<'_> {
    /// The outputs' nodes in units of 10^−decimals, and what their words count from.
    fn scale_outputs(
        &self,
        outputs: &[Output],
        positive: bool,
        lowest: f64,
        decimals: u32,
    ) -> Result<(i64, Vec<Scaled>), QuantizeError> {
        let scale = 10f64.powi(decimals as i32);
        let mut min = (lowest * scale).floor() as i64;
        let mut scaled = Vec::with_capacity(outputs.len());
        for output in outputs {
            let offsets = vec![min as f64 / scale; output.bounds.len()];
            scaled.push(self.scale(&output.name, &output.view, &offsets, scale)?);
        }
        if !positive {
            // All lifted by as much as the lowest needs.
            let one = 1i128 << self.graph.shift_bits;
            let lowest = scaled.iter().flat_map(|s| &s.bounds).map(|b| b.0).min().unwrap_or(0);
            let shift = (-lowest.min(0)).div_euclid(one) + i128::from(lowest < 0);
            let by = shift.saturating_mul(one);
            for scaled in &mut scaled {
                for (bounds, bias) in scaled.bounds.iter_mut().zip(&mut scaled.linear.bias) {
                    *bounds = (bounds.0.saturating_add(by), bounds.1.saturating_add(by));
                    *bias = bias.saturating_add(i64::try_from(by).unwrap_or(i64::MAX));
                }
            }
            min = min.saturating_sub(i64::try_from(shift).unwrap_or(i64::MAX));
        }
        Ok((min, scaled))
    }

    /// The outputs, in units of 10^−decimals. Positive ones count from 0.
    pub(super) fn outputs(
        &mut self,
        outputs: &[Output],
        model: &Graph,
        decimals: Option<u32>,
    ) -> Result<OutputSchema, QuantizeError> {
        let positive = outputs.iter().all(|output| output.positive);
        let bounds = || outputs.iter().flat_map(|output| &output.bounds);
        let lowest = if positive { 0.0 } else { bounds().map(|b| b.0).fold(f64::MAX, f64::min) };
        let magnitude = bounds().map(|(_, hi)| hi - lowest).fold(0.0, f64::max);
        let largest = ((1u64 << self.value_bits) - 4) as f64;
        let fits = |decimals: u32| {
            decimals <= MAX_OUTPUT_DECIMALS && magnitude * 10f64.powi(decimals as i32) < largest
        };
        let chosen = match decimals {
            Some(decimals) if fits(decimals) => decimals,
            Some(decimals) => return Err(QuantizeError::Decimals { magnitude, decimals }),
            None if crate::quantize::integers_only(model) && fits(0) => 0,
            None => (0..=DEFAULT_DECIMALS)
                .rev()
                .find(|decimals| fits(*decimals))
                .ok_or(QuantizeError::Decimals { magnitude, decimals: 0 })?,
        };
        // Bounds of integers may be wider than those of what they stand for.
        let mut fewer = chosen;
        let (decimals, min, scaled) = loop {
            let (min, scaled) = self.scale_outputs(outputs, positive, lowest, fewer)?;
            let excess = scaled.iter().map(|scaled| self.excess(&scaled.bounds)).max();
            if excess <= Some(0) || decimals.is_some() || fewer == 0 {
                break (fewer, min, scaled);
            }
            fewer -= 1;
        };
        let mut largest = 0;
        for (output, scaled) in outputs.iter().zip(scaled) {
            let highest = scaled.bounds.iter().map(|(_, hi)| *hi).max().unwrap_or(0);
            largest = largest.max((highest >> self.graph.shift_bits).max(0));
            let tensor = self.push(&output.name, scaled);
            self.graph.outputs.push(tensor);
        }
        let tensors: Vec<OutputTensor> = model
            .outputs
            .iter()
            .map(|tensor| &model.tensors[tensor.0])
            .map(|tensor| OutputTensor { name: tensor.name.clone(), dims: tensor.dims.clone() })
            .collect();
        let max = i64::try_from(largest).unwrap_or(i64::MAX).saturating_add(min);
        let count = outputs.iter().map(|output| output.bounds.len()).sum();
        Ok(OutputSchema { tensors, count, decimals, min, max })
    }
}
