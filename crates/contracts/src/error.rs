//! Errors of this crate.

use std::path::PathBuf;

/// Why a proof bundle cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file system refused.
    #[error("cannot {action} proof bundle {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The bundle's path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is larger than any bundle.
    #[error("proof bundle is larger than {max} bytes; is this the right file?")]
    TooLarge {
        /// Size limit in bytes.
        max: u64,
    },
    /// The file is not the JSON of a bundle.
    #[error(
        "proof bundle is not valid JSON of this format: {0}; make it again with `verdict prove`"
    )]
    Json(#[from] serde_json::Error),
    /// The file is something else.
    #[error("format is \"{found}\", not \"{expected}\": not a proof bundle")]
    Format {
        /// The format found.
        found: String,
        /// The format of bundles.
        expected: &'static str,
    },
    /// The bundle was made by another version of the format.
    #[error(
        "proof bundle has version {found}, this program reads version {expected}; make it again"
    )]
    Version {
        /// The version found.
        found: u32,
        /// The version understood.
        expected: u32,
    },
    /// A field does not fit the others or its limits.
    #[error("proof bundle field `{field}` is inconsistent: {reason}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong, with the values.
        reason: String,
    },
}

/// Why a bundle cannot become calldata.
#[derive(Debug, thiserror::Error)]
pub enum CalldataError {
    /// The bundle contradicts itself.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The proof was made without a request, so no oracle can accept it.
    #[error("the proof answers no request; prove again with a chain, oracle, subject and deadline")]
    NoRequest,
    /// An oracle's score has 64 bits.
    #[error("output {index} is {value}, outside the 64-bit range of on-chain outputs")]
    OutputTooLarge {
        /// Index of the output.
        index: usize,
        /// The output.
        value: i128,
    },
}

/// Why a contract cannot be deployed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeployError {
    /// A checked-in artifact cannot be read; only an altered build has this.
    #[error("built-in artifact of {contract} is damaged: {reason}; rebuild the artifacts")]
    Artifact {
        /// Name of the contract.
        contract: &'static str,
        /// What is wrong.
        reason: String,
    },
}
