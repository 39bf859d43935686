//! What the arithmetic alone would cost: field products are counted by the kernels
//! that make most of them, a call at a time, and the cost of one is measured. For
//! benchmarks; a relaxed addition a thousand products costs nothing.

use crate::field::{Backend, Lanes, Mark, Scalar, Words, dispatch, to_words};
use ff::PrimeField;
use halo2curves::bn256::Fr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static PRODUCTS: AtomicU64 = AtomicU64::new(0);

/// Notes that a kernel made so many products, squares included.
#[inline]
pub(crate) fn count(products: usize) {
    PRODUCTS.fetch_add(products as u64, Ordering::Relaxed);
}

/// Products of vector kernels in this process so far, squares included; arithmetic
/// on single elements between kernels is not among them.
#[doc(hidden)]
pub fn products_so_far() -> u64 {
    PRODUCTS.load(Ordering::Relaxed)
}

/// Nanoseconds of one product among many independent ones, operands in the
/// first-level cache: the best of several measurements.
#[doc(hidden)]
pub fn product_nanoseconds(backend: Backend) -> f64 {
    let mut values = [to_words::<Scalar>(&Fr::MULTIPLICATIVE_GENERATOR); 64];
    let rounds = 500;
    let measured = (0..20).map(|_| {
        let start = Instant::now();
        powers(backend, &mut values, rounds);
        start.elapsed().as_nanos() as f64 / (values.len() * rounds) as f64
    });
    measured.fold(f64::INFINITY, f64::min)
}

dispatch! {
    /// Multiplies every value `rounds` times by a constant.
    fn powers[](values: &mut [Words; 64], rounds: usize) = powers_kernel, Scalar
}

/// See [`powers`].
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn powers_kernel<L: Lanes<Scalar>>(_: Mark<L>, values: &mut [Words; 64], rounds: usize) {
    let values = values.as_mut_ptr();
    // SAFETY: 64 is a multiple of two vectors of any backend.
    unsafe {
        let factor = L::splat(&to_words::<Scalar>(&Fr::ROOT_OF_UNITY));
        for at in (0..64).step_by(2 * L::W) {
            let mut a = L::load(|l| values.add(at + l));
            let mut b = L::load(|l| values.add(at + L::W + l));
            for _ in 0..rounds {
                a = a.mul(&factor);
                b = b.mul(&factor);
            }
            a.store(|l| values.add(at + l));
            b.store(|l| values.add(at + L::W + l));
        }
    }
}
