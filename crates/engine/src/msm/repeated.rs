//! Columns of few different values.
//!
//! Inverses of the entries of a small table, or of a few indices, are long scalars, but
//! there are few of them: `Σ c_i · B_i = Σ_t c_t · (Σ of the B_i whose scalar is c_t)`, one
//! affine addition a row and a short multiplication.

use super::Bases;
use super::groups::Groups;
use ff::{Field, PrimeField};
use halo2curves::bn256::{Fr, G1};
use std::collections::HashMap;

/// Rows for each different value at least.
const ROWS_A_VALUE: usize = 8;
/// Values looked at to see whether a column's are long.
const SAMPLE: usize = 64;

/// A column as its different values, and the rows of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeated {
    values: Vec<Fr>,
    rows: Vec<Vec<u32>>,
}

/// The values of a column, if there are few and they are long.
pub(crate) fn repeated(column: &[Fr]) -> Option<Repeated> {
    let step = column.len().div_ceil(SAMPLE).max(1);
    let sample = || column.iter().step_by(step);
    if 2 * sample().filter(|value| is_long(value)).count() <= sample().count() {
        return None;
    }
    let most = column.len() / ROWS_A_VALUE;
    let mut number: HashMap<[u8; 32], usize> = HashMap::with_capacity(most);
    let mut repeated = Repeated { values: Vec::new(), rows: Vec::new() };
    for (row, value) in column.iter().enumerate().filter(|(_, value)| **value != Fr::ZERO) {
        let index = *number.entry(value.to_repr()).or_insert_with(|| {
            repeated.values.push(*value);
            repeated.rows.push(Vec::new());
            repeated.values.len() - 1
        });
        if index == most {
            return None;
        }
        repeated.rows[index].push(row as u32);
    }
    Some(repeated)
}

/// Whether neither a scalar nor its negative is below 2^64.
fn is_long(value: &Fr) -> bool {
    let short = |value: &Fr| value.to_repr()[8..].iter().all(|byte| *byte == 0);
    !short(value) && !short(&-value)
}

impl Bases {
    /// `Σ scalars[i] · bases[i]` for the scalars of a column.
    pub(crate) fn msm_repeated(&self, column: &Repeated) -> G1 {
        let mut groups = Groups::default();
        for rows in &column.rows {
            // Every other point is a base's image under the endomorphism.
            groups.push(&self.points, rows.iter().map(|row| 2 * *row as usize));
        }
        let sums = groups.sums(self.backend, &self.points);
        Self::with_images(&sums, |sum| *sum, self.backend).msm(&column.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Backend;
    use group::{Curve, Group, prime::PrimeCurveAffine};
    use halo2curves::bn256::G1Affine;
    use rand::{RngCore, SeedableRng, rngs::StdRng};

    #[test]
    fn a_column_of_few_values_is_committed_to_by_the_sums_of_their_bases() {
        let mut rng = StdRng::seed_from_u64(6);
        let n = 1 << 10;
        let mut bases: Vec<G1Affine> = (0..n).map(|_| G1::random(&mut rng).to_affine()).collect();
        bases[3] = G1Affine::identity();
        // The only two rows of the value 99 cancel.
        bases[5] = -bases[9];
        let table: Vec<Fr> = (0..100).map(|_| Fr::random(&mut rng)).collect();
        let mut column: Vec<Fr> = (0..n).map(|_| table[rng.next_u32() as usize % 99]).collect();
        (column[5], column[9], column[70]) = (table[99], table[99], Fr::ZERO);
        for backend in [Backend::Portable, Backend::detect()] {
            let bases = Bases::new(&bases, backend);
            let repeated = repeated(&column).expect("few values");
            assert_eq!(bases.msm_repeated(&repeated), bases.msm(&column));
        }
    }

    #[test]
    fn columns_of_many_values_or_short_ones_stay_as_they_are() {
        let mut rng = StdRng::seed_from_u64(7);
        let many: Vec<Fr> = (0..512).map(|_| Fr::random(&mut rng)).collect();
        assert_eq!(repeated(&many), None);
        let short: Vec<Fr> = (0..512).map(|i| Fr::from(i % 4) - Fr::from(2)).collect();
        assert_eq!(repeated(&short), None);
        assert_eq!(repeated(&[]), None);
    }
}
