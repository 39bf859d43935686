//! Arithmetic on scalars that every part of the proof system needs.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
#[cfg(feature = "prover")]
mod lists;

#[cfg(feature = "prover")]
pub use self::lists::{invert_all, lagrange_basis, powers};

/// halo2's generator of the domain of size `2^k`, `k ≤ 28`.
pub fn domain_generator(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// ω^rotation, for ω of order `2^k`.
pub fn rotate(omega: Fr, k: u32, rotation: i32) -> Fr {
    let order = 1i64 << k;
    omega.pow_vartime([i64::from(rotation).rem_euclid(order) as u64])
}

/// Replaces every nonzero value by its inverse, with one inversion.
pub(crate) fn invert_chunk(values: &mut [Fr]) {
    let mut product = Fr::ONE;
    let mut prefixes = Vec::with_capacity(values.len());
    for value in values.iter() {
        prefixes.push(product);
        if !bool::from(value.is_zero()) {
            product *= value;
        }
    }
    // A product of nonzero elements of a field has an inverse.
    let mut inverse = product.invert().unwrap_or(Fr::ZERO);
    for (value, prefix) in values.iter_mut().zip(prefixes).rev() {
        if !bool::from(value.is_zero()) {
            let next = inverse * *value;
            *value = inverse * prefix;
            inverse = next;
        }
    }
}

/// Coefficients of the polynomial through `(points[i], values[i])`; `None` when two
/// points are equal.
pub fn interpolate(points: &[Fr], values: &[Fr]) -> Option<Vec<Fr>> {
    let mut result = vec![Fr::ZERO; points.len()];
    for (i, (point, value)) in points.iter().zip(values).enumerate() {
        let mut basis = vec![Fr::ONE];
        let mut denominator = Fr::ONE;
        for (_, other) in points.iter().enumerate().filter(|(j, _)| *j != i) {
            denominator *= *point - other;
            // Multiply the basis by X - other.
            basis.push(Fr::ZERO);
            for j in (0..basis.len()).rev() {
                let below = if j > 0 { basis[j - 1] } else { Fr::ZERO };
                basis[j] = below - basis[j] * other;
            }
        }
        let factor = *value * Option::<Fr>::from(denominator.invert())?;
        for (result, basis) in result.iter_mut().zip(basis) {
            *result += basis * factor;
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use halo2_proofs::arithmetic::lagrange_interpolate;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn random(n: usize, seed: u64) -> Vec<Fr> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..n).map(|_| Fr::random(&mut rng)).collect()
    }

    #[test]
    fn inversion_skips_zeros() {
        let mut values = random(3000, 12);
        values[7] = Fr::ZERO;
        values[2999] = Fr::ZERO;
        let before = values.clone();
        invert_all(&mut values);
        for (value, before) in values.iter().zip(before) {
            assert_eq!(*value, before.invert().unwrap_or(Fr::ZERO));
        }
    }

    #[test]
    fn interpolation_agrees_with_halo2_and_refuses_equal_points() {
        for n in 1..6 {
            let (points, values) = (random(n, 10), random(n, 11));
            assert_eq!(interpolate(&points, &values), Some(lagrange_interpolate(&points, &values)));
        }
        let point = random(1, 9)[0];
        assert_eq!(interpolate(&[point, point], &[point, point]), None);
    }

    #[test]
    fn a_combination_of_the_lagrange_basis_is_the_interpolation_at_the_point() {
        let (values, point) = (random(8, 1), random(1, 2)[0]);
        let roots = powers(Fr::ONE, domain_generator(3), 8);
        let polynomial = lagrange_interpolate(&roots, &values);
        let expected = polynomial.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c);
        let basis = lagrange_basis(3, point);
        assert_eq!(basis.iter().zip(&values).map(|(b, v)| *b * v).sum::<Fr>(), expected);
    }

    #[test]
    fn rotations_go_around_the_domain() {
        let omega = domain_generator(4);
        assert_eq!(rotate(omega, 4, -1) * omega, Fr::ONE);
        assert_eq!(rotate(omega, 4, 17), omega);
    }
}
