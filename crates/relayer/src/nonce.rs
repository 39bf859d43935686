//! Nonces: one owner, one reservation at a time.
//!
//! The database knows every nonce that was ever given away, the chain knows what was used
//! outside, and the larger of the two answers is the next one, if they are not too far apart
//! to be believed. A [`Reservation`] holds the only permission to sign for a new nonce;
//! storing the signed transaction makes it taken, and dropping the reservation before that
//! rolls it back, because then nothing was recorded. Broadcasts begin in the order of nonces; a node
//! that takes none before the one below it is offered it again once that one was answered.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{config::RelayerConfig, drive::Core, error::RelayerError, look::Look, storage::Job};

/// How long a count that is too high has to be told of a key that is new to the database.
const FIRST: Duration = Duration::from_secs(6);
/// A doubt that was not looked into for longer begins anew, unless it takes longer to be over.
const PAUSE: Duration = Duration::from_secs(30);

/// Gives out the nonces of one sender.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    turn: Arc<Mutex<()>>,
    doubt: std::sync::Mutex<Option<Doubt>>,
}

/// That a count is too high to be believed at once. Times are in milliseconds since 1970.
#[derive(Debug, PartialEq, Eq)]
struct Doubt {
    /// The least that was told, and since when.
    least: u64,
    since: u64,
    /// When it was told last.
    last: u64,
}

impl Doubt {
    /// Notes what is told now: whether as much was told for `patience`, without a longer pause, and no
    /// more than `limit` above that.
    fn is_over(
        doubt: &mut Option<Self>,
        told: u64,
        limit: u64,
        (patience, pause): (Duration, Duration),
        now: u64,
    ) -> bool {
        let since = |then: u64| u128::from(now.saturating_sub(then));
        match doubt {
            Some(Self { least, since: first, last })
                if told.checked_sub(*least).is_some_and(|more| more <= limit)
                    && since(*last) <= pause.as_millis() =>
            {
                *last = now;
                since(*first) >= patience.as_millis()
            }
            _ => {
                *doubt = Some(Self { least: told, since: now, last: now });
                false
            }
        }
    }
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
        if stored > 0 {
            self.check_distance(used, stored)?;
        }
        self.check_told(used, stored)?;
        self.check_distance(pooled, used.max(stored))?;
        Ok(Counts { used, pooled, stored })
    }

    /// Refuses a count that would leave more nonces missing, if it is wrong, than are filled, until it
    /// is told for twice as long as a transaction waits for its replacement. A key that is new here may
    /// have any history: some seconds tell a slip of the node from it.
    fn check_told(&self, used: u64, stored: u64) -> Result<(), RelayerError> {
        let RelayerConfig { max_gaps: limit, resubmit_after, poll_interval, .. } = self.config;
        let patience = if stored > 0 { resubmit_after * 2 } else { FIRST };
        let pause = PAUSE.max(patience).max(poll_interval * 4);
        let mut doubt = self.nonces.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if used.saturating_sub(stored) <= limit {
            *doubt = None;
            return Ok(());
        }
        if Doubt::is_over(&mut doubt, used, limit, (patience, pause), self.clock.now_ms()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_believed_once_it_is_told_for_long_and_not_when_it_is_told_twice() {
        let (mut doubt, times) = (None, (Duration::from_secs(6), Duration::from_secs(30)));
        let mut told = |count, seconds: u64| {
            Doubt::is_over(&mut doubt, count, 16, times, 1_000_000 + seconds * 1000)
        };
        // It goes up as others send with the key.
        assert!(!told(40, 0) && !told(41, 3) && told(42, 6) && told(42, 7));
        // Told again after an hour, it is new.
        assert!(!told(42, 3600) && !told(42, 3605) && told(42, 3606));
        // Less is another count, and so is much more.
        assert!(!told(41, 3607) && !told(41, 3612) && told(41, 3613));
        assert!(!told(58, 3614) && !told(41, 3615) && !told(58, 3621) && told(58, 3627));
    }
}
