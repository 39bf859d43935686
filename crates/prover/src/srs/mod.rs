//! The structured reference string (SRS) of KZG over BN254.
//!
//! An SRS of size k holds `τ^i·G1` for `i < 2^k`, the same as Lagrange basis of halo2's
//! domain, and `τ·G2`. Whoever knows τ can prove anything, so where an SRS comes from
//! is part of it: its [`Origin`].
//!
//! ```text
//!  random τ ── development ──┐
//!  .ptau ──┬── import ───────┼──► Srs ◄──► file (save, load, cache)
//!  halo2 ──┘  (all checked)  ┘     └─► ParamsKZG: keys, proofs
//! ```
//!
//! - [`Srs::development`]: τ from the operating system's randomness, in seconds.
//!   INSECURE: for development and demos only.
//! - [`Srs::import_ptau`], [`Srs::import_halo2`]: every point is checked to be on the
//!   curve, the powers and the Lagrange basis by one random challenge each, and τ·G2
//!   against the perpetual powers of tau ([`ceremony_tau_g2`]). Another τ is refused
//!   unless the caller allows it.
//! - [`Srs::save`], [`Srs::load`]: Verdict's own file, verified by hashes, which
//!   keeps the Lagrange basis; reading is far faster than importing again.
//!
//! A verifier uses `G1`, `G2` and `τ·G2` only, hence [`Srs::fingerprint`] covers τ·G2:
//! strings of one τ at different k have the same fingerprint.

mod affine;
mod bases;
mod cache;
mod check;
mod development;
mod error;
mod file;
mod fixed_base;
mod halo2_params;
mod import;
mod lagrange;
mod points;
mod progress;
mod ptau;

use std::{fmt, path::Path, sync::OnceLock};

use ff::PrimeField;
use halo2_proofs::{SerdeFormat, poly::kzg::commitment::ParamsKZG};
use halo2curves::{
    bn256::{Bn256, Fr, G1Affine, G2Affine},
    serde::SerdeObject,
};
use rand::{RngCore, SeedableRng, rngs::OsRng};
use rand_chacha::ChaCha20Rng;
pub use verdict_kzg::srs::{ceremony_tau_g2, fingerprint};

pub use self::{
    cache::cache_dir,
    error::{Basis, FileProblem, Inconsistency, SrsError},
    import::Import,
    progress::{Progress, Silent, Step},
};

/// The smallest size exponent: two points.
pub const MIN_K: u32 = 1;
/// The largest size exponent: the field has no larger domain, the ceremony no more powers.
pub const MAX_K: u32 = Fr::S;
/// The largest size exponent of a development SRS (2 GiB of points).
pub const MAX_DEVELOPMENT_K: u32 = 24;

/// Where a structured reference string comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This program drew τ. INSECURE: proofs prove nothing to anybody else.
    Development,
    /// The perpetual powers of tau: τ·G2 equals the one built in.
    Ceremony,
    /// Consistent powers of a τ nobody here knows anything about.
    Imported,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development (INSECURE)",
            Self::Ceremony => "perpetual powers of tau",
            Self::Imported => "imported, unknown ceremony",
        })
    }
}

/// A structured reference string: powers of τ and where they come from.
#[derive(Clone)]
pub struct Srs {
    k: u32,
    origin: Origin,
    powers: Vec<G1Affine>,
    s_g2: G2Affine,
    /// Made when it is asked for, if it was not read.
    lagrange: OnceLock<Vec<G1Affine>>,
    /// Made when they are asked for.
    params: OnceLock<ParamsKZG<Bn256>>,
}

impl fmt::Debug for Srs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srs")
            .field("k", &self.k())
            .field("origin", &self.origin)
            .field("fingerprint", &hex::encode(self.fingerprint()))
            .finish_non_exhaustive()
    }
}

impl Srs {
    /// Makes an INSECURE SRS of size `k` from a random τ, which is overwritten after use.
    ///
    /// # Errors
    /// [`SrsError::KOutOfRange`] unless `MIN_K ≤ k ≤ MAX_DEVELOPMENT_K`.
    pub fn development(k: u32) -> Result<Self, SrsError> {
        Self::development_with(k, &Silent)
    }

    /// [`development`](Self::development) with progress reports.
    ///
    /// # Errors
    /// As [`development`](Self::development).
    pub fn development_with(k: u32, progress: &dyn Progress) -> Result<Self, SrsError> {
        Self::generate(k, &mut OsRng, progress)
    }

