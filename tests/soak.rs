//! Whatever dies, lies or stalls: every job is recorded once.

use std::{
    collections::HashMap,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::nonceOfCall;

use crate::common::{
    Workplace,
    desk::Desk,
    local::{Local, address, small_setup_with},
    proxy::{Proxy, refusal},
};

#[path = "../crates/service/tests/service/postgres.rs"]
pub(crate) mod postgres;

/// What a run is like.
struct Soak {
    jobs: usize,
    /// Inferences of a proof.
    batch: usize,
    /// Seconds between two faults, on average.
    pause: f64,
    /// Whether PostgreSQL and workers of their own are used.
    postgres: bool,
    seed: u64,
}

fn subject(index: usize) -> String {
    format!("0x{:040x}", 0xabcd_0000_usize + index)
}

/// A node that is sometimes dead, sometimes slow, and sometimes hides receipts, forgets
/// transactions or counts wrongly, as a number says that changes with time.
fn troubled(chain: &Local, mood: Arc<AtomicU64>) -> Proxy {
    Proxy::start(chain.anvil.url(), move |request, ask| {
        let method = request["method"].as_str().unwrap_or_default();
        let changed =
            |result: Value| json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        match (mood.load(Ordering::Relaxed), method) {
            (1, _) => refusal(request, "the node is in trouble"),
            (2, _) => {
                std::thread::sleep(Duration::from_millis(300));
                ask()
            }
            // Words of its own, that say nothing of any proof.
            (7, _) => refusal(request, "header not found"),
            (8, _) => json!({ "jsonrpc": "2.0", "id": request["id"],
                              "error": { "code": -32603, "message": "Internal error" } }),
            (9, _) => json!("<html>Bad Gateway</html>"),
            (10, "eth_call" | "eth_estimateGas") => refusal(request, "execution reverted"),
            (11, "eth_call" | "eth_getCode") => changed(json!("0x")),
            (12, "eth_call") => changed(Value::Null),
            (3, "eth_getTransactionReceipt") => changed(Value::Null),
            (4, "eth_getTransactionCount") => changed(json!("0x7fff")),
            (5, "eth_chainId") => changed(json!("0x1")),
            // Takes it, and says that it did not.
            (6, "eth_sendRawTransaction") => {
                ask();
                refusal(request, "the connection was lost")
            }
            _ => ask(),
        }
    })
}

/// A worker process, which ends with this.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn worker(place: &Workplace, node: &str, named: &str, database: &str, index: usize) -> Worker {
    let data = place.path(&format!("worker{index}"));
    let args = ["worker", named, "--data", &data, "--database", database, "--rpc-url", node];
    let mut command = place.command(&args);
    let command = with_key(&mut command).stdout(Stdio::null()).stderr(Stdio::null());
    Worker(command.spawn().expect("it starts"))
}

fn with_key(command: &mut Command) -> &mut Command {
    command.env("VERDICT_DATA_KEY", "5a".repeat(32))
}

