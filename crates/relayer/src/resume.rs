//! Nonces that are missing: what an earlier run left, or a reorganization deeper than finality, and
//! how much of it is believed and paid for.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream};

use crate::{
    backend::{BlockRef, RpcError},
    drive::{Core, Result, within},
    error::RelayerError,
    job::{AttemptOutcome, JobId, JobState},
    look::Look,
    storage::Job,
};

/// What is known of nonces below others that are held.
enum Missing {
    /// None is missing.
    Nothing,
    /// The lowest one that is.
    From(u64),
    /// The node does not say what is used.
    Unknown,
}

/// How many times longer than for a question it is waited for all that mends the nonces.
const MENDING: u32 = 15;

impl Core {
    /// Brings the jobs' nonces in line with the chain: final transactions that were undone
    /// are taken up again, and nonces that were signed for and that nothing holds are given
    /// to self-transfers. Neither happens beyond what the settings allow.
    pub(crate) async fn mend_nonces(&self) -> Result<()> {
        // What was only planned, perhaps upon a lie, is planned anew.
        self.storage.forget_unsigned_gaps(self.scope).await?;
        self.mend(None).await
    }

    /// The same while jobs are under way. Nothing is done while the node is behind a block that held
    /// one of the final transactions, or still has it: then its count is what is wrong. Whether
    /// something was done.
    async fn mend_meanwhile(&self) -> Result<bool> {
        let used = self.backend.nonce(self.scope.sender, BlockRef::Latest).await?;
        let holders = self.storage.holders(self.scope, used).await?;
        for job in holders.iter().filter(|job| job.state.is_terminal()) {
            if self.stands(job).await? {
                tracing::warn!(job = %job.id, nonce = job.nonce, used,
                               "the node counts less than it has, or is behind");
                return Ok(false);
            }
        }
        self.mend(Some(used)).await?;
        Ok(true)
    }

    /// Whether the block of a final transaction is on the chain, or above the node's head.
    async fn stands(&self, job: &Job) -> std::result::Result<bool, RpcError> {
        let head = self.head().await?;
        if let Some(receipt) = &job.receipt {
            if receipt.block_number > head.number {
                return Ok(true);
            }
            let block = self.backend.block(BlockRef::Number(receipt.block_number)).await?;
            return Ok(block.is_none_or(|block| block.hash == receipt.block_hash));
        }
        match (&job.state, &job.request.effect) {
            (JobState::Finalized, Some(effect)) => {
                effect.is_there(self.backend.as_ref(), head.number).await
            }
            _ => Ok(false),
        }
    }