    /// Makes an INSECURE SRS whose τ follows from `seed`: whoever knows the seed knows τ.
    /// The same seed gives the same τ for every `k`.
    ///
    /// # Errors
    /// As [`development`](Self::development).
    pub fn development_from_seed(k: u32, seed: [u8; 32]) -> Result<Self, SrsError> {
        Self::generate(k, &mut ChaCha20Rng::from_seed(seed), &Silent)
    }

    /// The development SRS of size `k` kept in `folder`, made and kept if there is none.
    ///
    /// Each k has a file (and a τ) of its own, so that keys stay usable when larger ones
    /// are made. A damaged file is replaced. Of processes that do this at the same
    /// time, all end up with the same SRS.
    ///
    /// # Errors
    /// [`SrsError::KOutOfRange`]; [`SrsError::Io`] and [`SrsError::DiskFull`] if the file
    /// can be neither read nor written.
    pub fn cached_development(
        folder: impl AsRef<Path>,
        k: u32,
        progress: &dyn Progress,
    ) -> Result<Self, SrsError> {
        check_range(k, MAX_DEVELOPMENT_K)?;
        cache::cached(folder.as_ref(), k, progress)
    }

    /// Imports a snarkjs .ptau file and checks it.
    ///
    /// Prepared files (with section 12) are read; for others the Lagrange basis is
    /// computed, which takes about 2 s of CPU time at k = 12, 9 s at 14, 3 min at 18.
    ///
    /// # Errors
    /// [`SrsError::File`] with what is wrong, [`FileProblem::UnknownCeremony`] for a τ·G2
    /// that is not the perpetual powers of tau's unless
    /// [`allow_unknown`](Import::allow_unknown); [`SrsError::Io`].
    pub fn import_ptau(path: impl AsRef<Path>, import: &Import<'_>) -> Result<Self, SrsError> {
        import.k.map_or(Ok(()), |k| check_range(k, MAX_K))?;
        let path = path.as_ref();
        ptau::read(path, import)?.finish(import.progress).map_err(|error| inconsistent(path, error))
    }

    /// Imports the file of a halo2 `ParamsKZG<Bn256>`, raw format, and checks it.
    ///
    /// # Errors
    /// As [`import_ptau`](Self::import_ptau).
    pub fn import_halo2(path: impl AsRef<Path>, import: &Import<'_>) -> Result<Self, SrsError> {
        import.k.map_or(Ok(()), |k| check_range(k, MAX_K))?;
        let path = path.as_ref();
        halo2_params::read(path, import)?
            .finish(import.progress)
            .map_err(|error| inconsistent(path, error))
    }

    /// Checks all points, the powers against τ·G2 and the Lagrange basis against the powers.
    ///
    /// # Errors
    /// [`SrsError::Inconsistent`] with the first fault found.
    pub fn check(&self) -> Result<(), SrsError> {
        self.check_with(&Silent)
    }

