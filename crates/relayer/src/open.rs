//! Questions that go on beside the looks, and how they are given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    asking::Listening,
    cancel::Replacements,
    drive::{Held, Result, Trail},
    job::{JobId, JobState},
    line::Late,
    resume::Standing,
    sending::{Ready, Sent, Signing},
};

/// The questions that are late, of each kind, and what was answered and not used yet.
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
    /// Offers whose turn at the signer did not come.
    ready: Mutex<Vec<Ready>>,
    /// What the signer is asked for.
    signing: Mutex<Vec<Signing>>,
    pub(crate) replacements: Arc<Replacements>,
    pub(crate) listening: Arc<Listening>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes those of a job. They are dropped by the caller: not under the lock.
fn take_of<T>(all: &Mutex<Vec<T>>, is: impl Fn(&T) -> bool) -> Vec<T> {
    lock(all).extract_if(.., |one| is(one)).collect()
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
        self.listening.forget(id);
        drop(take_of(&self.ready, |ready| ready.id() == id));
        drop(take_of(&self.signing, |signing| signing.id() == id));
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
        self.listening.clear();
        drop(self.take_ready());
        drop(self.take_signing());
    }

    pub(crate) fn take_ready(&self) -> Vec<Ready> {
        std::mem::take(&mut *lock(&self.ready))
    }

    /// Keeps offers for the next step.
    pub(crate) fn keep_ready(&self, ready: impl IntoIterator<Item = Ready>) {
        lock(&self.ready).extend(ready);
    }

    pub(crate) fn take_signing(&self) -> Vec<Signing> {
        std::mem::take(&mut *lock(&self.signing))
    }

    /// Lets questions to the signer go on.
    pub(crate) fn keep_signing(&self, signing: Vec<Signing>) {
        lock(&self.signing).extend(signing);
    }
}
