//! Builds an integer network layer by layer.

use super::{
    QuantizeError,
    pwl::{PiecewiseLinear, sigmoid},
    schema::{InputSchema, OutputSchema},
};
use crate::{
    model::Affine,
    network::{Layer, Network},
    shape::Shape,
};

/// Coarsest useful unit: 2^−8.
const MIN_FRACTION_BITS: i32 = 8;
/// Most decimals chosen without being asked.
const DEFAULT_DECIMALS: u32 = 6;
/// Most entries of a layer of knots.
const MAX_KNOT_WEIGHTS: usize = 1 << 26;

/// What the integers of the last layer stand for.
enum Meaning {
    /// X_i = unit_i·x_i + offset_i. At x_i = middle_i, rounding of a weight is
    /// compensated in the bias.
    Affine { units: Vec<f64>, offsets: Vec<f64>, middles: Vec<f64> },
    /// X_i = constant_i + Σ_g d_g·unit·x_g over the knots of function i.
    Functions { functions: Vec<Function>, unit: f64 },
}

/// A function as ReLUs at its knots.
struct Function {
    /// The slope right of each knot.
    slopes: Vec<f64>,
    /// The value left of the first knot.
    constant: f64,
    /// Smallest and largest value.
    bounds: (f64, f64),
}

pub(super) struct Builder {
    network: Network,
    accumulator_bits: u32,
    value_bits: u32,
    meaning: Meaning,
    /// Bounds of the last layer's integers.
    values: Vec<(i128, i128)>,
    /// Fraction bits of the last layer's values; all of an input's bits.
    bits: i32,
    /// Fraction bits that the outputs will have, about.
    output_bits: i32,
    /// Affine maps to come.
    remaining: i32,
    output: Option<OutputSchema>,
}

/// A layer in units of 2^−shift of its values' unit, and its bounds.
struct Scaled {
    layer: Layer,
    accumulators: Vec<(i128, i128)>,
}

impl Builder {
    pub(super) fn new(
        input: &InputSchema,
        shape: &Shape,
        affine_maps: usize,
        decimals: Option<u32>,
    ) -> Self {
        let decimals = f64::from(decimals.unwrap_or(DEFAULT_DECIMALS));
        let inputs = input.ranges.len();
        let largest = (1i128 << input.bits) - 1;
        Self {
            network: Network {
                inputs,
                input_bits: input.bits,
                shift_bits: shape.shift_bits(),
                layers: Vec::new(),
            },
            accumulator_bits: shape.accumulator_bits(),
            value_bits: shape.value_bits(),
            meaning: Meaning::Affine {
                units: (0..inputs).map(|index| input.unit(index)).collect(),
                offsets: input.ranges.iter().map(|[lo, _]| *lo).collect(),
                middles: vec![largest as f64 / 2.0; inputs],
            },
            values: vec![(0, largest); inputs],
            bits: input.bits as i32,
            output_bits: (decimals * 10f64.log2()).ceil() as i32,
            remaining: affine_maps as i32,
            output: None,
        }
    }

    pub(super) fn finish(self) -> Option<(Network, OutputSchema)> {
        self.output.map(|output| (self.network, output))
    }

    /// Number of real values that the next layer reads.
    fn width(&self) -> usize {
        match &self.meaning {
            Meaning::Affine { units, .. } => units.len(),
            Meaning::Functions { functions, .. } => functions.len(),
        }
    }

    /// The identity on what the last layer stands for.
    pub(super) fn identity(&self) -> Affine {
        let n = self.width();
        let mut weights = vec![0.0; n * n];
        (0..n).for_each(|i| weights[i * n + i] = 1.0);
        Affine { inputs: n, outputs: n, weights, bias: vec![0.0; n] }
    }

    /// Bounds of the affine map's outputs over all inputs in range.
    fn bounds(&self, affine: &Affine) -> Vec<(f64, f64)> {
        let inputs: Vec<(f64, f64)> = match &self.meaning {
            Meaning::Affine { units, offsets, .. } => units
                .iter()
                .zip(offsets)
                .zip(&self.values)
                .map(|((unit, offset), (lo, hi))| {
                    (unit * *lo as f64 + offset, unit * *hi as f64 + offset)
                })
                .collect(),
            Meaning::Functions { functions, .. } => functions.iter().map(|f| f.bounds).collect(),
        };
        let bound = |(row, bias): (&[f64], &f64)| {
            row.iter().zip(&inputs).fold((*bias, *bias), |(lo, hi), (w, (x_lo, x_hi))| {
                (lo + (w * x_lo).min(w * x_hi), hi + (w * x_lo).max(w * x_hi))
            })
        };
        affine.weights.chunks(affine.inputs).zip(&affine.bias).map(bound).collect()
    }

