//! Scalars of half the length by the curve's endomorphism (Gallant, Lambert and
//! Vanstone, 2001): `φ(x, y) = (ζ·x, y)` is multiplication by `ζ`, a cube root of one,
//! so `k·P = k1·P + k2·φ(P)` with `k = k1 + ζ·k2`, both of half the bits. Half the
//! windows then have twice the points, for which larger windows pay.
//!
//! The lattice of pairs with `k1 + ζ·k2 = 0` has the short basis `(A, -B)`,
//! `(B, C)`; subtracting from `(k, 0)` its multiples next to it, rounded down, leaves
//! less than 1.2 times the basis' entries, below 2^127.

use crate::field::portable::{geq, sub};
use crate::field::{Modulus, Scalar, Words};
use ff::PrimeField;
use halo2curves::bn256::Fr;

const A: u128 = 0x6f4d8248eeb859fc8211bbeb7d4f1128;
const B: u64 = 0x89d3256894d213e3;
const C: u128 = 0x6f4d8248eeb859fd0be4e1541221250b;
/// `2^256 · B / r`, rounded down.
const B_OVER_R: [u64; 2] = [0xd91d232ec7e0b3d7, 0x2];
/// `2^256 · C / r`, rounded down.
const C_OVER_R: [u64; 3] = [0x5398fd0300ff6565, 0x4ccef014a773d2d2, 0x2];

/// `[k1, k2]` for an integer `k` below r/2.
#[inline(always)]
pub(super) fn split(k: &Words) -> [i128; 2] {
    let [c1, c1_high] = quotient(k, &C_OVER_R);
    let [c2, _] = quotient(k, &B_OVER_R);
    let c1 = u128::from(c1) | u128::from(c1_high) << 64;
    let (c2, b) = (u128::from(c2), u128::from(B));
    // Both are known to fit, so that only the lowest 128 bits need computing.
    let low = u128::from(k[0]) | u128::from(k[1]) << 64;
    let k1 = low.wrapping_sub(c1.wrapping_mul(A)).wrapping_sub(c2.wrapping_mul(b));
    let k2 = c1.wrapping_mul(b).wrapping_sub(c2.wrapping_mul(C));
    [k1 as i128, k2 as i128]
}

/// `[k1, k2]` for any scalar; both are below 2^127 in magnitude.
pub(super) fn halves(scalar: &Fr) -> [i128; 2] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(scalar.to_repr().as_ref().chunks(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    let (opposite, _) = sub(&Scalar::P, &words);
    if geq(&opposite, &words) { split(&words) } else { split(&opposite).map(|half| -half) }
}

/// `k · factor / 2^256`, rounded down.
#[inline(always)]
fn quotient<const N: usize>(k: &Words, factor: &[u64; N]) -> [u64; 2] {
    let mut product = [0u64; 8];
    for (i, factor) in factor.iter().enumerate() {
        let mut carry = 0u128;
        for (j, k) in k.iter().enumerate() {
            carry += u128::from(*factor) * u128::from(*k) + u128::from(product[i + j]);
            product[i + j] = carry as u64;
            carry >>= 64;
        }
        product[i + 4] = carry as u64;
    }
    [product[4], product[5]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::{Field, WithSmallOrderMulGroup};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn field(value: i128) -> Fr {
        let magnitude = Fr::from_u128(value.unsigned_abs());
        if value < 0 { -magnitude } else { magnitude }
    }

    #[test]
    fn halves_are_short_and_recombine_to_the_scalar() {
        let mut rng = StdRng::seed_from_u64(2);
        let half: Words =
            [0xa1f0fac9f8000000, 0x9419f4243cdcb848, 0xdc2822db40c0ac2e, 0x183227397098d014];
        let mut scalars: Vec<Words> = vec![[0; 4], [1, 0, 0, 0], half];
        // Multiples of the basis' vectors and their neighbours, where rounding decides.
        for _ in 0..100_000 {
            let mut k: Words = core::array::from_fn(|_| rng.r#gen());
            k[3] &= (1 << 60) - 1;
            let bits = rng.gen_range(1..=252usize);
            for (i, word) in k.iter_mut().enumerate() {
                let keep = bits.saturating_sub(64 * i).min(64);
                *word &= if keep == 64 { u64::MAX } else { (1 << keep) - 1 };
            }
            scalars.push(k);
        }
        for multiplier in [A, C, u128::from(B)] {
            for _ in 0..10_000 {
                let near = Fr::from_u128(multiplier) * Fr::from(rng.gen_range(0..1 << 20))
                    + Fr::from(rng.gen_range(0..3));
                let mut k = [0; 4];
                for (word, bytes) in k.iter_mut().zip(near.to_repr().as_ref().chunks(8)) {
                    *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
                }
                scalars.push(k);
            }
        }
        for k in scalars {
            let [k1, k2] = split(&k);
            assert!(k1.unsigned_abs() >> 127 == 0 && k2.unsigned_abs() >> 127 == 0, "{k:x?}");
            assert_eq!(field(k1) + field(k2) * Fr::ZETA, Fr::from_raw(k), "{k:x?}");
        }
        assert_eq!(Fr::ZETA.cube(), Fr::ONE);
    }
}
