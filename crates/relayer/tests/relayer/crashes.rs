//! The relayer dies at every point around a write, and a new one starts on the same file.

use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use verdict_relayer::{AttemptOutcome, JobState, RelayerError};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

/// Kills the relayer at `fault` and starts again; the job must be executed once, by
/// `attempts` signed transactions in all.
async fn killed_at(
    method: &'static str,
    faults: Vec<Fault>,
    mined_from_tip: u128,
    attempts: usize,
) {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = mined_from_tip;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults(method, faults);
    bench.kill_when_hung(relayer, id).await;
    let stored = bench.chain.state().sends.len();

    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap(), [id]);
    let before = relayer.status(id).await.unwrap().attempts;
    if let Some(last) = before.last() {
        let state = bench.chain.state();
        assert_eq!(state.sends.len(), stored + 1, "the stored transaction is broadcast again");
        assert_eq!(state.sends.last(), Some(&last.raw), "the same bytes");
    }
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), attempts);
    assert!(status.attempts.iter().all(|attempt| attempt.nonce == 0));
    let state = bench.chain.state();
    assert_eq!((state.executed(b"a"), state.mined()), (1, 1));
}

#[tokio::test]
async fn killed_before_anything_was_signed() {
    killed_at("estimate_gas", vec![Fault::HangBefore], 0, 1).await;
}

#[tokio::test]
async fn killed_after_the_transaction_was_stored_and_before_it_was_sent() {
    killed_at("send", vec![Fault::HangBefore], 0, 1).await;
}

#[tokio::test]
async fn killed_after_the_node_took_the_transaction_and_before_its_answer() {
    killed_at("send", vec![Fault::HangAfter], 0, 1).await;
}

#[tokio::test]
async fn killed_while_waiting_for_the_receipt() {
    killed_at("receipt", vec![Fault::HangBefore], 0, 1).await;
}

#[tokio::test]
async fn killed_after_a_replacement_was_stored_and_before_it_was_sent() {
    let tip = 1_050_000_000;
    killed_at("send", vec![Fault::Pass, Fault::HangBefore], tip, 2).await;
}

#[tokio::test]
async fn killed_after_the_node_took_a_replacement_and_before_its_answer() {
    let tip = 1_050_000_000;
    killed_at("send", vec![Fault::Pass, Fault::HangAfter], tip, 2).await;
}

#[tokio::test]
async fn killed_between_the_receipt_and_its_confirmations() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 20 {
            chain.faults("receipt", [Fault::HangBefore]);
        }
    });
    bench.kill_when_hung(relayer, id).await;
    let relayer = bench.open().await;
    assert_eq!(relayer.status(id).await.unwrap().state, JobState::Included);
    assert_eq!(relayer.resume().await.unwrap(), [id]);
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().mined(), 1);
}

#[tokio::test]
async fn killed_again_and_again_at_every_request_of_a_job() {
    let methods = [
        "code",
        "call",
        "estimate_gas",
        "block",
        "paid_tips",
        "suggested_tip",
        "balance",
        "nonce",
        "send",
    ];
    let bench = Bench::new();
    for method in methods {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let relayer = bench.open().await;
            let id = relayer.submit(call("a")).await.unwrap();
            bench.chain.faults(method, [fault]);
            bench.kill_when_hung(relayer, id).await;
        }
    }
    let relayer = bench.open().await;
    relayer.resume().await.unwrap();
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1);
    assert_eq!(bench.chain.state().mined(), 1);
}

#[tokio::test]
async fn a_node_that_lost_its_pool_gets_every_stored_transaction_back_in_order() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    for name in ["a", "b", "c"] {
        let id = relayer.submit(call(name)).await.unwrap();
        relayer.run_to_completion(id).await.unwrap_err();
    }
    drop(relayer);
    bench.chain.state().forget_pool();
    bench.chain.state().sends.clear();
    bench.chain.state().mined_from_tip = 0;
    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap().len(), 3);
    assert_eq!(bench.chain.state().sends.len(), 3);
    for status in relayer.run_pending().await.unwrap() {
        assert_finalized(&status);
    }
    let state = bench.chain.state();
    assert!(["a", "b", "c"].iter().all(|name| state.executed(name.as_bytes()) == 1));
    assert_eq!(state.mined(), 3);
}

#[tokio::test]
async fn a_gap_in_the_nonces_is_filled_at_the_next_start() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    // Rejected for good after it was signed, and killed before its nonce was filled.
    bench.chain.faults("send", [Fault::Refuse("invalid sender")]);
    let rejected = bench.complete(&relayer, "a").await;
    drop(relayer);
    let mut file = open_file(&bench).await;
    let gone = sqlx::query("DELETE FROM jobs WHERE kind = 'gap'").execute(&mut file).await;
    assert_eq!(gone.unwrap().rows_affected(), 1);
    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap().len(), 1);
    let filled = relayer.run_pending().await.unwrap();
    assert_finalized(&filled[0]);
    assert_eq!(filled[0].nonce, Some(0));
    // The self-transfer outbids whatever a node may hold of the rejected transaction.
    assert!(filled[0].attempts[0].fees.max_fee * 10 >= rejected.attempts[0].fees.max_fee * 11);
    assert_eq!(bench.complete(&relayer, "b").await.nonce, Some(1));
}

#[tokio::test]
async fn a_transaction_that_cannot_be_stored_is_never_broadcast() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let mut file = open_file(&bench).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON attempts
                BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    sqlx::query(full).execute(&mut file).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(error, RelayerError::Storage(_)), "{error}");
    assert!(error.to_string().contains("check the free space"), "{error}");
    assert!(bench.chain.state().sends.is_empty());
    assert_eq!(relayer.status(id).await.unwrap().state, JobState::Queued);
    // With space again, the same nonce is used.
    sqlx::query("DROP TRIGGER full").execute(&mut file).await.unwrap();
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.attempts[0].nonce, 0);
    assert_eq!(status.attempts[0].outcome, AttemptOutcome::Accepted);
}

async fn open_file(bench: &Bench) -> SqliteConnection {
    let path = bench.folder.path().join("relayer.db");
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

#[tokio::test]
async fn a_start_waits_neither_for_every_broadcast_nor_for_one_that_stalls() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    for index in 0..20 {
        let name: &'static str = Box::leak(format!("stored {index}").into_boxed_str());
        relayer.submit(call(name)).await.unwrap();
    }
    relayer.send().await.unwrap();
    drop(relayer);
    bench.chain.state().forget_pool();
    let relayer = bench.open().await;
    bench.chain.faults("send", [Fault::Pass, Fault::HangBefore]);
    bench.chain.state().delay = Duration::from_millis(100);
    let start = Instant::now();
    relayer.resume().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    bench.chain.state().delay = Duration::ZERO;
    // What there was no time for goes out with the next look.
    relayer.watch().await.unwrap();
    relayer.run_pending().await.unwrap().iter().for_each(assert_finalized);
    assert_eq!(bench.chain.state().mined(), 20, "each once");
}
