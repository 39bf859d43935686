//! Four lanes with AVX2: nine 29-bit limbs, each in its own 64-bit lane.
//!
//! `vpmuludq` multiplies 32-bit halves into 64 bits, so 29-bit limbs leave room to
//! add eighteen products (nine of the operands, nine of the reduction) without a
//! carry, and to take sums and differences as factors without normalizing them
//! first: limbs of a factor may reach 2^31 against a tidy one, or 2^30 against such.
//! R is 2^261, so with `p < 2^254` a product of factors below `a·p` and `b·p` comes out below
//! `(1 + 0.006·a·b)·p` without a conditional subtraction.

// Limb loops read better by index: they pair arrays with constants.
#![allow(clippy::needless_range_loop)]

mod product;

use super::limbs::limbs_of;
use super::{Lanes, Mark, Modulus, Words};
use core::arch::x86_64::*;
use core::marker::PhantomData;
use product::{montgomery, montgomery_square};

const LIMBS: usize = 9;
const BITS: usize = 29;
const MASK: u64 = (1 << BITS) - 1;

/// Four elements: limb `i` of lane `l` is 64-bit lane `l` of the vector `i`.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<M>([__m256i; LIMBS], PhantomData<M>);

/// Constants as whole vectors, the same in all four lanes; a load across two cache lines
/// costs twice.
#[repr(C, align(64))]
struct Rows {
    p: [[u64; 4]; LIMBS],
    /// See [`Constants::FRIENDLY`].
    friendly: [[u64; 4]; LIMBS],
    /// `-1/p` modulo 2^29.
    neg_inv: [u64; 4],
    mask: [u64; 4],
}

/// Constants of a modulus in 29-bit limbs.
struct Constants<M>(PhantomData<M>);

/// Limb `i` of zero with so many units of every limb lent to the limb below.
const fn lent(i: usize, units: u64) -> u64 {
    let gained = if i < LIMBS - 1 { units << BITS } else { 0 };
    gained.wrapping_sub(if i > 0 { units } else { 0 })
}

impl<M: Modulus> Constants<M> {
    const P: [u64; LIMBS] = limbs_of::<LIMBS, BITS>(&M::P, 1);
    /// `2p` with one unit of every limb lent to the limb below, so that a tidy
    /// value can be subtracted limb by limb without a borrow.
    const LENT: [u64; LIMBS] = {
        let mut limbs = limbs_of::<LIMBS, BITS>(&M::P, 2);
        let mut i = 0;
        while i < LIMBS {
            limbs[i] = limbs[i].wrapping_add(lent(i, 1));
            i += 1;
        }
        limbs
    };
    /// `-p`, lent as in `LENT`.
    const MINUS: [u64; LIMBS] = {
        let mut limbs = Self::P;
        let mut i = 0;
        while i < LIMBS {
            limbs[i] = lent(i, 1).wrapping_sub(limbs[i]);
            i += 1;
        }
        limbs
    };
    /// `2^44 / (p / 2^232 + 1)`, rounded down: estimates `value / p` from the top limb.
    const QUOTIENT: u64 = (1 << 44) / (Self::P[LIMBS - 1] + 1);
    /// `(c·p + 1) / 2^29` with `c = -1/p` modulo 2^29.
    const FRIENDLY: [u64; LIMBS] = {
        let all = limbs_of::<{ LIMBS + 1 }, BITS>(&M::P, M::NEG_INV & MASK);
        let mut limbs = [0; LIMBS];
        let mut carry = (all[0] + 1) >> BITS;
        let mut i = 0;
        while i < LIMBS {
            carry += all[i + 1];
            limbs[i] = carry & MASK;
            carry >>= BITS;
            i += 1;
        }
        limbs
    };
    /// What the assembly reads.
    const ROWS: &'static Rows = &{
        let mut rows = Rows {
            p: [[0; 4]; LIMBS],
            friendly: [[0; 4]; LIMBS],
            neg_inv: [M::NEG_INV & MASK; 4],
            mask: [MASK; 4],
        };
        let mut i = 0;
        while i < LIMBS {
            rows.p[i] = [Self::P[i]; 4];
            rows.friendly[i] = [Self::FRIENDLY[i]; 4];
            i += 1;
        }
        rows
    };
}