    /// [`check`](Self::check) with progress reports.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_with(&self, progress: &dyn Progress) -> Result<(), SrsError> {
        let (powers, lagrange) = (&self.powers, self.lagrange());
        check::g2_powers(&self.g2(), &self.s_g2())?;
        check::points(powers, Basis::Powers)?;
        check::points(lagrange, Basis::Lagrange)?;
        let commitment = check::powers(powers, &self.s_g2(), progress)?;
        check::lagrange(&commitment, lagrange, progress)?;
        Ok(())
    }

    /// The SRS of the same τ and origin for a smaller `k`.
    ///
    /// # Errors
    /// [`SrsError::TooSmall`] if `k` is larger than this one's, [`SrsError::KOutOfRange`].
    pub fn truncated(&self, k: u32) -> Result<Self, SrsError> {
        check_range(k, MAX_K)?;
        let Some(powers) = self.powers.get(..1 << k) else {
            return Err(SrsError::TooSmall { k, largest: self.k() });
        };
        if k == self.k() {
            return Ok(self.clone());
        }
        Ok(Self::from_points(k, self.origin, powers.to_vec(), None, self.s_g2()))
    }

    /// Writes a versioned, hash-checked file; `path` is either complete or untouched.
    ///
    /// # Errors
    /// [`SrsError::DiskFull`], [`SrsError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SrsError> {
        self.save_with(path, &Silent)
    }

    /// [`save`](Self::save) with progress reports.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        progress: &dyn Progress,
    ) -> Result<(), SrsError> {
        file::save(self, path.as_ref(), file::Existing::Replace, progress).map(|_| ())
    }

    /// Reads a file that [`save`](Self::save) wrote. With a `k` smaller than the file's
    /// only the powers needed are read.
    ///
    /// # Errors
    /// [`SrsError::File`] with what is wrong, [`SrsError::Io`].
    pub fn load(path: impl AsRef<Path>, k: Option<u32>) -> Result<Self, SrsError> {
        Self::load_with(path, k, &Silent)
    }

    /// [`load`](Self::load) with progress reports.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        path: impl AsRef<Path>,
        k: Option<u32>,
        progress: &dyn Progress,
    ) -> Result<Self, SrsError> {
        k.map_or(Ok(()), |k| check_range(k, MAX_K))?;
        file::load(path.as_ref(), k, file::Part::Whole, progress)
    }

    /// Reads the first `2^k` powers of a file that [`save`](Self::save) wrote, and leaves the
    /// Lagrange basis to be computed if it is asked for.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_powers(path: impl AsRef<Path>, k: u32) -> Result<Self, SrsError> {
        check_range(k, MAX_K)?;
        file::load(path.as_ref(), Some(k), file::Part::Powers, &Silent)
    }

    /// The size exponent: there are `2^k` powers.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// `τ^i·G1` for `i < 2^k`.
    pub fn powers(&self) -> &[G1Affine] {
        &self.powers
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether τ was known to this program: then no proof under it convinces anybody.
    pub fn is_development(&self) -> bool {
        self.origin == Origin::Development
    }

    /// SHA-256 of τ·G2 (with a domain tag, its coordinates x.c0, x.c1, y.c0, y.c1 as 32
    /// little-endian bytes): the same for every k of one τ.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.s_g2())
    }

    /// halo2's parameters, for its own keys, proofs and verifiers.
    pub fn params(&self) -> &ParamsKZG<Bn256> {
        self.params.get_or_init(|| {
            let lagrange = Some(self.lagrange().to_vec());
            any_params().from_parts(self.k, self.powers.clone(), lagrange, self.g2(), self.s_g2)
        })
    }

    /// The Lagrange basis at τ; computed if the SRS is a part of a larger one, which takes
    /// about 2 s of CPU time at k = 12.
    pub fn lagrange(&self) -> &[G1Affine] {
        self.lagrange.get_or_init(|| lagrange::from_powers(&self.powers, &Silent))
    }

    /// The generator of G2.
    pub fn g2(&self) -> G2Affine {
        G2Affine::generator()
    }

    /// τ·G2.
    pub fn s_g2(&self) -> G2Affine {
        self.s_g2
    }

    fn generate(k: u32, rng: &mut impl RngCore, progress: &dyn Progress) -> Result<Self, SrsError> {
        check_range(k, MAX_DEVELOPMENT_K)?;
        let points = development::generate(k, rng, progress);
        let development::Points { powers, lagrange, s_g2 } = points;
        Ok(Self::from_points(k, Origin::Development, powers, Some(lagrange), s_g2))
    }

    /// `powers` and `lagrange`, if it is known, have `2^k` points each.
    fn from_points(
        k: u32,
        origin: Origin,
        powers: Vec<G1Affine>,
        lagrange: Option<Vec<G1Affine>>,
        s_g2: G2Affine,
    ) -> Self {
        let lagrange = lagrange.map_or_else(OnceLock::new, OnceLock::from);
        Self { k, origin, powers, s_g2, lagrange, params: OnceLock::new() }
    }
}

/// Some parameters: `from_parts` is a method, and does not look at those it is called on.
/// Reading them takes microseconds, a setup milliseconds.
fn any_params() -> ParamsKZG<Bn256> {
    let mut bytes = 0u32.to_le_bytes().to_vec();
    for _basis in 0..2 {
        bytes.extend(G1Affine::generator().to_raw_bytes());
    }
    for _power in 0..2 {
        bytes.extend(G2Affine::generator().to_raw_bytes());
    }
    let read = ParamsKZG::read_custom(&mut &bytes[..], SerdeFormat::RawBytesUnchecked);
    // Reading from memory does not fail.
    read.unwrap_or_else(|_| ParamsKZG::setup(MIN_K, ChaCha20Rng::from_seed([0; 32])))
}

fn check_range(k: u32, max: u32) -> Result<(), SrsError> {
    if (MIN_K..=max).contains(&k) {
        Ok(())
    } else {
        Err(SrsError::KOutOfRange { k, min: MIN_K, max })
    }
}

fn inconsistent(path: &Path, error: Inconsistency) -> SrsError {
    SrsError::File { path: path.into(), problem: error.into() }
}

/// Whether a point can be an SRS's τ·G2: on the curve, in the right group, not at infinity.
pub fn is_tau_g2(point: &G2Affine) -> bool {
    check::g2_powers(&G2Affine::generator(), point).is_ok()
}

/// Whether `s_g2` is the ceremony's.
fn is_ceremony(s_g2: &G2Affine) -> bool {
    *s_g2 == ceremony_tau_g2()
}
