//! Getting a transaction into a block: prices, refusals, lost answers, funds.

use std::time::Duration;

use alloy::primitives::U256;
use verdict_relayer::{
    AttemptOutcome, JobState, Rejection, RelayerError,
    fees::{Fees, GWEI},
};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

#[tokio::test]
async fn confirms_at_the_first_price() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1);
    assert_eq!(status.attempts[0].fees, Fees { max_fee: 21 * GWEI, tip: GWEI });
    assert_eq!(status.attempts[0].gas_limit, 120_000);
    let state = bench.chain.state();
    assert_eq!((state.executed(b"a"), state.sends.len()), (1, 1));
}

#[tokio::test]
async fn confirms_at_a_higher_price() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 1_200_000_000;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    let tips: Vec<u128> = status.attempts.iter().map(|attempt| attempt.fees.tip).collect();
    assert_eq!(tips, [1_000_000_000, 1_100_000_000, 1_210_000_000]);
    assert!(status.attempts.iter().all(|attempt| attempt.nonce == 0));
    assert_eq!(status.receipt.unwrap().hash, status.attempts[2].hash);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_replacement_follows_a_base_fee_that_jumped_over_the_cap() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |_| chain.state().base_fee = 100 * GWEI);
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.attempts.last().unwrap().fees.max_fee, 201_100_000_000);
}

#[tokio::test]
async fn retries_an_unbumpable_transaction() {
    let mut bench = Bench::new();
    bench.config.max_fee_ceiling = 21 * GWEI;
    bench.chain.state().mined_from_tip = 2 * GWEI;
    let relayer = bench.open().await;
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        let mut state = chain.state();
        if now == 100 {
            state.forget_pool();
        }
        if now > 300 {
            state.mined_from_tip = 0;
        }
    });
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1, "nothing above the ceiling may be signed");
    let state = bench.chain.state();
    assert!(state.sends.len() > 4, "it is broadcast again and again");
    assert!(state.sends.iter().all(|raw| *raw == state.sends[0]));
    assert_eq!(state.executed(b"a"), 1);
}

#[tokio::test]
async fn a_failing_price_query_does_not_stop_the_rebroadcast() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 2 * GWEI;
    let relayer = bench.open().await;
    let chain = bench.chain.clone();
    bench.chain.faults("suggested_tip", [Fault::Pass, Fault::Unreachable]);
    bench.clock.on_sleep(move |now| {
        if now == 30 {
            chain.state().forget_pool();
        }
        if now == 50 {
            chain.state().mined_from_tip = 0;
        }
    });
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!((status.attempts.len(), bench.chain.state().sends.len()), (1, 2));
}

#[tokio::test]
async fn waits_while_the_base_fee_is_above_the_ceiling() {
    let mut bench = Bench::new();
    bench.config.max_fee_ceiling = 50 * GWEI;
    bench.chain.state().base_fee = 60 * GWEI;
    let relayer = bench.open().await;
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now > 60 {
            chain.state().base_fee = 20 * GWEI;
        }
    });
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert!(status.attempts[0].fees.max_fee <= 50 * GWEI);
}

#[tokio::test]
async fn an_underpriced_transaction_is_replaced_at_once() {
    let bench = Bench::new();
    bench.chain.state().pool_from_tip = 1_100_000_000;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 2);
    assert_eq!(status.attempts[0].outcome, AttemptOutcome::Underpriced);
    assert!(status.attempts[1].created_ms < 10_000, "without waiting for resubmit_after");
}

#[tokio::test]
async fn an_underpriced_replacement_is_raised_until_the_node_takes_it() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 1_050_000_000;
    let words = "replacement transaction underpriced";
    bench.chain.faults("send", [Fault::Pass, Fault::Refuse(words), Fault::Refuse(words)]);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 4);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn already_known_counts_as_accepted() {
    let bench = Bench::new();
    bench.chain.faults("send", [Fault::AnswerLost]);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    let state = bench.chain.state();
    assert_eq!((status.attempts.len(), state.sends.len()), (1, 2));
    assert_eq!(state.sends[0], state.sends[1]);
    assert_eq!(status.attempts[0].outcome, AttemptOutcome::Accepted);
}

