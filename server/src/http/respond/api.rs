//! `/embed/v1`: the widget's API. Open to the project's sites through CORS, never with credentials.

use std::sync::Arc;

use app::respond::texts;
use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::{
    DomainError as Refusal, FieldErrors, email,
    identity::{Claim, SignedClaim},
    ids::{ResponseId, SurveyId, VersionId},
    projects::Project,
    responses::{ClaimedContact, MAX_EMAIL, MAX_ID, ResponseContext, ResponseReceipt, clean_line},
};
use hyper::body::SizeHint;
use serde_json::{Map, Value, json};
use service::{
    error::{Error, Result},
    limits::SubmissionQuota,
    responses::{self, ResponseInput, SurveyTarget},
    state::{App, AppState},
};
use store::hash::hash_token;

use super::{RequestOrigin, most_bytes, sender, user_agent, web_address};
use crate::http::{
    self, BODY_LIMIT,
    address::ClientAddress,
    error::{ApiError, PageResult},
    forms::is_idempotency_key,
    json::well_formed,
    limits::{BodyMemory, RETRY_AFTER_SECONDS},
};

/// A problem document for a refusal that use cases do not have.
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    http::error::problem(status, code, detail, Vec::new())
}

fn too_large(limit: usize) -> Response {
    problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &format!("Submissions can be up to {} kB.", limit / 1024))
}

/// Adds the headers that let an allowed page read the response, including errors.
fn with_cors(mut response: Response, project: &Project, sender: &RequestOrigin) -> Response {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let RequestOrigin::Allowed(origin) = sender {
        let value = if project.origins.is_empty() { "*" } else { origin };
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        }
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }
    response
}

async fn project(app: &App, key: &str) -> Result<Project> {
    // Text that cannot be a key is not looked up: PostgreSQL fails on NUL.
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotFound.into());
    }
    app.store.project_by_key(key).await?.ok_or_else(|| Refusal::NotFound.into())
}

fn foreign() -> Response {
    problem(StatusCode::FORBIDDEN, "origin", "This site is not among the project's allowed origins.")
}

/// `OPTIONS`
pub async fn preflight(State(app): State<AppState>, Path(params): Path<Vec<(String, String)>>, headers: HeaderMap) -> Response {
    let key = params.iter().find(|(name, _)| name == "key").map_or("", |(_, v)| v.as_str());
    let project = match project(&app, key).await {
        Ok(project) => project,
        Err(error) => return ApiError(error).into_response(),
    };
    let sender = sender(&app, &project, &headers);
    if sender == RequestOrigin::Foreign {
        return with_cors(foreign(), &project, &sender);
    }
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, idempotency-key"),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    with_cors((StatusCode::NO_CONTENT, allowed).into_response(), &project, &sender)
}

/// `GET /embed/v1/{key}/config`: the live surveys and the appearance of their launchers.
pub async fn config(State(app): State<AppState>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let project = match project(&app, &key).await {
        Ok(project) => project,
        Err(error) => return ApiError(error).into_response(),
    };
    let sender = sender(&app, &project, &headers);
    let response = if sender == RequestOrigin::Foreign {
        foreign()
    } else {
        match config_of(&app, &project, &headers).await {
            Ok(response) => response,
            Err(error) => ApiError(error).into_response(),
        }
    };
    with_cors(response, &project, &sender)
}

async fn config_of(app: &App, project: &Project, headers: &HeaderMap) -> Result<Response> {
    let surveys = app.store.live_surveys(project.id).await?;
    let surveys: Vec<Value> = surveys
        .iter()
        .map(|survey| {
            let body = &survey.body;
            let texts = texts::pick(None, &body.language, None);
            json!({
                "id": survey.id,
                "title": body.title,
                "launch": body.launch,
                "close": texts.close,
                "dir": texts::direction(&body.language),
            })
        })
        .collect();
    let on_accent = domain::colour::contrasting_text_colour(&project.accent);
    let body = json!({
        "accent": project.accent, "onAccent": on_accent, "theme": project.theme, "keep": project.kept_parameters, "surveys": surveys,
    })
    .to_string();
    let tag = format!("\"{}\"", hash_token(&body).get(..16).unwrap_or_default());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|h| h.to_str().ok());
    let fresh = known.is_some_and(|h| h.split(',').any(|t| t.trim().trim_start_matches("W/") == tag));
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `GET /embed/v1/{key}/portal`: redirects to the project's ticket portal with the widget's data about its page.
pub async fn portal(State(app): State<AppState>, Path(key): Path<String>, RawQuery(query): RawQuery) -> PageResult {
    let project = project(&app, &key).await?;
    if !project.portal {
        return Err(Refusal::NotFound.into());
    }
    let query = query.filter(|q| !q.is_empty()).map(|q| format!("?{q}")).unwrap_or_default();
    Ok(Redirect::to(&format!("/p/{}{query}", project.slug)).into_response())
}

