//! Maxima over windows.

use super::{Emitter, MIN_FRACTION_BITS, Made, Scaled, exp2};
use crate::{
    integer::{IntegerOp, Maxima},
    quantize::{
        QuantizeError,
        program::{Step, View},
    },
};

impl Emitter<'_> {
    /// The maximum of a view over each window: max(0, ·) where `cut`, else shifted by as much as
    /// the lowest needs. Of whole numbers in the unit 1.
    pub(super) fn maxima(
        &mut self,
        step: &Step,
        view: &View,
        windows: &[Vec<usize>],
        (cut, whole): (bool, bool),
    ) -> Result<Made, QuantizeError> {
        let lowest = step.bounds.iter().map(|(lo, _)| *lo).fold(f64::MAX, f64::min);
        let lowest = if cut { 0.0 } else { lowest };
        let magnitude = step.bounds.iter().map(|(_, hi)| hi - lowest).fold(0.0, f64::max);
        let mut bits = match whole {
            true => 0,
            false => self.fraction_bits(step, self.read_bits(view), magnitude)?,
        };
        let (inputs, made, bounds, offset) = loop {
            // On the grid, so that 0 is.
            let mut offset = (lowest * exp2(bits)).floor() * exp2(-bits);
            let offsets = vec![offset; view.bias.len()];
            let Scaled { inputs, mut linear, bounds: mut z } =
                self.scale(&step.name, view, &offsets, exp2(bits))?;
            let mut made = Maxima { linear: linear.clone(), windows: windows.to_vec() };
            if !cut {
                // Lifted by whole units until rounding cannot make one negative.
                let least = made.bounds(&z).iter().map(|bounds| bounds.0).min().unwrap_or(0);
                let one = 1i128 << self.graph.shift_bits;
                let units = (-least.min(0)).div_euclid(one) + i128::from(least < 0);
                let by = units.saturating_mul(one);
                for (bounds, bias) in z.iter_mut().zip(&mut linear.bias) {
                    *bounds = (bounds.0.saturating_add(by), bounds.1.saturating_add(by));
                    *bias = bias.saturating_add(i64::try_from(by).unwrap_or(i64::MAX));
                }
                offset -= units as f64 * exp2(-bits);
                made.linear = linear;
            }
            let excess = self.excess_of(step, &z).max(self.excess(&made.gaps(&z)));
            if excess <= 0 || bits <= MIN_FRACTION_BITS {
                let bounds = made.bounds(&z);
                break (inputs, made, bounds, offset);
            }
            bits = (bits - excess).max(MIN_FRACTION_BITS);
        };
        let made = self.plain(step, (IntegerOp::Maxima(made), inputs), &bounds, (bits, offset));
        // Nothing is lost by reading whole numbers, however fine their reader's unit is.
        Ok(if whole { Made { bits: self.value_bits as i32, ..made } } else { made })
    }
}
