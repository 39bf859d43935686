//! Scalars as signed digits, and their classification.
//!
//! A scalar above r/2 is taken as minus its negative, so that small negative
//! witness values are as cheap as small positive ones. Zeros are dropped; scalars
//! below 2^64 in magnitude and full ones become two separate sums, each with
//! windows of its own. Full ones are split into two of half the length, see
//! [`split`].

use super::split::split;
use crate::field::portable::{geq, sub};
use crate::field::{Backend, Lanes, Mark, Modulus, Scalar, Words, dispatch, words};
use halo2curves::bn256::Fr;
use rayon::prelude::*;

/// Scalars of one class: place of the base, sign and magnitude of each. Base `i` is at
/// place `2i`, its image under the endomorphism at `2i + 1`.
#[derive(Debug, Default)]
pub(crate) struct Class {
    /// `place << 1 | negative`.
    pub(crate) entries: Vec<u32>,
    /// Magnitudes, in the same order, `stride` words each.
    magnitudes: Vec<u64>,
    stride: usize,
    /// Bits of the largest magnitude.
    pub(crate) bits: usize,
}

/// Scalars that one thread classifies at a time.
const PART: usize = 1 << 9;

/// Splits scalars into small and full ones. Zero scalars and indices for which
/// `skip` holds are dropped.
pub(crate) fn classify(
    backend: Backend,
    scalars: &[Fr],
    skip: impl Fn(usize) -> bool + Sync,
) -> (Class, Class) {
    crate::limits::count(scalars.len());
    let parts: Vec<_> = scalars
        .par_chunks(PART)
        .enumerate()
        .map(|(part, scalars)| classify_part(backend, scalars, part * PART, &skip))
        .collect();
    let (small, full): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (Class::joined(1, small), Class::joined(2, full))
}

/// The same for scalars that start at index `start`.
fn classify_part(
    backend: Backend,
    scalars: &[Fr],
    start: usize,
    skip: &impl Fn(usize) -> bool,
) -> (Class, Class) {
    let (mut small, mut full) = (Class::default(), Class::default());
    let mut any_small = 0;
    let mut buffer = [[0u64; 4]; PART];
    let integers = &mut buffer[..scalars.len()];
    to_integers(backend, words::<Scalar>(scalars), integers);
    for (i, integer) in (start..).zip(&*integers) {
        if *integer == [0; 4] || skip(i) {
            continue;
        }
        let (opposite, _) = sub(&Scalar::P, integer);
        let negative = !geq(&opposite, integer);
        let magnitude = if negative { &opposite } else { integer };
        let entry = (i as u32) << 2 | u32::from(negative);
        if magnitude[1] | magnitude[2] | magnitude[3] == 0 {
            small.entries.push(entry);
            small.magnitudes.push(magnitude[0]);
            any_small |= magnitude[0];
        } else {
            for (half, image) in split(magnitude).into_iter().zip([0, 2]) {
                if half != 0 {
                    full.entries.push((entry | image) ^ u32::from(half < 0));
                    let magnitude = half.unsigned_abs();
                    full.magnitudes.extend([magnitude as u64, (magnitude >> 64) as u64]);
                }
            }
        }
    }
    small.bits = 64 - any_small.leading_zeros() as usize;
    full.bits = if full.entries.is_empty() { 0 } else { 127 };
    (small, full)
}

impl Class {
    /// One after another, each magnitude of `stride` words.
    fn joined(stride: usize, parts: Vec<Self>) -> Self {
        let (mut entries, mut magnitudes, mut bits) = (Vec::new(), Vec::new(), 0);
        entries.reserve_exact(parts.iter().map(Self::len).sum());
        magnitudes.reserve_exact(entries.capacity() * stride);
        for part in parts {
            entries.extend(part.entries);
            magnitudes.extend(part.magnitudes);
            bits = bits.max(part.bits);
        }
        Self { entries, magnitudes, stride, bits }
    }

    /// Number of scalars.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The signed digit of scalar `i` at bits `window·c ..`, in `-2^(c-1) ..= 2^(c-1)`,
    /// of its magnitude. Booth's rule reads `c + 1` bits, so that digits need no
    /// carry from the window below.
    #[inline(always)]
    pub(crate) fn digit(&self, i: usize, window: usize, c: usize) -> i32 {
        let magnitude = &self.magnitudes[i * self.stride..(i + 1) * self.stride];
        let slice = if window == 0 {
            (magnitude[0] << 1) & ((2 << c) - 1)
        } else {
            let low = window * c - 1;
            let (word, bit) = (low / 64, low % 64);
            let mut slice = magnitude.get(word).map_or(0, |w| w >> bit);
            if bit + c + 1 > 64 {
                slice |= magnitude.get(word + 1).map_or(0, |w| w << (64 - bit));
            }
            slice & ((2 << c) - 1)
        };
        let slice = slice as i32;
        ((slice + 1) >> 1) - ((slice >> c) << c)
    }
}

dispatch! {
    /// Takes elements out of Montgomery form; slices of equal length.
    fn to_integers[](elements: &[Words], integers: &mut [Words]) = to_integers_kernel, Scalar
}

/// See [`to_integers`].
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn to_integers_kernel<L: Lanes<Scalar>>(
    _: Mark<L>,
    elements: &[Words],
    integers: &mut [Words],
) {
    assert_eq!(elements.len(), integers.len());
    let last = elements.len().saturating_sub(1);
    let (from, to) = (elements.as_ptr(), integers.as_mut_ptr());
    // SAFETY: indices are capped at the last element; a capped lane repeats the
    // same result into the same place.
    unsafe {
        let one = L::splat(&[1 << L::SHIFT, 0, 0, 0]);
        for start in (0..elements.len()).step_by(L::W) {
            let x = L::load(|l| from.add((start + l).min(last)));
            x.mul(&one).store(|l| to.add((start + l).min(last)));
        }
    }
}
