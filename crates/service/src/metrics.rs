//! What operators watch, in the text form of OpenMetrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    job::Transaction,
    store::{Store, StoreError},
};

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabel {
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SenderLabel {
    sender: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
    status: u16,
}

/// Counters and gauges of one process. Clones share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    jobs: Family<JobLabels, Gauge>,
    oldest_queued: Gauge<f64, AtomicU64>,
    proofs: Family<ModelLabel, Counter>,
    proof_seconds: Family<ModelLabel, Histogram>,
    proof_failures: Family<ModelLabel, Counter>,
    leases_expired: Counter,
    recorded: Family<ModelLabel, Counter>,
    gas: Family<ModelLabel, Counter>,
    fees: Family<ModelLabel, Counter<f64, AtomicU64>>,
    reorgs: Counter,
    chain_errors: Counter,
    chain_ok: Family<SenderLabel, Gauge>,
    balance: Family<SenderLabel, Gauge<f64, AtomicU64>>,
    nonce_gap: Family<SenderLabel, Gauge>,
    webhooks: Family<ResultLabel, Counter>,
    requests: Family<RouteLabel, Counter>,
    refreshed: Family<ModelLabel, Gauge>,
    senders: Mutex<BTreeMap<String, SenderStatus>>,
}

/// A sending key, as last seen.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SenderStatus {
    /// Its account.
    pub address: String,
    /// What it holds.
    pub balance_ether: f64,
    /// Its transactions that are signed and in no block.
    pub nonce_gap: u64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("verdict");
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 16));
        let inner = Inner {
            jobs: register!("jobs", "Jobs of each kind in each state", Family::default()),
            oldest_queued: register!(
                "oldest_queued_seconds",
                "Age of the oldest job that waits for a worker",
                Gauge::default()
            ),
            proofs: register!("proofs", "Proofs made by this process", Family::default()),
            proof_seconds: register!(
                "proof_seconds",
                "Time of a proof, without waiting",
                Family::new_with_constructor(seconds as fn() -> Histogram)
            ),
            proof_failures: register!("proof_failures", "Proofs that failed", Family::default()),
            leases_expired: register!(
                "leases_expired",
                "Jobs whose worker did not come back in time",
                Counter::default()
            ),
            recorded: register!("scores_recorded", "Scores recorded for good", Family::default()),
            gas: register!("gas_used", "Gas of final transactions", Family::default()),
            fees: register!("fees_ether", "Ether paid for final transactions", Family::default()),
            reorgs: register!(
                "reorgs",
                "Transactions whose block left the chain",
                Counter::default()
            ),
            chain_errors: register!(
                "chain_errors",
                "Failures of nodes, relayer, contracts' answers, or of the database at a sender's look",
                Counter::default()
            ),
            chain_ok: register!(
                "chain_ok",
                "1 if a sender's last look at the chain succeeded",
                Family::default()
            ),
            balance: register!("balance_ether", "What a sending key holds", Family::default()),
            nonce_gap: register!(
                "nonce_gap",
                "Transactions of a sending key that are signed and in no block",
                Family::default()
            ),
            webhooks: register!("webhooks", "Announcements by their result", Family::default()),
            requests: register!("http_requests", "Requests by route and status", Family::default()),
            refreshed: register!(
                "refreshed_timestamp_seconds",
                "When a model's subjects were last submitted by schedule",
                Family::default()
            ),
            registry: Mutex::new(Registry::default()),
            senders: Mutex::default(),
        };
        *inner.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        Self(Arc::new(inner))
    }
}

fn of(model: &str) -> ModelLabel {
    ModelLabel { model: model.to_owned() }
}

impl Metrics {
    /// A proof was made.
    pub(crate) fn proved(&self, model: &str, ms: u64) {
        self.0.proofs.get_or_create(&of(model)).inc();
        self.0.proof_seconds.get_or_create(&of(model)).observe(ms as f64 / 1000.0);
    }

    /// A proof failed.
    pub(crate) fn proof_failed(&self, model: &str) {
        self.0.proof_failures.get_or_create(&of(model)).inc();
    }

    /// Leases ran out.
    pub(crate) fn expired(&self, count: usize) {
        self.0.leases_expired.inc_by(count as u64);
    }

    /// Scores are recorded for good.
    pub(crate) fn recorded(&self, model: &str, scores: usize) {
        self.0.recorded.get_or_create(&of(model)).inc_by(scores as u64);
    }

    /// A transaction is final, whatever came of it.
    pub(crate) fn paid(&self, model: &str, transaction: Option<&Transaction>) {
        let Some(transaction) = transaction else { return };
        let wei: f64 = transaction.fee_wei.parse().unwrap_or_default();
        self.0.gas.get_or_create(&of(model)).inc_by(transaction.gas_used);
        self.0.fees.get_or_create(&of(model)).inc_by(wei / 1e18);
    }

    /// A block left the chain.
    pub(crate) fn reorganized(&self) {
        self.0.reorgs.inc();
    }

    /// How a sender's last look at the chain went.
    pub(crate) fn looked(&self, sender: &str, ok: bool) {
        let label = SenderLabel { sender: sender.to_owned() };
        self.0.chain_ok.get_or_create(&label).set(i64::from(ok));
    }

    /// A node, the relayer or a contract's answer failed.
    pub(crate) fn chain_failed(&self) {
        self.0.chain_errors.inc();
    }

    /// What a sender holds, and how many of its transactions are in no block.
    pub(crate) fn sender(&self, sender: &str, ether: f64, gap: u64) {
        let status =
            SenderStatus { address: sender.to_owned(), balance_ether: ether, nonce_gap: gap };
        let mut senders = self.0.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.insert(sender.to_owned(), status);
        let label = SenderLabel { sender: sender.to_owned() };
        self.0.balance.get_or_create(&label).set(ether);
        self.0.nonce_gap.get_or_create(&label).set(i64::try_from(gap).unwrap_or(i64::MAX));
    }

    /// Another process sends with a key.
    pub(crate) fn forget(&self, sender: &str) {
        let mut senders = self.0.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.remove(sender);
        let label = SenderLabel { sender: sender.to_owned() };
        self.0.balance.remove(&label);
        self.0.nonce_gap.remove(&label);
        self.0.chain_ok.remove(&label);
    }

    /// The sending keys of this process.
    pub fn senders(&self) -> Vec<SenderStatus> {
        let senders = self.0.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.values().cloned().collect()
    }

    /// An announcement arrived, or not.
    pub(crate) fn webhook(&self, result: &'static str) {
        self.0.webhooks.get_or_create(&ResultLabel { result }).inc();
    }

    /// A request was answered.
    pub(crate) fn request(&self, route: &str, status: u16) {
        let route = route.to_owned();
        self.0.requests.get_or_create(&RouteLabel { route, status }).inc();
    }

    /// Everything, with what the database says now; of refreshed models, those that have a schedule.
    ///
    /// # Errors
    /// The database fails.
    pub async fn render(
        &self,
        store: &Store,
        schedules: &BTreeSet<String>,
    ) -> Result<String, StoreError> {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (kind, state, count) in store.recent_counts().await? {
            let label = JobLabels { kind: kind.name(), state: state.name() };
            self.0.jobs.get_or_create(&label).set(number(count));
        }
        let refreshed = store.refreshed().await?.into_iter();
        for (model, at_ms) in refreshed.filter(|(model, _)| schedules.contains(model)) {
            self.0.refreshed.get_or_create(&of(&model)).set(number(at_ms / 1000));
        }
        self.0.oldest_queued.set(store.oldest_queued_ms().await? as f64 / 1000.0);
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }
}
