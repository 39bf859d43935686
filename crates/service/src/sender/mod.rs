//! Takes stored proofs to the chain with one key, and writes down what the chain makes of them.
//!
//! The relayer does the sending: what it has signed it has written down, and a job of the same key
//! is the same transaction. Here a proof is handed to it, as often as this process is started, and
//! its state is copied into the jobs; what ends a job is what the oracle holds, read from the chain.

mod budget;
mod conclude;
mod flight;
mod hand_over;
mod keep;
mod places;
mod refusal;
mod view;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;
use tracing::{Instrument, Span};
use verdict::Chain;
use verdict_relayer::{
    JobId, JobState, JobStatus, TxReceipt,
    line::{Late, Line, PATIENCE},
};

pub use self::keep::keep_key;
use self::{
    flight::Flight,
    keep::own_key,
    view::{Asked, Judged, View},
};
use crate::{
    config::ServiceConfig,
    job::{Reason, ReasonCode, State, Transaction},
    metrics::Metrics,
    models::Models,
    stopped,
    store::{Outcome, Store, StoreError},
    traces::of_jobs,
};

/// How long the answers about what is over are waited for while others are to be signed.
const SOON: Duration = Duration::from_millis(250);
/// How often the balance is looked at.
const BALANCE_EVERY_MS: u64 = 30_000;
/// How long a record is looked for whose transaction is final: nodes lag.
const RECORD_LAG_MS: u64 = 120_000;

/// How long a look at the chain may go on when the service ends.
const LAST: Duration = Duration::from_secs(2);

/// The time that a budget is for.
const DAY_MS: u64 = 86_400_000;
/// How long it is remembered what a transaction took.
const KEPT_MS: u64 = 2 * DAY_MS;

/// What a relayer said of its jobs.
type Round = Vec<(JobId, Result<JobState, verdict_relayer::RelayerError>)>;

/// One key's way to the chain.
#[derive(Debug)]
pub struct Sender {
    store: Store,
    chain: Chain,
    models: Arc<Models>,
    config: Arc<ServiceConfig>,
    metrics: Metrics,
    name: String,
    /// The name of the service as the key's owner: the same when it is started again.
    owner: String,
    flights: HashMap<String, Flight>,
    /// What is asked about proofs that may be handed over, and is late.
    asking: Arc<Late<String, Asked>>,
    /// What is asked about proofs that the relayer is done with, and is late.
    judging: Arc<Late<String, (JobStatus, Option<Judged>)>>,
    /// How many final transactions the relayer had found undone when its jobs were last looked through.
    undone: Option<u64>,
    balance_at: Option<u64>,
    /// Whether the key is this service's, when it was last asked.
    owned: bool,
    /// What failed in this look at the chain.
    troubles: usize,
}

impl Sender {
    /// A sender of the chain's key, of the service called `owner`.
    pub fn new(
        owner: String,
        store: Store,
        chain: Chain,
        models: Arc<Models>,
        config: Arc<ServiceConfig>,
        metrics: Metrics,
    ) -> Self {
        let name = chain.sender().to_string();
        let flights = HashMap::new();
        Self {
            store,
            chain,
            models,
            config,
            metrics,
            name,
            owner,
            flights,
            asking: Arc::default(),
            judging: Arc::default(),
            undone: None,
            balance_at: None,
            owned: true,
            troubles: 0,
        }
    }

