//! Nonces that are missing below others, while the relayer runs.

use std::time::{Duration, Instant};

use verdict_relayer::{Finality, JobState, Relayer, clock::Clock};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

/// Looks at everything for so many seconds.
async fn look_for(bench: &Bench, relayer: &Relayer, seconds: u64) {
    let until = bench.clock.seconds() + seconds;
    while bench.clock.seconds() < until {
        relayer.round().await.unwrap();
        bench.clock.sleep(bench.config.poll_interval).await;
    }
}

/// A relayer for which one block is final.
async fn hasty() -> (Bench, Relayer) {
    let mut bench = Bench::new();
    bench.config.finality = Finality::Confirmations(1);
    let relayer = bench.open().await;
    (bench, relayer)
}

#[tokio::test]
async fn a_final_transaction_that_is_undone_is_sent_again_and_nothing_above_it_at_a_higher_price() {
    let (bench, relayer) = hasty().await;
    let done = [bench.complete(&relayer, "a").await, bench.complete(&relayer, "b").await];
    let depth = bench.chain.state().height() as usize;
    bench.chain.reorganize(depth, true);
    let sent = bench.chain.state().sends.len();
    let other = relayer.submit(call("c")).await.unwrap();
    look_for(&bench, &relayer, 46).await;
    // It may be that the node is behind for a while.
    assert_eq!((relayer.undone(), bench.chain.state().sends.len()), (0, sent + 1));
    look_for(&bench, &relayer, 60).await;
    assert_eq!(relayer.undone(), 2);
    for id in [done[0].id, done[1].id, other] {
        let status = relayer.status(id).await.unwrap();
        assert_finalized(&status);
        assert_eq!(status.attempts.len(), 1, "{status:?}");
    }
    let state = bench.chain.state();
    assert_eq!(state.mined(), 3, "each once");
    // In the order of nonces, the same bytes.
    assert_eq!(state.sends[sent + 1..sent + 3], state.sends[..2]);
}

#[tokio::test]
async fn a_final_transaction_that_is_undone_while_nothing_is_under_way_is_sent_again() {
    let (bench, relayer) = hasty().await;
    let done = bench.complete(&relayer, "a").await;
    let depth = bench.chain.state().height() as usize;
    bench.chain.reorganize(depth, true);
    look_for(&bench, &relayer, 150).await;
    assert_eq!(relayer.undone(), 1);
    assert_finalized(&relayer.status(done.id).await.unwrap());
    assert_eq!(bench.counts(b"a"), (1, 1));
}

#[tokio::test]
async fn a_count_that_is_too_low_undoes_nothing_and_costs_nothing() {
    let (bench, relayer) = hasty().await;
    let done = bench.complete(&relayer, "a").await;
    bench.chain.state().mined_from_tip = u128::MAX;
    let other = relayer.submit(call("b")).await.unwrap();
    bench.chain.state().latest_told = Some(0);
    look_for(&bench, &relayer, 200).await;
    assert_eq!(relayer.undone(), 0);
    assert_eq!(relayer.status(done.id).await.unwrap().state, JobState::Finalized);
    let state = relayer.status(other).await.unwrap();
    assert_eq!((state.state, state.attempts.len()), (JobState::Submitted, 1));
    let note = state.note.unwrap_or_default();
    assert!(note.contains("nonce 0") && note.contains("behind"), "{note}");
    bench.chain.state().latest_told = None;
    bench.chain.state().mined_from_tip = 0;
    look_for(&bench, &relayer, 60).await;
    let status = relayer.status(other).await.unwrap();
    assert_finalized(&status);
    assert_eq!((status.note, bench.chain.state().mined()), (None, 2));
}

#[tokio::test]
async fn a_nonce_that_nothing_holds_is_filled_without_a_restart() {
    let (bench, relayer) = hasty().await;
    bench.complete(&relayer, "a").await;
    // As a lie leaves it: a higher count was believed once.
    bench.chain.state().latest_lie = 2;
    let other = relayer.submit(call("b")).await.unwrap();
    relayer.send().await.unwrap();
    bench.chain.state().latest_lie = 0;
    assert_eq!(relayer.status(other).await.unwrap().nonce, Some(3));
    look_for(&bench, &relayer, 150).await;
    let status = relayer.status(other).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1);
    // The two below it are self-transfers.
    assert_eq!(bench.counts(b"b"), (1, 4));
}

