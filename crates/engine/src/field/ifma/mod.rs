//! Eight lanes of five 52-bit limbs, for AVX-512 IFMA.
//!
//! The instructions multiply the low 52 bits of 64-bit integers and add either half
//! of the product to a 64-bit sum, so a product of two elements is fifty of them,
//! its reduction fifty-five, without a carry in between. R is 2^260: with p < 2^254 a
//! product of factors below `a·p` and `b·p` comes out below `(1 + 0.012·a·b)·p`
//! without a conditional subtraction. Factors must have their carries done, since
//! higher bits of a limb would be ignored: [`Lanes::carried`] after an `add` or `sub`,
//! whose limbs are signed and may exceed 52 bits.
//!
//! The arithmetic is generic over [`Vector`]: [`Native`] is the instructions,
//! [`Emulated`] the same in software, by which tests cover it without such a CPU.

// Limb loops read better by index: they pair arrays with constants.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod native;
mod vector;

use super::limbs::limbs_of;
use super::{Lanes, Mark, Modulus, Words};
use core::marker::PhantomData;
#[cfg(target_arch = "x86_64")]
pub(crate) use native::Native;
pub(crate) use vector::{Emulated, Vector};

const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

/// Eight elements: limb `i` of lane `l` is element `l` of the vector `i`.
#[derive(Clone, Copy)]
pub(crate) struct Ifma<M, V>([V; LIMBS], PhantomData<M>);

/// Constants of a modulus in limbs.
struct Constants<M>(PhantomData<M>);

impl<M: Modulus> Constants<M> {
    const P: [u64; LIMBS] = limbs_of::<LIMBS, { BITS as usize }>(&M::P, 1);
    const TWICE_P: [u64; LIMBS] = limbs_of::<LIMBS, { BITS as usize }>(&M::P, 2);
    const NEG_INV: u64 = M::NEG_INV & MASK;
    /// Row `i`, entry `q`: limb `i` of `q·p`.
    const MULTIPLES: [[u64; 8]; LIMBS] = {
        let mut table = [[0; 8]; LIMBS];
        let mut q = 0;
        while q < 8 {
            let limbs = limbs_of::<LIMBS, { BITS as usize }>(&M::P, q as u64);
            let mut i = 0;
            while i < LIMBS {
                table[i][q] = limbs[i];
                i += 1;
            }
            q += 1;
        }
        table
    };
    /// `2^92 / (p / 2^208 + 8)`, rounded down: estimates `value / p` from the top limb
    /// alone, never too high although that limb may still lack or owe a few units.
    const QUOTIENT: u64 = ((1u128 << 92) / (Self::P[LIMBS - 1] as u128 + 8)) as u64;
}

/// Carries signed limbs; the value must not be negative.
#[inline(always)]
unsafe fn carry_signed<V: Vector>(t: &mut [V; LIMBS]) {
    // SAFETY: forwarded, see `Lanes`.
    unsafe {
        let mask = V::splat(MASK);
        for i in 0..LIMBS - 1 {
            t[i + 1] = t[i + 1].add(t[i].sar::<BITS>());
            t[i] = t[i].and(mask);
        }
    }
}

/// Montgomery reduction of a sum of products: `t / 2^260`, carries done.
#[inline(always)]
unsafe fn reduce<M: Modulus, V: Vector>(mut t: [V; 2 * LIMBS]) -> [V; LIMBS] {
    // SAFETY: forwarded, see `Lanes`.
    unsafe {
        for i in 0..LIMBS {
            let q = V::zero().madd_low(t[i], V::splat(Constants::<M>::NEG_INV));
            for j in 0..LIMBS {
                let p = V::splat(Constants::<M>::P[j]);
                t[i + j] = t[i + j].madd_low(q, p);
                t[i + j + 1] = t[i + j + 1].madd_high(q, p);
            }
            t[i + 1] = t[i + 1].add(t[i].shr::<BITS>());
        }
        let mut out = [t[5], t[6], t[7], t[8], t[9]];
        carry_signed(&mut out);
        out
    }
}

impl<M: Modulus, V: Vector> Ifma<M, V> {
    /// Selects this implementation for a kernel.
    pub(crate) const MARK: Mark<Self> = Mark::new();

    #[inline(always)]
    fn new(limbs: [V; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }

    /// Stores limbs that have their carries done.
    #[inline(always)]
    unsafe fn store_limbs(t: &[V; LIMBS], at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let w0 = t[0].or(t[1].shl::<52>());
            let w1 = t[1].shr::<12>().or(t[2].shl::<40>());
            let w2 = t[2].shr::<24>().or(t[3].shl::<28>());
            let w3 = t[3].shr::<36>().or(t[4].shl::<16>());
            // Transposed: each row of eight is two elements of four words.
            let (even, odd) = (w0.unpack_low(w1), w0.unpack_high(w1));
            let (even_top, odd_top) = (w2.unpack_low(w3), w2.unpack_high(w3));
            let (first, second) = ([0, 1, 8, 9, 2, 3, 10, 11], [4, 5, 12, 13, 6, 7, 14, 15]);
            even.permute(&first, even_top).store_pair(at(0), at(2));
            odd.permute(&first, odd_top).store_pair(at(1), at(3));
            even.permute(&second, even_top).store_pair(at(4), at(6));
            odd.permute(&second, odd_top).store_pair(at(5), at(7));
        }
    }
}

impl<M: Modulus, V: Vector> Lanes<M> for Ifma<M, V> {
    const W: usize = 8;
    const SHIFT: u32 = 4;

