//! One pass of a transform: two levels of butterflies (or one, when the number of
//! levels is odd), over all blocks.

use super::reverse;
use crate::field::{Backend, Lanes, Mark, Scalar, Words, dispatch};
use rayon::prelude::*;

/// What a pass does.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) from: *const Words,
    pub(super) to: *mut Words,
    pub(super) k: u32,
    pub(super) level: u32,
    pub(super) radix: usize,
    /// Twiddles of the first and the second level.
    pub(super) first: &'a [Words],
    pub(super) second: &'a [Words],
    /// Whether the first twiddle of each level is one.
    pub(super) plain: bool,
    /// Factor on everything read.
    pub(super) scale: Option<Words>,
    /// Whether results go to their natural places, backwards for an inverse.
    pub(super) last: bool,
    pub(super) backwards: bool,
}

// SAFETY: parts of a pass run on different threads touch disjoint elements.
unsafe impl Send for Pass<'_> {}
// SAFETY: as above; the shared fields are read only.
unsafe impl Sync for Pass<'_> {}

/// Elements below which a pass stays on one thread.
const PARALLEL: usize = 1 << 12;

impl Pass<'_> {
    /// Runs the pass.
    ///
    /// # Safety
    ///
    /// `from` and `to` are valid for `n = 2^k` elements; they do not overlap when
    /// `last`, and are equal or disjoint otherwise.
    pub(super) unsafe fn run(&self, backend: Backend, n: usize) {
        // A butterfly reads and writes the same `radix` places (unless last, when
        // places written are a permutation): any split into units is disjoint.
        let units = n / self.radix;
        let scaled = if self.scale.is_some() { n } else { 0 };
        crate::limits::count(if self.radix == 2 { n / 2 } else { n } + scaled);
        if n <= PARALLEL || rayon::current_num_threads() == 1 {
            return run_pass(backend, self, 0, units);
        }
        let parts = 8;
        (0..parts).into_par_iter().for_each(|part| {
            run_pass(backend, self, units / parts * part, units / parts * (part + 1));
        });
    }
}

