//! Fourier transforms over the scalar field, on subgroups and their cosets.
//!
//! A forward transform splits `f mod (X^m - z²)` into `f mod (X^(m/2) ∓ z)`, level by
//! level, two levels a pass: each block of a level has one constant `z`, which for
//! a coset simply contains the coset's shift. The last pass writes its results to
//! their natural places. The inverse is the forward transform read backwards and
//! divided by the length.

mod pass;

use crate::field::{Backend, Scalar, Words, raised, to_words};
use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;
use pass::Pass;

/// Constants of the blocks of every level, raised.
#[derive(Debug)]
pub struct Twiddles {
    /// On the subgroup, level `l` uses the first `2^l` entries; on a coset it has
    /// `2^l` entries of its own, behind those of the levels above.
    table: Vec<Words>,
    coset: bool,
}

impl Twiddles {
    fn level(&self, level: u32) -> &[Words] {
        let start = if self.coset { (1usize << level) - 1 } else { 0 };
        &self.table[start..start + (1 << level)]
    }
}

/// A subgroup of order `2^k` and the constants of its transforms.
#[derive(Debug)]
pub struct Domain {
    k: u32,
    backend: Backend,
    omega: Fr,
    plain: Twiddles,
    /// `1 / n`.
    divisor: Fr,
}

impl Domain {
    /// The subgroup of order `2^k`.
    ///
    /// # Panics
    ///
    /// When `k` exceeds the field's two-adicity, 28.
    pub fn new(k: u32, backend: Backend) -> Self {
        assert!(k <= Fr::S, "no subgroup of order 2^{k}");
        // Tiny transforms have fewer blocks than a vector has lanes.
        let backend = if k < 5 { Backend::Portable } else { backend };
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let half = 1usize << k.saturating_sub(1);
        let mut powers = vec![Fr::ONE; half];
        for i in 1..half {
            powers[i] = powers[i - 1] * omega;
        }
        let bits = k.saturating_sub(1);
        let table = (0..half)
            .map(|j| {
                to_words::<Scalar>(&raised::<Scalar>(powers[reverse(j, bits)], backend.shift()))
            })
            .collect();
        Self {
            k,
            backend,
            omega,
            plain: Twiddles { table, coset: false },
            divisor: Fr::TWO_INV.pow_vartime([u64::from(k)]),
        }
    }

    /// Logarithm of the order.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Order of the subgroup.
    pub fn size(&self) -> usize {
        1 << self.k
    }

    /// Generator of the subgroup.
    pub fn omega(&self) -> Fr {
        self.omega
    }

    /// Twiddles of the coset `shift · <omega>`.
    pub fn coset(&self, shift: Fr) -> Twiddles {
        let mut table = Vec::with_capacity(self.size());
        for level in 0..self.k {
            let half = self.size() >> (level + 1);
            let factor = shift.pow_vartime([half as u64]);
            table.extend(self.plain.table[..1 << level].iter().map(|twiddle| {
                to_words::<Scalar>(&(crate::field::from_words::<Scalar>(*twiddle) * factor))
            }));
        }
        Twiddles { table, coset: true }
    }

    /// Values on `<omega>` of the polynomial with these coefficients, in place.
    pub fn forward(&self, data: &mut [Fr], scratch: &mut Vec<Fr>) {
        self.transform(None, data, scratch, &self.plain, false);
    }

    /// Values on a coset of the polynomial with these coefficients.
    pub fn forward_on_coset(
        &self,
        twiddles: &Twiddles,
        coefficients: &[Fr],
        values: &mut [Fr],
        scratch: &mut Vec<Fr>,
    ) {
        self.transform(Some(coefficients), values, scratch, twiddles, false);
    }

    /// Coefficients of the polynomial with these values on `<omega>`, in place.
    pub fn inverse(&self, data: &mut [Fr], scratch: &mut Vec<Fr>) {
        self.transform(None, data, scratch, &self.plain, true);
    }

    /// The transform of `source`, or of `target` itself, into `target`.
    fn transform(
        &self,
        source: Option<&[Fr]>,
        target: &mut [Fr],
        scratch: &mut Vec<Fr>,
        twiddles: &Twiddles,
        inverse: bool,
    ) {
        let n = self.size();
        assert!(
            target.len() == n && source.is_none_or(|source| source.len() == n),
            "a transform of 2^{} elements was given another length",
            self.k
        );
        if self.k < 2 {
            return self.transform_tiny(source, target, twiddles, inverse);
        }
        if scratch.len() < n {
            scratch.resize(n, Fr::ZERO);
        }
        let scratch = &mut scratch[..n];
        if self.k == 2 {
            // The only pass is the scattering one: it cannot work in place.
            scratch.copy_from_slice(source.unwrap_or(target));
        }
        let divisor = to_words::<Scalar>(&raised::<Scalar>(self.divisor, self.backend.shift()));
        let input = source.map_or(target.as_ptr(), <[Fr]>::as_ptr).cast::<Words>();
        let work = scratch.as_mut_ptr().cast::<Words>();
        let output = target.as_mut_ptr().cast::<Words>();
        let mut level = 0;
        while level < self.k {
            let radix = if level == 0 && self.k % 2 == 1 { 2 } else { 4 };
            let last = level + 2 == self.k && radix == 4;
            let from = if level == 0 && self.k > 2 { input } else { work.cast_const() };
            let pass = Pass {
                from,
                to: if last { output } else { work },
                k: self.k,
                level,
                radix,
                first: twiddles.level(level),
                second: if radix == 4 { twiddles.level(level + 1) } else { &[] },
                plain: !twiddles.coset,
                scale: (inverse && level == 0).then_some(divisor),
                last,
                backwards: inverse,
            };
            // SAFETY: `from` and `to` hold n elements each; a last pass goes from the
            // scratch to the target, every other one within the scratch or into it.
            unsafe { pass.run(self.backend, n) };
            level += if radix == 2 { 1 } else { 2 };
        }
    }

    fn transform_tiny(
        &self,
        source: Option<&[Fr]>,
        target: &mut [Fr],
        twiddles: &Twiddles,
        inverse: bool,
    ) {
        if let Some(source) = source {
            target.copy_from_slice(source);
        }
        if let [a, b] = target {
            // The portable backend's constants are not raised.
            let twiddle = crate::field::from_words::<Scalar>(twiddles.level(0)[0]);
            (*a, *b) = (*a + *b * twiddle, *a - *b * twiddle);
            if inverse {
                *a *= self.divisor;
                *b *= self.divisor;
            }
        }
    }
}

/// Reverses the lowest `bits` bits.
pub(crate) fn reverse(index: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - bits) }
}

#[cfg(test)]
mod tests;
