//! What a sender makes of a node that stalls, of a chain that takes back what was final, and of a budget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::addSubmitterCall;

use crate::{
    common::{
        Workplace,
        desk::Desk,
        local::{Local, SUBJECT, address, small_setup},
        proxy::{Proxy, refusal},
    },
    service::{config, order},
    service_troubles::{remote_key, signed_for},
};

fn subject(index: usize) -> String {
    format!("0x{:040x}", 0xfeed_0000_usize + index)
}

/// An order whose nonce is given, so that it is proven without a question.
fn chosen(index: usize) -> Value {
    let mut order = order(&subject(index));
    order["nonce"] = json!(1);
    order
}

/// Waits until something is so.
fn until(desk: &Desk, what: &str, seconds: u64, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        let log = || desk.log();
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}: {:#?}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the one sending key is well, by the metrics.
fn chain_ok(desk: &Desk) -> Option<f64> {
    let metrics = desk.get("/metrics").body;
    let line = metrics.as_str()?.lines().find(|line| line.starts_with("verdict_chain_ok{"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The states of a job's story, and the reasons in it.
fn story(desk: &Desk, id: &str) -> (Vec<String>, String) {
    let events = desk.get(&format!("/v1/jobs/{id}/events")).body;
    let events = events.as_array().expect("a story");
    let states = events.iter().filter_map(|event| event["state"].as_str().map(str::to_owned));
    (states.collect(), events.iter().map(|event| event["reason"].to_string()).collect())
}

#[test]
fn a_final_score_that_a_reorganization_undoes_is_sent_again_without_a_restart() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}")]);
    let undone = desk.score(&order(SUBJECT));
    let first = desk.end_of(&undone);
    assert_eq!(first["state"], "finalized");
    let sent = chain.sent();
    chain.rpc("anvil_reorg", json!([1, []]));
    assert_eq!(chain.sent(), sent - 1);
    // One above the nonce that is missing now.
    let other = desk.score(&order(&subject(1)));
    until(&desk, "both are recorded", 40, || {
        chain.sent() == sent + 1
            && [&undone, &other].iter().all(|id| desk.job(id)["state"] == "finalized")
    });
    let job = desk.job(&undone);
    assert_eq!(job["transaction"]["hash"], first["transaction"]["hash"], "the same transaction");
    let (states, reasons) = story(&desk, &undone);
    let end: Vec<&str> =
        states.iter().rev().take_while(|state| *state != "proved").map(String::as_str).collect();
    assert_eq!((end.first(), end.last()), (Some(&"finalized"), Some(&"submitted")), "{states:?}");
    assert_eq!(end.iter().filter(|state| **state == "finalized").count(), 2, "{states:?}");
    assert!(reasons.contains("is not on the chain any more"), "{reasons}");
    let metrics = desk.get("/metrics").body.to_string();
    assert!(metrics.contains("verdict_reorgs_total 1"), "{metrics}");
}

#[test]
fn a_subject_whose_questions_stall_holds_up_nobody_else_s_score() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let stalls = Arc::new(AtomicBool::new(false));
    let (now, poisoned) = (stalls.clone(), subject(0)[2..].to_owned());
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let asked = request["method"] == "eth_call" || request["method"] == "eth_estimateGas";
        if asked && now.load(Ordering::Relaxed) && request.to_string().contains(&poisoned) {
            std::thread::sleep(Duration::from_secs(30));
        }
        ask()
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    stalls.store(true, Ordering::Relaxed);
    let waits = desk.score(&chosen(0));
    until(&desk, "it is proven", 30, || desk.job(&waits)["state"] == "proved");
    let start = Instant::now();
    let others: Vec<String> = (1..17).map(|index| desk.score(&chosen(index))).collect();
    for id in &others {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    // With the stalled question waited for at every stage, it took more than twenty.
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    assert_eq!(desk.job(&waits)["state"], "proved");
    stalls.store(false, Ordering::Relaxed);
    assert_eq!(desk.end_of(&waits)["state"], "finalized");
}

#[test]
fn a_burst_begins_no_more_than_the_rest_of_the_day_s_budget_pays_for() {
    const ORDERS: usize = 12;
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let named = format!("small={setup}");
    let mut desk = Desk::start(&place, &chain, &[&named]);
    // What one takes.
    let job = desk.end_of(&desk.score(&order(SUBJECT)));
    let fee: f64 = job["transaction"]["fee_wei"].as_str().expect("a fee").parse().expect("wei");
    assert_eq!(desk.stop(), Some(0));
    let silent = Arc::new(AtomicBool::new(false));
    let now = silent.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        match now.load(Ordering::Relaxed) && request["method"] == "eth_call" {
            true => refusal(request, "busy"),
            false => ask(),
        }
    });
    // Four and a half more.
    let file = config(&place, &format!("[chain]\nmax_cost_a_day = {:.12}\n", fee * 5.5 / 1e18));
    let data = place.path("data");
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--config", &file, &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    silent.store(true, Ordering::Relaxed);
    let sent = chain.sent();
    let ids: Vec<String> = (0..ORDERS).map(|index| desk.score(&chosen(index))).collect();
    until(&desk, "all are proven", 60, || desk.count("proved") as usize == ORDERS);
    silent.store(false, Ordering::Relaxed);
    until(&desk, "some are recorded", 30, || desk.count("finalized") as usize > 1);
    let of_budget = |id: &&String| desk.job(id)["reason"]["code"] == "budget";
    until(&desk, "the others say why not", 30, || {
        let held = ids.iter().filter(of_budget).count();
        held + desk.count("finalized") as usize == ORDERS + 1
    });
    let begun = chain.sent() - sent;
    assert!((3..=5).contains(&begun), "{begun} were begun");
}

