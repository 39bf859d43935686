//! Trials of a backend against halo2curves' arithmetic on inputs biased to the edges:
//! a short one before a vector backend is first used, longer ones by the fuzzer.

use crate::fft::Domain;
use crate::field::operations::{check_base, check_scalar};
use crate::field::{Backend, Base, Modulus, Scalar, Words, from_words};
use crate::msm::{Bases, Job, Lower, Point, add_pairs, classify, multiples};
use ff::{Field, PrimeField, WithSmallOrderMulGroup};
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use halo2curves::bn256::{Fr, G1, G1Affine};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Whether `backend` computes what halo2curves does on a few values. A fraction of a
/// millisecond and no threads, so that any thread may run it.
pub(crate) fn agrees_with_portable(backend: Backend) -> bool {
    kernels(backend, &mut StdRng::seed_from_u64(1), 32).is_ok()
}

/// One trial of all kernels, whole multiplications and transforms included; names the
/// first mismatch. For fuzzing.
#[doc(hidden)]
pub fn differential_trial(backend: Backend, seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let size = 8 * rng.gen_range(1..40);
    kernels(backend, &mut rng, size)?;
    transforms(backend, &mut rng)?;
    multiplication(backend, &mut rng)
}

/// Field operations, digits and additions of points; `size` is a multiple of eight.
fn kernels(backend: Backend, rng: &mut StdRng, size: usize) -> Result<(), String> {
    let (a, b) = (edge_elements::<Base>(rng, size), edge_elements::<Base>(rng, size));
    check_base(backend, &a, &b)?;
    let (a, b) = (edge_elements::<Scalar>(rng, size), edge_elements::<Scalar>(rng, size));
    check_scalar(backend, &a, &b)?;
    digits(backend, &edge_scalars(rng, size))?;
    additions(backend, rng, size)
}

/// Elements near zero, near p, near powers of two and of sparse words, and random
/// ones.
pub(crate) fn edge_elements<M: Modulus>(rng: &mut StdRng, n: usize) -> Vec<M::Field> {
    (0..n)
        .map(|_| {
            let words: Words = match rng.gen_range(0..6) {
                0 => [rng.gen_range(0..3), 0, 0, 0],
                1 => {
                    let bit = rng.gen_range(0..253);
                    let mut words = [0; 4];
                    words[bit / 64] = 1 << (bit % 64);
                    words
                }
                2 => {
                    // A run of ones, from bit 0: 2^bit - 1.
                    let bit: usize = rng.gen_range(1..253);
                    core::array::from_fn(|i| match bit.saturating_sub(64 * i) {
                        left if left >= 64 => u64::MAX,
                        left => (1 << left) - 1,
                    })
                }
                3 => core::array::from_fn(|i| {
                    let word = [0, 1, u64::MAX, 1 << 63][rng.gen_range(0..4)];
                    if i == 3 { word >> 3 } else { word }
                }),
                _ => return M::Field::random(&mut *rng),
            };
            let element = from_words::<M>(words);
            if rng.r#gen() { element } else { -element }
        })
        .collect()
}

