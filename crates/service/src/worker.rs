//! Takes jobs, proves them, stores the proofs.
//!
//! ```text
//! claim ─ open inputs, ask for nonces ─►│prefetch│─► prove ─►│stored│─► write down
//!           renew leases all the while
//! ```
//!
//! The three parts run at the same time, so that the prover, which takes the processors, waits for
//! neither database nor node. A worker that dies leaves jobs whose leases run out; one that comes
//! back too late is refused by the lease it names.

mod asking;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::Instrument;
use verdict::{
    ChainReader, Deployment, EngineOptions, Error, Prover, Salt, ScoreRequest, next_nonces,
};

use self::asking::{Asking, Nonces, Turn};
use crate::{
    config::ServiceConfig,
    job::{Kind, Reason, ReasonCode, State},
    metrics::Metrics,
    models::{Model, Models},
    seal::DataKey,
    stopped,
    store::{AT_A_TIME, Claimed, Claims, Done, Store, StoreError, Then},
    traces::of_jobs,
};

/// How often a worker says that it has no database to take jobs from.
const SAID: Duration = Duration::from_secs(30);
/// How long a worker waits before it looks for jobs again, if nobody tells it.
const IDLE: Duration = Duration::from_millis(500);
/// Seconds before a deadline in which no proof is begun: it has to be recorded, too.
const MARGIN: u64 = 15;
/// Milliseconds before a job is tried again that a node had no answer for.
const NODE_BACKOFF_MS: u64 = 3000;
/// Milliseconds before a job is tried again whose proof failed.
const PROOF_BACKOFF_MS: u64 = 1000;

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its name in the stories of jobs; unique, so that a lease is one process's.
    pub name: String,
    /// The database.
    pub store: Store,
    /// The models.
    pub models: Arc<Models>,
    /// Opens inputs.
    pub key: DataKey,
    /// The chain, where nonces come from; none if no model is deployed.
    pub chain: Option<ChainReader>,
    /// How the engine computes.
    pub engine: EngineOptions,
    /// The settings.
    pub config: Arc<ServiceConfig>,
    /// What it tells.
    pub metrics: Metrics,
}

/// Jobs that are ready to be proven.
#[derive(Debug)]
struct Task {
    lease: Lease,
    jobs: Vec<Claimed>,
    inputs: Vec<Input>,
    requests: Vec<ScoreRequest>,
}

/// An input, as it is sealed in the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Input {
    /// Its numbers; none where one is missing that may be.
    pub(crate) values: Vec<Option<f64>>,
    /// What its commitment is made with, if its client chose it.
    pub(crate) salt: Option<Salt>,
}

/// A lease's name in the database, renewed until this is dropped: whatever becomes of a task whose
/// end could not be written down, its jobs are somebody's again when the lease runs out.
#[derive(Debug)]
struct Lease {
    name: String,
    held: Held,
}

/// The leases of a worker.
type Held = Arc<Mutex<BTreeSet<String>>>;

