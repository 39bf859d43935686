//! Why a setup folder cannot be made, read or used.

use std::path::PathBuf;

use thiserror::Error;
use verdict_contracts::MAX_INSTANCES;
use verdict_prover::{bounded::ReadError, keys::KeyError};

use super::{FORMAT_VERSION, MANIFEST};
use crate::files::FileError;

/// Why a setup folder cannot be made, read or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// More public values than a bundle holds.
    #[error("a proof would state {count} public values, a bundle holds {MAX_INSTANCES}")]
    TooManyValues {
        /// By the model's shape and its batch.
        count: usize,
    },
    /// A file cannot be read, or is longer than any of its kind.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No manifest.
    #[error("{} is not a setup folder: it has no {MANIFEST}", .0.display())]
    NotASetup(PathBuf),
    /// The private part where the public one is needed.
    #[error(
        "{} is the private part of a setup; give the setup's folder, or its public part",
        .0.display()
    )]
    OnlyPrivate(PathBuf),
    /// Only what verifies is there.
    #[error("{} has no private part, so nothing can be proven with it", .0.display())]
    NoPrivatePart(PathBuf),
    /// The two parts are not of one setup.
    #[error(
        "{} belongs to another setup ({private}) than the public part beside it ({public})",
        path.display()
    )]
    ForeignPrivatePart {
        /// The private part.
        path: PathBuf,
        /// Its setup's id.
        private: String,
        /// The public part's id.
        public: String,
    },
    /// A file is not what its name says.
    #[error("{} cannot be understood: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Another version wrote the folder.
    #[error(
        "{} has format version {got}, this program reads version {FORMAT_VERSION}", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u64,
    },
    /// A file is not the one the manifest names.
    #[error(
        "{} does not match the manifest: it was truncated, changed or belongs to another setup",
        .0.display()
    )]
    Hash(PathBuf),
    /// The key's hash is not the manifest's.
    #[error(
        "{} is another key than the manifest says: {what} is {got}, the manifest has {expected}",
        path.display()
    )]
    ForeignKey {
        /// The key's file.
        path: PathBuf,
        /// What was compared.
        what: &'static str,
        /// The manifest's.
        expected: String,
        /// The key's.
        got: String,
    },
    /// No SRS where one is needed.
    #[error("no SRS given; the model needs one of at least 2^{k} powers")]
    NoSrs {
        /// log2 of the rows.
        k: u32,
        /// The setup's SRS, if it is made already.
        fingerprint: Option<String>,
    },
    /// The SRS is not the one the key was made with.
    #[error(
        "the SRS is not the one this setup was made with (fingerprint {got}, expected {expected})"
    )]
    Srs {
        /// The setup's.
        expected: String,
        /// The SRS's.
        got: String,
    },
    /// The manifest says another thing of the SRS's security than the SRS.
    #[error(
        "the manifest says that the SRS is {}, it is {}: the manifest was changed",
        if *development { "secure" } else { "insecure" },
        if *development { "a development SRS" } else { "none of development" }
    )]
    Security {
        /// Whether it is a development SRS.
        development: bool,
    },
    /// The setup is on no chain.
    #[error("{} is not deployed", .0.display())]
    NotDeployed(PathBuf),
    /// `deployment.json` is of another setup.
    #[error(
        "{} is the deployment of another setup ({deployed}), this one is {setup}", path.display()
    )]
    ForeignDeployment {
        /// The file.
        path: PathBuf,
        /// The id it carries.
        deployed: String,
        /// This setup's.
        setup: String,
    },
    /// The key does not belong to the circuit.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl SetupError {
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooManyValues { .. } => "make the batch smaller, or the inputs private".into(),
            Self::NotASetup(_) => "make one with `verdict setup`".into(),
            Self::NoPrivatePart(_) => {
                "prove with the whole setup folder; the public part verifies, deploys and submits"
                    .into()
            }
            Self::ForeignPrivatePart { .. } | Self::Hash(_) | Self::ForeignKey { .. } => {
                "run `verdict setup` again".into()
            }
            Self::Version { got: 1, .. } => {
                "run `verdict setup` again, into a new folder: since version 2 a setup has a \
                 private and a public part"
                    .into()
            }
            Self::Version { .. } => "run `verdict setup` again, into a new folder".into(),
            Self::NoSrs { fingerprint: None, .. } => {
                "give --srs FILE (see `verdict srs import`), or --dev-srs to try things out".into()
            }
            Self::NoSrs { fingerprint: Some(fingerprint), .. } => {
                format!("give --srs FILE with the SRS of the setup (fingerprint {fingerprint})")
            }
            Self::Srs { .. } => {
                "give the SRS used for `verdict setup`, or run it again with this one".into()
            }
            Self::NotDeployed(_) => "run `verdict deploy` first".into(),
            Self::ForeignDeployment { .. } => "run `verdict deploy` for this setup".into(),
            _ => return None,
        })
    }
}
