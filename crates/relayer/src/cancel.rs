//! Replacing what is not mined: at a higher price, or by a self-transfer if the call can no
//! longer succeed or is no longer wanted.
//!
//! A call that would revert is not bumped: it would be paid for and fail. A self-transfer at
//! its nonce costs a fraction, and the state the job ends in is stored before that is signed.
//! Whichever of the two is mined decides.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, Bytes};

use crate::{
    asking::{Listening, Place, Question},
    backend::{BlockRef, Call, Simulated},
    drive::{Core, Result, call_of, within},
    error::RelayerError,
    fees::{self, Fees},
    job::{Attempt, AttemptOutcome, JobId, JobState, Rejection},
    look::Look,
    prepare::{Offer, Unsigned},
    queue::{Kind, Request},
    signer::SignerError,
    storage::{Job, JobKind},
};

/// Gas of a self-transfer if the node gives no estimate.
const TRANSFER_GAS: u64 = 21_000;
/// The part of the patience, as a divisor, that a signature is waited for in the look that asks for it.
const SOON: u32 = 4;

/// What the signer is asked for to take the place of a transaction.
struct Replacement {
    /// The transaction.
    of: B256,
    unsigned: Unsigned,
    question: Question,
}

/// The replacements that the signer is asked for beside the looks, by job.
#[derive(Default)]
pub(crate) struct Replacements(Mutex<HashMap<JobId, Replacement>>);

impl fmt::Debug for Replacements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacements").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

impl Replacements {
    fn open(&self) -> MutexGuard<'_, HashMap<JobId, Replacement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up what is asked for a job: whether something was.
    pub(crate) fn forget(&self, id: JobId) -> bool {
        // Not under the lock.
        let forgotten = self.open().remove(&id);
        forgotten.is_some()
    }

    /// Gives up everything.
    pub(crate) fn clear(&self) {
        let open = std::mem::take(&mut *self.open());
        drop(open);
    }
}

/// How the signer is asked for replacements.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) replacements: Arc<Replacements>,
    pub(crate) listening: Arc<Listening>,
    pub(crate) patience: Option<Duration>,
}

/// What is asked of the signer to take the place of a job's transaction.
fn request(job: &Job, cancels: bool) -> Request {
    let transfer = cancels || job.kind == JobKind::Gap;
    Request { kind: if transfer { Kind::Transfer } else { Kind::Replacement }, job: job.id }
}

