//! The page: files that the binary holds, under a policy that lets nothing else in.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{App, problem::Problem};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Name, type and text of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css", include_str!("../../page/style.css")),
    ("app.js", "text/javascript", include_str!("../../page/app.js")),
    ("common.js", "text/javascript", include_str!("../../page/common.js")),
    ("desk.js", "text/javascript", include_str!("../../page/desk.js")),
    ("detail.js", "text/javascript", include_str!("../../page/detail.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../page/icon.svg")),
];

pub(super) fn routes() -> Router<Arc<App>> {
    let index = || async { file("text/html", include_str!("../../page/index.html")) };
    Router::new().route("/", get(index)).route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(file, ..)| *file == name);
    found.map(|(_, kind, text)| file(kind, text)).ok_or_else(Problem::not_found)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Another version may be there after an upgrade.
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, text).into_response()
}