    /// The affine map in integers: outputs in units of 1/scale, shifted by `offsets`.
    fn scale(
        &self,
        node: &str,
        affine: &Affine,
        offsets: &[f64],
        scale: f64,
    ) -> Result<Scaled, QuantizeError> {
        let scale = scale * (1u64 << self.network.shift_bits) as f64;
        let inputs = self.values.len();
        let mut weights = Vec::with_capacity(inputs * affine.outputs);
        let mut bias = Vec::with_capacity(affine.outputs);
        for ((row, constant), offset) in
            affine.weights.chunks(affine.inputs).zip(&affine.bias).zip(offsets)
        {
            let mut constant = (constant - offset) * scale;
            match &self.meaning {
                Meaning::Affine { units, offsets, middles } => {
                    for (((w, unit), offset), middle) in
                        row.iter().zip(units).zip(offsets).zip(middles)
                    {
                        let exact = w * unit * scale;
                        let rounded = integer(node, exact)?;
                        weights.push(rounded);
                        constant += w * offset * scale + (exact - rounded as f64) * middle;
                    }
                }
                Meaning::Functions { functions, unit } => {
                    for (w, function) in row.iter().zip(functions) {
                        // Rounding the slopes, not their differences, keeps the
                        // function flat where it is flat.
                        let mut before = 0;
                        for slope in &function.slopes {
                            let after = integer(node, w * slope * unit * scale)?;
                            weights.push(after - before);
                            before = after;
                        }
                        constant += w * function.constant * scale;
                    }
                }
            }
            bias.push(integer(node, constant)? + (1 << (self.network.shift_bits - 1)));
        }
        let layer = Layer {
            node: node.to_owned(),
            inputs,
            outputs: affine.outputs,
            weights,
            bias,
            knots_of: Vec::new(),
        };
        Ok(self.bounded(layer))
    }

    fn bounded(&self, layer: Layer) -> Scaled {
        let mut network = self.network.clone();
        network.layers.push(layer);
        let accumulators =
            network.intervals().pop().map_or_else(Vec::new, |last| last.accumulators);
        let layer = network.layers.swap_remove(network.layers.len() - 1);
        Scaled { layer, accumulators }
    }

    fn push(&mut self, scaled: Scaled, meaning: Meaning) {
        let rescale = |z: &i128| (z >> self.network.shift_bits).max(0);
        self.values =
            scaled.accumulators.iter().map(|(lo, hi)| (rescale(lo), rescale(hi))).collect();
        self.network.layers.push(scaled.layer);
        self.meaning = meaning;
    }

    fn fits(&self, scaled: &Scaled) -> bool {
        let limit = 1i128 << self.accumulator_bits;
        scaled.accumulators.iter().all(|(lo, hi)| *lo >= -limit && *hi < limit)
    }

    /// The unit for values up to `magnitude`, as its fraction bits: on the straight line
    /// from the inputs' bits to the outputs', as far as the circuit holds it.
    ///
    /// A weight between values of b and b' fraction bits has n + b' − b of its own, so
    /// equal steps give the weights of all layers the same precision.
    fn fraction_bits(&mut self, node: &str, magnitude: f64) -> Result<i32, QuantizeError> {
        let largest = ((1u64 << self.value_bits) - 4) as f64;
        let bits = (largest / magnitude.max(1e-9)).log2().floor() as i32;
        if bits < MIN_FRACTION_BITS || !magnitude.is_finite() {
            let node = node.to_owned();
            return Err(QuantizeError::TooWide { node, magnitude, fraction_bits: bits });
        }
        let step = (self.bits - self.output_bits) / self.remaining.max(1);
        self.remaining -= 1;
        Ok(bits.min(self.bits - step).max(MIN_FRACTION_BITS))
    }

