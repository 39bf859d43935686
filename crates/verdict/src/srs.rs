//! Where the structured reference string comes from.

use std::path::PathBuf;

use verdict_kzg::protocol::Protocol;
use verdict_prover::srs::{Silent, Srs, cache_dir};

use crate::{error::Error, setup::SetupError};

/// What is said wherever a development SRS is used.
pub const INSECURE: &str =
    "this is a development SRS: whoever made it can forge proofs. For trying things out only";

/// Which SRS a setup is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SrsChoice {
    /// A file made by [`Srs::save`] with at least as many powers as needed.
    File(PathBuf),
    /// One that this machine makes, or has made before. **Insecure.**
    Development,
}

impl SrsChoice {
    /// The SRS with 2^k powers; a plan's estimate says how many it takes.
    ///
    /// # Errors
    /// The file is none, or is too small; the cache cannot be used.
    pub fn open(&self, k: u32) -> Result<Srs, Error> {
        Ok(match self {
            Self::File(path) => Srs::load(path, Some(k))?,
            Self::Development => match cache_dir() {
                Some(folder) => Srs::cached_development(folder, k, &Silent)?,
                None => Srs::development(k)?,
            },
        })
    }

    /// The choice that two options of a command line make.
    ///
    /// # Errors
    /// [`SetupError::NoSrs`] if they make none.
    pub fn new(file: Option<PathBuf>, development: bool, k: u32) -> Result<Self, SetupError> {
        match (file, development) {
            (Some(path), _) => Ok(Self::File(path)),
            (None, true) => Ok(Self::Development),
            (None, false) => Err(SetupError::NoSrs { k, fingerprint: None }),
        }
    }
}

/// Where the bases are kept that an SRS is prepared to for a protocol on `2^k` rows: among
/// what can be made again.
pub(crate) fn bases_file(srs: &Srs, protocol: &Protocol, k: u32) -> Option<PathBuf> {
    let folds: Vec<String> = protocol.folds().iter().map(usize::to_string).collect();
    let fingerprint = hex::encode(&srs.fingerprint()[..8]);
    let name = format!("bases-{fingerprint}-{k}-{}.bin", folds.join("-"));
    cache_dir().map(|folder| folder.join(name))
}
