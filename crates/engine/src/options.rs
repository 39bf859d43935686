//! How the engine runs.

use crate::error::EngineError;
use crate::field::Backend;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A part of a proof, reported when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for the witness of a phase.
    Witness(u8),
    /// Committing to the advice columns of a phase.
    Advice(u8),
    /// Computing and committing to the permutation products.
    Permutation,
    /// Committing to the random polynomial that blinds the quotient.
    Blinding,
    /// Computing the quotient polynomial.
    Quotient,
    /// Committing to the quotient polynomial.
    QuotientCommitments,
    /// Evaluating all polynomials at the challenge.
    Evaluations,
    /// Proving the evaluations.
    Opening,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Witness(phase) => write!(f, "witness, phase {}", phase + 1),
            Self::Advice(phase) => write!(f, "commitments, phase {}", phase + 1),
            Self::Permutation => f.write_str("permutation"),
            Self::Blinding => f.write_str("blinding"),
            Self::Quotient => f.write_str("quotient"),
            Self::QuotientCommitments => f.write_str("quotient commitments"),
            Self::Evaluations => f.write_str("evaluations"),
            Self::Opening => f.write_str("opening"),
        }
    }
}

/// Receives progress.
pub trait Progress: Send + Sync {
    /// A stage starts.
    fn stage(&self, stage: Stage);
}

/// Options of an [`crate::Engine`]; the default uses all threads, the fastest
/// arithmetic of the CPU and no limits.
#[derive(Clone, Default)]
pub struct Options {
    /// Worker threads; 0 means one per core. Proofs do not depend on it.
    pub threads: usize,
    /// Refuse to prove when the estimated peak exceeds this many bytes.
    pub memory_budget: Option<usize>,
    /// Force an implementation of field arithmetic.
    pub backend: Option<Backend>,
    /// Told about every stage.
    pub progress: Option<Arc<dyn Progress>>,
    /// Set to `true` from any thread to stop before the next stage.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// Who is told about one proof, and who may stop it, in the place of what the engine's options say.
#[derive(Clone, Default)]
pub struct Control {
    /// Told about every stage.
    pub progress: Option<Arc<dyn Progress>>,
    /// Set to `true` from any thread to stop before the next stage.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("threads", &self.threads)
            .field("memory_budget", &self.memory_budget)
            .field("backend", &self.backend)
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl Options {
    /// Checks every field.
    pub fn validate(&self) -> Result<(), EngineError> {
        if self.threads > 1024 {
            return Err(EngineError::InvalidOption {
                field: "threads",
                constraint: format!("at most 1024, got {}", self.threads),
            });
        }
        if let Some(backend) = self.backend.filter(|backend| !backend.is_available()) {
            return Err(EngineError::InvalidOption {
                field: "backend",
                constraint: format!("this CPU cannot run {backend:?}"),
            });
        }
        if self.memory_budget == Some(0) {
            return Err(EngineError::InvalidOption {
                field: "memory_budget",
                constraint: "more than 0 bytes, or no budget".into(),
            });
        }
        Ok(())
    }

    /// Announces a stage, unless cancelled.
    pub(crate) fn enter(&self, stage: Stage) -> Result<(), EngineError> {
        if self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(EngineError::Cancelled);
        }
        if let Some(progress) = &self.progress {
            progress.stage(stage);
        }
        Ok(())
    }
}