    /// ReLU of an affine map.
    pub(super) fn push_relu(&mut self, node: &str, affine: &Affine) -> Result<(), QuantizeError> {
        let magnitude = magnitude(self.bounds(affine).into_iter());
        let mut bits = self.fraction_bits(node, magnitude)?;
        let offsets = vec![0.0; affine.outputs];
        let scaled = loop {
            let scaled = self.scale(node, affine, &offsets, exp2(bits))?;
            if self.fits(&scaled) || bits == MIN_FRACTION_BITS {
                break scaled;
            }
            bits -= 1;
        };
        self.bits = bits;
        let units = vec![exp2(-bits); affine.outputs];
        let middles = vec![0.0; affine.outputs];
        self.push(scaled, Meaning::Affine { units, offsets, middles });
        Ok(())
    }

    /// An affine map alone, shifted so that its values are never negative.
    pub(super) fn push_shifted(
        &mut self,
        node: &str,
        affine: &Affine,
    ) -> Result<(), QuantizeError> {
        let bounds = self.bounds(affine);
        let mut bits = self.fraction_bits(node, widest(&bounds))?;
        let mut offsets: Vec<f64> = bounds.iter().map(|(lo, _)| *lo).collect();
        let scaled = loop {
            let mut scaled = self.scale(node, affine, &offsets, exp2(bits))?;
            let shifts = self.lift(&mut scaled);
            if self.fits(&scaled) || bits == MIN_FRACTION_BITS {
                let lifted = offsets.iter_mut().zip(shifts);
                lifted.for_each(|(offset, shift)| *offset -= shift as f64 * exp2(-bits));
                break scaled;
            }
            bits -= 1;
        };
        self.bits = bits;
        let units = vec![exp2(-bits); affine.outputs];
        // A real 0, so that the error is in proportion to the real value.
        let middles = offsets.iter().map(|offset| -offset * exp2(bits)).collect();
        self.push(scaled, Meaning::Affine { units, offsets, middles });
        Ok(())
    }

    /// Lifts every output by whole units until rounding cannot make it negative.
    fn lift(&self, scaled: &mut Scaled) -> Vec<i64> {
        let unit = 1i128 << self.network.shift_bits;
        let accumulators = scaled.accumulators.iter_mut();
        accumulators
            .zip(&mut scaled.layer.bias)
            .map(|((lo, hi), bias)| {
                let shift = (-*lo).max(0).div_euclid(unit) + i128::from(*lo < 0);
                *lo += shift * unit;
                *hi += shift * unit;
                // A shift this long would not fit the accumulator either.
                let shift = i64::try_from(shift).unwrap_or(i64::MAX);
                *bias = bias.saturating_add(shift.saturating_mul(unit as i64));
                shift
            })
            .collect()
    }

    /// The last layer, in units of 10^−decimals. `positive` outputs are cut at 0.
    pub(super) fn push_output(
        &mut self,
        node: &str,
        affine: &Affine,
        decimals: Option<u32>,
        positive: bool,
    ) -> Result<(), QuantizeError> {
        let bounds = self.bounds(affine);
        let lowest = bounds.iter().fold(f64::INFINITY, |lowest, (lo, _)| lowest.min(*lo));
        let magnitude = if positive {
            magnitude(bounds.iter().copied())
        } else {
            bounds.iter().fold(0.0, |widest: f64, (_, hi)| widest.max(hi - lowest))
        };
        let largest = ((1u64 << self.value_bits) - 4) as f64;
        let fits = |decimals: u32| magnitude * 10f64.powi(decimals as i32) < largest;
        let decimals = match decimals {
            Some(decimals) if fits(decimals) => decimals,
            Some(decimals) => return Err(QuantizeError::Decimals { magnitude, decimals }),
            None => (0..=DEFAULT_DECIMALS)
                .rev()
                .find(|decimals| fits(*decimals))
                .ok_or(QuantizeError::Decimals { magnitude, decimals: 0 })?,
        };
        let scale = 10f64.powi(decimals as i32);
        let mut min = if positive { 0 } else { (lowest * scale).floor() as i64 };
        let offsets = vec![min as f64 / scale; affine.outputs];
        let mut scaled = self.scale(node, affine, &offsets, scale)?;
        if !positive {
            let lowest = scaled.accumulators.iter().map(|(lo, _)| *lo).min().unwrap_or(0);
            scaled.accumulators.iter_mut().for_each(|bounds| bounds.0 = lowest);
            let shifts = self.lift(&mut scaled);
            min -= shifts.into_iter().max().unwrap_or(0);
            scaled = self.bounded(scaled.layer);
        }
        self.push(scaled, Meaning::Affine { units: vec![], offsets: vec![], middles: vec![] });
        let largest = self.values.iter().map(|(_, hi)| *hi).max().unwrap_or(0);
        let max = i64::try_from(largest).unwrap_or(i64::MAX).saturating_add(min);
        self.output = Some(OutputSchema { count: affine.outputs, decimals, min, max });
        Ok(())
    }

