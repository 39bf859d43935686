//! A short trial of a vector backend before it is used: products and sums in both
//! fields and additions of points, against the portable backend. A fraction of a
//! millisecond, once a process; no threads, so that it may run on any of them.

use crate::field::Backend;
use crate::msm::{Job, Lower, Point, add_pairs, classify};
use crate::poly::evaluate;
use ff::{Field, PrimeField};
use group::{Curve, Group};
use halo2curves::bn256::{Fr, G1, G1Affine};

/// Whether `backend` computes what the portable backend computes.
pub(crate) fn agrees_with_portable(backend: Backend) -> bool {
    let scalars = scalars();
    let points = points();
    let portable = Backend::Portable;
    evaluate(backend, &scalars, scalars[5]) == evaluate(portable, &scalars, scalars[5])
        && magnitudes(backend, &scalars) == magnitudes(portable, &scalars)
        && sums(backend, &points) == sums(portable, &points)
}

/// Zero, plus and minus one, and values without a pattern.
fn scalars() -> Vec<Fr> {
    let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(u64::MAX)];
    let mut value = Fr::MULTIPLICATIVE_GENERATOR;
    scalars.resize_with(64, || {
        value = value.square() - Fr::ONE;
        value
    });
    scalars
}

/// Points without a pattern.
fn points() -> Vec<G1Affine> {
    let mut point = G1::generator();
    (0..34)
        .map(|_| {
            point = point.double() + G1Affine::generator();
            point.to_affine()
        })
        .collect()
}

fn magnitudes(backend: Backend, scalars: &[Fr]) -> [(Vec<u32>, Vec<i32>); 2] {
    let (small, full) = classify(backend, scalars, |_| false);
    [small, full].map(|class| {
        let digits = |i| (0..16).map(move |window| (i, window));
        let digits = (0..class.len()).flat_map(digits);
        let digits = digits.map(|(i, window)| class.digit(i, window, 16)).collect();
        (class.entries, digits)
    })
}

/// Sums and differences of neighbours, where the vector formulas apply.
fn sums(backend: Backend, points: &[G1Affine]) -> Vec<G1Affine> {
    let source: Vec<Point> = points.iter().map(|point| Point::new(point, backend)).collect();
    let jobs: Vec<Job> = (1..points.len() as u32)
        .map(|i| Job { a: (i - 1) << 1 | ((i / 2) & 1), b: i << 1 | (i & 1), to: i - 1 })
        .collect();
    let mut target = vec![Point::INFINITY; jobs.len()];
    add_pairs(backend, &source, &mut target, &jobs, false);
    let lower = Lower::new(backend);
    target.iter().map(|point| point.to_affine(&lower)).collect()
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
}
