//! One line in the log for each request, and an id that a person can quote.

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

/// The id of the request at hand; empty outside of one.
#[must_use]
pub fn request_id() -> String {
    REQUEST_ID.try_with(|id| id.borrow().clone()).unwrap_or_default()
}

/// Gives the request its id (header `x-request-id` of the answer) and logs method, route pattern, status and time. Paths are logged as
/// patterns: ids, tokens and queries stay out of the log.
pub async fn requests(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = app.ids.uuid().simple().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unknown".to_owned(), |p| p.as_str().to_owned());
    #[expect(clippy::disallowed_methods, reason = "how long the answer took, for the log")]
    let began = tokio::time::Instant::now();
    // Whatever is logged on the way carries the id; a span of this level is there under every filter.
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
