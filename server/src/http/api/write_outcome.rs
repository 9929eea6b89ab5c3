//! API responses: JSON with an ETag, pages with a link to the next page, and responses that are replayed to retries.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::DomainError as Refusal;
use serde::{Deserialize, Serialize};
use service::{
    error::{Error, Result},
    state::{App, AppState},
};
use store::{Fingerprint, FirstOutcome, IdempotencyScope, IdempotentWrite, hash::hash_token, idempotency::ScopedKey};

use super::{
    problem::{ApiHandlerResult, ApiRejection, FieldProblem},
    request::WriteRequest,
};

/// The strong ETag of a representation. The representation contains the version, so no two versions have the same ETag.
fn tag(body: &str) -> String {
    format!("\"{}\"", hash_token(body).get(..22).unwrap_or_default())
}

/// The ETags in an `If-Match` or `If-None-Match` header, as written; `None` if the header is not a list of ETags.
fn validators(header: &HeaderValue) -> Option<Vec<&str>> {
    let mut rest = header.to_str().ok()?.trim();
    if rest == "*" {
        return Some(vec![rest]);
    }
    let mut found = Vec::new();
    loop {
        let inside = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, after) = inside.split_once('"')?;
        if !tag.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        found.push(rest.get(..rest.len() - after.len())?);
        let after = after.trim_start();
        if after.is_empty() {
            return Some(found);
        }
        rest = after.strip_prefix(',')?.trim_start();
    }
}

/// Whether the list contains `tag`; with `weak`, weak ETags match too.
fn names(validators: &[&str], tag: &str, weak: bool) -> bool {
    validators.iter().any(|t| *t == "*" || *t == tag || weak && t.strip_prefix("W/") == Some(tag))
}

/// Responds to a read request: 304 if the client already has the current representation.
///
/// # Errors
/// Never in practice.
pub fn conditional_response(headers: &HeaderMap, value: &impl Serialize) -> ApiHandlerResult {
    page(headers, value, None)
}

/// As [`conditional_response`], for one page of a list: `next` is the URL of the next page.
///
/// # Errors
/// Never in practice.
pub fn page(headers: &HeaderMap, value: &impl Serialize, next: Option<String>) -> ApiHandlerResult {
    let body = serde_json::to_string(value).map_err(service::error::Error::from)?;
    let tag = tag(&body);
    // A malformed header is ignored, and the response is sent in full.
    let known = headers.get(header::IF_NONE_MATCH).and_then(validators).is_some_and(|all| names(&all, &tag, true));
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { ([(header::CONTENT_TYPE, "application/json")], body).into_response() };
    set(&mut response, header::ETAG, &tag);
    if let Some(next) = next {
        set(&mut response, header::LINK, &format!("<{next}>; rel=\"next\""));
    }
    Ok(response)
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Refuses to change a resource that differs from what the client last read; `current` is its current representation.
///
/// # Errors
/// 428 without `If-Match`, 422 if it is malformed, 412 if it does not match.
pub fn require_if_match(headers: &HeaderMap, current: &impl Serialize) -> ApiHandlerResult<()> {
    let body = serde_json::to_string(current).map_err(service::error::Error::from)?;
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        let detail = "Send If-Match with the ETag of the resource you are changing, so that you don’t overwrite someone else’s changes.";
        return Err(ApiRejection::Protocol {
            status: StatusCode::PRECONDITION_REQUIRED,
            code: "if_match_required",
            detail: detail.into(),
            faults: vec![FieldProblem::header("If-Match", "required", detail)],
        });
    };
    let Some(wanted) = validators(wanted) else {
        let detail = "If-Match must contain an ETag exactly as it was sent, including its quotes.";
        return Err(ApiRejection::invalid(vec![FieldProblem::header("If-Match", "malformed", detail)]));
    };
    if names(&wanted, &tag(&body), false) {
        return Ok(());
    }
    let detail = "This has changed since you read it. Fetch it again and retry.";
    Err(ApiRejection::outside(StatusCode::PRECONDITION_FAILED, "changed", detail))
}

/// The response to a write request, as it is stored for a retry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteOutcome {
    status: u16,
    body: Option<String>,
    location: Option<String>,
    /// The body of the first response, if it contains a secret that must not be stored.
    #[serde(skip)]
    first: Option<String>,
}

