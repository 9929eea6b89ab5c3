//! `/embed/v1`: the widget's configuration and submissions. Open to the project's sites by CORS, never with credentials.

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
    DomainError as Refusal,
    ids::{ProjectId, ResponseId},
    projects::Project,
    responses::ResponseReceipt,
};
use hyper::body::SizeHint;
use serde_json::{Value, json};
use service::{
    error::{Error, Result},
    responses::{self, CountedSubmission, NewSubmission, RejectedSubmission, StoredSubmission, SubmissionUpdate},
    state::{App, AppState},
    survey_cache::SurveyTarget,
};
use store::hash::hash_token;

use super::{
    RequestOrigin, most_bytes, sender,
    submission::{BodyError, SubmissionBody},
};
use crate::http::{
    self, BODY_LIMIT,
    address::ClientAddress,
    error::{ApiError, PageResult, RETRY_AFTER_SECONDS},
    limits::BodyMemory,
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

fn foreign() -> Response {
    problem(StatusCode::FORBIDDEN, "origin", "This site is not among the project's allowed origins.")
}

/// `OPTIONS`
pub async fn preflight(State(app): State<AppState>, Path(params): Path<Vec<(String, String)>>, headers: HeaderMap) -> Response {
    let key = params.iter().find(|(name, _)| name == "key").map_or("", |(_, v)| v.as_str());
    let project = match responses::project(&app, key).await {
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
    let project = match responses::project(&app, &key).await {
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
    let project = responses::project(&app, &key).await?;
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

/// Takes a submission, and lets the page that sent it read the response.
async fn answer(app: &App, key: &str, id: Option<&str>, address: ClientAddress, request: Request) -> Response {
    let headers = request.headers().clone();
    match take(app, key, id, address, &headers, request).await {
        Ok((response, target)) => with_cors(response, &target.project, &sender(app, &target.project, &headers)),
        Err(refused) => match responses::project(app, key).await {
            Ok(project) => match sender(app, &project, &headers) {
                RequestOrigin::Foreign => with_cors(foreign(), &project, &RequestOrigin::Foreign),
                sender => with_cors(refused, &project, &sender),
            },
            Err(error) => ApiError(error).into_response(),
        },
    }
}

/// Processes one submission, from the request's head to the stored response.
async fn take(
    app: &App,
    key: &str,
    id: Option<&str>,
    address: ClientAddress,
    headers: &HeaderMap,
    request: Request,
) -> Result<(Response, Arc<SurveyTarget>), Response> {
    let counted = CountedSubmission::begin(app, address.bucket()).await.map_err(refused)?;
    let size = hyper::body::Body::size_hint(request.body());
    let Admission { project, limit } = admit(app, key, headers, &size).await?;
    let bytes = read(app, request, limit).await?;
    counted.count_text(bytes.len()).await.map_err(refused)?;
    let body = SubmissionBody::parse(&bytes).map_err(|error| match error {
        BodyError::TooManyValues => too_large(limit),
        BodyError::Malformed(detail) => problem(StatusCode::BAD_REQUEST, "malformed", &detail),
    })?;
    let language = body.language.clone();
    let (receipt, target) = match id {
        None => counted.store(project, begin_response(app, key, headers, body)).await,
        Some(id) => counted.store(project, update_response(app, key, id, headers, body)).await,
    }
    .map_err(|rejected| refused(at_pointers(rejected, language.as_deref())))?;
    let status = if id.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((receipt_response(app, status, receipt).map_err(refused)?, target))
}

async fn begin_response(app: &App, key: &str, headers: &HeaderMap, body: SubmissionBody) -> Result<StoredSubmission, RejectedSubmission> {
    let new = NewSubmission {
        project_key: key.to_owned(),
        survey: body.survey()?,
        version: body.version()?,
        key: body.idempotency_key(headers)?,
        input: body.into_input(headers)?,
    };
    responses::submit(app, &new, admits(app, headers)).await
}

async fn update_response(
    app: &App,
    key: &str,
    id: &str,
    headers: &HeaderMap,
    mut body: SubmissionBody,
) -> Result<StoredSubmission, RejectedSubmission> {
    let response: ResponseId = id.parse().map_err(|_| Refusal::NotFound)?;
    let token = body.token.take().unwrap_or_default();
    let more = SubmissionUpdate { project_key: key.to_owned(), response, token, input: body.into_input(headers)? };
    responses::submit_update(app, &more, admits(app, headers)).await
}

fn admits(app: &App, headers: &HeaderMap) -> impl Fn(&Project) -> bool + Send + Sync {
    move |project| sender(app, project, headers) != RequestOrigin::Foreign
}

fn refused(error: Error) -> Response {
    ApiError(error).into_response()
}

/// A submission whose body may be read.
struct Admission {
    project: ProjectId,
    /// Maximum size of the body, in bytes.
    limit: usize,
}

/// Checks a submission by its head, before the body is read: the project's key, and the size that its surveys need. An ordinary submission
/// to a cached project takes no query.
async fn admit(app: &App, key: &str, headers: &HeaderMap, size: &SizeHint) -> Result<Admission, Response> {
    if size.upper().is_some_and(|most| most <= BODY_LIMIT as u64) {
        let project = responses::project_id(app, key).await.map_err(refused)?;
        return Ok(Admission { project, limit: BODY_LIMIT });
    }
    let project = responses::project(app, key).await.map_err(refused)?;
    if sender(app, &project, headers) == RequestOrigin::Foreign {
        return Err(foreign());
    }
    let surveys = app.store.live_surveys(project.id).await.map_err(refused)?;
    let limit = surveys.iter().map(|survey| most_bytes(&survey.body)).max().unwrap_or(BODY_LIMIT);
    if size.lower() > limit as u64 { Err(too_large(limit)) } else { Ok(Admission { project: project.id, limit }) }
}

async fn read(app: &App, mut request: Request, limit: usize) -> Result<Bytes, Response> {
    let room = BodyMemory::of(request.extensions());
    DefaultBodyLimit::max(limit).apply(&mut request);
    Bytes::from_request(request, app).await.map_err(|rejection| match room.status(rejection.status()) {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(limit),
        StatusCode::SERVICE_UNAVAILABLE => refused(Refusal::Busy(RETRY_AFTER_SECONDS).into()),
        status => problem(status, "malformed", "The body could not be read."),
    })
}

fn receipt_response(app: &App, status: StatusCode, receipt: ResponseReceipt) -> Result<Response> {
    let body = json!({ "id": receipt.id, "token": responses::token(app, receipt.id)?, "finished": receipt.finished });
    Ok((status, Json(body)).into_response())
}

/// Errors of answers with their place in the body, in the respondent's language. A missing answer has no place: its error points to `/answers`
/// and its question.
fn at_pointers(rejected: RejectedSubmission, language: Option<&str>) -> Error {
    let RejectedSubmission { error, target } = rejected;
    let (Some(Refusal::Invalid(errors)), Some(target)) = (error.refusal(), target) else { return error };
    let mut out = texts::pick(language, &target.body.language, None).translate(errors, &target.body);
    for refused in &mut out.0 {
        refused.field = format!("/answers/{}", refused.field);
    }
    Refusal::Invalid(out).into()
}
