//! Broadcasts: to all endpoints at once.
//!
//! An endpoint that takes a transaction and passes it on to nobody cannot be told from one that
//! does, so none is relied on. Whoever accepts, it is accepted; refusals count only where nobody
//! does, and of several the one that gives up least: a price may be raised, a used nonce is looked
//! up, a full pool is waited for, and bytes that can never be accepted end their job, which takes
//! as many endpoints as have to agree elsewhere.

use std::time::Duration;

use alloy::{primitives::Bytes, providers::Provider};
use tokio::{sync::watch, time::Instant};

use super::{
    Endpoint, Node,
    agree::{Errors, all, late},
};
use crate::backend::{RpcError, RpcErrorKind};

const METHOD: &str = "eth_sendRawTransaction";
/// How long the others may take once one has accepted. A broadcast that is cut off then may still
/// arrive, which does no harm.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time before endpoints none of which could be reached are tried again; twice that the next time.
const PAUSE: Duration = Duration::from_millis(200);

impl Node {
    /// Hands a transaction to all endpoints, again after a moment if none could be reached, until
    /// the deadline.
    pub(super) async fn broadcast(&self, raw: &Bytes) -> Result<(), RpcError> {
        let end = Instant::now() + self.options.rpc_deadline;
        let (mut pause, mut round) = (PAUSE, 0);
        loop {
            let Err(error) = self.offer(raw, end).await else { return Ok(()) };
            let passing =
                matches!(error.kind, RpcErrorKind::Unreachable | RpcErrorKind::RateLimited);
            if !passing || round >= self.options.retries || Instant::now() + pause >= end {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            round += 1;
        }
    }

    /// Each endpoint once, all of them at the same time.
    async fn offer(&self, raw: &Bytes, end: Instant) -> Result<(), RpcError> {
        let limit = self.options.rpc_timeout;
        let now = Instant::now();
        let until = end.min(now + limit);
        let (accepted, _) = &watch::channel(false);
        let offers = self.endpoints.iter().map(|endpoint| async move {
            let others = async {
                let _ = accepted.subscribe().wait_for(|accepted| *accepted).await;
                // One that was silent lately is offered it, and not waited for.
                let patience = if endpoint.rests(now) { Duration::ZERO } else { PATIENCE };
                tokio::time::sleep(patience).await;
            };
            let answer = tokio::select! {
                answer = self.offer_one(endpoint, raw) => answer,
                () = tokio::time::sleep_until(until) => Err(late(endpoint, METHOD, limit)),
                () = others => Err(late(endpoint, METHOD, PATIENCE)),
            };
            let known = matches!(&answer, Err(error) if error.kind == RpcErrorKind::AlreadyKnown);
            if answer.is_ok() || known {
                accepted.send_replace(true);
            }
            answer
        });
        let answers = all(offers.collect()).await;
        if answers.iter().any(Result::is_ok) {
            return Ok(());
        }
        let mut errors = Errors::default();
        for error in answers.into_iter().filter_map(Result::err) {
            errors.push(error);
        }
        Err(self.refused(errors))
    }

    async fn offer_one(&self, endpoint: &Endpoint, raw: &Bytes) -> Result<(), RpcError> {
        let send = async |provider: alloy::providers::RootProvider| {
            provider.send_raw_transaction(raw).await.map(drop)
        };
        let answer = self.ask_one(endpoint, METHOD, &send).await;
        if let Err(error) = &answer {
            tracing::debug!(endpoint = %endpoint.name, %error, "a broadcast was not accepted");
        }
        answer
    }

    /// What nobody's acceptance means.
    fn refused(&self, errors: Errors) -> RpcError {
        let Errors { refusals, faults } = errors;
        let heard = refusals.len();
        match refusals.into_iter().min_by_key(|error| finality(error.kind)) {
            Some(error) if error.kind.is_permanent() && heard < self.options.quorum => {
                self.too_few(METHOD, heard, faults.first())
            }
            Some(error) => error,
            None => {
                let fault = faults.into_iter().next();
                fault.unwrap_or_else(|| self.malformed(METHOD, "there is no endpoint"))
            }
        }
    }
}

/// How much a refusal gives up.
const fn finality(kind: RpcErrorKind) -> u8 {
    match kind {
        RpcErrorKind::AlreadyKnown => 0,
        kind if kind.wants_higher_price() => 1,
        RpcErrorKind::NonceTooLow => 2,
        kind if kind.is_permanent() => 4,
        _ => 3,
    }
}
