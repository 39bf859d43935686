//! What imports have in common: options, origin, checks.

use halo2curves::bn256::{G1Affine, G2Affine};

use super::{
    Origin, Srs, check,
    error::{FileProblem, Inconsistency},
    fingerprint, is_ceremony, lagrange,
    progress::{Progress, Silent},
};

/// How to import a structured reference string of others.
#[derive(Clone, Copy)]
pub struct Import<'a> {
    /// Size exponent wanted; the file's own if `None`.
    pub k: Option<u32>,
    /// Also accept the powers of a τ that is not the perpetual powers of tau's.
    pub allow_unknown: bool,
    /// Receives progress reports.
    pub progress: &'a dyn Progress,
}

impl Default for Import<'_> {
    fn default() -> Self {
        Self { k: None, allow_unknown: false, progress: &Silent }
    }
}

impl std::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { k, allow_unknown, progress: _ } = self;
        f.debug_struct("Import")
            .field("k", k)
            .field("allow_unknown", allow_unknown)
            .finish_non_exhaustive()
    }
}

impl Import<'_> {
    /// The exponent to read from a file that has `largest`.
    pub(super) fn size(&self, largest: u32) -> Result<u32, FileProblem> {
        match self.k {
            Some(k) if k > largest => Err(FileProblem::TooSmall { k, largest }),
            wanted => Ok(wanted.unwrap_or(largest)),
        }
    }

    /// Checks the powers in G2 and decides whose they are.
    pub(super) fn origin(&self, g2: &G2Affine, s_g2: &G2Affine) -> Result<Origin, FileProblem> {
        check::g2_powers(g2, s_g2)?;
        if is_ceremony(s_g2) {
            Ok(Origin::Ceremony)
        } else if self.allow_unknown {
            Ok(Origin::Imported)
        } else {
            let fingerprint = hex::encode(fingerprint(s_g2));
            Err(FileProblem::UnknownCeremony { fingerprint })
        }
    }
}

/// The points of an imported file, each of them finite and on its curve.
pub(super) struct Parts {
    pub(super) k: u32,
    pub(super) origin: Origin,
    pub(super) powers: Vec<G1Affine>,
    /// Absent if the file has none for this k.
    pub(super) lagrange: Option<Vec<G1Affine>>,
    pub(super) s_g2: G2Affine,
}

impl Parts {
    /// Completes the Lagrange basis and checks everything against τG2.
    pub(super) fn finish(self, progress: &dyn Progress) -> Result<Srs, Inconsistency> {
        let Self { k, origin, powers, lagrange, s_g2 } = self;
        let commitment = check::powers(&powers, &s_g2, progress)?;
        let basis = lagrange.unwrap_or_else(|| lagrange::from_powers(&powers, progress));
        check::lagrange(&commitment, &basis, progress)?;
        Ok(Srs::from_points(k, origin, powers, Some(basis), s_g2))
    }
}
