//! How long steps tell how far they are.

use std::fmt;

/// A step that may take seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Computing the powers of τ in G1.
    Powers,
    /// Computing the Lagrange basis.
    Lagrange,
    /// Reading points from a file.
    Reading,
    /// Checking points against each other.
    Checking,
    /// Writing points to a file.
    Writing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Powers => "computing powers of τ",
            Self::Lagrange => "computing the Lagrange basis",
            Self::Reading => "reading points",
            Self::Checking => "checking points",
            Self::Writing => "writing points",
        })
    }
}

/// Receives progress reports, from any thread.
///
/// Closures `Fn(Step, u64, u64) + Sync` implement it.
pub trait Progress: Sync {
    /// `done` of `total` units (points) of `step` are finished.
    fn report(&self, step: Step, done: u64, total: u64);
}

impl<F: Fn(Step, u64, u64) + Sync> Progress for F {
    fn report(&self, step: Step, done: u64, total: u64) {
        self(step, done, total);
    }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: Step, _: u64, _: u64) {}
}
