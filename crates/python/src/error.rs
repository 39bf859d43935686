//! Failures as Python's exceptions.

use pyo3::{prelude::*, types::PyType};
use verdict::Kind;

/// Where the exceptions are; each takes a message and a hint.
const MODULE: &str = "verdict.errors";

/// Why something was not done: a message, what it means, and perhaps what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// The outcome of work.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), hint: None }
    }

    /// Options that contradict each other, or one that is missing.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The work was told to stop; nobody waits for it.
    pub(crate) fn interrupted() -> Self {
        Self::new("interrupted")
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = Self::new(verdict::with_causes(&error));
        let known = (&error as &dyn std::error::Error).downcast_ref::<verdict::Error>();
        match known {
            Some(known) => Self { kind: known.kind(), hint: known.hint(), ..failure },
            None => failure,
        }
    }
}

/// The exception of a kind.
fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "UsageError",
        Kind::Rejected => "RejectedError",
        Kind::Pending => "PendingError",
        Kind::Unreachable => "UnreachableError",
        Kind::InvalidProof => "InvalidProofError",
        _ => "Error",
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| {
            let class = py.import(MODULE).and_then(|module| module.getattr(class(failure.kind)));
            match class.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
                Ok(class) => Self::from_type(class, (failure.message, failure.hint)),
                Err(error) => error,
            }
        })
    }
}
