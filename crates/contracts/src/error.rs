//! Errors of this crate.

use std::path::PathBuf;

use alloy_primitives::Address;

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

/// Why a file is no attestation.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The file is larger than any attestation.
    #[error("it is larger than {max} bytes, which no attestation is")]
    TooLarge {
        /// Size limit in bytes.
        max: u64,
    },
    /// The file is not the JSON of an attestation.
    #[error("it is no attestation: {0}")]
    Json(#[from] serde_json::Error),
    /// The file is something else.
    #[error("its format is \"{found}\", not \"{expected}\"")]
    Format {
        /// The format found.
        found: String,
        /// The format of attestations.
        expected: &'static str,
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
    /// The other call takes it.
    #[error("the proof answers {requests} requests, and the call takes {}", if *requests == 1 { "a batch" } else { "one" })]
    Requests {
        /// Requests of the bundle.
        requests: usize,
    },
    /// A request of a batch is one word.
    #[error("{what} of request {index} is {value}, at most {limit} in a batch")]
    TooWide {
        /// The number.
        what: &'static str,
        /// Index of the request.
        index: usize,
        /// The number's value.
        value: u64,
        /// The largest.
        limit: u64,
    },
    /// A data provider vouches once.
    #[error("two attestations are of signer {signer}; give one of each")]
    SignerTwice {
        /// The signer.
        signer: Address,
    },
    /// No signature is as long.
    #[error("the signature of signer {signer} is longer than 65535 bytes")]
    SignatureTooLong {
        /// The signer.
        signer: Address,
    },
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
