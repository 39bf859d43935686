//! Errors of one form: RFC 9457.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::{
    accept::AcceptError,
    store::{IntakeError, StoreError},
};

/// What a client can act on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the code says which.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The status.
    #[serde(serialize_with = "number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// What a program acts on.
    pub(crate) code: &'static str,
    /// What a person reads.
    detail: String,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// What any question may be answered.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers and is none")]
pub(crate) enum Refused {
    /// No token, or one that is unknown or was revoked
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The token lacks the scope
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The database or the node does not answer, or too many connections are being answered
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What an order may be answered besides.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers and is none")]
pub(crate) enum OrderRefused {
    /// The body is no order
    #[response(status = 400, content_type = "application/problem+json")]
    NotUnderstood(Problem),
    /// There is no such model
    #[response(status = 404, content_type = "application/problem+json")]
    UnknownModel(Problem),
    /// The body did not come in time
    #[response(status = 408, content_type = "application/problem+json")]
    Late(Problem),
    /// The idempotency key is another order's
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is no JSON
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// It cannot be done
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(Problem),
}

fn number<S: serde::Serializer>(status: &StatusCode, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of this status.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let detail = detail.into();
        Self { kind: "about:blank", title, status, code, detail, retry_after: None }
    }

    /// Whose cause goes away in a while.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Nothing is here.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here; see /openapi.json")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let code = error.code();
        let status = match &error {
            AcceptError::UnknownModel(_) => StatusCode::NOT_FOUND,
            AcceptError::Intake(IntakeError::Conflict { .. }) => StatusCode::CONFLICT,
            AcceptError::Intake(IntakeError::Full) => {
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, error.to_string());
                return problem.retry_after(5);
            }
            AcceptError::Node(_) => {
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string());
                return problem.retry_after(5);
            }
            AcceptError::Verifier => StatusCode::INTERNAL_SERVER_ERROR,
            AcceptError::Intake(IntakeError::Failed(_)) | AcceptError::Seal(_) => {
                return unavailable();
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, code, error.to_string())
    }
}

/// The database's words are for the log.
fn unavailable() -> Problem {
    let detail = "the database does not answer; nothing was changed, try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(2)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NoJob(_) => Self::new(StatusCode::NOT_FOUND, "no_job", error.to_string()),
            StoreError::WrongState { .. } => {
                Self::new(StatusCode::CONFLICT, "wrong_state", error.to_string())
            }
            _ => {
                tracing::error!(%error, "the database failed");
                unavailable()
            }
        }
    }
}
