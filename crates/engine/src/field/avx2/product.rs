//! Montgomery products and squares of four lanes, in assembly: the compiler
//! reassociates the vector additions of the same code in intrinsics and spills most
//! of them.
//!
//! Nine accumulators rotate through ymm0 to ymm8. Each row adds one limb of `b` times
//! all of `a`, then a multiple of p that clears the lowest accumulator.
//!
//! The first seven rows take multiples of `c·p = 2^29·f - 1` (Montgomery's reduction by a
//! modulus that is minus one modulo the radix): the factor is the lowest limb itself, and
//! clearing it takes no product at all. They add less than `c·p`, of which less than
//! `2^-29·p` is left after the last two rows, which take multiples of p itself.

#![allow(clippy::needless_range_loop)]

use super::{Constants, LIMBS, zero};
use crate::field::Modulus;
use core::arch::asm;
use core::arch::x86_64::{__m256i, _mm256_add_epi64};

/// `sum += factor · [pointer + offset]` for one limb.
macro_rules! add_product {
    ($factor:literal, $pointer:literal, $offset:literal, $sum:literal) => {
        concat!(
            "vpmuludq ymm10, ",
            $factor,
            ", [{",
            $pointer,
            "} + ",
            $offset,
            "]\n",
            "vpaddq ",
            $sum,
            ", ",
            $sum,
            ", ymm10\n"
        )
    };
}

/// Adds `factor` times the lower eight of nine limbs to eight sums.
macro_rules! add_products {
    ($factor:literal, $pointer:literal: $s0:literal $s1:literal $s2:literal $s3:literal
     $s4:literal $s5:literal $s6:literal $s7:literal) => {
        concat!(
            add_product!($factor, $pointer, "0", $s0),
            add_product!($factor, $pointer, "32", $s1),
            add_product!($factor, $pointer, "64", $s2),
            add_product!($factor, $pointer, "96", $s3),
            add_product!($factor, $pointer, "128", $s4),
            add_product!($factor, $pointer, "160", $s5),
            add_product!($factor, $pointer, "192", $s6),
            add_product!($factor, $pointer, "224", $s7),
        )
    };
}

/// Carries what exceeds 29 bits of `$from` into `$to`; that is all that is left of it.
macro_rules! carry_over {
    ($from:literal $to:literal) => {
        concat!(
            "vpsrlq ", $from, ", ", $from, ", 29\n", "vpaddq ", $to, ", ", $to, ", ", $from, "\n",
        )
    };
}

/// Adds the multiple of `2^29·f - 1` that clears the lowest limb `$t0`, and carries the rest
/// of that limb into the next. `$t0` becomes the accumulator above `$t8`. Registers: ymm11
/// the factor, ymm14 the mask.
macro_rules! clear_limb {
    ($t0:literal $t1:literal $t2:literal $t3:literal $t4:literal
     $t5:literal $t6:literal $t7:literal $t8:literal) => {
        concat!(
            "vpand ymm11, ", $t0, ", ymm14\n",
            carry_over!($t0 $t1),
            add_products!("ymm11", "f": $t1 $t2 $t3 $t4 $t5 $t6 $t7 $t8),
            "vpmuludq ", $t0, ", ymm11, [{f} + 256]\n",
        )
    };
}

/// Adds the multiple of p that clears the lowest limb `$t0`, and carries the rest of
/// that limb into the next; `$t0` is free then. Registers as in `clear_limb`.
macro_rules! reduce_limb {
    ($t0:literal $t1:literal $t2:literal $t3:literal $t4:literal
     $t5:literal $t6:literal $t7:literal $t8:literal) => {
        concat!(
            "vpmuludq ymm11, ", $t0, ", [{i}]\n",
            "vpand ymm11, ymm11, ymm14\n",
            add_products!("ymm11", "p": $t0 $t1 $t2 $t3 $t4 $t5 $t6 $t7),
            add_product!("ymm11", "p", "256", $t8),
            carry_over!($t0 $t1),
        )
    };
}

