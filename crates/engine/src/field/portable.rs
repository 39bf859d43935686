//! One lane on halo2curves' own arithmetic: runs everywhere, always fully reduced.

use super::{Lanes, Mark, Modulus, Words, from_words, to_words};
use ff::Field;

/// One reduced element.
#[derive(Clone, Copy)]
pub(crate) struct Portable<M: Modulus>(M::Field);

impl<M: Modulus> Portable<M> {
    /// Selects this implementation for a kernel.
    pub(crate) const MARK: Mark<Self> = Mark::new();
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

/// Whether `a >= b`.
#[inline(always)]
pub(crate) fn geq(a: &Words, b: &Words) -> bool {
    !sub_borrow(a, b).1
}

/// Subtracts `p` once if that does not borrow.
#[inline(always)]
pub(crate) fn reduce_once<M: Modulus>(a: &Words) -> Words {
    let (reduced, borrow) = sub_borrow(a, &M::P);
    if borrow { *a } else { reduced }
}

impl<M: Modulus> Lanes<M> for Portable<M> {
    const W: usize = 1;
    const SHIFT: u32 = 0;

    #[inline(always)]
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: the caller's pointers are valid; portable kernels only ever see
        // reduced elements, since they only ever store such.
        Self(from_words::<M>(unsafe { *at(0) }))
    }

    #[inline(always)]
    unsafe fn splat(value: &Words) -> Self {
        Self(from_words::<M>(*value))
    }

    #[inline(always)]
    unsafe fn store(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: the caller's pointers are valid.
        unsafe { *at(0) = to_words::<M>(&self.0) }
    }

    #[inline(always)]
    unsafe fn copy_to(&self, to: *mut Self) {
        // SAFETY: the caller's pointer is valid.
        unsafe { to.write(*self) }
    }

    #[inline(always)]
    unsafe fn store_loose(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: forwarded.
        unsafe { self.store(at) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    #[inline(always)]
    unsafe fn carried(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn mul(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }

    #[inline(always)]
    unsafe fn square(&self) -> Self {
        Self(self.0.square())
    }

    #[inline(always)]
    unsafe fn tidy(&self) -> Self {
        *self
    }

    #[inline(always)]
    unsafe fn raise(&self) -> Self {
        *self
    }

    #[inline(always)]
    unsafe fn negate_where(self, mask: u32) -> Self {
        if mask & 1 == 0 { self } else { Self(-self.0) }
    }
}