impl Core {
    /// Replaces the last of `attempts`, all at the job's nonce, at a higher price; if that is
    /// not possible, broadcasts it again. With patience, a signature that does not come is one of the
    /// `open` replacements until it is there.
    pub(crate) async fn replace(
        self: &Arc<Self>,
        look: &Look,
        job: &Job,
        attempts: &[Attempt],
        asking: &Asking,
    ) -> Result<JobState> {
        let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else {
            return Ok(JobState::Submitted);
        };
        let mut late = None;
        let asked = asking.replacements.open().remove(&job.id);
        match asked
            .filter(|asked| asked.of == last.hash && asked.unsigned.cancels == job.ending.is_some())
        {
            Some(mut asked) => match asked.question.now_or_never() {
                Some(answer) => {
                    let Some(answer) = asked.question.answered(answer) else {
                        return Ok(JobState::Submitted);
                    };
                    late = Some((asked.unsigned, answer?));
                }
                None => return self.keep_replacing(job, asked, asking).await,
            },
            // Its turn comes: nothing is asked about it until then.
            None if asking.patience.is_some() => {
                let request = request(job, job.ending.is_some());
                let mut queue = self.queue();
                queue.wait(request);
                if !queue.may_ask(&request, Instant::now()) {
                    return Ok(JobState::Submitted);
                }
            }
            None => {}
        }
        let doomed;
        let (job, estimate) = match self.estimate(job).await {
            Ok(Simulated::Ok(estimate)) => (job, estimate),
            Ok(Simulated::Reverted(_)) => match self.doom(job, last.nonce).await? {
                Some(ending) => {
                    tracing::warn!(job = %job.id, %ending, "the call can no longer succeed");
                    self.storage.set_ending(job.id, &ending).await?;
                    self.queue().call_off(job.id);
                    doomed = Job { ending: Some(ending), ..job.clone() };
                    (&doomed, TRANSFER_GAS)
                }
                // The pending transaction was mined in between: keep the limit.
                None => (job, 0),
            },
            Err(_) => (job, 0),
        };
        let cancels = job.ending.is_some();
        if let Some((unsigned, signed)) = late
            && unsigned.cancels == cancels
        {
            return self.replaced(job, unsigned, signed).await;
        }
        let least = match cancels && !last.cancels {
            true => TRANSFER_GAS,
            false => last.gas_limit,
        };
        let (margin, limit) = (self.config.gas_margin_percent, self.config.max_gas_limit);
        let gas_limit = fees::gas_limit(estimate, margin, least, limit);
        match self.raised(look, job, first, last, gas_limit).await {
            Ok(fees) => {
                let offer = Offer { fees, gas_limit, tip: fees.tip };
                let unsigned = Unsigned { nonce: last.nonce, offer, cancels };
                self.ask_for_replacement(job, last.hash, unsigned, asking).await
            }
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "no replacement");
                if let RelayerError::Fees(cap) = &error {
                    self.storage.set_note(job.id, Some(&cap.to_string())).await?;
                }
                // The call itself is no longer wanted, but a nonce that is filled is better than
                // a hole, behind which every later one waits.
                let pending = last.outcome == AttemptOutcome::Accepted && !self.overdue(last);
                if cancels && !last.cancels && pending {
                    return Ok(JobState::Submitted);
                }
                self.broadcast(job, last, false).await
            }
        }
    }

    /// Asks the signer for what takes the place of the transaction `of`, if it is its turn.
    async fn ask_for_replacement(
        self: &Arc<Self>,
        job: &Job,
        of: B256,
        unsigned: Unsigned,
        asking: &Asking,
    ) -> Result<JobState> {
        let (request, now) = (request(job, unsigned.cancels), Instant::now());
        {
            let mut queue = self.queue();
            queue.wait(request);
            match asking.patience {
                Some(_) if queue.next(&[request], now).is_none() => return Ok(JobState::Submitted),
                Some(_) => {}
                None => queue.ask(request, now),
            }
        }
        let place = Place::of(Arc::clone(self), request);
        let tx = self.transaction(job, &unsigned);
        let mut question = Question::ask(place, tx, asking.patience.is_some());
        let soon = asking.patience.map(|patience| patience / SOON);
        match within(soon, question.answer()).await {
            Some(answer) => match question.answered(answer) {
                Some(answer) => self.replaced(job, unsigned, answer?).await,
                None => Ok(JobState::Submitted),
            },
            None => self.keep_replacing(job, Replacement { of, unsigned, question }, asking).await,
        }
    }

    /// The signer has not answered about a replacement: what is there is watched meanwhile.
    async fn keep_replacing(
        &self,
        job: &Job,
        asked: Replacement,
        asking: &Asking,
    ) -> Result<JobState> {
        if asking.patience.is_some_and(|patience| asked.question.waited() >= patience) {
            let silent = SignerError::Silent { address: self.scope.sender };
            self.note(job, silent.to_string()).await?;
        }
        if self.queue().is_over(&asked.question.request(), Instant::now()) {
            asking.listening.give_up(asked.question);
        } else {
            asking.replacements.open().insert(job.id, asked);
        }
        Ok(JobState::Submitted)
    }

    /// The signer signed a replacement.
    async fn replaced(
        &self,
        job: &Job,
        unsigned: Unsigned,
        (hash, raw): (B256, Bytes),
    ) -> Result<JobState> {
        let attempt = self.store_signed(job, unsigned, hash, raw).await?;
        self.broadcast(job, &attempt, false).await
    }

    async fn estimate(&self, job: &Job) -> Result<Simulated<u64>> {
        let sender = self.scope.sender;
        let call = match job.ending {
            Some(_) => Call {
                from: sender,
                to: Some(sender),
                data: Default::default(),
                value: Default::default(),
            },
            None => call_of(job, sender),
        };
        Ok(self.backend.estimate_gas(&call).await?)
    }

    /// The state that a job ends in because its call, not mined at `nonce` yet, reverts now;
    /// `None` if it does not, or if it reverts because it has happened.
    async fn doom(&self, job: &Job, nonce: u64) -> Result<Option<JobState>> {
        if job.kind == JobKind::Gap || job.ending.is_some() {
            return Ok(None);
        }
        let call = call_of(job, self.scope.sender);
        let Simulated::Reverted(data) = self.backend.call(&call, BlockRef::Latest).await? else {
            return Ok(None);
        };
        if self.backend.nonce(self.scope.sender, BlockRef::Latest).await? > nonce {
            return Ok(None);
        }
        let revert = self.decode(&data);
        // What is recorded already is looked at again when the nonce is free.
        let done = revert.already_recorded;
        let rejected = || JobState::Rejected(Rejection::Simulation { revert });
        Ok(Some(if done { JobState::Queued } else { rejected() }))
    }

    /// Fees that a node takes for a replacement of `last`, within the caps.
    async fn raised(
        &self,
        look: &Look,
        job: &Job,
        first: &Attempt,
        last: &Attempt,
        gas_limit: u64,
    ) -> Result<Fees> {
        let market = look.market().await?;
        let policy = self.config.fee_policy();
        if job.ending.is_some() || job.kind == JobKind::Gap {
            // What it has to outbid is not its own; it is cheap, and capped by itself.
            // Calls leave room for it below the caps.
            return Ok(fees::transfer(Some(last.fees), market, &policy, gas_limit)?);
        }
        let value = job.request.value;
        // The first offer was for as much gas as was asked for then. What the call needs may have
        // changed, or a node have said too little: the price is what must not run away.
        let offered = fees::cost(first.fees, gas_limit.max(first.gas_limit), value);
        let fees = fees::bump(last.fees, market, &policy.with_room().after(first.fees))?;
        policy.check_cost(fees::cost(fees, gas_limit, value), Some(offered))?;
        Ok(fees)
    }

    /// Notes what keeps a job from being sent.
    pub(crate) async fn note(&self, job: &Job, note: String) -> Result<()> {
        if job.note.as_deref() != Some(note.as_str()) {
            self.storage.set_note(job.id, Some(&note)).await?;
        }
        Ok(())
    }
}
