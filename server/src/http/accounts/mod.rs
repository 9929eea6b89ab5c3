//! Set-up, sign-in and out, account, members, invitations.

mod account;
mod invitations;
mod members;
mod reset;
mod session;
mod setup;
mod start;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use store::sessions;

use super::error::{PageError, SignInRequired};
use crate::http::WebState;

pub use session::begin_session;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(start::home))
        .route("/inbox", get(start::inbox))
        .route("/backlog", get(start::backlog))
        .route("/surveys", get(start::surveys))
        .route("/setup", get(setup::show).post(setup::run))
        .route("/sign-in", get(session::show).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/forgot", get(reset::show).post(reset::ask))
        .route("/forgot/sent", get(reset::sent))
        .route("/reset/{token}", get(reset::form).post(reset::set))
        .route("/account", get(account::show).post(account::rename))
        .route("/account/password", get(account::home).post(account::change_password))
        .route("/account/theme", post(account::set_theme))
        .route("/account/sessions/end", post(account::end_session))
        .route("/account/sessions/end-others", post(account::end_other_sessions))
        .route("/p/{slug}/members", get(members::show).post(members::invite))
        .route("/p/{slug}/members/role", get(members::role_page).post(members::change_role))
        .route("/p/{slug}/members/remove", get(members::remove_page).post(members::remove))
        .route("/p/{slug}/members/restore", post(members::restore))
        .route("/p/{slug}/members/revoke", post(members::revoke))
        .route("/invite/{token}", get(invitations::show).post(invitations::accept))
}

/// Explains failures of the session layer, which responds with an empty body when it cannot save a session, even if the database is only
/// busy. Goes around that layer.
pub async fn explain_sessions(request: Request, next: Next) -> Response {
    let (response, failure) = sessions::capturing_store_errors(next.run(request)).await;
    match failure {
        Some(failure) if response.status() == StatusCode::INTERNAL_SERVER_ERROR => PageError(failure).into_response(),
        _ => response,
    }
}

/// `Set-Cookie` value that removes the session's cookie, with its original attributes.
const REMOVED: &str = "__Host-earshot=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

/// Makes browsers accept the removal of the session's cookie: without `Secure` they ignore it for a name that begins with `__Host-`, and
/// tower-sessions leaves the attributes out. Goes around that layer.
pub async fn complete_cookie_removal(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let is_removal = |text: &str| text.starts_with("__Host-earshot=") && text.contains("Max-Age=0") && !text.contains("Secure");
    let all: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
    if all.iter().any(|value| value.to_str().is_ok_and(is_removal)) {
        response.headers_mut().remove(header::SET_COOKIE);
        for value in all {
            let whole = value.to_str().is_ok_and(is_removal).then(|| HeaderValue::from_static(REMOVED));
            response.headers_mut().append(header::SET_COOKIE, whole.unwrap_or(value));
        }
    }
    response
}

/// Redirects a person who must sign in so that they return to the page they requested, or whose form they sent. A layer over the entire
/// console.
pub async fn remember_page(request: Request, next: Next) -> Response {
    let wanted = if *request.method() == Method::GET {
        Some(request.uri().clone())
    } else {
        request.headers().get(header::REFERER).and_then(|h| h.to_str().ok()).and_then(|text| text.parse().ok())
    };
    let mut response = next.run(request).await;
    if response.extensions().get::<SignInRequired>().is_none() {
        return response;
    }
    let path = wanted.as_ref().and_then(|uri| uri.path_and_query()).map_or("/", |p| p.as_str());
    if path != "/" {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
        if let Ok(location) = HeaderValue::from_str(&format!("/sign-in?{query}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    response
}
