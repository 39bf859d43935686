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
use crate::field::{Backend, Base, Lanes, Mark, Modulus, Words, dispatch, from_words, to_words};
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
const CHUNK: usize = 1024;

/// Adds pairs of `source` into `target`. `complete` demands formulas that allow
/// infinity among the operands. Returns whether infinity may be among the sums.
///
/// # Panics
///
/// When a job points outside the slices.
pub(crate) fn add_pairs(
    backend: Backend,
    source: &[Point],
    target: &mut [Point],
    jobs: &[Job],
    complete: bool,
) -> bool {
    let mut infinity = false;
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
fn invert_raised(lanes: &mut [Words], shift: u32) -> Option<()> {
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
    // Lanes beyond the last job add these two points, which differ in x.
    let idle = [Point { x: [1, 0, 0, 0], y: [0; 4] }, Point { x: [2, 0, 0, 0], y: [0; 4] }];
    let mut sink = [Point::INFINITY; 1];
    let vectors = jobs.len().div_ceil(L::W);
    let mut prefixes: Vec<L> = Vec::with_capacity(vectors);
    let mut differences: Vec<L> = Vec::with_capacity(vectors);
    let (source, target, sink) = (source.as_ptr(), target.as_mut_ptr(), sink.as_mut_ptr());
    // SAFETY: indices are in range (caller); lanes past the end use `idle`, `sink`;
    // scratch vectors are written up to `vectors`, their capacity, before use.
    unsafe {
        let a = |at: usize| match jobs.get(at) {
            Some(job) => source.add((job.a >> 1) as usize),
            None => idle.as_ptr(),
        };
        let b = |at: usize| match jobs.get(at) {
            Some(job) => source.add((job.b >> 1) as usize),
            None => idle.as_ptr().add(1),
        };
        let to = |at: usize| match jobs.get(at) {
            Some(job) => target.add(job.to as usize),
            None => sink,
        };
        let one = to_words::<Base>(&crate::field::raised::<Base>(Fq::ONE, L::SHIFT));
        let one = L::splat(&one);
        let mut chain = [one, one];
        for v in 0..vectors {
            let at = v * L::W;
            let x1 = L::load(|l| &raw const (*a(at + l)).x);
            let x2 = L::load(|l| &raw const (*b(at + l)).x);
            let difference = x2.sub(x1);
            prefixes.as_mut_ptr().add(v).write(chain[v % 2]);
            differences.as_mut_ptr().add(v).write(difference);
            chain[v % 2] = difference.mul(chain[v % 2]);
        }
        let mut total = [[0; 4]; 16];
        let lanes = total.as_mut_ptr();
        chain[0].mul(chain[1]).store(|l| lanes.add(l));
        if invert_raised(&mut total[..L::W], L::SHIFT).is_none() {
            return false;
        }
        let total = L::load(|l| &raw const total[l]);
        let mut inverse = [total.mul(chain[1]), total.mul(chain[0])];
        for v in (0..vectors).rev() {
            let at = v * L::W;
            let x1 = L::load(|l| &raw const (*a(at + l)).x);
            let x2 = L::load(|l| &raw const (*b(at + l)).x);
            let mut signs = [0u32; 2];
            for l in 0..L::W {
                if let Some(job) = jobs.get(at + l) {
                    signs[0] |= (job.a & 1) << l;
                    signs[1] |= (job.b & 1) << l;
                }
            }
            let mut y1 = L::load(|l| &raw const (*a(at + l)).y);
            let mut y2 = L::load(|l| &raw const (*b(at + l)).y);
            if signs[0] != 0 {
                y1 = y1.negate_where(signs[0]);
            }
            if signs[1] != 0 {
                y2 = y2.negate_where(signs[1]);
            }
            let reciprocal = inverse[v % 2].mul(*prefixes.as_ptr().add(v));
            inverse[v % 2] = (*differences.as_ptr().add(v)).mul(inverse[v % 2]);
            let slope = y2.sub(y1).mul(reciprocal);
            let x3 = slope.square().sub(x1).sub(x2).tidy();
            let y3 = x1.sub(x3).mul(slope).sub(y1).tidy();
            x3.store_loose(|l| &raw mut (*to(at + l)).x);
            y3.store_loose(|l| &raw mut (*to(at + l)).y);
        }
    }
    true
}

const _: () = assert!(Base::P[3] >> 62 == 0);