impl WriteOutcome {
    /// 201: a resource was created at `location`.
    ///
    /// # Errors
    /// Never in practice.
    pub fn created(location: String, value: &impl Serialize) -> Result<Self> {
        Ok(Self { status: 201, body: Some(serde_json::to_string(value)?), location: Some(location), first: None })
    }

    /// 200: the resource in its new state.
    ///
    /// # Errors
    /// Never in practice.
    pub fn changed(value: &impl Serialize) -> Result<Self> {
        Ok(Self { status: 200, body: Some(serde_json::to_string(value)?), location: None, first: None })
    }

    /// 204: the resource was deleted.
    #[must_use]
    pub fn gone() -> Self {
        Self { status: 204, body: None, location: None, first: None }
    }

    /// Sends `value` instead in the first response only, to show a secret that is not stored. A retry gets the stored response.
    ///
    /// # Errors
    /// Never in practice.
    pub fn shown_once(self, value: &impl Serialize) -> Result<Self> {
        Ok(Self { first: Some(serde_json::to_string(value)?), ..self })
    }
}

impl IntoResponse for WriteOutcome {
    fn into_response(self) -> Response {
        let body = self.first.or(self.body);
        let tag = body.as_deref().map(tag);
        let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        if let Some(tag) = tag {
            set(&mut response, header::CONTENT_TYPE, "application/json");
            set(&mut response, header::ETAG, &tag);
        }
        if let Some(location) = self.location {
            set(&mut response, header::LOCATION, &location);
        }
        response
    }
}

/// The stored record of an idempotency key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredOutcome {
    fingerprint: String,
    written: Option<WriteOutcome>,
}

/// The refusal of an idempotency key that was used for a different request.
pub fn reused() -> ApiRejection {
    let detail = "This Idempotency-Key was already used for a different request. Send a new one.";
    ApiRejection::invalid(vec![FieldProblem::header("Idempotency-Key", "reused", detail)])
}

/// What is known about an idempotency key.
enum KeyState {
    /// This request is the first with the key, which is claimed now.
    First,
    /// An earlier request has no stored response: it was refused, was interrupted, or is still running.
    Unknown,
    /// The response to an earlier request.
    Written(WriteOutcome),
}

/// Claims a key, together with the request's fingerprint.
async fn claim_key<T>(app: &App, sent: &WriteRequest<T>, key: &str) -> ApiHandlerResult<KeyState> {
    let scope = IdempotencyScope::ApiRequest(sent.caller.key.id);
    let claim = FirstOutcome::of(StoredOutcome { fingerprint: sent.fingerprint.clone(), written: None });
    let once = IdempotentWrite::program(&scope, key, Fingerprint::of([&sent.fingerprint]));
    let claimed: Result<FirstOutcome<StoredOutcome>> =
        app.store.write_idempotent(once, app.now(), move |_| Box::pin(async move { Ok(claim) })).await;
    let stored = match claimed {
        Err(Error::Domain(Refusal::KeyReused)) => return Err(reused()),
        claimed => claimed?,
    };
    // A key stored before fingerprints had their own column.
    if stored.value.fingerprint != sent.fingerprint {
        return Err(reused());
    }
    Ok(match stored.value.written {
        Some(written) => KeyState::Written(written),
        None if stored.is_first => KeyState::First,
        None => KeyState::Unknown,
    })
}

/// Stores the response to a claimed key.
async fn store_response<T>(app: &App, sent: &WriteRequest<T>, key: &str, written: &WriteOutcome) -> ApiHandlerResult<()> {
    let stored = StoredOutcome { fingerprint: sent.fingerprint.clone(), written: Some(written.clone()) };
    let outcome = serde_json::to_string(&stored).map_err(service::error::Error::from)?;
    let place = ScopedKey::new(&IdempotencyScope::ApiRequest(sent.caller.key.id), key);
    let keeping = app.store.write(move |tx| Box::pin(async move { tx.replace_outcome(&place, &outcome).await })).await;
    if let Err(error) = keeping {
        // The work is done, so the client must get its response.
        tracing::warn!(error = %error, "the response to an API request could not be stored for a retry");
    }
    Ok(())
}

fn replayed(written: WriteOutcome) -> Response {
    let mut response = written.into_response();
    set(&mut response, HeaderName::from_static("idempotency-replayed"), "true");
    response
}

