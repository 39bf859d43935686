//! A JSON-RPC endpoint before a chain that tells what a test wants it to.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// Answers a request; the second argument asks the chain.
type Script = dyn Fn(&Value, &dyn Fn() -> Value) -> Value + Send + Sync;

/// Stands between the program and a chain until the process ends.
pub(crate) struct Proxy {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Passes requests on to `chain`, a URL without a path, as `script` says.
    pub(crate) fn start(
        chain: &str,
        script: impl Fn(&Value, &dyn Fn() -> Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let chain = chain.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (script, asked): (Arc<Script>, Arc<Mutex<Vec<String>>>) =
            (Arc::new(script), Arc::default());
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (script, chain, log) = (Arc::clone(&script), chain.clone(), Arc::clone(&log));
                thread::spawn(move || serve(socket, &chain, script.as_ref(), &log));
            }
        });
        Self { url, asked }
    }

    /// Changes the results of one method.
    pub(crate) fn changing(
        chain: &str,
        method: &'static str,
        change: impl Fn(&Value, &mut Value) + Send + Sync + 'static,
    ) -> Self {
        Self::start(chain, move |request, ask| {
            let mut reply = ask();
            if request["method"] == method {
                change(&request["params"], &mut reply["result"]);
            }
            reply
        })
    }

    /// How often a method was asked for.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.asked.lock().expect("the log").iter().filter(|asked| *asked == method).count()
    }
}

/// A JSON-RPC error.
pub(crate) fn refusal(request: &Value, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": request["id"],
            "error": { "code": -32000, "message": message } })
}

/// Requests of one connection, one after another.
fn serve(socket: TcpStream, chain: &str, script: &Script, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(socket.try_clone().expect("a handle"));
    let mut writer = socket;
    while let Some(body) = read(&mut reader) {
        let request: Value = serde_json::from_slice(&body).expect("JSON");
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        log.lock().expect("the log").push(method);
        let reply = script(&request, &|| ask(chain, &body)).to_string();
        let length = reply.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        let text = format!("{head}\r\ncontent-length: {length}\r\n\r\n{reply}");
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// One message's body; `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// Hands a request to the chain.
fn ask(chain: &str, body: &[u8]) -> Value {
    let mut socket = TcpStream::connect(chain).expect("the chain is there");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {chain}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).expect("sent");
    socket.write_all(body).expect("sent");
    let answer = read(&mut BufReader::new(socket)).expect("an answer");
    serde_json::from_slice(&answer).expect("JSON")
}
