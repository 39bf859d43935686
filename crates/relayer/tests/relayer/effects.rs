//! The chain wins over memory: what is there is not sent again, and what is not there is not
//! called done.

use std::time::Duration;

use alloy::primitives::{B256, Bytes};
use verdict_relayer::{DropReason, Effect, Finality, JobState, RelayerError};

use crate::{
    bench::{Bench, RECORDED, assert_finalized, call, seen},
    chain::{Fault, contract},
};

#[tokio::test]
async fn an_effect_that_is_there_is_never_sent() {
    let bench = Bench::new();
    let (address, data) = (contract(), Bytes::from_static(b"registered"));
    bench.chain.state().logs = vec![data.clone()];
    let topics = [Some(B256::ZERO), None, None, None];
    let there = Effect::Logged { address, topics, data: data.clone(), from_block: 0 };
    let later = Effect::Logged { address, topics, data, from_block: 1_000 };
    let relayer = bench.open().await;
    for (name, effect) in [("a", Effect::CodeAt { address }), ("b", there)] {
        let status = bench.run(&relayer, call(name).with_effect(effect)).await;
        assert_finalized(&status);
        assert_eq!((status.receipt, status.attempts.len()), (None, 0));
    }
    assert!(bench.chain.state().sends.is_empty());
    assert_finalized(&bench.run(&relayer, call("c").with_effect(later)).await);
    assert_eq!(bench.chain.state().executed(b"c"), 1);
}

#[tokio::test]
async fn without_its_database_a_relayer_does_not_repeat_what_is_there() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    assert_finalized(&bench.run(&relayer, seen("a")).await);
    drop(relayer);
    let bench = Bench { folder: tempfile::tempdir().unwrap(), ..bench };
    let relayer = bench.open().await;
    assert_finalized(&bench.run(&relayer, seen("a")).await);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn without_its_database_a_relayer_waits_for_what_it_left_in_the_pool() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(seen("a")).await.unwrap();
    bench.chain.faults("send", [Fault::HangAfter]);
    bench.kill_when_hung(relayer, id).await;
    let bench = Bench { folder: tempfile::tempdir().unwrap(), ..bench };
    let relayer = bench.open().await;
    relayer.resume().await.unwrap();
    assert_finalized(&bench.run(&relayer, seen("a")).await);
    assert_eq!(bench.counts(b"a"), (1, 1));
}

#[tokio::test]
async fn a_job_says_what_it_waits_for_and_is_sent_when_that_is_gone() {
    let bench = Bench::new();
    // Too cheap to be mined.
    bench.chain.state().mined_from_tip = u128::MAX;
    bench.chain.foreign_transaction(0);
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    let told = error.to_string().contains("does not know (1)");
    assert!(matches!(error, RelayerError::Timeout { .. }) && told, "{error}");
    assert!(relayer.status(id).await.unwrap().note.is_some());
    assert!(bench.chain.state().sends.is_empty());
    bench.chain.state().mined_from_tip = 0;
    bench.chain.state().forget_pool();
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.counts(b"a"), (1, 1));
}

#[tokio::test]
async fn an_effect_in_a_block_that_is_not_final_is_waited_for() {
    let bench = Bench::new();
    bench.chain.state().recorded_elsewhere = Some(0);
    let relayer = bench.open().await;
    let id = relayer.submit(seen("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 10 {
            chain.state().recorded_elsewhere = None;
        }
    });
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn receipts_that_are_null_for_ever_send_nothing_twice() {
    let bench = Bench::new();
    bench.chain.state().hide_receipts = true;
    let relayer = bench.open().await;
    let status = bench.run(&relayer, seen("a")).await;
    assert_finalized(&status);
    assert_eq!((status.receipt, status.attempts.len()), (None, 1));
    // Without an effect to look for, the block with the transaction tells.
    let id = relayer.submit(call("b")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err().to_string();
    assert!(error.contains("the node shows no receipt"), "{error}");
    let status = relayer.status(id).await.unwrap();
    assert_eq!((status.state, status.attempts.len()), (JobState::Submitted, 1));
    assert_eq!((bench.counts(b"a").0, bench.counts(b"b").0), (1, 1));
    bench.chain.state().hide_receipts = false;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().mined(), 2);
}

