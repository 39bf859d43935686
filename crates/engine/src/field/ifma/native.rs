//! [`Vector`] on AVX-512: every method is one instruction, or two for memory.

use super::vector::Vector;
use crate::field::Words;
use core::arch::x86_64::*;

/// Eight integers in a vector register; needs AVX-512 F and IFMA.
#[derive(Clone, Copy)]
pub(crate) struct Native(__m512i);

/// Defines a method whose body is one expression of intrinsics.
macro_rules! instruction {
    ($name:ident$(<$n:ident>)?($($arg:ident: $ty:ty),*) -> $ret:ty = $body:expr) => {
        #[inline(always)]
        unsafe fn $name$(<const $n: u32>)?($($arg: $ty),*) -> $ret {
            // SAFETY: the caller has the CPU features and valid pointers, see `Vector`.
            unsafe { $body }
        }
    };
    ($name:ident$(<$n:ident>)?(self $(, $arg:ident: $ty:ty)*) -> $ret:ty = |$this:ident| $body:expr) => {
        #[inline(always)]
        unsafe fn $name$(<const $n: u32>)?(self $(, $arg: $ty)*) -> $ret {
            let $this = self.0;
            // SAFETY: the caller has the CPU features and valid pointers, see `Vector`.
            unsafe { $body }
        }
    };
}

#[rustfmt::skip]
impl Vector for Native {
    instruction! { zero() -> Self = Self(_mm512_setzero_si512()) }
    instruction! { splat(value: u64) -> Self = Self(_mm512_set1_epi64(value as i64)) }
    instruction! { row(values: &[u64; 8]) -> Self = Self(_mm512_loadu_si512(values.as_ptr().cast())) }
    instruction! { write(self, to: *mut [u64; 8]) -> () = |a| _mm512_storeu_si512(to.cast(), a) }
    instruction! { load_pair(low: *const Words, high: *const Words) -> Self = Self(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(_mm256_loadu_si256(low.cast())), _mm256_loadu_si256(high.cast()))) }
    instruction! { store_pair(self, low: *mut Words, high: *mut Words) -> () = |a| {
        _mm256_storeu_si256(low.cast(), _mm512_castsi512_si256(a));
        _mm256_storeu_si256(high.cast(), _mm512_extracti64x4_epi64::<1>(a));
    } }
    instruction! { add(self, b: Self) -> Self = |a| Self(_mm512_add_epi64(a, b.0)) }
    instruction! { sub(self, b: Self) -> Self = |a| Self(_mm512_sub_epi64(a, b.0)) }
    instruction! { and(self, b: Self) -> Self = |a| Self(_mm512_and_si512(a, b.0)) }
    instruction! { or(self, b: Self) -> Self = |a| Self(_mm512_or_si512(a, b.0)) }
    instruction! { shl<N>(self) -> Self = |a| Self(_mm512_slli_epi64::<N>(a)) }
    instruction! { shr<N>(self) -> Self = |a| Self(_mm512_srli_epi64::<N>(a)) }
    instruction! { sar<N>(self) -> Self = |a| Self(_mm512_srai_epi64::<N>(a)) }
    instruction! { madd_low(self, a: Self, b: Self) -> Self = |sum| Self(_mm512_madd52lo_epu64(sum, a.0, b.0)) }
    instruction! { madd_high(self, a: Self, b: Self) -> Self = |sum| Self(_mm512_madd52hi_epu64(sum, a.0, b.0)) }
    instruction! { unpack_low(self, b: Self) -> Self = |a| Self(_mm512_unpacklo_epi64(a, b.0)) }
    instruction! { unpack_high(self, b: Self) -> Self = |a| Self(_mm512_unpackhi_epi64(a, b.0)) }
    instruction! { even_pairs(self, b: Self) -> Self = |a| Self(_mm512_shuffle_i64x2::<0x88>(a, b.0)) }
    instruction! { odd_pairs(self, b: Self) -> Self = |a| Self(_mm512_shuffle_i64x2::<0xdd>(a, b.0)) }
    instruction! { permute(self, index: &[u64; 8], b: Self) -> Self = |a| Self(_mm512_permutex2var_epi64(a, Self::row(index).0, b.0)) }
    instruction! { look_up(self, index: Self) -> Self = |a| Self(_mm512_permutexvar_epi64(index.0, a)) }
    instruction! { blend(self, mask: u8, b: Self) -> Self = |a| Self(_mm512_mask_blend_epi64(mask, a, b.0)) }
    instruction! { negative(self) -> u8 = |a| _mm512_cmplt_epi64_mask(a, _mm512_setzero_si512()) }
}