    /// Sigmoids of the last layer's values, which [`Builder::push_shifted`] made.
    pub(super) fn push_sigmoids(
        &mut self,
        node: &str,
        tolerance: f64,
    ) -> Result<(), QuantizeError> {
        let Meaning::Affine { units, offsets, .. } = &self.meaning else {
            return Err(QuantizeError::Empty);
        };
        // Beyond ±end the sigmoid is within the tolerance of its limit.
        let end = (1.0 / tolerance).ln();
        let mut functions = Vec::with_capacity(units.len());
        let mut knots: Vec<(usize, i64)> = Vec::new();
        for (source, ((unit, offset), (lo, hi))) in
            units.iter().zip(offsets).zip(&self.values).enumerate()
        {
            let real = |x: i128| x as f64 * unit + offset;
            let from = real(*lo).clamp(-end, end);
            let to = real(*hi).clamp(-end, end).max(from);
            let fitted = PiecewiseLinear::fit(sigmoid, from, to, tolerance);
            let mut at: Vec<i64> =
                fitted.points().iter().map(|(x, _)| ((x - offset) / unit).round() as i64).collect();
            at.dedup();
            let points =
                at.iter().map(|at| (real(i128::from(*at)), fitted.evaluate(real(i128::from(*at)))));
            let Some(snapped) = PiecewiseLinear::from_points(points.collect()) else {
                return Err(QuantizeError::Empty);
            };
            functions.push(Function {
                slopes: snapped.slopes(),
                constant: snapped.points()[0].1,
                bounds: snapped.bounds(),
            });
            knots.extend(at.into_iter().map(|at| (source, at)));
        }
        let (inputs, outputs) = (self.values.len(), knots.len());
        if inputs.saturating_mul(outputs) > MAX_KNOT_WEIGHTS {
            let node = node.to_owned();
            return Err(QuantizeError::TooManyKnots { node, functions: inputs, knots: outputs });
        }
        let one = 1i64 << self.network.shift_bits;
        let mut weights = vec![0; inputs * outputs];
        knots
            .iter()
            .enumerate()
            .for_each(|(row, (source, _))| weights[row * inputs + source] = one);
        let unit = units.first().copied().unwrap_or(1.0);
        let layer = Layer {
            node: node.to_owned(),
            inputs,
            outputs,
            weights,
            bias: knots.iter().map(|(_, at)| -at * one).collect(),
            knots_of: knots.into_iter().map(|(source, _)| source).collect(),
        };
        let scaled = self.bounded(layer);
        self.push(scaled, Meaning::Functions { functions, unit });
        Ok(())
    }
}

fn exp2(bits: i32) -> f64 {
    2f64.powi(bits)
}

/// The largest magnitude within bounds.
fn magnitude(bounds: impl Iterator<Item = (f64, f64)>) -> f64 {
    bounds.fold(0.0, |largest, (lo, hi)| largest.max(lo.abs()).max(hi.abs()))
}

/// The widest of some bounds.
fn widest(bounds: &[(f64, f64)]) -> f64 {
    bounds.iter().fold(0.0, |widest: f64, (lo, hi)| widest.max(hi - lo))
}

/// A real number rounded to an integer of 63 bits.
fn integer(node: &str, value: f64) -> Result<i64, QuantizeError> {
    let rounded = value.round();
    // Written so that NaN fails too.
    if rounded.abs() < 2f64.powi(62) {
        Ok(rounded as i64)
    } else {
        Err(QuantizeError::WeightTooLarge { node: node.to_owned(), weight: value })
    }
}
