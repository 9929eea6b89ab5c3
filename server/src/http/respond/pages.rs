//! The survey as a page: of its own, or in a frame. Works without JavaScript.

use app::{
    render,
    respond::{HONEYPOT, Look, Mode, NoticePage, SurveyPage, ThanksPage, Ticket, texts},
};
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use domain::{Error as Refusal, FieldErrors, ids::SurveyId, surveys::SurveyStatus};
use leptos::prelude::*;
use serde::Deserialize;

use super::{Sender, sender, user_agent};
use crate::{
    error::Result,
    http::{
        address::ClientAddress,
        assets,
        error::PageResult,
        forms::Form,
        security::{FramedBy, Nonce},
    },
    responses::{self, Context, Submission, Target},
    state::{App, AppState},
};

/// How the page is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// In a frame.
    embed: Option<String>,
    /// The language of our texts.
    lang: Option<String>,
    /// The origin of the page around the frame.
    parent: Option<String>,
}

impl Asked {
    fn mode(&self) -> Mode {
        if self.embed.as_deref().is_some_and(|e| e != "0") { Mode::Embedded } else { Mode::Hosted }
    }
}

fn survey_id(text: &str) -> Result<SurveyId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

fn look(target: &Target, asked: &Asked, headers: &HeaderMap, nonce: Nonce) -> Look {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|h| h.to_str().ok());
    Look {
        mode: asked.mode(),
        accent: target.project.accent.clone(),
        theme: target.project.theme,
        language: target.body.language.clone(),
        texts: texts::pick(asked.lang.as_deref(), &target.body.language, accept),
        nonce: nonce.0,
        css: assets::url("respond.css"),
        js: assets::url("survey.js"),
    }
}

/// Answers with a page that the project's sites may frame.
fn framed<V: IntoView + 'static>(target: &Target, status: StatusCode, view: impl FnOnce() -> V) -> Response {
    let mut response = (status, Html(render::document(view))).into_response();
    response.extensions_mut().insert(FramedBy(target.project.origins.clone()));
    response
}

fn closed(target: &Target, status: StatusCode, look: Look) -> Response {
    let texts = look.texts;
    let (title, text) = match target.status {
        SurveyStatus::Paused => (texts.paused_title, texts.paused),
        _ => (texts.closed_title, texts.closed),
    };
    // These words are ours, in our language.
    let look = Look { language: texts.code.into(), ..look };
    framed(target, status, move || view! { <NoticePage look=look title=title text=text /> })
}

fn form(
    app: &App,
    target: &Target,
    asked: &Asked,
    look: Look,
    key: Option<&str>,
    (values, errors): (Vec<(String, String)>, FieldErrors),
) -> Result<Response> {
    let parent = asked.parent.as_deref().filter(|p| url::Url::parse(p).is_ok_and(|u| u.origin().ascii_serialization() == **p));
    let started = values.iter().find(|(n, _)| n == "started").map(|(_, v)| v.clone());
    let ticket = Ticket {
        survey: target.survey.to_string(),
        version: target.version.to_string(),
        key: target.project.key.clone(),
        started: started.map_or_else(|| responses::start_token(app, target.survey, app.now()), Ok)?,
        idempotency_key: key.map_or_else(|| app.ids.uuid().to_string(), ToOwned::to_owned),
        parent: parent.filter(|p| target.project.allows(p)).map(ToOwned::to_owned),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let body = target.body.clone();
    Ok(framed(target, status, move || view! { <SurveyPage look=look ticket=ticket body=body values=values errors=errors /> }))
}

/// `GET /s/{survey}`
pub async fn survey(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    nonce: Nonce,
    headers: HeaderMap,
) -> PageResult {
    let target = responses::target(&app, survey_id(&id)?, None).await?;
    let look = look(&target, &asked, &headers, nonce);
    if target.status != SurveyStatus::Live {
        return Ok(closed(&target, StatusCode::OK, look));
    }
    Ok(form(&app, &target, &asked, look, None, (Vec::new(), FieldErrors::default()))?)
}

/// `GET /s/{survey}/thanks`
pub async fn thanks(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    nonce: Nonce,
    headers: HeaderMap,
) -> PageResult {
    let target = responses::target(&app, survey_id(&id)?, None).await?;
    let look = look(&target, &asked, &headers, nonce);
    let body = target.body.clone();
    Ok(framed(&target, StatusCode::OK, move || view! { <ThanksPage look=look body=body /> }))
}

/// `POST /s/{survey}`: the whole form at once, from browsers without JavaScript.
pub async fn submit(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    nonce: Nonce,
    address: ClientAddress,
    headers: HeaderMap,
    posted: Form,
) -> PageResult {
    let survey = survey_id(&id)?;
    app.limits.address(address.bucket())?;
    let version = posted.get("version").parse().ok();
    let target = responses::target(&app, survey, version).await?;
    app.limits.project(target.project.id)?;
    if sender(&app, &target.project, &headers) == Sender::Foreign {
        return Err(Refusal::Forbidden.into());
    }
    let key = posted.idempotency_key()?.to_owned();
    let signals = responses::signals(&app, survey, Some(posted.get("started")), None, !posted.get(HONEYPOT).trim().is_empty());
    let context = Context {
        source: if asked.mode() == Mode::Embedded { "frame" } else { "link" }.into(),
        user_agent: user_agent(&headers),
        ..Context::default()
    };
    let submission = Submission { pairs: posted.0.clone(), finished: true, signals, context };
    let look = look(&target, &asked, &headers, nonce);
    match responses::begin(&app, &target, &key, submission).await {
        Ok(_) => {
            let embed = if asked.mode() == Mode::Embedded { "&embed=1" } else { "" };
            Ok(Redirect::to(&format!("/s/{survey}/thanks?lang={}{embed}", look.texts.code)).into_response())
        }
        Err(error) => match error.refusal() {
            Some(Refusal::Invalid(errors)) => {
                let errors = look.texts.translate(errors, &target.body);
                Ok(form(&app, &target, &asked, look, Some(&key), (posted.0, errors))?)
            }
            Some(Refusal::Conflict(_)) => Ok(closed(&target, StatusCode::CONFLICT, look)),
            Some(Refusal::Busy(seconds)) => {
                let (title, text, seconds) = (look.texts.busy_title, look.texts.busy, *seconds);
                let page =
                    framed(&target, StatusCode::SERVICE_UNAVAILABLE, move || view! { <NoticePage look=look title=title text=text /> });
                Ok(([(header::RETRY_AFTER, seconds.to_string())], page).into_response())
            }
            _ => Err(error.into()),
        },
    }
}
