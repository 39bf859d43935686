//! One lane with 64-bit limbs: runs everywhere, always fully reduced.

use super::{Lanes, Mark, Modulus, Words};
use core::marker::PhantomData;

/// One reduced element.
#[derive(Clone, Copy)]
pub(crate) struct Portable<M>(Words, PhantomData<M>);

impl<M: Modulus> Portable<M> {
    /// Selects this implementation for a kernel.
    pub(crate) const MARK: Mark<Self> = Mark::new();

    #[inline(always)]
    fn new(words: Words) -> Self {
        Self(words, PhantomData)
    }
}

/// Whether `a >= b`.
#[inline(always)]
pub(crate) fn geq(a: &Words, b: &Words) -> bool {
    !sub_borrow(a, b).1
}

/// `a - b` modulo 2^256 and whether it borrowed.
#[inline(always)]
fn sub_borrow(a: &Words, b: &Words) -> (Words, bool) {
    let mut out = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        let (x, first) = a[i].overflowing_sub(b[i]);
        let (x, second) = x.overflowing_sub(u64::from(borrow));
        out[i] = x;
        borrow = first | second;
    }
    (out, borrow)
}

/// `a + b` modulo 2^256.
#[inline(always)]
fn add_wrapping(a: &Words, b: &Words) -> Words {
    let mut out = [0; 4];
    let mut carry = false;
    for i in 0..4 {
        let (x, first) = a[i].overflowing_add(b[i]);
        let (x, second) = x.overflowing_add(u64::from(carry));
        out[i] = x;
        carry = first | second;
    }
    out
}

/// `low + a * b + carry` as (low word, high word).
#[inline(always)]
fn mac(low: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = u128::from(low) + u128::from(a) * u128::from(b) + u128::from(carry);
    (wide as u64, (wide >> 64) as u64)
}

/// Subtracts `p` once if that does not borrow.
#[inline(always)]
pub(crate) fn reduce_once<M: Modulus>(a: &Words) -> Words {
    let (reduced, borrow) = sub_borrow(a, &M::P);
    let keep = 0u64.wrapping_sub(u64::from(borrow));
    core::array::from_fn(|i| (a[i] & keep) | (reduced[i] & !keep))
}

/// Montgomery product with interleaved reduction (CIOS). The prime's top bit is
/// clear, so the running sum never needs a fifth word.
#[inline(always)]
fn montgomery<M: Modulus>(a: &Words, b: &Words) -> Words {
    let mut t = [0u64; 4];
    for &b in b {
        let (x, mut carry) = mac(t[0], a[0], b, 0);
        let m = x.wrapping_mul(M::NEG_INV);
        let (_, mut reduction) = mac(x, m, M::P[0], 0);
        for j in 1..4 {
            let (x, next) = mac(t[j], a[j], b, carry);
            carry = next;
            (t[j - 1], reduction) = mac(x, m, M::P[j], reduction);
        }
        t[3] = carry + reduction;
    }
    reduce_once::<M>(&t)
}

impl<M: Modulus> Lanes<M> for Portable<M> {
    const W: usize = 1;
    const SHIFT: u32 = 0;

    #[inline(always)]
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: the caller's pointers are valid.
        let mut words = unsafe { *at(0) };
        while geq(&words, &M::P) {
            words = sub_borrow(&words, &M::P).0;
        }
        Self::new(words)
    }

    #[inline(always)]
    unsafe fn load_raised(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: forwarded.
        unsafe { Self::load(at) }
    }

    #[inline(always)]
    unsafe fn splat(value: &Words) -> Self {
        Self::new(*value)
    }

    #[inline(always)]
    unsafe fn store(self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: the caller's pointers are valid.
        unsafe { *at(0) = self.0 }
    }

    #[inline(always)]
    unsafe fn store_loose(self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded.
        unsafe { self.store(at) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self::new(reduce_once::<M>(&add_wrapping(&self.0, &other.0)))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let (difference, borrow) = sub_borrow(&self.0, &other.0);
        let mask = 0u64.wrapping_sub(u64::from(borrow));
        Self::new(add_wrapping(&difference, &core::array::from_fn(|i| M::P[i] & mask)))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self::new(montgomery::<M>(&self.0, &other.0))
    }

    #[inline(always)]
    unsafe fn square(self) -> Self {
        Self::new(montgomery::<M>(&self.0, &self.0))
    }

    #[inline(always)]
    unsafe fn tidy(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn raise(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn negate_where(self, mask: u32) -> Self {
        if mask & 1 == 0 {
            return self;
        }
        // SAFETY: portable lanes need no CPU feature.
        unsafe { Self::new([0; 4]).sub(self) }
    }
}
