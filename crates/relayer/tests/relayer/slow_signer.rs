//! A signer that is far away, or out of order, about one job or all: it holds up nobody's watch, no nonce
//! is given away above one that it may sign for, and what waited is sent once it is well.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::SignableTransaction,
    network::TxSigner,
    primitives::{Address, B256, ChainId, Signature},
    signers::{Signer, local::PrivateKeySigner},
};
use async_trait::async_trait;
use verdict_relayer::{JobId, JobState, Relayer, RelayerSigner, Storage, clock::Clock};

use crate::bench::{Bench, assert_finalized, call, decode, nonces, submit_all};

/// What a step may take, far below what the signer does.
const STEP: Duration = Duration::from_secs(4);
/// Stands for the data of all transactions.
pub(crate) const ALL: &str = "*";

/// How long a transaction with some data takes, or any, and what was asked for.
#[derive(Clone)]
pub(crate) struct Far {
    key: PrivateKeySigner,
    refuses: Arc<AtomicBool>,
    /// The data of transactions that it refuses for ever.
    refused: Arc<Mutex<HashSet<&'static str>>>,
    /// It refuses all but every so manieth, if that is not 0.
    pub(crate) throttle: Arc<AtomicUsize>,
    pub(crate) takes: Arc<Mutex<HashMap<&'static str, Duration>>>,
    asked: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Far {
    /// Takes so many milliseconds for transactions with some data; for all others what [`ALL`] takes.
    pub(crate) fn new(bench: &Bench, takes: &[(&'static str, u64)]) -> Self {
        let takes = takes.iter().map(|(data, ms)| (*data, Duration::from_millis(*ms)));
        Self {
            key: bench.key.clone(),
            refuses: Arc::default(),
            refused: Arc::default(),
            throttle: Arc::default(),
            takes: Arc::new(Mutex::new(takes.collect())),
            asked: Arc::default(),
        }
    }

    /// Answers everything at once from now on.
    pub(crate) fn answers(&self) {
        self.takes.lock().unwrap().clear();
    }

    /// Refuses everything from now on, or does not any more.
    pub(crate) fn refuses(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Refuses transactions with some data for ever.
    pub(crate) fn refuses_for_ever(&self, data: &[&'static str]) {
        self.refused.lock().unwrap().extend(data);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) async fn open(&self, bench: &Bench) -> Relayer {
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
        let takes = {
            let takes = self.takes.lock().unwrap();
            takes.get(data.as_str()).or_else(|| takes.get(ALL)).copied()
        };
        let refused = self.refused.lock().unwrap().contains(data.as_str());
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((data, tx.nonce()));
            asked.len()
        };
        if let Some(takes) = takes {
            tokio::time::sleep(takes).await;
        }
        let throttle = self.throttle.load(Ordering::Relaxed);
        let throttled = throttle > 0 && !asked.is_multiple_of(throttle);
        if refused || throttled || self.refuses.load(Ordering::Relaxed) {
            return Err(alloy::signers::Error::other("locked"));
        }
        self.key.sign_transaction(tx).await
    }
}

/// So many names.
pub(crate) fn names(what: &str, count: usize) -> Vec<&'static str> {
    (0..count).map(|index| &*Box::leak(format!("{what} {index}").into_boxed_str())).collect()
}

/// Sends, in less than a step may take.
pub(crate) async fn send(relayer: &Relayer) {
    let start = Instant::now();
    relayer.send().await.unwrap();
    assert!(start.elapsed() < STEP, "{:?}", start.elapsed());
}

/// Sends until something is so, and for `seconds` at most.
pub(crate) async fn send_until(
    relayer: &Relayer,
    seconds: u64,
    what: &str,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}");
        send(relayer).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_job_that_the_signer_stalls_on_goes_last_and_is_signed_when_nobody_waits() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("b", 6000)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b", "c", "d"]).await;
    send(&relayer).await;
    // The others go on, at the nonce that was asked for first.
    assert_eq!(nonces(&relayer, &ids).await, [Some(0), None, Some(1), Some(2)]);
    let note = relayer.status(ids[1]).await.unwrap().note.unwrap();
    assert!(note.contains("signer") && note.contains("does not answer"), "{note}");
    let asked = || signer.asked.lock().unwrap().iter().filter(|(data, _)| data == "b").count();
    assert_eq!(asked(), 1);
    assert!(!relayer.takes_place(ids[1]) && relayer.takes_place(ids[2]));
    // Nobody waits: after a second its question stays open, and what is signed is watched.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    send(&relayer).await;
    assert_eq!(asked(), 2);
    assert!(relayer.takes_place(ids[1]));
    bench.chain.state().mine();
    let watched = relayer.watch().await.unwrap();
    assert!(watched.iter().all(|(_, state)| matches!(state, Ok(JobState::Included))));
    assert_eq!(watched.len(), 3);
    // Whoever comes does not wait for it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let other = relayer.submit(call("e")).await.unwrap();
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &[ids[1], other]).await, [None, Some(3)]);
    let signed = async || relayer.status(ids[1]).await.unwrap().nonce == Some(4);
    send_until(&relayer, 12, "it is signed when nobody waits", signed).await;
    assert_eq!(relayer.status(ids[1]).await.unwrap().note, None);
    assert_eq!(asked(), 3);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (5, 5), "each once");
}

