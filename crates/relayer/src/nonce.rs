//! Nonces: one owner, one reservation at a time.
//!
//! The database knows every nonce that was ever given away, the chain knows what was used
//! outside, and the larger of the two answers is the next one, if they are not too far apart
//! to be believed. A [`Reservation`] holds the only permission to sign for a new nonce;
//! storing the signed transaction makes it taken, and dropping the reservation before that
//! rolls it back, because then nothing was recorded. Broadcasts begin in the order of nonces; a node
//! that takes none before the one below it is offered it again once that one was answered.

use tokio::sync::{Mutex, MutexGuard};

use crate::{drive::Core, error::RelayerError, look::Look, storage::Job};

/// Gives out the nonces of one sender.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    turn: Mutex<()>,
}

/// The right to sign for the next nonce.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    nonce: u64,
    _turn: MutexGuard<'a, ()>,
}

impl Reservation<'_> {
    pub(crate) const fn nonce(&self) -> u64 {
        self.nonce
    }
}

/// How many transactions the sender has, as far as anybody knows.
struct Counts {
    /// In blocks.
    used: u64,
    /// In blocks and in the node's pool.
    pooled: u64,
    /// Below the next nonce of the database.
    stored: u64,
}

impl Core {
    /// Waits for the turn and finds the next nonce.
    pub(crate) async fn reserve(&self, look: &Look) -> Result<Reservation<'_>, RelayerError> {
        let turn = self.nonces.turn.lock().await;
        let Counts { used, pooled, stored } = self.counts(look).await?;
        Ok(Reservation { nonce: used.max(pooled).max(stored), _turn: turn })
    }

    /// Whether a job has to wait for transactions of its sender that are in the node's pool
    /// and not in the database, and notes that it does.
    ///
    /// They may be the job's own, sent before the database was lost, and the chain shows what
    /// they do only once they are mined. Waiting costs nothing: no later nonce is mined before
    /// theirs.
    pub(crate) async fn waits_for_others(
        &self,
        look: &Look,
        job: &Job,
    ) -> Result<bool, RelayerError> {
        let Counts { used, pooled, stored } = self.counts(look).await?;
        let others = pooled.saturating_sub(used.max(stored));
        if others == 0 {
            return Ok(false);
        }
        let note = format!(
            "the node's pool holds transactions of {} that this database does not know ({others}); \
             they may be this job's, so that it waits until they are mined or gone",
            self.scope.sender
        );
        self.note(job, note).await?;
        Ok(true)
    }

    /// The counts, if they are not too far apart to be believed.
    async fn counts(&self, look: &Look) -> Result<Counts, RelayerError> {
        let (used, pooled) = look.counts().await?;
        let stored = self.storage.next_nonce(self.scope).await?;
        // A key that is new here may have any history; one that is known has this one.
        if stored > 0 {
            self.check_distance(used, stored)?;
        }
        self.check_distance(pooled, used.max(stored))?;
        Ok(Counts { used, pooled, stored })
    }
}