    /// `seen` is a count from which the caller drew its conclusions.
    async fn mend(&self, seen: Option<u64>) -> Result<()> {
        let (scope, limit) = (self.scope, self.config.max_nonce_distance);
        let used = self.backend.nonce(scope.sender, BlockRef::Latest).await?;
        if seen.is_some_and(|seen| seen != used) {
            // It moves: it is looked at again.
            return Ok(());
        }
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
            self.take_up_again(job).await?;
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

    /// A final transaction was undone: its job is pending again.
    async fn take_up_again(&self, job: &Job) -> Result<()> {
        tracing::error!(job = %job.id, nonce = job.nonce, "a final transaction was undone");
        let now = self.clock.now_ms();
        let mined = job.receipt.as_ref().map(|receipt| receipt.hash);
        let attempts = self.storage.attempts(job.id).await?;
        let cancelled = attempts.iter().any(|each| each.cancels && Some(each.hash) == mined);
        if cancelled {
            // What was given up stays given up.
            self.storage.set_ending(job.id, &job.state).await?;
        }
        // The same bytes go out again, before any at a higher price.
        let own = attempts.iter().rfind(|each| Some(each.nonce) == job.nonce);
        if let Some(last) = own {
            self.storage.set_outcome(last.hash, AttemptOutcome::Stored, now).await?;
        }
        self.storage.set_state(job.id, &JobState::Submitted, None, now).await?;
        self.undone.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Broadcasts every stored transaction that is not final again, the same bytes, in the order of
    /// their nonces, `most` at a time. The pending jobs.
    pub(crate) async fn broadcast_stored(&self, most: usize) -> Result<Vec<JobId>> {
        let pending = self.storage.pending(self.scope).await?;
        let sending = pending.iter().map(|job| self.broadcast_last(job).boxed());
        let sending = sending.collect::<Vec<_>>();
        let mut answers = stream::iter(sending).buffered(most);
        while let Some(answer) = answers.next().await {
            match answer {
                Err(error) if !error.is_transient() => return Err(error),
                // What was not taken is offered with the next look.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(pending.iter().map(|job| job.id).collect())
    }

    async fn broadcast_last(&self, job: &Job) -> Result<()> {
        let attempts = self.storage.attempts(job.id).await?;
        let current = attempts.iter().filter(|attempt| Some(attempt.nonce) == job.nonce);
        let Some(last) = current.last() else { return Ok(()) };
        tracing::info!(job = %job.id, hash = %last.hash, nonce = last.nonce,
                       "broadcasting a stored transaction again");
        self.broadcast(job, last, false).await.map(drop)
    }

    /// The lowest nonce that nothing holds below others that are held, as far as the chain says what
    /// is used. One that stays for longer than a transaction waits for its replacement is mended. The
    /// jobs of `mined` have a receipt.
    pub(crate) async fn look_for_hole(
        &self,
        look: &Look,
        mined: &[JobId],
        patience: Option<Duration>,
    ) -> Option<u64> {
        let found = match self.missing(look, mined, patience).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "whether a nonce is missing is not known");
                Missing::Unknown
            }
        };
        match found {
            Missing::From(nonce) => {
                if self.is_old_hole() {
                    tracing::error!(nonce, "a nonce is missing for long: mending");
                    self.mend_hole(patience).await;
                }
                Some(nonce)
            }
            Missing::Unknown => None,
            Missing::Nothing => {
                *self.hole.lock().unwrap_or_else(PoisonError::into_inner) = None;
                None
            }
        }
    }

    async fn missing(
        &self,
        look: &Look,
        mined: &[JobId],
        patience: Option<Duration>,
    ) -> Result<Missing> {
        let pending = self.storage.pending(self.scope).await?;
        if pending.first().is_some_and(|lowest| mined.contains(&lowest.id)) {
            return Ok(Missing::Nothing);
        }
        let held: BTreeSet<u64> = pending.iter().filter_map(|job| job.nonce).collect();
        let next = match held.last() {
            Some(last) => *last,
            // Nothing is under way: what is final is looked at now and then.
            None => {
                let last = self.idle_ms.load(Ordering::Relaxed);
                let waited = u128::from(self.clock.now_ms().saturating_sub(last));
                let found = self.hole.lock().unwrap_or_else(PoisonError::into_inner).is_some();
                if !found && waited < self.config.resubmit_after.as_millis() {
                    return Ok(Missing::Nothing);
                }
                self.idle_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                self.storage.next_nonce(self.scope).await?
            }
        };
        if next == 0 {
            return Ok(Missing::Nothing);
        }
        let Some(used) = within(patience, look.used()).await else { return Ok(Missing::Unknown) };
        let missing = (used?..next).find(|nonce| !held.contains(nonce));
        Ok(missing.map_or(Missing::Nothing, Missing::From))
    }

    /// Whether a nonce has been missing long enough, from now on if none was.
    fn is_old_hole(&self) -> bool {
        let now = self.clock.now_ms();
        let mut hole = self.hole.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *hole.get_or_insert(now);
        let old = u128::from(now.saturating_sub(since)) >= self.config.resubmit_after.as_millis();
        if old {
            // What is done now has as long again to show.
            *hole = Some(now);
        }
        old
    }

    async fn mend_hole(&self, patience: Option<Duration>) {
        let mending = async {
            if self.mend_meanwhile().await? {
                self.broadcast_stored(self.config.concurrency).await?;
            }
            Ok::<_, RelayerError>(())
        };
        // It is rare, and everything waits for it; a node that stalls ends it, and it is tried again.
        match within(patience.map(|patience| patience * MENDING), mending).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "the nonces are not mended"),
            None => tracing::error!("the nonces are not mended: the node does not answer"),
        }
    }

    /// Refuses a count of the sender's transactions that is too far above what is known.
    pub(crate) fn check_distance(&self, found: u64, known: u64) -> Result<()> {
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
