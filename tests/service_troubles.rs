//! A desk's back end among signers, nodes and disks in trouble, and what it does by itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::U256;
use serde_json::{Value, json};
use verdict_contracts::bindings::InferenceOracle::{addSubmitterCall, nonceOfCall};

use crate::{
    common::{
        Workplace,
        desk::Desk,
        local::{Local, SUBJECT, address, small_setup},
        proxy::Proxy,
    },
    service::{INPUT, config, desk, order},
};

/// A job once its reason holds some words, while it goes on.
fn held(desk: &Desk, id: &str, words: &str) -> Value {
    let start = std::time::Instant::now();
    loop {
        let job = desk.job(id);
        if job["reason"]["message"].as_str().is_some_and(|told| told.contains(words)) {
            return job;
        }
        assert!(start.elapsed().as_secs() < 60, "{job:#}\n{:#?}", desk.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// A submitter of the oracle for whom anvil signs, as web3signer does: an account of its own.
pub(crate) fn signed_for(chain: &Local, deployed: &Value) -> String {
    let account = chain.rpc("eth_accounts", json!([]))[0].as_str().expect("an account").to_owned();
    let submitter = account.parse().expect("an address");
    chain.send(address(deployed, "oracle"), &addSubmitterCall { submitter });
    account
}

/// The configuration of a key whose signer is there.
pub(crate) fn remote_key(url: &str, account: &str) -> String {
    format!("[[chain.signers]]\nurl = \"{url}\"\naddress = \"{account}\"\n")
}

#[test]
fn a_key_that_another_process_holds_signs_what_was_asked_for_and_nothing_else() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let account = signed_for(&chain, &deployed);
    let cheats = Arc::new(AtomicBool::new(true));
    let (own, turn) = (chain.clone(), cheats.clone());
    let signer = Proxy::start(chain.anvil.url(), move |request, ask| {
        if request["method"] != "eth_signTransaction" || !turn.load(Ordering::Relaxed) {
            return ask();
        }
        // It signs at a price of its own.
        let mut transaction = request["params"][0].clone();
        transaction["maxFeePerGas"] = json!("0x3b9aca0000");
        let signed = own.rpc("eth_signTransaction", json!([transaction]));
        json!({ "jsonrpc": "2.0", "id": request["id"], "result": signed })
    });
    let text = remote_key(&signer.url, &account);
    let file = config(&place, &text);
    let desk = Desk::start(&place, &chain, &[&format!("small={setup}"), "--config", &file]);
    let id = desk.score(&order(SUBJECT));
    held(&desk, &id, "signed another transaction");
    cheats.store(false, Ordering::Relaxed);
    let job = desk.end_of(&id);
    assert_eq!(
        (&job["state"], &job["transaction"]["sender"]),
        (&json!("finalized"), &json!(account))
    );
    assert!(signer.asked("eth_signTransaction") >= 2);
}

#[test]
fn nothing_is_begun_when_the_day_s_budget_is_spent() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let file = config(&place, "[chain]\nmax_cost_a_day = 0.000001\n");
    let (_, _, desk) = desk(&place, &chain, &["--config", &file]);
    assert_eq!(desk.end_of(&desk.score(&order(SUBJECT)))["state"], "finalized");
    let sent = chain.sent();
    let other = "0x00000000000000000000000000000000000000bb";
    let id = desk.score(&order(other));
    let job = held(&desk, &id, "max_cost_a_day");
    assert_eq!((&job["state"], &job["reason"]["code"]), (&json!("proved"), &json!("budget")));
    assert_eq!(chain.sent(), sent);
}

#[test]
fn ends_are_announced_and_scores_made_again_on_schedule() {
    use std::io::{BufRead, BufReader, Read, Write};
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (turn, socket) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut reader = BufReader::new(socket);
            let (mut head, mut length) = (String::new(), 0);
            while let Ok(read) = reader.read_line(&mut head) {
                if read <= 2 {
                    break;
                }
            }
            for line in head.lines() {
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap_or(0);
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            // The first time it fails.
            let status = if turn == 0 { "500 Sorry" } else { "200 OK" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).expect("answered");
            let _ = told.send((head, String::from_utf8(body).expect("a text")));
        }
    });
    let source =
        json!([{ "subject": "0x00000000000000000000000000000000000000bb", "input": INPUT }]);
    std::fs::write(place.path("source.json"), source.to_string()).expect("written");
    let refresh = format!(
        "webhooks = [\"{origin}\"]\n[[refresh]]\nmodel = \"small\"\nschedule = \"* * * * *\"\n\
         command = [\"cat\", \"{}\"]\n",
        place.path("source.json")
    );
    let file = config(&place, &refresh);
    let named = format!("small={setup}");
    let args = [
        "serve",
        "--data",
        &place.path("data"),
        "--listen",
        "127.0.0.1:0",
        "--config",
        &file,
        &named,
    ];
    let mut command = chain.command(&place, &args);
    command.env("VERDICT_WEBHOOK_SECRET", "hush");
    let desk = Desk::of(&place, command);
    let mut announced = order(SUBJECT);
    announced["webhook"] = json!(format!("{origin}/scores"));
    let id = desk.score(&announced);
    let first = heard.recv_timeout(std::time::Duration::from_secs(60)).expect("announced");
    let second = heard.recv_timeout(std::time::Duration::from_secs(60)).expect("announced again");
    assert_eq!(first.1, second.1, "the same once more");
    let header = |head: &str, name: &str| -> String {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().to_owned()
    };
    assert_eq!(header(&first.0, "verdict-delivery"), header(&second.0, "verdict-delivery"));
    let signature = header(&second.0, "verdict-signature");
    let seconds = signature.split([',', '=']).nth(1).expect("a time").parse().expect("a number");
    assert_eq!(signature, verdict_service::webhook::signature("hush", seconds, &second.1));
    let body: Value = serde_json::from_str(&second.1).expect("JSON");
    assert_eq!((&body["id"], &body["state"]), (&json!(id), &json!("finalized")));

    // Within a minute, the schedule has scored its subject.
    let start = std::time::Instant::now();
    let job = loop {
        let jobs = desk.get("/v1/jobs?subject=0x00000000000000000000000000000000000000bb");
        if let Some(job) = jobs.body["jobs"].as_array().and_then(|jobs| jobs.last()) {
            break job["id"].as_str().expect("an id").to_owned();
        }
        assert!(start.elapsed().as_secs() < 90, "{:#?}", desk.log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    assert_eq!(desk.end_of(&job)["state"], "finalized");
    let metrics = desk.get("/metrics");
    assert!(
        metrics
            .body
            .as_str()
            .expect("a text")
            .contains("verdict_refreshed_timestamp_seconds{model=\"small\"}")
    );
}

/// What a node may answer that says nothing of a proof.
fn oddities() -> [(&'static str, Value); 6] {
    let error = |code: i64, message: &str| json!({ "error": { "code": code, "message": message } });
    [
        ("html", json!("<html>Bad Gateway</html>")),
        ("internal", error(-32603, "Internal error")),
        ("pruned", error(-32000, "header not found")),
        ("null", json!({ "result": null })),
        ("empty", json!({ "result": "0x" })),
        ("reverted", error(3, "execution reverted")),
    ]
}

#[test]
fn a_node_that_answers_oddly_ends_no_job() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let oracle = address(&deployed, "oracle");
    let odd = Arc::new(std::sync::Mutex::new(None::<Value>));
    let answer = odd.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let odd = answer.lock().expect("the answer").clone();
        match (request["method"].as_str(), odd) {
            (Some("eth_call" | "eth_estimateGas"), Some(mut odd)) => {
                if let Some(odd) = odd.as_object_mut() {
                    odd.insert("jsonrpc".into(), json!("2.0"));
                    odd.insert("id".into(), request["id"].clone());
                }
                odd
            }
            _ => ask(),
        }
    });
    let named = format!("small={setup}");
    let data = place.path("data");
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    let sent = chain.sent();
    for (index, (name, oddity)) in oddities().into_iter().enumerate() {
        let subject = format!("0x{:040x}", 0xabcd_0000_usize + index);
        // Before it is sent; the nonce is the client's, so that nothing is asked for it.
        let mut first = order(&subject);
        first["nonce"] = json!(1);
        *odd.lock().expect("the answer") = Some(oddity.clone());
        let id = desk.score(&first);
        held(&desk, &id, "");
        *odd.lock().expect("the answer") = None;
        assert_eq!(desk.end_of(&id)["state"], "finalized", "{name}, before");
        // While it is in the pool, and when it is final.
        chain.rpc("evm_setAutomine", json!([false]));
        let id = desk.score(&order(&subject));
        let start = std::time::Instant::now();
        while desk.job(&id)["state"] != "submitted" {
            assert!(start.elapsed().as_secs() < 60, "{name}: {:#}", desk.job(&id));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        *odd.lock().expect("the answer") = Some(oddity);
        chain.rpc("evm_setAutomine", json!([true]));
        chain.rpc("anvil_mine", json!(["0x2"]));
        std::thread::sleep(std::time::Duration::from_millis(500));
        *odd.lock().expect("the answer") = None;
        let job = desk.end_of(&id);
        assert_eq!(
            (&job["state"], &job["nonce"]),
            (&json!("finalized"), &json!(2)),
            "{name}: {job:#}"
        );
        let subject = subject.parse().expect("an address");
        let call = nonceOfCall { subject, modelId: U256::from(1) };
        assert_eq!(chain.call(oracle, &call).to::<u64>(), 2, "{name}");
    }
    assert_eq!(chain.sent() - sent, 12, "each once");
}

