//! Many multiples of one base point.
//!
//! The scalar is cut into signed digits of `w` bits, `Σ d_j 2^(w·j)` with
//! `|d_j| ≤ 2^(w−1)`; a table holds `d · 2^(w·j) · B` for all positive digits of all
//! windows, so that a multiple is one addition a window (Brickell, Gordon, McCurley
//! and Wilson's fixed-base windowing). Points are treated in batches that share an
//! inversion, see [`affine`](super::affine).

use std::sync::atomic::{AtomicU64, Ordering};

use ff::PrimeField;
use group::prime::PrimeCurveAffine;
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;

use super::{
    affine::{self, Scratch},
    progress::{Progress, Step},
};

/// Points that share an inversion; their buffers stay in a core's own cache.
const BATCH: usize = 512;
/// Widest window: its table still fits the cache.
const MAX_WINDOW: usize = 13;

/// Precomputed multiples of a base point.
pub(super) struct FixedBase {
    width: usize,
    /// `windows[j][d − 1] = d · 2^(width·j) · base`.
    windows: Vec<Vec<G1Affine>>,
}

impl FixedBase {
    /// Tables for about `multiples` multiplications by `base`.
    pub(super) fn new(base: G1Affine, multiples: usize) -> Self {
        let cost = |width: usize| window_count(width) * (multiples + (1 << (width - 1)));
        let width = (2..=MAX_WINDOW).min_by_key(|width| cost(*width)).unwrap_or(MAX_WINDOW);
        let mut starts = Vec::with_capacity(window_count(width));
        let mut start = [base];
        let mut scratch = Scratch::default();
        for _ in 0..window_count(width) {
            starts.push(start[0]);
            (0..width).for_each(|_| affine::double_assign(&mut start, &mut scratch));
        }
        let windows = starts.into_par_iter().map(|start| multiples_of(start, width)).collect();
        Self { width, windows }
    }

    /// `scalars[i] · base`, in affine form.
    pub(super) fn multiply(
        &self,
        scalars: &[Fr],
        step: Step,
        progress: &dyn Progress,
    ) -> Vec<G1Affine> {
        let mut points = vec![G1Affine::identity(); scalars.len()];
        let (total, done) = (scalars.len() as u64, AtomicU64::new(0));
        points.par_chunks_mut(BATCH).zip(scalars.par_chunks(BATCH)).for_each_init(
            Buffers::default,
            |buffers, (points, scalars)| {
                self.multiply_batch(points, scalars, buffers);
                let batch = points.len() as u64;
                progress.report(step, done.fetch_add(batch, Ordering::Relaxed) + batch, total);
            },
        );
        points
    }

    fn multiply_batch(&self, sums: &mut [G1Affine], scalars: &[Fr], buffers: &mut Buffers) {
        let Buffers { digits, addends, scratch } = buffers;
        digits.clear();
        scalars.iter().for_each(|scalar| signed_digits(scalar, self.width, digits));
        for (j, window) in self.windows.iter().enumerate() {
            addends.clear();
            addends.extend(digits.iter().skip(j).step_by(self.windows.len()).map(|digit| {
                match (digit.unsigned_abs() as usize).checked_sub(1) {
                    None => G1Affine::identity(),
                    Some(index) if *digit < 0 => -window[index],
                    Some(index) => window[index],
                }
            }));
            affine::add_assign(sums, addends, scratch);
        }
        digits.fill(0);
    }
}

#[derive(Default)]
struct Buffers {
    digits: Vec<i32>,
    addends: Vec<G1Affine>,
    scratch: Scratch,
}

/// Windows for scalars of 254 bits and the carry of the last but one.
fn window_count(width: usize) -> usize {
    (Fr::NUM_BITS as usize + 1).div_ceil(width)
}

/// Appends the signed digits of `scalar` in base `2^width`, least significant first.
fn signed_digits(scalar: &Fr, width: usize, digits: &mut Vec<i32>) {
    let bytes = scalar.to_repr();
    let mut carry = 0;
    for j in 0..window_count(width) {
        let first_bit = j * width;
        let mut word = [0u8; 4];
        for (to, from) in word.iter_mut().zip(bytes.as_ref().iter().skip(first_bit / 8)) {
            *to = *from;
        }
        let bits = (u32::from_le_bytes(word) >> (first_bit % 8)) as i32 & ((1 << width) - 1);
        let digit = bits + carry;
        carry = i32::from(digit > 1 << (width - 1));
        digits.push(digit - (carry << width));
    }
}

/// `1·base, 2·base, … 2^(width−1)·base`, doubling the list until it is long enough.
fn multiples_of(base: G1Affine, width: usize) -> Vec<G1Affine> {
    let mut multiples = vec![base];
    let mut scratch = Scratch::default();
    for _ in 1..width {
        let last = multiples[multiples.len() - 1];
        let mut next = multiples.clone();
        affine::add_assign(&mut next, &vec![last; multiples.len()], &mut scratch);
        multiples.append(&mut next);
    }
    multiples
}

#[cfg(test)]
mod tests {
    use ff::Field;
    use group::Curve;
    use rand::{SeedableRng, rngs::StdRng};

    use super::{super::progress::Silent, *};

    #[test]
    fn digits_add_up_to_the_scalar_for_every_width() {
        let mut rng = StdRng::seed_from_u64(2);
        for width in 2..=MAX_WINDOW {
            for scalar in [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::random(&mut rng)] {
                let mut digits = Vec::new();
                signed_digits(&scalar, width, &mut digits);
                assert!(digits.iter().all(|digit| digit.abs() <= 1 << (width - 1)));
                let sum = digits.iter().rev().fold(Fr::ZERO, |sum, digit| {
                    let magnitude = Fr::from(u64::from(digit.unsigned_abs()));
                    let digit = if *digit < 0 { -magnitude } else { magnitude };
                    sum * Fr::from(1 << width) + digit
                });
                assert_eq!(sum, scalar, "width {width}");
            }
        }
    }

    #[test]
    fn tables_multiply_like_the_group() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut scalars: Vec<_> = (0..BATCH + 9).map(|_| Fr::random(&mut rng)).collect();
        scalars.extend([Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), -Fr::from(4096)]);
        let generator = G1Affine::generator();
        for multiples in [1, 1 << 20] {
            let points =
                FixedBase::new(generator, multiples).multiply(&scalars, Step::Powers, &Silent);
            for (scalar, point) in scalars.iter().zip(&points) {
                assert_eq!((generator * scalar).to_affine(), *point);
            }
        }
    }
}
