//! For those who run it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    problem::{Problem, Refused},
};
use crate::{
    metrics::SenderStatus,
    store::{Sample, Scope},
};

/// Ended jobs in the figures.
const SAMPLES: u32 = 200;

/// Figures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The program's version.
    version: &'static str,
    /// Jobs in each state.
    counts: BTreeMap<&'static str, u64>,
    /// Age of the oldest job that waits for a worker.
    oldest_queued_ms: u64,
    /// The jobs that ended last, oldest first.
    samples: Vec<Sample>,
    /// The sending keys of this process.
    senders: Vec<SenderStatus>,
    /// The chain.
    chain_id: Option<u64>,
}

/// Figures of now.
#[utoipa::path(
    get, path = "/v1/stats", tag = "operations",
    responses(
        (status = 200, body = Stats),
        Refused,
    ),
)]
pub(crate) async fn stats(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Stats>, Problem> {
    app.admit(&headers, Scope::Read).await?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, state, count) in app.store().recent_counts().await? {
        *counts.entry(state.name()).or_default() += count;
    }
    Ok(Json(Stats {
        version: env!("CARGO_PKG_VERSION"),
        counts,
        oldest_queued_ms: app.store().oldest_queued_ms().await?,
        samples: app.store().samples(SAMPLES).await?,
        senders: app.metrics.senders(),
        chain_id: app.acceptance.models().chain_id(),
    }))
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it is to be sent work: keys are read, the database answers, it is not shutting down.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 503, body = Problem, content_type = "application/problem+json")),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if !app.is_ready() {
        let detail = "keys are being read, or the service is shutting down";
        return Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after(2)
        );
    }
    app.acceptance.check()?;
    app.store().ping().await?;
    Ok("ready\n")
}

/// Metrics in OpenMetrics' text form.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        Refused,
    ),
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.admit(&headers, Scope::Metrics).await?;
    let text = app.metrics.render(app.store(), &app.schedules).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
