//! The relayer's public face: open, submit, drive, look, close.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::primitives::{Address, Bytes};
use tokio::sync::watch;

use crate::{
    backend::{BlockRef, ChainBackend},
    clock::{Clock, SystemClock},
    config::RelayerConfig,
    drive::Core,
    error::RelayerError,
    job::{DropReason, JobId, JobState, JobStatus, SubmitRequest},
    node::Node,
    nonce::Nonces,
    revert::RevertDecoder,
    signer::RelayerSigner,
    storage::{Job, JobKind, Scope, Storage},
    watch::head,
};

type Result<T> = std::result::Result<T, RelayerError>;

/// Sends the transactions of one key on one chain. Clones share everything.
#[derive(Clone, Debug)]
pub struct Relayer {
    core: Arc<Core>,
    closed: watch::Sender<bool>,
}

impl Relayer {
    /// Connects to the endpoints of `config` and takes ownership of the signer's nonces.
    /// Call [`Self::resume`] next: jobs of an earlier run may be pending.
    ///
    /// # Errors
    /// If a setting is out of range, no endpoint answers, the chain is not the configured
    /// one or has no base fee, the database belongs to another chain, or another process
    /// relays with this key.
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
        let lock = storage.lock_sender(scope)?;
        if let Some(genesis) = backend.block(BlockRef::Number(0)).await? {
            storage.check_genesis(chain_id, genesis.hash).await?;
        }
        tracing::info!(chain_id, sender = %scope.sender, endpoint = backend.name(),
                       "relayer opened");
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
            _lock: lock,
        };
        Ok(Self { core: Arc::new(core), closed: watch::Sender::new(false) })
    }

    /// The sending address.
    pub fn sender(&self) -> Address {
        self.core.scope.sender
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.core.scope.chain_id
    }

    /// Stores a job. When this returns, the job survives the process. A second submission
    /// with the same key returns the first one's id, whatever its state, and changes
    /// nothing: proofs are randomized, so call data may differ for the same effect.
    ///
    /// # Errors
    /// If the key belongs to a call of another target or value, or the database fails.
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
        Ok(job.id)
    }

    /// Takes up what an earlier run left: fills gaps in the nonces with self-transfers and
    /// broadcasts every stored transaction that is not final again, the same bytes, in the
    /// order of their nonces. Returns the pending jobs.
    ///
    /// # Errors
    /// If the node or the database does not answer. A refused broadcast is not an error.
    pub async fn resume(&self) -> Result<Vec<JobId>> {
        let core = &self.core;
        let used = core.backend.nonce(core.scope.sender, BlockRef::Latest).await?;
        let pooled = core.backend.nonce(core.scope.sender, BlockRef::Pending).await?;
        let next = core.storage.next_nonce(core.scope).await?;
        for nonce in used..next {
            let now = core.clock.now_ms();
            match core.storage.holder(core.scope, nonce).await? {
                Some(job) if job.state.is_terminal() => {
                    tracing::error!(job = %job.id, nonce, "a final transaction was undone");
                    core.storage.set_state(job.id, &JobState::Submitted, None, now).await?;
                }
                Some(_) => {}
                // Below the pool's count something else holds the nonce already.
                None if nonce < pooled => {}
                None => {
                    tracing::warn!(nonce, "filling a gap in the nonces");
                    core.storage.create_gap(core.scope, nonce, now).await?;
                }
            }
        }
        let pending = core.storage.pending(core.scope).await?;
        for job in &pending {
            self.rebroadcast(job).await?;
        }
        Ok(pending.iter().map(|job| job.id).collect())
    }

    async fn rebroadcast(&self, job: &Job) -> Result<()> {
        let attempts = self.core.storage.attempts(job.id).await?;
        let current = attempts.iter().filter(|attempt| Some(attempt.nonce) == job.nonce);
        let Some(last) = current.last() else { return Ok(()) };
        tracing::info!(job = %job.id, hash = %last.hash, nonce = last.nonce,
                       "broadcasting a stored transaction again");
        match self.core.broadcast(job, last, false).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error),
        }
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
                self.check_open(job)?;
                self.check_time(job, start, &errors.get(&job.id).cloned())?;
                match self.core.tick(job.id).await {
                    Ok(state) => {
                        errors.remove(&job.id);
                        if state.is_terminal() {
                            done.push(self.status(job.id).await?);
                        }
                    }
                    Err(error @ RelayerError::Storage(_)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(job = %job.id, %error, "will try again");
                        errors.insert(job.id, error.to_string());
                    }
                }
            }
            self.pause().await;
        }
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
                last_error: last_error.clone(),
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
        let attempts = self.core.storage.attempts(id).await?;
        Ok(JobStatus {
            id,
            label: job.request.label,
            idempotency_key: job.request.idempotency_key,
            state: job.state,
            nonce: job.nonce,
            attempts,
            receipt: job.receipt,
            created_ms: job.created_ms,
            updated_ms: job.updated_ms,
        })
    }

    /// The jobs that are not done.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pending(&self) -> Result<Vec<JobId>> {
        let pending = self.core.storage.pending(self.core.scope).await?;
        Ok(pending.iter().map(|job| job.id).collect())
    }

    /// Drops a job for which nothing was signed yet.
    ///
    /// # Errors
    /// If a transaction was signed: it may be mined at any time.
    pub async fn cancel(&self, id: JobId) -> Result<()> {
        let turn = self.core.turn(id);
        let _turn = turn.lock().await;
        let job = self.core.load(id).await?;
        let untouched = job.state == JobState::Queued
            && job.kind == JobKind::Call
            && self.core.storage.attempts(id).await?.is_empty();
        if !untouched {
            let (state, wanted) = (job.state.name(), "queued and was never signed");
            return Err(RelayerError::WrongState { job: id, state, wanted, verb: "cancelled" });
        }
        let state = JobState::Dropped(DropReason::Cancelled);
        let now = self.core.clock.now_ms();
        Ok(self.core.storage.set_state(id, &state, None, now).await?)
    }

    /// Queues a rejected or dropped job again, with new call data. Its attempts are kept.
    ///
    /// # Errors
    /// If the job is pending or has succeeded.
    pub async fn retry(&self, id: JobId, calldata: Bytes) -> Result<()> {
        let turn = self.core.turn(id);
        let _turn = turn.lock().await;
        let job = self.core.load(id).await?;
        let failed = matches!(job.state, JobState::Rejected(_) | JobState::Dropped(_));
        if !failed || job.kind != JobKind::Call {
            let (state, wanted) = (job.state.name(), "rejected or dropped");
            return Err(RelayerError::WrongState { job: id, state, wanted, verb: "tried again" });
        }
        let now = self.core.clock.now_ms();
        Ok(self.core.storage.release(id, &JobState::Queued, Some(&calldata), now).await?)
    }

    /// Makes every running and later drive return [`RelayerError::Closed`] after the step it
    /// is in. Pending jobs stay stored.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}
