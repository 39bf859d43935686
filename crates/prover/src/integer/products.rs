//! Products of two elements, quotients and roots.

use super::{IntegerError, IntegerGraph, IntegerNode, Interval, Selected};
use crate::graph::TensorId;
use serde::{Deserialize, Serialize};

/// weight·x + constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affine {
    /// x.
    pub of: Selected,
    /// What it is multiplied by.
    pub weight: i64,
    /// What is added.
    pub constant: i64,
}

/// ⌊N / (b + offset)⌋ + lift. The divisor is positive and the result never negative, whatever
/// the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Division {
    /// N.
    pub numerator: Affine,
    /// b.
    pub divisor: Selected,
    /// What is added to b.
    pub offset: i64,
    /// What is added to the quotient.
    pub lift: i64,
}

/// What a node of these operations comes to: its elements, and z of everything it commits to,
/// in the order of its claims.
pub(super) struct Made {
    pub(super) values: Vec<i64>,
    pub(super) accumulators: Vec<i64>,
}

/// a·b for every pair.
pub(super) fn products(
    shift_bits: u32,
    pairs: &[[Selected; 2]],
    element: impl Fn(&Selected) -> i64,
) -> Made {
    let factors = pairs.iter().map(|pair| pair.each_ref().map(&element));
    let (accumulators, values) =
        factors.map(|[a, b]| (a.wrapping_add(b << shift_bits), a.wrapping_mul(b))).unzip();
    Made { values, accumulators }
}

/// Quotients; the products with their divisors, remainders, and how far these are below the
/// divisors less 1.
pub(super) fn quotients(
    shift_bits: u32,
    divisions: &[Division],
    element: impl Fn(&Selected) -> i64,
) -> Made {
    let count = divisions.len();
    let mut accumulators = vec![0; 4 * count];
    let values = divisions.iter().enumerate().map(|(index, own)| {
        let b = element(&own.divisor);
        // A valid graph's divisors are positive.
        let divisor = b.wrapping_add(own.offset).max(1);
        let numerator = own.numerator.at(element(&own.numerator.of));
        let quotient = numerator.div_euclid(divisor).wrapping_add(own.lift);
        let remainder = numerator.rem_euclid(divisor);
        let z = [
            quotient << shift_bits,
            b.wrapping_add(quotient << shift_bits),
            remainder,
            divisor - 1 - remainder,
        ];
        z.into_iter().enumerate().for_each(|(part, z)| accumulators[part * count + index] = z);
        quotient
    });
    Made { values: values.collect(), accumulators }
}

/// Roots; how far they are below 2^n − 1, their squares, remainders, and how far these are below
/// twice the root.
pub(super) fn roots(
    shift_bits: u32,
    radicands: &[Affine],
    element: impl Fn(&Selected) -> i64,
) -> Made {
    let count = radicands.len();
    let mut accumulators = vec![0; 5 * count];
    let values = radicands.iter().enumerate().map(|(index, own)| {
        // A valid graph's radicands are not negative.
        let radicand = own.at(element(&own.of)).max(0);
        let root = radicand.isqrt();
        let remainder = radicand - root * root;
        let z = [
            root << shift_bits,
            (1 << shift_bits) - 1 - root,
            root.wrapping_add(root << shift_bits),
            remainder,
            2 * root - remainder,
        ];
        z.into_iter().enumerate().for_each(|(part, z)| accumulators[part * count + index] = z);
        root
    });
    Made { values: values.collect(), accumulators }
}

impl Affine {
    fn at(&self, x: i64) -> i64 {
        self.weight.wrapping_mul(x).wrapping_add(self.constant)
    }

    /// Bounds, from those of x.
    pub(crate) fn bounds(&self, (lo, hi): Interval) -> Interval {
        let (weight, constant) = (i128::from(self.weight), i128::from(self.constant));
        let at = |x: i128| weight.saturating_mul(x).saturating_add(constant);
        let (at_lo, at_hi) = (at(lo), at(hi));
        (at_lo.min(at_hi), at_lo.max(at_hi))
    }
}

impl Division {
    /// Bounds of the quotient, lift included, from those of x and b, and from those that are
    /// known otherwise, without the lift; none where the divisor may be less than 1.
    pub(crate) fn bounds(
        &self,
        x: Interval,
        b: Interval,
        known: Option<Interval>,
    ) -> Option<Interval> {
        let divisor = self.divisor_bounds(b);
        let numerator = self.numerator.bounds(x);
        if divisor.0 < 1 {
            return None;
        }
        let quotients = [numerator.0, numerator.1]
            .map(|n| [n.div_euclid(divisor.0), n.div_euclid(divisor.1)])
            .concat();
        let lift = i128::from(self.lift);
        let least = quotients.iter().copied().min().unwrap_or(0);
        let most = quotients.iter().copied().max().unwrap_or(0);
        let known = known.unwrap_or((least, most));
        Some((least.max(known.0).saturating_add(lift), most.min(known.1).saturating_add(lift)))
    }

    fn divisor_bounds(&self, (lo, hi): Interval) -> Interval {
        let offset = i128::from(self.offset);
        (lo.saturating_add(offset), hi.saturating_add(offset))
    }
}

