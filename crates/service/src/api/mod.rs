//! The HTTP side: an API that its OpenAPI document describes, and a page.

mod auth;
mod jobs;
mod models;
mod ops;
mod page;
mod problem;

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
    extract::{FromRequest, MatchedPath, Request, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::de::DeserializeOwned;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use problem::Problem;

use crate::{
    accept::Acceptance,
    config::ServiceConfig,
    metrics::Metrics,
    store::{Scope, Store},
};

/// What every handler shares.
#[derive(Debug)]
pub struct App {
    acceptance: Arc<Acceptance>,
    door: auth::Door,
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
        .routes(routes!(jobs::score))
        .routes(routes!(jobs::proof))
        .routes(routes!(jobs::relay))
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

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    let text = document().to_pretty_json().unwrap_or_default();
    let openapi = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    let limit = app.max_body;
    documented()
        .0
        .route("/openapi.json", get(openapi))
        .merge(page::routes())
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            let detail = "this path takes another method; see /openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(RequestBodyLimitLayer::new(limit))
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
    let mut response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis());
    // A body that was too large is refused before any handler sees it.
    if status == 413 && !response.headers().contains_key(header::CONTENT_TYPE)
        || status == 413 && !is_problem(&response)
    {
        response = too_large(app.max_body).into_response();
    }
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

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes (`max_body`)");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// A body, which is parsed once its sender may send it.
#[derive(Debug)]
pub(crate) struct Body<T> {
    json: bool,
    /// None if it did not come in time.
    bytes: Option<Result<Bytes, BytesRejection>>,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let json = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
        let bytes =
            tokio::time::timeout(Duration::from_secs(30), Bytes::from_request(request, state));
        let bytes = bytes.await.ok();
        Ok(Self { json, bytes, of: std::marker::PhantomData })
    }
}

impl<T: DeserializeOwned> Body<T> {
    fn parsed(self) -> Result<T, Problem> {
        if !self.json {
            let detail = "send JSON with Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
        }
        let late = || {
            let detail = "the body did not come within 30 seconds";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
        };
        let bytes = self.bytes.ok_or_else(late)?.map_err(|error| {
            let detail = "the body is too large or was cut off";
            Problem::new(error.status(), "body", detail)
        })?;
        let mut text = serde_json::Deserializer::from_slice(&bytes);
        serde_path_to_error::deserialize(&mut text).map_err(|error| {
            let code = if error.inner().is_data() { "order" } else { "json" };
            Problem::new(
                StatusCode::BAD_REQUEST,
                code,
                format!("the body is not understood: {error}"),
            )
        })
    }
}
