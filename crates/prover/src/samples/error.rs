//! What can be wrong with a file of samples or ranges.

use std::path::PathBuf;

use thiserror::Error;

use super::place::{Place, shortened};
use crate::bounded::ReadError;

/// A file of samples or ranges that is not one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// It cannot be read, or not within its limit.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its content is wrong.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: Problem,
    },
}

/// What is expected where a value is missing.
pub(super) const NUMBER_OR_DECLARED: &str =
    "a number; a float that may be missing is declared so with its range: \"missing\": true";

/// How it is declared that a value may be missing, behind what is expected.
const DECLARED: &str =
    "; a float that may be missing is declared so with its range: \"missing\": true";

/// What is wrong with a file's content, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file of a format that is not read.
    #[error("{what}; {hint}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// Text that does not follow its format's grammar.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// A binary file whose structure is wrong: cut short, or changed.
    #[error("{0}")]
    Damaged(String),
    /// A value that is not what belongs there.
    #[error("{place} is {found}; expected {expected}")]
    Value {
        /// Where it stands.
        place: Place,
        /// What it is.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// Lists of different lengths where an array belongs.
    #[error("{place} has shape {got:?}, but those before it have {before:?}")]
    Ragged {
        /// The first list that differs.
        place: Place,
        /// Its shape.
        got: Vec<usize>,
        /// The shape of the lists before it.
        before: Vec<usize>,
    },
    /// A wrong number or arrangement of numbers.
    #[error("{place} has {got}; expected {expected}")]
    Shape {
        /// Where they stand.
        place: Place,
        /// Their number or shape.
        got: String,
        /// What the model takes.
        expected: String,
    },
    /// A key that an object has twice.
    #[error("{place} has the key \"{}\" twice", shortened(key))]
    DuplicateKey {
        /// The object.
        place: Place,
        /// The key.
        key: String,
    },
    /// Two samples of one id.
    #[error("samples {first} and {second} both have the id \"{}\"", shortened(id))]
    DuplicateId {
        /// The id.
        id: String,
        /// Index of the first sample, from 0.
        first: usize,
        /// Index of the second.
        second: usize,
    },
    /// Keys that say nothing to us, or that say the same.
    #[error("{place} has {got}; expected {expected}")]
    Keys {
        /// The object.
        place: Place,
        /// Its keys.
        got: String,
        /// The keys that are known.
        expected: String,
    },
    /// A range that contains nothing, one value, or more than a float can tell apart.
    #[error("{place} is the range [{lo}, {hi}]: {why}")]
    Range {
        /// Where it stands.
        place: Place,
        /// Lower end, as it was read.
        lo: String,
        /// Upper end.
        hi: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More of something than is read.
    #[error("{place} has more than {limit} {what}, the most that is read")]
    TooMany {
        /// Where the limit is passed.
        place: Place,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// No sample, or none of that id, or several and no choice.
    #[error("{0}")]
    Choice(String),
}

impl Problem {
    /// A [`Problem::Value`].
    pub(super) fn value(
        place: &Place,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { place: place.clone(), found: found.into(), expected: expected.into() }
    }

    /// The same, with how a value may be missing where one is.
    pub(super) fn of_missing(mut self) -> Self {
        match &mut self {
            Self::Value { found, expected, .. }
                if found == "null" && expected.starts_with("a number") =>
            {
                *expected = NUMBER_OR_DECLARED.into();
            }
            Self::Value { found, expected, .. }
                if found == "null" && expected.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                expected.push_str(DECLARED);
            }
            _ => {}
        }
        self
    }

    /// A [`Problem::Shape`].
    pub(super) fn shape(
        place: &Place,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Shape { place: place.clone(), got: got.into(), expected: expected.into() }
    }
}
