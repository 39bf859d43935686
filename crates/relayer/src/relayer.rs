//! The relayer's public face: open, submit, drive, look, close.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::{Address, Bytes, U256};
use tokio::sync::{OwnedMutexGuard, watch};

use crate::{
    backend::{BlockRef, ChainBackend},
    clock::{Clock, SystemClock},
    config::RelayerConfig,
    drive::{Core, Held, Steps},
    error::RelayerError,
    fees::cost,
    job::{DropReason, JobId, JobState, JobStatus, SubmitRequest},
    line::PATIENCE,
    node::Node,
    nonce::Nonces,
    open::Open,
    queue::Queue,
    revert::RevertDecoder,
    signer::RelayerSigner,
    storage::{Job, JobKind, Scope, Storage, place},
    watch::head,
};

type Result<T> = std::result::Result<T, RelayerError>;

/// How long stored transactions are broadcast when a relayer begins; the rest go out with its looks.
const RESUME: Duration = Duration::from_secs(5);
/// How many jobs are remembered of which something was logged.
const MOST_LOGGED: usize = 10_000;

/// A moment, by two clocks: the one stops while the machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    /// Milliseconds since 1970.
    ms: u64,
}

/// Sends the transactions of one key on one chain. Clones share everything.
#[derive(Clone, Debug)]
pub struct Relayer {
    core: Arc<Core>,
    /// Questions of an earlier look that are late.
    open: Arc<Open>,
    closed: watch::Sender<bool>,
}

impl Relayer {
    /// Connects to the endpoints of `config` and takes ownership of the signer's nonces.
    /// Call [`Self::resume`] next: jobs of an earlier run may be pending.
    ///
    /// # Errors
    /// If a setting is out of range, no endpoint answers, the chain is not the configured
    /// one, has no base fee or no first block, the database belongs to another chain, or another
    /// process relays with this key.
    pub async fn open(
        config: RelayerConfig,
        signer: RelayerSigner,
        storage: Storage,
        decoder: impl RevertDecoder + 'static,
    ) -> Result<Self> {
        config.validate()?;
        let node = Arc::new(Node::new(config.node.clone())?);
        Self::with_backend(config, signer, storage, decoder, node, Arc::new(SystemClock)).await
    }

