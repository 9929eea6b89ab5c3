//! Logs one line per request, with an ID that a person can quote.

use std::{cell::RefCell, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use service::state::AppState;
use tracing::Instrument;

tokio::task_local! {
    static REQUEST_ID: RefCell<String>;
}

/// The ID of the current request; empty outside of one.
#[must_use]
pub fn request_id() -> String {
    REQUEST_ID.try_with(|id| id.borrow().clone()).unwrap_or_default()
}

/// Assigns the request its ID (response header `x-request-id`) and logs method, route pattern, status and time. Paths are logged as
/// patterns, to keep IDs, tokens and queries out of the log.
pub async fn requests(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = app.ids.uuid().simple().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unknown".to_owned(), |p| p.as_str().to_owned());
    #[expect(clippy::disallowed_methods, reason = "how long the answer took, for the log")]
    let began = tokio::time::Instant::now();
    // Adds the ID to every log line of the request; a span of level error is enabled under every filter.
    let span = tracing::error_span!("request", request.id = %id);
    let mut response = REQUEST_ID.scope(RefCell::new(id.clone()), next.run(request)).instrument(span.clone()).await;
    let took = began.elapsed();
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    let status = response.status().as_u16();
    app.metrics.record_response(method.as_str(), &route, status, took.as_secs_f64());
    let millis = millis(took);
    let _entered = span.enter();
    tracing::info!(http.method = %method, http.route = %route, http.status = status, took.ms = millis, "answered {method} {route} with {status}");
    response
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
