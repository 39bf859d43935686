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

/// Nanoseconds of one product among independent ones, operands in the first-level cache,
/// while every thread of the pool multiplies: two threads may share one core. The mean of
/// the threads' medians.
#[doc(hidden)]
pub fn product_nanoseconds(backend: Backend) -> f64 {
    let rounds = 500;
    let medians = rayon::broadcast(|_| {
        let mut values = [to_words::<Scalar>(&Fr::MULTIPLICATIVE_GENERATOR); 64];
        let mut measured: Vec<f64> = (0..101)
            .map(|_| {
                let start = Instant::now();
                powers(backend, &mut values, rounds);
                start.elapsed().as_nanos() as f64 / (values.len() * rounds) as f64
            })
            .collect();
        measured.sort_by(f64::total_cmp);
        measured[measured.len() / 2]
    });
    medians.iter().sum::<f64>() / medians.len() as f64
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
    // SAFETY: 64 is a multiple of four vectors of any backend.
    unsafe {
        let factor = L::splat(&to_words::<Scalar>(&Fr::ROOT_OF_UNITY));
        for at in (0..64).step_by(4 * L::W) {
            let place = |i: usize, l: usize| values.add(at + i * L::W + l);
            let mut chains: [L; 4] =
                core::array::from_fn(|i| L::load(|l| place(i, l).cast_const()));
            for _ in 0..rounds {
                for chain in &mut chains {
                    *chain = chain.mul(&factor);
                }
            }
            for (i, chain) in chains.iter().enumerate() {
                chain.store(|l| place(i, l));
            }
        }
    }
}
