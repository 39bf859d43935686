//! Checks that points are the powers of one τ, with one random challenge.
//!
//! With `C = Σ_{i<n} z^i P_i` for a random z, the powers `P_i` are consecutive exactly
//! when, except with probability `n/r`,
//! `e(C − z^(n−1) P_{n−1}, τ·G2) = e((C − P_0)/z, G2)`.
//! The polynomial `Σ z^i X^i` takes the value `(z^n − 1)/(z ω^i − 1)` at `ω^i`, so that
//! `Σ (z^n − 1)/(z ω^i − 1) L_i = C` holds with the same error exactly when the `L_i`
//! are the Lagrange basis belonging to the powers. Two multi-exponentiations suffice.

use ff::Field;
use group::{Curve, cofactor::CofactorGroup, prime::PrimeCurveAffine};
use halo2_proofs::arithmetic::best_multiexp;
use halo2curves::{
    CurveAffine,
    bn256::{Fr, G1, G1Affine, G2Affine, pairing},
};
use rand::rngs::OsRng;
use rayon::prelude::*;
use verdict_kzg::field::{domain_generator, invert_all, powers as powers_of};

use super::{
    error::{Basis, Inconsistency},
    progress::{Progress, Step},
};

/// Checks that `g2` and `s_g2` are usable: on the curve, finite, in the right group.
pub(super) fn g2_powers(g2: &G2Affine, s_g2: &G2Affine) -> Result<(), Inconsistency> {
    if *g2 != G2Affine::generator() {
        return Err(Inconsistency::WrongGenerator { basis: Basis::G2 });
    }
    if !bool::from(s_g2.is_on_curve()) {
        return Err(Inconsistency::NotOnCurve { basis: Basis::G2, index: 1 });
    }
    if bool::from(s_g2.is_identity()) {
        return Err(Inconsistency::Infinity { basis: Basis::G2, index: 1 });
    }
    if !bool::from(s_g2.to_curve().is_torsion_free()) {
        return Err(Inconsistency::WrongSubgroup);
    }
    Ok(())
}

/// Checks that every point is finite and on the curve.
pub(super) fn points(points: &[G1Affine], basis: Basis) -> Result<(), Inconsistency> {
    let fault =
        points.par_iter().enumerate().with_min_len(1 << 10).find_map_first(|(index, point)| {
            if bool::from(point.is_identity()) {
                Some(Inconsistency::Infinity { basis, index })
            } else if !bool::from(point.is_on_curve()) {
                Some(Inconsistency::NotOnCurve { basis, index })
            } else {
                None
            }
        });
    fault.map_or(Ok(()), Err)
}

/// A commitment to `Σ z^i X^i` by powers that passed the pairing check.
pub(super) struct Commitment {
    z: Fr,
    length: usize,
    point: G1,
}

/// Checks that `powers` are consecutive powers of the τ in `s_g2`.
///
/// All points must have passed [`points`] and [`g2_powers`].
pub(super) fn powers(
    powers: &[G1Affine],
    s_g2: &G2Affine,
    progress: &dyn Progress,
) -> Result<Commitment, Inconsistency> {
    let length = powers.len();
    let [first, .., last] = powers else {
        let (basis, expected, actual) = (Basis::Powers, 2, length);
        return Err(Inconsistency::WrongLength { basis, expected, actual });
    };
    if *first != G1Affine::generator() {
        return Err(Inconsistency::WrongGenerator { basis: Basis::Powers });
    }
    let total = 2 * length as u64;
    progress.report(Step::Checking, 0, total);
    let (z, z_inverse) = challenge(length);
    let coefficients = powers_of(Fr::ONE, z, length);
    let point = best_multiexp(&coefficients, powers);
    let lower = point - *last * coefficients[length - 1];
    let upper = (point - first) * z_inverse;
    if pairing(&lower.to_affine(), s_g2) != pairing(&upper.to_affine(), &G2Affine::generator()) {
        return Err(Inconsistency::NotConsecutive);
    }
    progress.report(Step::Checking, total / 2, total);
    Ok(Commitment { z, length, point })
}

/// Checks that `basis` is the Lagrange basis belonging to the powers of `commitment`.
pub(super) fn lagrange(
    commitment: &Commitment,
    basis: &[G1Affine],
    progress: &dyn Progress,
) -> Result<(), Inconsistency> {
    let Commitment { z, length, point } = commitment;
    if basis.len() != *length {
        let (basis, expected, actual) = (Basis::Lagrange, *length, basis.len());
        return Err(Inconsistency::WrongLength { basis, expected, actual });
    }
    let omega = domain_generator(length.ilog2());
    let mut evaluations = powers_of(Fr::ONE, omega, *length);
    evaluations.par_iter_mut().for_each(|root| *root = *root * z - Fr::ONE);
    invert_all(&mut evaluations);
    let numerator = z.pow_vartime([*length as u64]) - Fr::ONE;
    evaluations.par_iter_mut().for_each(|inverse| *inverse *= numerator);
    if best_multiexp(&evaluations, basis) != *point {
        return Err(Inconsistency::LagrangeMismatch);
    }
    let total = 2 * *length as u64;
    progress.report(Step::Checking, total, total);
    Ok(())
}

/// A random nonzero element outside the domain of size `n`, and its inverse.
fn challenge(n: usize) -> (Fr, Fr) {
    loop {
        let z = Fr::random(OsRng);
        if z.pow_vartime([n as u64]) != Fr::ONE
            && let Some(inverse) = Option::from(z.invert())
        {
            return (z, inverse);
        }
    }
}
