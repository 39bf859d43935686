//! Constants cut into limbs narrower than a word.

use super::Words;

/// The `N` limbs of `BITS` bits of `multiple · p`; the last keeps what is left.
pub(super) const fn limbs_of<const N: usize, const BITS: usize>(
    p: &Words,
    multiple: u64,
) -> [u64; N] {
    let mut words = [0u64; 5];
    let mut carry = 0u128;
    let mut i = 0;
    while i < 4 {
        carry += p[i] as u128 * multiple as u128;
        words[i] = carry as u64;
        carry >>= 64;
        i += 1;
    }
    words[4] = carry as u64;
    let mut limbs = [0; N];
    let mut i = 0;
    while i < N {
        let (word, bit) = (i * BITS / 64, i * BITS % 64);
        let mut limb = words[word] >> bit;
        if bit + BITS > 64 && word < 4 {
            limb |= words[word + 1] << (64 - bit);
        }
        limbs[i] = if i == N - 1 { limb } else { limb & ((1 << BITS) - 1) };
        i += 1;
    }
    limbs
}