/// Runs jobs through a service while processes are killed, the chain reorganizes and the node is in
/// trouble. Returns how many faults there were.
fn soak(run: &Soak) -> u64 {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup_with(&place, "setup", &["--batch", &run.batch.to_string()]);
    let deployed = chain.json(&place, &["deploy", &setup]);
    let oracle = address(&deployed, "oracle");
    let sent = chain.sent();
    let mood = Arc::new(AtomicU64::new(0));
    let node = troubled(&chain, mood.clone());
    let mut server = run.postgres.then(postgres::Postgres::start);
    let database = server.as_ref().map(|server| server.url("postgres"));
    let text = "batch_wait = 0.3\nlease = 3\nmax_attempts = 1000\nrate = 1000000\n[chain]\nconfirmations = 3\n";
    std::fs::write(place.path("soak.toml"), text).expect("written");
    let named = format!("small={setup}");
    let (config, data) = (place.path("soak.toml"), place.path("data"));
    let start = |mood: &AtomicU64| {
        // It connects when the node answers, as whoever starts it again would see to.
        mood.store(0, Ordering::Relaxed);
        let mut args =
            vec!["serve", &named, "--config", &config, "--data", &data, "--listen", "127.0.0.1:0"];
        if let Some(database) = &database {
            args.extend(["--database", database, "--no-prove"]);
        }
        let mut command = chain.through(&place, &[&node.url], &args);
        with_key(&mut command).env("VERDICT_LOG", "error");
        Desk::of(&place, command)
    };
    let mut desk = start(&mood);
    let workers = if run.postgres { 2 } else { 0 };
    let draw = |index| {
        worker(&place, chain.anvil.url(), &named, database.as_deref().unwrap_or_default(), index)
    };
    let mut crew: Vec<Worker> = (0..workers).map(draw).collect();
    // A block a second beside those of the transactions, so that what waits for confirmations ends.
    let mut rng = StdRng::seed_from_u64(run.seed);
    let (mut submitted, mut faults) = (0, 0);
    let begun = Instant::now();
    let mut next = begun;
    loop {
        for _ in 0..20 {
            if submitted < run.jobs {
                let order = json!({ "model": "small", "subject": subject(submitted),
                                    "input": [rng.gen_range(-1.0..1.0), 0.25, 0.75] });
                let key = subject(submitted);
                let answer = desk.ask(
                    alloy::transports::http::reqwest::Method::POST,
                    "/v1/scores",
                    &[("idempotency-key", &key)],
                    Some(order.to_string()),
                );
                // Whoever gets no answer asks again with the same key.
                if [200, 202].contains(&answer.status) {
                    submitted += 1;
                } else {
                    assert!([429, 503].contains(&answer.status), "{answer:?}");
                }
            }
        }
        chain.rpc("anvil_mine", json!(["0x1"]));
        let stats = desk.get("/v1/stats");
        let done = stats.body["counts"]["finalized"].as_u64().unwrap_or_default();
        if done as usize == run.jobs {
            break;
        }
        let limit = Duration::from_secs(120 + run.jobs as u64);
        assert!(
            begun.elapsed() < limit,
            "after {limit:?}: {}\n{:#?}",
            stats.body["counts"],
            desk.log()
        );
        if Instant::now() >= next {
            faults += 1;
            next = Instant::now() + Duration::from_secs_f64(rng.gen_range(0.2..2.0) * run.pause);
            match rng.gen_range(0..6) {
                0 => {
                    desk.kill();
                    desk = start(&mood);
                }
                1 if !crew.is_empty() => {
                    let index = rng.gen_range(0..crew.len());
                    crew[index] = draw(index);
                }
                2 => {
                    let options = json!([rng.gen_range(1..3), []]);
                    chain.rpc("anvil_reorg", options);
                }
                3 if server.is_some() => {
                    if let Some(server) = &mut server {
                        server.restart();
                    }
                }
                _ => mood.store(rng.gen_range(0..13), Ordering::Relaxed),
            }
        } else {
            std::thread::sleep(Duration::from_millis(50));
        }
        if done as usize > run.jobs * 9 / 10 {
            mood.store(0, Ordering::Relaxed);
        }
    }
    drop(crew);
    // Each is on chain, once: what the oracle has of a subject is what its one job says.
    let (mut said, mut page) = (HashMap::new(), String::new());
    loop {
        let jobs = desk.get(&format!("/v1/jobs?limit=500{page}")).body;
        for job in jobs["jobs"].as_array().expect("jobs") {
            let subject: Address =
                job["subject"].as_str().expect("one").parse().expect("an address");
            let nonce = job["nonce"].as_u64().expect("a nonce");
            assert!(said.insert(subject, nonce).is_none(), "{subject} has two jobs");
        }
        match jobs["next"].as_str() {
            Some(next) => page = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(said.len(), run.jobs);
    let mut moved = 0;
    for (subject, nonce) in said {
        let call = nonceOfCall { subject, modelId: U256::from(1) };
        assert_eq!(chain.call(oracle, &call).to::<u64>(), nonce, "{subject}");
        moved += nonce;
    }
    let transactions = chain.sent() - sent;
    println!(
        "{} jobs, {transactions} transactions, {faults} faults, {:.0} s",
        run.jobs,
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(moved % run.batch as u64, 0, "whole batches");
    faults
}

#[test]
fn nothing_is_lost_or_recorded_twice_whatever_dies() {
    soak(&Soak { jobs: 40, batch: 1, pause: 1.0, postgres: false, seed: 1 });
}

#[test]
fn nor_with_workers_of_their_own() {
    soak(&Soak { jobs: 60, batch: 4, pause: 1.0, postgres: true, seed: 2 });
}

/// Ten thousand jobs: `make soak`.
#[test]
#[ignore = "minutes"]
fn nothing_is_lost_of_ten_thousand_jobs() {
    let jobs = std::env::var("JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(10_000);
    let faults = soak(&Soak { jobs, batch: 16, pause: 1.5, postgres: true, seed: 3 });
    assert!(jobs < 10_000 || faults > 50, "{faults} faults");
}
