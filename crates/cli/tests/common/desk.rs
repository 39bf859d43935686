//! A running `verdict serve`, and questions to it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use alloy::transports::http::reqwest::{Client, Method};
use serde_json::Value;

use super::{
    Workplace,
    local::{Local, runtime},
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service. Ends when dropped.
pub(crate) struct Desk {
    process: Child,
    pub(crate) url: String,
    pub(crate) token: String,
    /// What it has printed, without what was read.
    log: mpsc::Receiver<String>,
}

/// What a service answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Desk {
    /// Starts one with its data in `data` of the workplace; waits until it takes work.
    pub(crate) fn start(place: &Workplace, chain: &Local, args: &[&str]) -> Self {
        let data = place.path("data");
        let common = ["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        Self::of(place, chain.command(place, &[&common[..], args].concat()))
    }

    /// The same, from a command of the caller's.
    pub(crate) fn of(place: &Workplace, mut command: Command) -> Self {
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let (told, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        let mut said = vec![];
        let url = loop {
            let line = log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it does not serve: {said:#?}"));
            if let Some((_, url)) = line.split_once(" on http://") {
                break format!("http://{}", url.trim());
            }
            said.push(line);
        };
        let token = std::fs::read_to_string(place.path("data/admin.token")).unwrap_or_default();
        let desk = Self { process, url, token: token.trim().to_owned(), log };
        let start = Instant::now();
        while desk.get("/readyz").status != 200 {
            assert!(start.elapsed() < PATIENCE, "it is not ready: {:#?}", desk.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        desk
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it printed since the last time.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks it to end, and waits. Its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        assert!(asked.success());
        self.process.wait().expect("it ends").code()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, &[], Some(body.to_string()))
    }

    /// Any request; `headers` go before the usual ones.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = Client::new().request(method, format!("{}{path}", self.url));
        let own = [("content-type", "application/json".to_owned())];
        let own = own.into_iter().chain([("authorization", format!("Bearer {}", self.token))]);
        for (name, value) in own.filter(|(name, _)| headers.iter().all(|(given, _)| given != name))
        {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let (status, text) = runtime().block_on(async {
            let answer = request.send().await.expect("it answers");
            (answer.status().as_u16(), answer.text().await.expect("a text"))
        });
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, body }
    }

    /// Submits a score and returns its job's id.
    pub(crate) fn score(&self, order: &Value) -> String {
        let answer = self.post("/v1/scores", order);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["id"].as_str().expect("an id").to_owned()
    }

    /// A job.
    pub(crate) fn job(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/jobs/{id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// A job once it has come to its end.
    pub(crate) fn end_of(&self, id: &str) -> Value {
        let start = Instant::now();
        loop {
            let job = self.job(id);
            let state = job["state"].as_str().expect("a state");
            let over = ["finalized", "rejected", "dropped", "cancelled"].contains(&state)
                || state == "proved" && job["kind"] == "proof";
            if over {
                return job;
            }
            assert!(start.elapsed() < PATIENCE, "{job:#}\n{:#?}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many jobs are in a state.
    pub(crate) fn count(&self, state: &str) -> u64 {
        let stats = self.get("/v1/stats");
        assert_eq!(stats.status, 200, "{stats:?}");
        stats.body["counts"][state].as_u64().expect("a number")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.kill();
    }
}
