//! The Lagrange basis `L_i(τ)·G1` of the domain `{ω^i}`, from what is at hand.
//!
//! - τ itself (development only): scalars, see [`development`](super::development).
//! - Powers only: `L_i(τ) = 1/n Σ_j ω^(−ij) τ^j`, an inverse Fourier transform in the
//!   group ([`from_powers`]). Butterflies and multiplications by twiddles are done in
//!   batches of affine points; the factor `1/n` is merged into the twiddles.
//! - A basis over the same domain in another order ([`reorder`]): snarkjs generates the
//!   domain by a power of 5, halo2 by a power of 7; both run through all `2^k`-th roots
//!   of unity, hence the points are the same up to a permutation.

use std::sync::atomic::{AtomicU64, Ordering};

use ff::{Field, PrimeField};
use group::prime::PrimeCurveAffine;
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;
use verdict_kzg::field::{domain_generator, powers};

use super::{
    affine::{self, Scratch},
    fixed_base::{signed_digits, window_count},
    progress::{Progress, Step},
};

/// Digits of the variable-base multiplication.
const WIDTH: usize = 5;
/// Butterflies that share inversions.
const BATCH: usize = 256;

/// The Lagrange basis to the powers `τ^i·G1`; their number is `2^k`, `1 ≤ k ≤ 28`.
pub(super) fn from_powers(powers_g1: &[G1Affine], progress: &dyn Progress) -> Vec<G1Affine> {
    let mut points = powers_g1.to_vec();
    let n = points.len();
    let k = n.ilog2();
    let scale = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let twiddles = powers(Fr::ONE, domain_generator(k).invert().unwrap_or(Fr::ONE), n / 2);
    let (total, done) = (u64::from(k) * (n as u64) / 2, AtomicU64::new(0));
    let report = |butterflies: usize| {
        let butterflies = butterflies as u64;
        let done = done.fetch_add(butterflies, Ordering::Relaxed) + butterflies;
        progress.report(Step::Lagrange, done, total);
    };

    // Decimation in frequency: natural order in, bit-reversed order out. The result of
    // a transform is scaled where a right half is first entered, which happens in the
    // first block of each level, except for the sum of all, point 0.
    let mut half = n / 2;
    while half >= 1 {
        let stride = n / (2 * half);
        let twiddle = |block: usize, j: usize| {
            if block == 0 { scale * twiddles[j * stride] } else { twiddles[j * stride] }
        };
        if half >= BATCH {
            for (block, points) in points.chunks_mut(2 * half).enumerate() {
                let (left, right) = points.split_at_mut(half);
                let batches = left.par_chunks_mut(BATCH).zip(right.par_chunks_mut(BATCH));
                batches.enumerate().for_each_init(Buffers::default, |buffers, (batch, pair)| {
                    let (left, right) = pair;
                    affine::butterfly(left, right, &mut buffers.scratch);
                    let scalars = (0..left.len()).map(|i| twiddle(block, batch * BATCH + i));
                    multiply(right, scalars, buffers);
                    report(left.len());
                });
            }
        } else {
            let blocks = (BATCH / half).min(n / (2 * half));
            let batches = points.par_chunks_mut(2 * half * blocks).enumerate();
            batches.for_each_init(Buffers::default, |buffers, (batch, points)| {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                for block in points.chunks(2 * half) {
                    left.extend_from_slice(&block[..half]);
                    right.extend_from_slice(&block[half..]);
                }
                affine::butterfly(&mut left, &mut right, &mut buffers.scratch);
                let scalars =
                    (0..right.len()).map(|i| twiddle(batch * blocks + i / half, i % half));
                multiply(&mut right, scalars, buffers);
                let halves = left.chunks(half).zip(right.chunks(half));
                for (block, (left, right)) in points.chunks_mut(2 * half).zip(halves) {
                    block[..half].copy_from_slice(left);
                    block[half..].copy_from_slice(right);
                }
                report(left.len());
            });
        }
        half /= 2;
    }
    let mut first = [points[0]];
    multiply(&mut first, std::iter::once(scale), &mut Buffers::default());
    points[0] = first[0];
    reverse_bits(&mut points, k);
    points
}

fn reverse_bits(points: &mut [G1Affine], k: u32) {
    for i in 0..points.len() {
        let j = i.reverse_bits() >> (usize::BITS - k);
        if i < j {
            points.swap(i, j);
        }
    }
}

#[derive(Default)]
struct Buffers {
    digits: Vec<i32>,
    /// `multiples[d − 1][i] = d · points[i]`.
    multiples: Vec<Vec<G1Affine>>,
    addends: Vec<G1Affine>,
    scratch: Scratch,
}

