//! The structured reference string, prepared for multi-scalar multiplication.

use crate::field::Backend;
use crate::msm::Bases;
use halo2_proofs::SerdeFormat;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fq, G1Affine};
use halo2curves::serde::SerdeObject;
use std::io;

/// Bases of both kinds.
#[derive(Debug)]
pub(crate) struct Srs {
    pub(crate) k: u32,
    /// Powers of the secret: commits to coefficients.
    pub(crate) monomial: Bases,
    /// Lagrange polynomials at the secret: commits to values.
    pub(crate) lagrange: Bases,
    /// Sums of the latter from each one on: commits to values by their differences.
    pub(crate) suffix_sums: Bases,
}

impl Srs {
    /// Prepares parameters.
    pub(crate) fn new(params: &ParamsKZG<Bn256>, backend: Backend) -> io::Result<Self> {
        let n = params.get_g().len();
        // The Lagrange bases have no accessor; their place in the raw format is fixed.
        let mut points = Points { skip: 4 + 64 * n, take: n, ..Points::default() };
        params.write_custom(&mut points, SerdeFormat::RawBytesUnchecked)?;
        if points.found.len() != n {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "parameters are truncated"));
        }
        let lagrange = Bases::new(&points.found, backend);
        Ok(Self {
            k: params.k(),
            monomial: Bases::new(params.get_g(), backend),
            suffix_sums: lagrange.suffix_sums(),
            lagrange,
        })
    }
}

/// A writer that keeps `take` raw points after `skip` bytes.
#[derive(Default)]
struct Points {
    skip: usize,
    take: usize,
    partial: Vec<u8>,
    found: Vec<G1Affine>,
}

impl io::Write for Points {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        for byte in &bytes[skipped..] {
            if self.found.len() == self.take {
                break;
            }
            self.partial.push(*byte);
            if let Some((x, y)) = self.partial.split_at_checked(32).filter(|(_, y)| y.len() == 32) {
                self.found.push(G1Affine {
                    x: Fq::from_raw_bytes_unchecked(x),
                    y: Fq::from_raw_bytes_unchecked(y),
                });
                self.partial.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