#[tokio::test]
async fn a_deep_reorganization_is_mended_with_a_node_that_is_far_away_and_fails_now_and_then() {
    const UNDONE: usize = 24;
    let (mut bench, relayer) = hasty().await;
    let mut done = Vec::new();
    for index in 0..UNDONE {
        let name: &'static str = Box::leak(format!("far {index}").into_boxed_str());
        done.push(bench.complete(&relayer, name).await.id);
    }
    let depth = bench.chain.state().height() as usize;
    bench.chain.reorganize(depth, true);
    let other = relayer.submit(call("other")).await.unwrap();
    relayer.send().await.unwrap();
    bench.config.poll_interval = Duration::from_secs(30);
    bench.chain.state().delay = Duration::from_millis(700);
    bench.chain.faults("block", [Fault::Unreachable, Fault::Pass, Fault::Unreachable]);
    // One job after the other, it took two questions each.
    for _ in 0..10 {
        let start = Instant::now();
        relayer.watch().await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        bench.clock.sleep(bench.config.poll_interval).await;
    }
    assert_eq!(relayer.undone(), UNDONE as u64);
    bench.chain.state().delay = Duration::ZERO;
    look_for(&bench, &relayer, 120).await;
    for id in done.iter().chain([&other]) {
        let status = relayer.status(*id).await.unwrap();
        assert_finalized(&status);
        assert_eq!(status.attempts.len(), 1, "{status:?}");
    }
    assert_eq!(bench.chain.state().mined(), UNDONE + 1, "each once");
}

#[tokio::test]
async fn a_count_that_is_higher_than_can_be_mended_is_believed_only_when_it_is_told_for_long() {
    let (bench, relayer) = hasty().await;
    bench.complete(&relayer, "a").await;
    bench.chain.state().latest_lie = 20;
    let other = relayer.submit(call("b")).await.unwrap();
    relayer.send().await.unwrap();
    look_for(&bench, &relayer, 80).await;
    assert_eq!(relayer.status(other).await.unwrap().nonce, None);
    bench.chain.state().latest_lie = 0;
    look_for(&bench, &relayer, 60).await;
    let status = relayer.status(other).await.unwrap();
    assert_finalized(&status);
    assert_eq!((status.nonce, bench.counts(b"b")), (Some(1), (1, 2)));
    // The key may have been used elsewhere. What waits above a hole that is not paid for says so.
    bench.chain.state().latest_lie = 20;
    let last = relayer.submit(call("c")).await.unwrap();
    look_for(&bench, &relayer, 110).await;
    assert_eq!(relayer.status(last).await.unwrap().nonce, Some(22));
    bench.chain.state().latest_lie = 0;
    look_for(&bench, &relayer, 120).await;
    let status = relayer.status(last).await.unwrap();
    let note = status.note.unwrap_or_default();
    assert!(note.contains("nonce 2") && note.contains("max_gaps"), "{note}");
    assert_eq!((status.state, status.attempts.len()), (JobState::Submitted, 1));
}

#[tokio::test]
async fn the_first_count_of_a_key_that_is_new_here_is_asked_for_again_before_much_is_left_missing()
{
    let (bench, relayer) = hasty().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.state().latest_lie = 20;
    for _ in 0..3 {
        relayer.send().await.unwrap();
        bench.clock.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(relayer.status(id).await.unwrap().nonce, None);
    bench.chain.state().latest_lie = 0;
    relayer.send().await.unwrap();
    assert_eq!(relayer.status(id).await.unwrap().nonce, Some(0));
}

#[tokio::test]
async fn a_key_that_is_new_here_may_have_been_used_elsewhere() {
    let (bench, relayer) = hasty().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.state().latest_lie = 20;
    relayer.send().await.unwrap();
    bench.clock.sleep(Duration::from_secs(7)).await;
    relayer.send().await.unwrap();
    assert_eq!(relayer.status(id).await.unwrap().nonce, Some(20));
}
