//! Nonces: one owner, one reservation at a time.
//!
//! The database knows every nonce that was ever given away, the chain knows what was used
//! outside, and the larger of the two answers is the next one, if they are not too far apart
//! to be believed. A [`Reservation`] holds the only permission to sign for a new nonce;
//! storing the signed transaction makes it taken, and dropping the reservation before that
//! rolls it back, because then nothing was recorded. Broadcasts begin in the order of nonces; a node
//! that takes none before the one below it is offered it again once that one was answered.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{drive::Core, error::RelayerError, look::Look, storage::Job};

/// Gives out the nonces of one sender.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    turn: Arc<Mutex<()>>,
    /// A count that is too high to be believed at once, and since when, in milliseconds since 1970, it
    /// is told.
    doubted: std::sync::Mutex<Option<(u64, u64)>>,
}

/// The right to sign for the next nonce.
#[derive(Debug)]
pub(crate) struct Reservation {
    nonce: u64,
    _turn: OwnedMutexGuard<()>,
}

impl Reservation {
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
    pub(crate) async fn reserve(&self, look: &Look) -> Result<Reservation, RelayerError> {
        let turn = Arc::clone(&self.nonces.turn).lock_owned().await;
        Ok(Reservation { nonce: self.next_nonce(look).await?, _turn: turn })
    }

    /// The next nonce, for whoever has the turn.
    pub(crate) async fn next_nonce(&self, look: &Look) -> Result<u64, RelayerError> {
        let Counts { used, pooled, stored } = self.counts(look).await?;
        Ok(used.max(pooled).max(stored))
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
            self.check_told(used, stored)?;
        }
        self.check_distance(pooled, used.max(stored))?;
        Ok(Counts { used, pooled, stored })
    }

    /// Refuses a count that would leave more nonces missing, if it is wrong, than are filled, until it
    /// is told for twice as long as a transaction waits for its replacement.
    fn check_told(&self, used: u64, stored: u64) -> Result<(), RelayerError> {
        let (limit, patience) = (self.config.max_gaps, self.config.resubmit_after * 2);
        let mut doubted = self.nonces.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if used.saturating_sub(stored) <= limit {
            *doubted = None;
            return Ok(());
        }
        let now = self.clock.now_ms();
        let (least, since) = *doubted.get_or_insert((used, now));
        if used < least {
            *doubted = Some((used, now));
        } else if u128::from(now.saturating_sub(since)) >= patience.as_millis() {
            return Ok(());
        }
        let (endpoint, address) = (self.backend.name(), self.scope.sender);
        Err(RelayerError::NonceDoubted {
            endpoint,
            address,
            found: used,
            known: stored,
            limit,
            patience,
        })
    }
}