#[test]
fn proofs_that_find_no_room_at_the_sender_say_so_until_there_is_some() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let file = config(&place, "max_in_flight = 2\n");
    let desk = Desk::start(&place, &chain, &["--config", &file, &format!("small={setup}")]);
    chain.rpc("evm_setAutomine", json!([false]));
    let ids: Vec<String> = (0..5).map(|index| desk.score(&chosen(index))).collect();
    let says = |id: &&String| {
        let job = desk.job(id);
        let why = job["reason"]["message"].as_str().unwrap_or_default().to_owned();
        job["state"] == "proved" && why.contains("max_in_flight")
    };
    until(&desk, "three wait", 60, || {
        desk.count("submitted") == 2 && ids.iter().filter(says).count() == 3
    });
    chain.rpc("evm_setAutomine", json!([true]));
    chain.rpc("anvil_mine", json!(["0x1"]));
    for id in &ids {
        let job = desk.end_of(id);
        assert_eq!((&job["state"], &job["reason"]), (&json!("finalized"), &Value::Null));
    }
}

#[test]
fn what_is_cancelled_while_its_questions_are_late_ends_and_is_not_signed() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let stalls = Arc::new(AtomicBool::new(false));
    // One before it is handed to the relayer, one before it is priced.
    let (now, first, second) =
        (stalls.clone(), subject(0)[2..].to_owned(), subject(1)[2..].to_owned());
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let about =
            |what: &str, method| request["method"] == method && request.to_string().contains(what);
        let asked = about(&first, "eth_call") || about(&second, "eth_estimateGas");
        if asked && now.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(9500));
        }
        ask()
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    let sent = chain.sent();
    stalls.store(true, Ordering::Relaxed);
    let late = [desk.score(&chosen(0)), desk.score(&chosen(1))];
    for id in &late {
        until(&desk, "it is proven", 30, || desk.job(id)["state"] == "proved");
    }
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    for id in &late {
        assert_eq!(desk.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status / 100, 2);
    }
    for id in &late {
        until(&desk, "it ends", 30, || desk.job(id)["state"] == "cancelled");
    }
    // Nobody waits for the answers.
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    stalls.store(false, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(chain.sent(), sent, "nothing is paid for");
    assert_eq!(desk.end_of(&desk.score(&chosen(2)))["state"], "finalized");
    assert_eq!(chain.sent(), sent + 1);
}

