//! The survey as a page, standalone or in a frame. Works without JavaScript.

use app::{
    render,
    respond::{DisplayMode, NoticePage, RespondentPageContext, RespondentTexts, SurveyFormContext, SurveyPage, ThanksPage, texts},
};
use axum::{
    extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use domain::{
    DomainError as Refusal, FieldErrors,
    ids::SurveyId,
    language::is_same,
    projects::{DEFAULT_ACCENT, ThemeMode},
    responses::ResponseContext,
    spam::HONEYPOT,
    surveys::SurveyStatus,
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::{Error, Result},
    limits::budget::FREE_BODY_BYTES,
    responses::{self, CountedSubmission, ResponseInput},
    state::{App, AppState},
    survey_cache::SurveyTarget,
};

use super::{RequestOrigin, most_bytes, sender, user_agent};
use crate::http::{
    address::ClientAddress,
    assets,
    error::{self, PageResult},
    forms::Form,
    refusal::with_page,
    security::{FramedBy, Nonce},
};

/// Query parameters of a survey page.
#[derive(Debug, Default, Deserialize)]
pub struct SurveyPageQuery {
    /// Set in a frame.
    embed: Option<String>,
    /// Language of our texts.
    lang: Option<String>,
    /// The origin of the page around the frame.
    parent: Option<String>,
}

impl SurveyPageQuery {
    fn mode(&self) -> DisplayMode {
        if self.embed.as_deref().is_some_and(|e| e != "0") { DisplayMode::Embedded } else { DisplayMode::Hosted }
    }
}

fn survey_id(text: &str) -> Result<SurveyId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

fn look(target: &SurveyTarget, asked: &SurveyPageQuery, headers: &HeaderMap, nonce: Nonce) -> RespondentPageContext {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|h| h.to_str().ok());
    let texts = texts::pick(asked.lang.as_deref(), &target.body.language, accept);
    let is_asked = asked.lang.as_deref().is_some_and(|lang| is_same(lang, texts.code));
    RespondentPageContext {
        mode: asked.mode(),
        accent: target.project.accent.clone(),
        theme: target.project.theme,
        language: if is_asked { texts.code.to_owned() } else { target.body.language.clone() },
        texts,
        nonce: nonce.0,
        css: assets::url("respond.css"),
        js: assets::url("survey.js"),
    }
}

/// Responds with a page that the project's sites may frame.
fn framed<V: IntoView + 'static>(target: &SurveyTarget, status: StatusCode, view: impl FnOnce() -> V) -> Response {
    let mut response = (status, Html(render::document(view))).into_response();
    response.extensions_mut().insert(FramedBy(target.project.origins.clone()));
    response
}

fn closed(target: &SurveyTarget, status: StatusCode, look: RespondentPageContext) -> Response {
    let texts = look.texts;
    let (title, text) = match target.status {
        SurveyStatus::Paused => (texts.paused_title, texts.paused),
        _ => (texts.closed_title, texts.closed),
    };
    notice(target, status, look, (title, text))
}

/// A short message in the language of our texts.
fn notice(target: &SurveyTarget, status: StatusCode, look: RespondentPageContext, (title, text): (&'static str, &'static str)) -> Response {
    let look = RespondentPageContext { language: look.texts.code.into(), ..look };
    framed(target, status, move || view! { <NoticePage look=look title=title text=text /> })
}

/// State of a form that is shown again.
#[derive(Default)]
struct SurveyFormState {
    /// Its idempotency key; none for a new one.
    key: Option<String>,
    /// The submitted values.
    values: Vec<(String, String)>,
    /// Errors at the fields.
    errors: FieldErrors,
    /// A message that does not concern a field.
    message: Option<String>,
}

