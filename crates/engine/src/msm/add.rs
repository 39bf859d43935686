//! Sums of many pairs of affine points at once.
//!
//! An affine addition needs the inverse of x2 - x1. The inverses of a whole chunk
//! come from one inversion and three multiplications each (Montgomery's trick), so
//! an addition costs six multiplications in all. Lanes carry independent chains of
//! the running product, and two chains alternate so that their latencies overlap.
//!
//! A chunk in which some x2 = x1 (equal or opposite points) shows up as a zero
//! product; it is then added again by complete formulas.

use super::point::{Lower, Point};
use crate::field::{Backend, Base, Lanes, Mark, Words, dispatch, from_words, to_words};
use ff::Field;
use group::Curve;
use group::prime::PrimeCurveAffine;
use halo2curves::bn256::{Fq, G1, G1Affine};

/// One addition: operands as `index << 1 | negate`, into slot `to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) to: u32,
}

/// Additions that share one inversion.
pub(super) const CHUNK: usize = 1024;

/// Vectors of pairs whose points are fetched into the cache before their turn.
const AHEAD: usize = 4;

/// Adds pairs of `source` into `target`; repeats the last job until they fill vectors.
/// `complete` demands formulas that allow infinity among the operands. Returns whether
/// infinity may be among the sums.
///
/// # Panics
///
/// When a job points outside the slices.
pub(crate) fn add_pairs(
    backend: Backend,
    source: &[Point],
    target: &mut [Point],
    jobs: &mut Vec<Job>,
    complete: bool,
) -> bool {
    let mut infinity = false;
    crate::limits::count(6 * jobs.len());
    if let Some(last) = jobs.last() {
        // Two chains of whole vectors.
        jobs.resize(jobs.len().next_multiple_of(2 * backend.lanes()), *last);
    }
    for jobs in jobs.chunks(CHUNK) {
        for job in jobs {
            let last = (job.a >> 1).max(job.b >> 1) as usize;
            assert!(last < source.len() && (job.to as usize) < target.len(), "job out of range");
        }
        if complete || !add_chunk(backend, source, target, jobs) {
            infinity |= add_completely(backend, source, target, jobs);
        }
    }
    infinity
}

/// Complete addition, for the rare chunks that need it.
fn add_completely(backend: Backend, source: &[Point], target: &mut [Point], jobs: &[Job]) -> bool {
    let lower = Lower::new(backend);
    let point = |operand: u32| {
        let point = source[(operand >> 1) as usize].to_affine(&lower);
        if operand & 1 == 1 { -point } else { point }
    };
    let sums: Vec<G1> = jobs.iter().map(|job| point(job.a).to_curve() + point(job.b)).collect();
    let mut affine = vec![G1Affine::identity(); sums.len()];
    G1::batch_normalize(&sums, &mut affine);
    let mut infinity = false;
    for (job, sum) in jobs.iter().zip(&affine) {
        let sum = Point::new(sum, backend);
        infinity |= sum.is_infinity();
        target[job.to as usize] = sum;
    }
    infinity
}

dispatch! {
    /// Adds a chunk of pairs none of which involves infinity; gives up with `false`
    /// (and nothing meaningful written) when a pair has equal x coordinates.
    /// The caller has checked that all jobs are in range.
    fn add_chunk[](source: &[Point], target: &mut [Point], jobs: &[Job]) -> bool = add_kernel, Base
}

/// Inverts the raised elements of all lanes; `None` when one is zero.
pub(super) fn invert_raised(lanes: &mut [Words], shift: u32) -> Option<()> {
    let mut product = Fq::ONE;
    let mut prefixes = [Fq::ONE; 16];
    for (prefix, words) in prefixes.iter_mut().zip(&*lanes) {
        *prefix = product;
        product *= from_words::<Base>(*words);
    }
    let mut inverse = Option::<Fq>::from(product.invert())?;
    // The raised form of v is 2^s·v, that of 1/v is 2^s/v = 2^2s/(2^s·v).
    let factor = Fq::from(1u64 << (2 * shift));
    for (prefix, words) in prefixes.iter().zip(lanes.iter_mut()).rev() {
        let value = from_words::<Base>(*words);
        *words = to_words::<Base>(&(inverse * prefix * factor));
        inverse *= value;
    }
    Some(())
}

