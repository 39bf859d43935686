//! The quotient polynomial.
//!
//! The numerator (all constraints, weighted by powers of y) is evaluated on as many
//! cosets of the domain as the quotient has pieces; on a coset the vanishing
//! polynomial is constant. An inverse transform of each coset gives the quotient
//! modulo `X^n - t_j`, and a small Vandermonde system gives its pieces.

pub(crate) mod expr;
pub(crate) mod program;

use crate::fft::Domain;
use crate::field::Backend;
use crate::poly::{CHUNK, linear_combination};
use ff::{Field, PrimeField, WithSmallOrderMulGroup};
use halo2curves::bn256::Fr;
use program::{Combined, Program};
use rayon::prelude::*;
use std::borrow::Cow;
use verdict_kzg::field::{interpolate, powers};

/// A column that a program may read.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Coefficients(&'a [Fr]),
    /// On the domain: as good where columns are added up before they are transformed.
    Values(&'a [Fr]),
}

/// The pieces of `numerator / (X^n - 1)`, each of n coefficients.
pub(crate) fn quotient(
    backend: Backend,
    domain: &Domain,
    program: &Program,
    sources: &[Source<'_>],
    pieces: usize,
) -> Vec<Vec<Fr>> {
    let n = domain.size();
    // Columns that are linear combinations of others.
    let sum = |terms: &[(&[Fr], Fr)]| {
        let (columns, factors): (Vec<&[Fr]>, Vec<Fr>) = terms.iter().copied().unzip();
        let mut out = vec![Fr::ZERO; n];
        linear_combination(backend, &columns, &factors, &mut out);
        out
    };
    let combine = |combined: &Combined| {
        let (mut coefficients, mut values) = (Vec::new(), Vec::new());
        for (column, factor) in &combined.terms {
            match sources[*column] {
                Source::Coefficients(column) => coefficients.push((column, *factor)),
                Source::Values(column) => values.push((column, *factor)),
            }
        }
        if values.is_empty() {
            return sum(&coefficients);
        }
        let mut of_values = sum(&values);
        domain.inverse(&mut of_values, &mut Vec::new());
        if coefficients.is_empty() {
            return of_values;
        }
        coefficients.push((&of_values, Fr::ONE));
        sum(&coefficients)
    };
    let combined: Vec<Vec<Fr>> = program.combined.iter().map(combine).collect();
    let mut given: Vec<Cow<'_, [Fr]>> = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        given.push(match source {
            Source::Values(values) if program.columns.contains(&index) => {
                let mut coefficients = values.to_vec();
                domain.inverse(&mut coefficients, &mut Vec::new());
                Cow::Owned(coefficients)
            }
            Source::Values(column) | Source::Coefficients(column) => Cow::Borrowed(column),
        });
    }
    let coefficients: Vec<&[Fr]> =
        given.iter().map(|column| &column[..]).chain(combined.iter().map(Vec::as_slice)).collect();
    let extended = pieces.next_power_of_two().trailing_zeros();
    let step = (domain.k() + extended..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let shifts = powers(Fr::ZETA, step, pieces);
    let mut values: Vec<(usize, Vec<Fr>)> =
        program.columns.iter().map(|c| (*c, vec![Fr::ZERO; n])).collect();
    let mut parts: Vec<Vec<Fr>> = Vec::with_capacity(pieces);
    for shift in &shifts {
        let twiddles = domain.coset(*shift);
        values.par_iter_mut().for_each_init(Vec::new, |scratch, (column, values)| {
            domain.forward_on_coset(&twiddles, coefficients[*column], values, scratch);
        });
        drop(twiddles);
        let mut columns: Vec<Option<&[Fr]>> = vec![None; coefficients.len()];
        for (column, values) in &values {
            columns[*column] = Some(values);
        }
        let mut numerator = vec![Fr::ZERO; n];
        numerator.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            program.run(backend, &columns, chunk * CHUNK, out);
        });
        parts.push(numerator);
    }
    drop((values, given, combined));
    parts.par_iter_mut().for_each_init(Vec::new, |scratch, part| domain.inverse(part, scratch));
    unmix(backend, domain, &shifts, parts)
}

/// From coefficients of the numerator on each coset (scaled by powers of its shift)
/// to the pieces of the quotient.
fn unmix(
    backend: Backend,
    domain: &Domain,
    shifts: &[Fr],
    mut parts: Vec<Vec<Fr>>,
) -> Vec<Vec<Fr>> {
    let n = domain.size();
    let tops: Vec<Fr> = shifts.iter().map(|shift| shift.pow_vartime([n as u64])).collect();
    // Column j of the inverse Vandermonde matrix: the Lagrange basis at the t_j.
    let columns: Vec<Vec<Fr>> = (0..shifts.len())
        .map(|j| {
            let mut unit = vec![Fr::ZERO; shifts.len()];
            unit[j] = (tops[j] - Fr::ONE).invert().unwrap_or(Fr::ZERO);
            interpolate(&tops, &unit).unwrap_or_default()
        })
        .collect();
    for (part, shift) in parts.iter_mut().zip(shifts) {
        let inverse = shift.invert().unwrap_or(Fr::ZERO);
        part.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, part)| {
            let mut power = inverse.pow_vartime([(chunk * CHUNK) as u64]);
            for value in part {
                *value *= power;
                power *= inverse;
            }
        });
    }
    let slices: Vec<&[Fr]> = parts.iter().map(Vec::as_slice).collect();
    (0..shifts.len())
        .map(|piece| {
            let factors: Vec<Fr> = columns.iter().map(|column| column[piece]).collect();
            let mut out = vec![Fr::ZERO; n];
            linear_combination(backend, &slices, &factors, &mut out);
            out
        })
        .collect()
}
