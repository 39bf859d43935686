//! SHPLONK: one pair of commitments proves all evaluations.
//!
//! Polynomials opened at the same set of points are combined by powers of y once;
//! the combination serves both the quotient and the linearisation, which differ from
//! it in a few coefficients only.

use crate::engine::Engine;
use crate::error::EngineError;
use crate::poly::{divide_by_linear, evaluate, linear_combination};
use ff::Field;
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use rayon::prelude::*;
use verdict_kzg::field::interpolate;

/// An evaluation to prove.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// Index among the polynomials given.
    pub(super) polynomial: usize,
    pub(super) point: Fr,
    pub(super) value: Fr,
}

/// Polynomials opened at the same points.
struct RotationSet {
    points: Vec<Fr>,
    /// Each polynomial with its values at `points`.
    members: Vec<(usize, Vec<Fr>)>,
}

/// Groups openings in halo2's order: polynomials and sets by first appearance.
fn rotation_sets(openings: &[Opening]) -> Result<Vec<RotationSet>, EngineError> {
    let mut polynomials: Vec<(usize, Vec<(Fr, Fr)>)> = Vec::new();
    for opening in openings {
        let values = match polynomials.iter_mut().find(|(p, _)| *p == opening.polynomial) {
            Some((_, values)) => values,
            None => {
                polynomials.push((opening.polynomial, Vec::new()));
                let Some((_, values)) = polynomials.last_mut() else { continue };
                values
            }
        };
        if values.iter().any(|(point, _)| *point == opening.point) {
            return Err(EngineError::QueryCollision);
        }
        values.push((opening.point, opening.value));
    }
    let mut sets: Vec<RotationSet> = Vec::new();
    for (polynomial, values) in polynomials {
        let same = |set: &&mut RotationSet| {
            set.points.len() == values.len()
                && values.iter().all(|(point, _)| set.points.contains(point))
        };
        let set = match sets.iter_mut().find(same) {
            Some(set) => set,
            None => {
                let points = values.iter().map(|(point, _)| *point).collect();
                sets.push(RotationSet { points, members: Vec::new() });
                let Some(set) = sets.last_mut() else { continue };
                set
            }
        };
        let ordered = set
            .points
            .iter()
            .filter_map(|point| values.iter().find(|(p, _)| p == point).map(|(_, value)| *value))
            .collect();
        set.members.push((polynomial, ordered));
    }
    Ok(sets)
}

/// `Π (point - root)`.
fn vanishing<'a>(roots: impl IntoIterator<Item = &'a Fr>, point: Fr) -> Fr {
    roots.into_iter().fold(Fr::ONE, |product, root| product * (point - root))
}

/// Proves openings of polynomials of `n` coefficients.
pub(super) fn open<E, T>(
    engine: &Engine,
    polynomials: &[&[Fr]],
    openings: &[Opening],
    transcript: &mut T,
) -> Result<(), EngineError>
where
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let n = engine.domain.size();
    let y = *transcript.squeeze_challenge_scalar::<()>();
    let sets = rotation_sets(openings)?;
    let v = *transcript.squeeze_challenge_scalar::<()>();

    // Per set: the combination of its polynomials and of their low-degree
    // interpolations, both by powers of y.
    let combined: Vec<(Vec<Fr>, Vec<Fr>)> = engine.pool.install(|| {
        sets.par_iter()
            .map(|set| {
                let mut factors = Vec::with_capacity(set.members.len());
                let mut values = vec![Fr::ZERO; set.points.len()];
                let mut power = Fr::ONE;
                for (_, member) in &set.members {
                    for (sum, value) in values.iter_mut().zip(member) {
                        *sum += power * value;
                    }
                    factors.push(power);
                    power *= y;
                }
                let members: Vec<&[Fr]> =
                    set.members.iter().map(|(p, _)| polynomials[*p]).collect();
                let mut combination = vec![Fr::ZERO; n];
                linear_combination(engine.backend, &members, &factors, &mut combination);
                let low = interpolate(&set.points, &values).ok_or(EngineError::QueryCollision)?;
                Ok((combination, low))
            })
            .collect::<Result<_, EngineError>>()
    })?;

    let v_powers: Vec<Fr> =
        std::iter::successors(Some(Fr::ONE), |power| Some(*power * v)).take(sets.len()).collect();
    let (quotient, commitment) = engine.pool.install(|| {
        let quotients: Vec<Vec<Fr>> = sets
            .par_iter()
            .zip(&combined)
            .map(|(set, (combination, low))| {
                let mut numerator = combination.clone();
                for (coefficient, low) in numerator.iter_mut().zip(low) {
                    *coefficient -= low;
                }
                for point in &set.points {
                    divide_by_linear(&mut numerator, *point);
                }
                numerator
            })
            .collect();
        let slices: Vec<&[Fr]> = quotients.iter().map(Vec::as_slice).collect();
        let mut quotient = vec![Fr::ZERO; n];
        linear_combination(engine.backend, &slices, &v_powers, &mut quotient);
        let commitment = engine.commit_coefficients([quotient.as_slice()]);
        (quotient, commitment)
    });
    for point in commitment {
        transcript.write_point(point)?;
    }
    let u = *transcript.squeeze_challenge_scalar::<()>();

    let mut all_points: Vec<Fr> = Vec::new();
    for opening in openings {
        if !all_points.contains(&opening.point) {
            all_points.push(opening.point);
        }
    }
    let differences: Vec<Fr> = sets
        .iter()
        .map(|set| vanishing(all_points.iter().filter(|p| !set.points.contains(p)), u))
        .collect();
    let normalize = differences
        .first()
        .and_then(|first| Option::<Fr>::from(first.invert()))
        .ok_or(EngineError::UnluckyChallenge)?;
    let mut factors: Vec<Fr> =
        v_powers.iter().zip(&differences).map(|(v, z)| *v * z * normalize).collect();
    let constant: Fr = combined
        .iter()
        .zip(&factors)
        .map(|((_, low), factor)| evaluate(engine.backend, low, u) * factor)
        .sum();
    factors.push(-vanishing(&all_points, u) * normalize);
    let commitment = engine.pool.install(|| {
        let mut slices: Vec<&[Fr]> = combined.iter().map(|(c, _)| c.as_slice()).collect();
        slices.push(&quotient);
        let mut linearisation = vec![Fr::ZERO; n];
        linear_combination(engine.backend, &slices, &factors, &mut linearisation);
        linearisation[0] -= constant;
        divide_by_linear(&mut linearisation, u);
        engine.commit_coefficients([linearisation.as_slice()])
    });
    for point in commitment {
        transcript.write_point(point)?;
    }
    Ok(())
}