dispatch! {
    /// Butterflies `start..end` of a pass; the bounds are multiples of the number
    /// of lanes.
    pub(super) fn run_pass[](pass: &Pass<'_>, start: usize, end: usize) = pass_kernel, Scalar
}

/// See [`run_pass`].
///
/// # Safety
///
/// Under [`dispatch!`]; the pass's pointers are valid, see [`Pass::run`].
#[inline(always)]
unsafe fn pass_kernel<L: Lanes<Scalar>>(_: Mark<L>, pass: &Pass<'_>, start: usize, end: usize) {
    // SAFETY: forwarded.
    unsafe {
        if pass.radix == 2 {
            halves::<L>(pass, start, end);
        } else if pass.last {
            across_blocks::<L>(pass, 0, start, end);
        } else if pass.k - pass.level - 2 < L::W.ilog2() {
            across_blocks::<L>(pass, pass.k - pass.level - 2, start, end);
        } else {
            quarters::<L>(pass, start, end);
        }
    }
}

/// The two levels on `a`, given the block's constants.
#[inline(always)]
unsafe fn butterfly<L: Lanes<Scalar>>(a: [L; 4], first: L, second: [L; 2]) -> [L; 4] {
    // SAFETY: under `dispatch!`.
    unsafe {
        let b = a[2].mul(&first);
        let c = a[3].mul(&first);
        let (u0, u2) = (a[0].add(b), a[0].sub(b));
        let (u1, u3) = (a[1].add(c).carried(), a[1].sub(c).carried());
        let b = u1.mul(&second[0]);
        let c = u3.mul(&second[1]);
        [u0.add(b).tidy(), u0.sub(b).tidy(), u2.add(c).tidy(), u2.sub(c).tidy()]
    }
}

/// The same where `first` and `second[0]` are one.
#[inline(always)]
unsafe fn plain_butterfly<L: Lanes<Scalar>>(a: [L; 4], fourth_root: L) -> [L; 4] {
    // SAFETY: under `dispatch!`.
    unsafe {
        let (u0, u2) = (a[0].add(a[2]), a[0].sub(a[2]));
        let (u1, u3) = (a[1].add(a[3]).tidy(), a[1].sub(a[3]).carried());
        let c = u3.mul(&fourth_root);
        [u0.add(u1).tidy(), u0.sub(u1).tidy(), u2.add(c).tidy(), u2.sub(c).tidy()]
    }
}

/// One level, one block: only the first pass of an odd number of levels.
#[inline(always)]
unsafe fn halves<L: Lanes<Scalar>>(pass: &Pass<'_>, start: usize, end: usize) {
    let half = 1usize << (pass.k - 1);
    // SAFETY: elements below n = 2·half.
    unsafe {
        let twiddle = L::splat(&pass.first[0]);
        let scale = pass.scale.map(|scale| L::splat(&scale));
        for i in (start..end).step_by(L::W) {
            let mut a = L::load(|l| pass.from.add(i + l));
            let mut b = L::load(|l| pass.from.add(half + i + l));
            if let Some(scale) = scale {
                (a, b) = (a.mul(&scale), b.mul(&scale));
            }
            let b = b.mul(&twiddle);
            a.add(b).tidy().store_loose(|l| pass.to.add(i + l));
            a.sub(b).tidy().store_loose(|l| pass.to.add(half + i + l));
        }
    }
}

/// Two levels; lanes are neighbours within a block.
#[inline(always)]
unsafe fn quarters<L: Lanes<Scalar>>(pass: &Pass<'_>, start: usize, end: usize) {
    let quarter = 1usize << (pass.k - pass.level - 2);
    // SAFETY: block < 2^level and places within it < 4·quarter, so all are below n;
    // lanes stay within a quarter because its length is a multiple of W.
    unsafe {
        let scale = pass.scale.map(|scale| L::splat(&scale));
        let mut unit = start;
        while unit < end {
            let (block, offset) = (unit / quarter, unit % quarter);
            let until = quarter.min(offset + end - unit);
            let base = block * 4 * quarter;
            let first = L::splat(&pass.first[block]);
            let second = [L::splat(&pass.second[2 * block]), L::splat(&pass.second[2 * block + 1])];
            let plain = pass.plain && block == 0;
            for i in (offset..until).step_by(L::W) {
                let at = base + i;
                let mut a = [
                    L::load(|l| pass.from.add(at + l)),
                    L::load(|l| pass.from.add(at + quarter + l)),
                    L::load(|l| pass.from.add(at + 2 * quarter + l)),
                    L::load(|l| pass.from.add(at + 3 * quarter + l)),
                ];
                if let Some(scale) = scale {
                    a = [a[0].mul(&scale), a[1].mul(&scale), a[2].mul(&scale), a[3].mul(&scale)];
                }
                let b =
                    if plain { plain_butterfly(a, second[1]) } else { butterfly(a, first, second) };
                b[0].store_loose(|l| pass.to.add(at + l));
                b[1].store_loose(|l| pass.to.add(at + quarter + l));
                b[2].store_loose(|l| pass.to.add(at + 2 * quarter + l));
                b[3].store_loose(|l| pass.to.add(at + 3 * quarter + l));
            }
            unit += until - offset;
        }
    }
}

/// Two levels of blocks of `4 · 2^bits`, shorter than four vectors: lanes go on into neighbouring
/// blocks. The results of the last pass go to their natural places.
#[inline(always)]
unsafe fn across_blocks<L: Lanes<Scalar>>(pass: &Pass<'_>, bits: u32, start: usize, end: usize) {
    let n = 1usize << pass.k;
    let quarter = 1usize << bits;
    // SAFETY: units below n / 4, so blocks below 2^level and places below n; natural
    // places are reduced modulo n.
    unsafe {
        let scale = pass.scale.map(|scale| L::splat(&scale));
        let (first, second) = (pass.first.as_ptr(), pass.second.as_ptr());
        for unit in (start..end).step_by(L::W) {
            let block = |l: usize| (unit + l) >> bits;
            let place = |l: usize| 4 * block(l) * quarter + ((unit + l) & (quarter - 1));
            let mut a = [
                L::load(|l| pass.from.add(place(l))),
                L::load(|l| pass.from.add(place(l) + quarter)),
                L::load(|l| pass.from.add(place(l) + 2 * quarter)),
                L::load(|l| pass.from.add(place(l) + 3 * quarter)),
            ];
            if let Some(scale) = scale {
                a = [a[0].mul(&scale), a[1].mul(&scale), a[2].mul(&scale), a[3].mul(&scale)];
            }
            let b = butterfly(
                a,
                L::load(|l| first.add(block(l))),
                [L::load(|l| second.add(2 * block(l))), L::load(|l| second.add(2 * block(l) + 1))],
            );
            if !pass.last {
                b[0].store_loose(|l| pass.to.add(place(l)));
                b[1].store_loose(|l| pass.to.add(place(l) + quarter));
                b[2].store_loose(|l| pass.to.add(place(l) + 2 * quarter));
                b[3].store_loose(|l| pass.to.add(place(l) + 3 * quarter));
                continue;
            }
            // Natural index of place 4·block + j: its k bits reversed.
            let natural = |l: usize, j: usize| {
                let index = reverse(unit + l, pass.k - 2) + j * n / 4;
                if pass.backwards { (n - index) % n } else { index }
            };
            b[0].store(|l| pass.to.add(natural(l, 0)));
            b[1].store(|l| pass.to.add(natural(l, 2)));
            b[2].store(|l| pass.to.add(natural(l, 1)));
            b[3].store(|l| pass.to.add(natural(l, 3)));
        }
    }
}
