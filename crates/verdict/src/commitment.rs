//! Commitments to inputs: what a proof states of them instead of the inputs.
//!
//! Whoever knows the inputs, a data provider for instance, commits to them with a salt and says or
//! attests the commitment; a proof shows that the model ran on the inputs in it. Without the
//! salt, a guess of the inputs cannot be held against it.

use std::{fmt, path::Path, path::PathBuf, str::FromStr};

use alloy::primitives::B256;
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use verdict_prover::bounded::{ReadError, read_bounded};

use crate::{
    error::Error,
    files::{self, Access},
    setup::PublicSetup,
};

/// Largest file of commitments.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// 128 random bits, as secret as the inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(u128);

impl Salt {
    /// A fresh one.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }

    /// As files have it: 0x and 32 digits. Whoever sees it can hold a guess of the inputs against
    /// the commitment.
    pub fn reveal(self) -> String {
        format!("0x{:032x}", self.0)
    }

    /// As an integer below 2^128.
    pub fn to_integer(self) -> u128 {
        self.0
    }
}

impl From<u128> for Salt {
    fn from(salt: u128) -> Self {
        Self(salt)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl Serialize for Salt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Salt {
    type Err = CommitmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 32);
        let only = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let salt = only.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        salt.map(Self).ok_or(CommitmentError::Salt)
    }
}

/// A commitment, and the salt with which it is one to some inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// The public word.
    pub commitment: B256,
    /// The salt. Whoever has it can hold a guess of the inputs against the commitment.
    pub salt: Salt,
}

/// Why inputs are not committed to, or not as was said.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommitmentError {
    /// The setup's proofs state inputs, or say nothing of them.
    #[error("the setup's proofs do not state a commitment to inputs")]
    NotCommitted,
    /// A salt that is none.
    #[error("a salt is 0x and 32 hexadecimal digits")]
    Salt,
    /// No salt is given.
    #[error("the setup's proofs state a commitment to inputs, and no salt is given")]
    NoSalt,
    /// Not as many as there are commitments in a proof.
    #[error("{got} commitments where a proof states {expected}")]
    Count {
        /// Number that a proof states.
        expected: usize,
        /// Commitments given.
        got: usize,
    },
    /// The inputs are others.
    #[error("commitment {index} is of other inputs, or of another salt")]
    Other {
        /// Which, counted from 0.
        index: usize,
    },
    /// There is a file already.
    #[error("{}: there is a file already, and a salt in it is not replaced", .0.display())]
    Exists(PathBuf),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file holds no commitments.
    #[error("{}: no commitments: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
}

impl CommitmentError {
    pub(crate) fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::NotCommitted => "set the model up with --commit-inputs or --commit NAME",
                Self::NoSalt => {
                    "make one with `verdict commit`, and give its file with --commitment"
                }
                Self::Other { .. } => "commit to these inputs with `verdict commit`",
                Self::Exists(_) => "name another file with --out, or move that one away",
                Self::File { .. } => "give a file that `verdict commit` wrote",
                _ => return None,
            }
            .to_owned(),
        )
    }
}

/// Commits to the inputs of each inference with fresh salts; where totals are stated, with one to
/// those of all.
///
/// # Errors
/// The setup's proofs state no commitment; inputs that do not fit the model.
pub fn commit(setup: &PublicSetup, inputs: &[impl AsRef<[f64]>]) -> Result<Vec<Commitment>, Error> {
    let commit = |inputs: &[_]| {
        let salt = Salt::random();
        let commitment = setup.manifest().commitment(inputs, salt)?;
        Ok(Commitment { commitment, salt })
    };
    inputs.chunks(together(setup, inputs.len())).map(commit).collect()
}

/// Of how many of `inferences` one commitment is.
fn together(setup: &PublicSetup, inferences: usize) -> usize {
    if setup.manifest().shape.totals() { inferences.max(1) } else { 1 }
}

/// The salts of commitments to the inputs of each inference, or of the one to those of all where
/// totals are stated.
///
/// # Errors
/// Not as many commitments as inferences; one of other inputs.
pub fn salts(
    setup: &PublicSetup,
    inputs: &[impl AsRef<[f64]>],
    commitments: &[Commitment],
) -> Result<Vec<Salt>, Error> {
    let inferences = inputs.chunks(together(setup, inputs.len()));
    let (expected, got) = (inferences.len(), commitments.len());
    if expected != got {
        return Err(CommitmentError::Count { expected, got }.into());
    }
    for (index, (inputs, own)) in inferences.zip(commitments).enumerate() {
        if setup.manifest().commitment(inputs, own.salt)? != own.commitment {
            return Err(CommitmentError::Other { index }.into());
        }
    }
    Ok(commitments.iter().map(|own| own.salt).collect())
}

/// Reads a commitment, or a list of them, that [`write_commitments`] wrote.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read_commitments(path: &Path) -> Result<Vec<Commitment>, Error> {
    let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(CommitmentError::Read)?;
    let several = bytes.trim_ascii_start().starts_with(b"[");
    let parsed = match several {
        true => serde_json::from_slice(&bytes),
        false => serde_json::from_slice(&bytes).map(|own| vec![own]),
    };
    Ok(parsed.map_err(|cause| CommitmentError::File { path: path.to_owned(), cause })?)
}

/// Writes commitments with their salts, readable by the owner alone, where no file is: a salt
/// that is lost makes its commitment useless.
///
/// # Errors
/// There is a file, or it cannot be written.
pub fn write_commitments(commitments: &[Commitment], path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Err(CommitmentError::Exists(path.to_owned()).into());
    }
    let bytes = match commitments {
        [one] => serde_json::to_vec_pretty(one),
        all => serde_json::to_vec_pretty(all),
    };
    let mut bytes = bytes.map_err(Error::json)?;
    bytes.push(b'\n');
    Ok(files::write(path, &bytes, Access::Private)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_read_as_it_is_written_and_never_shown() {
        let salt = Salt::random();
        let json = serde_json::to_string(&salt).expect("text");
        assert_eq!(serde_json::from_str::<Salt>(&json).expect("a salt"), salt);
        assert_eq!(format!("{salt:?}"), "Salt(…)");
        for wrong in ["", "0x", "12", "0x+2345678901234567890123456789012"] {
            assert!(wrong.parse::<Salt>().is_err(), "{wrong}");
        }
    }
}