#[tokio::test]
async fn a_silent_job_does_not_hold_up_those_that_come_one_after_the_other() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("silent", 600_000)]);
    let relayer = signer.open(&bench).await;
    let silent = relayer.submit(call("silent")).await.unwrap();
    for name in ["a", "b", "c", "d"] {
        // It is asked about while nobody is there.
        for _ in 0..2 {
            send(&relayer).await;
        }
        let id = relayer.submit(call(name)).await.unwrap();
        let is_signed = async || relayer.status(id).await.unwrap().nonce.is_some();
        send_until(&relayer, 3, "nobody waits for the silent one", is_signed).await;
    }
    assert_eq!(relayer.status(silent).await.unwrap().nonce, None);
    relayer.cancel(silent).await.unwrap();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 4);
}

#[tokio::test]
async fn after_a_signer_that_refused_all_is_well_everything_is_sent_within_seconds() {
    const JOBS: usize = 20;
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &names("job", JOBS)).await;
    signer.refuses(true);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        send(&relayer).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(bench.chain.state().sends.is_empty());
    // Each once, and then one after the other.
    assert!((JOBS + 2..JOBS + 16).contains(&signer.asked()), "{}", signer.asked());
    signer.refuses(false);
    let all = async || nonces(&relayer, &ids).await.iter().all(Option::is_some);
    send_until(&relayer, 3, "everything is sent", all).await;
    let mut given = nonces(&relayer, &ids).await;
    given.sort_unstable();
    assert!(given.into_iter().eq((0..JOBS as u64).map(Some)));
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (JOBS, JOBS), "each once");
}

#[tokio::test]
async fn a_refused_job_waits_a_second_unless_it_is_cancelled_and_queued_again() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    signer.refuses(true);
    let id = relayer.submit(call("a")).await.unwrap();
    send(&relayer).await;
    signer.refuses(false);
    let other = relayer.submit(call("b")).await.unwrap();
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &[id, other]).await, [None, Some(0)]);
    relayer.cancel(id).await.unwrap();
    relayer.retry(id, None).await.unwrap();
    send(&relayer).await;
    assert_eq!(nonces(&relayer, &[id]).await, [Some(1)]);
}

#[tokio::test]
async fn signing_takes_no_more_of_a_step_than_one_answer_may_and_what_is_cancelled_is_not_signed() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[(ALL, 1600)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b", "c", "d", "e"]).await;
    let start = Instant::now();
    relayer.send().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(nonces(&relayer, &ids).await, [Some(0), None, None, None, None]);
    // It was asked a moment ago.
    assert_eq!(relayer.status(ids[1]).await.unwrap().note, None);
    // One that is asked about, and one that waits.
    relayer.cancel(ids[1]).await.unwrap();
    relayer.cancel(ids[4]).await.unwrap();
    let signed = async || nonces(&relayer, &ids).await.iter().flatten().count() == 3;
    send_until(&relayer, 10, "the others are signed", signed).await;
    assert_eq!(nonces(&relayer, &ids).await, [Some(0), None, Some(1), Some(2), None]);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 3);
    assert!(signer.asked.lock().unwrap().iter().all(|(data, _)| data != "e"));
}

#[tokio::test]
async fn a_signer_that_is_slow_for_everybody_signs() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[(ALL, 3000)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b", "c", "d", "e"]).await;
    let signed = async || nonces(&relayer, &ids).await.iter().flatten().count() == 2;
    send_until(&relayer, 14, "two are signed", signed).await;
    // One was given up.
    assert!(signer.asked() <= 4, "{}", signer.asked());
    signer.answers();
    relayer.let_go();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 5);
}