fn form(
    app: &App,
    target: &SurveyTarget,
    asked: &SurveyPageQuery,
    look: RespondentPageContext,
    status: StatusCode,
    filled: SurveyFormState,
) -> Result<Response> {
    let SurveyFormState { key, values, errors, message } = filled;
    let parent = asked.parent.as_deref().filter(|p| url::Url::parse(p).is_ok_and(|u| u.origin().ascii_serialization() == **p));
    let started = values.iter().find(|(n, _)| n == "started").map(|(_, v)| v.clone());
    let ticket = SurveyFormContext {
        survey: target.survey.to_string(),
        version: target.version.to_string(),
        key: target.project.key.clone(),
        started: started.map_or_else(|| responses::start_token(app, target.survey, app.now()), Ok)?,
        idempotency_key: key.unwrap_or_else(|| app.ids.uuid().to_string()),
        parent: parent.filter(|p| target.project.allows_origin(p)).map(ToOwned::to_owned),
    };
    let body = target.body.clone();
    Ok(framed(
        target,
        status,
        move || view! { <SurveyPage look=look ticket=ticket body=body values=values errors=errors message=message /> },
    ))
}

/// Title and text for a request that failed before or without finding a survey.
fn words(texts: &'static RespondentTexts, method: &Method, status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => (texts.missing_title, texts.missing),
        StatusCode::FORBIDDEN => (texts.busy_title, texts.foreign),
        StatusCode::PAYLOAD_TOO_LARGE => (texts.busy_title, texts.too_large),
        _ if *method == Method::POST => (texts.busy_title, texts.busy),
        _ => (texts.busy_title, texts.fault),
    }
}

/// Replaces any failure without a respondent page by one in the respondent's language that may be framed: browsers do not show the
/// console's error pages in frames, and respondents have no use for their links.
pub async fn dress(nonce: Nonce, request: Request, next: Next) -> Response {
    let asked = Query::<SurveyPageQuery>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    let accept = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || response.extensions().get::<FramedBy>().is_some() {
        return response;
    }
    let texts = texts::pick(asked.lang.as_deref(), "", accept.as_ref().and_then(|h| h.to_str().ok()));
    let look = RespondentPageContext {
        mode: asked.mode(),
        accent: DEFAULT_ACCENT.into(),
        theme: ThemeMode::Auto,
        language: texts.code.into(),
        texts,
        nonce: nonce.0,
        css: assets::url("respond.css"),
        js: String::new(),
    };
    let (title, text) = words(texts, &method, status);
    let html = render::document(move || view! { <NoticePage look=look title=title text=text /> });
    let mut response = with_page(response, html);
    response.extensions_mut().insert(FramedBy(Vec::new()));
    response
}

/// `GET /s/{survey}`
pub async fn survey(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<SurveyPageQuery>,
    nonce: Nonce,
    headers: HeaderMap,
) -> PageResult {
    let target = responses::target(&app, survey_id(&id)?, None).await?;
    let look = look(&target, &asked, &headers, nonce);
    if target.status != SurveyStatus::Live {
        return Ok(closed(&target, StatusCode::OK, look));
    }
    Ok(form(&app, &target, &asked, look, StatusCode::OK, SurveyFormState::default())?)
}

/// `GET /s/{survey}/thanks`
pub async fn thanks(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<SurveyPageQuery>,
    nonce: Nonce,
    headers: HeaderMap,
) -> PageResult {
    let target = responses::target(&app, survey_id(&id)?, None).await?;
    let look = look(&target, &asked, &headers, nonce);
    let body = target.body.clone();
    Ok(framed(&target, StatusCode::OK, move || view! { <ThanksPage look=look body=body /> }))
}