#[test]
fn what_becomes_too_late_while_its_questions_are_late_ends_and_is_not_signed() {
    const BUSY: u8 = 1;
    const STALLS: u8 = 2;
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let mode = Arc::new(AtomicU8::new(BUSY));
    let (now, first, second) =
        (mode.clone(), subject(0)[2..].to_owned(), subject(1)[2..].to_owned());
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let about =
            |what: &str, method| request["method"] == method && request.to_string().contains(what);
        let asked = about(&first, "eth_call") || about(&second, "eth_estimateGas");
        match now.load(Ordering::Relaxed) {
            BUSY if asked => return refusal(request, "busy"),
            STALLS if asked => std::thread::sleep(Duration::from_millis(9500)),
            _ => {}
        }
        ask()
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    let sent = chain.sent();
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    let deadline = seconds() + 33;
    let late = [0, 1].map(|index| {
        let mut order = chosen(index);
        order["deadline"] = json!(deadline);
        desk.score(&order)
    });
    for id in &late {
        until(&desk, "it is proven", 30, || desk.job(id)["state"] == "proved");
    }
    // The answers that are asked for now come after the deadline.
    until(&desk, "the deadline is near", 40, || seconds() + 4 >= deadline);
    mode.store(STALLS, Ordering::Relaxed);
    for id in &late {
        until(&desk, "it ends", 30, || desk.job(id)["state"] == "dropped");
    }
    assert!(seconds() <= deadline + 4, "nobody waits for the answers");
    mode.store(0, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(chain.sent(), sent, "nothing is paid for");
}

#[test]
fn a_missing_nonce_is_told_by_the_jobs_above_it_and_by_the_metrics() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let lies = Arc::new(AtomicBool::new(false));
    let now = lies.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let counts = request["method"] == "eth_getTransactionCount";
        match counts && now.load(Ordering::Relaxed) {
            true => json!({ "jsonrpc": "2.0", "id": request["id"], "result": "0x0" }),
            false => ask(),
        }
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    assert_eq!(desk.end_of(&desk.score(&order(SUBJECT)))["state"], "finalized");
    chain.rpc("evm_setAutomine", json!([false]));
    let waits = desk.score(&chosen(1));
    until(&desk, "it is submitted", 30, || desk.job(&waits)["state"] == "submitted");
    lies.store(true, Ordering::Relaxed);
    until(&desk, "it says why it waits", 30, || {
        desk.job(&waits)["reason"]["message"].to_string().contains("nonce")
    });
    until(&desk, "the key is not well", 30, || chain_ok(&desk) == Some(0.0));
    lies.store(false, Ordering::Relaxed);
    chain.rpc("evm_setAutomine", json!([true]));
    chain.rpc("anvil_mine", json!(["0x1"]));
    let job = desk.end_of(&waits);
    assert_eq!((&job["state"], &job["reason"]), (&json!("finalized"), &Value::Null));
    until(&desk, "the key is well", 30, || chain_ok(&desk) == Some(1.0));
}

/// A signer that refuses the first so many subjects, and signs for all others.
fn picky(chain: &Local, refused: usize) -> Proxy {
    let bad: Vec<String> = (0..refused).map(|index| subject(index)[2..].to_owned()).collect();
    Proxy::start(chain.anvil.url(), move |request, ask| {
        let words = request.to_string();
        let is_bad = bad.iter().any(|own| words.contains(own));
        match request["method"] == "eth_signTransaction" && is_bad {
            true => refusal(request, "not this one"),
            false => ask(),
        }
    })
}

#[test]
fn more_refused_scores_than_places_hold_up_nobody() {
    const PLACES: usize = 4;
    const REFUSED: usize = 5;
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let account = signed_for(&chain, &deployed);
    let signer = picky(&chain, REFUSED);
    let key = remote_key(&signer.url, &account);
    let file = config(&place, &format!("max_in_flight = {PLACES}\n{key}"));
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &file]);
    let refused: Vec<String> = (0..REFUSED).map(|index| desk.score(&chosen(index))).collect();
    until(&desk, "they say why", 60, || {
        let says = |id: &&String| desk.job(id)["reason"].to_string().contains("not this one");
        refused.iter().filter(says).count() == REFUSED
    });
    let start = Instant::now();
    let others: Vec<String> = (REFUSED..20).map(|index| desk.score(&chosen(index))).collect();
    for id in &others {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let sent = chain.sent();
    for id in &refused {
        assert_eq!(desk.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status / 100, 2);
    }
    for id in &refused {
        until(&desk, "it ends", 10, || desk.job(id)["state"] == "cancelled");
    }
    assert_eq!(chain.sent(), sent, "nothing is paid for");
}

