//! The one way to a chain: JSON-RPC over HTTP, on one or several endpoints.
//!
//! ```text
//! question ─► deadline ─► rounds ─► endpoints in turn ─► chain id known? ─► one exchange
//!                                                        (time limit, size limit)
//! ```
//!
//! What says whether something happened or stands on chain (blocks, receipts, logs, code, calls,
//! counts) is asked of all endpoints, which have to agree: see `agree`. What is only an offer or
//! a guess (what gas costs, how much is needed) is asked of all of them as well, and is what no
//! single one can choose: see `offers`. That the sender cannot pay is believed if all say so.
//! Transactions go to all of them at once: see `send`. The
//! chain's id is asked of the preferred endpoint, and of the next one only when it is at fault
//! (dead, slow, rate-limited, nonsense); the one that answered stays preferred. An endpoint is
//! asked for its chain id before its first use; one of another chain is never used.
//!
//! A node is not trusted with the process: no answer is read past its limit, no question
//! outlives its deadline, redirects are not followed, and nothing that is shown or logged
//! holds more of a URL than its host.

mod agree;
mod answers;
mod chain;
mod offers;
pub(crate) mod remote;
mod send;
mod url;
mod wire;

use std::{
    fmt,
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{
    providers::{Provider, RootProvider},
    rpc::client::RpcClient,
    transports::{TransportResult, http::reqwest},
};
use tokio::{sync::OnceCell, time::Instant};

pub use self::url::RpcUrl;
use self::{answers::translate, url::Secrets, wire::Wire};
use crate::{
    backend::{RpcError, RpcErrorKind},
    error::ConfigError,
};

/// How a [`Node`] is reached. Start from [`Default`] and change what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// RPC endpoints of the chain, the preferred one first.
    pub rpc_urls: Vec<RpcUrl>,
    /// The chain they have to serve; `None` takes whatever the first one serves.
    pub chain_id: Option<u64>,
    /// Time after which one request counts as lost.
    pub rpc_timeout: Duration,
    /// Time for a question with everything it takes: other endpoints, further rounds.
    pub rpc_deadline: Duration,
    /// Largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// How often all endpoints are asked again if nobody can be reached.
    pub retries: u32,
    /// How long endpoints that disagree are asked again, before that is an error.
    pub agreement_time: Duration,
    /// How many endpoints have to answer, and to say the same, where they are asked together. With
    /// 1, whoever silences all but one endpoint leaves its word alone.
    pub quorum: usize,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            rpc_urls: vec!["http://127.0.0.1:8545".into()],
            chain_id: None,
            rpc_timeout: Duration::from_secs(10),
            rpc_deadline: Duration::from_secs(30),
            max_answer_bytes: 8 << 20,
            retries: 2,
            agreement_time: Duration::from_secs(4),
            quorum: 1,
        }
    }
}

impl NodeOptions {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field out of its range, with the range. A URL is named by its position
    /// only: it may hold an API key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let error =
            |field, value: String, constraint| Err(ConfigError { field, value, constraint });
        if self.rpc_urls.is_empty() {
            return error("rpc_urls", "none".into(), "must name at least one endpoint");
        }
        if let Some(at) = self.rpc_urls.iter().position(|url| url.parse().is_none()) {
            let constraint = "must be a URL like http://127.0.0.1:8545, of http or https";
            return error("rpc_urls", format!("not usable (entry {})", at + 1), constraint);
        }
        if self.chain_id == Some(0) {
            return error("chain_id", "0".into(), "must not be zero");
        }
        for (field, time) in
            [("rpc_timeout", self.rpc_timeout), ("rpc_deadline", self.rpc_deadline)]
        {
            if !(1..=86_400_000).contains(&time.as_millis()) {
                let value = format!("{} ms", time.as_millis());
                return error(field, value, "must be 1 ms to one day");
            }
        }
        if !(1024..=1 << 30).contains(&self.max_answer_bytes) {
            let value = self.max_answer_bytes.to_string();
            return error("max_answer_bytes", value, "must be 1 KiB to 1 GiB");
        }
        if self.agreement_time > Duration::from_secs(3600) {
            let value = format!("{} ms", self.agreement_time.as_millis());
            return error("agreement_time", value, "must be at most one hour");
        }
        if !(1..=self.rpc_urls.len()).contains(&self.quorum) {
            let constraint = "must be 1 to the number of endpoints (rpc_urls)";
            return error("quorum", self.quorum.to_string(), constraint);
        }
        if self.retries > 100 {
            return error("retries", self.retries.to_string(), "must be at most 100");
        }
        Ok(())
    }
}

/// One or several JSON-RPC endpoints of one chain. Its questions are those of
/// [`crate::backend::ChainBackend`].
pub struct Node {
    endpoints: Vec<Endpoint>,
    options: NodeOptions,
    preferred: AtomicUsize,
    chain_id: OnceCell<u64>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("options", &self.options).finish_non_exhaustive()
    }
}

