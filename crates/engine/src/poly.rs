//! Kernels on coefficient vectors: evaluation, linear combination, division.

use crate::field::{
    Backend, Lanes, Mark, Scalar, Words, dispatch, raised, to_words, words, words_mut,
};
use ff::Field;
use halo2curves::bn256::Fr;
use rayon::prelude::*;

/// Elements a task takes.
pub(crate) const CHUNK: usize = 1 << 8;

/// `Σ coefficients[i] · point^i`.
pub(crate) fn evaluate(backend: Backend, coefficients: &[Fr], point: Fr) -> Fr {
    let width = 16;
    crate::limits::count(coefficients.len());
    let step = point.pow_vartime([width as u64]);
    let (whole, rest) = coefficients.split_at(coefficients.len() / width * width);
    // Sixteen interleaved polynomials in point^16, one an element of the sums.
    let mut sums = [Fr::ZERO; 16];
    horner(
        backend,
        words::<Scalar>(whole),
        &to_words::<Scalar>(&raised::<Scalar>(step, backend.shift())),
        words_mut::<Scalar>(&mut sums),
    );
    let tail = rest.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c);
    let head = sums.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c);
    head + tail * point.pow_vartime([whole.len() as u64])
}

dispatch! {
    /// `sums[j] = Σ_i coefficients[16·i + j] · step^i`.
    fn horner[](coefficients: &[Words], step: &Words, sums: &mut [Words]) = horner_kernel, Scalar
}

/// See [`horner`].
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn horner_kernel<L: Lanes<Scalar>>(
    _: Mark<L>,
    coefficients: &[Words],
    step: &Words,
    sums: &mut [Words],
) {
    assert!(coefficients.len().is_multiple_of(16) && sums.len() == 16);
    let target = sums.as_mut_ptr();
    // SAFETY: rows of sixteen are in bounds; lanes cover a row.
    unsafe {
        let step = L::splat(step);
        let mut accumulators = [L::splat(&[0; 4]); 16];
        for row in coefficients.chunks_exact(16).rev() {
            let row = row.as_ptr();
            for (i, accumulator) in accumulators[..16 / L::W].iter_mut().enumerate() {
                let next = L::load(|l| row.add(i * L::W + l));
                // A product and a coefficient stay within what `mul` takes.
                *accumulator = accumulator.mul(&step).add(next).carried();
            }
        }
        for (i, accumulator) in accumulators[..16 / L::W].iter().enumerate() {
            accumulator.tidy().store(|l| target.add(i * L::W + l));
        }
    }
}

/// `Σ factors[j] · polynomials[j]` into `target`; polynomials shorter than the
/// target count as padded with zeros.
pub(crate) fn linear_combination(
    backend: Backend,
    polynomials: &[&[Fr]],
    factors: &[Fr],
    target: &mut [Fr],
) {
    let factors: Vec<Words> = factors
        .iter()
        .map(|factor| to_words::<Scalar>(&raised::<Scalar>(*factor, backend.shift())))
        .collect();
    target.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, target)| {
        let start = chunk * CHUNK;
        crate::limits::count(polynomials.len() * target.len());
        target.fill(Fr::ZERO);
        let parts: Vec<&[Words]> = polynomials
            .iter()
            .map(|polynomial| {
                let end = polynomial.len().min(start + target.len());
                words::<Scalar>(&polynomial[start.min(end)..end])
            })
            .collect();
        combine(backend, &parts, &factors, words_mut::<Scalar>(target));
    });
}

dispatch! {
    /// Adds `Σ factors[j] · parts[j]` to `target`; no part is longer than it.
    fn combine[](parts: &[&[Words]], factors: &[Words], target: &mut [Words]) = combine_kernel, Scalar
}

/// See [`combine`].
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn combine_kernel<L: Lanes<Scalar>>(
    _: Mark<L>,
    parts: &[&[Words]],
    factors: &[Words],
    target: &mut [Words],
) {
    let idle = [0u64; 4];
    let mut sink = [0u64; 4];
    let (length, sink) = (target.len(), &raw mut sink);
    let target = target.as_mut_ptr();
    // SAFETY: lanes past the end of a slice read `idle` and write `sink`.
    unsafe {
        let mut multiples = Vec::with_capacity(factors.len());
        multiples.extend(factors.iter().map(|factor| L::splat(factor)));
        for at in (0..length).step_by(L::W) {
            let place = |l: usize| if at + l < length { target.add(at + l) } else { sink };
            let mut sum = L::load(|l| place(l).cast_const());
            // A tidy sum takes three products before it must be tidied again.
            for (parts, multiples) in parts.chunks(3).zip(multiples.chunks(3)) {
                for (part, multiple) in parts.iter().zip(multiples) {
                    let (end, part) = (part.len(), part.as_ptr());
                    if at >= end {
                        continue;
                    }
                    let value = if at + L::W <= end {
                        L::load(|l| part.add(at + l))
                    } else {
                        L::load(|l| if at + l < end { part.add(at + l) } else { &raw const idle })
                    };
                    sum = sum.add(value.mul(multiple));
                }
                sum = sum.tidy();
            }
            sum.store(place);
        }
    }
}

/// The quotient of the division by `X - root`, without remainder, in place; the
/// leading coefficient becomes zero.
pub(crate) fn divide_by_linear(coefficients: &mut [Fr], root: Fr) {
    let mut carry = Fr::ZERO;
    for coefficient in coefficients.iter_mut().rev() {
        let next = *coefficient + carry * root;
        *coefficient = carry;
        carry = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::arithmetic::{eval_polynomial, kate_division};
    use rand::{SeedableRng, rngs::StdRng};

    fn random(n: usize, seed: u64) -> Vec<Fr> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..n).map(|_| Fr::random(&mut rng)).collect()
    }

    fn backends() -> impl Iterator<Item = Backend> {
        Backend::ALL.into_iter().filter(|backend| backend.is_available())
    }

    #[test]
    fn evaluation_agrees_with_halo2() {
        let point = random(1, 1)[0];
        for n in [0, 1, 5, 15, 16, 17, 64, 1000] {
            let polynomial = random(n, 2);
            for backend in backends() {
                for point in [point, Fr::ZERO, Fr::ONE, -Fr::ONE] {
                    let expected = eval_polynomial(&polynomial, point);
                    assert_eq!(evaluate(backend, &polynomial, point), expected, "{n}");
                }
            }
        }
    }

    #[test]
    fn linear_combinations_pad_short_polynomials() {
        let polynomials = [random(5000, 3), random(1, 4), random(4999, 5), vec![-Fr::ONE; 2050]];
        let factors = random(4, 6);
        for backend in backends() {
            let mut target = random(5000, 7);
            let slices: Vec<&[Fr]> = polynomials.iter().map(Vec::as_slice).collect();
            linear_combination(backend, &slices, &factors, &mut target);
            for (i, got) in target.iter().enumerate() {
                let expected = polynomials
                    .iter()
                    .zip(&factors)
                    .map(|(p, f)| p.get(i).copied().unwrap_or(Fr::ZERO) * f)
                    .sum::<Fr>();
                assert_eq!(*got, expected, "{i} {backend:?}");
            }
        }
    }

    #[test]
    fn division_agrees_with_halo2() {
        let mut polynomial = random(33, 8);
        let root = random(1, 9)[0];
        let expected = kate_division(&polynomial, root);
        divide_by_linear(&mut polynomial, root);
        assert_eq!(polynomial[..32], expected);
        assert_eq!(polynomial[32], Fr::ZERO);
    }
}
