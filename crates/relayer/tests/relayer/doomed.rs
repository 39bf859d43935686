//! Calls that can no longer succeed, or are no longer wanted: a self-transfer takes their
//! nonce.

use verdict_relayer::{DropReason, JobState, Rejection};

use crate::{
    bench::{Bench, DENIED, RECORDED, assert_finalized, call},
    chain::Fault,
};

/// Between the first tip of 1 gwei and that of a replacement.
const NEXT_TIP: u128 = 1_050_000_000;

/// A bench whose first transactions stay in the pool, while their calls revert from 30 s on.
fn doomed(revert: &'static [u8]) -> Bench {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = NEXT_TIP;
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now >= 30 {
            chain.state().reverting = Some((revert.into(), 0));
        }
    });
    bench
}

#[tokio::test]
async fn a_call_that_would_revert_now_is_cancelled_and_not_bumped() {
    let bench = doomed(DENIED);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    let JobState::Rejected(Rejection::Simulation { revert }) = &status.state else {
        panic!("{status:?}")
    };
    assert_eq!(revert.name, "denied");
    let cancels: Vec<bool> = status.attempts.iter().map(|attempt| attempt.cancels).collect();
    assert_eq!(cancels, [false, true]);
    assert!(status.attempts.iter().all(|attempt| attempt.nonce == 0));
    // The transfer's own gas, not the call's.
    assert!(status.attempts[1].gas_limit < 30_000, "{status:?}");
    assert!(!status.cancelling);
    let state = bench.chain.state();
    assert_eq!((state.executed(b"a"), state.mined()), (0, 1));
}

#[tokio::test]
async fn the_nonce_after_a_cancelled_call_is_the_next_job_s() {
    let bench = doomed(DENIED);
    let relayer = bench.open().await;
    bench.complete(&relayer, "a").await;
    bench.clock.on_sleep(|_| {});
    bench.chain.state().reverting = None;
    bench.chain.state().mined_from_tip = 0;
    let next = bench.complete(&relayer, "b").await;
    assert_finalized(&next);
    assert_eq!(next.nonce, Some(1));
    // And the cancelled job, asked for again, gets a nonce of its own.
    let again = bench.complete(&relayer, "a").await;
    assert_finalized(&again);
    assert_eq!((again.nonce, bench.chain.state().executed(b"a")), (Some(2), 1));
}

#[tokio::test]
async fn a_doomed_call_that_is_mined_after_all_ends_by_its_receipt() {
    let bench = doomed(DENIED);
    bench.chain.faults("send", [Fault::Pass]);
    bench.chain.faults("send", vec![Fault::Unreachable; 1000]);
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        let mut state = chain.state();
        state.reverting = (30..90).contains(&now).then(|| (DENIED.into(), 0));
        if now >= 90 {
            state.mined_from_tip = 0;
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.receipt.as_ref().unwrap().hash, status.attempts[0].hash);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn killed_between_the_cancellation_s_storing_and_its_sending() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let bench = doomed(DENIED);
        let relayer = bench.open().await;
        let id = relayer.submit(call("a")).await.unwrap();
        bench.chain.faults("send", [Fault::Pass, fault]);
        bench.kill_when_hung(relayer, id).await;
        let relayer = bench.open().await;
        let before = relayer.status(id).await.unwrap();
        assert!(before.cancelling && before.attempts[1].cancels, "{before:?}");
        relayer.resume().await.unwrap();
        assert_eq!(bench.chain.state().sends.last(), Some(&before.attempts[1].raw));
        let status = relayer.run_to_completion(id).await.unwrap();
        assert!(matches!(status.state, JobState::Rejected(_)), "{status:?}");
        assert_eq!(status.attempts.len(), 2);
        assert_eq!(bench.counts(b"a"), (0, 1));
    }
}

#[tokio::test]
async fn a_call_that_somebody_else_s_made_needless_is_cancelled_and_done() {
    let bench = doomed(RECORDED);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert!(status.attempts[1].cancels);
    assert_eq!(bench.counts(b"a"), (0, 1));
}

#[tokio::test]
async fn an_estimate_alone_does_not_cancel_a_call_that_still_succeeds() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = NEXT_TIP;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults("estimate_gas", [Fault::Pass, Fault::Refuse("the moon")]);
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert!(status.attempts.iter().all(|attempt| !attempt.cancels));
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_signed_job_is_cancelled_by_a_transfer_at_its_nonce() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = NEXT_TIP;
    let mut config = bench.config.clone();
    config.wait_timeout = Some(std::time::Duration::from_secs(10));
    let bench = Bench { config, ..bench };
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    assert!(relayer.status(id).await.unwrap().cancelling);
    drop(relayer);
    let bench = Bench { config: crate::bench::Bench::new().config, ..bench };
    let relayer = bench.open().await;
    relayer.resume().await.unwrap();
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled));
    // At once: nobody waits for the call to become overdue.
    assert!(status.attempts[1].created_ms < 20_000, "{status:?}");
    assert_eq!(bench.counts(b"a"), (0, 1));
    // What it cost is known.
    let receipt = status.receipt.unwrap();
    assert_eq!((receipt.hash, receipt.gas_used > 0), (status.attempts[1].hash, true));
}

/// What a self-transfer in a block is shown as, before and after a reorganization.
#[tokio::test]
async fn a_self_transfer_in_a_block_is_not_shown_as_the_call_s() {
    let mut bench = Bench::new();
    bench.chain.state().mined_from_tip = NEXT_TIP;
    bench.config.wait_timeout = Some(std::time::Duration::from_secs(10));
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    // In a block, and not final.
    bench.clock.on_sleep(|_| {});
    relayer.run_to_completion(id).await.unwrap_err();
    let shown = relayer.status(id).await.unwrap();
    assert_eq!((&shown.state, shown.cancelling), (&JobState::Submitted, true), "{shown:?}");
    assert_eq!(shown.receipt.unwrap().hash, shown.attempts[1].hash);
    let note = shown.note.unwrap();
    assert!(note.contains("self-transfer"), "{note}");
    let error = relayer.cancel(id).await.unwrap_err().to_string();
    assert!(error.contains("not in a block"), "{error}");
    let sends = bench.chain.state().sends.len();
    bench.chain.reorganize(1, true);
    relayer.run_to_completion(id).await.unwrap_err();
    let shown = relayer.status(id).await.unwrap();
    assert!(bench.chain.state().sends.len() > sends, "sent again");
    assert!(shown.cancelling, "{shown:?}");
    for _ in 0..10 {
        let _ = relayer.run_to_completion(id).await;
    }
    let status = relayer.status(id).await.unwrap();
    assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled));
    assert_eq!(status.receipt.unwrap().hash, status.attempts[1].hash);
    assert_eq!(bench.counts(b"a"), (0, 1));
}

#[tokio::test]
async fn a_cancelled_call_whose_self_transfer_was_undone_stays_cancelled() {
    let bench = doomed(DENIED);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert!(status.attempts[1].cancels, "{status:?}");
    drop(relayer);
    bench.clock.on_sleep(|_| {});
    bench.chain.state().reverting = None;
    let depth = bench.chain.state().height();
    bench.chain.reorganize(depth as usize, true);
    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap(), [status.id]);
    let again = relayer.run_to_completion(status.id).await.unwrap();
    assert_eq!((again.state, bench.counts(b"a")), (status.state, (0, 1)));
}

#[tokio::test]
async fn an_estimate_that_reverts_although_the_call_passes_ends_nothing() {
    let bench = Bench::new();
    bench.chain.state().lying_estimates = 3;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(bench.chain.state().lying_estimates, 0);
}
