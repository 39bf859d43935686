//! The state machine: one step of one job.
//!
//! [`Core::watch`] and [`Core::send`] look at the chain once for all jobs they are given, do what is
//! due and return; [`Core::tick`] is that for one job. They never wait, and everything that must not
//! be forgotten is in the database before they act, so a step may be cut off anywhere and the next
//! one, in this process or another, goes on from there.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    backend::{BlockRef, Call, ChainBackend, RpcErrorKind},
    cancel::Asking,
    clock::Clock,
    config::RelayerConfig,
    error::RelayerError,
    job::{Attempt, AttemptOutcome, DropReason, JobId, JobState, Rejection, TxReceipt},
    line::Line,
    look::{ABOVE_HOLE, Look},
    nonce::Nonces,
    open::Open,
    prepare::{Offer, Unsigned},
    queue::Queue,
    resume::Hole,
    revert::RevertDecoder,
    signer::RelayerSigner,
    storage::{Job, JobKind, Scope, SenderLock, Storage},
    watch::NonceUser,
};

/// How long a node may show what a transaction did before it shows the receipt.
const RECEIPT_LAG: Duration = Duration::from_secs(2);

pub(crate) type Result<T> = std::result::Result<T, RelayerError>;

/// What became of jobs in a step.
pub(crate) type Steps = Vec<(JobId, Result<JobState>)>;

/// Everything a relayer works with.
pub(crate) struct Core {
    pub(crate) config: RelayerConfig,
    pub(crate) scope: Scope,
    pub(crate) signer: RelayerSigner,
    pub(crate) storage: Storage,
    pub(crate) backend: Arc<dyn ChainBackend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) decoder: Box<dyn RevertDecoder>,
    pub(crate) nonces: Nonces,
    pub(crate) turns: std::sync::Mutex<HashMap<JobId, Arc<Mutex<()>>>>,
    /// The lowest nonce that is missing below others that are held.
    pub(crate) hole: std::sync::Mutex<Option<Hole>>,
    /// What is known of the key's signer.
    pub(crate) queue: std::sync::Mutex<Queue>,
    /// When it was last asked, without anything under way, whether final transactions are there.
    pub(crate) idle_ms: AtomicU64,
    /// Final transactions that were found undone.
    pub(crate) undone: AtomicU64,
    /// What was last logged of a job that goes on.
    pub(crate) logged: std::sync::Mutex<HashMap<JobId, String>>,
    /// Since when, in milliseconds since 1970, a job's effect is seen and no receipt.
    pub(crate) unseen: std::sync::Mutex<HashMap<JobId, u64>>,
    pub(crate) _lock: SenderLock,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("scope", &self.scope)
            .field("backend", &self.backend.name())
            .finish_non_exhaustive()
    }
}

/// A job with the right to change it.
pub(crate) struct Held {
    pub(crate) job: Job,
    turn: OwnedMutexGuard<()>,
}

impl Held {
    pub(crate) const fn state(&self) -> &JobState {
        &self.job.state
    }
}

/// What a question brings within a time, if it brings it.
pub(crate) async fn within<T>(
    patience: Option<Duration>,
    question: impl Future<Output = T>,
) -> Option<T> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, question).await.ok(),
        None => Some(question.await),
    }
}

/// A job's transactions.
pub(crate) struct Trail {
    all: Vec<Attempt>,
    /// Those at its nonce, oldest first.
    attempts: Vec<Attempt>,
    /// The newest receipt of these that the node shows, with its place.
    receipt: Option<(usize, TxReceipt)>,
}

impl Trail {
    /// Whether the node shows a receipt.
    const fn is_mined(&self) -> bool {
        self.receipt.is_some()
    }
}

/// The call of a job, as a node simulates it.
pub(crate) fn call_of(job: &Job, from: Address) -> Call {
    let request = &job.request;
    Call { from, to: request.to, data: request.calldata.clone(), value: request.value }
}

