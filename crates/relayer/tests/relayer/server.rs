//! A JSON-RPC server on the loopback that answers as a test wants it to, lies included.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does with a request.
pub(crate) enum Reply {
    /// An answer to the question.
    Result(Value),
    /// A JSON-RPC error.
    Error(Value),
    /// These bytes, and nothing more.
    Raw(String),
    /// A good beginning, and then spaces for ever.
    Endless,
    /// Silence.
    Hang,
}

type Script = dyn Fn(&str, &Value) -> Reply + Send + Sync;

pub(crate) struct Server {
    url: String,
    sent: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Server {
    /// Answers `script(method, params)` to everything.
    pub(crate) async fn start(
        script: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::new(AtomicUsize::new(0));
        let (script, counter): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&sent));
        let running = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, counter) = (Arc::clone(&script), Arc::clone(&counter));
                tokio::spawn(async move { serve(socket, script.as_ref(), &counter).await });
            }
        });
        Self { url, sent, running }
    }

    /// A node of chain 7 that answers like this, except for the script's answers.
    pub(crate) async fn node(
        script: impl Fn(&str, &Value) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |method, params| {
            script(method, params).unwrap_or_else(|| match method {
                "eth_chainId" => Reply::Result(json!("0x7")),
                "eth_blockNumber" => Reply::Result(json!("0x64")),
                "eth_getTransactionCount" => Reply::Result(json!("0x5")),
                _ => Reply::Error(json!({ "code": -32601, "message": "unknown method" })),
            })
        })
        .await
    }

    /// Stands before the node at `url`, and answers in its place where the script does.
    pub(crate) async fn before(
        url: &str,
        script: impl Fn(&str, &Value) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let ask = move |method: &str, params: &Value| -> io::Result<Value> {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            let body = body.to_string();
            let mut node = std::net::TcpStream::connect(&host)?;
            let head = "content-type: application/json\r\nconnection: close";
            let length = body.len();
            write!(node, "POST / HTTP/1.1\r\nhost: {host}\r\n{head}\r\n")?;
            write!(node, "content-length: {length}\r\n\r\n{body}")?;
            let mut answer = String::new();
            node.read_to_string(&mut answer)?;
            let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
            Ok(serde_json::from_str(body)?)
        };
        Self::start(move |method, params| {
            script(method, params).unwrap_or_else(|| {
                let mut answer = ask(method, params).unwrap();
                match answer.get_mut("result").map(Value::take) {
                    Some(result) => Reply::Result(result),
                    None => Reply::Error(answer["error"].take()),
                }
            })
        })
        .await
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes of answers that were taken off it.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

/// One connection, one request.
async fn serve(mut socket: TcpStream, script: &Script, sent: &AtomicUsize) {
    let mut request = Vec::new();
    let body = loop {
        let mut part = [0; 4096];
        match socket.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
        let text = String::from_utf8_lossy(&request);
        if let Some(body) = text.split("\r\n\r\n").nth(1)
            && let Ok(body) = serde_json::from_str::<Value>(body)
        {
            break body;
        }
    };
    let id = &body["id"];
    let close = "content-type: application/json\r\nconnection: close";
    let whole = |answer: Value| {
        let text = answer.to_string();
        format!("HTTP/1.1 200 OK\r\n{close}\r\ncontent-length: {}\r\n\r\n{text}", text.len())
    };
    let text = match script(body["method"].as_str().unwrap_or_default(), &body["params"]) {
        Reply::Result(result) => whole(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        Reply::Error(error) => whole(json!({ "jsonrpc": "2.0", "id": id, "error": error })),
        Reply::Raw(text) => text,
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return;
        }
        Reply::Endless => {
            let start = format!("HTTP/1.1 200 OK\r\n{close}\r\n\r\n{{\"jsonrpc\":\"2.0\",");
            let mut chunk = start.into_bytes();
            while socket.write_all(&chunk).await.is_ok() {
                sent.fetch_add(chunk.len(), Ordering::SeqCst);
                chunk = vec![b' '; 1 << 16];
            }
            return;
        }
    };
    let _ = socket.write_all(text.as_bytes()).await;
    let _ = socket.shutdown().await;
}