    /// Like [`Self::open`], on a [`Node`] that exists or any other chain, and any clock. Of
    /// `config.node`, only the chain id is used.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn with_backend(
        config: RelayerConfig,
        signer: RelayerSigner,
        storage: Storage,
        decoder: impl RevertDecoder + 'static,
        backend: Arc<dyn ChainBackend>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        config.validate()?;
        let chain_id = backend.chain_id().await?;
        if let Some(expected) = config.node.chain_id
            && expected != chain_id
        {
            let endpoint = backend.name();
            return Err(RelayerError::WrongChain { expected, found: chain_id, endpoint });
        }
        if head(backend.as_ref()).await?.base_fee.is_none() {
            return Err(RelayerError::NoBaseFee { chain_id });
        }
        let scope = Scope { chain_id, sender: signer.address() };
        let genesis = place::genesis(backend.as_ref()).await?;
        let lock = storage.lock_sender(scope, genesis)?;
        storage.check_genesis(chain_id, genesis).await?;
        tracing::info!(chain_id, sender = %scope.sender, endpoint = backend.name(),
                       "relayer opened");
        let places = config.max_in_flight;
        let core = Core {
            config,
            scope,
            signer,
            storage,
            backend,
            clock,
            decoder: Box::new(decoder),
            nonces: Nonces::default(),
            turns: std::sync::Mutex::default(),
            hole: std::sync::Mutex::default(),
            queue: std::sync::Mutex::new(Queue::new(places)),
            idle_ms: AtomicU64::default(),
            undone: AtomicU64::default(),
            logged: std::sync::Mutex::default(),
            unseen: std::sync::Mutex::default(),
            _lock: lock,
        };
        let (core, open, closed) = (Arc::new(core), Arc::default(), watch::Sender::new(false));
        Ok(Self { core, open, closed })
    }

    /// The sending address.
    pub fn sender(&self) -> Address {
        self.core.scope.sender
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.core.scope.chain_id
    }

    /// Its settings.
    pub fn config(&self) -> &RelayerConfig {
        &self.core.config
    }

    /// Height of the newest block that counts as final; `None` on a chain too young for one.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn final_height(&self) -> Result<Option<u64>> {
        Ok(self.core.final_height(0).await?)
    }

    /// Stores a job. When this returns, the job survives the process. A second submission
    /// with the same key returns the first one's id, and changes nothing while it is pending:
    /// proofs are randomized, so call data may differ for the same effect.
    ///
    /// What was rejected or dropped is queued again, since the cause may be gone; so is what
    /// the database calls done if its effect is not to be seen on chain. A job that is
    /// dropped because nobody can tell whether it happened waits for [`Self::retry`].
    ///
    /// # Errors
    /// If the key belongs to a call of another target or value, the database fails, or the
    /// chain has to be asked and does not answer.
    pub async fn submit(&self, request: SubmitRequest) -> Result<JobId> {
        let core = &self.core;
        let now = core.clock.now_ms();
        let (job, new) =
            core.storage.create_job(core.scope, &request, JobKind::Call, None, now).await?;
        let differs = |what| {
            let key = request.idempotency_key.clone();
            Err(RelayerError::IdempotencyConflict { key, job: job.id, what })
        };
        if job.request.to != request.to {
            return differs("target");
        }
        if job.request.value != request.value {
            return differs("value");
        }
        tracing::info!(job = %job.id, label = request.label, new, "job submitted");
        if !new {
            self.revisit(job.id, request).await?;
        }
        Ok(job.id)
    }

    /// A job that is submitted again.
    async fn revisit(&self, id: JobId, request: SubmitRequest) -> Result<()> {
        let core = &self.core;
        let _turn = self.turn(id).await;
        let job = core.load(id).await?;
        if let Some(effect) = &request.effect
            && job.request.effect.as_ref() != Some(effect)
        {
            core.storage.set_effect(id, effect).await?;
        }
        let effect = request.effect.or(job.request.effect);
        let again = match (&job.state, &effect) {
            (JobState::Finalized, Some(effect)) => {
                let head = head(core.backend.as_ref()).await?.number;
                let since = job.receipt.map_or(0, |receipt| receipt.block_number);
                if head < since {
                    let endpoint = core.backend.name();
                    return Err(RelayerError::Behind { endpoint, head, since });
                }
                !effect.is_there(core.backend.as_ref(), head).await?
            }
            (JobState::Dropped(DropReason::Unclear { .. }), None) => false,
            (JobState::Rejected(_) | JobState::Dropped(_), _) => true,
            _ => false,
        };
        if again {
            tracing::info!(job = %id, state = %job.state, "job queued again");
            core.queue().call_off(id);
            let (calldata, now) = (Some(&request.calldata), core.clock.now_ms());
            core.storage.release(id, &JobState::Queued, calldata, now).await?;
        }
        Ok(())
    }

    /// The job that a key names, if there is one. Nothing is submitted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn find(&self, idempotency_key: &str) -> Result<Option<JobId>> {
        let job = self.core.storage.job_of_key(self.core.scope, idempotency_key).await?;
        Ok(job.map(|job| job.id))
    }

    /// Takes up what an earlier run left: fills gaps in the nonces with self-transfers and
    /// broadcasts every stored transaction that is not final again, the same bytes, in the
    /// order of their nonces. Returns the pending jobs.
    ///
    /// # Errors
    /// If the node or the database does not answer. A refused broadcast is not an error.
    pub async fn resume(&self) -> Result<Vec<JobId>> {
        self.core.mend_nonces().await?;
        self.core.broadcast_stored(RESUME).await
    }

    /// Drives a job, and those that block its nonce, until it is done.
    ///
    /// Dropping the future is safe at any point: the job goes on with the next call.
    ///
    /// # Errors
    /// [`RelayerError::Timeout`] and [`RelayerError::Closed`] leave the job pending, as does
    /// every other error. A job that the chain refuses is no error: look at its state.
    pub async fn run_to_completion(&self, id: JobId) -> Result<JobStatus> {
        let start = self.core.clock.now_ms();
        let mut last_error = None;
        loop {
            let job = self.core.load(id).await?;
            if job.state.is_terminal() {
                return self.status(id).await;
            }
            self.check_open(&job)?;
            self.check_time(&job, start, &last_error)?;
            match self.advance(&job).await {
                // Just broadcast: a development chain has mined it by now.
                Ok(JobState::Submitted) if job.state == JobState::Queued => continue,
                Ok(state) if state.is_terminal() => continue,
                Ok(_) => last_error = None,
                Err(error) if error.is_transient() => {
                    tracing::warn!(job = %id, %error, "will try again");
                    last_error = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            self.pause().await;
        }
    }

    /// Drives everything that is pending, and what is submitted meanwhile, until nothing is
    /// left. Jobs that end are returned in the order they ended in.
    ///
    /// # Errors
    /// As [`Self::run_to_completion`]; lack of funds is waited out like a dead endpoint.
    pub async fn run_pending(&self) -> Result<Vec<JobStatus>> {
        let start = self.core.clock.now_ms();
        let mut done = Vec::new();
        let mut errors: HashMap<JobId, String> = HashMap::new();
        loop {
            let pending = self.core.storage.pending(self.core.scope).await?;
            if pending.is_empty() {
                return Ok(done);
            }
            for job in &pending {
                self.check_time(job, start, &errors.get(&job.id).cloned())?;
                match self.step(job).await? {
                    Ok(state) => {
                        errors.remove(&job.id);
                        if state.is_terminal() {
                            done.push(self.status(job.id).await?);
                        }
                    }
                    Err(error) => {
                        errors.insert(job.id, error.to_string());
                    }
                }
            }
            self.pause().await;
        }
    }

    /// One look at everything that is pending, for whoever has a loop of his own: what became of each
    /// job, or why nothing did. Jobs are looked at together ([`RelayerConfig::concurrency`]).
    ///
    /// # Errors
    /// The database fails, or the relayer was closed.
    pub async fn round(&self) -> Result<Vec<(JobId, Result<JobState>)>> {
        let mut round = self.watch().await?;
        round.extend(self.send().await?);
        Ok(round)
    }

    /// The half of [`Self::round`] that looks at what is signed. A nonce that is missing below others
    /// for longer than [`RelayerConfig::resubmit_after`] is mended as [`Self::resume`] does it.
    ///
    /// What is not answered within [`PATIENCE`] is not in the answer: it goes on, and is in that of a
    /// later look. So it is with [`Self::send`].
    ///
    /// # Errors
    /// As [`Self::round`].
    pub async fn watch(&self) -> Result<Vec<(JobId, Result<JobState>)>> {
        let held = self.held(|state| *state != JobState::Queued).await?;
        self.told(self.core.watch(held, &self.open, Some(PATIENCE)).await)
    }

    /// The half of [`Self::round`] that signs and sends what is queued, in the order in which it was
    /// submitted.
    ///
    /// # Errors
    /// As [`Self::round`].
    pub async fn send(&self) -> Result<Vec<(JobId, Result<JobState>)>> {
        let pending = self.core.storage.pending(self.core.scope).await?;
        let is_queued = |job: &&Job| job.state == JobState::Queued;
        let unsigned = pending.iter().filter(is_queued).filter(|job| job.nonce.is_none());
        let unsigned: Vec<JobId> = unsigned.map(|job| job.id).collect();
        let signed = pending.iter().filter(|job| job.state != JobState::Queued).count();
        self.core.queue().wait_first(&unsigned, signed);
        let held = self.held(|state| *state == JobState::Queued).await?;
        self.told(self.core.send(held, &self.open, Some(PATIENCE)).await)
    }

    /// Gives up questions that were late, as when another process sends with the key.
    pub fn let_go(&self) {
        self.open.clear();
    }

    /// Whether a job that is not signed takes one of the places of [`RelayerConfig::max_in_flight`]: not
    /// after the signer refused it or was silent about it, until it is asked again.
    pub fn takes_place(&self, id: JobId) -> bool {
        self.core.queue().takes_place(id)
    }

    /// How many jobs may be submitted at once that the signer does not sign for: fewer while it signs for
    /// nobody.
    pub fn most_unsigned(&self) -> usize {
        self.core.queue().most_unsigned(Instant::now())
    }

    /// No more than so many jobs are signed for the first time until this is said again: what there is
    /// money for.
    pub fn allow(&self, more: Option<usize>) {
        self.core.queue().allow(more);
    }

    /// Now, for [`Self::owned`].
    pub fn moment(&self) -> Moment {
        Moment { at: Instant::now(), ms: self.core.clock.now_ms() }
    }

    /// The key is this process's for as long as this, from when it asked for that. From then on nothing
    /// is stored or broadcast once half of that is over without another word.
    pub fn owned(&self, asked: Moment, lasts: Duration) {
        self.core.queue().word(asked.at, asked.ms, lasts);
    }

    /// How many final transactions this process found undone, by a reorganization that was deeper than
    /// finality, and took up again.
    pub fn undone(&self) -> u64 {
        self.core.undone.load(Ordering::Relaxed)
    }

    /// Steps of several jobs, unless the database failed in one. What fails is logged once.
    fn told(&self, steps: Steps) -> Result<Steps> {
        let mut told = Vec::with_capacity(steps.len());
        let mut logged = self.core.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for (job, step) in steps {
            match &step {
                Err(RelayerError::Storage(_)) => return step.map(|_| vec![]),
                Err(error) => {
                    let words = error.to_string();
                    if logged.get(&job) != Some(&words) {
                        tracing::warn!(%job, %error, "will try again");
                        if logged.len() >= MOST_LOGGED {
                            logged.clear();
                        }
                        logged.insert(job, words);
                    }
                }
                // It waits, and may fail as before.
                Ok(JobState::Queued) => {}
                Ok(_) => drop(logged.remove(&job)),
            }
            told.push((job, step));
        }
        Ok(told)
    }

    /// The lowest nonce that is missing below others of this key, if one is for longer than
    /// [`RelayerConfig::resubmit_after`]: nothing above it gets into a block.
    pub fn missing_nonce(&self) -> Option<u64> {
        self.core.old_hole()
    }

    /// The right to change a job. What is asked about it, and late, is given up: a step may be cut off
    /// anywhere.
    async fn turn(&self, id: JobId) -> OwnedMutexGuard<()> {
        self.open.forget(id);
        self.core.turn(id).lock_owned().await
    }

    /// The pending jobs in some states, which nobody else changes meanwhile.
    async fn held(&self, of: fn(&JobState) -> bool) -> Result<Vec<Held>> {
        let mut pending = self.core.storage.pending(self.core.scope).await?;
        if let Some(job) = pending.first() {
            self.check_open(job)?;
        }
        pending.retain(|job| of(&job.state));
        let mut held = self.core.hold(pending.iter().map(|job| job.id).collect()).await?;
        held.retain(|one| !one.state().is_terminal() && of(one.state()));
        Ok(held)
    }

    /// A step of one of many jobs, whose failure is not the others'.
    async fn step(&self, job: &Job) -> Result<Result<JobState>> {
        self.check_open(job)?;
        match self.core.tick(job.id).await {
            Err(error @ RelayerError::Storage(_)) => Err(error),
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "will try again");
                Ok(Err(error))
            }
            Ok(state) => Ok(Ok(state)),
        }
    }

    /// The most wei that the gas of the sender's transactions may take that are signed and in no
    /// block: of each nonce, the dearest.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn committed(&self) -> Result<U256> {
        let mut committed = U256::ZERO;
        for job in self.core.storage.pending(self.core.scope).await? {
            let Some(nonce) = job.nonce.filter(|_| job.receipt.is_none()) else { continue };
            let attempts = self.core.storage.attempts(job.id).await?;
            let own = attempts.iter().filter(|attempt| attempt.nonce == nonce);
            let most = own.map(|attempt| cost(attempt.fees, attempt.gas_limit, U256::ZERO)).max();
            committed = committed.saturating_add(most.unwrap_or_default());
        }
        Ok(committed)
    }

    /// Wei that the sender holds.
    ///
    /// # Errors
    /// The node does not answer, or endpoints contradict each other.
    pub async fn balance(&self) -> Result<U256> {
        Ok(self.core.backend.balance(self.core.scope.sender).await?)
    }

    /// How many of the sender's transactions are signed and not in a block.
    ///
    /// # Errors
    /// The node does not answer, or the database fails.
    pub async fn nonce_gap(&self) -> Result<u64> {
        let used = self.core.backend.nonce(self.core.scope.sender, BlockRef::Latest).await?;
        Ok(self.core.storage.next_nonce(self.core.scope).await?.saturating_sub(used))
    }

    /// One round: the jobs whose nonces have to be mined first, then the job itself.
    async fn advance(&self, job: &Job) -> Result<JobState> {
        if let Some(nonce) = job.nonce {
            for earlier in self.core.storage.pending(self.core.scope).await? {
                if earlier.id == job.id || earlier.nonce.is_none_or(|other| other >= nonce) {
                    continue;
                }
                if let Err(error) = self.core.tick(earlier.id).await {
                    tracing::warn!(job = %earlier.id, %error, "a job ahead in line fails");
                }
            }
        }
        self.core.tick(job.id).await
    }

    fn check_open(&self, job: &Job) -> Result<()> {
        if *self.closed.borrow() {
            return Err(RelayerError::Closed { job: job.id, state: job.state.name() });
        }
        Ok(())
    }

    fn check_time(&self, job: &Job, start: u64, last_error: &Option<String>) -> Result<()> {
        let waited = Duration::from_millis(self.core.clock.now_ms().saturating_sub(start));
        match self.core.config.wait_timeout {
            Some(limit) if waited >= limit => Err(RelayerError::Timeout {
                job: job.id,
                state: job.state.name(),
                waited,
                last_error: last_error.clone().or_else(|| job.note.clone()),
            }),
            _ => Ok(()),
        }
    }

    /// Waits one poll interval, or until the relayer is closed.
    async fn pause(&self) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            () = self.core.clock.sleep(self.core.config.poll_interval) => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    /// Everything known about a job.
    ///
    /// # Errors
    /// If there is no such job.
    pub async fn status(&self, id: JobId) -> Result<JobStatus> {
        let job = self.core.load(id).await?;
        Ok(self.core.storage.status(job).await?)
    }

    /// The jobs that are not done.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pending(&self) -> Result<Vec<JobId>> {
        let pending = self.core.storage.pending(self.core.scope).await?;
        Ok(pending.iter().map(|job| job.id).collect())
    }

    /// Drops a job. One that was signed is not gone by that: from now on, driving it signs
    /// self-transfers at its nonce, and whichever transaction is mined decides how it ends.
    ///
    /// # Errors
    /// If a transaction of it is in a block already, or it is done.
    pub async fn cancel(&self, id: JobId) -> Result<()> {
        let _turn = self.turn(id).await;
        self.core.queue().call_off(id);
        let job = self.core.load(id).await?;
        let cancelled = JobState::Dropped(DropReason::Cancelled);
        match (job.kind, &job.state) {
            (JobKind::Call, JobState::Queued) => {
                let now = self.core.clock.now_ms();
                Ok(self.core.storage.set_state(id, &cancelled, None, now).await?)
            }
            (JobKind::Call, JobState::Submitted) if job.receipt.is_none() => {
                Ok(self.core.storage.set_ending(id, &cancelled).await?)
            }
            _ => {
                let (state, wanted) =
                    (job.state.name(), "a queued or submitted call, and not in a block,");
                Err(RelayerError::WrongState { job: id, state, wanted, verb: "cancelled" })
            }
        }
    }

    /// Queues a rejected or dropped job again, perhaps with new call data. Its attempts are
    /// kept.
    ///
    /// # Errors
    /// If the job is pending or has succeeded.
    pub async fn retry(&self, id: JobId, calldata: impl Into<Option<Bytes>>) -> Result<()> {
        let calldata = calldata.into();
        let _turn = self.turn(id).await;
        self.core.queue().call_off(id);
        let job = self.core.load(id).await?;
        let failed = matches!(job.state, JobState::Rejected(_) | JobState::Dropped(_));
        if !failed || job.kind != JobKind::Call {
            let (state, wanted) = (job.state.name(), "rejected or dropped");
            return Err(RelayerError::WrongState { job: id, state, wanted, verb: "tried again" });
        }
        let now = self.core.clock.now_ms();
        Ok(self.core.storage.release(id, &JobState::Queued, calldata.as_ref(), now).await?)
    }

    /// Makes every running and later drive return [`RelayerError::Closed`] after the step it
    /// is in. Pending jobs stay stored.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}
