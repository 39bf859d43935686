//! Arithmetic on long lists, by all threads.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::{domain_generator, invert_chunk};

/// Elements a task takes.
const CHUNK: usize = 1 << 8;

/// `first, first·ratio, first·ratio², …`.
pub fn powers(first: Fr, ratio: Fr, length: usize) -> Vec<Fr> {
    let mut out = vec![Fr::ZERO; length];
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
        let mut power = first * ratio.pow_vartime([(chunk * CHUNK) as u64]);
        for out in out {
            *out = power;
            power *= ratio;
        }
    });
    out
}

/// Replaces every nonzero value by its inverse, with one inversion a chunk.
pub fn invert_all(values: &mut [Fr]) {
    values.par_chunks_mut(CHUNK).for_each(invert_chunk);
}

/// `L_i(point) = ω^i (point^n − 1) / (n (point − ω^i))` for all rows i of the domain of
/// size n = `2^k`; `point` is not in it.
pub fn lagrange_basis(k: u32, point: Fr) -> Vec<Fr> {
    let n = 1usize << k;
    let roots = powers(Fr::ONE, domain_generator(k), n);
    let factor =
        (point.pow_vartime([n as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let mut basis: Vec<Fr> = roots.iter().map(|root| point - root).collect();
    invert_all(&mut basis);
    basis.iter_mut().zip(&roots).for_each(|(value, root)| *value *= factor * root);
    basis
}
