//! A question that stalls holds up its own job, and no other.

use std::time::{Duration, Instant};

use verdict_relayer::JobState;

use crate::{
    bench::{Bench, DENIED, assert_finalized, call, nonces, submit_all},
    chain::Fault,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// What a look with one question that stalls may take: far below a request's ten seconds.
const LOOK: Duration = Duration::from_secs(4);

#[tokio::test]
async fn the_others_are_signed_in_their_order_and_the_late_one_when_it_is_there() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let ids = submit_all(&relayer, &NAMES).await;
    bench.chain.faults("estimate_gas", [Fault::Pass, Fault::Slow(Duration::from_secs(4))]);
    let start = Instant::now();
    let sent = relayer.send().await.unwrap();
    assert!(start.elapsed() < LOOK, "{:?}", start.elapsed());
    assert_eq!(sent.len(), 4, "{sent:?}");
    let expected = [Some(0), None, Some(1), Some(2), Some(3)];
    assert_eq!(nonces(&relayer, &ids).await, expected);
    // Its question goes on; nobody asks it again, and nobody waits for it.
    let start = Instant::now();
    assert!(relayer.send().await.unwrap().is_empty());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = relayer.send().await.unwrap();
    assert!(matches!(&sent[..], [(id, Ok(JobState::Submitted))] if *id == ids[1]), "{sent:?}");
    assert_eq!(nonces(&relayer, &ids).await[1], Some(4));
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (NAMES.len(), NAMES.len()), "each once");
}

#[tokio::test]
async fn a_job_that_was_late_holds_nobody_up_again() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let late = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults("estimate_gas", [Fault::TimesOut(Duration::from_secs(3))]);
    assert!(relayer.send().await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = relayer.send().await.unwrap();
    assert!(matches!(&sent[..], [(id, Err(_))] if *id == late), "{sent:?}");
    // Asked again, with another job behind it in the queue, it is the last.
    let other = relayer.submit(call("b")).await.unwrap();
    bench.chain.faults("estimate_gas", [Fault::Pass, Fault::Slow(Duration::from_secs(3))]);
    let start = Instant::now();
    let _ = relayer.send().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(relayer.status(other).await.unwrap().nonce.is_some());
    relayer.let_go();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 2);
}

#[tokio::test]
async fn a_receipt_that_does_not_come_holds_up_nobody_else_s() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let ids = submit_all(&relayer, &NAMES).await;
    relayer.send().await.unwrap();
    bench.chain.state().mine();
    bench.chain.faults("receipt", [Fault::HangBefore]);
    let start = Instant::now();
    let watched = relayer.watch().await.unwrap();
    assert!(start.elapsed() < LOOK, "{:?}", start.elapsed());
    assert_eq!(watched.len(), 4);
    assert!(watched.iter().all(|(_, state)| matches!(state, Ok(JobState::Included))));
    // A late question does not keep a job from being changed.
    let cancelled = tokio::time::timeout(Duration::from_secs(1), relayer.cancel(ids[0])).await;
    cancelled.expect("it does not wait").unwrap();
    let watched = relayer.watch().await.unwrap();
    assert_eq!(watched.len(), NAMES.len());
}

#[tokio::test]
async fn a_broadcast_that_stalls_holds_up_no_other_and_is_made_once() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    submit_all(&relayer, &NAMES).await;
    bench.chain.faults("send", [Fault::Slow(Duration::from_secs(4))]);
    let start = Instant::now();
    let sent = relayer.send().await.unwrap();
    assert!(start.elapsed() < LOOK, "{:?}", start.elapsed());
    assert_eq!((sent.len(), bench.chain.state().sends.len()), (4, 4));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(relayer.send().await.unwrap().len(), 1);
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    let state = bench.chain.state();
    assert_eq!((state.sends.len(), state.mined()), (NAMES.len(), NAMES.len()));
}

#[tokio::test]
async fn what_is_prepared_is_stored_and_sent_before_all_of_a_burst_is() {
    let mut bench = Bench::new();
    bench.config.concurrency = 4;
    let relayer = bench.open().await;
    let mut ids = Vec::new();
    for index in 0..40 {
        let name: &'static str = Box::leak(format!("burst {index}").into_boxed_str());
        ids.push(relayer.submit(call(name)).await.unwrap());
    }
    bench.chain.state().delay = Duration::from_millis(50);
    // The process is killed in the middle.
    let killed = tokio::time::timeout(Duration::from_millis(400), relayer.send()).await;
    assert!(killed.is_err(), "{killed:?}");
    bench.chain.state().delay = Duration::ZERO;
    drop(relayer);
    let relayer = bench.open().await;
    let given = nonces(&relayer, &ids).await;
    let signed = given.iter().flatten().count();
    assert!((1..40).contains(&signed), "{given:?}");
    assert!(given.iter().flatten().copied().eq(0..signed as u64), "in their order: {given:?}");
    let sends = bench.chain.state().sends.len();
    assert!(sends > 0 && sends <= signed, "{sends} of {signed}");
    relayer.resume().await.unwrap();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 40, "each once");
}

#[tokio::test]
async fn an_offer_that_comes_late_is_not_signed_for_a_call_that_reverts_by_then() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults("paid_tips", [Fault::Slow(Duration::from_secs(5))]);
    assert!(relayer.send().await.unwrap().is_empty());
    bench.chain.state().reverting = Some((DENIED.into(), 0));
    tokio::time::sleep(Duration::from_secs(4)).await;
    for _ in 0..2 {
        relayer.send().await.unwrap();
    }
    let status = relayer.status(id).await.unwrap();
    assert!(matches!(status.state, JobState::Rejected(_)), "{status:?}");
    assert!(status.attempts.is_empty() && bench.chain.state().sends.is_empty());
}
