//! Authentication of API requests: the key in `Authorization`, its rate limit and its scope. Cookies are ignored here.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
};
use service::{
    error::{Error, Result},
    keys,
    limits::RateLimitStatus,
    state::AppState,
};
use store::keys::ApiKey;

use super::problem::{ApiRejection, signed_out, stopped};
use crate::http::{address::ClientAddress, limits};

/// A program with a valid key. A handler that takes it as an argument may read.
#[derive(Debug, Clone)]
pub struct ApiCaller {
    /// Its key.
    pub key: ApiKey,
}

impl ApiCaller {
    /// The scope for working in the key's project with at least the role `need`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if the key's scope is too low.
    pub fn scope(&self, need: Role) -> Result<Scope, Refusal> {
        keys::scope(&self.key, self.key.project, need)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ApiCaller {
    type Rejection = ApiRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiRejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::SignedOut.into())
    }
}

/// The token after `Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    // Two such headers are a mistake or an attack, so they are treated as none.
    (all.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| key.trim())
}

/// The refusal of an invalid key; an address that sends too many of them is rate limited. Valid keys from the same address are not
/// affected.
async fn wrong_key(app: &AppState, address: ClientAddress, error: Error) -> Error {
    if !matches!(error.refusal(), Some(Refusal::SignedOut)) {
        return error;
    }
    match app.limits.invalid_api_key(address.bucket(), app.now()).await {
        Err(limited @ Error::Domain(Refusal::RateLimited(_))) => {
            app.budget.refusals.count("api_keys");
            tracing::warn!("an address is sending many invalid API keys");
            limited
        }
        _ => error,
    }
}

/// Finds the caller, counts the request and reports the key's rate limit. Wraps everything below `/api/v1` except its document.
pub async fn identify(State(app): State<AppState>, address: ClientAddress, mut request: Request, next: Next) -> Response {
    let Some(secret) = bearer(request.headers()) else {
        return signed_out(request.headers().contains_key(header::AUTHORIZATION));
    };
    let key = match keys::find(&app, secret).await {
        Ok(key) => key,
        Err(error) => return ApiRejection::UseCase(wrong_key(&app, address, error).await).into_response(),
    };
    let is_stopped = key.role().is_none();
    if !is_stopped {
        limits::of_the_team(request.extensions());
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let (standing, mut response) = match app.limits.api_key(key.id.0, app.now()).await {
        // Counted like any other request: a program that ignores the error would retry forever.
        Ok(standing) if is_stopped => (standing, stopped()),
        Ok(standing) => {
            request.extensions_mut().insert(ApiCaller { key });
            (standing, next.run(request).await)
        }
        Err(error) => {
            let (limit, remaining) = (app.settings.rate_per_api_key, 0);
            let Error::Domain(Refusal::RateLimited(reset)) = error else {
                if is_stopped {
                    return stopped();
                }
                // It cannot be counted because the database is not accepting writes; reading may continue.
                request.extensions_mut().insert(ApiCaller { key });
                let mut response = next.run(request).await;
                tell_limits(response.headers_mut(), RateLimitStatus { limit, remaining, reset: 1 });
                response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
                return response;
            };
            (RateLimitStatus { limit, remaining, reset }, ApiRejection::UseCase(error).into_response())
        }
    };
    tell_limits(response.headers_mut(), standing);
    // Personal data: cached only by this program, and revalidated each time, unless the handler is stricter.
    let is_cacheable = reads && matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
    let cache_control = if is_cacheable { "private, no-cache" } else { "no-store" };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(cache_control));
    response
}

/// Sets `RateLimit` and `RateLimit-Policy` as in the IETF draft draft-ietf-httpapi-ratelimit-headers.
fn tell_limits(headers: &mut HeaderMap, standing: RateLimitStatus) {
    let RateLimitStatus { limit, remaining, reset } = standing;
    let texts = [("ratelimit-policy", format!("\"key\";q={limit};w=60")), ("ratelimit", format!("\"key\";r={remaining};t={reset}"))];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_key_is_read() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer eas_1"]), Some("eas_1".into()));
        assert_eq!(read(&["bearer  eas_1 "]), Some("eas_1".into()));
        for not in [&[][..], &["eas_1"], &["Basic eas_1"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(not), None, "{not:?}");
        }
    }
}
