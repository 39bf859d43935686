//! Nonces that are missing: what an earlier run left, or a reorganization deeper than finality, and
//! how much of it is believed and paid for.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{
    backend::{BlockRef, RpcError, RpcErrorKind},
    drive::{Core, Result, within},
    error::RelayerError,
    job::{Attempt, AttemptOutcome, JobId, JobState},
    line::Line,
    look::Look,
    open::Open,
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

/// A nonce that is missing.
#[derive(Debug)]
pub(crate) struct Hole {
    nonce: u64,
    /// Since when one is, in milliseconds since 1970.
    since: u64,
    /// When something was begun against it, or it was found.
    tried: u64,
    /// Why it still is, once something was.
    why: Option<String>,
}

/// Where final transactions are that the node does not count.
pub(crate) struct Standing {
    /// What it counts.
    used: u64,
    /// One of them that is on the chain, or above the node's head.
    there: Option<(JobId, Option<u64>)>,
}

/// How many times longer than for one question it is waited for the counts that decide what is mended.
const COUNTS: u32 = 3;
/// How often it is asked about a transaction, if the node fails to answer.
const PASSES: usize = 5;

impl Core {
    /// Brings the jobs' nonces in line with the chain: final transactions that were undone
    /// are taken up again, and nonces that were signed for and that nothing holds are given
    /// to self-transfers. Neither happens beyond what the settings allow.
    pub(crate) async fn mend_nonces(&self) -> Result<()> {
        // What was only planned, perhaps upon a lie, is planned anew.
        self.storage.forget_unsigned_gaps(self.scope).await?;
        self.mend(None, None).await
    }

    /// What has to be known before the same is done while jobs are under way: nothing is done while the
    /// node is behind a block that held one of the final transactions, or still has it. Then its count
    /// is what is wrong.
    async fn standing(self: Arc<Self>) -> Result<Standing> {
        let used = self.backend.nonce(self.scope.sender, BlockRef::Latest).await?;
        let mut left = self.storage.holders(self.scope, used).await?;
        left.retain(|job| job.state.is_terminal());
        // The highest block first: where it stands, the others need not be asked about.
        left.sort_by_key(|job| Reverse(job.receipt.as_ref().map(|receipt| receipt.block_number)));
        for pass in 1.. {
            let look = Look::new(&self);
            let asking = left.iter().map(|job| self.stands(&look, job).boxed());
            let asking = asking.collect::<Vec<_>>();
            let mut answers = stream::iter(asking).buffered(self.config.concurrency).enumerate();
            let (mut again, mut failed) = (Vec::new(), None);
            while let Some((at, answer)) = answers.next().await {
                match answer {
                    Ok(true) => {
                        let there = left.get(at).map(|job| (job.id, job.nonce));
                        return Ok(Standing { used, there });
                    }
                    Ok(false) => {}
                    Err(error) => {
                        again.extend(left.get(at).cloned());
                        failed = Some(error);
                    }
                }
            }
            drop(answers);
            match failed {
                Some(error) if pass >= PASSES => return Err(error.into()),
                // What was answered is not asked again.
                Some(_) => left = again,
                None => break,
            }
        }
        Ok(Standing { used, there: None })
    }

