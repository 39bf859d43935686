//! Compiling a generated verifier with solc, which the crate foundry-compilers checks and drives.
//!
//! ```text
//! foundry.toml ─ input ─► Settings ─┐
//! Solidity source ──────────────────┴─► StandardInput ─┬─► block explorers
//! path, or PATH, svm, npm ─ solc ─► Solc ──────────────┴─► Bytecode
//! ```
//!
//! The input goes to `solc --standard-json` on stdin and the code comes back on stdout: nothing
//! is read from or written to disk, nothing is downloaded. The bytecode decides the contract's
//! CREATE2 address, so source, settings and the compiler's version are all that it depends on.

mod input;
mod solc;

pub use input::{Settings, StandardInput};
pub use solc::Solc;

/// Version of solc that the generated contracts ask for.
pub const SOLC_VERSION: &str = "0.8.34";
/// Largest runtime code (EIP-170).
pub const MAX_CODE_BYTES: usize = 24_576;

/// Why a source did not become bytecode.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No compiler of the pinned version.
    #[error(
        "solc {SOLC_VERSION} not found ({tried}): install it (`svm install {SOLC_VERSION}`), or give \
         its path with --solc; a checkout of Verdict has one as scripts/solc after `npm ci`"
    )]
    SolcNotFound {
        /// What was tried, with what came of it.
        tried: String,
    },
    /// The compiler did not run.
    #[error("running {path} failed: {source}")]
    Run {
        /// The compiler.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The compiler did not come to an end.
    #[error(
        "{path} did not answer within {seconds} s: give another solc {SOLC_VERSION} with --solc"
    )]
    Unanswered {
        /// The compiler.
        path: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The compiler answered something else than standard JSON output.
    #[error("{path} gave no usable output: {detail}")]
    Output {
        /// The compiler.
        path: String,
        /// The beginning of its output.
        detail: String,
    },
    /// The source has errors.
    #[error("solc refuses the source: {0}")]
    Source(String),
    /// The contract exceeds the limit of EIP-170.
    #[error(
        "the verifier has {bytes} bytes of runtime code, the limit is {MAX_CODE_BYTES} (EIP-170): \
         use a circuit with fewer columns, queries or gates"
    )]
    CodeTooLarge {
        /// Its runtime code.
        bytes: usize,
    },
}

/// A compiled contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytecode {
    /// Code that deploys the contract.
    pub creation: Vec<u8>,
    /// Code at the contract's address.
    pub runtime: Vec<u8>,
    /// Where in the source the runtime code comes from, as solc says it.
    pub source_map: String,
}
