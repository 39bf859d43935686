//! Functions of one variable by tables.

use super::{Emitter, MIN_FRACTION_BITS, Made, Meaning, exp2, integer};
use crate::{
    graph::Curve,
    integer::{CurveTable, Curves, IntegerOp, Interval, Segment, bits_of},
    quantize::{
        QuantizeError,
        program::{Domain, Step, View},
    },
};

impl Emitter<'_> {
    /// max(0, view − low), in the finest unit: what a table tells apart is in the highest bits.
    /// Segments begin at multiples of their width, so that a bend at 0 is between two. What is
    /// read may be too wide to be taken to that unit at once; then it is cut first, and taken there
    /// by a second rescale, which rounds nothing.
    pub(super) fn argument(
        &mut self,
        step: &Step,
        view: &View,
        (low, high): (f64, f64),
    ) -> Result<Made, QuantizeError> {
        let width = high - low;
        let largest = ((1u64 << self.value_bits) - (1 << self.offset_bits)) as f64 - 4.0;
        // Of a function of a constant there is nothing to tell apart.
        let finest = (largest / width.max(1e-9)).log2().floor() as i32;
        let segment = exp2(self.offset_bits as i32 - finest);
        let offset = (low / segment).floor() * segment;
        let mut bits = finest;
        let scaled = loop {
            let scaled = self.scale(&step.name, view, &vec![offset; step.len], exp2(bits));
            let excess = match &scaled {
                Ok(scaled) => self.excess(&scaled.bounds),
                // No more than is known to be too many.
                Err(QuantizeError::WeightTooLarge { .. }) => 1,
                Err(_) => 0,
            };
            if excess <= 0 || bits <= MIN_FRACTION_BITS {
                break scaled?;
            }
            bits = (bits - excess).max(MIN_FRACTION_BITS);
        };
        let mut tensor = self.push(&step.name, scaled);
        let highest = self.analysis.bounds(tensor).iter().map(|bounds| bounds.1).max();
        let spare = self.value_bits as i32 - bits_of((0, highest.unwrap_or(0))) as i32;
        let more = (finest - bits).min(spare).max(0);
        if more > 0 {
            let rows: Vec<_> = (0..step.len).map(|at| (vec![(tensor, at, 1)], 0)).collect();
            tensor =
                self.scaled_rows(&step.name, &rows, 1 << (self.graph.shift_bits as i32 + more));
            bits += more;
        }
        let meaning = Meaning::Affine {
            units: vec![exp2(-bits); step.len],
            offsets: vec![offset; step.len],
            middles: vec![-offset * exp2(bits); step.len],
        };
        Ok(Made { tensor, bits, meaning })
    }

    /// The function of an argument's elements.
    pub(super) fn table(
        &mut self,
        step: &Step,
        curve: Curve,
        source: usize,
        domain: &Domain,
    ) -> Result<Made, QuantizeError> {
        let made = &self.made[source];
        let Meaning::Affine { units, offsets, .. } = &made.meaning else {
            return Err(QuantizeError::Empty);
        };
        let (unit, start, input) = (units[0], offsets[0], made.tensor);
        let (lowest, highest) = domain.values;
        let width = highest - lowest;
        let mut bits = self.fraction_bits(step, made.bits, width)?;
        let values = self.analysis.bounds(input).to_vec();
        let all = |(lo, hi): (i128, i128), own: &(i128, i128)| (lo.min(own.0), hi.max(own.1));
        let (mut least, mut greatest) = values.iter().fold((i128::MAX, 0), all);
        if domain.shared {
            // Whole, so that it is the others' too: rounding takes nobody beyond the next segment.
            let segments = (domain.arguments.1 - start) / unit * exp2(-(self.offset_bits as i32));
            let last = (segments.ceil().max(0.0) as i128 + 1) << self.offset_bits;
            let most = (1i128 << self.value_bits) - 1;
            (least, greatest) = (least.min(0), greatest.max(last - 1).min(most));
        }
        let numbers = (least >> self.offset_bits) as u64..=(greatest >> self.offset_bits) as u64;
        let at = |number: u64| {
            let x = (number << self.offset_bits) as f64 * unit + start;
            x.clamp(domain.arguments.0, domain.arguments.1)
        };
        let one = 1i128 << self.graph.shift_bits;
        let half = 1i64 << (self.graph.shift_bits - 1);
        let (curves, bounds, offset) = loop {
            let mut offset = (lowest * exp2(bits)).floor() * exp2(-bits);
            let scale = exp2(bits) * one as f64;
            let per_offset = exp2(-(self.offset_bits as i32));
            let segment = |number: u64| {
                let (a, b) = (at(number), at(number + 1));
                let value = |x: f64| curve.value(x);
                let (left, right) = (value(a), value(b));
                // A chord is off by most in the middle, to one side: both ends share it.
                let shift = (value(0.5 * (a + b)) - 0.5 * (left + right)) / 2.0;
                let slope = integer(&step.name, (right - left) * scale * per_offset)?;
                // What rounding the slope takes at the end, half of it is given at the start.
                let lost = (right - left) * scale - slope as f64 / per_offset;
                let base = (left + shift - offset) * scale + lost / 2.0;
                Ok(Segment { base: integer(&step.name, base)?.saturating_add(half), slope })
            };
            let segments =
                numbers.clone().map(segment).collect::<Result<Vec<_>, QuantizeError>>()?;
            let table = CurveTable { first: *numbers.start(), segments };
            let (offset_bits, of) = (self.offset_bits, vec![0; step.len]);
            let mut curves = Curves { offset_bits, tables: vec![table], of };
            // Lifted by whole units until rounding cannot make one negative.
            let bounds = |curves: &Curves, values: &[Interval]| -> Vec<_> {
                let whole = Curves { of: vec![0; values.len()], ..curves.clone() };
                whole.bounds(values).into_iter().flatten().collect()
            };
            let held = if domain.shared { &[(least, greatest)][..] } else { &values };
            let least = bounds(&curves, held).iter().map(|z| z.0).min().unwrap_or(0).min(0);
            let lift = (-least + one - 1) / one;
            let by = i64::try_from(lift * one).unwrap_or(i64::MAX);
            let segments = curves.tables.iter_mut().flat_map(|table| &mut table.segments);
            segments.for_each(|segment| segment.base = segment.base.saturating_add(by));
            offset -= lift as f64 * exp2(-bits);
            let excess = self.excess(&bounds(&curves, held));
            if excess <= 0 || bits == MIN_FRACTION_BITS {
                let bounds = bounds(&curves, &values);
                break (curves, bounds, offset);
            }
            bits = (bits - excess).max(MIN_FRACTION_BITS);
        };
        Ok(self.plain(step, (IntegerOp::Curves(curves), vec![input]), &bounds, (bits, offset)))
    }
}