/// Runs a write once per idempotency key and replays the first response to a retry. The key is stored before the work, together with the
/// request's fingerprint. Work that must not run twice gets a key for [`store::Store::write_idempotent`] (see [`use_case_key`]) or is
/// guarded by a version, so that a crash between the work and storing its response is harmless too. For work that can be neither, see
/// [`to_completion`].
///
/// # Errors
/// 422 if the key was used for a different request; otherwise the refusals of the work.
pub async fn idempotent<T>(
    app: &App,
    sent: &WriteRequest<T>,
    work: impl Future<Output = ApiHandlerResult<WriteOutcome>> + Send,
) -> ApiHandlerResult {
    let Some(key) = sent.once.as_deref() else { return Ok(work.await?.into_response()) };
    if let KeyState::Written(written) = claim_key(app, sent, key).await? {
        return Ok(replayed(written));
    }
    let written = work.await?;
    store_response(app, sent, key, &written).await?;
    Ok(written.into_response())
}

/// As [`idempotent`], for work of several transactions, which must not run twice. It runs in a task of its own: it finishes and stores its
/// response even if the client disconnects or the response times out. Meanwhile, and after a crash, a retry is refused: nobody knows how far
/// the work came.
///
/// # Errors
/// 400 without a key, 409 while an earlier request with the key has no response, 422 if the key was used for a different request; otherwise
/// the refusals of the work.
pub async fn to_completion(
    app: &AppState,
    sent: WriteRequest<()>,
    work: impl Future<Output = ApiHandlerResult<WriteOutcome>> + Send + 'static,
) -> ApiHandlerResult {
    let app = app.clone();
    let done = tokio::spawn(async move {
        let key = sent.once()?;
        match claim_key(&app, &sent, key).await? {
            KeyState::First => {}
            KeyState::Unknown => return Err(unanswered()),
            KeyState::Written(written) => return Ok(replayed(written)),
        }
        match work.await {
            Ok(written) => {
                store_response(&app, &sent, key, &written).await?;
                Ok(written.into_response())
            }
            Err(refusal) => {
                let place = ScopedKey::new(&IdempotencyScope::ApiRequest(sent.caller.key.id), key);
                let freed = app.store.write(move |tx| Box::pin(async move { tx.forget_key(&place).await })).await;
                if let Err(error) = freed {
                    tracing::warn!(error = %error, "the key of a refused API request could not be freed for a retry");
                }
                Err(refusal)
            }
        }
    });
    done.await.unwrap_or_else(|panic| Err(Error::internal("API request", panic).into()))
}

fn unanswered() -> ApiRejection {
    let detail = "An earlier request with this Idempotency-Key is still running, or was interrupted. Retry in a minute. If this does not \
                  change, see what was done, then send a new key.";
    ApiRejection::outside(StatusCode::CONFLICT, "running", detail)
}

/// [`idempotent`] for deleting a resource: responds with 204, to a retry as well.
///
/// # Errors
/// As [`idempotent`].
pub async fn delete<T, U>(app: &App, sent: &WriteRequest<T>, work: impl Future<Output = Result<U>> + Send) -> ApiHandlerResult {
    idempotent(app, sent, async {
        work.await?;
        Ok(WriteOutcome::gone())
    })
    .await
}

/// The key of a use case that creates something, separate for each API key.
///
/// # Errors
/// Returns 400 if the request has none.
pub fn use_case_key<T>(sent: &WriteRequest<T>) -> ApiHandlerResult<String> {
    Ok(format!("api:{}:{}", sent.caller.key.id, sent.once()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_are_compared_as_the_standard_says() {
        let names = |text: &'static str, weak| names(&validators(&HeaderValue::from_static(text)).unwrap(), "\"a\"", weak);
        assert!(names("\"a\"", false) && names("\"b\", \"a\"", false) && names(" * ", false) && names("W/\"a\"", true));
        assert!(names("\"b,c\" ,W/\"d\",\"a\"", false));
        assert!(!names("W/\"a\"", false) && !names("\"b\"", true) && !names("\"\"", true));
        for not in ["", "a", "\"a", "\"a\"\"b\"", "\"a\",", ",\"a\"", "*, \"a\"", "w/\"a\"", "\"a b\""] {
            assert!(validators(&HeaderValue::from_static(not)).is_none(), "{not}");
        }
    }
}
