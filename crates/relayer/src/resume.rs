//! Nonces at a start: what an earlier run left, and how much of it is believed and paid for.

use std::collections::BTreeSet;

use crate::{backend::BlockRef, drive::Core, error::RelayerError, job::JobState};

impl Core {
    /// Brings the jobs' nonces in line with the chain: final transactions that were undone
    /// are taken up again, and nonces that were signed for and that nothing holds are given
    /// to self-transfers. Neither happens beyond what the settings allow.
    pub(crate) async fn mend_nonces(&self) -> Result<(), RelayerError> {
        let (scope, limit) = (self.scope, self.config.max_nonce_distance);
        // What was only planned, perhaps upon a lie, is planned anew.
        self.storage.forget_unsigned_gaps(scope).await?;
        let used = self.backend.nonce(scope.sender, BlockRef::Latest).await?;
        let pooled = self.backend.nonce(scope.sender, BlockRef::Pending).await?;
        let next = self.storage.next_nonce(scope).await?;
        if next > 0 {
            self.check_distance(used, next)?;
        }
        self.check_distance(pooled, used.max(next))?;
        let holders = self.storage.holders(scope, used).await?;
        let undone = || holders.iter().filter(|job| job.state.is_terminal());
        if undone().count() as u64 > limit {
            return Err(self.distance(used, next));
        }
        for job in undone() {
            tracing::error!(job = %job.id, nonce = job.nonce, "a final transaction was undone");
            let now = self.clock.now_ms();
            let mined = job.receipt.as_ref().map(|receipt| receipt.hash);
            let attempts = self.storage.attempts(job.id).await?;
            let cancelled = attempts.iter().any(|each| each.cancels && Some(each.hash) == mined);
            if cancelled {
                // What was given up stays given up.
                self.storage.set_ending(job.id, &job.state).await?;
            }
            self.storage.set_state(job.id, &JobState::Submitted, None, now).await?;
        }
        // Below the pool's count something else holds a nonce that no job does.
        let from = used.max(pooled);
        let held: BTreeSet<u64> = holders.iter().filter_map(|job| job.nonce).collect();
        let count = next.saturating_sub(from).saturating_sub(held.range(from..).count() as u64);
        let mut gaps = (from..next).filter(|nonce| !held.contains(nonce));
        if count > self.config.max_gaps {
            let first = gaps.next().unwrap_or(from);
            let (address, limit) = (scope.sender, self.config.max_gaps);
            return Err(RelayerError::TooManyGaps { address, count, first, limit });
        }
        for nonce in gaps {
            tracing::warn!(nonce, "filling a gap in the nonces");
            self.storage.create_gap(scope, nonce, self.clock.now_ms()).await?;
        }
        Ok(())
    }

    /// Refuses a count of the sender's transactions that is too far above what is known.
    pub(crate) fn check_distance(&self, found: u64, known: u64) -> Result<(), RelayerError> {
        match found.saturating_sub(known) > self.config.max_nonce_distance {
            true => Err(self.distance(found, known)),
            false => Ok(()),
        }
    }

    fn distance(&self, found: u64, known: u64) -> RelayerError {
        RelayerError::NonceDistance {
            endpoint: self.backend.name(),
            address: self.scope.sender,
            found,
            known,
            limit: self.config.max_nonce_distance,
        }
    }
}