/// `POST /embed/v1/{key}/responses`
pub async fn begin(State(app): State<AppState>, Path(key): Path<String>, address: ClientAddress, request: Request) -> Response {
    answer(&app, &key, None, address, request).await
}

/// `PUT /embed/v1/{key}/responses/{id}`
pub async fn update(
    State(app): State<AppState>,
    Path((key, id)): Path<(String, String)>,
    address: ClientAddress,
    request: Request,
) -> Response {
    answer(&app, &key, Some(&id), address, request).await
}

async fn answer(app: &App, key: &str, id: Option<&str>, address: ClientAddress, request: Request) -> Response {
    let headers = request.headers().clone();
    let size = hyper::body::Body::size_hint(request.body());
    let AdmittedSubmission { looked_up, limit } = match admit(app, key, address, &headers, &size).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let body = match read(app, request, limit).await {
        Ok(bytes) => {
            let counted = app.count_text(address.bucket(), bytes.len()).await;
            counted.map(|()| bytes).map_err(|error| ApiError(error).into_response())
        }
        refused => refused,
    };
    let mut tried = CachedAttempt::default();
    if let (None, Ok(bytes)) = (id, &body) {
        tried = try_remembered(app, key, &headers, bytes).await;
    }
    if let Some(response) = tried.response {
        return response;
    }
    let project = match looked_up {
        Some(project) => project,
        None => match project(app, key).await {
            Ok(project) => project,
            Err(error) => return ApiError(error).into_response(),
        },
    };
    let sender = sender(app, &project, &headers);
    let response = match (&sender, body) {
        (RequestOrigin::Foreign, _) => foreign(),
        (_, Err(refused)) => refused,
        (_, Ok(bytes)) => match store(app, &project, id, &headers, &bytes, tried.counted).await {
            Ok(response) => response,
            Err(SubmissionError::TooLarge) => too_large(limit),
            Err(SubmissionError::Malformed(detail)) => problem(StatusCode::BAD_REQUEST, "malformed", &detail),
            Err(SubmissionError::Error(error)) => ApiError(error).into_response(),
        },
    };
    with_cors(response, &project, &sender)
}

/// A submission whose body may be read.
struct AdmittedSubmission {
    /// The project, if it was queried.
    looked_up: Option<Project>,
    /// Maximum bytes of the body.
    limit: usize,
}

/// Checks a submission by its head: rejects rate-limited senders, unknown keys, foreign pages, and bodies larger than any survey of the
/// project needs, before the body is read. A cached key is not looked up; a deleted project is noticed later.
async fn admit(app: &App, key: &str, address: ClientAddress, headers: &HeaderMap, size: &SizeHint) -> Result<AdmittedSubmission, Response> {
    // Counted before any look-up. Without the project, no page may read the response; browsers report that as an error, too.
    let counted = app.limits.address(address.bucket(), app.now()).await;
    let is_ordinary = size.upper().is_some_and(|most| most <= BODY_LIMIT as u64);
    if counted.is_ok() && is_ordinary && app.remembered.knows(key) {
        return Ok(AdmittedSubmission { looked_up: None, limit: BODY_LIMIT });
    }
    let project = project(app, key).await.map_err(|error| ApiError(error).into_response())?;
    let sender = sender(app, &project, headers);
    let judged = match (counted, &sender) {
        (Err(limited), _) => Err(ApiError(limited).into_response()),
        (_, RequestOrigin::Foreign) => Err(foreign()),
        _ if is_ordinary => Ok(BODY_LIMIT),
        _ => most_of(app, &project).await.map_err(|error| ApiError(error).into_response()),
    };
    match judged {
        Ok(limit) if size.lower() > limit as u64 => Err(with_cors(too_large(limit), &project, &sender)),
        Ok(limit) => {
            app.remembered.put_key(key);
            Ok(AdmittedSubmission { looked_up: Some(project), limit })
        }
        Err(response) => Err(with_cors(response, &project, &sender)),
    }
}

