//! Reading numbers, points and lists from bytes that anybody may have written.

use ff::PrimeField;
use halo2curves::bn256::{Fq, Fr, G1Affine};

use super::PortableError;
use crate::{key::g1_from_bytes, transcript::from_be_bytes};

/// Bytes with the place up to which they are read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn invalid(&self, what: &'static str) -> PortableError {
        PortableError::Invalid { at: self.at, what }
    }

    /// Fails with `what` unless `holds`.
    pub(super) fn require(&self, holds: bool, what: &'static str) -> Result<(), PortableError> {
        if holds { Ok(()) } else { Err(self.invalid(what)) }
    }

    pub(super) fn bytes<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], PortableError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(PortableError::Truncated { at: self.bytes.len(), what });
        };
        self.at += N;
        Ok(*bytes)
    }

    /// A number up to `limit`.
    pub(super) fn number(
        &mut self,
        what: &'static str,
        limit: usize,
    ) -> Result<usize, PortableError> {
        let at = self.at;
        let got = u32::from_be_bytes(self.bytes(what)?);
        match usize::try_from(got) {
            Ok(number) if number <= limit => Ok(number),
            _ => {
                let (got, limit) = (got.into(), limit as u64);
                Err(PortableError::Bound { at, what, got, limit })
            }
        }
    }

    /// An index below `count`.
    pub(super) fn index(
        &mut self,
        what: &'static str,
        count: usize,
    ) -> Result<usize, PortableError> {
        let Some(limit) = count.checked_sub(1) else {
            return Err(self.invalid("it names something of which there is nothing"));
        };
        self.number(what, limit)
    }

    /// A rotation of at most `limit` rows either way.
    pub(super) fn rotation(&mut self, limit: u32) -> Result<i32, PortableError> {
        let at = self.at;
        let what = "a rotation";
        let rotation = i32::from_be_bytes(self.bytes(what)?);
        if rotation.unsigned_abs() > limit {
            let (got, limit) = (rotation.unsigned_abs().into(), limit.into());
            return Err(PortableError::Bound { at, what, got, limit });
        }
        Ok(rotation)
    }

    /// A list of at most `limit` elements, each read by `element` and of `size` bytes at least.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        size: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, PortableError>,
    ) -> Result<Vec<T>, PortableError> {
        let count = self.number(what, limit)?;
        // No list is made for elements that cannot follow.
        if count.saturating_mul(size) > self.bytes.len() - self.at {
            return Err(PortableError::Truncated { at: self.bytes.len(), what });
        }
        (0..count).map(|_| element(self)).collect()
    }

    pub(super) fn scalar(&mut self, what: &'static str) -> Result<Fr, PortableError> {
        self.element(what)
    }

    pub(super) fn coordinate(&mut self) -> Result<Fq, PortableError> {
        self.element("a coordinate of τ·G2")
    }

    fn element<F: PrimeField<Repr = [u8; 32]>>(
        &mut self,
        what: &'static str,
    ) -> Result<F, PortableError> {
        let bytes = self.bytes(what)?;
        from_be_bytes(&bytes).ok_or_else(|| self.invalid("a number is not below its modulus"))
    }

    pub(super) fn point(&mut self) -> Result<G1Affine, PortableError> {
        let bytes: [u8; 64] = self.bytes("a commitment")?;
        g1_from_bytes(&bytes).ok_or_else(|| self.invalid("a commitment is not on the curve"))
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), PortableError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            rest => Err(PortableError::Trailing(rest)),
        }
    }
}
