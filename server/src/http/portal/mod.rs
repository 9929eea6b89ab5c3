//! The public ticket portal: pages for people without an account. No cookies; a conversation is protected by an unguessable link.

mod conversation;
mod pages;
mod post;
mod ticket;
mod visit;

pub use conversation::preview;
pub use visit::PortalRequest;

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    routing::{get, post},
};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

use super::{attachments::BODY_LIMIT, error};
use crate::http::WebState;

/// Time limit for a message with files: ten megabytes over a slow connection.
const UPLOAD: Duration = Duration::from_secs(300);

/// Read-only routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}", get(ticket::portal))
        .route("/p/{slug}/t/{token}", get(conversation::conversation))
        .route("/p/{slug}/t/{token}/close", get(conversation::to_conversation).post(conversation::close))
        .route("/p/{slug}/t/{token}/reopen", get(conversation::to_conversation).post(conversation::reopen))
        .route("/p/{slug}/t/{token}/files/{id}", get(conversation::file))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn(pages::render_failures))
}

/// Routes that accept files, with larger limits for size and time than other requests.
pub fn uploads() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}", post(ticket::submit))
        .route("/p/{slug}/t/{token}", post(conversation::answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, UPLOAD))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn(pages::render_failures))
}