/// Size limit of the largest live survey of a project.
async fn most_of(app: &App, project: &Project) -> Result<usize> {
    let surveys = app.store.live_surveys(project.id).await?;
    Ok(surveys.iter().map(|survey| most_bytes(&survey.body)).max().unwrap_or(BODY_LIMIT))
}

async fn read(app: &App, mut request: Request, limit: usize) -> Result<Bytes, Response> {
    let room = BodyMemory::of(request.extensions());
    DefaultBodyLimit::max(limit).apply(&mut request);
    Bytes::from_request(request, app).await.map_err(|rejection| match room.status(rejection.status()) {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(limit),
        StatusCode::SERVICE_UNAVAILABLE => ApiError(Refusal::Busy(RETRY_AFTER_SECONDS).into()).into_response(),
        status => problem(status, "malformed", "The body could not be read."),
    })
}

enum SubmissionError {
    TooLarge,
    Malformed(String),
    Error(Error),
}

impl<E: Into<Error>> From<E> for SubmissionError {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Maximum values in one submission; the largest survey, with 50 choices chosen in each of 50 questions, takes about half as many, counting
/// names and brackets.
const MAX_VALUES: usize = 20_000;

/// Whether a text has more JSON values than a submission needs: once parsed, each takes many times its size in memory.
fn has_too_many_values(json: &[u8]) -> bool {
    let (mut values, mut inside, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => values += 1,
            _ => {}
        }
    }
    values > MAX_VALUES
}

/// Outcome of a submission that was checked against a cached survey.
#[derive(Default)]
struct CachedAttempt {
    /// The response, if the submission was accepted or must wait. Otherwise everything is looked up.
    response: Option<Response>,
    /// The project quota that it was counted against.
    counted: Option<SubmissionQuota>,
}

async fn try_remembered(app: &App, key: &str, headers: &HeaderMap, bytes: &[u8]) -> CachedAttempt {
    let mut tried = CachedAttempt::default();
    let Some((input, target)) = remembered(app, key, bytes) else { return tried };
    let sender = sender(app, &target.project, headers);
    let (Ok(pairs), Ok(once)) = (read_pairs(&input), idempotency_key(&input, headers)) else { return tried };
    if sender == RequestOrigin::Foreign {
        return tried;
    }
    let begun = match app.limits.project(target.project.id, app.now()).await {
        Ok(intake) => {
            tried.counted = Some(intake);
            responses::begin_cached(app, &target, &once, &submission(app, &target, &input, headers, pairs)).await
        }
        Err(limited) => Err(limited),
    };
    if begun.is_err()
        && let Some(intake) = tried.counted.take()
    {
        intake.was_refused(&app.limits);
    }
    tried.response = match begun {
        Ok(None) => None,
        Ok(Some(begun)) => Some(taken(app, StatusCode::CREATED, begun).unwrap_or_else(|error| ApiError(error).into_response())),
        Err(error) => Some(ApiError(error).into_response()),
    };
    tried.response = tried.response.map(|response| with_cors(response, &target.project, &sender));
    tried
}

/// The cached survey of a submission; `None` if it is not cached or the submission names another project or version.
fn remembered(app: &App, key: &str, bytes: &[u8]) -> Option<(Map<String, Value>, Arc<SurveyTarget>)> {
    if has_too_many_values(bytes) {
        return None;
    }
    let Ok(Value::Object(input)) = serde_json::from_slice(&well_formed(bytes)) else { return None };
    let target = app.remembered.get(required_id(&input, "survey").ok()?)?;
    let is_version = input.get("version").is_none_or(|v| v.is_null() || v.as_str() == Some(&target.version.to_string()));
    (is_version && target.project.key == key).then_some((input, target))
}