#[tokio::test]
async fn a_late_signature_is_kept_until_a_node_that_is_far_away_says_whether_it_is_of_use() {
    let mut bench = Bench::new();
    bench.config.concurrency = 2;
    let signer = Far::new(&bench, &[("a", 2500), ("b", 2500)]);
    let relayer = signer.open(&bench).await;
    let ids = submit_all(&relayer, &["a", "b"]).await;
    bench.chain.state().delay = Duration::from_millis(600);
    let start = Instant::now();
    while nonces(&relayer, &ids).await.contains(&None) {
        assert!(start.elapsed() < Duration::from_secs(40), "both are signed");
        relayer.send().await.unwrap();
    }
    assert!(signer.asked() <= 3, "{}", signer.asked());
    bench.chain.state().delay = Duration::ZERO;
    signer.answers();
    relayer.let_go();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 2);
}

/// Three jobs whose transactions wait too long to be mined.
pub(crate) async fn overdue(bench: &Bench, relayer: &Relayer) -> Vec<JobId> {
    let ids = submit_all(relayer, &["a", "b", "c"]).await;
    bench.chain.state().mined_from_tip = u128::MAX;
    send(relayer).await;
    bench.clock.sleep(Duration::from_secs(60)).await;
    ids
}

/// Watches, in less than a step may take: how many jobs are in a block.
pub(crate) async fn included(relayer: &Relayer) -> usize {
    let start = Instant::now();
    let watched = relayer.watch().await.unwrap();
    assert!(start.elapsed() < STEP, "{:?}", start.elapsed());
    watched.iter().filter(|(_, step)| matches!(step, Ok(JobState::Included))).count()
}

#[tokio::test]
async fn what_the_signer_is_asked_for_to_replace_a_transaction_stops_nobody_s_watch() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let ids = overdue(&bench, &relayer).await;
    signer.takes.lock().unwrap().insert(ALL, Duration::from_secs(600));
    // One of them is cancelled: the signer is asked for a transaction in its place.
    relayer.cancel(ids[2]).await.unwrap();
    included(&relayer).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    included(&relayer).await;
    assert_eq!(signer.asked(), 6, "each once");
    let note = relayer.status(ids[0]).await.unwrap().note.unwrap();
    assert!(note.contains("does not answer"), "{note}");
    {
        let mut state = bench.chain.state();
        state.mined_from_tip = 0;
        state.mine();
    }
    assert_eq!(included(&relayer).await, 3);
    assert_eq!(relayer.status(ids[0]).await.unwrap().note, None);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!((signer.asked(), bench.chain.state().sends.len()), (6, 3), "nothing more");
}

#[tokio::test]
async fn a_replacement_that_is_signed_late_is_sent_and_not_for_what_is_cancelled_by_then() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[]);
    let relayer = signer.open(&bench).await;
    let ids = overdue(&bench, &relayer).await;
    signer.takes.lock().unwrap().insert(ALL, Duration::from_millis(1500));
    included(&relayer).await;
    relayer.cancel(ids[2]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    included(&relayer).await;
    let sends = bench.chain.state().sends.len();
    assert_eq!(sends, 5, "two are replaced");
    tokio::time::sleep(Duration::from_secs(2)).await;
    included(&relayer).await;
    let attempts = relayer.status(ids[2]).await.unwrap().attempts;
    assert_eq!(attempts.iter().map(|each| each.cancels).collect::<Vec<_>>(), [false, true]);
    bench.chain.state().mined_from_tip = 0;
    signer.answers();
    let done = relayer.run_pending().await.unwrap();
    assert_eq!(done.len(), 3);
    assert_eq!(bench.chain.state().mined(), 3, "each nonce once");
    assert_eq!(bench.counts(b"c").0, 0);
}

#[tokio::test]
async fn a_silent_signer_keeps_no_job_from_being_cancelled_and_its_nonce_is_the_next_one_s() {
    let bench = Bench::new();
    let signer = Far::new(&bench, &[("a", 600_000), ("b", 600_000)]);
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
    let signer = Far::new(&bench, &[("a", 4000)]);
    let relayer = signer.open(&bench).await;
    let id = relayer.submit(call("a")).await.unwrap();
    send(&relayer).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // It is given up, and asked again with more time.
    send(&relayer).await;
    send(&relayer).await;
    bench.chain.state().reverting = Some((b"denied".as_slice().into(), 0));
    tokio::time::sleep(Duration::from_secs(3)).await;
    send(&relayer).await;
    let status = relayer.status(id).await.unwrap();
    assert!(matches!(status.state, JobState::Rejected(_)), "{status:?}");
    assert!(status.attempts.is_empty() && bench.chain.state().sends.is_empty());
}