impl Core {
    /// One step of a job. Two callers of the same job take turns.
    pub(crate) async fn tick(self: &Arc<Self>, id: JobId) -> Result<JobState> {
        let turn = self.turn(id).lock_owned().await;
        let job = self.load(id).await?;
        let state = job.state.clone();
        let held = vec![Held { job, turn }];
        // Whoever waits for one job waits as long as it takes.
        let open = Open::default();
        let mut steps = match &state {
            JobState::Queued => self.send(held, &open, None).await,
            JobState::Submitted | JobState::Included => self.watch(held, &open, None).await,
            JobState::Finalized | JobState::Rejected(_) | JobState::Dropped(_) => vec![],
        };
        steps.pop().map_or(Ok(state), |(_, step)| step)
    }

    /// A step of a job is over: what there is to say of it.
    pub(crate) async fn stepped(
        &self,
        held: Held,
        step: Result<JobState>,
    ) -> (JobId, Result<JobState>) {
        let Held { job, turn } = held;
        let id = job.id;
        if let Err(RelayerError::Fees(cap)) = &step
            && let Err(error) = self.note(&job, cap.to_string()).await
        {
            return (id, Err(error));
        }
        if let Ok(state) = &step {
            if state.name() != job.state.name() {
                tracing::info!(job = %id, label = job.request.label, from = job.state.name(),
                               to = %state, "job changed state");
            }
            if state.is_terminal() {
                self.queue().call_off(id);
                let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
                // The map's and this one: nobody else is waiting for the turn.
                if turns.get(&id).is_some_and(|own| Arc::strong_count(own) == 2) {
                    turns.remove(&id);
                }
            }
        }
        drop(turn);
        (id, step)
    }

    /// Those of `ids` that nobody else is at, in their order.
    pub(crate) async fn hold(&self, ids: Vec<JobId>) -> Result<Vec<Held>> {
        let mut held = Vec::with_capacity(ids.len());
        for id in ids {
            // Whoever waited here with turns in hand might wait for ever.
            if let Ok(turn) = self.turn(id).try_lock_owned() {
                held.push(Held { job: self.load(id).await?, turn });
            }
        }
        Ok(held)
    }