fn taken(app: &App, status: StatusCode, begun: ResponseReceipt) -> Result<Response> {
    let body = json!({ "id": begun.id, "token": responses::token(app, begun.id)?, "finished": begun.finished });
    Ok((status, Json(body)).into_response())
}

async fn store(
    app: &App,
    project: &Project,
    id: Option<&str>,
    headers: &HeaderMap,
    bytes: &[u8],
    counted: Option<SubmissionQuota>,
) -> Result<Response, SubmissionError> {
    let intake = match counted {
        Some(intake) => intake,
        None => app.limits.project(project.id, app.now()).await?,
    };
    let stored = store_counted(app, project, id, headers, bytes).await;
    stored.inspect_err(|_| intake.was_refused(&app.limits))
}

async fn store_counted(
    app: &App,
    project: &Project,
    id: Option<&str>,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Response, SubmissionError> {
    if has_too_many_values(bytes) {
        return Err(SubmissionError::TooLarge);
    }
    let value: Value =
        serde_json::from_slice(&well_formed(bytes)).map_err(|e| SubmissionError::Malformed(format!("This is not JSON: {e}.")))?;
    let Value::Object(input) = value else { return Err(SubmissionError::Malformed("The body must be a JSON object.".into())) };
    let pairs = read_pairs(&input)?;
    let begun: ResponseReceipt = match id {
        None => {
            let survey: SurveyId = required_id(&input, "survey")?;
            let version: Option<VersionId> =
                input.get("version").filter(|v| !v.is_null()).map(|_| required_id(&input, "version")).transpose()?;
            let target = responses::target(app, survey, version).await?;
            if target.project.id != project.id {
                return Err(Refusal::NotFound.into());
            }
            let key = idempotency_key(&input, headers)?;
            let submission = submission(app, &target, &input, headers, pairs);
            let begun = responses::begin(app, &target, &key, &submission).await.map_err(|e| at_pointers(e, &input, &target))?;
            app.remembered.put(target);
            begun
        }
        Some(id) => {
            let id: ResponseId = id.parse().map_err(|_| Refusal::NotFound)?;
            let target = responses::verify_response_token(app, project.id, id, text(&input, "token")).await?;
            let submission = submission(app, &target, &input, headers, pairs);
            responses::update(app, &target, id, &submission).await.map_err(|e| at_pointers(e, &input, &target))?
        }
    };
    Ok(taken(app, if id.is_none() { StatusCode::CREATED } else { StatusCode::OK }, begun)?)
}

fn text<'a>(input: &'a Map<String, Value>, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn required_id<T: std::str::FromStr>(input: &Map<String, Value>, name: &str) -> Result<T, Refusal> {
    text(input, name).parse().map_err(|_| Refusal::field(&format!("/{name}"), "id", format!("“{name}” must be an ID.")))
}

/// The key in the header, or in the body for senders that cannot set headers.
fn idempotency_key(input: &Map<String, Value>, headers: &HeaderMap) -> Result<String, Refusal> {
    let header = headers.get("idempotency-key").and_then(|h| h.to_str().ok());
    let key = header.unwrap_or_else(|| text(input, "idempotency_key")).trim().trim_matches('"');
    if is_idempotency_key(key) {
        Ok(key.to_owned())
    } else {
        let message = "Send an Idempotency-Key of 8 to 100 visible ASCII characters, the same one for each retry.";
        Err(Refusal::field("/idempotency_key", "required", message))
    }
}

/// Parses `[["q1", "9"], ["q2", "c1"], …]`; numbers become their text.
fn read_pairs(input: &Map<String, Value>) -> Result<Vec<(String, String)>, Refusal> {
    let list = match input.get("answers") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::field("/answers", "type", "“answers” must be a list of pairs of name and value.")),
    };
    let mut errors = FieldErrors::default();
    let mut pairs = Vec::with_capacity(list.len());
    for (at, pair) in list.iter().enumerate() {
        let value = match pair.get(1) {
            Some(Value::String(text)) => Some(text.chars().filter(|c| *c != '\0').collect::<String>().replace("\r\n", "\n")),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        match (pair.get(0).and_then(Value::as_str), value) {
            (Some(name), Some(value)) => pairs.push((name.to_owned(), value)),
            _ => errors.add(&format!("/answers/{at}"), "type", "Each answer must be a pair of name and value, both strings."),
        }
    }
    errors.into_result(pairs)
}