    /// Whether the block of a final transaction is on the chain, or above the node's head.
    async fn stands(&self, look: &Look, job: &Job) -> std::result::Result<bool, RpcError> {
        let head = look.head().await?;
        if let Some(receipt) = &job.receipt {
            if receipt.block_number > head.number {
                return Ok(true);
            }
            let block = look.block(receipt.block_number).await?;
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
    async fn mend(&self, seen: Option<u64>, patience: Option<Duration>) -> Result<()> {
        let (scope, limit) = (self.scope, self.config.max_nonce_distance);
        // Only the questions are cut off, never what is written.
        let asking = async {
            let used = self.backend.nonce(scope.sender, BlockRef::Latest).await?;
            let pooled = self.backend.nonce(scope.sender, BlockRef::Pending).await?;
            Ok::<_, RpcError>((used, pooled))
        };
        // It is rare, and everything waits for it.
        let patience = patience.map(|patience| patience * COUNTS);
        let (used, pooled) = within(patience, asking).await.unwrap_or_else(|| {
            let (name, words) = (self.backend.name(), "no answer in time");
            Err(RpcError::new(RpcErrorKind::TimedOut, &name, "eth_getTransactionCount", words))
        })?;
        if seen.is_some_and(|seen| seen != used) {
            // It moves: it is looked at again.
            return Ok(());
        }
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
    /// their nonces; those for which there is no time, with the next looks. The pending jobs.
    pub(crate) async fn broadcast_stored(&self, time: Duration) -> Result<Vec<JobId>> {
        let until = Instant::now() + time;
        let pending = self.storage.pending(self.scope).await?;
        let sending = pending.iter().map(|job| self.broadcast_last(job).boxed());
        let sending = sending.collect::<Vec<_>>();
        let mut answers = stream::iter(sending).buffered(self.config.concurrency);
        let mut answered = 0;
        while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
            answered += 1;
            match answer {
                Err(error) if !error.is_transient() => return Err(error),
                // What was not taken is offered with the next look.
                Ok(()) | Err(_) => {}
            }
        }
        drop(answers);
        for job in pending.iter().skip(answered) {
            if let Some(last) = self.last_attempt(job).await? {
                let (stored, now) = (AttemptOutcome::Stored, self.clock.now_ms());
                self.storage.set_outcome(last.hash, stored, now).await?;
            }
        }
        Ok(pending.iter().map(|job| job.id).collect())
    }

    async fn broadcast_last(&self, job: &Job) -> Result<()> {
        match self.last_attempt(job).await? {
            Some(last) => self.broadcast_attempt(job, &last).await,
            None => Ok(()),
        }
    }

    async fn last_attempt(&self, job: &Job) -> Result<Option<Attempt>> {
        let attempts = self.storage.attempts(job.id).await?;
        Ok(attempts.into_iter().rfind(|attempt| Some(attempt.nonce) == job.nonce))
    }

    async fn broadcast_attempt(&self, job: &Job, last: &Attempt) -> Result<()> {
        tracing::info!(job = %job.id, hash = %last.hash, nonce = last.nonce,
                       "broadcasting a stored transaction again");
        self.broadcast(job, last, false).await.map(drop)
    }

    /// [`Self::broadcast_stored`] beside what is under way: who is not answered goes on later.
    async fn broadcast_beside(
        self: &Arc<Self>,
        open: &Open,
        patience: Option<Duration>,
    ) -> Result<()> {
        let mut line = Line::new(&open.again, self.config.concurrency, patience);
        for job in self.storage.pending(self.scope).await? {
            // Read before it is asked, so that they begin in the order of their nonces.
            if let Some(last) = self.last_attempt(&job).await? {
                let core = Arc::clone(self);
                line.push(job.id, async move { core.broadcast_attempt(&job, &last).await });
            }
        }
        while let Some((id, answer)) = line.next().await {
            if let Err(error) = answer {
                // What was not taken is offered with the next look.
                tracing::warn!(job = %id, %error, "a stored transaction is not taken");
            }
        }
        Ok(())
    }

    /// The lowest nonce that nothing holds below others that are held, as far as the chain says what
    /// is used, and why, once that is known. One that stays for longer than a transaction waits for its
    /// replacement is mended. The jobs of `mined` have a receipt.
    pub(crate) async fn look_for_hole(
        self: &Arc<Self>,
        look: &Look,
        mined: &[JobId],
        open: &Open,
        patience: Option<Duration>,
    ) -> Option<(u64, Option<String>)> {
        let found = match self.missing(look, mined, patience).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "whether a nonce is missing is not known");
                Missing::Unknown
            }
        };
        match found {
            Missing::From(nonce) => {
                if self.is_old_hole(nonce) || open.standing.holds(&()) {
                    let why = self.mend_hole(nonce, open, patience).await;
                    if let Some(hole) = self.hole().as_mut() {
                        hole.why = why;
                    }
                }
                Some((nonce, self.hole().as_ref().and_then(|hole| hole.why.clone())))
            }
            Missing::Unknown => None,
            Missing::Nothing => {
                *self.hole() = None;
                open.standing.forget(&());
                None
            }
        }
    }

    fn hole(&self) -> std::sync::MutexGuard<'_, Option<Hole>> {
        self.hole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest nonce that is missing, if one is for longer than a transaction waits for its
    /// replacement.
    pub(crate) fn old_hole(&self) -> Option<u64> {
        let (now, patience) = (self.clock.now_ms(), self.config.resubmit_after.as_millis());
        let hole = self.hole();
        let old = |hole: &&Hole| u128::from(now.saturating_sub(hole.since)) >= patience;
        hole.as_ref().filter(old).map(|hole| hole.nonce)
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
                let found = self.hole().is_some();
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

    /// Whether it is time to do something about a nonce that is missing, from now on if none was.
    fn is_old_hole(&self, nonce: u64) -> bool {
        let now = self.clock.now_ms();
        let mut hole = self.hole();
        let hole = hole.get_or_insert(Hole { nonce, since: now, tried: now, why: None });
        hole.nonce = nonce;
        let waited = u128::from(now.saturating_sub(hole.tried));
        let old = waited >= self.config.resubmit_after.as_millis();
        if old {
            // What is done now has as long again to show.
            hole.tried = now;
        }
        old
    }

    /// Mends the nonces, if that is right; the question whether it is goes on beside the looks, however
    /// far away the node is. Why it is not done.
    async fn mend_hole(
        self: &Arc<Self>,
        nonce: u64,
        open: &Open,
        patience: Option<Duration>,
    ) -> Option<String> {
        let asked = open.standing.holds(&());
        let mut line = Line::new(&open.standing, 1, patience);
        if !asked {
            line.push((), Arc::clone(self).standing());
        }
        let Some(((), standing)) = line.next().await else {
            tracing::debug!(nonce, "a nonce is missing for long, and the node is being asked");
            return Some("the node is being asked whether final transactions were undone".into());
        };
        let mended = match standing {
            Ok(Standing { used, there: Some((job, at)) }) => {
                tracing::warn!(%job, nonce = at, used,
                               "the node counts less than it has, or is behind");
                return Some(format!(
                    "the node counts {used} transactions, which is less than it has, or is behind"
                ));
            }
            Ok(Standing { used, there: None }) => {
                tracing::error!(nonce, "a nonce is missing for long: mending");
                self.mend(Some(used), patience).await
            }
            Err(error) => Err(error),
        };
        let mended = match mended {
            Ok(()) => self.broadcast_beside(open, patience).await,
            Err(error) => Err(error),
        };
        mended.err().map(|error| {
            tracing::error!(%error, "the nonces are not mended");
            error.to_string()
        })
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
