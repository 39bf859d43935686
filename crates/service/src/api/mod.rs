//! The HTTP side: an API that its OpenAPI document describes, and a page.

mod auth;
mod jobs;
mod listen;
mod models;
mod ops;
mod orders;
mod page;
mod problem;
mod seats;
mod streams;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{FromRequest, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::de::DeserializeOwned;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer};
use tracing::Instrument;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use listen::listen;
pub use problem::Problem;

use crate::{
    accept::Acceptance,
    config::ServiceConfig,
    metrics::Metrics,
    store::{Scope, Store},
    traces::of_request,
};

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What every handler shares.
#[derive(Debug)]
pub struct App {
    acceptance: Arc<Acceptance>,
    door: auth::Door,
    streams: streams::Streams,
    metrics: Metrics,
    max_body: usize,
    schedules: BTreeSet<String>,
    ready: AtomicBool,
    closing: AtomicBool,
}

impl App {
    /// Serves what `acceptance` accepts.
    pub fn new(acceptance: Arc<Acceptance>, metrics: Metrics, config: &ServiceConfig) -> Self {
        Self {
            acceptance,
            door: auth::Door::new(config),
            streams: streams::Streams::default(),
            metrics,
            max_body: config.max_body,
            schedules: config.refresh.iter().map(|refresh| refresh.model.clone()).collect(),
            ready: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    /// The keys are read: it may be sent work.
    pub fn open(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// It is to end: it takes no more work, and streams end.
    pub fn close(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.closing.store(true, Ordering::Relaxed);
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn store(&self) -> &Store {
        self.acceptance.store()
    }

    async fn still_admits(&self, headers: &HeaderMap, scope: Scope) -> Result<String, Problem> {
        self.door.known(self.store(), headers, scope).await
    }

    async fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<String, Problem> {
        self.door.admit(self.store(), headers, scope).await
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Verdict",
        description = "Proves what machine-learning models say and records it on Ethereum. Jobs go \
                       in, finalized transactions come out."
    ),
    modifiers(&Bearer),
    tags(
        (name = "jobs", description = "Scores, proofs, and what becomes of them"),
        (name = "models", description = "What is served"),
        (name = "operations", description = "For those who run it"),
    ),
)]
struct Document;

/// Everything but what is said to be open takes a token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `verdict token create`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], _>("token", [])]);
    }
}

/// The API, and its document.
fn documented() -> (Router<Arc<App>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(orders::score))
        .routes(routes!(orders::proof))
        .routes(routes!(orders::relay))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::bundle))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
        .routes(routes!(ops::stats))
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .split_for_parts()
}

/// The API's OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = documented().1;
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
}

/// What a worker answers those who run it.
pub fn worker_router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics));
    bounded(routes, app)
}

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    let text = document().to_pretty_json().unwrap_or_default();
    let openapi = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    bounded(documented().0.route("/openapi.json", get(openapi)).merge(page::routes()), app)
}

/// Routes with what all of them have.
fn bounded(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            let detail = "this path takes another method; see /openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(RequestBodyLimitLayer::new(app.max_body))
        .layer(CatchPanicLayer::custom(|_| {
            let detail = "this should not have happened; the log says more";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
        }))
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// Gives every request an id, counts it, and logs it: what was asked for, never what was sent.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    const ID: HeaderName = HeaderName::from_static("x-request-id");
    let given = request.headers().get(&ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
    let id = given.filter(fits).map_or_else(|| app.store().new_id(), str::to_owned);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unknown".to_owned());
    let start = std::time::Instant::now();
    let mut response = match request.uri().path().contains("%00") {
        // No database keeps it, and nothing here has it in its name.
        true => Problem::not_found().into_response(),
        false => {
            let span = tracing::info_span!("request", %method, route, id);
            // A caller's trace says what is sampled: not for those whom nobody knows.
            let span = match app.door.has_seen(request.headers()) {
                true => of_request(span, request.headers()),
                false => span,
            };
            next.run(request).instrument(span).await
        }
    };
    let (status, ms) = (response.status(), start.elapsed().as_millis());
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body is larger than {} bytes (`max_body`)", app.max_body);
        response = Problem::new(status, "too_large", detail).into_response();
    } else if status.is_client_error() && !is_problem(&response) {
        // What was refused before any handler saw it.
        response =
            Problem::new(status, "request", "the path or the query is malformed").into_response();
    }
    let status = response.status().as_u16();
    tracing::info!(%method, route, status, ms = u64::try_from(ms).unwrap_or(u64::MAX), id, "request");
    app.metrics.request(&route, status);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(ID, id);
    }
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_problem(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json")
}

/// A body, which is read and parsed once its sender may send it.
#[derive(Debug)]
pub(crate) struct Body<T> {
    request: Request,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self { request, of: std::marker::PhantomData })
    }
}

impl<T: DeserializeOwned> Body<T> {
    async fn parsed(self) -> Result<T, Problem> {
        let kind = self.request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json") {
            let detail = "send JSON with Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
        }
        let bytes = tokio::time::timeout(BODY_TIME, Bytes::from_request(self.request, &()));
        let bytes = bytes.await.map_err(|_| {
            let detail = format!("the body did not come within {} seconds", BODY_TIME.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
        })?;
        let bytes = bytes.map_err(|error| {
            let detail = "the body is too large or was cut off";
            Problem::new(error.status(), "body", detail)
        })?;
        let bad = |code, detail: String| Problem::new(StatusCode::BAD_REQUEST, code, detail);
        if bytes.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
            return Err(bad("order", "the body is a list; an order is an object".into()));
        }
        let mut text = serde_json::Deserializer::from_slice(&bytes);
        let parsed = serde_path_to_error::deserialize(&mut text).map_err(|error| {
            let code = if error.inner().is_data() { "order" } else { "json" };
            bad(code, format!("the body is not understood: {error}"))
        })?;
        text.end().map_err(|error| bad("json", format!("the body goes on: {error}")))?;
        Ok(parsed)
    }
}
