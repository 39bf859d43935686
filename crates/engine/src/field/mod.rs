//! Arithmetic modulo the two BN254 primes on several elements at a time.
//!
//! In memory an element is what halo2curves stores: four 64-bit words, little
//! endian, in Montgomery form with R = 2^256. A kernel loads [`Lanes::W`]
//! elements into one [`Lanes`] value, computes on all of them at once and stores
//! them back. Kernels are written once, generic over [`Lanes`]; [`dispatch!`]
//! picks the widest implementation the CPU has:
//!
//! - [`portable`]: one lane, 64-bit limbs, any CPU;
//! - [`avx2`]: four lanes, nine 29-bit limbs each;
//! - [`ifma`]: eight lanes, five 52-bit limbs each, on AVX-512 IFMA or emulated.
//!
//! [`Lanes::mul`] computes `a·b / 2^(256 + SHIFT)`. A vector implementation whose
//! limbs do not add up to 256 bits has a non-zero `SHIFT`, and one factor must be
//! `2^SHIFT` times its Montgomery form ("raised"): a precomputed constant is
//! stored raised, any other value goes through [`Lanes::raise`]. The product is then
//! in ordinary Montgomery form again.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
mod backend;
pub(crate) mod ifma;
mod limbs;
pub(crate) mod operations;
pub(crate) mod portable;

pub use backend::Backend;

use halo2curves::bn256::{Fq, Fr};

/// Words of one element.
pub(crate) type Words = [u64; 4];

/// A BN254 prime with the constants its arithmetic needs.
pub(crate) trait Modulus: Copy + Send + Sync + 'static {
    /// The halo2curves type of the field.
    type Field: ff::PrimeField + From<u64>;
    /// The prime.
    const P: Words;
    /// `-P^-1` modulo 2^64.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    const NEG_INV: u64;
}

/// The base field of the curve: coordinates of points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base;

impl Modulus for Base {
    type Field = Fq;
    const P: Words =
        [0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029];
    const NEG_INV: u64 = neg_inv(Self::P[0]);
}

/// The scalar field of the curve: witnesses and polynomials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Modulus for Scalar {
    type Field = Fr;
    const P: Words =
        [0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029];
    const NEG_INV: u64 = neg_inv(Self::P[0]);
}

/// `-p^-1` modulo 2^64 by Newton's iteration, for odd `p`.
const fn neg_inv(p: u64) -> u64 {
    let mut x = 1u64;
    let mut i = 0;
    while i < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg()
}

/// `W` elements of one field, held side by side.
///
/// A value may be unreduced between operations. The rules, which kernels keep and
/// tests exercise at their limits:
///
/// - loaded and multiplied values are *tidy*: below 1.7·p, limbs in range;
/// - `sub` takes a tidy subtrahend and adds up to 2·p; `add` and `sub` give *loose*
///   values;
/// - `mul` and `square` take tidy values, or loose ones after `carried`: one `add` or
///   `sub` of two tidy or negated values times a tidy value, or two sums of two tidy values;
/// - `tidy` brings a value below 7·p (a few additions) below 1.01·p.
///
/// # Safety
///
/// The methods are `unsafe` because an implementation may use instructions of an
/// optional CPU feature; call them only under [`dispatch!`], and with pointers
/// that are valid for one element each.
pub(crate) trait Lanes<M: Modulus>: Copy {
    /// Number of elements.
    const W: usize;
    /// `mul` divides by `2^(256 + SHIFT)`.
    const SHIFT: u32;

    /// Loads lane `l` from `at(l)`; the elements are tidy.
    unsafe fn load(at: impl Fn(usize) -> *const Words) -> Self;
    /// The same element in every lane.
    unsafe fn splat(value: &Words) -> Self;
    /// Stores tidy lanes, fully reduced.
    unsafe fn store(&self, at: impl Fn(usize) -> *mut Words);
    /// Copies a value limb by limb: the compiler's own copy of a large value is a
    /// call to `memcpy`.
    unsafe fn copy_to(&self, to: *mut Self);
    /// Stores tidy lanes as they are.
    unsafe fn store_loose(&self, at: impl Fn(usize) -> *mut Words);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// The same loose value, ready to be a factor.
    unsafe fn carried(self) -> Self;
    /// `self * other / 2^(256 + SHIFT)`, tidy.
    unsafe fn mul(&self, other: &Self) -> Self;
    /// `self^2 / 2^(256 + SHIFT)`, tidy.
    unsafe fn square(&self) -> Self;
    /// Tidies a value below 7·p.
    unsafe fn tidy(&self) -> Self;
    /// `2^SHIFT · self` for a tidy value; only fit as the tidy factor of `mul`.
    unsafe fn raise(&self) -> Self;
    /// `2p - self` in the lanes whose bit is set in `mask`, of a tidy value; loose.
    unsafe fn negate_where(self, mask: u32) -> Self;
}

