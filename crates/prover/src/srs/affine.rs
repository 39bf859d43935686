//! Many independent additions of affine points at the price of one inversion.
//!
//! An affine addition needs `1 / (x2 − x1)`. Montgomery's trick inverts all the
//! denominators of a batch together, so that an addition costs about six field
//! multiplications, half of what projective formulas take. Every function accepts
//! all points, the point at infinity `(0, 0)` included: pairs without a usable
//! denominator are rare and take the projective formulas.

use group::{Curve, prime::PrimeCurveAffine};
use halo2curves::bn256::{Fq, G1Affine};

/// Buffers reused between batches.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    denominators: Vec<Fq>,
    prefixes: Vec<Fq>,
}

impl Scratch {
    /// Stores one denominator a pair, 1 where there is none, and inverts them all.
    fn invert(&mut self, denominators: impl Iterator<Item = Fq>) {
        self.denominators.clear();
        self.prefixes.clear();
        let mut product = Fq::one();
        for denominator in denominators {
            let denominator = if is_zero(&denominator) { Fq::one() } else { denominator };
            self.prefixes.push(product);
            self.denominators.push(denominator);
            product *= denominator;
        }
        // The product of nonzero elements has an inverse; zero cannot occur.
        let mut inverse = product.invert().unwrap_or(Fq::zero());
        for (denominator, prefix) in self.denominators.iter_mut().zip(&self.prefixes).rev() {
            let inverted = inverse * prefix;
            inverse *= *denominator;
            *denominator = inverted;
        }
    }
}

fn is_zero(element: &Fq) -> bool {
    *element == Fq::zero()
}

fn is_infinity(point: &G1Affine) -> bool {
    is_zero(&point.x) && is_zero(&point.y)
}

/// The third point on the line of slope `slope` through `p` and a point at `x2`, negated.
fn chord(p: &G1Affine, x2: &Fq, slope: &Fq) -> G1Affine {
    let x = slope.square() - p.x - x2;
    G1Affine { x, y: *slope * (p.x - x) - p.y }
}

/// `left[i] += right[i]`.
pub(super) fn add_assign(left: &mut [G1Affine], right: &[G1Affine], scratch: &mut Scratch) {
    debug_assert_eq!(left.len(), right.len());
    scratch.invert(left.iter().zip(right).map(|(l, r)| r.x - l.x));
    for ((l, r), inverse) in left.iter_mut().zip(right).zip(&scratch.denominators) {
        if is_infinity(r) {
            continue;
        }
        *l = if is_infinity(l) {
            *r
        } else if l.x == r.x {
            (l.to_curve() + r).to_affine()
        } else {
            chord(l, &r.x, &((r.y - l.y) * inverse))
        };
    }
}

/// `points[i] *= 2`.
pub(super) fn double_assign(points: &mut [G1Affine], scratch: &mut Scratch) {
    // The group's order is odd: only infinity has y = 0.
    scratch.invert(points.iter().map(|point| point.y.double()));
    for (point, inverse) in points.iter_mut().zip(&scratch.denominators) {
        if !is_infinity(point) {
            let square = point.x.square();
            let x = point.x;
            *point = chord(point, &x, &((square.double() + square) * inverse));
        }
    }
}

#[cfg(test)]
mod tests {
    use group::Group;
    use halo2curves::bn256::G1;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// Pairs with every special case: infinity on either side, equal and opposite points.
    fn pairs() -> (Vec<G1Affine>, Vec<G1Affine>) {
        let mut rng = StdRng::seed_from_u64(1);
        let p = G1::random(&mut rng).to_affine();
        let q = G1::random(&mut rng).to_affine();
        let zero = G1Affine::identity();
        (vec![p, p, p, zero, p, zero, q, -q], vec![q, p, -p, p, zero, zero, p, p])
    }

    #[test]
    fn batched_addition_equals_the_projective_one_in_every_special_case() {
        let (mut left, right) = pairs();
        let expected: Vec<_> =
            left.iter().zip(&right).map(|(l, r)| (l.to_curve() + r).to_affine()).collect();
        add_assign(&mut left, &right, &mut Scratch::default());
        assert_eq!(left, expected);
    }

    #[test]
    fn batched_doubling_equals_the_projective_one() {
        let (mut points, _) = pairs();
        let expected: Vec<_> = points.iter().map(|p| p.to_curve().double().to_affine()).collect();
        double_assign(&mut points, &mut Scratch::default());
        assert_eq!(points, expected);
    }
}
