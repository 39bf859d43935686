//! Multiples `scalars[i] · points[i]` of many points, as affine points.
//!
//! Scalars are halved by the endomorphism ([`split`]) and cut into signed digits of
//! [`WIDTH`] bits; both halves share the doublings. A digit's multiple is looked up among
//! the first ones of its point. All points take each step together, so that steps share
//! inversions: about 190 additions and doublings a point.

use super::add::{Job, add_pairs};
use super::double::double_assign;
use super::point::{Lower, Point};
use super::split::halves;
use crate::field::Backend;
use group::Curve;
use halo2curves::bn256::{Fr, G1Affine};

/// Bits of a digit.
const WIDTH: usize = 4;
/// Digits of half a scalar, whose magnitude is below 2^127.
const DIGITS: usize = 128 / WIDTH;
/// Multiples of a point that a digit may ask for.
const MULTIPLES: usize = 1 << (WIDTH - 1);

/// `points[i] *= scalars[i]`.
pub(crate) fn multiply(backend: Backend, points: &mut [Point], scalars: &[Fr]) {
    debug_assert_eq!(points.len(), scalars.len());
    if points.is_empty() {
        return;
    }
    let products = match points.iter().any(Point::is_infinity) {
        true => None,
        false => multiply_finite(backend, points, scalars),
    };
    match products {
        Some(products) => points.copy_from_slice(&products[..points.len()]),
        None => multiply_each(backend, points, scalars),
    }
}

/// One at a time: for points at infinity, and multiples that meet each other or infinity,
/// which those of random points do not.
fn multiply_each(backend: Backend, points: &mut [Point], scalars: &[Fr]) {
    let lower = Lower::new(backend);
    for (point, scalar) in points.iter_mut().zip(scalars) {
        *point = Point::new(&(point.to_affine(&lower) * scalar).to_affine(), backend);
    }
}

/// Where points lie side by side: multiples, their images, sums of two of them, totals.
struct Layout {
    /// Points of each kind, whole vectors of them.
    width: usize,
}

impl Layout {
    const SUMS: usize = 2 * MULTIPLES;
    const TOTALS: usize = Self::SUMS + 1;

    /// Place of a digit's multiple of point `i`, or of its image, and its sign, as in a
    /// [`Job`]; `None` for the digit zero.
    fn multiple(&self, i: usize, image: bool, digit: i8) -> Option<u32> {
        let multiple = usize::from(digit.unsigned_abs()).checked_sub(1)?;
        let kind = usize::from(image) * MULTIPLES + multiple;
        Some(self.place(kind, i) | u32::from(digit < 0))
    }

    /// Place of a point of a kind, as in a [`Job`].
    fn place(&self, kind: usize, i: usize) -> u32 {
        ((kind * self.width + i) << 1) as u32
    }
}

/// The products and some padding; `None` where infinity came up.
fn multiply_finite(backend: Backend, points: &[Point], scalars: &[Fr]) -> Option<Vec<Point>> {
    let n = points.len();
    let layout = Layout { width: n.next_multiple_of(2 * backend.lanes()) };
    let width = layout.width;
    let kind = |kind: usize| kind * width..(kind + 1) * width;
    // Padded by the first point; totals begin as the points, for want of anything finite.
    let mut all = vec![points[0]; (Layout::TOTALS + 1) * width];
    all[..n].copy_from_slice(points);
    all.copy_within(kind(0), Layout::TOTALS * width);
    let mut sums = vec![points[0]; width];
    let mut jobs: Vec<Job> = Vec::with_capacity(width);

    for multiple in 1..MULTIPLES {
        if multiple % 2 == 1 {
            all.copy_within(kind(multiple / 2), multiple * width);
            if double_assign(backend, &mut all[kind(multiple)]) {
                return None;
            }
        } else {
            let job =
                |i| Job { a: layout.place(multiple - 1, i), b: layout.place(0, i), to: i as u32 };
            jobs.clear();
            jobs.extend((0..width).map(job));
            if add_pairs(backend, &all, &mut sums, &mut jobs, false) {
                return None;
            }
            all[kind(multiple)].copy_from_slice(&sums);
        }
    }
    let (plain, images) = all.split_at_mut(MULTIPLES * width);
    images.iter_mut().zip(&*plain).for_each(|(image, point)| *image = point.image());

    let digits: Vec<[[i8; DIGITS]; 2]> =
        scalars.iter().map(|scalar| halves(scalar).map(signed_digits)).collect();
    let mut started = vec![false; n];
    for position in (0..DIGITS).rev() {
        if started.contains(&true) {
            for _ in 0..WIDTH {
                if double_assign(backend, &mut all[kind(Layout::TOTALS)]) {
                    return None;
                }
            }
        }
        // What is to be added to each total: the sum of both halves' multiples.
        let mut addends: Vec<(usize, u32)> = Vec::with_capacity(n);
        jobs.clear();
        for (i, digits) in digits.iter().enumerate() {
            let of = |half: usize| layout.multiple(i, half == 1, digits[half][position]);
            match (of(0), of(1)) {
                (Some(a), Some(b)) => {
                    jobs.push(Job { a, b, to: i as u32 });
                    addends.push((i, layout.place(Layout::SUMS, i)));
                }
                (one, other) => addends.extend(one.or(other).map(|place| (i, place))),
            }
        }
        if add_pairs(backend, &all, &mut sums, &mut jobs, false) {
            return None;
        }
        all[kind(Layout::SUMS)].copy_from_slice(&sums);
        jobs.clear();
        for (i, place) in addends {
            if started[i] {
                jobs.push(Job { a: layout.place(Layout::TOTALS, i), b: place, to: i as u32 });
            } else {
                let point = all[(place >> 1) as usize];
                let first = if place & 1 == 1 { point.negated() } else { point };
                all[Layout::TOTALS * width + i] = first;
                started[i] = true;
            }
        }
        if add_pairs(backend, &all, &mut sums, &mut jobs, false) {
            return None;
        }
        for job in &jobs {
            all[Layout::TOTALS * width + job.to as usize] = sums[job.to as usize];
        }
    }
    let mut totals = all.split_off(Layout::TOTALS * width);
    for (total, _) in totals.iter_mut().zip(&started).filter(|(_, started)| !**started) {
        *total = Point::INFINITY;
    }
    Some(totals)
}