/// The interval of a product.
pub(super) fn product(a: Interval, b: Interval) -> Option<Interval> {
    let corners = [a.0.checked_mul(b.0)?, a.0.checked_mul(b.1)?];
    let others = [a.1.checked_mul(b.0)?, a.1.checked_mul(b.1)?];
    let all = corners.into_iter().chain(others);
    Some((all.clone().min()?, all.max()?))
}

/// Bounds of what a graph computes, checked against what the circuit holds.
pub(super) struct Limits<'a> {
    pub(super) node: &'a IntegerNode,
    pub(super) shift_bits: u32,
    pub(super) accumulator_bits: u32,
}

impl Limits<'_> {
    /// Bits of a value.
    fn value_bits(&self) -> u32 {
        self.accumulator_bits.saturating_sub(self.shift_bits)
    }

    /// Bounds of products from those of their factors, the first of which must fit n bits, the
    /// second those of a value.
    pub(super) fn products(
        &self,
        factors: impl Iterator<Item = [Interval; 2]>,
    ) -> Result<Vec<Interval>, IntegerError> {
        let of = |(index, [a, b]): (usize, [Interval; 2])| {
            self.fits(index, a, self.shift_bits)?;
            self.fits(index, b, self.value_bits())?;
            product(a, b).ok_or_else(|| self.overflow(index, 128, self.accumulator_bits))
        };
        factors.enumerate().map(of).collect()
    }

    /// Bounds of quotients from those of x and b of each, and from what else is known of it.
    pub(super) fn quotients(
        &self,
        divisions: &[Division],
        operands: impl Iterator<Item = ([Interval; 2], Option<Interval>)>,
    ) -> Result<Vec<Interval>, IntegerError> {
        let of = |(index, pair): (usize, (&Division, _))| {
            let (own, ([x, b], known)): (_, ([Interval; 2], Option<Interval>)) = pair;
            let wrong = |cause: &str| IntegerError::Node {
                node: self.node.name.clone(),
                cause: format!("element {index}: {cause}"),
            };
            let bounds =
                own.bounds(x, b, known).ok_or_else(|| wrong("the divisor may be 0 or less"))?;
            if bounds.0 < 0 {
                return Err(wrong("the quotient may be negative"));
            }
            self.fits(index, b, self.shift_bits)?;
            self.fits(index, bounds, self.value_bits())?;
            // Whatever is committed to as the quotient.
            let any = (-i128::from(own.lift), (1i128 << self.value_bits()) - 1);
            let any = (any.0, any.1.saturating_sub(i128::from(own.lift)));
            let divisor = own.divisor_bounds(b);
            let numerator = own.numerator.bounds(x);
            let most = self.accumulator_bits;
            let part = product(any, divisor).ok_or_else(|| self.overflow(index, 128, most))?;
            let remainder =
                (numerator.0.saturating_sub(part.1), numerator.1.saturating_sub(part.0));
            let slack = (
                (divisor.0 - 1).saturating_sub(remainder.1),
                (divisor.1 - 1).saturating_sub(remainder.0),
            );
            self.fits(index, remainder, most)?;
            self.fits(index, slack, most)?;
            Ok(bounds)
        };
        divisions.iter().zip(operands).enumerate().map(of).collect()
    }

    /// Bounds of roots from those of each x.
    pub(super) fn roots(
        &self,
        radicands: &[Affine],
        operands: impl Iterator<Item = Interval>,
    ) -> Result<Vec<Interval>, IntegerError> {
        let of = |(index, (own, x)): (usize, (&Affine, Interval))| {
            let (lo, hi) = own.bounds(x);
            if lo < 0 {
                let cause = format!("element {index}: the radicand may be negative");
                return Err(IntegerError::Node { node: self.node.name.clone(), cause });
            }
            let bounds = (isqrt(lo), isqrt(hi));
            self.fits(index, bounds, self.shift_bits.min(self.value_bits()))?;
            // Whatever is committed to as the root, up to 2^n.
            let most = (1i128 << self.shift_bits.min(self.value_bits())) - 1;
            self.fits(index, (lo - most * most, hi), self.accumulator_bits)?;
            self.fits(index, (-hi, most * most + 2 * most - lo), self.accumulator_bits)?;
            Ok(bounds)
        };
        radicands.iter().zip(operands).enumerate().map(of).collect()
    }

    fn fits(&self, index: usize, bounds: Interval, limit: u32) -> Result<(), IntegerError> {
        match super::bits_of(bounds) {
            bits if bits > limit => Err(self.overflow(index, bits, limit)),
            _ => Ok(()),
        }
    }

    fn overflow(&self, index: usize, bits: u32, limit: u32) -> IntegerError {
        IntegerError::Overflow { node: self.node.name.clone(), index, bits, limit }
    }
}

/// ⌊√x⌋ of a number that is not negative.
fn isqrt(x: i128) -> i128 {
    x.max(0).isqrt()
}

impl IntegerGraph {
    /// The first element that is selected from where there is none.
    pub(super) fn missing<'a>(
        &self,
        inputs: &[TensorId],
        selected: impl IntoIterator<Item = (usize, &'a Selected)>,
    ) -> Option<(usize, &'a Selected)> {
        let exists =
            |at: &Selected| inputs.get(at.input).is_some_and(|input| at.index < self.len(*input));
        selected.into_iter().find(|(_, at)| !exists(at))
    }
}
