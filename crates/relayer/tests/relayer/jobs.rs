//! Jobs: idempotent submission, cancelling, trying again, many at once.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use alloy::primitives::{Bytes, U256};
use verdict_relayer::{DropReason, JobId, JobState, RelayerError, SubmitRequest};

use crate::{
    bench::{Bench, DENIED, assert_finalized, call, seen},
    chain::{Fault, contract},
};

#[tokio::test]
async fn the_same_key_is_the_same_job_before_and_after_its_end() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    // A second proof of the same inference has other bytes.
    let other_proof = SubmitRequest::call(contract(), Bytes::from_static(b"other"), "a");
    assert_eq!(relayer.submit(other_proof.clone()).await.unwrap(), id);
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(relayer.submit(other_proof).await.unwrap(), id);
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    let state = bench.chain.state();
    assert_eq!((state.mined(), state.executed(b"a"), state.executed(b"other")), (1, 1, 0));
}

#[tokio::test]
async fn a_key_that_belongs_to_another_call_is_refused() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    relayer.submit(call("a")).await.unwrap();
    let other_value = SubmitRequest { value: U256::from(1), ..call("a") };
    let other_target = SubmitRequest { to: None, ..call("a") };
    for (request, what) in [(other_value, "value"), (other_target, "target")] {
        let error = relayer.submit(request).await.unwrap_err();
        assert!(matches!(error, RelayerError::IdempotencyConflict { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_job_that_was_never_signed_is_cancelled_at_once_and_one_that_is_done_never() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.cancel(id).await.unwrap();
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled));
    let done = bench.complete(&relayer, "b").await;
    let error = relayer.cancel(done.id).await.unwrap_err();
    assert!(error.to_string().contains("finalized"), "{error}");
    assert_eq!(bench.chain.state().mined(), 1);
}

#[tokio::test]
async fn a_rejected_job_can_be_tried_again_with_a_new_proof() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((DENIED.into(), 0));
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert!(matches!(status.state, JobState::Rejected(_)));
    bench.chain.state().reverting = None;
    relayer.retry(status.id, Bytes::from_static(b"a2")).await.unwrap();
    assert_finalized(&relayer.run_to_completion(status.id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a2"), 1);
    let error = relayer.retry(status.id, Bytes::new()).await.unwrap_err();
    assert!(matches!(error, RelayerError::WrongState { .. }), "{error}");
}

#[tokio::test]
async fn a_rejection_is_asked_again_when_the_job_is_submitted_again() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((DENIED.into(), 0));
    let relayer = bench.open().await;
    assert!(matches!(bench.complete(&relayer, "a").await.state, JobState::Rejected(_)));
    // The cause stands: rejected again, for nothing.
    assert!(matches!(bench.complete(&relayer, "a").await.state, JobState::Rejected(_)));
    assert!(bench.chain.state().sends.is_empty());
    bench.chain.state().reverting = None;
    drop(relayer);
    let relayer = bench.open().await;
    assert_finalized(&bench.complete(&relayer, "a").await);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_job_is_tried_again_with_the_call_data_it_has() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.cancel(id).await.unwrap();
    relayer.retry(id, None).await.unwrap();
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_job_tried_again_after_a_revert_on_chain_is_not_judged_by_its_old_receipt() {
    let bench = Bench::new();
    bench.chain.state().mined_revert_nonce = Some(0);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert!(matches!(status.state, JobState::Rejected(_)));
    relayer.retry(status.id, Bytes::from_static(b"a2")).await.unwrap();
    let status = relayer.run_to_completion(status.id).await.unwrap();
    assert_finalized(&status);
    let nonces: Vec<u64> = status.attempts.iter().map(|attempt| attempt.nonce).collect();
    assert_eq!(nonces, [0, 1]);
}

#[tokio::test]
async fn nonces_that_the_key_used_elsewhere_are_skipped() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    assert_eq!(bench.complete(&relayer, "a").await.nonce, Some(0));
    bench.chain.foreign_transaction(1);
    bench.chain.state().mine();
    // One that is only in the pool counts as well.
    bench.chain.foreign_transaction(2);
    let status = bench.complete(&relayer, "b").await;
    assert_eq!((status.nonce, status.attempts.len()), (Some(3), 1));
}

#[tokio::test]
async fn an_unknown_job_is_a_typed_error() {
    let relayer = Bench::new().open().await;
    let nobody = JobId(77);
    assert!(matches!(relayer.status(nobody).await, Err(RelayerError::UnknownJob(_))));
    assert!(matches!(relayer.run_to_completion(nobody).await, Err(RelayerError::UnknownJob(_))));
    assert!(matches!(relayer.cancel(nobody).await, Err(RelayerError::UnknownJob(_))));
}

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

#[tokio::test]
async fn many_jobs_at_once_use_each_nonce_once_and_leave_no_gap() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let mut running = tokio::task::JoinSet::new();
    for name in NAMES {
        let relayer = relayer.clone();
        running.spawn(async move {
            let id = relayer.submit(call(name)).await.unwrap();
            // Two drivers of one job take turns.
            tokio::join!(relayer.run_to_completion(id), relayer.run_to_completion(id)).0.unwrap()
        });
    }
    let mut nonces = HashSet::new();
    while let Some(status) = running.join_next().await {
        let status = status.unwrap();
        assert_finalized(&status);
        nonces.insert(status.nonce.unwrap());
    }
    assert_eq!(nonces, (0..NAMES.len() as u64).collect());
    let state = bench.chain.state();
    assert_eq!(state.mined(), NAMES.len());
    assert!(NAMES.iter().all(|name| state.executed(name.as_bytes()) == 1));
}

