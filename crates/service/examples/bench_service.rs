//! What a service costs beside what it does: `make bench-service`.
//!
//! First the proofs a second of one worker against the same proofs in a loop, in turn, of the credit
//! MLP; then submissions a second over HTTP, each on disk when it is answered, while a worker proves.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Mutex, oneshot},
};
use verdict::{EngineOptions, PlanOptions, PlannedModel, Prover, Ranges, Silent, SrsChoice};
use verdict_service::{
    Chains, ModelConfig, Service, ServiceConfig,
    job::{Kind, State},
};

type Failure = Box<dyn std::error::Error>;

/// Proofs of a round.
const PROOFS: usize = 300;
/// Rounds of each.
const ROUNDS: usize = 3;
/// Submissions, and how many a second.
const SUBMISSIONS: usize = 5000;
const RATE: f64 = 1000.0;
/// Connections that submit.
const CONNECTIONS: usize = 32;

fn config(folder: &Path, setup: &Path, name: &str) -> ServiceConfig {
    let model = ModelConfig { name: Some("credit".into()), setup: setup.into(), srs: None };
    ServiceConfig {
        data: folder.join(name),
        models: vec![model],
        authenticate: false,
        rate: 1_000_000,
        ..ServiceConfig::default()
    }
}

/// A model's setup, and an input of it.
fn setup(folder: &Path) -> Result<(PathBuf, Vec<f64>), Failure> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit");
    let ranges: Ranges = serde_json::from_slice(&std::fs::read(examples.join("ranges.json"))?)?;
    let input = ranges.input.iter().map(|[low, _]| *low).collect();
    let model = examples.join("model.onnx");
    let planned = PlannedModel::load(&model, &ranges, &PlanOptions::default())?;
    let srs = SrsChoice::Development.open(planned.plan().estimate.srs_k)?;
    let out = folder.join("setup");
    verdict::setup(&planned, &srs, &out, Default::default(), &Silent)?;
    Ok((out, input))
}

/// A service until `done` is dropped.
async fn serve(
    config: ServiceConfig,
) -> Result<(String, oneshot::Sender<()>, verdict_service::store::Store), Failure> {
    let service = Service::open(config, EngineOptions::default()).await?;
    let store = service.store().clone();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (done, end) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let signal = async { drop(end.await) };
        if let Err(error) = service.serve(listener, Chains::default(), signal).await {
            eprintln!("{error}");
        }
    });
    while ask(&address, "GET", "/readyz", None).await?.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((address, done, store))
}

/// One request on a connection of its own.
async fn ask(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, String), Failure> {
    let mut socket = BufReader::new(TcpStream::connect(address).await?);
    request(&mut socket, address, method, path, body).await
}

async fn request(
    socket: &mut BufReader<TcpStream>,
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, String), Failure> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.get_mut().write_all(head.as_bytes()).await?;
    let (mut line, mut status, mut length) = (String::new(), 0, 0);
    loop {
        line.clear();
        socket.read_line(&mut line).await?;
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        }
        if let Some(rest) = line.to_lowercase().strip_prefix("content-length:") {
            length = rest.trim().parse()?;
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut text = vec![0; length];
    socket.read_exact(&mut text).await?;
    Ok((status, String::from_utf8(text)?))
}

/// Milliseconds a proof of the bare prover in a loop.
async fn bare(prover: &Arc<Prover>, input: &[f64]) -> Result<f64, Failure> {
    let (prover, input) = (prover.clone(), input.to_vec());
    let work = move || {
        let start = Instant::now();
        for _ in 0..PROOFS {
            prover.prove(&input, None)?;
        }
        Ok::<_, verdict::Error>(start.elapsed())
    };
    let took = tokio::task::spawn_blocking(work).await??;
    Ok(took.as_secs_f64() * 1000.0 / PROOFS as f64)
}

/// Milliseconds a proof of a worker whose queue is full, from the first one stored to the last.
async fn worker(folder: &Path, setup: &Path, input: &[f64], round: usize) -> Result<f64, Failure> {
    let (address, done, store) = serve(config(folder, setup, &format!("round{round}"))).await?;
    let order = json!({ "model": "credit", "input": input });
    let mut socket = BufReader::new(TcpStream::connect(&address).await?);
    for _ in 0..PROOFS + 20 {
        let (status, text) =
            request(&mut socket, &address, "POST", "/v1/proofs", Some(&order)).await?;
        assert_eq!(status, 202, "{text}");
    }
    let proved = async || -> Result<u64, Failure> {
        let counts = store.counts().await?;
        let of = |one: &&(Kind, State, u64)| (one.0, one.1) == (Kind::Proof, State::Proved);
        Ok(counts.iter().find(of).map_or(0, |(.., count)| *count))
    };
    let (mut first, mut begun) = (0, Instant::now());
    loop {
        let count = proved().await?;
        if first == 0 && count > 0 {
            (first, begun) = (count, Instant::now());
        }
        if first > 0 && count >= first + PROOFS as u64 {
            let ms = begun.elapsed().as_secs_f64() * 1000.0 / (count - first) as f64;
            drop(done);
            return Ok(ms);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Submits at a steady rate; milliseconds from when each was due until it was answered, sorted.
async fn submit(address: &str, input: &[f64]) -> Result<Vec<f64>, Failure> {
    let took = Arc::new(Mutex::new(Vec::with_capacity(SUBMISSIONS)));
    let start = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (address, took) = (address.to_owned(), took.clone());
        let order = json!({ "model": "credit", "input": input });
        all.spawn(async move {
            let work = async {
                let mut socket = BufReader::new(TcpStream::connect(&address).await?);
                for index in (connection..SUBMISSIONS).step_by(CONNECTIONS) {
                    let due = start + Duration::from_secs_f64(index as f64 / RATE);
                    tokio::time::sleep_until(due.into()).await;
                    let answer =
                        request(&mut socket, &address, "POST", "/v1/proofs", Some(&order)).await?;
                    assert_eq!(answer.0, 202, "{}", answer.1);
                    took.lock().await.push(due.elapsed().as_secs_f64() * 1000.0);
                }
                Ok::<_, Failure>(())
            };
            work.await.map_err(|error| error.to_string())
        });
    }
    while let Some(one) = all.join_next().await {
        one??;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("submissions          {:>8.0} a second", SUBMISSIONS as f64 / seconds);
    let mut took = took.lock().await.clone();
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (setup, input) = setup(folder.path())?;
    let prover = Arc::new(Prover::open(&setup, Default::default())?);
    bare(&prover, &input).await?;
    let (mut loops, mut workers) = (vec![], vec![]);
    for round in 0..ROUNDS {
        loops.push(bare(&prover, &input).await?);
        workers.push(worker(folder.path(), &setup, &input, round).await?);
    }
    let (alone, served) = (median(&mut loops), median(&mut workers));
    println!("proof in a loop      {alone:>8.1} ms");
    println!(
        "proof of a worker    {served:>8.1} ms, {:.1} % of the loop's pace",
        100.0 * alone / served
    );

    let (address, done, _) = serve(config(folder.path(), &setup, "load")).await?;
    let took = submit(&address, &input).await?;
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!("answered, median     {:>8.1} ms", at(0.5));
    println!("answered, 99 %       {:>8.1} ms", at(0.99));
    println!("answered, slowest    {:>8.1} ms", at(1.0));
    drop(done);
    Ok(())
}
