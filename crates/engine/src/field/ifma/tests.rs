//! The instructions against their emulation; the arithmetic itself is tested with
//! every other backend's.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Every method of [`Vector`] on some operands; results one after another.
unsafe fn outcomes<V: Vector>(operands: &[[u64; 8]; 3]) -> Vec<[u64; 8]> {
    // SAFETY: the caller has the CPU features; pointers are to locals.
    unsafe {
        let [a, b, c] = [V::row(&operands[0]), V::row(&operands[1]), V::row(&operands[2])];
        let halves = |row: &[u64; 8]| -> [Words; 2] {
            [[row[0], row[1], row[2], row[3]], [row[4], row[5], row[6], row[7]]]
        };
        let [low, high] = halves(&operands[0]);
        let index = operands[2].map(|i| i & 15);
        let mask = operands[1][0] as u8;
        let results = [
            V::zero(),
            V::splat(operands[0][3]),
            a,
            V::load_pair(&low, &high),
            a.add(b),
            a.sub(b),
            a.and(b),
            a.or(b),
            a.shl::<52>(),
            a.shl::<4>(),
            a.shr::<52>(),
            a.shr::<16>(),
            a.sar::<52>(),
            a.madd_low(b, c),
            a.madd_high(b, c),
            a.unpack_low(b),
            a.unpack_high(b),
            a.even_pairs(b),
            a.odd_pairs(b),
            a.permute(&index, b),
            a.look_up(c),
            a.blend(mask, b),
        ];
        let mut rows = vec![[0; 8]; results.len()];
        for (row, result) in rows.iter_mut().zip(results) {
            result.write(row);
        }
        let (mut low, mut high) = ([0; 4], [0; 4]);
        b.store_pair(&mut low, &mut high);
        rows.push(core::array::from_fn(|l| if l < 4 { low[l] } else { high[l - 4] }));
        rows.push([u64::from(a.negative()); 8]);
        rows
    }
}

/// Operands with limbs at their limits.
fn operands() -> Vec<[[u64; 8]; 3]> {
    let mut rng = StdRng::seed_from_u64(12);
    let edge = [0, 1, MASK, MASK - 1, 1 << 52, 1 << 51, u64::MAX, 1 << 63, (1 << 63) - 1];
    (0..500)
        .map(|_| {
            [(); 3].map(|()| {
                [(); 8].map(|()| match rng.gen_range(0..3) {
                    0 => edge[rng.gen_range(0..edge.len())],
                    1 => rng.r#gen::<u64>() & MASK,
                    _ => rng.r#gen(),
                })
            })
        })
        .collect()
}

#[test]
fn emulated_products_are_the_halves_of_the_exact_one() {
    for [sum, a, b] in operands() {
        // SAFETY: the emulation needs no CPU feature.
        let [low, high] = unsafe {
            let (a, b) = (Emulated(a), Emulated(b));
            [Emulated(sum).madd_low(a, b).0, Emulated(sum).madd_high(a, b).0]
        };
        for l in 0..8 {
            let product = u128::from(a[l] & MASK) * u128::from(b[l] & MASK);
            let parts = [low[l], high[l]].map(|part| u128::from(part.wrapping_sub(sum[l])));
            assert_eq!(parts[0] + (parts[1] << 52), product);
            assert!(parts[0] >> 52 == 0 && parts[1] >> 52 == 0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn instructions_agree_with_their_emulation() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn native(operands: &[[u64; 8]; 3]) -> Vec<[u64; 8]> {
        // SAFETY: this function is compiled for the features.
        unsafe { outcomes::<Native>(operands) }
    }
    if !crate::field::Backend::Ifma.has_features() {
        println!("skipped: this CPU has no AVX-512 IFMA");
        return;
    }
    for operands in operands() {
        // SAFETY: the CPU has the features; the emulation needs none.
        let (got, expected) = unsafe { (native(&operands), outcomes::<Emulated>(&operands)) };
        for (method, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert_eq!(got, expected, "method {method} of {operands:x?}");
        }
    }
}
