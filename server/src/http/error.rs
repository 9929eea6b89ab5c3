//! The single mapping from errors to HTTP: an HTML page for people, or an RFC 9457 problem for programs.

use std::any::Any;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::json;
use service::error::Error;

use super::error_page::{RefusalReason, error_page};

/// `Retry-After` of a body for which there was no memory, in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 10;

/// A failed request, rendered as an HTML page.
pub struct PageError(pub Error);

/// A failed request, rendered as `application/problem+json` (RFC 9457).
pub struct ApiError(pub Error);

/// Marks the response to a request that needs sign-in.
#[derive(Debug, Clone, Copy)]
pub struct SignInRequired;

/// Result of an HTML handler.
pub type PageResult<T = Response> = Result<T, PageError>;
/// Result of a JSON handler.
pub type ApiResult<T = Response> = Result<T, ApiError>;

impl<E: Into<Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Status, stable code, and a message that a person can act on. Messages of internal errors reveal no details.
fn describe(error: &Error) -> (StatusCode, &'static str, String) {
    let Error::Domain(refusal) = error else {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!(
                "Something went wrong on our side. Try again. If the problem persists, give the operator this number: {}.",
                super::log::request_id()
            ),
        );
    };
    let (status, text) = match refusal {
        domain::DomainError::Invalid(errors) => {
            let text = errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" ");
            (StatusCode::UNPROCESSABLE_ENTITY, text)
        }
        domain::DomainError::NotFound => (StatusCode::NOT_FOUND, "This page does not exist, or you don’t have access.".into()),
        domain::DomainError::SignedOut => (StatusCode::UNAUTHORIZED, "Sign in first.".into()),
        domain::DomainError::Forbidden => {
            (StatusCode::FORBIDDEN, "Your role in this project does not allow this. An admin of the project can change your role.".into())
        }
        domain::DomainError::Conflict(text) => (StatusCode::CONFLICT, text.clone()),
        domain::DomainError::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "This form was already sent with different content. Open the page in a new tab and send it from there.".into(),
        ),
        domain::DomainError::RateLimited(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, format!("Too many attempts. Try again in {seconds} seconds."))
        }
        domain::DomainError::Busy(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Earshot is too busy to accept this right now. Nothing was changed; try again in a moment.".into(),
        ),
        domain::DomainError::SearchUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "The search index is being updated. Try again in a moment.".into())
        }
    };
    (status, refusal.code(), text)
}

/// A problem document (RFC 9457); `errors` point to places in the input.
pub fn problem(status: StatusCode, code: &str, detail: &str, errors: Vec<serde_json::Value>) -> Response {
    let body = json!({
        "type": format!("urn:earshot:problem:{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "errors": errors,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// Logs internal errors, but not refusals.
pub fn log(error: &Error) {
    if error.refusal().is_none() {
        tracing::error!(error = %error, "a request failed");
    }
}

fn retry_after(error: &Error, response: &mut Response) {
    if let Some(domain::DomainError::RateLimited(seconds) | domain::DomainError::Busy(seconds)) = error.refusal() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        log(&self.0);
        if matches!(self.0.refusal(), Some(domain::DomainError::SignedOut)) {
            return (axum::Extension(SignInRequired), axum::response::Redirect::to("/sign-in")).into_response();
        }
        let (status, _, text) = describe(&self.0);
        let mut response = refusal(status, text);
        retry_after(&self.0, &mut response);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        log(&self.0);
        let (status, code, text) = describe(&self.0);
        let errors = match self.0.refusal() {
            Some(domain::DomainError::Invalid(errors)) => {
                errors.0.iter().map(|e| json!({ "pointer": e.field, "code": e.code, "detail": e.message })).collect()
            }
            _ => Vec::new(),
        };
        let mut response = problem(status, code, &text, errors);
        retry_after(&self.0, &mut response);
        response
    }
}

/// The page of a refusal, with the reason as an extension for [`super::refusal::explain`].
fn refusal(status: StatusCode, text: String) -> Response {
    let page = Html(error_page(status, &text, None));
    (status, axum::Extension(RefusalReason(text)), page).into_response()
}

/// Response to a form whose body was rejected.
pub fn body_refused(status: StatusCode) -> Response {
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "This is larger than the form allows. Shorten it and send it again.",
        StatusCode::REQUEST_TIMEOUT => "This took too long to arrive, so nothing was changed. Check your connection and send it again.",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The server is receiving too many requests, so nothing was changed. Send the form again in a moment."
        }
        _ => "This form could not be read. Open the page in a new tab and send it from there.",
    };
    let mut response = refusal(status, text.into());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// Response for unknown paths.
pub async fn not_found(address: axum::http::Uri) -> Response {
    let error = Error::Domain(domain::DomainError::NotFound);
    // Programs get a problem document.
    if address.path().starts_with("/api/") { ApiError(error).into_response() } else { PageError(error).into_response() }
}

/// Response after a panic in a handler.
#[expect(clippy::needless_pass_by_value, reason = "the signature is tower-http's")]
pub fn panicked(detail: Box<dyn Any + Send>) -> axum::http::Response<Body> {
    let text = detail.downcast_ref::<String>().map(String::as_str).or_else(|| detail.downcast_ref::<&str>().copied()).unwrap_or("?");
    PageError(Error::internal("panic", text)).into_response()
}
