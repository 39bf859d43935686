//! What a node, or one model's oracle, may do to a service: nothing to the other models.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{primitives::U256, sol_types::SolCall};
use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::{
    removeSubmitterCall, revokeModelCall, scoresOfCall,
};

use crate::{
    common::{
        Workplace,
        desk::Desk,
        local::{Local, SUBJECT, address, small_setup},
        proxy::Proxy,
    },
    service::{INPUT, config, order},
};

fn subject(index: usize) -> String {
    format!("0x{:040x}", 0xfeed_0000_usize + index)
}

/// The model that a request asks for the nonces of, if it does.
fn nonces_of(request: &Value) -> Option<u64> {
    let call = &request["params"][0];
    let data = call["input"]
        .as_str()
        .or(call["data"].as_str())
        .filter(|_| request["method"] == "eth_call")?;
    let call = scoresOfCall::abi_decode(&alloy::hex::decode(data).ok()?).ok()?;
    Some(call.modelId.to())
}

/// A service of two models on one chain, of which the oracle of one, the first by name, answers
/// nothing while the flag says so.
struct Silent {
    desk: Desk,
    gone: Arc<AtomicBool>,
    _chain: Local,
    _node: Proxy,
}

impl Silent {
    fn start(place: &Workplace) -> Self {
        let chain = Local::start(31_337);
        let (good, bad) = (small_setup(place, "good"), small_setup(place, "bad"));
        chain.json(place, &["deploy", &good]);
        chain.json(place, &["deploy", &bad]);
        let gone = Arc::new(AtomicBool::new(false));
        let now = gone.clone();
        let node = Proxy::start(chain.anvil.url(), move |request, ask| {
            match now.load(Ordering::Relaxed) && nonces_of(request) == Some(2) {
                true => json!({ "jsonrpc": "2.0", "id": request["id"], "result": "0x" }),
                false => ask(),
            }
        });
        let (named, other) = (format!("small={good}"), format!("a-silent={bad}"));
        let data = place.path("data");
        let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named, &other];
        let desk = Desk::of(place, chain.through(place, &[&node.url], &args));
        gone.store(true, Ordering::Relaxed);
        Self { desk, gone, _chain: chain, _node: node }
    }

    /// Orders so many scores of the model whose oracle is silent, with a nonce or without.
    fn order_silent(&self, count: usize, nonce: Option<u64>) -> Vec<String> {
        let order = |index| {
            let mut order = order(&subject(index));
            order["model"] = json!("a-silent");
            if let Some(nonce) = nonce {
                order["nonce"] = json!(nonce);
            }
            self.desk.score(&order)
        };
        (0..count).map(order).collect()
    }

    /// Scores of the other model are recorded within so many seconds.
    fn others_are_recorded(&self, seconds: u64) {
        let start = Instant::now();
        let ids: Vec<String> = (0..8).map(|i| self.desk.score(&order(&subject(i)))).collect();
        self.are_recorded(&ids);
        assert!(start.elapsed() < Duration::from_secs(seconds), "{:?}", start.elapsed());
    }

    fn are_recorded(&self, ids: &[String]) {
        for id in ids {
            assert_eq!(self.desk.end_of(id)["state"], "finalized");
        }
    }
}

#[test]
fn an_oracle_that_does_not_answer_holds_up_its_own_jobs_and_they_say_so() {
    let place = Workplace::new();
    let service = Silent::start(&place);
    let silent = service.order_silent(30, None);
    std::thread::sleep(Duration::from_secs(1));
    service.others_are_recorded(20);
    let desk = &service.desk;
    for id in &silent {
        let told = Instant::now();
        let job = loop {
            let job = desk.job(id);
            let why = job["reason"]["message"].as_str().unwrap_or_default();
            if why.contains("does not answer") {
                break job;
            }
            assert!(told.elapsed() < Duration::from_secs(20), "{job:#}");
            std::thread::sleep(Duration::from_millis(100));
        };
        assert!(["queued", "proving"].contains(&job["state"].as_str().expect("a state")));
        // They are not taken and given back in a circle.
        let story = desk.get(&format!("/v1/jobs/{id}/events"));
        assert!(story.body.as_array().expect("a story").len() < 20, "{story:?}");
    }
    service.gone.store(false, Ordering::Relaxed);
    service.are_recorded(&silent);
}

#[test]
fn proofs_for_a_silent_oracle_take_no_other_model_s_places_at_the_sender() {
    let place = Workplace::new();
    let service = Silent::start(&place);
    // With nonces given they are proven without a question, more than may be under way at once.
    let silent = service.order_silent(40, Some(1));
    let start = Instant::now();
    while silent.iter().any(|id| service.desk.job(id)["state"] != "proved") {
        assert!(start.elapsed() < Duration::from_secs(60), "they are proven");
        std::thread::sleep(Duration::from_millis(200));
    }
    service.others_are_recorded(30);
    service.gone.store(false, Ordering::Relaxed);
    service.are_recorded(&silent);
}

