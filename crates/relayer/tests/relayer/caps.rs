//! A key is never held up by its own caps: whatever a call offered, the self-transfer that takes
//! its nonce fits below them, or the nonce is filled by what is signed already.

use std::time::Duration;

use alloy::primitives::U256;
use verdict_relayer::{
    DropReason, JobId, JobState, JobStatus, Rejection, Relayer,
    fees::{GWEI, cost},
};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

/// What a first offer asks for on the scripted chain: a tip of 1 gwei, a base fee of 10.
const MARKET_FEE: u128 = 21 * GWEI;

/// Signs a call that is not mined, gives it up and lets whatever then pays `mined_from` be mined.
async fn given_up(bench: &Bench, relayer: &Relayer, mined_from: u128) -> JobStatus {
    bench.chain.state().mined_from_tip = u128::MAX;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    bench.chain.state().mined_from_tip = mined_from;
    patient(relayer, id).await
}

/// Drives a job to its end, however short its time limit is.
async fn patient(relayer: &Relayer, id: JobId) -> JobStatus {
    for _ in 0..30 {
        if let Ok(status) = relayer.run_to_completion(id).await {
            return status;
        }
    }
    panic!("{:?}", relayer.status(id).await.unwrap())
}

#[tokio::test]
async fn a_self_transfer_fits_below_the_caps_that_the_call_met() {
    for (max_tip, max_fee, seconds) in [
        (GWEI, 500 * GWEI, 20),
        // After every replacement that there is room for.
        (3 * GWEI / 2, 500 * GWEI, 1000),
        (50 * GWEI, MARKET_FEE, 20),
        (50 * GWEI, 3 * MARKET_FEE / 2, 1000),
    ] {
        let mut bench = Bench::new();
        bench.config.max_tip = max_tip;
        bench.config.max_fee_ceiling = max_fee;
        bench.config.wait_timeout = Some(Duration::from_secs(seconds));
        let relayer = bench.open().await;
        let status = given_up(&bench, &relayer, 1).await;
        assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled), "{status:?}");
        let within =
            |fees: verdict_relayer::fees::Fees| fees.tip <= max_tip && fees.max_fee <= max_fee;
        assert!(status.attempts.iter().all(|attempt| within(attempt.fees)), "{status:?}");
        let next = relayer.submit(call("b")).await.unwrap();
        let next = patient(&relayer, next).await;
        assert_finalized(&next);
        assert_eq!((next.nonce, bench.counts(b"a")), (Some(1), (0, 2)));
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_and_left_every_pool_is_no_hole() {
    let mut bench = Bench::new();
    bench.config.max_tip = GWEI;
    bench.config.wait_timeout = Some(Duration::from_secs(200));
    let relayer = bench.open().await;
    bench.chain.state().mined_from_tip = u128::MAX;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    let next = relayer.submit(call("b")).await.unwrap();
    bench.chain.state().forget_pool();
    bench.chain.state().mined_from_tip = 0;
    assert_finalized(&relayer.run_to_completion(next).await.unwrap());
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled));
}

#[tokio::test]
async fn a_self_transfer_offers_what_it_may_cost_where_the_market_asks_for_more() {
    let mut bench = Bench::new();
    // Twice the base fee and the tip would be 121 gwei for each of 25,200 gas.
    let cap = U256::from(2_600_000 * GWEI);
    bench.config.max_cost = cap;
    bench.config.wait_timeout = Some(Duration::from_secs(200));
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    bench.chain.state().base_fee = 60 * GWEI;
    bench.chain.state().mined_from_tip = 0;
    let status = patient(&relayer, id).await;
    assert_eq!(status.state, JobState::Dropped(DropReason::Cancelled));
    let last = status.attempts.last().unwrap();
    assert!(last.fees.max_fee > 60 * GWEI, "{last:?}");
    assert!(cost(last.fees, last.gas_limit, U256::ZERO) <= cap, "{last:?}");
}

/// The cap was lowered since the call was signed.
#[tokio::test]
async fn where_no_self_transfer_fits_the_call_is_sent_again() {
    let mut bench = Bench::new();
    bench.config.wait_timeout = Some(Duration::from_secs(20));
    let relayer = bench.open().await;
    bench.chain.state().mined_from_tip = u128::MAX;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    relayer.cancel(id).await.unwrap();
    let next = relayer.submit(call("b")).await.unwrap();
    drop(relayer);
    bench.config.max_tip = GWEI;
    bench.config.wait_timeout = Some(Duration::from_secs(400));
    let relayer = bench.open().await;
    let chain = bench.chain.clone();
    let mut forgets = 3;
    bench.clock.on_sleep(move |_| {
        let mut state = chain.state();
        if forgets > 0 {
            state.forget_pool();
            forgets -= 1;
        } else {
            state.mined_from_tip = 0;
        }
    });
    assert_finalized(&relayer.run_to_completion(next).await.unwrap());
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.receipt.unwrap().hash, status.attempts[0].hash);
    // Not at every look.
    assert!(bench.chain.state().sends.len() < 6);
}

#[tokio::test]
async fn a_gap_that_a_refused_call_left_is_filled_below_the_caps() {
    for lowered in [false, true] {
        let mut bench = Bench::new();
        bench.config.max_tip = if lowered { 50 * GWEI } else { GWEI };
        bench.chain.faults("send", [Fault::Refuse("intrinsic gas too low")]);
        let relayer = bench.open().await;
        let refused = bench.complete(&relayer, "a").await;
        let JobState::Rejected(Rejection::Refused { .. }) = refused.state else {
            panic!("{refused:?}")
        };
        drop(relayer);
        bench.config.max_tip = GWEI;
        bench.config.wait_timeout = Some(Duration::from_secs(400));
        let relayer = bench.open().await;
        relayer.resume().await.unwrap();
        let next = bench.complete(&relayer, "b").await;
        assert_finalized(&next);
        assert_eq!((next.nonce, bench.counts(b"a")), (Some(1), (0, 2)));
    }
}
