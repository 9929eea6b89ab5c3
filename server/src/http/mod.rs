//! Everything that depends on HTTP. Each capability has a file with its routes; this one combines them under the layers.

pub mod accounts;
pub mod address;
pub mod api;
pub mod assets;
pub mod attachments;
pub mod backlog;
mod compression;
mod connections;
pub mod console;
mod cookies;
pub mod desk;
pub mod error;
mod error_page;
pub mod export;
pub mod forms;
mod health;
pub mod identity;
pub mod imports;
pub mod inbox;
mod json;
pub mod keys;
pub mod limits;
pub mod log;
pub mod operator;
mod pace;
pub mod portal;
pub mod projects;
pub mod refusal;
pub mod replies;
pub mod respond;
pub mod results;
pub mod return_to;
pub mod security;
pub mod serve;
mod state;
mod streams;
pub mod surveys;
mod upload;
pub mod webhooks;

use axum::{Router, extract::DefaultBodyLimit};
use store::sessions::{SESSION_DAYS, Sessions};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};

pub use state::WebState;

/// Largest body of an ordinary request, in bytes. Uploads set their own.
pub const BODY_LIMIT: usize = 256 * 1024;

/// The complete application as a service.
pub fn router(web: WebState) -> Router {
    let app = &web.app;
    let sessions = SessionManagerLayer::new(Sessions::new(app.store.clone(), app.clock.clone()))
        .with_name(if app.settings.is_https() { "__Host-earshot" } else { "earshot" })
        .with_same_site(SameSite::Lax)
        .with_secure(app.settings.is_https())
        .with_expiry(Expiry::OnInactivity(time::Duration::days(SESSION_DAYS)));
    // Pages that show no secrets; see [`compression`].
    let compressed = Router::new()
        .merge(projects::routes())
        .merge(inbox::routes())
        .merge(backlog::routes())
        .merge(surveys::routes())
        .merge(results::routes())
        .merge(imports::routes())
        .merge(desk::routes())
        .merge(export::routes())
        .merge(replies::routes())
        .layer(compression::layer());
    // The console: pages of signed-in people (and set-up, sign-in, invitations). Only these use cookies.
    let console = Router::new()
        .merge(compressed)
        .merge(accounts::routes())
        .merge(operator::routes())
        .merge(webhooks::routes())
        .merge(identity::routes())
        .merge(keys::routes())
        .layer(axum::middleware::from_fn(accounts::remember_page))
        .layer(sessions.clone())
        .layer(axum::middleware::from_fn(accounts::complete_cookie_removal))
        .layer(axum::middleware::from_fn(accounts::explain_sessions))
        .layer(security::csrf(app))
        .layer(axum::middleware::from_fn(refusal::explain));
    // Uploads may take longer and be larger than other requests.
    let uploads = Router::new()
        .merge(imports::uploads())
        .merge(inbox::uploads())
        .layer(sessions)
        .layer(axum::middleware::from_fn(accounts::complete_cookie_removal))
        .layer(axum::middleware::from_fn(accounts::explain_sessions))
        .layer(security::csrf(app))
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::REQUEST_TIMEOUT, std::time::Duration::from_secs(900)))
        .layer(axum::middleware::from_fn(refusal::explain));
    let uploads_of_programs = api::uploads(&web)
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::REQUEST_TIMEOUT, std::time::Duration::from_secs(900)));
    // Respondents: no cookies, so a foreign page has nothing to abuse.
    let respondents = Router::new().merge(respond::routes().layer(compression::layer())).merge(portal::routes());
    Router::new()
        .merge(console)
        .merge(respondents)
        // Programs: authenticated by their key alone. Cookies are ignored, so a foreign page has nothing to abuse.
        .merge(api::routes(&web).layer(compression::layer()))
        .merge(assets::routes())
        .merge(health::routes())
        .fallback(error::not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::from_fn(limits::bounded))
        .merge(uploads)
        .merge(uploads_of_programs)
        .merge(portal::uploads())
        .layer(axum::middleware::from_fn_with_state(web.clone(), limits::bodies))
        .layer(CatchPanicLayer::custom(error::panicked))
        // Outside of the layers that may respond for a handler, so that those responses carry the headers too.
        .layer(axum::middleware::from_fn_with_state(web.clone(), security::headers))
        .layer(axum::middleware::from_fn_with_state(app.clone(), log::requests))
        .with_state(web)
}