#[test]
fn a_worker_asks_a_slow_node_several_things_at_once() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, seen) = (open.clone(), most.clone());
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        if nonces_of(request).is_none() {
            return ask();
        }
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(500));
        let answer = ask();
        now.fetch_sub(1, Ordering::SeqCst);
        answer
    });
    let named = format!("small={setup}");
    let (data, file) =
        (place.path("data"), config(&place, "prefetch = 3\n[chain]\nconcurrency = 1\n"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--config", &file, &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    most.store(0, Ordering::SeqCst);
    let ids: Vec<String> = (0..12).map(|index| desk.score(&order(&subject(index)))).collect();
    for id in &ids {
        assert_eq!(desk.end_of(id)["state"], "finalized");
    }
    // The worker three, and the sender perhaps one about a proof that may be sent, and one about
    // another that is over.
    assert!((3..=5).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn a_service_does_not_start_without_the_oracle_of_a_model() {
    let place = Workplace::new();
    let (chain, other) = (Local::start(31_337), Local::start(31_337));
    let setup = small_setup(&place, "setup");
    let oracle = address(&chain.json(&place, &["deploy", &setup]), "oracle");
    let named = format!("small={setup}");
    let check = |chain: &Local, data: &str| -> std::process::Output {
        let data = place.path(data);
        let mut command = chain.command(&place, &["serve", "--check", "--data", &data, &named]);
        command.output().expect("the program starts")
    };
    assert!(check(&chain, "a").status.success());
    let refused = check(&other, "b");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains("model small") && told.contains(&oracle.to_string()), "{told}");
}

#[test]
fn a_check_says_that_an_oracle_refuses_the_key_or_the_model() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let oracle = address(&chain.json(&place, &["deploy", &setup]), "oracle");
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let check = || {
        let mut command = chain.command(&place, &["serve", "--check", "--data", &data, &named]);
        String::from_utf8_lossy(&command.output().expect("it starts").stderr).into_owned()
    };
    let told = check();
    assert!(!told.contains("no submitter") && !told.contains("not approved"), "{told}");
    chain.send(oracle, &removeSubmitterCall { submitter: chain.sender() });
    chain.send(oracle, &revokeModelCall { modelId: U256::from(1) });
    let told = check();
    assert!(told.contains("no submitter") && told.contains("not approved"), "{told}");
}

#[test]
fn a_node_that_stalls_holds_no_end_up() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let stalls = Arc::new(AtomicBool::new(false));
    let now = stalls.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        if now.load(Ordering::Relaxed) && request["method"] != "eth_call" {
            std::thread::sleep(Duration::from_secs(25));
        }
        ask()
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let file = config(&place, "[chain]\nconfirmations = 30\n");
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--config", &file, &named];
    let mut desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    let id = desk.score(&order(SUBJECT));
    let start = Instant::now();
    while desk.job(&id)["state"] != "included" {
        assert!(start.elapsed() < Duration::from_secs(60), "{:#}", desk.job(&id));
        std::thread::sleep(Duration::from_millis(50));
    }
    stalls.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(2));
    let asked = Instant::now();
    assert_eq!(desk.stop(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // What was on its way goes on.
    stalls.store(false, Ordering::Relaxed);
    chain.rpc("anvil_mine", json!(["0x30"]));
    let desk = Desk::start(&place, &chain, &[&named]);
    assert_eq!(desk.end_of(&id)["state"], "finalized");
    let alone = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    assert_eq!(alone.status, 202, "{alone:?}");
}

#[test]
fn a_chain_that_begins_otherwise_lets_no_empty_list_of_transactions_begin() {
    let place = Workplace::new();
    // No development chain's id: those are begun anew all the time.
    let chain = Local::start(7_117);
    chain.rpc("evm_setIntervalMining", json!([1]));
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup, "--force-insecure-srs"]);
    let lies = Arc::new(AtomicBool::new(false));
    let now = lies.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let mut answer = ask();
        let first = request["method"] == "eth_getBlockByNumber" && request["params"][0] == "0x0";
        if now.load(Ordering::Relaxed) && first {
            answer["result"]["hash"] = json!(format!("0x{}", "77".repeat(32)));
        }
        answer
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let check = || {
        let args = ["serve", "--check", "--data", &data, &named];
        chain.through(&place, &[&node.url], &args).output().expect("the program starts")
    };
    let first = check();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    lies.store(true, Ordering::Relaxed);
    let refused = check();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("first block of chain 7117"), "{told}");
    // Whoever moves the file away says that it is another chain.
    let sender = format!("-{}.db", chain.sender());
    for entry in std::fs::read_dir(&data).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&sender)) {
            std::fs::rename(&path, path.with_extension("old")).expect("moved");
        }
    }
    assert!(check().status.success());
}

#[test]
fn one_endpoint_s_word_that_the_key_holds_nothing_stops_no_score() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let liar = Proxy::changing(chain.anvil.url(), "eth_getBalance", |_, held| *held = json!("0x0"));
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--quorum", "2", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&liar.url, chain.anvil.url()], &args));
    assert_eq!(desk.end_of(&desk.score(&order(SUBJECT)))["state"], "finalized");
    assert!(liar.asked("eth_getBalance") > 0);
    // What it holds is not known while they contradict each other.
    let metrics = desk.get("/metrics").body.to_string();
    assert!(!metrics.contains("verdict_balance_ether{"), "{metrics}");
}
