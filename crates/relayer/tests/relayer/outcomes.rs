//! What the contract says: success, reverts before and after the broadcast, "already done".

use alloy::primitives::{Address, Bytes, U256};
use verdict_relayer::{JobState, Rejection, SubmitRequest};

use crate::{
    bench::{Bench, DENIED, RECORDED, assert_finalized, call},
    chain::contract,
};

#[tokio::test]
async fn a_revert_in_the_simulation_is_decoded_and_uses_no_nonce() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((DENIED.into(), 0));
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    let JobState::Rejected(Rejection::Simulation { revert }) = &status.state else {
        panic!("{:?}", status.state)
    };
    assert_eq!(revert.name, "denied");
    assert_eq!(status.state.to_string(), "rejected: the call would revert with denied()");
    assert_eq!((status.nonce, status.attempts.len()), (None, 0));
    assert!(bench.chain.state().sends.is_empty());
    // Not retried, and the next job gets nonce 0.
    relayer.run_to_completion(status.id).await.unwrap();
    bench.chain.state().reverting = None;
    let next = bench.complete(&relayer, "b").await;
    assert_eq!(next.attempts[0].nonce, 0);
}

#[tokio::test]
async fn a_revert_on_chain_is_final_decoded_and_not_retried() {
    let bench = Bench::new();
    bench.chain.state().mined_revert = true;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |_| chain.state().reverting = Some((DENIED.into(), 0)));
    let status = relayer.run_to_completion(id).await.unwrap();
    let JobState::Rejected(Rejection::Reverted { revert: Some(revert), out_of_gas: false }) =
        &status.state
    else {
        panic!("{:?}", status.state)
    };
    assert_eq!(revert.name, "denied");
    assert!(!status.receipt.as_ref().unwrap().success);
    assert_eq!(status.nonce, Some(0));
    assert_eq!(bench.chain.state().sends.len(), 1);
    assert!(bench.clock.seconds() >= 36, "a revert needs its confirmations as well");
}

#[tokio::test]
async fn a_revert_caused_in_its_own_block_is_decoded_on_the_state_after_it() {
    let bench = Bench::new();
    bench.chain.state().mined_revert = true;
    // The call passes on every state before block 1.
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |_| chain.state().reverting = Some((DENIED.into(), 1)));
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.receipt.as_ref().unwrap().block_number, 1);
    let JobState::Rejected(reason) = &status.state else { panic!("{:?}", status.state) };
    assert_eq!(reason.revert().unwrap().name, "denied");
}

#[tokio::test]
async fn a_revert_that_no_replay_shows_is_still_reported() {
    let bench = Bench::new();
    bench.chain.state().mined_revert = true;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    let expected = Rejection::Reverted { revert: None, out_of_gas: false };
    assert_eq!(status.state, JobState::Rejected(expected));
}

#[tokio::test]
async fn already_recorded_counts_as_success_without_a_transaction() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((RECORDED.into(), 0));
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    assert_finalized(&status);
    assert_eq!((status.receipt, status.attempts.len()), (None, 0));
    assert!(bench.clock.seconds() >= 24, "the record itself must be final: three blocks");
}

#[tokio::test]
async fn already_recorded_in_a_block_that_goes_away_sends_the_job_after_all() {
    let bench = Bench::new();
    bench.chain.state().reverting = Some((RECORDED.into(), 0));
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |now| {
        if now >= 10 {
            chain.state().reverting = None;
        }
    });
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_finalized(&status);
    assert_eq!(bench.chain.state().executed(b"a"), 1);
}

#[tokio::test]
async fn already_recorded_on_chain_counts_as_success_too() {
    let bench = Bench::new();
    bench.chain.state().mined_revert = true;
    let relayer = bench.open().await;
    let id = relayer.submit(call("a")).await.unwrap();
    let chain = bench.chain.clone();
    bench.clock.on_sleep(move |_| chain.state().reverting = Some((RECORDED.into(), 1)));
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.state, JobState::Finalized);
    assert!(!status.receipt.unwrap().success);
}

#[tokio::test]
async fn a_call_of_an_address_without_code_is_rejected() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let address = Address::repeat_byte(0xEE);
    let request = SubmitRequest::call(address, Bytes::from_static(b"a"), "a");
    let id = relayer.submit(request).await.unwrap();
    let status = relayer.run_to_completion(id).await.unwrap();
    assert_eq!(status.state, JobState::Rejected(Rejection::NoContract { address }));
    assert!(bench.chain.state().sends.is_empty());
}

#[tokio::test]
async fn a_plain_transfer_needs_no_contract() {
    let bench = Bench::new();
    let relayer = bench.open().await;
    let mut request = SubmitRequest::call(Address::repeat_byte(0xEE), Bytes::new(), "gift");
    request.value = U256::from(5);
    let id = relayer.submit(request).await.unwrap();
    assert_finalized(&relayer.run_to_completion(id).await.unwrap());
}

#[tokio::test]
async fn a_call_that_needs_more_gas_than_a_transaction_may_have_is_rejected() {
    let bench = Bench::new();
    bench.chain.state().gas_needed = 17_000_000;
    let relayer = bench.open().await;
    let status = bench.complete(&relayer, "a").await;
    let limit = 16_777_216;
    let reason = Rejection::TooMuchGas { needed: Some(17_000_000), limit };
    assert_eq!(status.state, JobState::Rejected(reason));
    // The margin alone does not push a call over the limit.
    bench.chain.state().gas_needed = limit - 1;
    let status = bench.complete(&relayer, "b").await;
    assert_finalized(&status);
    assert_eq!(status.attempts[0].gas_limit, limit);
    assert_eq!(bench.chain.state().executed(b"b"), 1);
    assert!(bench.chain.state().code.contains(&contract()));
}
