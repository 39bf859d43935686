//! JSON-RPC over HTTP, on one or several endpoints.
//!
//! Reads go to the preferred endpoint and move on to the next one only when it is at fault
//! (dead, slow, rate-limited, nonsense); the one that answered stays preferred, so that
//! consecutive answers come from the same view of the chain. Sends go one after another in
//! the same order and stop at the first node that accepts or refuses. An endpoint is asked
//! for its chain id before its first use; one of another chain is never used.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::{client::RpcClient, types::TransactionRequest},
    transports::{
        RpcError as AlloyError, TransportError, TransportErrorKind, TransportResult,
        http::{Http, reqwest},
    },
};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{BlockInfo, BlockRef, Call, ChainBackend, RpcError, RpcErrorKind, Simulated};
use crate::{error::ConfigError, job::TxReceipt};

/// One or several JSON-RPC endpoints of one chain.
#[derive(Debug)]
pub struct RpcBackend {
    endpoints: Vec<Endpoint>,
    preferred: AtomicUsize,
    chain_id: OnceCell<u64>,
}

#[derive(Debug)]
struct Endpoint {
    name: String,
    provider: RootProvider,
    chain_id: OnceCell<u64>,
}

/// A node's answer that is not a transport fault: a value, or a revert with its data.
type CallResult<T> = Result<Simulated<T>, RpcError>;