    #[inline(always)]
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let (r02, r13) = (V::load_pair(at(0), at(2)), V::load_pair(at(1), at(3)));
            let (r46, r57) = (V::load_pair(at(4), at(6)), V::load_pair(at(5), at(7)));
            let (a, b) = (r02.unpack_low(r13), r02.unpack_high(r13));
            let (c, d) = (r46.unpack_low(r57), r46.unpack_high(r57));
            let (w0, w1) = (a.even_pairs(c), b.even_pairs(d));
            let (w2, w3) = (a.odd_pairs(c), b.odd_pairs(d));
            let mask = V::splat(MASK);
            Self::new([
                w0.and(mask),
                w0.shr::<52>().or(w1.shl::<12>()).and(mask),
                w1.shr::<40>().or(w2.shl::<24>()).and(mask),
                w2.shr::<28>().or(w3.shl::<36>()).and(mask),
                w3.shr::<16>(),
            ])
        }
    }

    #[inline(always)]
    unsafe fn splat(value: &Words) -> Self {
        let [a, b, c, d] = *value;
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            Self::new([
                V::splat(a & MASK),
                V::splat((a >> 52 | b << 12) & MASK),
                V::splat((b >> 40 | c << 24) & MASK),
                V::splat((c >> 28 | d << 36) & MASK),
                V::splat(d >> 16),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            // Below 2·p: subtract p once, unless that is negative.
            let mut t = self.0;
            for i in 0..LIMBS {
                t[i] = t[i].sub(V::splat(Constants::<M>::P[i]));
            }
            carry_signed(&mut t);
            let keep = t[LIMBS - 1].negative();
            for i in 0..LIMBS {
                t[i] = t[i].blend(keep, self.0[i]);
            }
            Self::store_limbs(&t, at);
        }
    }

    #[inline(always)]
    unsafe fn copy_to(&self, to: *mut Self) {
        let to = to.cast::<[u64; 8]>();
        for i in 0..LIMBS {
            // SAFETY: the caller's pointer is valid for five vectors.
            unsafe { self.0[i].write(to.add(i)) };
        }
    }

    #[inline(always)]
    unsafe fn store_loose(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded, see `Lanes`.
        unsafe { Self::store_limbs(&self.0, at) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let mut t = self.0;
        for i in 0..LIMBS {
            // SAFETY: forwarded, see `Lanes`.
            t[i] = unsafe { t[i].add(other.0[i]) };
        }
        Self::new(t)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let mut t = self.0;
        for i in 0..LIMBS {
            // SAFETY: forwarded, see `Lanes`.
            t[i] = unsafe { t[i].sub(other.0[i]).add(V::splat(Constants::<M>::TWICE_P[i])) };
        }
        Self::new(t)
    }

    #[inline(always)]
    unsafe fn carried(mut self) -> Self {
        // SAFETY: forwarded, see `Lanes`.
        unsafe { carry_signed(&mut self.0) };
        self
    }

    #[inline(always)]
    unsafe fn mul(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let mut t = [V::zero(); 2 * LIMBS];
            for i in 0..LIMBS {
                for j in 0..LIMBS {
                    t[i + j] = t[i + j].madd_low(a[j], b[i]);
                    t[i + j + 1] = t[i + j + 1].madd_high(a[j], b[i]);
                }
            }
            Self::new(reduce::<M, V>(t))
        }
    }

    #[inline(always)]
    unsafe fn square(&self) -> Self {
        let a = &self.0;
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            // Products of two different limbs once, doubled; then the squares.
            let mut t = [V::zero(); 2 * LIMBS];
            for i in 0..LIMBS {
                for j in i + 1..LIMBS {
                    t[i + j] = t[i + j].madd_low(a[j], a[i]);
                    t[i + j + 1] = t[i + j + 1].madd_high(a[j], a[i]);
                }
            }
            for i in 1..2 * LIMBS - 1 {
                t[i] = t[i].add(t[i]);
            }
            for i in 0..LIMBS {
                t[2 * i] = t[2 * i].madd_low(a[i], a[i]);
                t[2 * i + 1] = t[2 * i + 1].madd_high(a[i], a[i]);
            }
            Self::new(reduce::<M, V>(t))
        }
    }

    #[inline(always)]
    unsafe fn tidy(&self) -> Self {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let q = V::zero()
                .madd_high(self.0[LIMBS - 1], V::splat(Constants::<M>::QUOTIENT))
                .shr::<40>();
            let mut t = self.0;
            for i in 0..LIMBS {
                t[i] = t[i].sub(V::row(&Constants::<M>::MULTIPLES[i]).look_up(q));
            }
            carry_signed(&mut t);
            Self::new(t)
        }
    }

    #[inline(always)]
    unsafe fn raise(&self) -> Self {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let mask = V::splat(MASK);
            let mut out = self.0;
            out[0] = self.0[0].shl::<4>().and(mask);
            for i in 1..LIMBS {
                let limb = self.0[i].shl::<4>().or(self.0[i - 1].shr::<48>());
                out[i] = if i == LIMBS - 1 { limb } else { limb.and(mask) };
            }
            Self::new(out)
        }
    }

    #[inline(always)]
    unsafe fn negate_where(self, mask: u32) -> Self {
        // SAFETY: forwarded, see `Lanes`.
        unsafe {
            let mut t = Self::new([V::zero(); LIMBS]).sub(self).0;
            for i in 0..LIMBS {
                t[i] = self.0[i].blend(mask as u8, t[i]);
            }
            Self::new(t)
        }
    }
}

#[cfg(test)]
mod tests;
