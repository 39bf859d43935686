//! Doubles of many affine points at once: [`add`](super::add) with slopes of tangents,
//! `3x² / 2y`; seven multiplications a point.

use super::add::{CHUNK, invert_raised};
use super::point::{Lower, Point};
use crate::field::{Backend, Base, Lanes, Mark, dispatch, to_words};
use ff::Field;
use group::{Curve, Group, prime::PrimeCurveAffine};
use halo2curves::bn256::Fq;

/// Doubles every point. Returns whether one is infinity.
///
/// # Panics
///
/// When the points do not fill two chains of vectors.
pub(crate) fn double_assign(backend: Backend, points: &mut [Point]) -> bool {
    crate::limits::count(7 * points.len());
    let mut infinity = false;
    for points in points.chunks_mut(CHUNK) {
        // The group's order is odd: nothing but infinity, which has y = 0, lacks a tangent.
        if !double_chunk(backend, points) {
            let lower = Lower::new(backend);
            for point in points {
                let double = point.to_affine(&lower).to_curve().double();
                *point = Point::new(&double.to_affine(), backend);
            }
            infinity = true;
        }
    }
    infinity
}

dispatch! {
    /// Doubles a chunk of points; gives up with `false`, nothing written, when one is infinity.
    fn double_chunk[](points: &mut [Point]) -> bool = double_kernel, Base
}

/// Keeps the product so far and extends it by the denominators of a vector of points.
#[inline(always)]
unsafe fn extend<L: Lanes<Base>>(points: *const Point, product: L, prefix: *mut L) -> L {
    // SAFETY: the caller's pointers are valid, a vector of points and a place in the scratch.
    unsafe {
        let y = L::load(|l| &raw const (*points.add(l)).y);
        product.copy_to(prefix);
        y.add(y).carried().mul(&product)
    }
}

/// Doubles a vector of points, given the inverse of the product up to and including them;
/// returns that of the product before them.
#[inline(always)]
unsafe fn finish<L: Lanes<Base>>(points: *mut Point, inverse: L, prefix: *const L) -> L {
    // SAFETY: as in `extend`.
    unsafe {
        let x = L::load(|l| &raw const (*points.add(l)).x);
        let y = L::load(|l| &raw const (*points.add(l)).y);
        let before = y.add(y).carried().mul(&inverse);
        let reciprocal = inverse.mul(&*prefix);
        let square = x.square();
        let slope = square.add(square).add(square).tidy().mul(&reciprocal);
        let x3 = slope.square().sub(x).sub(x).tidy();
        let y3 = x.sub(x3).carried().mul(&slope).sub(y).tidy();
        x3.store_loose(|l| &raw mut (*points.add(l)).x);
        y3.store_loose(|l| &raw mut (*points.add(l)).y);
        before
    }
}

/// See [`double_chunk`].
///
/// # Safety
///
/// Under [`dispatch!`].
#[inline(always)]
unsafe fn double_kernel<L: Lanes<Base>>(_: Mark<L>, points: &mut [Point]) -> bool {
    assert!(points.len().is_multiple_of(2 * L::W), "points fill two chains of vectors");
    let vectors = points.len() / L::W;
    let points = points.as_mut_ptr();
    let mut prefixes: Vec<L> = Vec::with_capacity(vectors);
    let prefixes = prefixes.as_mut_ptr();
    // SAFETY: the points are whole vectors; the scratch has room for as many, and every
    // place is written by `extend` before `finish` reads it.
    unsafe {
        let one = to_words::<Base>(&crate::field::raised::<Base>(Fq::ONE, L::SHIFT));
        let (mut even, mut odd) = (L::splat(&one), L::splat(&one));
        for v in (0..vectors).step_by(2) {
            even = extend(points.add(v * L::W), even, prefixes.add(v));
            odd = extend(points.add((v + 1) * L::W), odd, prefixes.add(v + 1));
        }
        let mut total = [[0; 4]; 16];
        let lanes = total.as_mut_ptr();
        even.mul(&odd).store(|l| lanes.add(l));
        if invert_raised(&mut total[..L::W], L::SHIFT).is_none() {
            return false;
        }
        let total = L::load(|l| &raw const total[l]);
        (even, odd) = (total.mul(&odd), total.mul(&even));
        for v in (0..vectors).step_by(2).rev() {
            odd = finish(points.add((v + 1) * L::W), odd, prefixes.add(v + 1));
            even = finish(points.add(v * L::W), even, prefixes.add(v));
        }
    }
    true
}