#[tokio::test]
async fn everything_pending_is_driven_to_its_end_even_if_one_job_is_rejected() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    for name in NAMES {
        relayer.submit(call(name)).await.unwrap();
    }
    bench.chain.state().code.clear();
    relayer.run_to_completion(JobId(1)).await.unwrap();
    bench.chain.state().code.insert(contract());
    let done = relayer.run_pending().await.unwrap();
    assert_eq!(done.len(), NAMES.len() - 1);
    done.iter().for_each(assert_finalized);
    assert!(relayer.pending().await.unwrap().is_empty());
    assert!(relayer.run_pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_status_as_json_shows_the_state_and_never_the_raw_transaction() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["state"], "finalized");
    assert_eq!(json["attempts"][0]["nonce"], 0);
    assert!(json["attempts"][0].get("raw").is_none());
    bench.chain.state().reverting = Some((DENIED.into(), 0));
    let json = serde_json::to_value(bench.complete(&relayer, "b").await).unwrap();
    assert_eq!(json["state"], "rejected");
    assert_eq!(json["reason"]["revert"]["name"], "denied");
}

#[tokio::test]
async fn a_job_is_found_by_its_key_and_stays_as_it_is() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    assert_eq!(relayer.find("a").await.unwrap(), None);
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.cancel(id).await.unwrap();
    assert_eq!(relayer.find("a").await.unwrap(), Some(id));
    let state = relayer.status(id).await.unwrap().state;
    assert_eq!(state, JobState::Dropped(DropReason::Cancelled));
    assert!(relayer.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_far_node_is_waited_for_once_a_step_and_not_once_a_job() {
    const NAMES: [&str; 16] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let bench = Bench::new();
    let relayer = bench.open().await;
    let mut ids = Vec::new();
    for name in NAMES {
        ids.push(relayer.submit(seen(name)).await.unwrap());
    }
    bench.chain.state().delay = Duration::from_millis(50);
    let start = Instant::now();
    let sent = relayer.send().await.unwrap();
    // One after the other, each with eight questions, it would be more than six seconds.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(sent.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    for (nonce, (id, state)) in sent.into_iter().enumerate() {
        assert_eq!(state.unwrap(), JobState::Submitted);
        assert_eq!(relayer.status(id).await.unwrap().nonce, Some(nonce as u64), "in their order");
    }
    bench.chain.state().mine();
    let start = Instant::now();
    assert_eq!(relayer.watch().await.unwrap().len(), NAMES.len());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    bench.chain.state().delay = Duration::ZERO;
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), NAMES.len(), "each once");
}

#[tokio::test]
async fn a_node_that_takes_no_nonce_before_the_one_below_is_offered_it_again() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    for name in ["a", "b", "c"] {
        relayer.submit(call(name)).await.unwrap();
    }
    bench.chain.faults("send", [Fault::Pass, Fault::Refuse("nonce too high")]);
    for (_, state) in relayer.send().await.unwrap() {
        assert_eq!(state.unwrap(), JobState::Submitted);
    }
    assert_eq!(bench.chain.state().sends.len(), 3);
}