/// Scalars of all sizes: small with either sign, around the limits of the classes.
fn edge_scalars(rng: &mut StdRng, n: usize) -> Vec<Fr> {
    let half = Fr::TWO_INV;
    (0..n)
        .map(|_| {
            let value = match rng.gen_range(0..7) {
                0 => Fr::from(rng.gen_range(0..3)),
                1 => Fr::from(rng.r#gen::<u64>() >> rng.gen_range(0..64)),
                2 => Fr::from(u64::MAX) + Fr::from(rng.gen_range(0..2)),
                3 => half + Fr::from(rng.gen_range(0..3)),
                4 => Fr::from(2).pow_vartime([rng.gen_range(0..253u64)]),
                _ => Fr::random(&mut *rng),
            };
            if rng.r#gen() { value } else { -value }
        })
        .collect()
}

/// Signed digits put together again give the scalars.
fn digits(backend: Backend, scalars: &[Fr]) -> Result<(), String> {
    for c in [2, 13, 16] {
        if recomposed(backend, scalars, c) != scalars {
            return Err(format!("digits of {c} bits of {scalars:?} with {backend:?}"));
        }
    }
    Ok(())
}

/// The scalars, from their digits of `c` bits.
pub(crate) fn recomposed(backend: Backend, scalars: &[Fr], c: usize) -> Vec<Fr> {
    let mut sums = vec![Fr::ZERO; scalars.len()];
    let (small, full) = classify(backend, scalars, |_| false);
    for class in [small, full] {
        for i in 0..class.len() {
            let mut value = Fr::ZERO;
            for window in (0..(class.bits + 1).div_ceil(c)).rev() {
                let digit = class.digit(i, window, c);
                let part = Fr::from(u64::from(digit.unsigned_abs()));
                value = value * Fr::from(1 << c) + if digit < 0 { -part } else { part };
            }
            let entry = class.entries[i];
            let value = if entry & 1 == 1 { -value } else { value };
            let image = entry >> 1 & 1 == 1;
            sums[(entry >> 2) as usize] += if image { value * Fr::ZETA } else { value };
        }
    }
    sums
}

/// Points with equal and opposite ones among them; infinity too if asked for.
fn edge_points(rng: &mut StdRng, n: usize, infinity: bool) -> Vec<G1Affine> {
    let mut point = G1::generator() * Fr::from(rng.r#gen::<u64>() >> 32 | 1);
    let mut points: Vec<G1> = Vec::with_capacity(n);
    let repeat = rng.gen_range(1..30);
    for _ in 0..n {
        point = point.double() + G1Affine::generator();
        let earlier = rng.gen_range(0..points.len().max(1));
        points.push(match points.get(earlier) {
            Some(_) if infinity && rng.gen_ratio(1, 40) => G1::identity(),
            Some(earlier) if rng.gen_ratio(1, repeat + 1) => *earlier,
            Some(earlier) if rng.gen_ratio(1, repeat + 1) => -*earlier,
            _ => point,
        });
    }
    let mut affine = vec![G1Affine::identity(); n];
    G1::batch_normalize(&points, &mut affine);
    affine
}

/// Sums and differences of pairs.
fn additions(backend: Backend, rng: &mut StdRng, n: usize) -> Result<(), String> {
    for (infinity, distinct) in [(false, true), (false, false), (true, false)] {
        let points = edge_points(rng, n, infinity);
        let source: Vec<Point> = points.iter().map(|point| Point::new(point, backend)).collect();
        let operand = |rng: &mut StdRng| rng.gen_range(0..2 * n as u32);
        // Without equal and opposite operands the vector formulas apply throughout.
        let mut jobs: Vec<Job> = if !distinct {
            (0..n as u32).map(|to| Job { a: operand(rng), b: operand(rng), to }).collect()
        } else {
            let sign = |i: usize| (i << 1 | (i % 3) & 1) as u32;
            let differ = |i: &usize| points[*i].x != points[(i + 1) % n].x;
            let pairs = (0..n).filter(differ).enumerate();
            pairs.map(|(to, i)| Job { a: sign(i), b: sign((i + 1) % n), to: to as u32 }).collect()
        };
        let mut target = vec![Point::INFINITY; n];
        add_pairs(backend, &source, &mut target, &mut jobs, infinity);
        let lower = Lower::new(backend);
        for job in &jobs {
            let [a, b] = [job.a, job.b].map(|operand| {
                let point = points[(operand >> 1) as usize];
                if operand & 1 == 1 { -point } else { point }
            });
            let sum = target[job.to as usize].to_affine(&lower);
            if sum != (a + b).to_affine() {
                return Err(format!("the sum of {a:?} and {b:?} with {backend:?}"));
            }
        }
    }
    Ok(())
}

/// Transforms of all small sizes, on a coset and back, against the portable ones.
fn transforms(backend: Backend, rng: &mut StdRng) -> Result<(), String> {
    let k = rng.gen_range(0..11);
    let coefficients = edge_elements::<Scalar>(rng, 1 << k);
    let shift = Fr::random(rng);
    let values = |backend| {
        let domain = Domain::new(k, backend);
        let mut plain = coefficients.clone();
        let mut scratch = Vec::new();
        domain.forward(&mut plain, &mut scratch);
        let mut coset = vec![Fr::ZERO; 1 << k];
        domain.forward_on_coset(&domain.coset(shift), &coefficients, &mut coset, &mut scratch);
        let mut back = plain.clone();
        domain.inverse(&mut back, &mut scratch);
        (plain, coset, back)
    };
    let (got, expected) = (values(backend), values(Backend::Portable));
    if got != expected || got.2 != coefficients {
        return Err(format!("a transform of 2^{k} values with {backend:?}"));
    }
    Ok(())
}

/// A multiplication and the multiples that it sums against halo2curves'.
fn multiplication(backend: Backend, rng: &mut StdRng) -> Result<(), String> {
    let n = rng.gen_range(0..600);
    let infinity = rng.r#gen();
    let points = edge_points(rng, n, infinity);
    let scalars = edge_scalars(rng, n);
    let expected = halo2curves::msm::msm_parallel(&scalars, &points);
    if Bases::new(&points, backend).msm(&scalars) != expected {
        return Err(format!("a multiplication of {n} points with {backend:?}"));
    }
    let n = n.min(40);
    let products = multiples(backend, &points[..n], &scalars[..n]);
    let each = points[..n].iter().zip(&scalars).map(|(point, scalar)| (point * scalar).to_affine());
    if !each.eq(products) {
        return Err(format!("multiples of {n} points with {backend:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_that_can_run_passes_its_trial() {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.has_features()) {
            assert!(agrees_with_portable(backend), "{backend:?}");
        }
    }

    #[test]
    fn every_backend_that_can_run_passes_longer_trials() {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.has_features()) {
            for seed in 0..30 {
                assert_eq!(differential_trial(backend, seed), Ok(()), "seed {seed}");
            }
        }
    }
}
