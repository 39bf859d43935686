//! What those who run a desk see: traces, workers, streams, what a revert costs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use alloy::sol_types::SolCall;
use serde_json::json;
use verdict_contracts::bindings::InferenceOracle::{pauseCall, unpauseCall, verifyInferenceCall};

use crate::{
    common::{
        Workplace,
        desk::Desk,
        local::{Local, SUBJECT, address, small_setup},
        proxy::Proxy,
    },
    service::{INPUT, config, order},
    soak::postgres::Postgres,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes whatever is posted and says it is well; what was posted, one after the other.
fn collector() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(socket);
                while let Some(body) = posted(&mut reader) {
                    let _ = told.send(body);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    if reader.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, heard)
}

/// The body of the next request on a connection.
fn posted(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_job_s_way_is_a_trace_of_its_id_where_one_is_asked_for() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    chain.json(&place, &["deploy", &setup]);
    let (url, heard) = collector();
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let mut command =
        chain.command(&place, &["serve", "--data", &data, "--listen", "127.0.0.1:0", &named]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    let mut desk = Desk::of(&place, command);
    let id = desk.score(&order(SUBJECT));
    assert_eq!(desk.end_of(&id)["state"], "finalized");
    assert_eq!(desk.stop(), Some(0));
    // It ends when everything is sent.
    let spans: Vec<u8> = heard.try_iter().flatten().collect();
    for name in ["request", "prove", "store proof", "hand over", "conclude", "verdict-serve"] {
        assert!(contains(&spans, name.as_bytes()), "{name}");
    }
    let trace = u128::from(ulid::Ulid::from_string(&id).expect("an id")).to_be_bytes();
    let of_job = spans.windows(16).filter(|window| *window == trace).count();
    assert!(of_job >= 4, "{of_job}");
    for number in INPUT {
        assert!(!contains(&spans, number.to_string().as_bytes()), "inputs are private");
    }
}

#[test]
fn a_service_goes_on_where_nobody_takes_its_traces() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let mut command = place.command(&args);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let mut desk = Desk::of(&place, command);
    let answer = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    let id = answer.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(desk.end_of(&id)["state"], "proved");
    let asked = Instant::now();
    assert_eq!(desk.stop(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    std::thread::sleep(Duration::from_millis(200));
    let log = desk.log();
    let said = log.iter().filter(|line| line.contains("traces do not reach")).count();
    assert_eq!(said, 1, "{log:#?}");
    // A URL that is none is said at once.
    let mut command = place.command(&args);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url");
    let output = command.output().expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("error"), "{output:?}");
}

/// A process that ends with this, and the lines that it prints.
struct Process(Child, mpsc::Receiver<String>);

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let (told, heard) = mpsc::channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Self(child, heard)
    }

    /// What stands behind some words in a line of its own.
    fn says(&self, words: &str) -> String {
        loop {
            let line = self.1.recv_timeout(PATIENCE).expect("it says so");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks for a path with a token; the status line and what follows.
fn get(address: &str, path: &str, token: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn a_worker_tells_who_runs_it_how_it_does_and_nobody_else() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let server = Postgres::start();
    let (named, database) = (format!("small={setup}"), server.url("postgres"));
    let of = |args: &[&str]| {
        let all = [args, &["--database", &database, &named]].concat();
        let mut command = place.command(&all);
        command.env("VERDICT_DATA_KEY", "5a".repeat(32));
        command
    };
    let data = place.path("data");
    let desk =
        Desk::of(&place, of(&["serve", "--no-prove", "--data", &data, "--listen", "127.0.0.1:0"]));
    let own = place.path("worker");
    let worker = Process::start(of(&["worker", "--data", &own, "--listen", "127.0.0.1:0"]));
    let address = worker.says("answering on http://");
    let job = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    let id = job.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(desk.end_of(&id)["state"], "proved");

    assert!(get(&address, "/healthz", "").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/metrics", "vdt_guess").starts_with("HTTP/1.1 401"));
    let metrics = get(&address, "/metrics", &desk.token);
    assert!(metrics.contains("verdict_proofs_total{model=\"small\"} 1"), "{metrics}");
    assert!(metrics.contains("verdict_jobs{kind=\"proof\",state=\"proved\"} 1"), "{metrics}");
    // The service proved nothing, and a worker takes no orders.
    assert!(!desk.get("/metrics").body.to_string().contains("verdict_proofs_total{"));
    assert!(get(&address, "/v1/jobs", &desk.token).starts_with("HTTP/1.1 404"));
}

#[test]
fn a_stream_ends_when_its_token_is_revoked() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--no-prove", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, place.command(&args));
    let job = desk.post("/v1/proofs", &json!({ "model": "small", "input": INPUT }));
    let id = job.body["id"].as_str().expect("an id").to_owned();
    let created = place.json(&["token", "create", "reader", "--scope", "read", "--data", &data]);
    let secret = created["secret"].as_str().expect("a secret").to_owned();
    let address = desk.url.trim_start_matches("http://").to_owned();
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut socket = TcpStream::connect(&address).expect("a connection");
        let request = format!(
            "GET /v1/jobs/{id}/events HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\
             authorization: Bearer {secret}\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).expect("asked");
        for line in BufReader::new(socket).lines().map_while(Result::ok) {
            let _ = told.send(Some(line));
        }
        let _ = told.send(None);
    });
    let wait = |wanted: fn(&Option<String>) -> bool| {
        while !wanted(&heard.recv_timeout(PATIENCE).expect("it says so")) {}
    };
    wait(|line| line.as_deref().is_some_and(|line| line.contains("queued")));
    std::thread::sleep(Duration::from_secs(2));
    assert!(heard.try_iter().all(|line| line.is_some()), "the stream is open");
    let revoked = Instant::now();
    place.json(&["token", "revoke", "reader", "--data", &data]);
    wait(Option::is_none);
    assert!(revoked.elapsed() < Duration::from_secs(20), "{:?}", revoked.elapsed());
}

#[test]
fn a_transaction_that_reverts_in_its_block_is_paid_for_once() {
    let place = Workplace::new();
    let chain = Local::start(31_337);
    let setup = small_setup(&place, "setup");
    let deployed = chain.json(&place, &["deploy", &setup]);
    let oracle = address(&deployed, "oracle");
    // A node whose simulations succeed, whatever the chain will say.
    let blind = Arc::new(AtomicBool::new(false));
    let (lies, selector) =
        (blind.clone(), alloy::hex::encode_prefixed(verifyInferenceCall::SELECTOR));
    let node = Proxy::start(chain.anvil.url(), move |request, ask| {
        let call = &request["params"][0];
        let data = call["input"].as_str().or(call["data"].as_str()).unwrap_or_default();
        let told = match request["method"].as_str() {
            Some("eth_call") => "0x",
            Some("eth_estimateGas") => "0x80000",
            _ => return ask(),
        };
        if !lies.load(Ordering::Relaxed) || !data.starts_with(&selector) {
            return ask();
        }
        json!({ "jsonrpc": "2.0", "id": request["id"], "result": told })
    });
    let (named, data) = (format!("small={setup}"), place.path("data"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", &named];
    let desk = Desk::of(&place, chain.through(&place, &[&node.url], &args));
    chain.send(oracle, &pauseCall {});
    let sent = chain.sent();
    blind.store(true, Ordering::Relaxed);
    let job = desk.end_of(&desk.score(&order(SUBJECT)));
    assert_eq!((&job["state"], &job["reason"]["code"]), (&json!("rejected"), &json!("refused")));
    // What it cost is told all the same.
    let fee = job["transaction"]["fee_wei"].as_str().expect("a fee");
    assert!(fee.parse::<u128>().expect("a number") > 0, "{job:#}");
    let gas = job["transaction"]["gas_used"].as_u64().expect("gas");
    let metrics = desk.get("/metrics").body;
    let counted = format!("verdict_gas_used_total{{model=\"small\"}} {gas}\n");
    assert!(metrics.as_str().expect("a text").contains(&counted), "{metrics}");
    assert_eq!(chain.sent() - sent, 1);
    // Also when it would succeed now, nobody pays for it again of himself.
    chain.send(oracle, &unpauseCall {});
    let sent = chain.sent();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(chain.sent(), sent);
    let id = job["id"].as_str().expect("an id");
    let again = desk.post(&format!("/v1/jobs/{id}/retry"), &json!({}));
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(desk.end_of(id)["state"], "finalized");
    assert_eq!(chain.sent() - sent, 1);
}

#[test]
fn a_refresh_command_has_no_secret_of_the_service_s_and_ends_with_it() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let (environment, data) = (place.path("environment"), place.path("data"));
    let pid = place.path("pid");
    let script = format!(
        "sleep 300 & echo $! > {pid}; env > {environment}.new; mv {environment}.new {environment}; wait"
    );
    let refresh = format!(
        "[[refresh]]\nmodel = \"small\"\nschedule = \"* * * * *\"\nenv = [\"SOURCE_TOKEN\"]\n\
         command = [\"sh\", \"-c\", \"{script}\"]\n"
    );
    let (file, named) = (config(&place, &refresh), format!("small={setup}"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--config", &file, &named];
    let mut command = place.command(&args);
    command
        .env("VERDICT_DATA_KEY", "5a".repeat(32))
        .env("VERDICT_WEBHOOK_SECRET", "hush")
        .env("PGPASSWORD", "hush")
        .env("ANOTHER_TOKEN", "hush")
        .env("SOURCE_TOKEN", "its own");
    let mut desk = Desk::of(&place, command);
    let start = Instant::now();
    let found = loop {
        if let Ok(found) = std::fs::read_to_string(&environment) {
            break found;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "{:#?}", desk.log());
        std::thread::sleep(Duration::from_millis(100));
    };
    for name in ["VERDICT_", "PGPASSWORD", "ANOTHER_TOKEN"] {
        assert!(!found.lines().any(|line| line.starts_with(name)), "{found}");
    }
    for name in ["PATH=", "SOURCE_TOKEN=its own"] {
        assert!(found.lines().any(|line| line.starts_with(name)), "{found}");
    }
    // It runs for minutes yet: the service does not wait for it.
    let asked = Instant::now();
    assert_eq!(desk.stop(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    // Nor does what the command started go on; nobody may be there to take note of its end.
    let pid = std::fs::read_to_string(&pid).expect("it was started");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z")));
}
