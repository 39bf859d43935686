//! Eight 64-bit integers and the few instructions the arithmetic is made of: on
//! AVX-512, and in software so that the arithmetic can be tested on any machine.

use crate::field::Words;

/// Eight 64-bit integers side by side.
///
/// # Safety
///
/// An implementation may need a CPU feature: call the methods only where the
/// features of [`Native`](super::Native) are enabled. Pointers must be valid for
/// what they point at; alignment does not matter.
pub(crate) trait Vector: Copy {
    unsafe fn zero() -> Self;
    unsafe fn splat(value: u64) -> Self;
    unsafe fn row(values: &[u64; 8]) -> Self;
    unsafe fn write(self, to: *mut [u64; 8]);
    /// Four words each from two places.
    unsafe fn load_pair(low: *const Words, high: *const Words) -> Self;
    unsafe fn store_pair(self, low: *mut Words, high: *mut Words);
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn and(self, b: Self) -> Self;
    unsafe fn or(self, b: Self) -> Self;
    unsafe fn shl<const N: u32>(self) -> Self;
    unsafe fn shr<const N: u32>(self) -> Self;
    /// Shifts right, keeping the sign.
    unsafe fn sar<const N: u32>(self) -> Self;
    /// Adds the low 52 bits of the product of the factors' low 52 bits.
    unsafe fn madd_low(self, a: Self, b: Self) -> Self;
    /// Adds the high 52 bits of the product of the factors' low 52 bits.
    unsafe fn madd_high(self, a: Self, b: Self) -> Self;
    /// Even elements of `self` and `b`, taken in turn.
    unsafe fn unpack_low(self, b: Self) -> Self;
    /// Odd elements of `self` and `b`, taken in turn.
    unsafe fn unpack_high(self, b: Self) -> Self;
    /// Even pairs of `self`, then of `b`.
    unsafe fn even_pairs(self, b: Self) -> Self;
    /// Odd pairs of `self`, then of `b`.
    unsafe fn odd_pairs(self, b: Self) -> Self;
    /// Elements of `self` (0 to 7) and `b` (8 to 15) by index.
    unsafe fn permute(self, index: &[u64; 8], b: Self) -> Self;
    /// `self[index[l]]`, by the low three bits of each index.
    unsafe fn look_up(self, index: Self) -> Self;
    /// `b` in the lanes whose bit is set in `mask`, `self` elsewhere.
    unsafe fn blend(self, mask: u8, b: Self) -> Self;
    /// Bits of the lanes that are negative.
    unsafe fn negative(self) -> u8;
}

/// Eight integers in software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emulated(pub(crate) [u64; 8]);

impl Emulated {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(core::array::from_fn(|l| f(self.0[l], b.0[l])))
    }

    #[inline(always)]
    fn map(self, f: impl Fn(u64) -> u64) -> Self {
        Self(self.0.map(f))
    }

    /// Element `at` of `self` and `b`, one behind the other.
    #[inline(always)]
    fn pick(&self, b: &Self, at: usize) -> u64 {
        if at < 8 { self.0[at] } else { b.0[at - 8] }
    }

    /// Sum with 52 bits, from bit `SHIFT` on, of the product of the low 52 bits.
    #[inline(always)]
    fn madd<const SHIFT: u32>(self, a: Self, b: Self) -> Self {
        const MASK: u64 = (1 << 52) - 1;
        Self(core::array::from_fn(|l| {
            let product = u128::from(a.0[l] & MASK) * u128::from(b.0[l] & MASK);
            self.0[l].wrapping_add((product >> SHIFT) as u64 & MASK)
        }))
    }
}

impl Vector for Emulated {
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; 8])
    }
    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn row(values: &[u64; 8]) -> Self {
        Self(*values)
    }
    #[inline(always)]
    unsafe fn write(self, to: *mut [u64; 8]) {
        // SAFETY: the caller's pointer is valid.
        unsafe { to.write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_pair(low: *const Words, high: *const Words) -> Self {
        // SAFETY: the caller's pointers are valid.
        let [low, high] = unsafe { [low.read_unaligned(), high.read_unaligned()] };
        Self(core::array::from_fn(|l| if l < 4 { low[l] } else { high[l - 4] }))
    }
    #[inline(always)]
    unsafe fn store_pair(self, low: *mut Words, high: *mut Words) {
        let [a, b, c, d, e, f, g, h] = self.0;
        // SAFETY: the caller's pointers are valid.
        unsafe {
            low.write_unaligned([a, b, c, d]);
            high.write_unaligned([e, f, g, h]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, u64::wrapping_add)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.zip(b, u64::wrapping_sub)
    }
    #[inline(always)]
    unsafe fn and(self, b: Self) -> Self {
        self.zip(b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(self, b: Self) -> Self {
        self.zip(b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn shl<const N: u32>(self) -> Self {
        self.map(|a| a << N)
    }
    #[inline(always)]
    unsafe fn shr<const N: u32>(self) -> Self {
        self.map(|a| a >> N)
    }
    #[inline(always)]
    unsafe fn sar<const N: u32>(self) -> Self {
        self.map(|a| (a as i64 >> N) as u64)
    }
    #[inline(always)]
    unsafe fn madd_low(self, a: Self, b: Self) -> Self {
        self.madd::<0>(a, b)
    }
    #[inline(always)]
    unsafe fn madd_high(self, a: Self, b: Self) -> Self {
        self.madd::<52>(a, b)
    }
    #[inline(always)]
    unsafe fn unpack_low(self, b: Self) -> Self {
        Self(core::array::from_fn(|l| if l % 2 == 0 { self.0[l] } else { b.0[l - 1] }))
    }
    #[inline(always)]
    unsafe fn unpack_high(self, b: Self) -> Self {
        Self(core::array::from_fn(|l| if l % 2 == 0 { self.0[l + 1] } else { b.0[l] }))
    }
    #[inline(always)]
    unsafe fn even_pairs(self, b: Self) -> Self {
        Self([0, 1, 4, 5, 8, 9, 12, 13].map(|at| self.pick(&b, at)))
    }
    #[inline(always)]
    unsafe fn odd_pairs(self, b: Self) -> Self {
        Self([2, 3, 6, 7, 10, 11, 14, 15].map(|at| self.pick(&b, at)))
    }
    #[inline(always)]
    unsafe fn permute(self, index: &[u64; 8], b: Self) -> Self {
        Self(index.map(|at| self.pick(&b, (at & 15) as usize)))
    }
    #[inline(always)]
    unsafe fn look_up(self, index: Self) -> Self {
        index.map(|at| self.0[(at & 7) as usize])
    }
    #[inline(always)]
    unsafe fn blend(self, mask: u8, b: Self) -> Self {
        Self(core::array::from_fn(|l| if mask >> l & 1 == 1 { b.0[l] } else { self.0[l] }))
    }
    #[inline(always)]
    unsafe fn negative(self) -> u8 {
        (0..8).fold(0, |mask, l| mask | ((self.0[l] >> 63) as u8) << l)
    }
}
