//! A signer that is far away, and does not answer about one job or at all: it holds up nobody's watch,
//! and no nonce is given away above one that it may sign for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy::{
    consensus::SignableTransaction,
    network::TxSigner,
    primitives::{Address, B256, ChainId, Signature},
    signers::{Signer, local::PrivateKeySigner},
};
use async_trait::async_trait;
use verdict_relayer::{JobId, JobState, Relayer, RelayerSigner, Storage};

use crate::bench::{Bench, assert_finalized, call, decode};

/// What a step may take, far below what the signer does.
const STEP: Duration = Duration::from_secs(4);

/// How long a transaction with some data takes, and what was asked for.
#[derive(Clone)]
struct Far {
    key: PrivateKeySigner,
    takes: Arc<Mutex<HashMap<&'static str, Duration>>>,
    asked: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Far {
    fn new(bench: &Bench, takes: &[(&'static str, u64)]) -> Self {
        let takes = takes.iter().map(|(data, seconds)| (*data, Duration::from_secs(*seconds)));
        Self {
            key: bench.key.clone(),
            takes: Arc::new(Mutex::new(takes.collect())),
            asked: Arc::default(),
        }
    }

    /// Answers everything at once from now on.
    fn answers(&self) {
        self.takes.lock().unwrap().clear();
    }

    async fn open(&self, bench: &Bench) -> Relayer {
        let storage = Storage::open(&bench.folder.path().join("relayer.db")).await.unwrap();
        let (chain, clock) = (Arc::clone(&bench.chain), Arc::clone(&bench.clock));
        let signer = RelayerSigner::new(self.clone());
        Relayer::with_backend(bench.config.clone(), signer, storage, decode, chain, clock)
            .await
            .unwrap()
    }
}

#[async_trait]
impl Signer for Far {
    async fn sign_hash(&self, hash: &B256) -> alloy::signers::Result<Signature> {
        self.key.sign_hash(hash).await
    }

    fn address(&self) -> Address {
        self.key.address()
    }

    fn chain_id(&self) -> Option<ChainId> {
        None
    }

    fn set_chain_id(&mut self, _: Option<ChainId>) {}
}

#[async_trait]
impl TxSigner<Signature> for Far {
    fn address(&self) -> Address {
        self.key.address()
    }

    async fn sign_transaction(
        &self,
        tx: &mut dyn SignableTransaction<Signature>,
    ) -> alloy::signers::Result<Signature> {
        let data = String::from_utf8_lossy(tx.input()).into_owned();
        let takes = self.takes.lock().unwrap().get(data.as_str()).copied();
        self.asked.lock().unwrap().push((data, tx.nonce()));
        if let Some(takes) = takes {
            tokio::time::sleep(takes).await;
        }
        self.key.sign_transaction(tx).await
    }
}

async fn submit_all(relayer: &Relayer, names: &[&'static str]) -> Vec<JobId> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(relayer.submit(call(name)).await.unwrap());
    }
    ids
}

async fn nonces(relayer: &Relayer, ids: &[JobId]) -> Vec<Option<u64>> {
    let mut nonces = Vec::new();
    for id in ids {
        nonces.push(relayer.status(*id).await.unwrap().nonce);
    }
    nonces
}

/// Sends, in less than a step may take.
async fn send(relayer: &Relayer) {
    let start = Instant::now();
    relayer.send().await.unwrap();
    assert!(start.elapsed() < STEP, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_job_that_the_signer_stalls_on_goes_last_and_is_signed_when_the_signer_answers() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("b", 6)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b", "c", "d"]).await;
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &ids).await, [Some(0), None, None, None]);
    let note = relayer.status(ids[1]).await.unwrap().note.unwrap();
    assert!(note.contains("signer") && note.contains("does not answer"), "{note}");
    // The others go on, at the nonce that was asked for first.
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &ids).await, [Some(0), None, Some(1), Some(2)]);
    send(&relayer).await;
    let b = |asked: &&(String, u64)| asked.0 == "b";
    assert_eq!(signer.asked.lock().unwrap().iter().filter(b).count(), 1);
    // They had as long as it has now, in which its question stays open: what is signed is watched, and
    // nothing is given a nonce above it.
    tokio::time::sleep(Duration::from_secs(8)).await;
    send(&relayer).await;
    bench.chain.state().mine();
    let watched = relayer.watch().await.unwrap();
    assert!(watched.iter().all(|(_, state)| matches!(state, Ok(JobState::Included))));
    assert_eq!(watched.len(), 3);
    let other = relayer.submit(call("e")).await.unwrap();
    send(&relayer).await;
    assert_eq!(relayer.status(other).await.unwrap().nonce, None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &[ids[1], other]).await, [Some(3), Some(4)]);
    assert_eq!(relayer.status(ids[1]).await.unwrap().note, None);
    assert_eq!(signer.asked.lock().unwrap().iter().filter(b).count(), 2);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (5, 5), "each once");
}

#[tokio::test]
async fn a_silent_signer_keeps_no_job_from_being_cancelled_and_its_nonce_is_the_next_one_s() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("a", 600), ("b", 600)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b"]).await;
    for _ in 0..4 {
        send(&relayer).await;
    }
    assert_eq!(nonces(&relayer, &ids).await, [None, None]);
    assert!(bench.chain.state().sends.is_empty());
    for id in &ids {
        assert!(relayer.status(*id).await.unwrap().note.unwrap().contains("signer"));
    }
    let cancelled = tokio::time::timeout(Duration::from_secs(1), relayer.cancel(ids[0])).await;
    cancelled.expect("it does not wait").unwrap();
    let cancelled = tokio::time::timeout(Duration::from_secs(1), relayer.cancel(ids[1])).await;
    cancelled.expect("it does not wait").unwrap();
    signer.answers();
    let other = relayer.submit(call("c")).await.unwrap();
    send(&relayer).await;
    assert_eq!(relayer.status(other).await.unwrap().nonce, Some(0));
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 1);
}

#[tokio::test]
async fn a_signature_that_comes_late_is_not_used_for_a_call_that_reverts_by_then() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("a", 4)]);
    let relayer = signer.open(&bench).await;
    let id = relayer.submit(call("a")).await.unwrap();
    send(&relayer).await;
    send(&relayer).await;
    bench.chain.state().reverting = Some((b"denied".as_slice().into(), 0));
    tokio::time::sleep(Duration::from_secs(3)).await;
    send(&relayer).await;
    let status = relayer.status(id).await.unwrap();
    assert!(matches!(status.state, JobState::Rejected(_)), "{status:?}");
    assert!(status.attempts.is_empty() && bench.chain.state().sends.is_empty());
}