impl<M: Modulus> Avx2<M> {
    /// Selects this implementation for a kernel.
    pub(crate) const MARK: Mark<Self> = Mark::new();

    #[inline(always)]
    fn new(limbs: [__m256i; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }
}

#[inline(always)]
unsafe fn constant(value: u64) -> __m256i {
    // SAFETY: run under AVX2 only, see `Lanes`.
    unsafe { _mm256_set1_epi64x(value as i64) }
}

/// Bitwise or of three vectors.
macro_rules! or3 {
    ($a:expr, $b:expr, $c:expr $(,)?) => {
        _mm256_or_si256(_mm256_or_si256($a, $b), $c)
    };
}

/// Transposes four rows of four 64-bit values.
#[inline(always)]
unsafe fn transpose(r: [__m256i; 4]) -> [__m256i; 4] {
    // SAFETY: run under AVX2 only, see `Lanes`.
    unsafe {
        let a = _mm256_unpacklo_epi64(r[0], r[1]);
        let b = _mm256_unpackhi_epi64(r[0], r[1]);
        let c = _mm256_unpacklo_epi64(r[2], r[3]);
        let d = _mm256_unpackhi_epi64(r[2], r[3]);
        [
            _mm256_permute2x128_si256::<0x20>(a, c),
            _mm256_permute2x128_si256::<0x20>(b, d),
            _mm256_permute2x128_si256::<0x31>(a, c),
            _mm256_permute2x128_si256::<0x31>(b, d),
        ]
    }
}

/// Bits `29·i ..` of the four words, without the final mask.
macro_rules! slice_bits {
    ($w:ident, $i:expr) => {{
        const AT: usize = $i * BITS;
        const WORD: usize = AT / 64;
        const BIT: usize = AT % 64;
        let low = _mm256_srli_epi64::<{ BIT as i32 }>($w[WORD]);
        if BIT + BITS > 64 && WORD < 3 {
            let high = $w[if WORD < 3 { WORD + 1 } else { 3 }];
            _mm256_or_si256(low, _mm256_slli_epi64::<{ 64 - BIT as i32 }>(high))
        } else {
            low
        }
    }};
}

/// Carries every limb into the next.
#[inline(always)]
unsafe fn carry(t: &mut [__m256i; LIMBS]) {
    // SAFETY: run under AVX2 only, see `Lanes`.
    unsafe {
        let mask = constant(MASK);
        for i in 0..LIMBS - 1 {
            t[i + 1] = _mm256_add_epi64(t[i + 1], _mm256_srli_epi64::<{ BITS as i32 }>(t[i]));
            t[i] = _mm256_and_si256(t[i], mask);
        }
    }
}

impl<M: Modulus> Avx2<M> {
    /// Loads four elements as rows of words, transposed to one vector a word.
    #[inline(always)]
    unsafe fn rows(at: impl Fn(usize) -> *const Words) -> [__m256i; 4] {
        // SAFETY: the caller's pointers are valid for 32 bytes; unaligned loads.
        unsafe {
            transpose([
                _mm256_loadu_si256(at(0).cast()),
                _mm256_loadu_si256(at(1).cast()),
                _mm256_loadu_si256(at(2).cast()),
                _mm256_loadu_si256(at(3).cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_limbs(t: &[__m256i; LIMBS], at: impl Fn(usize) -> *mut Words) {
        // SAFETY: the caller's pointers are valid for 32 bytes; unaligned stores.
        unsafe {
            let w0 = or3!(t[0], _mm256_slli_epi64::<29>(t[1]), _mm256_slli_epi64::<58>(t[2]));
            let w1 = or3!(
                _mm256_srli_epi64::<6>(t[2]),
                _mm256_slli_epi64::<23>(t[3]),
                _mm256_slli_epi64::<52>(t[4]),
            );
            let w2 = or3!(
                _mm256_srli_epi64::<12>(t[4]),
                _mm256_slli_epi64::<17>(t[5]),
                _mm256_slli_epi64::<46>(t[6]),
            );
            let w3 = or3!(
                _mm256_srli_epi64::<18>(t[6]),
                _mm256_slli_epi64::<11>(t[7]),
                _mm256_slli_epi64::<40>(t[8]),
            );
            let rows = transpose([w0, w1, w2, w3]);
            _mm256_storeu_si256(at(0).cast(), rows[0]);
            _mm256_storeu_si256(at(1).cast(), rows[1]);
            _mm256_storeu_si256(at(2).cast(), rows[2]);
            _mm256_storeu_si256(at(3).cast(), rows[3]);
        }
    }
}

#[inline(always)]
fn zero() -> __m256i {
    // SAFETY: all-zero bits are a valid vector; needs no CPU feature.
    unsafe { core::mem::zeroed() }
}

impl<M: Modulus> Lanes<M> for Avx2<M> {
    const W: usize = 4;
    const SHIFT: u32 = 5;

    #[inline(always)]
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: run under AVX2 only, pointers forwarded.
        unsafe {
            let w = Self::rows(at);
            let mask = constant(MASK);
            Self::new([
                _mm256_and_si256(w[0], mask),
                _mm256_and_si256(slice_bits!(w, 1), mask),
                _mm256_and_si256(slice_bits!(w, 2), mask),
                _mm256_and_si256(slice_bits!(w, 3), mask),
                _mm256_and_si256(slice_bits!(w, 4), mask),
                _mm256_and_si256(slice_bits!(w, 5), mask),
                _mm256_and_si256(slice_bits!(w, 6), mask),
                _mm256_and_si256(slice_bits!(w, 7), mask),
                slice_bits!(w, 8),
            ])
        }
    }

    #[inline(always)]
    unsafe fn splat(value: &Words) -> Self {
        // SAFETY: the reference is valid in every lane.
        unsafe { Self::load(|_| value) }
    }

    #[inline(always)]
    unsafe fn store(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: run under AVX2 only, pointers forwarded.
        unsafe {
            // Below 1.01·p, so at most one subtraction; the top limb of value - p
            // is negative exactly when the value is already reduced.
            let mut t = [zero(); LIMBS];
            for i in 0..LIMBS {
                t[i] = _mm256_add_epi64(self.0[i], constant(Constants::<M>::MINUS[i]));
            }
            carry(&mut t);
            let keep = _mm256_cmpgt_epi64(_mm256_setzero_si256(), t[LIMBS - 1]);
            for i in 0..LIMBS {
                t[i] = _mm256_blendv_epi8(t[i], self.0[i], keep);
            }
            Self::store_limbs(&t, at);
        }
    }

    #[inline(always)]
    unsafe fn copy_to(&self, to: *mut Self) {
        let to = to.cast::<__m256i>();
        for i in 0..LIMBS {
            // SAFETY: run under AVX2 only; the caller's pointer is valid for nine
            // vectors.
            unsafe { _mm256_storeu_si256(to.add(i), self.0[i]) };
        }
    }

    #[inline(always)]
    unsafe fn store_loose(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded.
        unsafe { Self::store_limbs(&self.0, at) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let mut t = [zero(); LIMBS];
        for i in 0..LIMBS {
            // SAFETY: run under AVX2 only, see `Lanes`.
            t[i] = unsafe { _mm256_add_epi64(self.0[i], other.0[i]) };
        }
        Self::new(t)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let mut t = [zero(); LIMBS];
        for i in 0..LIMBS {
            // SAFETY: run under AVX2 only, see `Lanes`.
            t[i] = unsafe {
                let lent = constant(Constants::<M>::LENT[i]);
                _mm256_add_epi64(self.0[i], _mm256_sub_epi64(lent, other.0[i]))
            };
        }
        Self::new(t)
    }

    #[inline(always)]
    unsafe fn carried(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn mul(&self, other: &Self) -> Self {
        // SAFETY: run under AVX2 only, see `Lanes`.
        Self::new(unsafe { montgomery::<M>(&self.0, &other.0) })
    }

    #[inline(always)]
    unsafe fn square(&self) -> Self {
        // SAFETY: run under AVX2 only, see `Lanes`.
        Self::new(unsafe { montgomery_square::<M>(&self.0) })
    }

    #[inline(always)]
    unsafe fn tidy(&self) -> Self {
        // SAFETY: run under AVX2 only, see `Lanes`.
        unsafe {
            let top = _mm256_add_epi64(
                self.0[LIMBS - 1],
                _mm256_srli_epi64::<{ BITS as i32 }>(self.0[LIMBS - 2]),
            );
            let q =
                _mm256_srli_epi64::<44>(_mm256_mul_epu32(top, constant(Constants::<M>::QUOTIENT)));
            let mut t = [zero(); LIMBS];
            for i in 0..LIMBS {
                let multiple = _mm256_mul_epu32(q, constant(Constants::<M>::P[i]));
                // Lent eight units, no limb falls below zero: q is at most seven.
                let limb = _mm256_add_epi64(self.0[i], constant(lent(i, 8)));
                t[i] = _mm256_sub_epi64(limb, multiple);
            }
            carry(&mut t);
            Self::new(t)
        }
    }

    #[inline(always)]
    unsafe fn raise(&self) -> Self {
        // SAFETY: run under AVX2 only, see `Lanes`.
        unsafe {
            let mask = constant(MASK);
            let t = &self.0;
            let mut out = [_mm256_setzero_si256(); LIMBS];
            out[0] = _mm256_and_si256(_mm256_slli_epi64::<5>(t[0]), mask);
            for i in 1..LIMBS {
                let limb = _mm256_or_si256(
                    _mm256_slli_epi64::<5>(t[i]),
                    _mm256_srli_epi64::<{ BITS as i32 - 5 }>(t[i - 1]),
                );
                out[i] = if i == LIMBS - 1 { limb } else { _mm256_and_si256(limb, mask) };
            }
            Self::new(out)
        }
    }

    #[inline(always)]
    unsafe fn negate_where(self, mask: u32) -> Self {
        // SAFETY: run under AVX2 only, see `Lanes`.
        unsafe {
            let bits = _mm256_set_epi64x(8, 4, 2, 1);
            let set = _mm256_cmpeq_epi64(
                _mm256_and_si256(_mm256_set1_epi64x(i64::from(mask)), bits),
                bits,
            );
            let mut t = Self::new([zero(); LIMBS]).sub(self).0;
            for i in 0..LIMBS {
                t[i] = _mm256_blendv_epi8(self.0[i], t[i], set);
            }
            Self::new(t)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Backend, Base, Scalar, from_words};
    use ff::{Field, PrimeField};

    /// Nine limbs that fill the lower eight alike, and the integer they stand for.
    fn filled<M: Modulus>(lower: u64, top: u64) -> ([u64; LIMBS], M::Field) {
        let mut limbs = [lower; LIMBS];
        limbs[LIMBS - 1] = top;
        let radix = M::Field::from(1 << BITS);
        let value = limbs.iter().rev().fold(M::Field::ZERO, |v, l| v * radix + M::Field::from(*l));
        (limbs, value)
    }

    #[target_feature(enable = "avx2")]
    fn product<M: Modulus>(a: &[u64; LIMBS], b: &[u64; LIMBS]) -> [Words; 2] {
        let lanes = |limbs: &[u64; LIMBS]| {
            // SAFETY: compiled for AVX2, which the caller has.
            Avx2::<M>::new(limbs.map(|limb| unsafe { constant(limb) }))
        };
        let mut out = [[[0; 4]; 4]; 2];
        let [first, second] = out.each_mut().map(|words| words.as_mut_ptr());
        // SAFETY: as above; there is a place for every lane.
        unsafe {
            lanes(a).mul(&lanes(b)).tidy().store(|l| first.add(l));
            lanes(b).square().tidy().store(|l| second.add(l));
        }
        out.map(|lanes| lanes[3])
    }

    fn fullest_factors_give_right_products<M: Modulus>() {
        let top = Constants::<M>::P[LIMBS - 1];
        let by_r_twice = M::Field::TWO_INV.pow_vartime([29 * 9 + 256]);
        let tidy = filled::<M>(MASK, top);
        let sum = filled::<M>(1 << 30, 2 * top);
        for (a, b) in [(filled::<M>(1 << 31, 5 * top), tidy), (sum, tidy), (sum, sum)] {
            // SAFETY: the test below has asked for AVX2.
            let [product, square] = unsafe { product::<M>(&a.0, &b.0) };
            assert_eq!(from_words::<M>(product), a.1 * b.1 * by_r_twice);
            assert_eq!(from_words::<M>(square), b.1 * b.1 * by_r_twice);
        }
    }

    #[test]
    fn factors_with_the_fullest_limbs_have_right_products() {
        if !Backend::Avx2.has_features() {
            return eprintln!("skipped: this CPU has no AVX2");
        }
        fullest_factors_give_right_products::<Scalar>();
        fullest_factors_give_right_products::<Base>();
    }
}