struct Endpoint {
    name: String,
    secrets: Secrets,
    provider: RootProvider,
    chain_id: OnceCell<u64>,
    /// It did not answer, and is left alone until then while others do.
    rests_until: Mutex<Option<Instant>>,
}

impl Node {
    /// Prepares the endpoints; nothing is asked yet.
    ///
    /// # Errors
    /// If an option is out of its range, or a URL is not one of http or https.
    pub fn new(options: NodeOptions) -> Result<Self, ConfigError> {
        options.validate()?;
        // A redirect would take requests to a place nobody chose, and is logged with its URL.
        let client = reqwest::Client::builder()
            .timeout(options.rpc_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| ConfigError {
                field: "rpc_timeout",
                value: format!("{:?}", options.rpc_timeout),
                constraint: "must allow an HTTP client to be built; check the system's TLS set-up",
            })?;
        let usable = options.rpc_urls.iter().filter_map(|url| Some((url, url.parse()?)));
        let endpoints = usable
            .map(|(url, parsed)| {
                let secrets = Secrets::of(&parsed);
                let wire = Wire::new(client.clone(), parsed, options.max_answer_bytes);
                let provider = RootProvider::new(RpcClient::new(wire, false));
                let (chain_id, rests_until) = (OnceCell::new(), Mutex::default());
                Endpoint { name: url.to_string(), secrets, provider, chain_id, rests_until }
            })
            .collect();
        let chain_id = OnceCell::new_with(options.chain_id);
        Ok(Self { endpoints, options, preferred: AtomicUsize::new(0), chain_id })
    }

    fn malformed(&self, method: &'static str, message: &str) -> RpcError {
        let position = self.preferred.load(Ordering::Relaxed);
        let name = self.endpoints.get(position).map_or("", |endpoint| endpoint.name.as_str());
        RpcError::new(RpcErrorKind::Malformed, name, method, message)
    }

    /// Asks the endpoints in turn, the preferred one first, until one is not at fault; again
    /// after a moment if none could be reached; and gives up at the deadline.
    async fn ask<T, F, Fut>(&self, method: &'static str, request: F) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        let end = Instant::now() + self.options.rpc_deadline;
        let mut pause = Duration::from_millis(200);
        let mut round = 0;
        let mut first: Option<RpcError> = None;
        loop {
            let error = match tokio::time::timeout_at(end, self.round(method, &request)).await {
                Ok(Err(error)) if error.kind.is_endpoint_fault() => error,
                Ok(answer) => return answer,
                Err(_) => {
                    let message = format!("no answer within {:?}", self.options.rpc_deadline);
                    let mut error = self.malformed(method, &message);
                    error.kind = RpcErrorKind::TimedOut;
                    error
                }
            };
            let passing =
                matches!(error.kind, RpcErrorKind::Unreachable | RpcErrorKind::RateLimited);
            let first = first.get_or_insert(error);
            if !passing || round >= self.options.retries || Instant::now() + pause >= end {
                return Err(first.clone());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            round += 1;
        }
    }

    /// Each endpoint once.
    async fn round<T, F, Fut>(&self, method: &'static str, request: &F) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut fault: Option<RpcError> = None;
        for turn in 0..self.endpoints.len() {
            let position = (first + turn) % self.endpoints.len();
            let Some(endpoint) = self.endpoints.get(position) else { continue };
            match self.ask_one(endpoint, method, request).await {
                Err(error) if error.kind.is_endpoint_fault() => {
                    tracing::warn!(endpoint = %endpoint.name, %error, "rpc endpoint at fault");
                    // The preferred endpoint's fault tells most.
                    fault = fault.or(Some(error));
                }
                answer => {
                    self.preferred.store(position, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(fault.unwrap_or_else(|| self.malformed(method, "there is no endpoint")))
    }

    async fn ask_one<T, F, Fut>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        request: &F,
    ) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        self.check_chain(endpoint).await?;
        let answer = request(endpoint.provider.clone()).await;
        answer.map_err(|error| translate(&endpoint.name, &endpoint.secrets, method, &error))
    }

    /// Refuses an endpoint that serves another chain than the one expected, or than the
    /// first one that answered.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), RpcError> {
        const METHOD: &str = "eth_chainId";
        let found = *endpoint
            .chain_id
            .get_or_try_init(|| async {
                let answer = endpoint.provider.get_chain_id().await;
                answer.map_err(|error| translate(&endpoint.name, &endpoint.secrets, METHOD, &error))
            })
            .await?;
        let expected = *self.chain_id.get_or_init(|| async { found }).await;
        if found == expected {
            return Ok(());
        }
        let message = format!("it serves chain {found}, not chain {expected}");
        let kind = RpcErrorKind::WrongChain { expected, found };
        Err(RpcError::new(kind, &endpoint.name, METHOD, &message))
    }
}
