//! Databases of both kinds, jobs and proofs.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, B256};
use verdict::{InferenceRequest, ProofBundle};
use verdict_contracts::{FORMAT, ModelRef, SrsRef, VERSION};
use verdict_relayer::clock::Clock;
use verdict_service::{
    job::Kind,
    store::{Claimed, Claims, Done, NewJob, Store},
};

use crate::postgres::Postgres;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_800_000_000_000)))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep(&self, _: Duration) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A database with its clock.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) clock: Arc<TestClock>,
}

/// Runs a test on SQLite, and on PostgreSQL.
pub(crate) fn on_both<F: Future<Output = ()>>(test: impl Fn(Place) -> F) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let clock = TestClock::new();
        let path = folder.path().join("with ? and %.db");
        let store = Store::sqlite(&path, clock.clone()).await.expect("SQLite");
        test(Place { store, clock }).await;
        assert!(path.exists());
    });
    let server = Postgres::start();
    runtime.block_on(async {
        let clock = TestClock::new();
        let url = database(&server).await;
        let store = Store::postgres(&url, clock.clone()).await.expect("PostgreSQL");
        test(Place { store: store.clone(), clock }).await;
        store.close().await;
    });
}

pub(crate) const MODEL: &str = "credit";

pub(crate) fn subject(index: u8) -> Address {
    Address::repeat_byte(index)
}

impl Place {
    /// A job that scores a subject, as it is accepted.
    pub(crate) fn job(&self, about: u8) -> NewJob {
        let id = self.store.new_id();
        NewJob {
            kind: Kind::Score,
            model: MODEL.into(),
            subject: Some(subject(about)),
            priority: 0,
            idempotency_key: format!("job:{id}"),
            fingerprint: "f".into(),
            input: Some("sealed".into()),
            keep_input: false,
            attestations: None,
            nonce: None,
            deadline: None,
            valid_for: 3600,
            bundle: None,
            webhook: None,
            client: "tester".into(),
            id,
        }
    }

    pub(crate) async fn submit(&self, job: NewJob) -> String {
        let intake = verdict_service::store::Intake::start(self.store.clone(), 1000);
        intake.submit(job).await.expect("stored").job.id
    }

    pub(crate) async fn claim(&self, worker: &str) -> Vec<Claimed> {
        self.store.claim(worker, &claims(1, 0), 10_000).await.expect("claimed")
    }

    /// Stores a proof of jobs that a worker has.
    pub(crate) async fn prove(&self, worker: &str, jobs: Vec<Claimed>) -> bool {
        self.store.proved(worker, &self.done(jobs)).await.expect("stored")
    }

    pub(crate) fn done(&self, jobs: Vec<Claimed>) -> Done {
        let deadline = self.store.now_ms() / 1000 + 3600;
        let request = |job: &Claimed| InferenceRequest {
            chain_id: 31_337,
            oracle: Address::ZERO,
            model_id: 1,
            verification_hash: B256::ZERO,
            subject: job.subject.expect("a subject"),
            nonce: 7,
            deadline,
            inputs: B256::ZERO,
        };
        let scores = jobs.iter().filter(|job| job.kind == Kind::Score);
        let requests: Vec<_> = scores.map(request).collect();
        let count = jobs.len();
        let bundle = ProofBundle {
            format: FORMAT.into(),
            version: VERSION,
            model: ModelRef {
                setup_id: B256::ZERO,
                name: "credit".into(),
                model_hash: B256::ZERO,
                shape_id: B256::ZERO,
                key_hash: B256::ZERO,
            },
            instances: vec![],
            outputs: (0..count as i128).map(|index| 500 + index).collect(),
            decimals: 3,
            decoded: (0..count).map(|index| (500 + index) as f64 / 1000.0).collect(),
            proof: vec![1].into(),
            evm_proof: vec![1].into(),
            srs: SrsRef { fingerprint: B256::ZERO, insecure: true },
            request: None,
            requests: requests.clone(),
            input_commitment: None,
        };
        let requests = requests.iter().map(|request| (request.nonce, request.deadline)).collect();
        Done { jobs, bundle, requests, inferences: count, proof_ms: 25, deployment: None }
    }

    /// The names of the states that a job went through.
    pub(crate) async fn story(&self, id: &str) -> Vec<&'static str> {
        let events = self.store.events(id, 0).await.expect("events");
        assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{events:?}");
        events.iter().map(|event| event.state.name()).collect()
    }

    /// A job's state.
    pub(crate) async fn state(&self, id: &str) -> &'static str {
        self.store.job(id).await.expect("a job").state.name()
    }
}

pub(crate) fn claims(batch: usize, wait_ms: u64) -> Claims {
    Claims { model: MODEL.into(), batch, wait_ms, node: true }
}

/// A new database of a server.
pub(crate) async fn database(server: &Postgres) -> String {
    use sqlx::{Connection, Executor};
    sqlx::any::install_default_drivers();
    let start = std::time::Instant::now();
    let mut own = loop {
        match sqlx::AnyConnection::connect(&server.url("postgres")).await {
            Ok(own) => break own,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    own.execute("CREATE DATABASE tests").await.expect("a database");
    server.url("tests")
}
