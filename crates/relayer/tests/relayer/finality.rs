//! Blocks come and go: confirmations, reorganizations, endpoints that lag.

use std::time::Duration;

use verdict_relayer::{Finality, JobState, RelayerError};

use crate::{
    bench::{Bench, assert_finalized, call},
    chain::Fault,
};

#[tokio::test]
async fn final_at_the_configured_number_of_confirmations_and_not_before() {
    for confirmations in [1, 2, 7] {
        let mut bench = Bench::new();
        bench.config.finality = Finality::Confirmations(confirmations);
        let relayer = bench.open().await;
        let status = bench.complete(&relayer, "a").await;
        assert_finalized(&status);
        let included = status.receipt.unwrap().block_number;
        assert_eq!(bench.chain.state().height(), included + confirmations - 1);
    }
}

#[tokio::test]
async fn final_under_the_chain_s_finalized_tag() {
    let mut bench = Bench::new();
    bench.config.finality = Finality::Tag;
    bench.chain.state().finalized_lag = 10;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!(bench.chain.state().height(), status.receipt.unwrap().block_number + 10);
}

#[tokio::test]
async fn a_reorganization_un_mines_the_job_until_it_is_mined_again() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    // Mined in block 1 at 12 s; two blocks go at 26 s and their transactions return.
    bench.clock.on_sleep(move |now| {
        if now == 26 {
            chain.reorganize(2, false);
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert!(status.receipt.unwrap().block_number > 1);
    assert_eq!((status.attempts.len(), bench.chain.state().executed(b"a")), (1, 1));
}

#[tokio::test]
async fn the_state_goes_back_to_submitted_while_a_receipt_is_gone() {
    let mut bench = Bench::new();
    bench.config.finality = Finality::Confirmations(50);
    bench.config.wait_timeout = Some(Duration::from_secs(20));
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    relayer.run_to_completion(id).await.unwrap_err();
    let status = relayer.status(id).await.unwrap();
    assert_eq!(status.state, JobState::Included);
    bench.chain.reorganize(1, true);
    bench.chain.state().mined_from_tip = u128::MAX;
    relayer.run_to_completion(id).await.unwrap_err();
    let status = relayer.status(id).await.unwrap();
    assert_eq!((status.state, status.receipt), (JobState::Submitted, None));
}

#[tokio::test]
async fn a_transaction_that_a_reorganization_forgot_is_broadcast_again_with_the_same_bytes() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 26 {
            chain.reorganize(2, true);
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    let state = bench.chain.state();
    assert_eq!((status.attempts.len(), state.sends.len(), state.executed(b"a")), (1, 2, 1));
    assert_eq!(state.sends[0], state.sends[1]);
}

#[tokio::test]
async fn an_older_attempt_that_is_mined_after_all_settles_the_job() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    // The replacement of 48 s never reaches the pool; the first attempt is mined.
    bench.chain.faults("send", [Fault::Pass]);
    bench.chain.faults("send", vec![Fault::Unreachable; 1000]);
    bench.clock.on_sleep(move |now| {
        if now == 60 {
            chain.state().mined_from_tip = 0;
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(status.attempts.len(), 2);
    assert_eq!(status.receipt.unwrap().hash, status.attempts[0].hash);
}

#[tokio::test]
async fn an_endpoint_that_hides_receipts_for_a_while_does_not_double_the_job() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| chain.state().hide_receipts = now < 40);
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!((status.attempts.len(), bench.chain.state().executed(b"a")), (1, 1));
}

#[tokio::test]
async fn a_receipt_of_a_block_that_is_not_on_the_chain_is_not_believed() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now == 26 {
            chain.reorganize(2, true);
            chain.state().stale_receipts = true;
        }
        chain.state().stale_receipts &= now < 100;
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    // Mined again at once, and believed only when the endpoint shows the real receipt.
    assert!(bench.clock.seconds() >= 100);
    assert!(status.receipt.unwrap().block_number > 1);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn a_lagging_endpoint_among_several_does_not_make_the_nonce_look_lost() {
    // One lagging answer before the nonce is looked at, and one after it.
    for lagging in [1, 2] {
        let mut bench = Bench::new();
        bench.config.poll_interval = Duration::from_secs(120);
        bench.config.resubmit_after = Duration::from_secs(600);
        bench.config.wait_timeout = None;
        let relayer = bench.open().await;
        let id = relayer.submit(call("a")).await.unwrap();
        let chain = bench.chain.clone();
        bench.clock.on_sleep(move |now| {
            if now == 120 {
                chain.state().lagging_receipts = lagging;
            }
        });
        let status = relayer.run_to_completion(id).await.unwrap();
        assert_finalized(&status);
        let state = bench.chain.state();
        assert_eq!((status.attempts.len(), state.mined(), state.executed(b"a")), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_final_transaction_that_a_deep_reorganization_undoes_is_taken_up_at_the_next_start() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    drop(relayer);
    let depth = bench.chain.state().height() as usize;
    bench.chain.reorganize(depth, true);
    let relayer = bench.open().await;
    assert_eq!(relayer.resume().await.unwrap(), [status.id]);
    let again = relayer.run_to_completion(status.id).await.unwrap();
    assert_finalized(&again);
    let state = bench.chain.state();
    assert_eq!((again.attempts.len(), state.executed(b"a"), state.mined()), (1, 1, 1));
}

#[tokio::test]
async fn closing_while_a_job_waits_returns_at_once_and_keeps_the_job() {
    let bench = Bench::new();
    bench.chain.state().mined_from_tip = u128::MAX;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let closer = relayer.clone();
    bench.clock.on_sleep(move |now| {
        if now == 30 {
            closer.close();
        }
    });
    let error = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(error, RelayerError::Closed { state: "submitted", .. }), "{error}");
    assert_eq!(bench.clock.seconds(), 30);
    let again = relayer.run_to_completion(id).await.unwrap_err();
    assert!(matches!(again, RelayerError::Closed { .. }));
    // The hook on the clock holds the last clone, and with it the lock on the key.
    bench.clock.on_sleep(|_| {});
    drop(relayer);
    bench.chain.state().mined_from_tip = 0;
    let relayer = bench.open().await;
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}
