//! The structured reference string, prepared for multi-scalar multiplication.

use crate::error::EngineError;
use crate::field::Backend;
use crate::msm::{Bases, differences, repeated};
use group::prime::PrimeCurveAffine;
use halo2_proofs::SerdeFormat;
use halo2_proofs::arithmetic::g_to_lagrange;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fq, Fr, G1, G1Affine};
use halo2curves::serde::SerdeObject;
use std::io;

/// Bases of both kinds.
#[derive(Debug)]
pub(crate) struct Srs {
    /// log2 of the number of Lagrange polynomials.
    pub(crate) k: u32,
    /// Powers of the secret: commits to coefficients.
    pub(crate) monomial: Bases,
    /// Lagrange polynomials at the secret: commits to values.
    pub(crate) lagrange: Lagrange,
}

/// Bases that commit to values.
#[derive(Debug)]
pub(crate) struct Lagrange {
    points: Bases,
    /// Sums of the points from each one on: commits to values by their differences.
    suffix_sums: Bases,
}

impl Lagrange {
    fn new(points: &[G1Affine], backend: Backend) -> Self {
        let points = Bases::new(points, backend);
        Self { suffix_sums: points.suffix_sums(), points }
    }

    /// Commits to a column given as values.
    pub(crate) fn commit(&self, column: &[Fr]) -> G1 {
        if let Some(differences) = differences(column) {
            self.suffix_sums.msm(&differences)
        } else if let Some(repeated) = repeated(column) {
            self.points.msm_repeated(&repeated)
        } else {
            self.points.msm(column)
        }
    }
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
        Ok(Self {
            k: params.k(),
            monomial: Bases::new(params.get_g(), backend),
            lagrange: Lagrange::new(&points.found, backend),
        })
    }

    /// Prepares the first `powers` powers of `params` for columns of `2^k` values.
    pub(crate) fn with_powers(
        params: &ParamsKZG<Bn256>,
        k: u32,
        powers: usize,
        backend: Backend,
    ) -> Result<Self, EngineError> {
        let (available, n) = (params.get_g().len(), 1usize << k);
        let needed = powers.max(n);
        let string = params.get_g().get(..needed);
        let string = string.ok_or(EngineError::StringTooShort { needed, available, k })?;
        Ok(Self {
            k,
            monomial: Bases::new(string, backend),
            lagrange: Lagrange::new(&residue_class(string, k, 1, 0), backend),
        })
    }

    /// For each residue i below `fold`, the bases `τ^i·L_j(τ^fold)`: what commits to a
    /// group of `fold` columns.
    pub(crate) fn residue_classes(
        params: &ParamsKZG<Bn256>,
        k: u32,
        fold: usize,
        backend: Backend,
    ) -> Vec<Lagrange> {
        let class = |i| Lagrange::new(&residue_class(params.get_g(), k, fold, i), backend);
        (0..fold).map(class).collect()
    }
}

/// `τ^i·L_j(τ^fold)` for the `2^k` rows j, from at least `fold·2^k` powers of τ.
fn residue_class(powers: &[G1Affine], k: u32, fold: usize, i: usize) -> Vec<G1Affine> {
    let class = powers.iter().skip(i).step_by(fold).take(1 << k);
    g_to_lagrange(class.map(PrimeCurveAffine::to_curve).collect(), k)
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