/// Adds `a · b[i]`, `$b` being the byte offset of `b[i]`, and clears the lowest limb.
macro_rules! product_row {
    ($b:literal: $t0:literal $t1:literal $t2:literal $t3:literal $t4:literal
     $t5:literal $t6:literal $t7:literal $t8:literal) => {
        concat!(
            "vmovdqu ymm9, [{b} + ", $b, "]\n",
            add_products!("ymm9", "a": $t0 $t1 $t2 $t3 $t4 $t5 $t6 $t7),
            add_product!("ymm9", "a", "256", $t8),
            clear_limb!($t0 $t1 $t2 $t3 $t4 $t5 $t6 $t7 $t8),
        )
    };
}

/// The first row of a product or a square: every accumulator starts here.
macro_rules! first_row {
    ($factor:literal, $rest:literal) => {
        concat!(
            "vmovdqu ymm14, [{m}]\n",
            "vmovdqu ymm9, [{", $factor, "}]\n",
            "vpmuludq ymm0, ymm9, [{a}]\n",
            "vpmuludq ymm1, ymm9, [{", $rest, "} + 32]\n",
            "vpmuludq ymm2, ymm9, [{", $rest, "} + 64]\n",
            "vpmuludq ymm3, ymm9, [{", $rest, "} + 96]\n",
            "vpmuludq ymm4, ymm9, [{", $rest, "} + 128]\n",
            "vpmuludq ymm5, ymm9, [{", $rest, "} + 160]\n",
            "vpmuludq ymm6, ymm9, [{", $rest, "} + 192]\n",
            "vpmuludq ymm7, ymm9, [{", $rest, "} + 224]\n",
            "vpmuludq ymm8, ymm9, [{", $rest, "} + 256]\n",
            clear_limb!("ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8"),
        )
    };
}

/// Carries the eight accumulators into nine limbs.
macro_rules! carry_out {
    () => {
        concat!(
            carry_limb!("ymm0" "ymm1"), carry_limb!("ymm1" "ymm2"), carry_limb!("ymm2" "ymm3"),
            carry_limb!("ymm3" "ymm4"), carry_limb!("ymm4" "ymm5"), carry_limb!("ymm5" "ymm6"),
            carry_limb!("ymm6" "ymm7"),
            "vpsrlq ymm8, ymm7, 29\n",
            "vpand ymm7, ymm7, ymm14\n",
        )
    };
}

macro_rules! carry_limb {
    ($from:literal $to:literal) => {
        concat!(
            "vpsrlq ymm10, ",
            $from,
            ", 29\n",
            "vpand ",
            $from,
            ", ",
            $from,
            ", ymm14\n",
            "vpaddq ",
            $to,
            ", ",
            $to,
            ", ymm10\n"
        )
    };
}