/// Digits of a number below 2^127 in magnitude, least significant first, each within
/// ±2^(WIDTH − 1).
fn signed_digits(number: i128) -> [i8; DIGITS] {
    let (mut rest, mut carry) = (number.unsigned_abs(), 0);
    std::array::from_fn(|_| {
        let digit = (rest as i8 & ((1 << WIDTH) - 1)) + carry;
        rest >>= WIDTH;
        carry = i8::from(digit > MULTIPLES as i8);
        let digit = digit - (carry << WIDTH);
        if number < 0 { -digit } else { digit }
    })
}

/// `scalars[i] · points[i]` of points in halo2curves' form.
pub(crate) fn multiples(backend: Backend, points: &[G1Affine], scalars: &[Fr]) -> Vec<G1Affine> {
    let mut products: Vec<Point> = points.iter().map(|p| Point::new(p, backend)).collect();
    multiply(backend, &mut products, scalars);
    let lower = Lower::new(backend);
    products.into_iter().map(|point| point.to_affine(&lower)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::{Field, PrimeField, WithSmallOrderMulGroup};
    use group::{Group, prime::PrimeCurveAffine};
    use halo2curves::bn256::G1;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn digits_add_up_to_the_number() {
        for number in [0, 1, -1, 8, -8, 9, i128::MAX, -i128::MAX, 0x0888_8888_8888, 0x7fff_ffff] {
            let digits = signed_digits(number);
            assert!(digits.iter().all(|digit| digit.abs() <= MULTIPLES as i8));
            let sum = digits.iter().rev().fold(0i128, |sum, digit| {
                sum.wrapping_mul(1 << WIDTH).wrapping_add(i128::from(*digit))
            });
            assert_eq!(sum, number);
        }
    }

    #[test]
    fn multiples_are_the_groups_at_the_edges_and_through_infinity() {
        let mut rng = StdRng::seed_from_u64(6);
        let mut scalars: Vec<Fr> = (0..40).map(|_| Fr::random(&mut rng)).collect();
        scalars.extend([Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::ZETA, -Fr::ZETA, Fr::ZETA + Fr::ONE]);
        scalars.extend([Fr::TWO_INV, -Fr::TWO_INV, Fr::from(8), Fr::from(1 << 40)]);
        let finite: Vec<G1Affine> =
            scalars.iter().map(|_| G1::random(&mut rng).to_affine()).collect();
        let mut infinite = finite.clone();
        infinite[3] = G1Affine::identity();
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            for points in [&finite, &infinite] {
                for n in [0, 1, 15, 17, points.len()] {
                    let expected = points[..n].iter().zip(&scalars).map(|(p, s)| p * s);
                    let expected: Vec<G1Affine> = expected.map(|p| p.to_affine()).collect();
                    let got = multiples(backend, &points[..n], &scalars[..n]);
                    assert_eq!(got, expected, "{n} points, {backend:?}");
                }
            }
        }
    }
}