/// `POST /s/{survey}`: the entire form at once, from browsers without JavaScript.
pub async fn submit(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<SurveyPageQuery>,
    nonce: Nonce,
    address: ClientAddress,
    headers: HeaderMap,
    mut request: Request,
) -> PageResult {
    let survey = survey_id(&id)?;
    // Counted before any look-up. Over the limit, the form is only shown again with its values, if they are small.
    let counted = CountedSubmission::begin(&app, address.bucket()).await;
    let mut target = responses::target(&app, survey, None).await?;
    let limit = if counted.is_ok() { most_bytes(&target.body) } else { FREE_BODY_BYTES };
    DefaultBodyLimit::max(limit).apply(&mut request);
    let posted = match Form::from_request(request, &()).await {
        Ok(posted) => posted,
        Err(response) if response.status() == StatusCode::PAYLOAD_TOO_LARGE => return counted.map(|_| response).map_err(Into::into),
        Err(response) => return Ok(response),
    };
    if let Some(version) = posted.get("version").parse().ok().filter(|version| *version != target.version) {
        target = responses::target(&app, survey, Some(version)).await?;
    }
    let look = look(&target, &asked, &headers, nonce);
    if sender(&app, &target.project, &headers) == RequestOrigin::Foreign {
        let words = words(look.texts, &Method::POST, StatusCode::FORBIDDEN);
        return Ok(notice(&target, StatusCode::FORBIDDEN, look, words));
    }
    let Ok(key) = posted.idempotency_key().map(ToOwned::to_owned) else {
        let filled = SurveyFormState { values: posted.0, message: Some(look.texts.stale.into()), ..SurveyFormState::default() };
        return Ok(form(&app, &target, &asked, look, StatusCode::UNPROCESSABLE_ENTITY, filled)?);
    };
    let stored = async {
        let counted = counted?;
        counted.count_text(posted.bytes()).await?;
        counted.store(target.project.id, responses::begin(&app, &target, &key, &submission(&asked, &headers, &posted))).await
    };
    let error = match stored.await {
        Ok(_) => return Ok(Redirect::to(&look.url(&format!("/s/{survey}/thanks"))).into_response()),
        Err(error) => error,
    };
    let filled = SurveyFormState { key: Some(key), values: posted.0, ..SurveyFormState::default() };
    Ok(refused(&app, &target, &asked, look, &error, filled)?)
}

fn submission(asked: &SurveyPageQuery, headers: &HeaderMap, posted: &Form) -> ResponseInput {
    let honeypot = !posted.get(HONEYPOT).trim().is_empty();
    let context = ResponseContext {
        source: if asked.mode() == DisplayMode::Embedded { "frame" } else { "link" }.into(),
        user_agent: user_agent(headers),
        ..ResponseContext::default()
    };
    let started = Some(posted.get("started").to_owned());
    ResponseInput { pairs: posted.0.clone(), finished: true, started, elapsed_ms: None, honeypot, context }
}

/// The response to rejected answers: the form with its values, or a notice if the survey is closed.
fn refused(
    app: &App,
    target: &SurveyTarget,
    asked: &SurveyPageQuery,
    look: RespondentPageContext,
    error: &Error,
    filled: SurveyFormState,
) -> Result<Response> {
    error::log(error);
    let texts = look.texts;
    let mut filled = filled;
    let (status, message, after) = match error.refusal() {
        Some(Refusal::Invalid(errors)) => {
            let errors = texts.translate(errors, &target.body);
            return form(app, target, asked, look, StatusCode::UNPROCESSABLE_ENTITY, SurveyFormState { errors, ..filled });
        }
        Some(Refusal::Conflict(_)) => return Ok(closed(target, StatusCode::CONFLICT, look)),
        Some(Refusal::RateLimited(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, texts.wait.replace("{seconds}", &seconds.to_string()), Some(*seconds))
        }
        // The form gets a new key, so that sending it again is accepted.
        Some(Refusal::KeyReused) => {
            filled.key = None;
            (StatusCode::UNPROCESSABLE_ENTITY, texts.again.to_owned(), None)
        }
        Some(Refusal::Busy(seconds)) => (StatusCode::SERVICE_UNAVAILABLE, texts.again.to_owned(), Some(*seconds)),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, texts.again.to_owned(), None),
    };
    let mut page = form(app, target, asked, look, status, SurveyFormState { message: Some(message), ..filled })?;
    if let Some(seconds) = after {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(page)
}
