//! The Lagrange basis to powers of τ: an inverse Fourier transform in the group.
//!
//! `L_j(τ)·G = 1/n Σ_i ω^(−ij) τ^i·G`. Decimation in frequency, natural order in,
//! bit-reversed order out; 1/n goes with the twiddles.

use super::add::{Job, add_pairs};
use super::multiples::{multiples, multiply};
use super::point::{Lower, Point};
use crate::field::Backend;
use ff::{Field, PrimeField};
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;
use std::ops::Range;
use verdict_kzg::field::{domain_generator, powers};

/// Most butterflies that share inversions: their multiples stay in a core's own cache.
const BATCH: usize = 1024;
/// Batches whose results are held at a time.
const WAVE: usize = 64;

/// `L_j(τ)·G1` for the rows j of the domain of `2^k` rows, from as many powers `τ^i·G1`,
/// `k ≤ 28`. `report` is told of every `done` of the `k·2^k / 2` butterflies.
///
/// # Panics
///
/// When the number of points is no power of two.
pub fn lagrange_points(
    powers_g1: &[G1Affine],
    backend: Backend,
    report: &(dyn Fn(usize) + Sync),
) -> Vec<G1Affine> {
    let n = powers_g1.len();
    assert!(n.is_power_of_two(), "a domain has a power of two rows");
    let k = n.ilog2();
    let scale = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let roots = powers(Fr::ONE, domain_generator(k).invert().unwrap_or(Fr::ONE), n / 2);
    let mut points: Vec<Point> = powers_g1.par_iter().map(|p| Point::new(p, backend)).collect();
    let batch = (n / 2 / rayon::current_num_threads()).clamp(64, BATCH);
    for level in 0..k {
        let level = Level { half: n >> (level + 1), roots: &roots, scale };
        for wave in (0..n / 2).step_by(batch * WAVE) {
            let starts = (wave..(wave + batch * WAVE).min(n / 2)).step_by(batch);
            let ranges: Vec<Range<usize>> =
                starts.map(|start| start..(start + batch).min(n / 2)).collect();
            let outputs: Vec<Vec<Point>> = ranges
                .par_iter()
                .map(|pairs| {
                    let output = level.butterflies(backend, &points, pairs.clone());
                    report(pairs.len());
                    output
                })
                .collect();
            for (pairs, output) in ranges.into_iter().zip(outputs) {
                let (left, right) = output.split_at(pairs.len());
                for ((pair, left), right) in pairs.zip(left).zip(right) {
                    let at = level.place(pair);
                    (points[at], points[at + level.half]) = (*left, *right);
                }
            }
        }
    }
    let lower = Lower::new(backend);
    let bit_reversed = |j: usize| j.reverse_bits().checked_shr(usize::BITS - k).unwrap_or(0);
    let mut basis: Vec<G1Affine> =
        (0..n).into_par_iter().map(|j| points[bit_reversed(j)].to_affine(&lower)).collect();
    // The sum of all is never in a right half.
    let sum = multiples(backend, &basis[..1], &[scale]);
    basis[..1].copy_from_slice(&sum);
    basis
}

/// Butterflies of points at a distance.
struct Level<'a> {
    half: usize,
    /// `ω^(−j)` for j below n/2.
    roots: &'a [Fr],
    scale: Fr,
}

impl Level<'_> {
    /// Where the left point of a pair is.
    fn place(&self, pair: usize) -> usize {
        pair / self.half * 2 * self.half + pair % self.half
    }

    /// Results are scaled where a right half is first entered: in the first block.
    fn twiddle(&self, pair: usize) -> Fr {
        let twiddle = self.roots[pair % self.half * (self.roots.len() / self.half)];
        if pair < self.half { self.scale * twiddle } else { twiddle }
    }

    /// The pairs' sums and, behind them, their differences times twiddles.
    fn butterflies(&self, backend: Backend, points: &[Point], pairs: Range<usize>) -> Vec<Point> {
        let n = pairs.len();
        let places = pairs.clone().map(|pair| self.place(pair));
        let rights = places.clone().map(|at| at + self.half);
        let source: Vec<Point> = places.chain(rights).map(|at| points[at]).collect();
        let job = |i: usize| {
            let operand = |at: usize| (at << 1) as u32;
            let (a, b, negative) = (operand(i % n), operand(n + i % n), u32::from(i >= n));
            Job { a, b: b | negative, to: i as u32 }
        };
        let mut jobs: Vec<Job> = (0..2 * n).map(job).collect();
        let mut output = vec![Point::INFINITY; 2 * n];
        let infinity = source.iter().any(Point::is_infinity);
        add_pairs(backend, &source, &mut output, &mut jobs, infinity);
        let turned = pairs.enumerate().map(|(i, pair)| (n + i, self.twiddle(pair)));
        let (places, twiddles): (Vec<usize>, Vec<Fr>) =
            turned.filter(|(_, twiddle)| *twiddle != Fr::ONE).unzip();
        let mut factors: Vec<Point> = places.iter().map(|at| output[*at]).collect();
        multiply(backend, &mut factors, &twiddles);
        places.into_iter().zip(factors).for_each(|(at, point)| output[at] = point);
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::{Curve, prime::PrimeCurveAffine};
    use halo2_proofs::arithmetic::g_to_lagrange;

    #[test]
    fn the_basis_is_halo2s_with_every_backend_and_any_secret() {
        // A root of unity and zero make points at infinity and equal ones.
        let root = domain_generator(3);
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            for (tau, k) in [
                (Fr::from(123_456_789), 0),
                (Fr::from(123_456_789), 1),
                (-Fr::from(9), 6),
                (Fr::from(77), 9),
                (root, 5),
                (Fr::ZERO, 4),
            ] {
                let powers: Vec<G1Affine> = powers(Fr::ONE, tau, 1 << k)
                    .into_iter()
                    .map(|power| (G1Affine::generator() * power).to_affine())
                    .collect();
                let curve = powers.iter().map(|point| point.to_curve()).collect();
                let expected: Vec<G1Affine> = g_to_lagrange(curve, k);
                let done = std::sync::atomic::AtomicUsize::new(0);
                let report = |butterflies| {
                    done.fetch_add(butterflies, std::sync::atomic::Ordering::Relaxed);
                };
                assert_eq!(lagrange_points(&powers, backend, &report), expected, "{tau:?} {k}");
                assert_eq!(done.into_inner(), (k as usize) << k >> 1);
            }
        }
    }
}