impl Lease {
    fn new(name: String, held: &Held) -> Self {
        held.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Self { name, held: held.clone() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Why a job is not proven now.
#[derive(Debug, Error)]
#[error("{message}")]
struct NotNow {
    message: String,
    code: ReasonCode,
    then: Then,
}

impl NotNow {
    fn end(state: State, code: ReasonCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, then: Then::End(state) }
    }

    fn untried(code: ReasonCode, message: impl Into<String>, after_ms: u64) -> Self {
        Self { message: message.into(), code, then: Then::Untried { after_ms } }
    }
}

fn undeployed() -> NotNow {
    let message = "its model is not deployed, or no node is configured";
    NotNow::end(State::Rejected, ReasonCode::UnknownModel, message)
}

impl Worker {
    /// Reads keys and bases of all models, so that the first job waits for none.
    ///
    /// # Errors
    /// One cannot be read.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let (models, engine) = (self.models.clone(), self.engine.clone());
        let read = move || models.iter().try_for_each(|model| model.prover(&engine).map(drop));
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => read,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Ok(()),
            },
        }
    }

    /// Works until `stop` says so; then ends the proof it is at, and gives the rest back. Failures
    /// of the database are waited out.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        tracing::info!(worker = self.name, "worker started");
        let (ready, waiting) = mpsc::channel(self.config.prefetch);
        let (done, stored) = mpsc::channel(self.config.prefetch);
        let held = Held::default();
        let work = async {
            tokio::join!(
                self.take(stop.clone(), ready, &held),
                self.prove(stop.clone(), waiting, done),
                self.write(stored),
            )
        };
        tokio::select! {
            _ = work => {}
            () = self.renew(&held) => {}
        }
    }

    fn lease_ms(&self) -> u64 {
        ServiceConfig::ms(self.config.lease)
    }

    /// Keeps the leases that are held.
    async fn renew(&self, held: &Held) {
        let third = Duration::from_millis(self.lease_ms() / 3);
        loop {
            self.store.clock().sleep(third).await;
            let names = held.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for name in names {
                if let Err(error) = self.store.renew(&name, self.lease_ms()).await {
                    tracing::warn!(%error, "a lease is not renewed");
                }
            }
        }
    }

    /// Claims jobs of each model in turn, and makes them ready. After a signal, what a node was still
    /// asked about is given back.
    async fn take(&self, stop: watch::Receiver<bool>, ready: mpsc::Sender<Task>, held: &Held) {
        let mut asking = Asking::default();
        self.turns(stop, ready, held, &mut asking).await;
        while let Some((lease, jobs, _)) = asking.next().await {
            self.give_back(&lease, &jobs, &self.shut_down()).await;
        }
    }

    /// Each model has its own questions to the node: while one's oracle has no answer, the others' jobs
    /// and those that need no nonce go on. Whose turn is first goes around.
    async fn turns(
        &self,
        mut stop: watch::Receiver<bool>,
        ready: mpsc::Sender<Task>,
        held: &Held,
        asking: &mut Asking,
    ) {
        let mut turns: Vec<Turn> = self.models.iter().map(|model| self.turn(model)).collect();
        let (mut first, mut said) = (0, None::<Instant>);
        loop {
            let mut found = false;
            turns.rotate_left(first);
            first = 1.min(turns.len());
            for index in 0..turns.len() {
                let room = loop {
                    if *stop.borrow() {
                        return;
                    }
                    // Room first: what is claimed is soon proven.
                    let Ok(room) = ready.reserve().await else { return };
                    let Some((lease, jobs, nonces)) = asking.answered() else { break room };
                    found = true;
                    self.learn(&mut turns, &jobs, &nonces).await;
                    match self.prepare(lease, jobs, nonces).await {
                        Some(task) => room.send(task),
                        None => drop(room),
                    }
                };
                let Some(turn) = turns.get_mut(index) else { continue };
                turn.claims.node = turn.may_ask(asking.len() < self.config.prefetch);
                let lease = Lease::new(format!("{}/{}", self.name, self.store.new_id()), held);
                let claimed = self.store.claim(&lease.name, &turn.claims, self.lease_ms()).await;
                let jobs = match claimed {
                    Ok(jobs) => jobs,
                    Err(error) => {
                        // Two workers may want one subject's lane; one gets it.
                        let usual = error.is_taken();
                        if !usual && said.is_none_or(|said| said.elapsed() > SAID) {
                            tracing::warn!(%error, "no jobs claimed; it is tried again");
                            said = Some(Instant::now());
                        } else {
                            tracing::debug!(%error, "no jobs claimed");
                        }
                        self.store.clock().sleep(IDLE).await;
                        continue;
                    }
                };
                if jobs.is_empty() {
                    continue;
                }
                found = true;
                let asks = |job: &Claimed| job.kind == Kind::Score && job.nonce.is_none();
                if jobs.iter().any(asks) {
                    drop(room);
                    let (worker, mut stop) = (self.clone(), stop.clone());
                    asking.ask(turn, async move {
                        let nonces = tokio::select! {
                            nonces = worker.nonces(&jobs) => nonces,
                            () = stopped(&mut stop) => Err(worker.shut_down()),
                        };
                        (lease, jobs, nonces)
                    });
                    continue;
                }
                match self.prepare(lease, jobs, Ok(vec![])).await {
                    Some(task) => room.send(task),
                    None => drop(room),
                }
            }
            if !found {
                tokio::select! {
                    () = self.store.changed(IDLE) => {}
                    () = asking.wait(), if !asking.is_empty() => {}
                    () = stopped(&mut stop) => return,
                }
            }
        }
    }

    fn turn(&self, model: &Model) -> Turn {
        Turn::new(Claims {
            model: model.name().to_owned(),
            batch: model.batch(),
            wait_ms: ServiceConfig::ms(self.config.batch_wait),
            node: true,
        })
    }

    /// What an answer about some jobs says of their model, and to those that wait for the next.
    async fn learn(&self, turns: &mut [Turn], jobs: &[Claimed], nonces: &Nonces) {
        let name = jobs.first().map(|job| job.model.as_str()).unwrap_or_default();
        let Some(turn) = turns.iter_mut().find(|turn| turn.claims.model == name) else { return };
        let told = match nonces {
            Err(why) if why.code == ReasonCode::Chain => {
                turn.failed();
                let reason = Reason::new(why.code, why.message.clone());
                self.store.waits_for_node(name, Some(&reason)).await
            }
            Ok(_) if turn.succeeded() => {
                let told = self.store.waits_for_node(name, None).await;
                turn.told = told.as_ref().is_ok_and(|told| *told < AT_A_TIME);
                told
            }
            _ => return,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "jobs that wait for a node are not told so");
        }
    }

    /// Opens inputs and makes requests of nonces; what cannot be proven is given back.
    async fn prepare(&self, lease: Lease, jobs: Vec<Claimed>, nonces: Nonces) -> Option<Task> {
        let mut task = Task { lease, jobs: vec![], inputs: vec![], requests: vec![] };
        for job in jobs {
            match self.input_of(&job) {
                Ok(input) => {
                    task.inputs.push(input);
                    task.jobs.push(job);
                }
                Err(why) => self.give_back(&task.lease, &[job], &why).await,
            }
        }
        let first = task.jobs.first()?;
        if first.kind == Kind::Score {
            match nonces.and_then(|nonces| self.requests(&task.jobs, &nonces)) {
                Ok(requests) => task.requests = requests,
                Err(why) => {
                    self.give_back(&task.lease, &task.jobs, &why).await;
                    return None;
                }
            }
        }
        Some(task)
    }

    fn input_of(&self, job: &Claimed) -> Result<Input, NotNow> {
        let rejected = |code, message| NotNow::end(State::Rejected, code, message);
        let soon = self.store.now_ms() / 1000 + MARGIN;
        if job.deadline.is_some_and(|deadline| deadline < soon) {
            let message = format!("less than {MARGIN} seconds are left until its deadline");
            return Err(NotNow::end(State::Dropped, ReasonCode::DeadlinePassed, message));
        }
        let plain = self
            .key
            .open(&job.id, &job.input)
            .map_err(|error| rejected(ReasonCode::Sealed, error.to_string()))?;
        serde_json::from_slice(&plain)
            .map_err(|_| rejected(ReasonCode::Sealed, "its input is no list of numbers".into()))
    }

    /// The next nonces on chain of the subjects of some jobs.
    async fn nonces(&self, jobs: &[Claimed]) -> Nonces {
        let deployment = self.deployed(jobs)?;
        let chain = self.chain.as_ref().ok_or_else(undeployed)?;
        let subjects: Vec<Address> = jobs.iter().filter_map(|job| job.subject).collect();
        let next = next_nonces(chain, deployment, subjects.clone()).await.map_err(|error| {
            self.metrics.chain_failed();
            NotNow::untried(ReasonCode::Chain, error.to_string(), NODE_BACKOFF_MS)
        })?;
        Ok(subjects.into_iter().zip(next).collect())
    }

    fn deployed(&self, jobs: &[Claimed]) -> Result<&Deployment, NotNow> {
        let model = jobs.first().and_then(|job| self.models.get(&job.model));
        model.and_then(Model::deployment).ok_or_else(undeployed)
    }

    /// The requests that a proof of these jobs answers, each with the nonce of its client, or the
    /// next one on chain.
    fn requests(
        &self,
        jobs: &[Claimed],
        nonces: &[(Address, u64)],
    ) -> Result<Vec<ScoreRequest>, NotNow> {
        let deployment = self.deployed(jobs)?;
        let request = |job: &Claimed| {
            let subject = job.subject.ok_or_else(undeployed)?;
            let next = || nonces.iter().find(|(of, _)| *of == subject).map(|(_, next)| *next);
            let nonce = job.nonce.or_else(next).ok_or_else(undeployed)?;
            let mut request = ScoreRequest::to(deployment, subject, nonce, job.valid_for);
            request.deadline = job.deadline.unwrap_or(self.store.now_ms() / 1000 + job.valid_for);
            Ok(request)
        };
        jobs.iter().map(request).collect()
    }

    async fn give_back(&self, lease: &Lease, jobs: &[Claimed], why: &NotNow) {
        for job in jobs {
            let reason = Reason::new(why.code, why.message.clone());
            let given = self.store.give_back(&lease.name, &job.id, &reason, why.then).await;
            if let Err(error) = given {
                // Its lease runs out.
                tracing::warn!(job = job.id, %error, "a job is not given back");
            }
        }
    }

    /// Proves what is ready. After a signal, what was not begun is given back.
    async fn prove(
        &self,
        stop: watch::Receiver<bool>,
        mut waiting: mpsc::Receiver<Task>,
        done: mpsc::Sender<(Lease, Done)>,
    ) {
        while let Some(task) = waiting.recv().await {
            let Task { lease, jobs, inputs, requests } = task;
            if *stop.borrow() {
                self.give_back(&lease, &jobs, &self.shut_down()).await;
                continue;
            }
            let (worker, given) = (self.clone(), jobs.clone());
            let ids = || jobs.iter().map(|job| job.id.as_str());
            let model = jobs.first().map(|job| job.model.as_str()).unwrap_or_default();
            let span = tracing::info_span!("prove", model, jobs = jobs.len());
            let span = of_jobs(span, ids());
            let work = move || span.in_scope(|| worker.proof(given, inputs, requests));
            let why = match tokio::task::spawn_blocking(work).await {
                Ok(Ok(proof)) => {
                    self.metrics.proved(model, proof.proof_ms);
                    let _ = done.send((lease, proof)).await;
                    continue;
                }
                Ok(Err(why)) => why,
                Err(error) => self.failed(format!("the prover stopped: {error}")),
            };
            if matches!(why.then, Then::Again { .. }) {
                self.metrics.proof_failed(model);
            }
            tracing::error!(error = %why, jobs = jobs.len(), "no proof");
            self.give_back(&lease, &jobs, &why).await;
        }
    }

    fn shut_down(&self) -> NotNow {
        NotNow::untried(ReasonCode::Prover, format!("{} was shut down", self.name), 0)
    }

    fn failed(&self, message: String) -> NotNow {
        let (most, after_ms) = (self.config.max_attempts, PROOF_BACKOFF_MS);
        NotNow { message, code: ReasonCode::Prover, then: Then::Again { most, after_ms } }
    }

    /// One proof, on a thread of its own.
    fn proof(
        &self,
        jobs: Vec<Claimed>,
        mut inputs: Vec<Input>,
        mut requests: Vec<ScoreRequest>,
    ) -> Result<Done, NotNow> {
        let name = jobs.first().map(|job| job.model.as_str()).unwrap_or_default();
        let gone = || NotNow::end(State::Rejected, ReasonCode::UnknownModel, "it is not served");
        let model = self.models.get(name).ok_or_else(gone)?;
        let failed = |error: Error| match error {
            Error::Input(_) => NotNow::end(State::Rejected, ReasonCode::Input, error.to_string()),
            _ => self.failed(error.to_string()),
        };
        let prover: &Prover = model.prover(&self.engine).map_err(failed)?;
        fill(&mut inputs, &mut requests, model.batch());
        let committed = model.setup().manifest().shape.committed();
        let salt = |input: &Input| input.salt.unwrap_or_else(Salt::random);
        let salts: Vec<Salt> = inputs.iter().filter(|_| committed).map(salt).collect();
        let values = |input: &Input| -> Vec<f64> {
            input.values.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        };
        let inputs: Vec<Vec<f64>> = inputs.iter().map(values).collect();
        let start = std::time::Instant::now();
        let bundle = prover.prove_batch(&inputs, &salts, &requests).map_err(failed)?;
        let proof_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        // What is recorded last of a subject is its job's.
        let request = |job: &Claimed| {
            requests.iter().rev().find(|request| Some(request.subject) == job.subject)
        };
        let answered = jobs.iter().filter_map(request);
        let answered = answered.map(|request| (request.nonce, request.deadline)).collect();
        let (inferences, deployment) = (inputs.len(), model.deployment().cloned());
        Ok(Done { inferences, bundle, requests: answered, proof_ms, jobs, deployment })
    }

    /// Stores proofs in the order in which they are made.
    async fn write(&self, mut stored: mpsc::Receiver<(Lease, Done)>) {
        while let Some((lease, done)) = stored.recv().await {
            let jobs = done.jobs.len();
            let mut tries = 0_u32;
            let span = || {
                let span = tracing::info_span!("store proof", jobs);
                of_jobs(span, done.jobs.iter().map(|job| job.id.as_str()))
            };
            loop {
                match self.store.proved(&lease.name, &done).instrument(span()).await {
                    Ok(true) => {
                        tracing::info!(jobs, ms = done.proof_ms, "proof stored");
                        break;
                    }
                    Ok(false) => {
                        tracing::warn!(jobs, "a lease was lost: the proof is thrown away");
                        // Of a batch, the others are still this worker's.
                        let message = "another job of its batch was cancelled, or taken back";
                        let why = NotNow::untried(ReasonCode::Prover, message, 0);
                        self.give_back(&lease, &done.jobs, &why).await;
                        break;
                    }
                    // A proof is worth waiting for.
                    Err(error @ StoreError::Failed(_)) if tries < 20 => {
                        tries += 1;
                        tracing::warn!(%error, "the proof is not stored yet");
                        self.store.clock().sleep(IDLE).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the proof is not stored");
                        break;
                    }
                }
            }
        }
    }
}

/// Fills a batch up: the last inference again, its request with growing nonces, so that what is
/// recorded in the end is what its client asked for.
fn fill(inputs: &mut Vec<Input>, requests: &mut Vec<ScoreRequest>, batch: usize) {
    let Some(last) = inputs.last().cloned() else { return };
    inputs.resize(batch.max(inputs.len()), last);
    if let Some(last) = requests.last().cloned() {
        let more = (1..).map(|step| ScoreRequest { nonce: last.nonce + step, ..last.clone() });
        let missing = inputs.len() - requests.len();
        requests.extend(more.take(missing));
    }
}
