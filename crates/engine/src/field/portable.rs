//! One lane on 64-bit words: runs everywhere.
//!
//! Values stay below 2·p. A Montgomery product of two such values is below
//! `(4·p/R + 1)·p < 1.76·p`, R = 2^256, so that no product ends with a comparison; only
//! what is stored for others is reduced.

use super::{Lanes, Mark, Modulus, Words};
use core::marker::PhantomData;

/// One element below 2·p.
#[derive(Clone, Copy)]
pub(crate) struct Portable<M>(Words, PhantomData<M>);

/// `a + b` modulo 2^256.
#[inline(always)]
fn add(a: &Words, b: &Words) -> Words {
    let mut carry = false;
    core::array::from_fn(|i| {
        let (word, out) = a[i].carrying_add(b[i], carry);
        carry = out;
        word
    })
}

/// `a - b` modulo 2^256 and whether it borrowed.
#[inline(always)]
pub(crate) fn sub(a: &Words, b: &Words) -> (Words, bool) {
    let mut borrow = false;
    let difference = core::array::from_fn(|i| {
        let (word, out) = a[i].borrowing_sub(b[i], borrow);
        borrow = out;
        word
    });
    (difference, borrow)
}

/// `value` where `condition`, else zero, without a branch.
#[inline(always)]
fn select(condition: bool, value: &Words) -> Words {
    let mask = u64::from(condition).wrapping_neg();
    core::array::from_fn(|i| value[i] & mask)
}

/// Whether `a >= b`.
#[inline(always)]
pub(crate) fn geq(a: &Words, b: &Words) -> bool {
    !sub(a, b).1
}

/// Subtracts `p` once if that does not borrow.
#[inline(always)]
pub(crate) fn reduce_once<M: Modulus>(a: &Words) -> Words {
    let (reduced, borrow) = sub(a, &M::P);
    add(&reduced, &select(borrow, &M::P))
}

impl<M: Modulus> Portable<M> {
    /// Selects this implementation for a kernel.
    pub(crate) const MARK: Mark<Self> = Mark::new();

    /// `2·p`.
    const TWICE: Words = {
        let [a, b, c, d] = M::P;
        [a << 1, b << 1 | a >> 63, c << 1 | b >> 63, d << 1 | c >> 63]
    };

    #[inline(always)]
    const fn new(words: Words) -> Self {
        Self(words, PhantomData)
    }
}

impl<M: Modulus> Lanes<M> for Portable<M> {
    const W: usize = 1;
    const SHIFT: u32 = 0;

    #[inline(always)]
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self {
        // SAFETY: the caller's pointers are valid.
        Self::new(unsafe { *at(0) })
    }

    #[inline(always)]
    unsafe fn splat(value: &Words) -> Self {
        Self::new(*value)
    }

    #[inline(always)]
    unsafe fn store(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: the caller's pointers are valid.
        unsafe { *at(0) = reduce_once::<M>(&self.0) }
    }

    #[inline(always)]
    unsafe fn copy_to(&self, to: *mut Self) {
        // SAFETY: the caller's pointer is valid.
        unsafe { to.write(*self) }
    }

    #[inline(always)]
    unsafe fn store_loose(&self, at: impl Fn(usize) -> *mut Words) {
        // SAFETY: the caller's pointers are valid.
        unsafe { *at(0) = self.0 }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let (reduced, borrow) = sub(&add(&self.0, &other.0), &Self::TWICE);
        Self::new(add(&reduced, &select(borrow, &Self::TWICE)))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        let (difference, borrow) = sub(&self.0, &other.0);
        Self::new(add(&difference, &select(borrow, &Self::TWICE)))
    }

    #[inline(always)]
    unsafe fn carried(self) -> Self {
        self
    }

    /// Words of one factor in turn, each followed by one step of Montgomery's reduction
    /// (CIOS). The sum stays below `2·p + p`, so that four words and a carry hold it.
    #[inline(always)]
    unsafe fn mul(&self, other: &Self) -> Self {
        let (a, p) = (&self.0, &M::P);
        let mut t = [0u64; 4];
        for b in other.0 {
            let (t0, carry) = a[0].carrying_mul_add(b, t[0], 0);
            let (t1, carry) = a[1].carrying_mul_add(b, t[1], carry);
            let (t2, carry) = a[2].carrying_mul_add(b, t[2], carry);
            let (t3, top) = a[3].carrying_mul_add(b, t[3], carry);
            let m = t0.wrapping_mul(M::NEG_INV);
            let (_, carry) = m.carrying_mul_add(p[0], t0, 0);
            let (t1, carry) = m.carrying_mul_add(p[1], t1, carry);
            let (t2, carry) = m.carrying_mul_add(p[2], t2, carry);
            let (t3, carry) = m.carrying_mul_add(p[3], t3, carry);
            t = [t1, t2, t3, top + carry];
        }
        Self::new(t)
    }

    #[inline(always)]
    unsafe fn square(&self) -> Self {
        // SAFETY: as for any product.
        unsafe { self.mul(self) }
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
        // SAFETY: as for any difference.
        let negated = unsafe { Self::new([0; 4]).sub(self) };
        if mask & 1 == 0 { self } else { negated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Base, Scalar, from_words};

    /// Every operation on every pair of values at the edges of what lanes may hold.
    fn values_up_to_twice_the_prime_stay_right<M: Modulus>() {
        let (p, twice) = (M::P, Portable::<M>::TWICE);
        let one = [1, 0, 0, 0];
        let edges = [[0; 4], one, sub(&p, &one).0, p, add(&p, &one), sub(&twice, &one).0];
        let field = |words: &Words| from_words::<M>(reduce_once::<M>(words));
        let check = |got: Portable<M>, expected: M::Field| {
            assert!(!geq(&got.0, &twice), "{:x?} is not below 2p", got.0);
            assert_eq!(field(&got.0), expected);
        };
        for a in &edges {
            for b in &edges {
                let (x, y) = (Portable::<M>::new(*a), Portable::<M>::new(*b));
                // SAFETY: the portable lanes need no CPU feature.
                unsafe {
                    check(x.add(y), field(a) + field(b));
                    check(x.sub(y), field(a) - field(b));
                    check(x.mul(&y), field(a) * field(b));
                    check(x.square(), field(a) * field(a));
                    check(x.negate_where(1), -field(a));
                    check(x.negate_where(0), field(a));
                }
            }
        }
    }

    #[test]
    fn scalars_up_to_twice_the_prime_stay_right() {
        values_up_to_twice_the_prime_stay_right::<Scalar>();
    }

    #[test]
    fn coordinates_up_to_twice_the_prime_stay_right() {
        values_up_to_twice_the_prime_stay_right::<Base>();
    }
}