/// Maps errors in answers to JSON pointers, in the respondent's language. A missing answer has no place: it points to `/answers` and its
/// question.
fn at_pointers(error: Error, input: &Map<String, Value>, target: &SurveyTarget) -> Error {
    let Some(Refusal::Invalid(errors)) = error.refusal() else { return error };
    let texts = texts::pick(input.get("language").and_then(Value::as_str), &target.body.language, None);
    let mut out = texts.translate(errors, &target.body);
    for refused in &mut out.0 {
        refused.field = format!("/answers/{}", refused.field);
    }
    Refusal::Invalid(out).into()
}

fn submission(
    app: &App,
    target: &SurveyTarget,
    input: &Map<String, Value>,
    headers: &HeaderMap,
    pairs: Vec<(String, String)>,
) -> ResponseInput {
    let measured = input.get("elapsed_ms").and_then(Value::as_i64).filter(|ms| *ms >= 0);
    let honeypot = !text(input, "honeypot").trim().is_empty();
    let started = input.get("started").and_then(Value::as_str);
    let signals = responses::signals(app, target.survey, started, measured, honeypot);
    ResponseInput {
        pairs,
        finished: input.get("finished").and_then(Value::as_bool).unwrap_or(false),
        page: responses::page(started, signals),
        signals,
        context: context(input, headers),
    }
}

/// The page's data about itself and its visitor. Invalid parts are left out: they are no reason to refuse the answers.
fn context(input: &Map<String, Value>, headers: &HeaderMap) -> ResponseContext {
    let none = Map::new();
    let said = input.get("context").and_then(Value::as_object).unwrap_or(&none);
    let contact = said.get("contact").and_then(Value::as_object).unwrap_or(&none);
    let source = match text(input, "source") {
        known @ ("link" | "popover" | "inline" | "frame") => known,
        _ => "api",
    };
    let attributes: Map<String, Value> = contact
        .get("attributes")
        .and_then(Value::as_object)
        .unwrap_or(&none)
        .iter()
        .filter_map(|(name, value)| {
            let value = match value {
                Value::String(text) => Value::String(clean_line(text, 500)?),
                Value::Number(_) | Value::Bool(_) => value.clone(),
                _ => return None,
            };
            Some((clean_line(name, 100)?, value))
        })
        .take(30)
        .collect();
    // IDs from the site are often numbers.
    let external_id = match contact.get("id") {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(text)) => clean_line(text, MAX_ID),
        _ => None,
    };
    ResponseContext {
        source: source.into(),
        page_url: web_address(text(said, "page_url")),
        referrer: web_address(text(said, "referrer")),
        release: clean_line(text(said, "release"), 100),
        environment: clean_line(text(said, "environment"), 100),
        user_agent: user_agent(headers),
        contact: ClaimedContact {
            external_id,
            email: clean_line(text(contact, "email"), MAX_EMAIL).and_then(|e| email::read(&e)),
            name: clean_line(text(contact, "name"), 200),
            attributes: (!attributes.is_empty()).then(|| Value::Object(attributes).to_string()),
            claim: Claim::Unsigned,
        },
        signed: SignedClaim::of(contact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not() {
        let answers = |n: usize| format!("{{\"answers\":[{}[]]}}", "[\"q1\",\"c1\"],".repeat(n));
        assert!(!has_too_many_values(answers(2_600).as_bytes()));
        assert!(has_too_many_values(answers(10_000).as_bytes()));
        let text = format!("{{\"answers\":[[\"q1\",\"{}\"]]}}", "a,[{\\\",\\\\".repeat(20_000));
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        assert!(!has_too_many_values(text.as_bytes()));
    }
}