    /// Sends until `stop` says so. What is under way then is in the databases, and goes on when a
    /// sender of this key is started again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let poll = self.chain.relayer().config().poll_interval;
        while !*stop.borrow() {
            let (store, relayer) = (self.store.clone(), self.chain.relayer().clone());
            let key = Arc::new((self.name.clone(), self.owner.clone()));
            let kept = keep_key(self.store.clone(), || {
                let (store, relayer, key) = (store.clone(), relayer.clone(), Arc::clone(&key));
                async move { own_key(&store, &relayer, &key.0, &key.1).await }
            });
            let mut stopping = stop.clone();
            let late = async {
                stopped(&mut stopping).await;
                tokio::time::sleep(LAST).await;
            };
            let round = tokio::select! {
                round = self.round() => round,
                // As if it were killed, too: a node that stalls holds no end up.
                () = late => Ok(false),
                () = kept => {
                    // As if it were killed: what it has signed is written down.
                    tracing::warn!(sender = self.name, "the key is not this process's any more");
                    self.let_go();
                    Ok(false)
                }
            };
            match round {
                Ok(ok) => self.metrics.looked(&self.name, ok),
                Err(error) => {
                    self.metrics.chain_failed();
                    self.metrics.looked(&self.name, false);
                    tracing::warn!(sender = self.name, %error, "will look again");
                }
            }
            // New proofs do not wait for the next look at the chain.
            let idle = self.flights.is_empty();
            tokio::select! {
                () = self.store.clock().sleep(poll) => {}
                () = self.store.changed(Duration::from_secs(3600)), if idle => {}
                () = stopped(&mut stop) => {}
            }
        }
        self.let_go();
        self.chain.relayer().close();
        // Whoever is next need not wait; if this fails, he does.
        let _ = self.store.leave_sender(&self.name, &self.owner).await;
    }

    /// One look at the database and the chain: whether nothing failed.
    async fn round(&mut self) -> Result<bool, RoundError> {
        // On another machine, another file lock: the database knows who sends with this key.
        if !self.owns().await? {
            return Ok(true);
        }
        self.troubles = 0;
        // First what is under way: what ends makes room. What is signed is watched while others are.
        self.own().await?;
        self.call_off().await?;
        let relayer = self.chain.relayer().clone();
        let round = match self.may_send() {
            true => {
                let (watched, sent) = tokio::join!(relayer.watch(), relayer.send());
                let mut round = watched?;
                round.extend(sent?);
                round
            }
            false => relayer.watch().await?,
        };
        self.restore().await?;
        self.follow_all(round).await?;
        // Nothing above it gets into a block: its jobs say why.
        if self.chain.relayer().missing_nonce().is_some() {
            self.trouble();
        }
        self.take().await?;
        self.own().await?;
        let room = self.allowance().await?;
        self.start(&self.ids(), room).await?;
        self.watch_balance().await?;
        Ok(self.troubles == 0)
    }

    /// The proofs under way, oldest first, so that nonces are given in the order of the proofs.
    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.flights.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Reads what is this key's.
    async fn own(&mut self) -> Result<(), StoreError> {
        for (id, cancel) in self.store.own_relays(&self.name).await? {
            if !self.flights.contains_key(&id)
                && let Some(relay) = self.store.relay(&id).await?
            {
                self.flights.insert(id.clone(), Flight::new(relay));
            }
            if cancel && let Some(flight) = self.flights.get_mut(&id) {
                flight.cancelled.get_or_insert(ReasonCode::Cancelled);
            }
        }
        Ok(())
    }

    /// A span in the trace of a proof's jobs while `of` holds.
    fn span(&self, id: &str, of: fn(&Flight) -> bool, span: fn() -> Span) -> Span {
        match self.flights.get(id).filter(|flight| of(flight)) {
            Some(flight) => of_jobs(span(), flight.relay.jobs.iter().map(String::as_str)),
            None => Span::none(),
        }
    }

    /// Whether the key is this service's to send with.
    async fn owns(&mut self) -> Result<bool, StoreError> {
        let relayer = self.chain.relayer();
        let owns = own_key(&self.store, relayer, &self.name, &self.owner).await?;
        if owns != self.owned {
            self.owned = owns;
            if owns {
                tracing::info!(sender = self.name, "this process sends with the key");
            } else {
                tracing::warn!(sender = self.name, "another process sends with the key");
                self.metrics.forget(&self.name);
                self.let_go();
                self.flights.clear();
                self.balance_at = None;
            }
        }
        Ok(owns)
    }

    /// The chain did not answer as it has to.
    fn trouble(&mut self) {
        self.troubles += 1;
        self.metrics.chain_failed();
    }

    /// Gives up what is asked and late: what comes of it is another process's.
    fn let_go(&self) {
        self.chain.relayer().let_go();
        self.asking.clear();
        self.judging.clear();
    }

    /// Takes up jobs again that were told as final and whose transactions were undone: the relayer has
    /// them pending, and no proof under way is theirs.
    async fn restore(&mut self) -> Result<(), RoundError> {
        let relayer = self.chain.relayer();
        let undone = relayer.undone();
        if self.undone == Some(undone) {
            return Ok(());
        }
        for _ in self.undone.unwrap_or(0)..undone {
            self.metrics.reorganized();
        }
        let known: HashSet<JobId> = self.flights.values().filter_map(|own| own.job).collect();
        let mut hashes = HashSet::new();
        for job in relayer.pending().await?.into_iter().filter(|job| !known.contains(job)) {
            let attempts = relayer.status(job).await?.attempts;
            hashes.extend(attempts.iter().map(|attempt| attempt.hash));
        }
        let jobs = self.store.undone(&self.name, &hashes).await?;
        if jobs > 0 {
            tracing::error!(
                sender = self.name,
                jobs,
                "final jobs were undone: they are sent again"
            );
        }
        self.undone = Some(undone);
        Ok(())
    }

    /// The chain, for questions that outlive this look.
    fn view(&self) -> View {
        View { chain: self.chain.clone(), models: Arc::clone(&self.models) }
    }

    /// Copies what the relayer knows of these jobs into those of their proofs, and concludes what it is
    /// done with.
    async fn follow_all(&mut self, round: Round) -> Result<(), RoundError> {
        let mut failed = HashMap::new();
        let mut seen = HashSet::new();
        for (job, step) in round {
            seen.insert(job);
            if let Err(error) = step {
                self.trouble();
                failed.insert(job, error.to_string());
            }
        }
        self.call_off().await?;
        let mut over = Vec::new();
        for id in self.ids() {
            let Some(job) = self.flights.get(&id).and_then(|flight| flight.job) else { continue };
            let status = self.chain.relayer().status(job).await?;
            // Of what is queued and was not looked at now, there is nothing new to say.
            if status.state.is_terminal() {
                over.push((id, status));
            } else if seen.contains(&job) {
                self.follow(&id, job, &status, &failed).await?;
            }
        }
        let judging = Arc::clone(&self.judging);
        over.retain(|(id, _)| !judging.holds(id));
        // The signer does not wait for long while the chain is asked about others.
        let patience = if self.unsigned() > 0 { SOON } else { PATIENCE };
        let mut line = Line::new(&judging, self.config.chain.concurrency, Some(patience));
        for (id, status) in over {
            let Some(flight) = self.flights.get(&id) else { continue };
            let (view, relay) = (self.view(), flight.relay.clone());
            line.push(id, async move {
                let judged = view.judge(&relay, &status.state).await;
                (status, judged)
            });
        }
        while let Some((id, (status, judged))) = line.next().await {
            let Some(judged) = judged else { continue };
            // It may have been queued again, or undone, since it was asked about.
            let Some(job) = self.flights.get(&id).and_then(|flight| flight.job) else { continue };
            let now = self.chain.relayer().status(job).await?;
            if (&now.state, &now.receipt) != (&status.state, &status.receipt) {
                continue;
            }
            let span = self.span(&id, |_| true, || tracing::info_span!("conclude"));
            self.conclude(&id, &status, judged).instrument(span).await?;
        }
        Ok(())
    }

    /// Takes back from the relayer what is cancelled or too late, also where it waits for an answer
    /// about it.
    async fn call_off(&mut self) -> Result<(), RoundError> {
        let now = self.store.now_ms() / 1000;
        for id in self.ids() {
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            let Some(job) = flight.job else { continue };
            if flight.relay.deadline < now {
                flight.cancelled.get_or_insert(ReasonCode::DeadlinePassed);
            }
            // Jobs of one proof are one transaction: it is not one's alone to cancel.
            if flight.cancelled.is_none() || self.is_wanted_by_others(&id, job) {
                continue;
            }
            let status = self.chain.relayer().status(job).await?;
            let may_be = matches!(status.state, JobState::Queued | JobState::Submitted);
            // Whichever transaction is mined decides: this one may still be.
            if may_be && status.receipt.is_none() && !status.cancelling {
                let _ = self.chain.relayer().cancel(job).await;
            }
        }
        Ok(())
    }

    /// Copies what the relayer knows of a proof under way into its jobs.
    async fn follow(
        &mut self,
        id: &str,
        job: JobId,
        status: &JobStatus,
        failed: &HashMap<JobId, String>,
    ) -> Result<(), RoundError> {
        let Some(flight) = self.flights.get(id) else { return Ok(()) };
        match &status.state {
            JobState::Queued | JobState::Submitted => {
                let shared = flight.cancelled.is_some() && self.is_wanted_by_others(id, job);
                if status.state == JobState::Submitted {
                    self.seen(id, State::Submitted, &Outcome::Submitted).await?;
                    // A transaction to itself that took its place is paid for, too.
                    if let Some(receipt) = &status.receipt {
                        let transaction = self.transaction(receipt);
                        self.paid(id, &transaction).await?;
                    }
                }
                match failed.get(&job).or(status.note.as_ref()) {
                    _ if shared => {
                        let message = "cancelled; another job has the same proof, whose \
                                       transaction goes on";
                        self.hold(id, Reason::new(ReasonCode::Cancelled, message)).await?;
                    }
                    Some(note) => {
                        self.hold(id, Reason::new(ReasonCode::Chain, note.clone())).await?;
                    }
                    None => self.free(id).await?,
                }
            }
            JobState::Included => {
                if let Some(receipt) = &status.receipt {
                    let transaction = self.transaction(receipt);
                    self.paid(id, &transaction).await?;
                    let outcome = Outcome::Included(transaction);
                    self.seen(id, State::Included, &outcome).await?;
                    self.free(id).await?;
                }
            }
            JobState::Finalized | JobState::Rejected(_) | JobState::Dropped(_) => {}
        }
        Ok(())
    }

    /// Whether a job of the relayer's is that of another proof, too, which nobody cancelled.
    fn is_wanted_by_others(&self, id: &str, job: JobId) -> bool {
        let wants = |(other, flight): (&String, &Flight)| {
            other != id && flight.job == Some(job) && flight.cancelled.is_none()
        };
        self.flights.iter().any(wants)
    }

    /// Remembers what a transaction of a proof took, once; another one may take its place in a block.
    async fn paid(&mut self, id: &str, transaction: &Transaction) -> Result<(), StoreError> {
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        if flight.paid != Some(transaction.hash) {
            self.store.paid(transaction, KEPT_MS).await?;
            flight.paid = Some(transaction.hash);
        }
        Ok(())
    }

    /// Writes down a state that is not an end, once.
    async fn seen(&mut self, id: &str, state: State, outcome: &Outcome) -> Result<(), StoreError> {
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        if flight.seen == Some(state) && state != State::Included {
            return Ok(());
        }
        if flight.seen == Some(State::Included) && state == State::Submitted {
            self.metrics.reorganized();
        }
        flight.seen = Some(state);
        self.store.relayed(&self.name, id, outcome).await
    }

    /// The relayer gave up on what a node said: it is asked again after a while, until the deadline.
    async fn try_again(&mut self, id: &str, reason: Reason) -> Result<(), RoundError> {
        let now = self.store.now_ms();
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        if let Some(code) = flight.cancelled {
            let reason = Reason::new(code, "cancelled before it was in a block");
            return Ok(self.end(id, State::Cancelled, reason).await?);
        }
        if flight.relay.deadline < now / 1000 {
            let reason = Reason::new(ReasonCode::DeadlinePassed, reason.message);
            return Ok(self.end(id, State::Dropped, reason).await?);
        }
        if let (Some(job), true) = (flight.job, now >= flight.again_ms) {
            // At once the first time; then longer and longer, a minute at most.
            flight.wait_ms = (flight.wait_ms * 2).clamp(1000, 60_000);
            flight.again_ms = now + flight.wait_ms;
            self.chain.relayer().retry(job, None).await?;
        }
        self.trouble();
        Ok(self.hold(id, reason).await?)
    }

    /// A final transaction whose record is not to be seen: the node may lag.
    async fn missed(&mut self, id: &str) -> Result<(), StoreError> {
        let now = self.store.now_ms();
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        let since = *flight.missed_ms.get_or_insert(now);
        if now.saturating_sub(since) < RECORD_LAG_MS {
            return Ok(());
        }
        let message = "its transaction is final, and the oracle has no record of it";
        self.end(id, State::Rejected, Reason::new(ReasonCode::Refused, message)).await
    }

    async fn end(&mut self, id: &str, state: State, reason: Reason) -> Result<(), StoreError> {
        self.end_by(id, state, reason, None).await
    }

    async fn end_by(
        &mut self,
        id: &str,
        state: State,
        reason: Reason,
        transaction: Option<Transaction>,
    ) -> Result<(), StoreError> {
        tracing::warn!(bundle = id, %state, reason = reason.message, "a proof is not recorded");
        let outcome = Outcome::Ended(state, reason, transaction);
        self.store.relayed(&self.name, id, &outcome).await?;
        self.flights.remove(id);
        Ok(())
    }

    /// Says what holds a proof up, when it is something new.
    async fn hold(&mut self, id: &str, reason: Reason) -> Result<(), StoreError> {
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        if flight.told.as_ref() == Some(&reason) {
            return Ok(());
        }
        tracing::warn!(bundle = id, reason = reason.message, "a proof is held up");
        flight.told = Some(reason.clone());
        self.store.hold(id, Some(&reason)).await
    }

    /// Nothing holds a proof up any more.
    async fn free(&mut self, id: &str) -> Result<(), StoreError> {
        let Some(flight) = self.flights.get_mut(id) else { return Ok(()) };
        match flight.told.take() {
            Some(_) => self.store.hold(id, None).await,
            None => Ok(()),
        }
    }

    fn transaction(&self, receipt: &TxReceipt) -> Transaction {
        let fee = u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price);
        Transaction {
            hash: receipt.hash,
            sender: self.chain.sender(),
            block: receipt.block_number,
            gas_used: receipt.gas_used,
            fee_wei: fee.to_string(),
        }
    }

    async fn watch_balance(&mut self) -> Result<(), RoundError> {
        let now = self.store.now_ms();
        if self.balance_at.is_some_and(|at| now.saturating_sub(at) < BALANCE_EVERY_MS) {
            return Ok(());
        }
        self.balance_at = Some(now);
        let relayer = self.chain.relayer();
        let asking = async { tokio::try_join!(relayer.balance(), relayer.nonce_gap()) };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok((balance, gap))) => {
                self.metrics.sender(&self.name, f64::from(balance) / 1e18, gap);
            }
            // Endpoints that contradict each other about it, or say nothing, stop nothing.
            Ok(Err(error)) => {
                self.trouble();
                tracing::warn!(sender = self.name, %error, "what the key holds is not known");
            }
            Err(_) => {
                self.trouble();
                tracing::warn!(sender = self.name, "what the key holds is not known: no answer");
            }
        }
        Ok(())
    }
}

/// Why a look did not come to its end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Relayer(#[from] verdict_relayer::RelayerError),
}