#[tokio::test]
async fn nonce_too_low_because_the_job_itself_was_mined_is_success() {
    let mut bench = Bench::new();
    // The answer is lost and the next look comes only after the block.
    bench.config.poll_interval = Duration::from_secs(13);
    bench.chain.faults("send", [Fault::AnswerLost]);
    bench.chain.faults("receipt", [Fault::Unreachable]);
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn nonce_too_low_because_of_a_foreign_transaction_signs_again_when_that_is_final() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    // The foreign transaction shows up after the relayer has read the nonce.
    bench.chain.faults("send", [Fault::Unreachable]);
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 2 {
            chain.foreign_transaction(0);
            chain.state().mine();
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    let nonces: Vec<u64> = status.attempts.iter().map(|attempt| attempt.nonce).collect();
    assert_eq!(nonces, [0, 1]);
    let state = bench.chain.state();
    assert_eq!((state.executed(b"a"), state.mined()), (1, 2));
    // Three confirmations and one more block, 12 s each.
    assert!(status.attempts[1].created_ms >= 36_000, "not before the loss is final");
}

#[tokio::test]
async fn a_job_that_loses_its_nonce_again_and_again_is_dropped() {
    let mut bench = Bench::new();
    bench.config.max_nonce_losses = 1;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults("send", vec![Fault::Unreachable; 1000]);
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 2 || now == 100 {
            chain.foreign_transaction(if now == 2 { 0 } else { 1 });
            chain.state().mine();
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert!(matches!(status.state, JobState::Dropped(_)), "{:?}", status.state);
    assert!(status.state.to_string().contains("2 times"), "{}", status.state);
    assert_eq!(bench.chain.state().executed(b"a"), 0);
}

#[tokio::test]
async fn an_endpoint_that_is_away_for_a_while_is_waited_for() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    for method in ["code", "call", "estimate_gas", "nonce", "send", "receipt", "block"] {
        bench.chain.faults(method, vec![Fault::Unreachable; 3]);
    }
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!((status.attempts.len(), bench.chain.state().executed(b"a")), (1, 1));
}

#[tokio::test]
async fn a_timeout_keeps_the_job_and_a_later_run_finishes_it() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(error, RelayerError::Timeout { state: "submitted", .. }), "{error}");
    assert!(error.to_string().contains("it is kept"));
    assert_eq!(bench.clock.seconds(), 600);
    bench.chain.state().mined_from_tip = 0;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_timeout_names_the_last_error() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    bench.chain.faults("code", vec![Fault::Unreachable; 1000]);
    let error = relayer.run_to_completion(id).await.unwrap_err().to_string();
    assert!(error.contains("still queued") && error.contains("start the node"), "{error}");
}

#[tokio::test]
async fn a_sender_without_funds_is_told_before_a_nonce_is_used() {
    let bench = Bench::new();
    bench.chain.state().balance = U256::from(1);
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let error = relayer.run_to_completion(id).await.unwrap_err();
    let RelayerError::NoFunds { needed, .. } = error else { panic!("{error}") };
    assert_eq!(needed, U256::from(120_000 * 21 * GWEI));
    assert_eq!(relayer.status(id).await.unwrap().attempts, []);
    bench.chain.state().balance = needed;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}

#[tokio::test]
async fn insufficient_funds_at_broadcast_wait_for_funds_without_raising_the_price() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let words = "insufficient funds for gas * price + value";
    bench.chain.faults("send", vec![Fault::Refuse(words); 100]);
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1);
    assert!(bench.clock.seconds() > 190);
}

#[tokio::test]
async fn a_transaction_that_can_never_be_accepted_is_rejected_and_its_nonce_filled() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    bench.chain.faults("send", [Fault::Refuse("transaction type not supported")]);
    let status = bench.complete(&relayer, "a").await;
    let JobState::Rejected(Rejection::Refused { message }) = &status.state else {
        panic!("{:?}", status.state)
    };
    assert!(message.contains("not supported"));
    // The next job needs the nonce behind the gap; driving it drives the self-transfer.
    let next = bench.complete(&relayer, "b").await;
    assert_finalized(&next);
    assert_eq!(next.attempts[0].nonce, 1);
    let state = bench.chain.state();
    assert_eq!((state.executed(b"a"), state.executed(b"b"), state.mined()), (0, 1, 2));
}

#[tokio::test]
async fn unknown_words_of_a_node_mean_try_again() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    bench.chain.faults("send", [Fault::Refuse("the moon"), Fault::Refuse("txpool is full")]);
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 1);
}

#[tokio::test]
async fn the_gas_limit_never_shrinks_in_a_replacement() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = 1_150_000_000;
    let relayer = bench.open().await;
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        chain.state().gas_needed = if now < 60 { 50_000 } else { 200_000 };
    });
    let status = bench.complete(&relayer, "a").await;
    let limits: Vec<u64> = status.attempts.iter().map(|attempt| attempt.gas_limit).collect();
    assert_eq!(limits, [120_000, 120_000, 240_000]);
}
