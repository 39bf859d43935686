//! One HTTP exchange: bounded in time by the client, in size while the answer arrives, and
//! without a word about the URL in its errors or logs.

use std::{
    fmt,
    task::{Context, Poll},
};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{
        TransportError, TransportErrorKind, TransportFut, TransportResult,
        http::reqwest::{self, Url, header::CONTENT_TYPE},
    },
};
use thiserror::Error;
use tower_service::Service;

/// What can go wrong between here and a node's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum WireFault {
    #[error("no answer in time")]
    TimedOut,
    #[error("cannot connect")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error("an answer of more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("an answer that is not JSON-RPC")]
    NotJsonRpc,
    #[error("HTTP status {0}")]
    Status(u16),
}

impl From<WireFault> for TransportError {
    fn from(fault: WireFault) -> Self {
        TransportErrorKind::custom(fault)
    }
}

impl From<reqwest::Error> for WireFault {
    // The cause would name the URL.
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken
        }
    }
}

/// A transport for alloy's client.
#[derive(Clone)]
pub(super) struct Wire {
    client: reqwest::Client,
    url: Url,
    limit: usize,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) const fn new(client: reqwest::Client, url: Url, limit: usize) -> Self {
        Self { client, url, limit }
    }

    async fn exchange(self, request: RequestPacket) -> TransportResult<ResponsePacket> {
        let body = serde_json::to_vec(&request).map_err(TransportError::ser_err)?;
        let request = self.client.post(self.url).header(CONTENT_TYPE, "application/json");
        let mut response = request.body(body).send().await.map_err(WireFault::from)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(WireFault::from)? {
            if answer.len() + chunk.len() > self.limit {
                return Err(WireFault::TooLarge { limit: self.limit }.into());
            }
            answer.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice::<ResponsePacket>(&answer);
        match parsed {
            Ok(packet) if status.is_success() => Ok(packet),
            // Some nodes send their errors with a status of 400 or 500.
            Ok(packet) if matches!(status.as_u16(), 400 | 500) && packet.is_error() => Ok(packet),
            _ if !status.is_success() => Err(WireFault::Status(status.as_u16()).into()),
            _ => Err(WireFault::NotJsonRpc.into()),
        }
    }
}

impl Service<RequestPacket> for Wire {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}
