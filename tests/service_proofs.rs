//! Jobs that share a proof or its transaction, and services that come back with what a copy holds.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};
use verdict_relayer::{
    JobState, Relayer, RelayerConfig, StandardDecoder, Storage, clock::SystemClock,
};
use verdict_service::store::Store;

use crate::{
    common::{
        Workplace,
        desk::{Answer, Desk},
        local::{Local, SUBJECT, prove_small, runtime},
    },
    service::{desk, order},
};

/// A job once it is in a state.
fn at(desk: &Desk, id: &str, state: &str) -> Value {
    let start = Instant::now();
    loop {
        let job = desk.job(id);
        if job["state"] == state {
            return job;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{job:#}\n{:#?}", desk.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Hands a proof in under a key of its own.
fn relay(desk: &Desk, proof: &Value, key: &str) -> String {
    let body = json!({ "bundle": proof }).to_string();
    let method = alloy::transports::http::reqwest::Method::POST;
    let answer: Answer = desk.ask(method, "/v1/relays", &[("idempotency-key", key)], Some(body));
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["id"].as_str().expect("an id").to_owned()
}

fn cancel(desk: &Desk, id: &str) {
    let answer = desk.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_job_that_is_cancelled_takes_no_other_s_transaction_with_it() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, _, desk) = desk(&place, &chain, &[]);
    let read = |path: String| -> Value {
        serde_json::from_slice(&std::fs::read(path).expect("a proof")).expect("JSON")
    };
    let proof = read(prove_small(&place, &setup, "[-1, -0.75, 0.75]", "1"));
    chain.rpc("evm_setAutomine", json!([false]));
    let sent = chain.sent();
    let (one, other) = (relay(&desk, &proof, "one"), relay(&desk, &proof, "other"));
    at(&desk, &one, "submitted");
    at(&desk, &other, "submitted");
    cancel(&desk, &one);
    let start = Instant::now();
    while desk.job(&one)["reason"]["code"] != "cancelled" {
        assert!(start.elapsed() < Duration::from_secs(60), "{:#}", desk.job(&one));
        std::thread::sleep(Duration::from_millis(50));
    }
    chain.rpc("evm_setAutomine", json!([true]));
    chain.rpc("anvil_mine", json!(["0x3"]));
    // Both say what the oracle holds: there was one transaction, and it was wanted.
    for id in [&one, &other] {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    assert_eq!(chain.sent() - sent, 1);

    // One that comes while the transaction is taken back has it sent again.
    let proof = read(prove_small(&place, &setup, "[-1, -0.75, 0.75]", "2"));
    chain.rpc("evm_setAutomine", json!([false]));
    let first = relay(&desk, &proof, "first");
    at(&desk, &first, "submitted");
    cancel(&desk, &first);
    std::thread::sleep(Duration::from_secs(2));
    let second = relay(&desk, &proof, "second");
    at(&desk, &second, "submitted");
    chain.rpc("evm_setAutomine", json!([true]));
    chain.rpc("anvil_mine", json!(["0x3"]));
    assert_eq!(desk.end_of(&first)["state"], "cancelled");
    assert_eq!(desk.end_of(&second)["state"], "finalized");

    // Nobody wants it any more: then it is cancelled, for both.
    let proof = read(prove_small(&place, &setup, "[-1, -0.75, 0.75]", "3"));
    chain.rpc("evm_setAutomine", json!([false]));
    let (one, other) = (relay(&desk, &proof, "third"), relay(&desk, &proof, "fourth"));
    for id in [&one, &other] {
        at(&desk, id, "submitted");
        cancel(&desk, id);
    }
    std::thread::sleep(Duration::from_secs(2));
    chain.rpc("evm_setAutomine", json!([true]));
    chain.rpc("anvil_mine", json!(["0x3"]));
    for id in [&one, &other] {
        assert_eq!(desk.end_of(id)["state"], "cancelled");
    }
}

/// The relayer's database in a data folder.
fn relayer_file(data: &str) -> PathBuf {
    let found = verdict_relayer::storage::place::databases(Path::new(data)).expect("a folder");
    found.into_iter().next().expect("a database")
}

#[test]
fn what_the_relayer_cancelled_before_a_crash_is_not_sent_again() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, _, mut desk) = desk(&place, &chain, &[]);
    chain.rpc("evm_setAutomine", json!([false]));
    let id = desk.score(&order(SUBJECT));
    at(&desk, &id, "submitted");
    desk.kill();
    // The service hears of the wish, the relayer comes to its end, and nobody writes that down.
    let data = place.path("data");
    chain.rpc("anvil_dropAllTransactions", json!([]));
    chain.rpc("evm_setAutomine", json!([true]));
    runtime().block_on(async {
        let file = Path::new(&data).join("service.sqlite");
        let store = Store::sqlite(&file, Arc::new(SystemClock)).await.expect("opens");
        store.cancel(&id, "tester").await.expect("it is not in a block");
        store.close().await;
        let key: PrivateKeySigner = chain.key.parse().expect("a key");
        let storage = Storage::open(&relayer_file(&data)).await.expect("opens");
        let config = RelayerConfig::development(chain.anvil.url());
        let relayer =
            Relayer::open(config, key.into(), storage, StandardDecoder).await.expect("opens");
        let jobs = relayer.pending().await.expect("listed");
        assert_eq!(jobs.len(), 1);
        relayer.cancel(jobs[0]).await.expect("it is not in a block");
        let status = relayer.run_to_completion(jobs[0]).await.expect("it ends");
        assert!(matches!(status.state, JobState::Dropped(_)), "{status:?}");
    });
    let sent = chain.sent();
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}")]);
    let job = desk.end_of(&id);
    assert_eq!((&job["state"], &job["reason"]["code"]), (&json!("cancelled"), &json!("cancelled")));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(chain.sent(), sent);
}

fn copy(from: &str, to: &str) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), Path::new(to).join(entry.file_name())).expect("copied");
    }
}

