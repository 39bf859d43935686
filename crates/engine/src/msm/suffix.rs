//! Sums of all bases from each one on.
//!
//! A column that changes seldom is a short combination of these:
//! `Σ c_i · B_i = Σ (c_i - c_{i-1}) · S_i` with `S_i = Σ_{j ≥ i} B_j`, and of the
//! differences only those that are not zero cost anything.

use super::Bases;
use super::add::{Job, add_pairs};
use super::point::{Lower, Point};
use crate::field::Backend;
use group::{Curve, Group, prime::PrimeCurveAffine};
use halo2curves::bn256::{Fr, G1, G1Affine};
use rayon::prelude::*;

/// Blocks that advance together at least, so that inversions are shared.
const TOGETHER: usize = 32;

impl Bases {
    /// `S_i = Σ_{j ≥ i} B_j` of these bases: two affine additions each.
    pub(crate) fn suffix_sums(&self) -> Self {
        let n = self.len();
        let length = n.isqrt().max(1);
        let mut points: Vec<Point> = self.points.iter().step_by(2).copied().collect();
        // Suffix sums within blocks, many blocks side by side.
        let stride = length * TOGETHER.max(n.div_ceil(length).div_ceil(16));
        let infinity = points
            .par_chunks_mut(stride)
            .map(|blocks| within_blocks(self.backend, blocks, length, self.any_infinity))
            .reduce(|| self.any_infinity, |a, b| a | b);
        // What follows each block is added to all of it.
        let lower = Lower::new(self.backend);
        let mut following = G1::identity();
        let mut offsets: Vec<G1> = points
            .chunks(length)
            .rev()
            .map(|block| {
                let offset = following;
                following += block[0].to_affine(&lower);
                offset
            })
            .collect();
        offsets.reverse();
        let mut affine = vec![G1Affine::identity(); offsets.len()];
        G1::batch_normalize(&offsets, &mut affine);
        points.par_chunks_mut(length).zip(&affine).for_each(|(block, offset)| {
            let offset = Point::new(offset, self.backend);
            if offset.is_infinity() {
                return;
            }
            let mut source = block.to_vec();
            source.push(offset);
            let mut jobs: Vec<Job> = (0..block.len() as u32)
                .map(|i| Job { a: i << 1, b: (block.len() as u32) << 1, to: i })
                .collect();
            add_pairs(self.backend, &source, block, &mut jobs, infinity);
        });
        Self::with_images(&points, |point| *point, self.backend)
    }
}

/// Suffix sums of consecutive blocks of `length` points; the last may be shorter.
/// Returns whether infinity may be among them.
fn within_blocks(backend: Backend, points: &mut [Point], length: usize, complete: bool) -> bool {
    let mut infinity = complete;
    for at in (0..length.saturating_sub(1)).rev() {
        // Every block that has a point behind this one.
        let places: Vec<usize> = (at..points.len().saturating_sub(1)).step_by(length).collect();
        let source: Vec<Point> =
            places.iter().flat_map(|place| [points[*place], points[place + 1]]).collect();
        let mut jobs: Vec<Job> = (places.iter().enumerate())
            .map(|(i, place)| Job { a: (4 * i) as u32, b: (4 * i + 2) as u32, to: *place as u32 })
            .collect();
        infinity |= add_pairs(backend, &source, points, &mut jobs, infinity);
    }
    infinity
}

/// Differences of a column's neighbours, if few of them are not zero.
pub(crate) fn differences(column: &[Fr]) -> Option<Vec<Fr>> {
    let zero = Fr::default();
    let before = || std::iter::once(&zero).chain(column);
    let changes = column.iter().zip(before()).filter(|(value, before)| value != before).count();
    let values = column.iter().filter(|value| **value != zero).count();
    (2 * changes < values)
        .then(|| column.iter().zip(before()).map(|(value, before)| value - before).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use rand::{SeedableRng, rngs::StdRng};

    fn bases(n: usize) -> Vec<G1Affine> {
        let mut rng = StdRng::seed_from_u64(4);
        (0..n).map(|_| G1::random(&mut rng).to_affine()).collect()
    }

    #[test]
    fn suffix_sums_are_the_sums_from_each_base_on() {
        for backend in [Backend::Portable, Backend::detect()] {
            for n in [1, 2, 3, 15, 16, 17, 600, 1 << 11] {
                let mut bases = bases(n);
                if n == 600 {
                    bases[7] = G1Affine::identity();
                    bases[30] = -bases[29];
                    bases[599] = bases[598];
                }
                let sums = Bases::new(&bases, backend).suffix_sums();
                let lower = Lower::new(backend);
                let mut expected = G1::identity();
                for i in (0..n).rev() {
                    expected += bases[i];
                    assert_eq!(
                        sums.points[2 * i].to_affine(&lower),
                        expected.to_affine(),
                        "{n} {i}"
                    );
                }
                assert!(sums.any_infinity || !sums.points.iter().any(Point::is_infinity));
            }
        }
    }

    #[test]
    fn suffix_sums_through_infinity_are_right() {
        let mut points = bases(256);
        for i in (0..256).step_by(2) {
            points[i] = -points[i + 1];
        }
        let sums = Bases::new(&points, Backend::detect()).suffix_sums();
        assert!(sums.any_infinity);
        assert!((0..256).all(|i| sums.points[2 * i].is_infinity() == (i % 2 == 0)));
    }

    #[test]
    fn a_column_that_changes_seldom_is_committed_to_by_its_differences() {
        let mut rng = StdRng::seed_from_u64(5);
        let n = 1 << 9;
        let bases = Bases::new(&bases(n), Backend::detect());
        let sums = bases.suffix_sums();
        let mut value = Fr::ZERO;
        let column: Vec<Fr> = (0..n)
            .map(|i| {
                if i % 9 == 4 || i > n - 7 {
                    value = Fr::random(&mut rng);
                }
                value
            })
            .collect();
        let differences = differences(&column).expect("it changes seldom");
        assert_eq!(sums.msm(&differences), bases.msm(&column));
    }

    #[test]
    fn columns_that_change_often_or_are_mostly_zero_stay_as_they_are() {
        let counting: Vec<Fr> = (0..64).map(Fr::from).collect();
        assert_eq!(differences(&counting), None);
        let mut sparse = vec![Fr::ZERO; 64];
        sparse[9] = Fr::ONE;
        assert_eq!(differences(&sparse), None);
        assert_eq!(differences(&[]), None);
    }
}
