//! Set-up, sign-in and out, account, members, invitations.

mod session;
mod setup;
mod start;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
    routing::{get, post},
};

use super::error::AskToSignIn;
use crate::state::AppState;

pub use session::begin_session;

/// This capability's routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(start::home))
        .route("/inbox", get(start::inbox))
        .route("/backlog", get(start::backlog))
        .route("/surveys", get(start::surveys))
        .route("/setup", get(setup::show).post(setup::run))
        .route("/sign-in", get(session::show).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
}

/// Sends a person who must sign in first back to the page that they asked for afterwards. A layer over the whole console.
pub async fn remember_page(request: Request, next: Next) -> Response {
    let wanted = (*request.method() == Method::GET).then(|| request.uri().clone());
    let mut response = next.run(request).await;
    if response.extensions().get::<AskToSignIn>().is_none() {
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
