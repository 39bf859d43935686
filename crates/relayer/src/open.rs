//! Questions that go on beside the looks, and how they are given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    cancel::Replacements,
    drive::{Held, Result, Trail},
    job::{JobId, JobState},
    line::Late,
    resume::Standing,
    sending::{Ready, Sent, Signing},
};

/// The questions that are late, of each kind.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) trails: Late<JobId, (Held, Result<Trail>)>,
    pub(crate) follows: Late<JobId, (JobId, Result<JobState>)>,
    pub(crate) prepares: Late<JobId, Ready>,
    pub(crate) sends: Late<JobId, Sent>,
    /// Whether final transactions are on the chain, while a nonce is missing.
    pub(crate) standing: Late<(), Result<Standing>>,
    /// Broadcasts of what was mended.
    pub(crate) again: Late<JobId, Result<()>>,
    signing: Mutex<Option<Signing>>,
    pub(crate) replacements: Arc<Replacements>,
}

impl Open {
    /// Gives up what is asked about a job, so that it may be changed.
    pub(crate) fn forget(&self, id: JobId) {
        self.trails.forget(&id);
        self.follows.forget(&id);
        self.prepares.forget(&id);
        self.sends.forget(&id);
        self.again.forget(&id);
        self.replacements.forget(id);
        let signing = self.signing().take_if(|signing| signing.id() == id);
        // Not under the lock.
        drop(signing);
    }

    /// Gives up everything.
    pub(crate) fn clear(&self) {
        self.trails.clear();
        self.follows.clear();
        self.prepares.clear();
        self.sends.clear();
        self.standing.clear();
        self.again.clear();
        self.replacements.clear();
        let signing = self.take_signing();
        drop(signing);
    }

    fn signing(&self) -> MutexGuard<'_, Option<Signing>> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the signer is being asked.
    pub(crate) fn is_signing(&self) -> bool {
        self.signing().is_some()
    }

    pub(crate) fn take_signing(&self) -> Option<Signing> {
        self.signing().take()
    }

    /// Lets a question to the signer go on.
    pub(crate) fn sign(&self, signing: Signing) {
        *self.signing() = Some(signing);
    }
}
