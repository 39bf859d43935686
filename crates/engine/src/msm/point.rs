//! Affine points in the form the addition kernel reads.

use crate::field::portable::{reduce_once, sub};
use crate::field::{Backend, Base, Modulus, Words, from_words, raised, to_words};
use ff::{Field, PrimeField, WithSmallOrderMulGroup};
use group::prime::PrimeCurveAffine;
use halo2curves::bn256::{Fq, G1Affine};

/// A point with raised coordinates (see [`crate::field`]); both zero at infinity,
/// which no point of the curve has. It fills one cache line: points are gathered from
/// random places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Point {
    pub(crate) x: Words,
    pub(crate) y: Words,
}

impl Point {
    /// The point at infinity.
    pub(crate) const INFINITY: Self = Self { x: [0; 4], y: [0; 4] };

    /// Whether this is the point at infinity.
    #[inline(always)]
    pub(crate) fn is_infinity(&self) -> bool {
        *self == Self::INFINITY
    }

    /// Converts from halo2curves' form.
    pub(crate) fn new(point: &G1Affine, backend: Backend) -> Self {
        if bool::from(point.is_identity()) {
            return Self::INFINITY;
        }
        let coordinate = |c: Fq| to_words::<Base>(&raised::<Base>(c, backend.shift()));
        Self { x: coordinate(point.x), y: coordinate(point.y) }
    }

    /// The opposite point; not of infinity.
    pub(crate) fn negated(self) -> Self {
        Self { x: self.x, y: sub(&Base::P, &reduce_once::<Base>(&self.y)).0 }
    }

    /// The image under the endomorphism, which multiplies by `Fr::ZETA`.
    pub(crate) fn image(self) -> Self {
        let x = from_words::<Base>(reduce_once::<Base>(&self.x));
        Self { x: to_words::<Base>(&(x * Fq::ZETA)), y: self.y }
    }

    /// Converts to halo2curves' form; coordinates may be anything below 2p.
    pub(crate) fn to_affine(self, lower: &Lower) -> G1Affine {
        if self.is_infinity() {
            return G1Affine::identity();
        }
        G1Affine { x: lower.apply(self.x), y: lower.apply(self.y) }
    }
}

/// Takes raised elements down again.
pub(crate) struct Lower(Fq);

impl Lower {
    /// For points made with this backend.
    pub(crate) fn new(backend: Backend) -> Self {
        Self((0..backend.shift()).fold(Fq::ONE, |x, _| x * Fq::TWO_INV))
    }

    fn apply(&self, words: Words) -> Fq {
        from_words::<Base>(reduce_once::<Base>(&words)) * self.0
    }
}
