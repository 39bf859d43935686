//! One relayer on the scripted chain, with a database file that outlives it.

use std::sync::Arc;

use alloy::{
    primitives::{Bytes, keccak256},
    signers::local::PrivateKeySigner,
};
use verdict_relayer::{
    DecodedRevert, Effect, JobId, JobState, JobStatus, NodeOptions, Relayer, RelayerConfig,
    RelayerError, RelayerSigner, Storage, SubmitRequest,
};

use crate::chain::{CHAIN_ID, FakeChain, ManualClock, contract, recorder};

/// Revert data that the tests' decoder takes for "already recorded".
pub(crate) const RECORDED: &[u8] = b"done";
/// Revert data of any other error.
pub(crate) const DENIED: &[u8] = b"denied";

pub(crate) struct Bench {
    pub(crate) chain: Arc<FakeChain>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: RelayerConfig,
    pub(crate) key: PrivateKeySigner,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let key = PrivateKeySigner::from_bytes(&keccak256("a key of this test")).unwrap();
        let clock = Arc::new(ManualClock::default());
        Self {
            chain: FakeChain::new(key.address(), Arc::clone(&clock)),
            clock,
            config: RelayerConfig {
                node: NodeOptions { chain_id: Some(CHAIN_ID), ..NodeOptions::default() },
                ..RelayerConfig::default()
            },
            key,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Opens the relayer, as a process that starts does.
    pub(crate) async fn open(&self) -> Relayer {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Relayer, RelayerError> {
        let storage = Storage::open(&self.folder.path().join("relayer.db")).await?;
        let signer = RelayerSigner::from(self.key.clone());
        let (chain, clock) = (Arc::clone(&self.chain), Arc::clone(&self.clock));
        Relayer::with_backend(self.config.clone(), signer, storage, decode, chain, clock).await
    }

    /// Submits a call and drives it to its end.
    pub(crate) async fn complete(&self, relayer: &Relayer, data: &'static str) -> JobStatus {
        self.run(relayer, call(data)).await
    }

    /// Submits a request and drives it to its end.
    pub(crate) async fn run(&self, relayer: &Relayer, request: SubmitRequest) -> JobStatus {
        let id = relayer.submit(request).await.unwrap();
        relayer.run_to_completion(id).await.unwrap()
    }

    /// How often a call with this data is in a block, and how many transactions are.
    pub(crate) fn counts(&self, data: &[u8]) -> (usize, usize) {
        let state = self.chain.state();
        (state.executed(data), state.mined())
    }

    /// Runs `relayer` until a request of the scripted chain hangs, and kills it there.
    pub(crate) async fn kill_when_hung(&self, relayer: Relayer, id: JobId) {
        let running = tokio::spawn(async move { relayer.run_to_completion(id).await });
        while !self.chain.state().hung {
            assert!(!running.is_finished(), "the relayer was to hang");
            tokio::task::yield_now().await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        self.chain.state().hung = false;
    }
}

/// A call of the test contract whose key is its data.
pub(crate) fn call(data: &'static str) -> SubmitRequest {
    SubmitRequest::call(contract(), data.as_bytes().into(), data)
}

/// The same with a way to see its effect.
pub(crate) fn seen(data: &'static str) -> SubmitRequest {
    let (to, calldata) = (recorder(), data.as_bytes().into());
    call(data).with_effect(Effect::is_set(to, calldata))
}

pub(crate) fn decode(data: &Bytes) -> DecodedRevert {
    let name = String::from_utf8_lossy(data).into_owned();
    DecodedRevert {
        message: format!("{name}()"),
        already_recorded: data == RECORDED,
        name,
        data: data.clone(),
    }
}

pub(crate) fn assert_finalized(status: &JobStatus) {
    assert_eq!(status.state, JobState::Finalized, "{status:?}");
    assert!(status.receipt.as_ref().is_none_or(|receipt| receipt.success), "{status:?}");
}

/// Submits a call for each name.
pub(crate) async fn submit_all(relayer: &Relayer, names: &[&'static str]) -> Vec<JobId> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(relayer.submit(call(name)).await.unwrap());
    }
    ids
}

/// The nonces of `ids`, in their order; none of those that have none yet.
pub(crate) async fn nonces(relayer: &Relayer, ids: &[JobId]) -> Vec<Option<u64>> {
    let mut nonces = Vec::new();
    for id in ids {
        nonces.push(relayer.status(*id).await.unwrap().nonce);
    }
    nonces
}