#[test]
fn a_node_that_stalls_holds_up_neither_orders_nor_proofs_alone() {
    use std::time::{Duration, Instant};
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let stalls = Arc::new(AtomicBool::new(false));
    let now = stalls.clone();
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        if request["method"] == "eth_call" && now.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(25));
        }
        ask()
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    stalls.store(true, Ordering::Relaxed);
    let mut chosen = order(SUBJECT);
    chosen["nonce"] = json!(1);
    let asked = Instant::now();
    let chosen = desk.score(&chosen);
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    // The worker asks for a nonce, and has other things to do meanwhile.
    let waits = desk.score(&order("0x00000000000000000000000000000000000000bb"));
    std::thread::sleep(Duration::from_secs(1));
    let asked = Instant::now();
    let alone = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    let alone = alone.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(desk.end_of(&alone)["state"], "proved");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert!(desk.job(&waits)["outputs"].is_null(), "nobody knows its nonce yet");
    stalls.store(false, Ordering::Relaxed);
    for id in [chosen, waits] {
        assert_eq!(desk.end_of(&id)["state"], "finalized", "{id}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    use std::os::unix::process::CommandExt;
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    // A process that may write files of so many blocks only, until it is told otherwise.
    let limited = |args: &[&str]| {
        let own = place.command(args);
        let mut command = std::process::Command::new("sh");
        let script = "trap '' XFSZ; ulimit -S -f 900; exec \"$0\" \"$@\"";
        command.args(["-c", script]).arg(own.get_program()).args(own.get_args());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.process_group(0);
        command
    };
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, limited(&args));
    let proof = json!({ "model": "small", "input": INPUT });
    let (mut ids, mut refused) = (vec![], 0);
    while refused < 5 {
        assert!(ids.len() < 2000, "the disk is never full");
        let answer = desk.post("/v1/proofs", &proof);
        match answer.status {
            202 => ids.push(answer.body["id"].as_str().expect("an id").to_owned()),
            503 => refused += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(desk.get("/healthz").status, 200);
    let free = ["--pid", &desk.id().to_string(), "--fsize=unlimited:"];
    let freed = std::process::Command::new("prlimit").args(free).status().expect("prlimit");
    assert!(freed.success());
    let start = std::time::Instant::now();
    while desk.get("/readyz").status != 200 {
        assert!(start.elapsed().as_secs() < 30, "it does not recover: {:#?}", desk.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // Everything that was accepted is proven, and so is what comes now.
    ids.push(desk.post("/v1/proofs", &proof).body["id"].as_str().expect("an id").to_owned());
    for id in &ids {
        assert_eq!(desk.end_of(id)["state"], "proved");
    }
}

#[test]
fn a_score_under_way_keeps_its_deployment_whatever_is_served_then() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    // Another version of the model, by the same name, and one that has nothing to do with it.
    let other = small_setup(&place, "other");
    chain.json(&place, &["deploy", &other]);
    let start = |served: &str| {
        let more = [served, "--confirmations", "20"];
        Desk::start(&place, &chain, &more)
    };
    let included = |desk: &Desk, subject: &str| {
        let id = desk.score(&order(subject));
        let start = std::time::Instant::now();
        while desk.job(&id)["state"] != "included" {
            assert!(start.elapsed().as_secs() < 60, "{:#}", desk.job(&id));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        id
    };
    let mut desk = start(&format!("small={setup}"));
    let id = included(&desk, SUBJECT);
    assert_eq!(desk.stop(), Some(0));
    let mut desk = start(&format!("small={other}"));
    // What is asked for now is the new version's.
    let next = desk.score(&order(SUBJECT));
    chain.rpc("anvil_mine", json!(["0x20"]));
    assert_eq!(desk.end_of(&id)["state"], "finalized");
    while desk.job(&next)["state"] != "included" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(desk.stop(), Some(0));
    // Served no more, it comes to its end all the same.
    let desk = start(&format!("else={setup}"));
    chain.rpc("anvil_mine", json!(["0x20"]));
    let job = desk.end_of(&next);
    assert_eq!((&job["state"], &job["nonce"]), (&json!("finalized"), &json!(1)), "{job:#}");
}
