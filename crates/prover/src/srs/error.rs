//! Why a structured reference string could not be made, read, checked or kept.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

/// Why an operation on a structured reference string failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SrsError {
    /// The size exponent is outside the supported range.
    #[error("k = {k} is out of range; choose k between {min} and {max}")]
    KOutOfRange {
        /// The wanted exponent.
        k: u32,
        /// The smallest one supported.
        min: u32,
        /// The largest one supported.
        max: u32,
    },
    /// More powers are wanted than there are.
    #[error("the SRS has k = {largest}, k = {k} is wanted; use a larger SRS")]
    TooSmall {
        /// The wanted exponent.
        k: u32,
        /// The largest exponent there is.
        largest: u32,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not fit on the disk. Nothing was left behind.
    #[error("no space left to write {}: {bytes} bytes are needed", path.display())]
    DiskFull {
        /// The file to be written.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// The points in memory do not form a structured reference string.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

/// What is wrong with a file that was read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// Not a snarkjs powers-of-tau file.
    #[error("not a powers-of-tau file: {reason}; a snarkjs .ptau file is expected")]
    NotPtau {
        /// What shows it.
        reason: String,
    },
    /// Not a halo2 KZG parameter file.
    #[error("not a halo2 params file: {reason}; a BN254 KZG file in RawBytes format is expected")]
    NotHalo2Params {
        /// What shows it.
        reason: String,
    },
    /// Not a file that [`Srs::save`](super::Srs::save) wrote.
    #[error("not a Verdict SRS file: {reason}; import .ptau and halo2 params files first")]
    NotSrs {
        /// What shows it.
        reason: String,
    },
    /// A format version this program does not know.
    #[error("{format} version {found} is not supported, only version {expected} is")]
    WrongVersion {
        /// The format.
        format: &'static str,
        /// The version in the file.
        found: u32,
        /// The version understood.
        expected: u32,
    },
    /// Points of another curve.
    #[error("powers of tau over another curve (field prime {prime}); BN254 is needed")]
    WrongCurve {
        /// The file's prime, hexadecimal, most significant digit first.
        prime: String,
    },
    /// The file ends too early.
    #[error(
        "truncated in {part}: {expected} bytes are needed, the file has {actual}; fetch it again"
    )]
    Truncated {
        /// The part that is incomplete.
        part: String,
        /// The size the file must have at least.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// The file goes on after its end.
    #[error("{actual} bytes long where k = {k} makes {expected}; the file is damaged")]
    TrailingBytes {
        /// The exponent in the file.
        k: u32,
        /// The size it should have.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// The file holds fewer powers than wanted.
    #[error("the largest k in this file is {largest}, k = {k} is wanted; use a larger file")]
    TooSmall {
        /// The wanted exponent.
        k: u32,
        /// The largest exponent the file can serve.
        largest: u32,
    },
    /// Bytes differ from those written.
    #[error("the hash of the {part} does not match; the file is damaged, make or import it again")]
    WrongHash {
        /// The part that changed.
        part: String,
    },
    /// τG2 is not that of the perpetual powers of tau.
    #[error(
        "its τ·G2 (fingerprint {fingerprint}) is not that of the perpetual powers of tau; \
         allow unknown ceremonies only if you trust its origin"
    )]
    UnknownCeremony {
        /// [`Srs::fingerprint`](super::Srs::fingerprint) of the file, hexadecimal.
        fingerprint: String,
    },
    /// A file that claims to be of the ceremony but carries another τG2.
    #[error("marked as the perpetual powers of tau, but its τ·G2 is another; import it again")]
    FalseOrigin,
    /// The points do not form a structured reference string.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

/// Why points are not the powers of one τ.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Inconsistency {
    /// Coordinates that are not reduced or not on the curve.
    #[error("point {index} of the {basis} is not on the curve")]
    NotOnCurve {
        /// Where the point stands.
        basis: Basis,
        /// Its index there.
        index: usize,
    },
    /// A point at infinity.
    #[error("point {index} of the {basis} is the point at infinity")]
    Infinity {
        /// Where the point stands.
        basis: Basis,
        /// Its index there.
        index: usize,
    },
    /// The first power of G1 or G2 is not the group's standard generator.
    #[error("the {basis} do not start with the standard generator")]
    WrongGenerator {
        /// Which powers.
        basis: Basis,
    },
    /// τG2 lies on the curve, but outside the group of order r.
    #[error("τ·G2 is not in the subgroup of prime order")]
    WrongSubgroup,
    /// The pairing check of the powers failed.
    #[error("the powers in G1 are not consecutive powers of the τ in τ·G2")]
    NotConsecutive,
    /// The Lagrange basis commits to other polynomials than the powers do.
    #[error("the Lagrange basis does not belong to the powers")]
    LagrangeMismatch,
    /// Not 2^k points.
    #[error("the {basis} have {actual} points, {expected} are needed")]
    WrongLength {
        /// Which points.
        basis: Basis,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
}

/// A sequence of points in a structured reference string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// `τ^i · G1`.
    Powers,
    /// `L_i(τ) · G1`.
    Lagrange,
    /// `G2, τ · G2`.
    G2,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Powers => "powers in G1",
            Self::Lagrange => "Lagrange points",
            Self::G2 => "powers in G2",
        })
    }
}
