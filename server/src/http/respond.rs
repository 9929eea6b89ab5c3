//! Endpoints for respondents and the widget: survey pages, `embed.js`, `/embed/v1`. None of them uses cookies.

mod api;
mod pages;
mod submission;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
    routing::{get, post, put},
};
use domain::{
    projects::Project,
    surveys::{MAX_QUESTIONS, SurveyBody, question::MAX_ANSWER},
    text::clean_line,
};
use service::state::App;
use tower_http::catch_panic::CatchPanicLayer;

use super::{BODY_LIMIT, assets, error};
use crate::http::WebState;

/// Maximum bytes of a character, in a form (`%F0%9F%98%80`) and in JSON (`\ud83d\ude00`).
const CHARACTER: usize = 12;
/// Maximum bytes of everything in a submission except texts: names, choices, the site's data about its visitor.
const REST: usize = 128 * 1024;
/// Largest submission in bytes, enough for the largest survey.
pub const SUBMISSION_LIMIT: usize = MAX_QUESTIONS * MAX_ANSWER * CHARACTER + REST;

/// Largest submission to a survey, in bytes.
#[must_use]
pub fn most_bytes(survey: &SurveyBody) -> usize {
    let characters: usize = survey.questions.iter().filter_map(|question| question.kind.max_chars()).sum();
    (characters * CHARACTER + REST).clamp(BODY_LIMIT, SUBMISSION_LIMIT)
}

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    let pages = Router::new()
        .route("/s/{survey}", get(pages::survey).post(pages::submit))
        .route("/s/{survey}/thanks", get(pages::thanks))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn(pages::dress));
    Router::new()
        .route("/embed.js", get(loader))
        .route("/embed/v1/{key}/config", get(api::config).options(api::preflight))
        .route("/embed/v1/{key}/responses", post(api::begin).options(api::preflight))
        .route("/embed/v1/{key}/responses/{id}", put(api::update).options(api::preflight))
        .route("/embed/v1/{key}/portal", get(api::portal))
        .merge(pages)
        // Handlers that need more read the body themselves, with a limit that depends on the head.
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Serves the loader under its public name. A tag with `crossorigin` or `type="module"` requests it with CORS.
async fn loader(headers: HeaderMap) -> Response {
    let mut response = assets::plain("embed.js", &headers);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Source of a request, judged by its `Origin` (RFC 6454). Programs send none; the project key is public, so they are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RequestOrigin {
    /// Our own page, or a program.
    Own,
    /// A page that may embed the project.
    Allowed(String),
    /// Any other page.
    Foreign,
}

/// Whether an `Origin` is our own.
pub(super) fn is_own(app: &App, origin: &str, headers: &HeaderMap) -> bool {
    let authority = origin.split_once("://").map(|(_, rest)| rest);
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    app.settings.public_url.as_deref() == Some(origin) || (authority.is_some() && authority == host)
}

fn sender(app: &App, project: &Project, headers: &HeaderMap) -> RequestOrigin {
    let Some(origin) = headers.get(header::ORIGIN) else { return RequestOrigin::Own };
    let Ok(origin) = origin.to_str() else { return RequestOrigin::Foreign };
    if is_own(app, origin, headers) {
        RequestOrigin::Own
    } else if project.allows_origin(origin) {
        RequestOrigin::Allowed(origin.to_owned())
    } else {
        RequestOrigin::Foreign
    }
}

/// A web address from outside, without user name and password; `None` unless it is http(s), so that no `javascript:` URL is ever stored.
pub(super) fn web_address(text: &str) -> Option<String> {
    let text = clean_line(text, 2000)?;
    let mut url = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if url.username().is_empty() && url.password().is_none() {
        return Some(text);
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    headers.get(header::USER_AGENT).and_then(|h| h.to_str().ok()).and_then(|text| clean_line(text, 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_kept() {
        assert_eq!(web_address("https://a.example/x?y#z").as_deref(), Some("https://a.example/x?y#z"));
        assert_eq!(web_address("https://user:secret@a.example/x?y").as_deref(), Some("https://a.example/x?y"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "//a.example", "", "\0"] {
            assert_eq!(web_address(bad), None, "{bad}");
        }
    }
}