/// Views field elements as words.
#[inline(always)]
pub(crate) fn words<M: Modulus>(elements: &[M::Field]) -> &[Words] {
    const { assert!(size_of::<M::Field>() == 32 && align_of::<M::Field>() == 8) };
    // SAFETY: both halo2curves fields hold one `[u64; 4]` and nothing else: same
    // size and alignment (asserted above), no padding, every bit pattern valid as
    // words.
    unsafe { core::slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) }
}

/// Views field elements as words that a kernel may overwrite with reduced ones.
#[inline(always)]
pub(crate) fn words_mut<M: Modulus>(elements: &mut [M::Field]) -> &mut [Words] {
    const { assert!(size_of::<M::Field>() == 32 && align_of::<M::Field>() == 8) };
    // SAFETY: as in `words`; kernels leave only reduced elements behind.
    unsafe { core::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}

/// The words of one element.
#[inline(always)]
pub(crate) fn to_words<M: Modulus>(element: &M::Field) -> Words {
    words::<M>(core::slice::from_ref(element))[0]
}

/// The element of reduced words.
#[inline(always)]
pub(crate) fn from_words<M: Modulus>(value: Words) -> M::Field {
    debug_assert!(!portable::geq(&value, &M::P));
    let mut element = <M::Field as ff::Field>::ZERO;
    words_mut::<M>(core::slice::from_mut(&mut element))[0] = value;
    element
}

/// `2^shift · element`: the form of constants that [`Lanes::mul`] expects.
pub(crate) fn raised<M: Modulus>(element: M::Field, shift: u32) -> M::Field {
    (0..shift).fold(element, |value, _| ff::Field::double(&value))
}

/// Defines `fn name(backend, args…) -> R` which runs the generic kernel
/// `kernel::<L>(args…)` with the chosen implementation of [`Lanes`] for modulus
/// `$m`, compiled with that implementation's CPU features.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident[$($g:tt)*]($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $kernel:path, $m:ty) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $($g)* (backend: $crate::field::Backend, $($arg: $ty),*) $(-> $ret)? {
            use $crate::field::{Backend, ifma, portable};
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $($g)* ($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: this function is compiled for AVX2.
                    unsafe { $kernel($crate::field::avx2::Avx2::<$m>::MARK, $($arg),*) }
                }
                #[target_feature(enable = "avx512f,avx512ifma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $($g)* ($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: this function is compiled for AVX-512 F and IFMA.
                    unsafe { $kernel(ifma::Ifma::<$m, ifma::Native>::MARK, $($arg),*) }
                }
                if backend == Backend::Avx2 && backend.has_features() {
                    // SAFETY: the CPU has AVX2, checked on the line above.
                    return unsafe { avx2($($arg),*) };
                }
                if backend == Backend::Ifma && backend.has_features() {
                    // SAFETY: the CPU has both features, checked on the line above.
                    return unsafe { avx512($($arg),*) };
                }
            }
            if backend == Backend::IfmaEmulated {
                // SAFETY: the emulation needs no CPU feature.
                return unsafe { $kernel(ifma::Ifma::<$m, ifma::Emulated>::MARK, $($arg),*) };
            }
            assert!(backend == Backend::Portable, "the CPU lacks what the chosen field backend needs");
            // SAFETY: the portable lanes need no CPU feature.
            unsafe { $kernel(portable::Portable::<$m>::MARK, $($arg),*) }
        }
    };
}
pub(crate) use dispatch;

/// Names the implementation of [`Lanes`] a kernel runs with.
pub(crate) struct Mark<L>(core::marker::PhantomData<L>);

impl<L> Mark<L> {
    pub(crate) const fn new() -> Self {
        Self(core::marker::PhantomData)
    }
}

#[cfg(test)]
mod tests;