/// Montgomery product with interleaved reduction. Written in assembly because the
/// compiler reassociates the vector additions and spills most of them.
///
/// # Safety
///
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn montgomery<M: Modulus>(
    a: &[__m256i; LIMBS],
    b: &[__m256i; LIMBS],
) -> [__m256i; LIMBS] {
    let mut t = [zero(); LIMBS];
    // SAFETY: reads nine vectors behind each of `a` and `b` and the constants.
    unsafe {
        asm!(
            first_row!("b", "a"),
            product_row!("32": "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0"),
            product_row!("64": "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1"),
            product_row!("96": "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2"),
            product_row!("128": "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3"),
            product_row!("160": "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4"),
            product_row!("192": "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5"),
            "vmovdqu ymm9, [{b} + 224]\n",
            add_products!("ymm9", "a": "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5"),
            add_product!("ymm9", "a", "256", "ymm6"),
            reduce_limb!("ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6"),
            "vmovdqu ymm9, [{b} + 256]\n",
            add_products!("ymm9", "a": "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6"),
            "vpmuludq ymm7, ymm9, [{a} + 256]\n",
            reduce_limb!("ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7"),
            carry_out!(),
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            p = in(reg) Constants::<M>::ROWS.p.as_ptr(),
            f = in(reg) Constants::<M>::ROWS.friendly.as_ptr(),
            i = in(reg) Constants::<M>::ROWS.neg_inv.as_ptr(),
            m = in(reg) Constants::<M>::ROWS.mask.as_ptr(),
            out("ymm0") t[0], out("ymm1") t[1], out("ymm2") t[2],
            out("ymm3") t[3], out("ymm4") t[4], out("ymm5") t[5],
            out("ymm6") t[6], out("ymm7") t[7], out("ymm8") t[8],
            out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm14") _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    t
}

/// Montgomery square of a tidy value: products with a higher limb are taken once,
/// against the doubled limb.
///
/// # Safety
///
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn montgomery_square<M: Modulus>(a: &[__m256i; LIMBS]) -> [__m256i; LIMBS] {
    let mut t = [zero(); LIMBS];
    let mut doubled = [zero(); LIMBS];
    for i in 0..LIMBS {
        doubled[i] = _mm256_add_epi64(a[i], a[i]);
    }
    // SAFETY: reads nine vectors behind each of `a` and `doubled` and the constants.
    unsafe {
        asm!(
            first_row!("a", "d"),
            concat!("vmovdqu ymm9, [{a} + 32]\n",add_product!("ymm9", "a", "32", "ymm2"),add_product!("ymm9", "d", "64", "ymm3"),add_product!("ymm9", "d", "96", "ymm4"),add_product!("ymm9", "d", "128", "ymm5"),add_product!("ymm9", "d", "160", "ymm6"),add_product!("ymm9", "d", "192", "ymm7"),add_product!("ymm9", "d", "224", "ymm8"),add_product!("ymm9", "d", "256", "ymm0"),clear_limb!("ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0")),
            concat!("vmovdqu ymm9, [{a} + 64]\n",add_product!("ymm9", "a", "64", "ymm4"),add_product!("ymm9", "d", "96", "ymm5"),add_product!("ymm9", "d", "128", "ymm6"),add_product!("ymm9", "d", "160", "ymm7"),add_product!("ymm9", "d", "192", "ymm8"),add_product!("ymm9", "d", "224", "ymm0"),add_product!("ymm9", "d", "256", "ymm1"),clear_limb!("ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1")),
            concat!("vmovdqu ymm9, [{a} + 96]\n",add_product!("ymm9", "a", "96", "ymm6"),add_product!("ymm9", "d", "128", "ymm7"),add_product!("ymm9", "d", "160", "ymm8"),add_product!("ymm9", "d", "192", "ymm0"),add_product!("ymm9", "d", "224", "ymm1"),add_product!("ymm9", "d", "256", "ymm2"),clear_limb!("ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2")),
            concat!("vmovdqu ymm9, [{a} + 128]\n",add_product!("ymm9", "a", "128", "ymm8"),add_product!("ymm9", "d", "160", "ymm0"),add_product!("ymm9", "d", "192", "ymm1"),add_product!("ymm9", "d", "224", "ymm2"),add_product!("ymm9", "d", "256", "ymm3"),clear_limb!("ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3")),
            concat!("vmovdqu ymm9, [{a} + 160]\n",add_product!("ymm9", "a", "160", "ymm1"),add_product!("ymm9", "d", "192", "ymm2"),add_product!("ymm9", "d", "224", "ymm3"),add_product!("ymm9", "d", "256", "ymm4"),clear_limb!("ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4")),
            concat!("vmovdqu ymm9, [{a} + 192]\n",add_product!("ymm9", "a", "192", "ymm3"),add_product!("ymm9", "d", "224", "ymm4"),add_product!("ymm9", "d", "256", "ymm5"),clear_limb!("ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5")),
            concat!("vmovdqu ymm9, [{a} + 224]\n",add_product!("ymm9", "a", "224", "ymm5"),add_product!("ymm9", "d", "256", "ymm6"),reduce_limb!("ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6")),
            concat!("vmovdqu ymm9, [{a} + 256]\n","vpmuludq ymm7, ymm9, [{a} + 256]\n",reduce_limb!("ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7")),
            carry_out!(),
            a = in(reg) a.as_ptr(),
            d = in(reg) doubled.as_ptr(),
            p = in(reg) Constants::<M>::ROWS.p.as_ptr(),
            f = in(reg) Constants::<M>::ROWS.friendly.as_ptr(),
            i = in(reg) Constants::<M>::ROWS.neg_inv.as_ptr(),
            m = in(reg) Constants::<M>::ROWS.mask.as_ptr(),
            out("ymm0") t[0], out("ymm1") t[1], out("ymm2") t[2],
            out("ymm3") t[3], out("ymm4") t[4], out("ymm5") t[5],
            out("ymm6") t[6], out("ymm7") t[7], out("ymm8") t[8],
            out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm14") _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    t
}