#[test]
fn scores_are_recorded_within_seconds_once_a_signer_that_was_out_of_order_signs() {
    const ORDERS: usize = 8;
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let account = signed_for(&chain, &deployed);
    let refuses = Arc::new(AtomicBool::new(true));
    let now = refuses.clone();
    let signer = Proxy::start(chain.anvil.url(), move |request, ask| {
        match now.load(Ordering::Relaxed) && request["method"] == "eth_signTransaction" {
            true => refusal(request, "locked"),
            false => ask(),
        }
    });
    let file = config(&place, &remote_key(&signer.url, &account));
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &file]);
    let ids: Vec<String> = (0..ORDERS).map(|index| desk.score(&chosen(index))).collect();
    until(&desk, "it is asked", 60, || signer.asked("eth_signTransaction") > 0);
    until(&desk, "all are proven", 60, || desk.count("proved") as usize == ORDERS);
    let asked = signer.asked("eth_signTransaction");
    std::thread::sleep(Duration::from_secs(8));
    // It is not asked for everybody in every look, but for each once, if it was not yet, and then for one
    // after the other in eight seconds; what fails is logged once.
    let more = signer.asked("eth_signTransaction") - asked;
    assert!((4..=2 * ORDERS + 4).contains(&more), "{more}");
    let log = desk.log();
    let logged = log.iter().filter(|line| line.contains("will try again")).count();
    assert!((1..=ORDERS).contains(&logged), "{log:#?}");
    refuses.store(false, Ordering::Relaxed);
    let start = Instant::now();
    for id in &ids {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn what_is_refused_holds_no_part_of_the_budget() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let account = signed_for(&chain, &deployed);
    let signer = picky(&chain, 1);
    // Nothing was paid yet: the first one is to tell the price.
    let key = remote_key(&signer.url, &account);
    let file = config(&place, &format!("[chain]\nmax_cost_a_day = 1000\n{key}"));
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &file]);
    let refused = desk.score(&chosen(0));
    until(&desk, "it says why", 60, || {
        desk.job(&refused)["reason"].to_string().contains("not this one")
    });
    let others: Vec<String> = (1..6).map(|index| desk.score(&chosen(index))).collect();
    for id in &others {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    assert!(desk.job(&refused)["reason"].to_string().contains("not this one"));
}

#[test]
fn a_key_whose_signer_signs_for_nobody_leaves_the_scores_to_the_other_key() {
    const PLACES: usize = 4;
    const ORDERS: usize = 32;
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let good = signed_for(&chain, &deployed);
    let broken = format!("0x{}", "5e".repeat(20));
    chain.rpc("anvil_setBalance", json!([broken, "0xde0b6b3a7640000"]));
    let submitter = broken.parse().expect("an address");
    chain.send(address(&deployed, "oracle"), &addSubmitterCall { submitter });
    let own = broken.clone();
    let signer = Proxy::start(chain.anvil.url(), move |request, ask| {
        let from = request["params"][0]["from"].as_str().unwrap_or_default();
        match request["method"] == "eth_signTransaction" && from.eq_ignore_ascii_case(&own) {
            true => refusal(request, "locked"),
            false => ask(),
        }
    });
    let key = |account: &str| remote_key(&signer.url, account);
    let text = format!("max_in_flight = {PLACES}\n{}{}", key(&broken), key(&good));
    let file = config(&place, &text);
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &file]);
    for index in 0..ORDERS {
        desk.score(&chosen(index));
    }
    // All but those that the broken key took before it was known to be, and one a second since.
    until(&desk, "most are recorded", 60, || desk.count("finalized") as usize >= ORDERS / 2);
    let waits = desk.count("proved") as usize;
    assert!(waits <= ORDERS / 2, "{waits}");
}