#[test]
fn a_service_that_is_restored_finds_on_chain_what_happened_since() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let (setup, _, mut first) = desk(&place, &chain, &[]);
    let named = format!("small={setup}");
    let subject = |index: u8| format!("0x{:040x}", 0xb0b0_usize + usize::from(index));
    let done = first.score(&order(&subject(0)));
    assert_eq!(first.end_of(&done)["state"], "finalized");
    assert_eq!(first.stop(), Some(0));
    // In the copy: a score that is recorded, and one that waits for a worker.
    let mut second = Desk::start(&place, &chain, &[&named, "--no-prove"]);
    let waits = second.score(&order(&subject(1)));
    assert_eq!(second.stop(), Some(0));
    let (data, backup) = (place.path("data"), place.path("backup"));
    copy(&data, &backup);
    let mut third = Desk::start(&place, &chain, &[&named]);
    assert_eq!(third.end_of(&waits)["nonce"], 1);
    let lost = third.score(&order(&subject(2)));
    assert_eq!(third.end_of(&lost)["state"], "finalized");
    assert_eq!(third.stop(), Some(0));
    std::fs::remove_dir_all(&data).expect("removed");
    copy(&backup, &data);

    let desk = Desk::start(&place, &chain, &[&named]);
    assert_eq!(desk.job(&done)["state"], "finalized");
    assert_eq!(desk.get(&format!("/v1/jobs/{lost}")).status, 404);
    let job = desk.end_of(&waits);
    assert_eq!((&job["state"], &job["nonce"]), (&json!("finalized"), &json!(2)), "{job:#}");
    let job = desk.end_of(&desk.score(&order(&subject(2))));
    assert_eq!((&job["state"], &job["nonce"]), (&json!("finalized"), &json!(2)), "{job:#}");
}
