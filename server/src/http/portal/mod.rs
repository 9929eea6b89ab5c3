//! The public ticket portal: pages of people without an account. No cookies; a conversation is behind a link that only we can make.

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

/// How long a message with files may take to arrive: ten megabytes over a bad line.
const UPLOAD: Duration = Duration::from_secs(300);

/// What only reads.
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

/// What takes files: larger bodies, and longer than other requests.
pub fn uploads() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}", post(ticket::submit))
        .route("/p/{slug}/t/{token}", post(conversation::answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, UPLOAD))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn(pages::render_failures))
}