impl RpcBackend {
    /// Prepares the endpoints; nothing is asked yet.
    ///
    /// # Errors
    /// If an URL does not parse or is not http(s).
    pub fn new(urls: &[String], timeout: Duration) -> Result<Self, ConfigError> {
        let bad = |position: usize, constraint| ConfigError {
            field: "rpc_urls",
            // The URL may hold an API key: only its position is shown.
            value: format!("not usable (entry {})", position + 1),
            constraint,
        };
        let client =
            reqwest::Client::builder().timeout(timeout).build().map_err(|_| ConfigError {
                field: "rpc_timeout",
                value: format!("{timeout:?}"),
                constraint: "must allow an HTTP client to be built; check the system's TLS set-up",
            })?;
        let mut endpoints = Vec::with_capacity(urls.len());
        for (position, url) in urls.iter().enumerate() {
            let parsed: reqwest::Url = url
                .trim()
                .parse()
                .map_err(|_| bad(position, "must be a URL like http://127.0.0.1:8545"))?;
            if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
                return Err(bad(position, "must start with http:// or https:// and name a host"));
            }
            let name = redact(url);
            let http = Http::with_client(client.clone(), parsed);
            let provider = RootProvider::new(RpcClient::new(http, false));
            endpoints.push(Endpoint { name, provider, chain_id: OnceCell::new() });
        }
        if endpoints.is_empty() {
            return Err(bad(0, "must name at least one endpoint"));
        }
        Ok(Self { endpoints, preferred: AtomicUsize::new(0), chain_id: OnceCell::new() })
    }

    /// Asks the endpoints in turn, the preferred one first, until one is not at fault.
    async fn ask<T, F, Fut>(&self, method: &'static str, request: F) -> Result<T, RpcError>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut fault = None;
        for turn in 0..self.endpoints.len() {
            let position = (first + turn) % self.endpoints.len();
            let Some(endpoint) = self.endpoints.get(position) else { continue };
            let answer = match self.check_chain(endpoint).await {
                Ok(()) => request(endpoint.provider.clone())
                    .await
                    .map_err(|error| translate(&endpoint.name, method, &error)),
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if error.kind.is_endpoint_fault() => {
                    tracing::warn!(endpoint = %endpoint.name, %error, "rpc endpoint at fault");
                    fault = Some(error);
                }
                answer => {
                    self.preferred.store(position, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(fault.unwrap_or_else(|| {
            RpcError::new(RpcErrorKind::Unreachable, "nowhere", method, "no endpoint")
        }))
    }

    /// Refuses an endpoint that serves another chain than the first one that answered.
    async fn check_chain(&self, endpoint: &Endpoint) -> Result<(), RpcError> {
        const METHOD: &str = "eth_chainId";
        let found = *endpoint
            .chain_id
            .get_or_try_init(|| async {
                let answer = endpoint.provider.get_chain_id().await;
                answer.map_err(|error| translate(&endpoint.name, METHOD, &error))
            })
            .await?;
        let expected = *self.chain_id.get_or_init(|| async { found }).await;
        if found == expected {
            return Ok(());
        }
        let message = format!("serves chain {found}, the others chain {expected}");
        Err(RpcError::new(RpcErrorKind::WrongChain, &endpoint.name, METHOD, &message))
    }

    /// Like [`Self::ask`], for requests whose answer may be a revert.
    async fn simulate<T, F, Fut>(&self, method: &'static str, request: F) -> CallResult<T>
    where
        F: Fn(RootProvider) -> Fut + Send + Sync,
        Fut: Future<Output = TransportResult<T>> + Send,
        T: Send,
    {
        self.ask(method, |provider| {
            let answer = request(provider);
            async move {
                match answer.await {
                    Ok(value) => Ok(Simulated::Ok(value)),
                    Err(error) => revert_data(&error).map(Simulated::Reverted).ok_or(error),
                }
            }
        })
        .await
    }
}

#[async_trait]
impl ChainBackend for RpcBackend {
    fn name(&self) -> String {
        let preferred = self.preferred.load(Ordering::Relaxed);
        self.endpoints.get(preferred).map(|endpoint| endpoint.name.clone()).unwrap_or_default()
    }

    async fn chain_id(&self) -> Result<u64, RpcError> {
        self.ask("eth_chainId", |provider| async move { provider.get_chain_id().await }).await
    }

    async fn block(&self, block: BlockRef) -> Result<Option<BlockInfo>, RpcError> {
        let answer = self
            .ask("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(tag(block)).await
            })
            .await;
        match answer {
            Ok(found) => Ok(found.map(|block| BlockInfo {
                number: block.header.number,
                hash: block.header.hash,
                base_fee: block.header.base_fee_per_gas.map(u128::from),
            })),
            Err(error) if error.kind == RpcErrorKind::UnknownBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn suggested_tip(&self) -> Result<u128, RpcError> {
        self.ask("eth_maxPriorityFeePerGas", |provider| async move {
            provider.get_max_priority_fee_per_gas().await
        })
        .await
    }

    async fn nonce(&self, address: Address, block: BlockRef) -> Result<u64, RpcError> {
        self.ask("eth_getTransactionCount", |provider| async move {
            provider.get_transaction_count(address).block_id(tag(block).into()).await
        })
        .await
    }

    async fn balance(&self, address: Address) -> Result<U256, RpcError> {
        self.ask("eth_getBalance", |provider| async move { provider.get_balance(address).await })
            .await
    }

    async fn has_code(&self, address: Address) -> Result<bool, RpcError> {
        let code = self
            .ask("eth_getCode", |provider| async move { provider.get_code_at(address).await })
            .await?;
        Ok(!code.is_empty())
    }

    async fn call(&self, call: &Call, block: BlockRef) -> Result<Simulated<Bytes>, RpcError> {
        self.simulate("eth_call", |provider| {
            let request = transaction(call);
            async move { provider.call(request).block(tag(block).into()).await }
        })
        .await
    }

    async fn estimate_gas(&self, call: &Call) -> Result<Simulated<u64>, RpcError> {
        self.simulate("eth_estimateGas", |provider| {
            let request = transaction(call);
            // Some nodes estimate on their pending block unless told otherwise; what is only
            // pending may never happen.
            async move { provider.estimate_gas(request).block(tag(BlockRef::Latest).into()).await }
        })
        .await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<(), RpcError> {
        self.ask("eth_sendRawTransaction", |provider| {
            let raw = raw.clone();
            async move { provider.send_raw_transaction(&raw).await.map(drop) }
        })
        .await
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, RpcError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let found = self
            .ask(METHOD, |provider| async move { provider.get_transaction_receipt(hash).await })
            .await?;
        let Some(receipt) = found else { return Ok(None) };
        if receipt.transaction_hash != hash {
            let message = format!("asked for {hash}, got {}", receipt.transaction_hash);
            return Err(RpcError::new(RpcErrorKind::Malformed, &self.name(), METHOD, &message));
        }
        // Some nodes show a pending transaction as a receipt without a block.
        let (Some(block_number), Some(block_hash)) = (receipt.block_number, receipt.block_hash)
        else {
            return Ok(None);
        };
        Ok(Some(TxReceipt {
            hash,
            block_number,
            block_hash,
            success: receipt.status(),
            gas_used: receipt.gas_used,
            effective_gas_price: receipt.effective_gas_price,
            contract_address: receipt.contract_address,
        }))
    }
}

/// Scheme, host and port of a URL: API keys live in paths, queries and user parts.
pub fn redact(url: &str) -> String {
    match url.trim().parse::<reqwest::Url>() {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or("?"))
        }
        Err(_) => "an invalid URL".to_owned(),
    }
}

fn tag(block: BlockRef) -> BlockNumberOrTag {
    match block {
        BlockRef::Latest => BlockNumberOrTag::Latest,
        BlockRef::Pending => BlockNumberOrTag::Pending,
        BlockRef::Finalized => BlockNumberOrTag::Finalized,
        BlockRef::Number(number) => BlockNumberOrTag::Number(number),
    }
}

fn transaction(call: &Call) -> TransactionRequest {
    let request = TransactionRequest::default()
        .with_from(call.from)
        .with_input(call.data.clone())
        .with_value(call.value);
    match call.to {
        Some(to) => request.with_to(to),
        None => request.into_create(),
    }
}

/// The data of a revert, or `None` if the error is something else.
fn revert_data(error: &TransportError) -> Option<Bytes> {
    let AlloyError::ErrorResp(payload) = error else { return None };
    let data = payload.as_revert_data();
    let reverted = super::classify(payload.code, &payload.message) == RpcErrorKind::Reverted;
    data.or_else(|| reverted.then(Bytes::new))
}

fn translate(endpoint: &str, method: &'static str, error: &TransportError) -> RpcError {
    let fault = |kind, message: &str| RpcError::new(kind, endpoint, method, message);
    match error {
        AlloyError::ErrorResp(payload) => {
            RpcError::answered(endpoint, method, payload.code, &payload.message)
        }
        AlloyError::Transport(
            TransportErrorKind::HttpError(http)
            | TransportErrorKind::HttpErrorWithRetryAfter { error: http, .. },
        ) => match http.status {
            429 => fault(RpcErrorKind::RateLimited, "HTTP status 429"),
            502..=504 => fault(RpcErrorKind::Unreachable, &format!("HTTP status {}", http.status)),
            status => fault(RpcErrorKind::Malformed, &format!("HTTP status {status}")),
        },
        AlloyError::Transport(
            TransportErrorKind::Custom(cause) | TransportErrorKind::NonRetryable(cause),
        ) => match cause.downcast_ref::<reqwest::Error>() {
            Some(cause) if cause.is_timeout() => fault(RpcErrorKind::TimedOut, "no answer in time"),
            Some(cause) if cause.is_connect() => fault(RpcErrorKind::Unreachable, "cannot connect"),
            _ => fault(RpcErrorKind::Unreachable, "the connection broke"),
        },
        AlloyError::Transport(_) => fault(RpcErrorKind::Unreachable, "the connection broke"),
        AlloyError::NullResp => fault(RpcErrorKind::Malformed, "an empty answer"),
        AlloyError::DeserError { .. } => {
            fault(RpcErrorKind::Malformed, "an answer that is not what the method returns")
        }
        _ => fault(RpcErrorKind::Other, "the request could not be made"),
    }
}