/// Operands and targets of a chunk.
#[derive(Clone, Copy)]
struct Pairs<'a> {
    jobs: &'a [Job],
    source: *const Point,
    target: *mut Point,
}

impl Pairs<'_> {
    #[inline(always)]
    unsafe fn job(&self, at: usize) -> &Job {
        debug_assert!(at < self.jobs.len());
        // SAFETY: the caller's place is within the chunk.
        unsafe { self.jobs.get_unchecked(at) }
    }

    #[inline(always)]
    unsafe fn a(&self, at: usize) -> *const Point {
        // SAFETY: indices are in range, see `add_chunk`.
        unsafe { self.source.add((self.job(at).a >> 1) as usize) }
    }

    #[inline(always)]
    unsafe fn b(&self, at: usize) -> *const Point {
        // SAFETY: as in `a`.
        unsafe { self.source.add((self.job(at).b >> 1) as usize) }
    }

    #[inline(always)]
    unsafe fn to(&self, at: usize) -> *mut Point {
        // SAFETY: as in `a`.
        unsafe { self.target.add(self.job(at).to as usize) }
    }

    /// Asks for the points of a vector of pairs, if it is within the chunk.
    #[inline(always)]
    unsafe fn fetch(&self, at: usize, lanes: usize) {
        if at >= self.jobs.len() {
            return;
        }
        for at in at..at + lanes {
            // SAFETY: chunks are whole vectors, so all of this one is in range.
            let [a, b] = unsafe { [self.a(at), self.b(at)] };
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 has the instruction, and it cannot fault.
            unsafe {
                use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(a.cast());
                _mm_prefetch::<_MM_HINT_T0>(b.cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (a, b);
        }
    }

    /// Which lanes negate their first and second operand.
    #[inline(always)]
    unsafe fn signs(&self, at: usize, lanes: usize) -> [u32; 2] {
        let mut signs = [0, 0];
        for l in 0..lanes {
            // SAFETY: as in `fetch`.
            let job = unsafe { self.job(at + l) };
            signs[0] |= (job.a & 1) << l;
            signs[1] |= (job.b & 1) << l;
        }
        signs
    }
}

/// Keeps the product so far and extends it by the differences of a vector of pairs.
#[inline(always)]
unsafe fn extend<L: Lanes<Base>>(pairs: &Pairs<'_>, at: usize, product: L, prefix: *mut L) -> L {
    // SAFETY: pointers of `Pairs` are valid, the scratch ones by the caller.
    unsafe {
        pairs.fetch(at + AHEAD * L::W, L::W);
        let x1 = L::load(|l| &raw const (*pairs.a(at + l)).x);
        let x2 = L::load(|l| &raw const (*pairs.b(at + l)).x);
        product.copy_to(prefix);
        x2.sub(x1).carried().mul(&product)
    }
}

/// Adds a vector of pairs, given the inverse of the product up to and including
/// them; returns that of the product before them.
#[inline(always)]
unsafe fn finish<L: Lanes<Base>>(pairs: &Pairs<'_>, at: usize, inverse: L, prefix: *const L) -> L {
    // SAFETY: as in `extend`.
    unsafe {
        let x1 = L::load(|l| &raw const (*pairs.a(at + l)).x);
        let x2 = L::load(|l| &raw const (*pairs.b(at + l)).x);
        let before = x2.sub(x1).carried().mul(&inverse);
        let reciprocal = inverse.mul(&*prefix);
        let signs = pairs.signs(at, L::W);
        let minus_y1 = L::load(|l| &raw const (*pairs.a(at + l)).y).negate_where(!signs[0]);
        let y2 = L::load(|l| &raw const (*pairs.b(at + l)).y).negate_where(signs[1]);
        let slope = y2.add(minus_y1).carried().mul(&reciprocal);
        let x3 = slope.square().sub(x1).sub(x2).tidy();
        let y3 = x1.sub(x3).carried().mul(&slope).add(minus_y1).tidy();
        x3.store_loose(|l| &raw mut (*pairs.to(at + l)).x);
        y3.store_loose(|l| &raw mut (*pairs.to(at + l)).y);
        before
    }
}

/// See [`add_chunk`].
///
/// # Safety
///
/// Under [`dispatch!`]; job indices are within the slices.
#[inline(always)]
unsafe fn add_kernel<L: Lanes<Base>>(
    _: Mark<L>,
    source: &[Point],
    target: &mut [Point],
    jobs: &[Job],
) -> bool {
    assert!(jobs.len().is_multiple_of(2 * L::W), "jobs fill two chains of vectors");
    let pairs = Pairs { jobs, source: source.as_ptr(), target: target.as_mut_ptr() };
    let vectors = jobs.len() / L::W;
    let mut prefixes: Vec<L> = Vec::with_capacity(vectors);
    let prefixes = prefixes.as_mut_ptr();
    // SAFETY: the scratch vectors have room for `vectors` and every place is written
    // by `extend` before `finish` reads it; there are as many jobs as places.
    unsafe {
        let one = to_words::<Base>(&crate::field::raised::<Base>(Fq::ONE, L::SHIFT));
        let (mut even, mut odd) = (L::splat(&one), L::splat(&one));
        for v in (0..vectors).step_by(2) {
            even = extend(&pairs, v * L::W, even, prefixes.add(v));
            odd = extend(&pairs, (v + 1) * L::W, odd, prefixes.add(v + 1));
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
            odd = finish(&pairs, (v + 1) * L::W, odd, prefixes.add(v + 1));
            even = finish(&pairs, v * L::W, even, prefixes.add(v));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::Group;
    use rand::{SeedableRng, rngs::StdRng};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn backends() -> impl Iterator<Item = Backend> {
        Backend::ALL.into_iter().filter(|backend| backend.is_available())
    }

    fn affine(n: usize) -> Vec<G1Affine> {
        let mut rng = StdRng::seed_from_u64(8);
        (0..n).map(|_| G1::random(&mut rng).to_affine()).collect()
    }

    #[test]
    fn any_number_of_pairs_is_added_and_nothing_else_is_written() {
        let points = affine(2 * 40);
        for backend in backends() {
            let source: Vec<Point> = points.iter().map(|p| Point::new(p, backend)).collect();
            let untouched = source[0];
            for n in 0..=40 {
                let mut target = vec![untouched; n + 1];
                let mut jobs: Vec<Job> =
                    (0..n as u32).map(|i| Job { a: 4 * i, b: 4 * i + 3, to: i }).collect();
                assert!(!add_pairs(backend, &source, &mut target, &mut jobs, false));
                let lower = Lower::new(backend);
                for (i, pair) in points.chunks(2).take(n).enumerate() {
                    let expected = (pair[0] - pair[1]).to_affine();
                    assert_eq!(target[i].to_affine(&lower), expected, "{i} of {n}, {backend:?}");
                }
                assert_eq!(target[n], untouched, "{n}, {backend:?}");
            }
        }
    }

    #[test]
    fn a_job_outside_the_points_is_refused() {
        let points = affine(2);
        for backend in backends() {
            let source: Vec<Point> = points.iter().map(|p| Point::new(p, backend)).collect();
            for job in [[4, 0, 0], [0, 4, 0], [0, 2, 1]] {
                let mut jobs = vec![Job { a: job[0], b: job[1], to: job[2] }];
                let mut target = [Point::INFINITY];
                let refused = catch_unwind(AssertUnwindSafe(|| {
                    add_pairs(backend, &source, &mut target, &mut jobs, false)
                }));
                assert!(refused.is_err(), "{job:?}, {backend:?}");
                assert_eq!(target, [Point::INFINITY]);
            }
        }
    }
}