#[tokio::test]
async fn a_receipt_that_is_shown_after_the_effect_is_waited_for() {
    let mut bench = Bench::new();
    bench.config.poll_interval = Duration::from_millis(500);
    bench.chain.state().hide_receipts = true;
    let relayer = bench.open().await;
    let (chain, mut looks) = (bench.chain.clone(), 0);
    bench.clock.on_sleep(move |_| {
        let mut state = chain.state();
        looks += u32::from(state.mined() > 0);
        state.hide_receipts = looks < 3;
    });
    let status = bench.run(&relayer, seen("a")).await;
    assert_finalized(&status);
    assert_eq!(status.receipt.map(|receipt| receipt.hash), Some(status.attempts[0].hash));
}

#[tokio::test]
async fn a_job_that_may_have_happened_is_left_to_its_user() {
    let bench = Bench::new();
    bench.chain.state().hide_receipts = true;
    bench.chain.state().pruned = true;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_eq!(status.state, JobState::Dropped(DropReason::Unclear { nonce: 0 }));
    // Submitting it again does not send it again.
    assert_eq!(bench.complete(&relayer, "a").await.state, status.state);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
    bench.chain.state().hide_receipts = false;
    relayer.retry(status.id, None).await.unwrap();
    assert_finalized(&relayer.run_to_completion(status.id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a"), 2);
}

#[tokio::test]
async fn what_the_database_calls_done_is_done_again_if_the_chain_says_otherwise() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    assert_finalized(&bench.run(&relayer, seen("a")).await);
    assert_finalized(&bench.run(&relayer, seen("a")).await);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
    bench.chain.state().revoked = true;
    let id = relayer.submit(seen("a")).await.unwrap();
    assert_eq!(relayer.status(id).await.unwrap().state, JobState::Queued);
    bench.clock.on_sleep({
        let chain = bench.chain.clone();
        move |_| chain.state().revoked = false
    });
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a"), 2);
}

#[tokio::test]
async fn a_node_that_cannot_answer_is_not_taken_for_a_chain_that_says_no() {
    let mut bench = Bench::new();
    bench.config.finality = Finality::Confirmations(1);
    (0..3).for_each(|_| bench.chain.state().mine());
    let relayer = bench.open().await;
    let status = bench.run(&relayer, seen("a")).await;
    bench.chain.faults("call", [Fault::Unreachable]);
    relayer.submit(seen("a")).await.unwrap_err();
    // Behind the block in which the job was final.
    bench.chain.state().lag_once();
    let error = relayer.submit(seen("a")).await.unwrap_err();
    assert!(matches!(error, RelayerError::Behind { .. }), "{error}");
    assert_eq!(relayer.status(status.id).await.unwrap().state, JobState::Finalized);
}

#[tokio::test]
async fn a_pending_call_whose_effect_somebody_else_brought_about_is_cancelled() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 1_050_000_000;
    let relayer = bench.open().await;
    let id = relayer.submit(seen("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 14 {
            chain.state().recorded_elsewhere = Some(1);
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert!(status.attempts.last().unwrap().cancels, "{status:?}");
    assert_eq!(bench.counts(b"a"), (0, 1));
}

#[tokio::test]
async fn an_effect_outlives_the_process_and_is_replaced_by_a_newer_one() {
    let mut bench = Bench::new();
    bench.config.wait_timeout = Some(Duration::from_secs(20));
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    assert_eq!(relayer.submit(seen("a")).await.unwrap(), id);
    drop(relayer);
    bench.config.wait_timeout = None;
    bench.chain.state().mined_from_tip = 0;
    bench.chain.state().hide_receipts = true;
    let relayer = bench.open().await;
    relayer.resume().await.unwrap();
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!((status.receipt, bench.chain.state().executed(b"a")), (None, 1));
}

#[tokio::test]
async fn a_revert_that_says_recorded_still_counts_without_an_effect() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((RECORDED.into(), 0));
    let relayer = bench.open().await;
    assert_finalized(&bench.complete(&relayer, "a").await);
}
