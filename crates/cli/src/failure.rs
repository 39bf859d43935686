//! The one error a command ends with: a line, perhaps a hint, and an exit code.

use std::error::Error;

use serde::Serialize;
use verdict::Kind;

/// What went wrong, and what to do.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) exit_code: u8,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The outcome of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let kind = Kind::Failed;
        Self { kind, exit_code: kind.exit_code(), message: message.into(), hint: None }
    }

    pub(crate) fn kind(self, kind: Kind) -> Self {
        Self { kind, exit_code: kind.exit_code(), ..self }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Arguments that contradict each other, or one that is missing.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).kind(Kind::Usage)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = Self::new(verdict::with_causes(&error));
        let Some(known) = (&error as &dyn Error).downcast_ref::<verdict::Error>() else {
            return failure;
        };
        Self { hint: known.hint(), ..failure.kind(known.kind()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_library_keeps_its_kind_and_hint() {
        let path = std::path::Path::new("no/such/setup");
        let error = verdict::PublicSetup::open(path).map(drop).map_err(verdict::Error::from);
        let failure = Failure::from(error.expect_err("there is none"));
        assert_eq!((failure.kind, failure.exit_code), (Kind::Failed, 1));
        assert!(failure.hint.is_some_and(|hint| hint.contains("verdict setup")));
    }
}