/// `points[i] *= scalars[i]`; a batch of ones is left alone.
fn multiply(
    points: &mut [G1Affine],
    scalars: impl Iterator<Item = Fr> + Clone,
    buffers: &mut Buffers,
) {
    if scalars.clone().all(|scalar| scalar == Fr::ONE) {
        return;
    }
    let Buffers { digits, multiples, addends, scratch } = buffers;
    let windows = window_count(WIDTH);
    digits.clear();
    scalars.for_each(|scalar| signed_digits(&scalar, WIDTH, digits));

    multiples.clear();
    multiples.push(points.to_vec());
    for d in 2..=1 << (WIDTH - 1) {
        let mut next = multiples[if d % 2 == 0 { d / 2 - 1 } else { d - 2 }].clone();
        if d % 2 == 0 {
            affine::double_assign(&mut next, scratch);
        } else {
            affine::add_assign(&mut next, points, scratch);
        }
        multiples.push(next);
    }

    points.fill(G1Affine::identity());
    for j in (0..windows).rev() {
        if j + 1 < windows {
            (0..WIDTH).for_each(|_| affine::double_assign(points, scratch));
        }
        addends.clear();
        let window = digits.iter().skip(j).step_by(windows).enumerate();
        addends.extend(window.map(
            |(i, digit)| match (digit.unsigned_abs() as usize).checked_sub(1) {
                None => G1Affine::identity(),
                Some(d) if *digit < 0 => -multiples[d][i],
                Some(d) => multiples[d][i],
            },
        ));
        affine::add_assign(points, addends, scratch);
    }
}

/// Puts a Lagrange basis over the domain generated by `generator` into halo2's order.
///
/// Point `i` belongs to `generator^i = ω^(e·i)`, it moves to place `e·i mod n`. Returns
/// `None` if `generator` is not a primitive `n`-th root of unity.
pub(super) fn reorder(points: &[G1Affine], generator: Fr) -> Option<Vec<G1Affine>> {
    let k = points.len().ilog2();
    let exponent = logarithm(generator, k)?;
    if exponent % 2 == 0 && k > 0 {
        return None;
    }
    let mask = points.len() - 1;
    let mut reordered = vec![G1Affine::identity(); points.len()];
    for (i, point) in points.iter().enumerate() {
        reordered[i.wrapping_mul(exponent) & mask] = *point;
    }
    Some(reordered)
}

/// `e < 2^k` with `element = ω^e`, bit by bit from the lowest (Pohlig and Hellman).
fn logarithm(element: Fr, k: u32) -> Option<usize> {
    let inverse = domain_generator(k).invert().unwrap_or(Fr::ONE);
    let mut exponent = 0u64;
    let mut rest = element;
    for bit in 0..k {
        let leading = (bit + 1..k).fold(rest, |power, _| power.square());
        if leading != Fr::ONE {
            exponent |= 1 << bit;
            rest *= inverse.pow_vartime([1u64 << bit]);
        }
    }
    (rest == Fr::ONE).then_some(exponent as usize)
}

/// The root of unity of order `2^k` that snarkjs uses: `5^((r−1)/2^k)`, 5 being the
/// least quadratic non-residue.
pub(super) fn snarkjs_domain_generator(k: u32) -> Fr {
    let mut limbs = [0u64; 4];
    let order_minus_one = (-Fr::ONE).to_repr();
    for (limb, bytes) in limbs.iter_mut().zip(order_minus_one.as_ref().chunks_exact(8)) {
        *limb = bytes.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    // (r−1)/2^28 first, then 28 − k squarings.
    let odd_part: [u64; 4] = std::array::from_fn(|i| {
        let above = limbs.get(i + 1).copied().unwrap_or(0);
        limbs[i] >> Fr::S | above << (u64::BITS - Fr::S)
    });
    (k..Fr::S).fold(Fr::from(5).pow_vartime(odd_part), |root, _| root.square())
}

#[cfg(test)]
mod tests {
    use group::Curve;
    use halo2_proofs::arithmetic::g_to_lagrange;

    use super::{super::progress::Silent, *};

    fn powers_of(tau: u64, k: u32) -> Vec<G1Affine> {
        let scalars = powers(Fr::one(), Fr::from(tau), 1 << k);
        scalars.iter().map(|scalar| (G1Affine::generator() * scalar).to_affine()).collect()
    }

    #[test]
    fn the_group_transform_equals_halo2s() {
        for k in [1, 2, 3, 6, 10] {
            let powers = powers_of(123_456_789, k);
            let expected: Vec<G1Affine> =
                g_to_lagrange(powers.iter().map(|point| point.to_curve()).collect(), k);
            assert_eq!(from_powers(&powers, &Silent), expected, "k = {k}");
        }
    }

    #[test]
    fn the_snarkjs_root_has_the_order_of_the_domain() {
        for k in 1..=Fr::S {
            let root = snarkjs_domain_generator(k);
            assert_eq!(root.pow_vartime([1u64 << k]), Fr::ONE);
            assert_eq!(root.pow_vartime([1u64 << (k - 1)]), -Fr::ONE);
        }
    }

    #[test]
    fn logarithms_invert_powers_and_refuse_elements_outside_the_domain() {
        let omega = domain_generator(5);
        for exponent in 0..32 {
            assert_eq!(logarithm(omega.pow_vartime([exponent]), 5), Some(exponent as usize));
        }
        assert_eq!(logarithm(domain_generator(6), 5), None);
        assert_eq!(logarithm(Fr::from(5), 5), None);
    }
}
