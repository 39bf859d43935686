//! Jobs: looking, following, changing.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    problem::{Problem, Refused},
    streams::{LIFE, Open},
};
use crate::{
    job::{Event, Job, State as JobState},
    store::{Filter, Scope},
};

/// Largest number of jobs of a page.
const MAX_PAGE: u32 = 500;

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// In this state.
    state: Option<JobState>,
    /// Of this model.
    model: Option<String>,
    /// About this subject.
    #[param(value_type = Option<String>)]
    subject: Option<Address>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many: 1 to 500, 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobPage {
    jobs: Vec<Job>,
    /// Where the next page begins; none after the last.
    next: Option<String>,
}

/// Lists jobs, the newest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs", params(Which),
    responses(
        (status = 200, body = JobPage), (status = 400, body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<JobPage>, Problem> {
    app.admit(&headers, Scope::Read).await?;
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "query", detail);
    let Query(which) = which.map_err(|error| bad(error.body_text()))?;
    let limit = which.limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(bad(format!("limit is {limit}: it must be 1 to {MAX_PAGE}")));
    }
    if [&which.model, &which.cursor].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(bad("model and cursor hold no NUL".into()));
    }
    let filter = Filter {
        state: which.state,
        model: which.model,
        subject: which.subject,
        before: which.cursor,
        limit: limit + 1,
    };
    let mut jobs = app.store().jobs(&filter).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|job| job.id.clone());
    Ok(Json(JobPage { jobs, next }))
}

/// One job.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, body = Job),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    app.admit(&headers, Scope::Read).await?;
    Ok(Json(app.store().job(&id).await?))
}

/// A job's story. With `Accept: text/event-stream` it is sent as it goes on, from after the event
/// that `Last-Event-ID` names, and ends with the job, or after an hour: then ask again from the last
/// event. So many streams may be open, of a token and in all.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "The job"),
           ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream goes on")),
    responses(
        (status = 200, body = Vec<Event>, description = "All of it, or a stream of it"), (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let client = app.admit(&headers, Scope::Read).await?;
    app.store().job(&id).await?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !text("accept").contains("text/event-stream") {
        return Ok(Json(app.store().events(&id, 0).await?).into_response());
    }
    let after = text("last-event-id").parse().unwrap_or(0);
    let open = app.streams.open(&client)?;
    let story = story(app.clone(), headers, id, after, open);
    Ok(Sse::new(story).keep_alive(KeepAlive::default()).into_response())
}

/// The events of a job, until it ends, the stream's time is over, or the database fails.
fn story(
    app: Arc<App>,
    headers: HeaderMap,
    id: String,
    after: u64,
    open: Open,
) -> impl Stream<Item = Result<Sent, Infallible>> {
    struct Place {
        app: Arc<App>,
        headers: HeaderMap,
        id: String,
        last: u64,
        ready: std::vec::IntoIter<Event>,
        over: bool,
        since: Instant,
        _open: Open,
    }
    let (ready, since) = (vec![].into_iter(), Instant::now());
    let place = Place { app, headers, id, last: after, ready, over: false, since, _open: open };
    stream::unfold(place, |mut place| async move {
        loop {
            if let Some(event) = place.ready.next() {
                place.last = event.seq;
                let data = serde_json::to_string(&event).unwrap_or_default();
                let sent = Sent::default().id(event.seq.to_string()).event("state").data(data);
                return Some((Ok(sent), place));
            }
            if place.over || place.app.is_closing() || place.since.elapsed() >= LIFE {
                return None;
            }
            // A token that was revoked reads on no more.
            place.app.still_admits(&place.headers, Scope::Read).await.ok()?;
            // Whether it is over before what happened: nothing is missed.
            let job = place.app.store().job(&place.id).await.ok()?;
            let found = place.app.store().events(&place.id, place.last).await.ok()?;
            place.over = job.state.is_terminal(job.kind);
            if found.is_empty() && !place.over {
                place.app.store().changed(Duration::from_secs(1)).await;
                // Of many changes at once, one look.
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            place.ready = found.into_iter();
        }
    })
}

/// The proof of a job, as `verdict verify` and `verdict submit` read it.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/bundle", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    app.admit(&headers, Scope::Read).await?;
    let job = app.store().job(&id).await?;
    let none = || {
        let detail = format!("job {id} is {}: it has no proof", job.state);
        Problem::new(StatusCode::NOT_FOUND, "no_proof", detail)
    };
    let stored = job.bundle.as_deref().ok_or_else(none)?;
    let body = app.store().bundle(stored).await?.ok_or_else(none)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Cancels a job, if it is not in a block.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, body = Job),
        (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem),
        Refused,
    ),
)]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let client = app.admit(&headers, Scope::Manage).await?;
    Ok(Json(app.store().cancel(&id, &client).await?))
}

/// Takes up a job again that ended without a record.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, body = Job),
        (status = 404, body = Problem, content_type = "application/problem+json"), (status = 409, body = Problem),
        Refused,
    ),
)]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let client = app.admit(&headers, Scope::Manage).await?;
    Ok(Json(app.store().retry(&id, &client).await?))
}
