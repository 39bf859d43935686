//! Orders: what is asked for becomes a job.

use std::sync::Arc;

use alloy::primitives::Address;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use verdict::{Attestation, ProofBundle, Salt};

use super::{
    App, Body,
    problem::{OrderRefused, Problem, Refused},
};
use crate::{
    accept::Order,
    job::{Job, Kind},
    store::{Accepted, Scope},
};

/// A score to be made and recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoreOrder {
    /// The model.
    model: String,
    /// Whom the score is about.
    #[schema(value_type = String)]
    subject: Address,
    /// What the model is run on, in any form that a file of samples takes: a list of numbers, or an
    /// object by the names of the inputs. Left out of a model whose oracle reads it on chain.
    #[serde(default)]
    #[schema(value_type = Object)]
    input: Value,
    /// Of a model that commits to inputs, the salt that `verdict commit` printed. Without it a
    /// random one is used, and nobody can open or attest the commitment.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    salt: Option<Salt>,
    /// Nonce of the request; by default the one after the last that is recorded.
    #[serde(default)]
    nonce: Option<u64>,
    /// The last second, since 1970, in which the score may be recorded.
    #[serde(default)]
    deadline: Option<u64>,
    /// The larger, the earlier its turn: −1000 to 1000.
    #[serde(default)]
    priority: i64,
    /// Keeps the input, encrypted, after the proof is made, so that the job can be tried again.
    #[serde(default)]
    keep_input: bool,
    /// Statements of data providers, as `verdict attest` writes them.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    attestations: Vec<Attestation>,
    /// Where the end of the job is announced; its origin has to be configured.
    #[serde(default)]
    webhook: Option<String>,
}

/// A proof to be made, for no chain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofOrder {
    /// The model.
    model: String,
    /// What it is run on.
    #[schema(value_type = Object)]
    input: Value,
    /// Of a model that commits to inputs, the salt that `verdict commit` printed.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    salt: Option<Salt>,
    /// The larger, the earlier its turn.
    #[serde(default)]
    priority: i64,
    /// Keeps the input after the proof is made.
    #[serde(default)]
    keep_input: bool,
    /// Where the end of the job is announced.
    #[serde(default)]
    webhook: Option<String>,
}

/// A proof that was made elsewhere, to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelayOrder {
    /// The proof, as `verdict prove` writes it.
    #[schema(value_type = Object)]
    bundle: ProofBundle,
    /// Statements of data providers.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    attestations: Vec<Attestation>,
    /// The larger, the earlier its turn.
    #[serde(default)]
    priority: i64,
    /// Where the end of the job is announced.
    #[serde(default)]
    webhook: Option<String>,
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| {
        let detail = "the Idempotency-Key is not printable ASCII";
        Problem::new(StatusCode::BAD_REQUEST, "idempotency_key", detail)
    })?;
    Ok(Some(text.to_owned()))
}

/// How an order is made one that may be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes a header and is none")]
struct Repeatable {
    /// The same key again answers the same job
    #[param(rename = "Idempotency-Key")]
    key: Option<String>,
}

/// What an order is answered.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers and is none")]
enum Stored {
    /// The job is stored
    #[response(status = 202)]
    New(Job),
    /// It was stored before
    #[response(status = 200)]
    Known(Job),
}

/// 202 for a new job, 200 for one that was there.
fn accepted(Accepted { job, new }: Accepted) -> Response {
    let status = if new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let location = HeaderValue::try_from(format!("/v1/jobs/{}", job.id));
    let mut response = (status, Json(job)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Scores a subject: the model's output is proven and recorded by its oracle.
#[utoipa::path(
    post, path = "/v1/scores", tag = "jobs", request_body = ScoreOrder,
    params(Repeatable), responses(Stored, OrderRefused, Refused),
)]
pub(crate) async fn score(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body<ScoreOrder>,
) -> Result<Response, Problem> {
    let client = app.admit(&headers, Scope::Submit).await?;
    let order = body.parsed().await?;
    let order = Order {
        subject: Some(order.subject),
        salt: order.salt,
        nonce: order.nonce,
        deadline: order.deadline,
        priority: order.priority,
        idempotency_key: key(&headers)?,
        keep_input: order.keep_input,
        attestations: order.attestations,
        webhook: order.webhook,
        ..Order::new(Kind::Score, &order.model, order.input, &client)
    };
    Ok(accepted(app.acceptance.accept(order).await?))
}

/// Proves what a model says, for no chain.
#[utoipa::path(
    post, path = "/v1/proofs", tag = "jobs", request_body = ProofOrder,
    params(Repeatable), responses(Stored, OrderRefused, Refused),
)]
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body<ProofOrder>,
) -> Result<Response, Problem> {
    let client = app.admit(&headers, Scope::Submit).await?;
    let order = body.parsed().await?;
    let order = Order {
        salt: order.salt,
        priority: order.priority,
        idempotency_key: key(&headers)?,
        keep_input: order.keep_input,
        webhook: order.webhook,
        ..Order::new(Kind::Proof, &order.model, order.input, &client)
    };
    Ok(accepted(app.acceptance.accept(order).await?))
}

/// Takes a proof to the oracle that it answers.
#[utoipa::path(
    post, path = "/v1/relays", tag = "jobs", request_body = RelayOrder,
    params(Repeatable), responses(Stored, OrderRefused, Refused),
)]
pub(crate) async fn relay(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body<RelayOrder>,
) -> Result<Response, Problem> {
    let client = app.admit(&headers, Scope::Submit).await?;
    let RelayOrder { bundle, attestations, priority, webhook } = body.parsed().await?;
    let idempotency_key = key(&headers)?;
    let order = Order::new(Kind::Relay, "", Value::Null, &client);
    let order = Order { attestations, priority, webhook, idempotency_key, ..order };
    Ok(accepted(app.acceptance.relay(bundle, order).await?))
}
