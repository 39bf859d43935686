//! Why bytes are no portable key.

use crate::{contract::ContractError, key::KeyError};

/// Why bytes are no portable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortableError {
    /// More bytes than any key has.
    #[error("{got} bytes are more than a verifying key has, at most {limit}")]
    TooLarge {
        /// Bytes given.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The file begins otherwise.
    #[error("this is no verifying key of this version: it does not begin with `vdctkey1`")]
    Magic,
    /// The file ends too early.
    #[error("the verifying key ends at byte {at}, in {what}")]
    Truncated {
        /// Bytes of the file.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// The file goes on behind its end.
    #[error("{0} bytes follow the verifying key")]
    Trailing(usize),
    /// A number is outside its bounds.
    #[error("at byte {at} of the verifying key: {what} is {got}, {limit} at most")]
    Bound {
        /// Where the number begins.
        at: usize,
        /// What it is.
        what: &'static str,
        /// Its value.
        got: u64,
        /// The largest there may be.
        limit: u64,
    },
    /// A part contradicts another.
    #[error("at byte {at} of the verifying key: {what}")]
    Invalid {
        /// Where the part ends.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The commitments are not a key's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No contract could hold the key.
    #[error(transparent)]
    Contract(#[from] ContractError),
}
