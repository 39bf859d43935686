//! The structured reference string, prepared for multi-scalar multiplication.

use crate::error::EngineError;
use crate::field::Backend;
use crate::msm::{Bases, differences, lagrange_points, repeated};
use halo2_proofs::SerdeFormat;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fq, Fr, G1, G1Affine};
use halo2curves::serde::SerdeObject;
use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;
use verdict_kzg::protocol::Protocol;

/// Bases of both kinds.
#[derive(Debug)]
pub(crate) struct Srs {
    /// log2 of the number of Lagrange polynomials.
    pub(crate) k: u32,
    /// Powers of the secret: commits to coefficients.
    pub(crate) monomial: Bases,
    /// Bases of one column, of the groups that were asked for.
    folds: BTreeMap<usize, Vec<Lagrange>>,
}

/// The points that an engine for circuits of `2^k` rows works with.
#[derive(Debug, Clone, Default)]
pub struct SrsPoints {
    /// log2 of the number of rows.
    pub k: u32,
    /// Powers of the secret τ, as many as commitments take.
    pub powers: Vec<G1Affine>,
    /// For groups of t columns, t = 1 among them: for each place i in the group
    /// `τ^i·L_j(τ^t)` for the rows j.
    pub folds: BTreeMap<usize, Vec<Vec<G1Affine>>>,
}

impl SrsPoints {
    /// The points for `protocol` on `2^k` rows, from powers of τ. Costs a transform over
    /// curve points for each column of the largest groups.
    ///
    /// # Errors
    ///
    /// Fewer powers than the protocol's commitments take.
    pub fn new(powers: &[G1Affine], k: u32, protocol: &Protocol) -> Result<Self, EngineError> {
        let (needed, available) = (protocol.powers_needed(k), powers.len());
        let powers = powers.get(..needed);
        let powers = powers.ok_or(EngineError::StringTooShort { needed, available, k })?.to_vec();
        let folds: BTreeMap<usize, Vec<Vec<G1Affine>>> = protocol
            .folds()
            .into_iter()
            .map(|fold| (fold, (0..fold).map(|i| residue_class(&powers, k, fold, i)).collect()))
            .collect();
        Ok(Self { k, powers, folds })
    }
}

/// Bases that commit to values.
#[derive(Debug)]
pub(crate) struct Lagrange {
    points: Bases,
    /// Made when a column asks for it: most places of most groups have none that does.
    suffix_sums: OnceLock<Bases>,
}

impl Lagrange {
    fn new(points: &[G1Affine], backend: Backend) -> Self {
        Self { points: Bases::new(points, backend), suffix_sums: OnceLock::new() }
    }

    /// Sums of the points from each one on: commits to values by their differences.
    fn suffix_sums(&self) -> &Bases {
        self.suffix_sums.get().unwrap_or_else(|| {
            // Not in `get_or_init`: a worker that waits there for others could take up another
            // proof's column, and wait for itself. Who is second made it for nothing.
            let sums = self.points.suffix_sums();
            self.suffix_sums.get_or_init(|| sums)
        })
    }

    /// Commits to a column given as values.
    pub(crate) fn commit(&self, column: &[Fr]) -> G1 {
        if let Some(differences) = differences(column) {
            self.suffix_sums().msm(&differences)
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
        let lagrange = vec![Lagrange::new(&points.found, backend)];
        Ok(Self {
            k: params.k(),
            monomial: Bases::new(params.get_g(), backend),
            folds: BTreeMap::from([(1, lagrange)]),
        })
    }

    /// Prepares points.
    pub(crate) fn from_points(points: &SrsPoints, backend: Backend) -> Result<Self, EngineError> {
        let (k, n) = (points.k, 1usize << points.k);
        let available = points.powers.len();
        if available < n {
            return Err(EngineError::StringTooShort { needed: n, available, k });
        }
        let mut folds = BTreeMap::new();
        for (fold, classes) in &points.folds {
            let whole = classes.len() == *fold && classes.iter().all(|class| class.len() == n);
            if !whole {
                return Err(EngineError::FoldedBases(*fold));
            }
            let classes = classes.iter().map(|class| Lagrange::new(class, backend)).collect();
            folds.insert(*fold, classes);
        }
        if !folds.contains_key(&1) {
            return Err(EngineError::FoldedBases(1));
        }
        Ok(Self { k, monomial: Bases::new(&points.powers, backend), folds })
    }

    /// What commits to groups of `fold` columns, a basis for each place.
    pub(crate) fn folded(&self, fold: usize) -> Option<&[Lagrange]> {
        self.folds.get(&fold).map(Vec::as_slice)
    }

    /// Commits to a single column given as values.
    pub(crate) fn commit(&self, column: &[Fr]) -> G1 {
        // Every constructor makes it.
        self.folds[&1][0].commit(column)
    }
}

/// `τ^i·L_j(τ^fold)` for the `2^k` rows j, from at least `fold·2^k` powers of τ.
fn residue_class(powers: &[G1Affine], k: u32, fold: usize, i: usize) -> Vec<G1Affine> {
    let class: Vec<G1Affine> = powers.iter().skip(i).step_by(fold).take(1 << k).copied().collect();
    lagrange_points(&class, Backend::detect(), &|_| {})
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