    /// A step of jobs whose transactions are signed, at once. None is waited for longer than
    /// `patience`: what is late then goes on with the next step, and holds its turn meanwhile.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        held: Vec<Held>,
        open: &Open,
        patience: Option<Duration>,
    ) -> Steps {
        let most = self.config.concurrency;
        let mut asking = Line::new(&open.trails, most, patience);
        for held in held {
            let core = Arc::clone(self);
            asking.push(held.job.id, async move {
                let trail = core.trail(&held.job).await;
                (held, trail)
            });
        }
        let mut trails = Vec::new();
        while let Some((_, trail)) = asking.next().await {
            trails.push(trail);
        }
        // After the receipts: a block that holds one is compared with the chain as it is since.
        let look = Arc::new(Look::new(self));
        let mined = trails.iter().filter(|(_, trail)| trail.as_ref().is_ok_and(Trail::is_mined));
        let mined: Vec<JobId> = mined.map(|(held, _)| held.job.id).collect();
        if let Some((hole, why)) = self.look_for_hole(&look, &mined, open, patience).await {
            look.set_hole(hole, why);
        }
        open.listening.hear();
        let asking = Arc::new(Asking {
            replacements: Arc::clone(&open.replacements),
            listening: Arc::clone(&open.listening),
            patience,
        });
        let mut following = Line::new(&open.follows, most, patience);
        for (held, trail) in trails {
            let (core, look) = (Arc::clone(self), Arc::clone(&look));
            let asking = Arc::clone(&asking);
            following.push(held.job.id, async move {
                let step = match trail {
                    Ok(trail) => core.follow(&look, &held.job, trail, &asking).await,
                    Err(error) => Err(error),
                };
                core.stepped(held, step).await
            });
        }
        let mut over = Vec::new();
        while let Some((_, step)) = following.next().await {
            over.push(step);
        }
        over
    }

    /// The lock that whoever changes a job holds.
    pub(crate) fn turn(&self, id: JobId) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(id).or_default())
    }

    pub(crate) async fn load(&self, id: JobId) -> Result<Job> {
        let job = self.storage.job(self.scope, id).await?;
        job.ok_or(RelayerError::UnknownJob(id))
    }

    pub(crate) async fn set_state(
        &self,
        id: JobId,
        state: JobState,
        receipt: Option<&TxReceipt>,
    ) -> Result<JobState> {
        self.storage.set_state(id, &state, receipt, self.clock.now_ms()).await?;
        Ok(state)
    }

    /// The transaction of `job`, or the self-transfer that takes its place.
    pub(crate) fn transaction(&self, job: &Job, unsigned: &Unsigned) -> TxEip1559 {
        let Unsigned { nonce, offer: Offer { fees, gas_limit, .. }, cancels } = *unsigned;
        let request = &job.request;
        let (to, value, input) = match cancels {
            true => (Some(self.scope.sender), U256::ZERO, Bytes::new()),
            false => (request.to, request.value, request.calldata.clone()),
        };
        TxEip1559 {
            chain_id: self.scope.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value,
            input,
            ..Default::default()
        }
    }

    /// Writes a signed transaction down. After this it may be broadcast.
    pub(crate) async fn store_signed(
        &self,
        job: &Job,
        unsigned: Unsigned,
        hash: B256,
        raw: Bytes,
    ) -> Result<Attempt> {
        let Unsigned { nonce, offer: Offer { fees, gas_limit, .. }, cancels } = unsigned;
        let attempt = Attempt {
            hash,
            nonce,
            fees,
            gas_limit,
            outcome: AttemptOutcome::Stored,
            created_ms: self.clock.now_ms(),
            broadcast_ms: None,
            cancels,
            raw,
        };
        self.check_word()?;
        self.storage.add_attempt(self.scope, job.id, &attempt).await?;
        tracing::info!(job = %job.id, %hash, nonce, gas_limit, max_fee = fees.max_fee,
                       tip = fees.tip, cancels, "transaction signed and stored");
        Ok(attempt)
    }

    /// Refuses what another process may do by now.
    fn check_word(&self) -> Result<()> {
        match self.queue().may_send(Instant::now(), self.clock.now_ms()) {
            true => Ok(()),
            false => Err(RelayerError::OldWord { address: self.scope.sender }),
        }
    }

    /// Hands a stored transaction to the node and notes the answer. `only` says that the
    /// job has no other transaction that could be mined instead.
    pub(crate) async fn broadcast(
        &self,
        job: &Job,
        attempt: &Attempt,
        only: bool,
    ) -> Result<JobState> {
        self.check_word()?;
        let answer = self.backend.send_raw(&attempt.raw).await;
        let kind = answer.as_ref().err().map(|error| error.kind);
        let outcome = match kind {
            None | Some(RpcErrorKind::AlreadyKnown) => AttemptOutcome::Accepted,
            Some(kind) if kind.wants_higher_price() => AttemptOutcome::Underpriced,
            Some(_) => AttemptOutcome::Failed,
        };
        let now = self.clock.now_ms();
        self.storage.set_outcome(attempt.hash, outcome, now).await?;
        let Err(error) = answer else {
            tracing::debug!(job = %job.id, hash = %attempt.hash, "transaction broadcast");
            return Ok(JobState::Submitted);
        };
        if error.kind == RpcErrorKind::AlreadyKnown {
            return Ok(JobState::Submitted);
        }
        tracing::warn!(job = %job.id, hash = %attempt.hash, %error, "broadcast refused");
        if error.kind.is_permanent() && only && job.kind == JobKind::Call {
            // The nonce is signed for and can never be used by these bytes.
            let state = JobState::Rejected(Rejection::Refused { message: error.message });
            self.storage.replace_by_gap(self.scope, job.id, attempt.nonce, &state, now).await?;
            return Ok(state);
        }
        match error.kind {
            // The next look at the receipts tells whose transaction used the nonce.
            RpcErrorKind::NonceTooLow => Ok(JobState::Submitted),
            kind if kind.wants_higher_price() => Ok(JobState::Submitted),
            _ => Err(error.into()),
        }
    }

    /// A job's transactions, and the newest receipt that the node shows of those at its nonce.
    async fn trail(&self, job: &Job) -> Result<Trail> {
        let all = self.storage.attempts(job.id).await?;
        let attempts: Vec<Attempt> =
            all.iter().filter(|attempt| Some(attempt.nonce) == job.nonce).cloned().collect();
        let mut receipt = None;
        for (at, attempt) in attempts.iter().enumerate().rev() {
            if let Some(found) = self.backend.receipt(attempt.hash).await? {
                receipt = Some((at, found));
                break;
            }
        }
        Ok(Trail { all, attempts, receipt })
    }

    /// Submitted or Included: look at the receipt, and do what is due if there is none.
    async fn follow(
        self: &Arc<Self>,
        look: &Look,
        job: &Job,
        trail: Trail,
        asking: &Asking,
    ) -> Result<JobState> {
        let Trail { all, attempts, receipt } = trail;
        let Some(last) = attempts.last() else {
            // Not reachable through this code; a job without a transaction starts over.
            self.storage.release(job.id, &JobState::Queued, None, self.clock.now_ms()).await?;
            return Ok(JobState::Queued);
        };
        match look.why_above_hole(last.nonce).filter(|_| receipt.is_none()) {
            Some(note) => self.note(job, note).await?,
            None if job.note.as_ref().is_some_and(|note| note.starts_with(ABOVE_HOLE)) => {
                self.storage.set_note(job.id, None).await?;
            }
            None => {}
        }
        if receipt.is_some() {
            // What the signer is asked for is not needed any more.
            self.queue().call_off(job.id);
            if asking.replacements.forget(job.id) {
                self.storage.set_note(job.id, None).await?;
            }
        }
        if let Some(receipt) = self.mined(look, &attempts, receipt).await? {
            let mined = attempts.iter().find(|attempt| attempt.hash == receipt.hash);
            let mined = mined.unwrap_or(last);
            let state = self.included(job, mined, &receipt).await?;
            if look.final_height().await?.is_some_and(|height| height >= receipt.block_number) {
                return self.settle(job, mined, &receipt).await;
            }
            return Ok(state);
        }
        if job.receipt.is_some() {
            tracing::warn!(job = %job.id, "receipt vanished: the chain was reorganized");
            self.set_state(job.id, JobState::Submitted, None).await?;
            self.storage.set_note(job.id, None).await?;
            return self.broadcast(job, last, false).await;
        }
        if look.used().await? > last.nonce {
            asking.replacements.forget(job.id);
            self.queue().call_off(job.id);
            return self.nonce_used(look, job, &all, &attempts).await;
        }
        // Above a nonce that is missing no price gets anything mined.
        if look.is_above_hole(last.nonce) {
            return Ok(JobState::Submitted);
        }
        let unwanted = job.ending.is_some() && !last.cancels;
        let overdue = self.overdue(last);
        if last.outcome == AttemptOutcome::Accepted && !overdue && !unwanted {
            return Ok(JobState::Submitted);
        }
        if job.ending.is_none() && self.effect_at_head(look, job).await? {
            // Somebody else's doing, or this job's own that is not seen yet: no more sends.
            let used = self.backend.nonce(self.scope.sender, BlockRef::Latest).await?;
            if used > last.nonce || !self.effect_for_good(look, job).await? {
                return Ok(JobState::Submitted);
            }
            let ending = JobState::Queued;
            self.storage.set_ending(job.id, &ending).await?;
            let job = Job { ending: Some(ending), ..job.clone() };
            return self.replace(look, &job, &attempts, asking).await;
        }
        match last.outcome {
            _ if unwanted => self.replace(look, job, &attempts, asking).await,
            AttemptOutcome::Accepted | AttemptOutcome::Underpriced => {
                self.replace(look, job, &attempts, asking).await
            }
            AttemptOutcome::Stored | AttemptOutcome::Failed => {
                self.broadcast(job, last, attempts.len() == 1).await
            }
        }
    }

    /// The state of a job one of whose transactions is in a block: what a self-transfer in its
    /// place brings about is no inclusion of the call.
    async fn included(&self, job: &Job, mined: &Attempt, receipt: &TxReceipt) -> Result<JobState> {
        let state = if mined.cancels { JobState::Submitted } else { JobState::Included };
        if job.receipt.as_ref() != Some(receipt) || job.state != state {
            self.set_state(job.id, state.clone(), Some(receipt)).await?;
            if job.receipt.is_some() && !mined.cancels {
                // It told of a self-transfer, in a block that is gone.
                self.storage.set_note(job.id, None).await?;
            }
        }
        if mined.cancels {
            let block = receipt.block_number;
            self.note(job, format!("a self-transfer in block {block} took the call's place"))
                .await?;
        }
        Ok(state)
    }

    /// Whether a transaction was handed to the node too long ago not to be mined.
    pub(crate) fn overdue(&self, last: &Attempt) -> bool {
        let since = last.broadcast_ms.unwrap_or(0).max(last.created_ms);
        let waited = u128::from(self.clock.now_ms().saturating_sub(since));
        waited >= self.config.resubmit_after.as_millis()
    }

    /// The job's nonce is used and none of its receipts is there.
    async fn nonce_used(
        &self,
        look: &Look,
        job: &Job,
        all: &[Attempt],
        now: &[Attempt],
    ) -> Result<JobState> {
        let Some(nonce) = job.nonce else { return Ok(JobState::Submitted) };
        if self.effect_for_good(look, job).await? {
            // Mined since the receipts were looked at, or not stored yet beside the state that
            // shows the effect: a later look shows it.
            let now = self.clock.now_ms();
            let since = {
                let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
                *unseen.entry(job.id).or_insert(now)
            };
            if u128::from(now.saturating_sub(since)) < RECEIPT_LAG.as_millis() {
                return Ok(JobState::Submitted);
            }
            self.unseen.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
            // A receipt may be hidden; what it would tell is there to be seen.
            return self.set_state(job.id, JobState::Finalized, None).await;
        }
        if !self.lost(nonce, now).await? {
            return Ok(JobState::Submitted);
        }
        let mut nonces: Vec<u64> = all.iter().map(|attempt| attempt.nonce).collect();
        nonces.dedup();
        let times = u32::try_from(nonces.len()).unwrap_or(u32::MAX);
        let user = match job.kind {
            JobKind::Gap => NonceUser::Foreign,
            JobKind::Call => self.nonce_user(nonce, now).await?,
        };
        let state = match (job.kind, user) {
            (_, NonceUser::Ours { block }) => {
                let note =
                    format!("its transaction is in block {block}, but the node shows no receipt");
                self.storage.set_note(job.id, Some(&note)).await?;
                return Ok(JobState::Submitted);
            }
            (JobKind::Gap, _) => JobState::Dropped(DropReason::GapClosed),
            // Without a way to see that it has not happened, it is not sent again.
            (_, NonceUser::Unknown) if job.request.effect.is_none() => {
                JobState::Dropped(DropReason::Unclear { nonce })
            }
            (JobKind::Call, _) => match &job.ending {
                Some(ending) => ending.clone(),
                None if times > self.config.max_nonce_losses => {
                    JobState::Dropped(DropReason::NonceTaken { times })
                }
                None => JobState::Queued,
            },
        };
        tracing::warn!(job = %job.id, nonce, times, "another transaction used the job's nonce");
        self.storage.release(job.id, &state, None, self.clock.now_ms()).await?;
        Ok(state)
    }

    /// A receipt in a final block: the end of the job.
    async fn settle(&self, job: &Job, mined: &Attempt, receipt: &TxReceipt) -> Result<JobState> {
        if mined.cancels {
            // The nonce is used up. A job that has no end of its own is looked at again.
            return match job.ending.clone().unwrap_or(JobState::Queued) {
                JobState::Queued => {
                    let (state, now) = (JobState::Queued, self.clock.now_ms());
                    self.storage.release(job.id, &state, None, now).await?;
                    Ok(state)
                }
                ending => self.set_state(job.id, ending, Some(receipt)).await,
            };
        }
        let mut state = JobState::Finalized;
        if !receipt.success && job.kind == JobKind::Call {
            let revert = self.replay(job, receipt).await?;
            if !revert.as_ref().is_some_and(|revert| revert.already_recorded) {
                let out_of_gas = receipt.gas_used >= mined.gas_limit;
                state = JobState::Rejected(Rejection::Reverted { revert, out_of_gas });
            }
        }
        self.set_state(job.id, state, Some(receipt)).await
    }
}
