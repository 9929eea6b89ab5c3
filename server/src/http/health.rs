//! Endpoints for supervisors, load balancers and monitoring: liveness, readiness, metrics.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::Secret;
use search::IndexStatus;
use serde_json::json;
use service::{
    monitoring::{self, ConnectionCounts},
    state::AppState,
};
use subtle::ConstantTimeEq;

use super::error::PageResult;
use crate::http::WebState;

/// Time limit for the database's response.
const PATIENCE: Duration = Duration::from_secs(2);

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(ready)).route("/metrics", get(show_metrics))
}

/// `GET /metrics`: requires the operator's token; 404 without it.
async fn show_metrics(State(web): State<WebState>, headers: HeaderMap) -> PageResult {
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let allowed = match (&web.http.metrics_token, presented) {
        (Some(Secret(token)), Some(presented)) => bool::from(token.as_bytes().ct_eq(presented)),
        _ => false,
    };
    if !allowed {
        return Err(domain::DomainError::NotFound.into());
    }
    let open = ConnectionCounts { streams: web.streams.count(), all: web.connections.count() };
    let text = monitoring::scrape(&web.app, &open).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

/// `GET /readyz`: 200 if the database responds and accepts writes, otherwise 503. A search index that is being built is reported, but does
/// not make the server unready: everything else works, and lists come from the database.
async fn ready(State(app): State<AppState>) -> Response {
    let answers = tokio::time::timeout(PATIENCE, app.store.ping()).await.is_ok_and(|asked| asked.is_ok());
    let works = answers && app.store.can_accept_writes();
    let search = match app.search.status() {
        IndexStatus::Ready => "ready",
        IndexStatus::Building { .. } => "building",
        IndexStatus::Off => "off",
    };
    let status = if works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "database": if works { "ready" } else { "unavailable" }, "search": search });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !works {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
