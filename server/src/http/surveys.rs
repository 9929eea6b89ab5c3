//! Surveys: list, templates, editor, preview.

use app::{
    respond::{DisplayMode, RespondentPageContext, SurveyFormContext, SurveyPage, texts},
    shell::{Flash, Nav, Undo},
    surveys::{
        EditConflict, EditorPage, EditorView, NewSurveyPage, SurveyListPage, SurveyReadPage, SurveyRef, SurveyRow, VersionLine,
        launch_words,
    },
};
use axum::{
    Extension, Router,
    extract::{Path, Query},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    ids::{SurveyId, VersionId},
    surveys::{LaunchTrigger, SurveyBody, SurveyStatus, draft::EditorAction},
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::{Error, Result},
    surveys::{self, CompetingButton, EditorSubmission},
};
use store::surveys::{Survey, SurveySummary};

use super::{
    address::BaseUrl,
    assets,
    console::ConsoleRequest,
    error::PageResult,
    forms::Form,
    security::{FramedBy, Nonce},
};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/surveys", get(list))
        .route("/p/{slug}/surveys/new", get(gallery).post(create))
        .route("/p/{slug}/surveys/{id}", get(open))
        .route("/p/{slug}/surveys/{id}/edit", get(edit).post(save))
        .route("/p/{slug}/surveys/{id}/preview", get(preview))
        .route("/p/{slug}/surveys/{id}/status", post(status))
        .route("/p/{slug}/surveys/{id}/duplicate", post(duplicate))
}

async fn list(console: ConsoleRequest) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let present = console.present();
    let surveys = console.app.store.surveys(&scope).await?;
    let live_versions = console.app.store.live_versions(&scope).await?;
    let rows: Vec<SurveyRow> = surveys
        .into_iter()
        .map(|SurveySummary { survey, responses, last_response }| SurveyRow {
            id: survey.id.to_string(),
            has_changes: survey.live_version.and_then(|id| live_versions.get(&id)).is_some_and(|live| live.body != survey.draft),
            name: survey.name,
            status: survey.status,
            launch: launch_words(&survey.draft.launch),
            questions: survey.draft.questions.len(),
            responses,
            last: last_response.map(|at| present.moment(at)),
            key: console.form_key(),
        })
        .collect();
    let slug = console.project()?.slug.clone();
    let can_edit = scope.role() >= Role::Admin;
    Ok(console.page("Surveys", Nav::Surveys, move || view! { <SurveyListPage slug=slug rows=rows can_edit=can_edit /> }))
}

async fn gallery(console: ConsoleRequest) -> PageResult {
    console.scope(Role::Admin)?;
    let (slug, key) = (console.project()?.slug.clone(), console.form_key());
    Ok(console.page("New survey", Nav::Surveys, move || view! { <NewSurveyPage slug=slug key=key /> }))
}

async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let slug = console.project()?.slug.clone();
    match surveys::create(&console.app, &scope, form.get("template"), form.get("name"), form.idempotency_key()?).await {
        Ok(id) => Ok(Redirect::to(&format!("/p/{slug}/surveys/{id}/edit")).into_response()),
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let (key, name) = (console.form_key(), form.get("name").to_owned());
            Ok(console.page_with(StatusCode::UNPROCESSABLE_ENTITY, "New survey", Nav::Surveys, move || {
                view! { <NewSurveyPage slug=slug key=key name=name errors=errors /> }
            }))
        }
        Err(other) => Err(other.into()),
    }
}

fn parse_id(text: &str) -> Result<SurveyId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn load(console: &ConsoleRequest, scope: &Scope, id: &str) -> Result<Survey> {
    console.app.store.survey(scope, parse_id(id)?).await?.ok_or_else(|| Refusal::NotFound.into())
}

async fn open(Path((slug, id)): Path<(String, String)>, console: ConsoleRequest) -> PageResult {
    let survey = load(&console, &console.scope(Role::Viewer)?, &id).await?;
    Ok(Redirect::to(&format!("/p/{slug}/surveys/{}/edit", survey.id)).into_response())
}

/// Editor page state besides the stored survey.
#[derive(Default)]
struct EditorPageState {
    status: StatusCode,
    /// Survey body that could not be saved, and the revision that it is based on.
    typed: Option<(SurveyBody, i64)>,
    errors: FieldErrors,
    conflict: Option<String>,
}

async fn edit(Path((_, id)): Path<(String, String)>, console: ConsoleRequest, BaseUrl(base): BaseUrl) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let survey = load(&console, &scope, &id).await?;
    Ok(editor(&console, &scope, &base, survey, EditorPageState::default()).await?)
}

async fn editor(console: &ConsoleRequest, scope: &Scope, base: &str, survey: Survey, shown: EditorPageState) -> Result<Response> {
    let store = &console.app.store;
    let versions = store.survey_versions(scope, survey.id).await?;
    let (can_undo, can_redo) = store.undo_availability(&survey).await?;
    let live = versions.iter().find(|v| Some(v.id) == survey.live_version);
    let has_changes = live.is_some_and(|v| v.body != survey.draft);
    let link = live.map(|_| format!("{base}/s/{}", survey.id));
    let versions = versions
        .iter()
        .map(|v| VersionLine {
            id: v.id.to_string(),
            number: v.number,
            at: console.present().readable(v.published_at),
            at_iso: v.published_at.rfc3339(),
            by: v.published_by.clone(),
            questions: v.body.questions.len(),
            is_current: Some(v.id) == survey.live_version,
        })
        .collect();
    let reference =
        SurveyRef { slug: console.project()?.slug.clone(), id: survey.id.to_string(), name: survey.name.clone(), status: survey.status };
    if scope.role() < Role::Admin {
        return Ok(console.page(&survey.name, Nav::Surveys, move || {
            view! { <SurveyReadPage survey=reference body=survey.draft revision=survey.revision versions=versions link=link /> }
        }));
    }
    let button_note = surveys::competing_button(&console.app, scope, &survey).await?.map(|rival| button_note(&rival));
    let (body, revision) = shown.typed.unwrap_or((survey.draft, survey.revision));
    let view = EditorView {
        survey: reference,
        body,
        revision,
        key: console.form_key(),
        status_key: console.form_key(),
        errors: shown.errors,
        conflict: shown.conflict.map(|message| EditConflict { message, revision: survey.revision }),
        can_undo,
        can_redo,
        has_changes,
        versions,
        link,
        button_note,
    };
    Ok(console.page_with(shown.status, &survey.name, Nav::Surveys, move || view! { <EditorPage editor=view /> }))
}

/// A note that a site shows only one survey's button, and which survey's.
fn button_note(rival: &CompetingButton) -> String {
    let CompetingButton { name, is_shown } = rival;
    if *is_shown {
        format!("“{name}” is live and has the button. A site shows only the button of the newest survey, so this one’s is not shown.")
    } else {
        format!("“{name}” is also live with a button. A site shows only the button of the newest survey, so this one’s replaces it.")
    }
}

async fn save(Path((slug, id)): Path<(String, String)>, console: ConsoleRequest, BaseUrl(origin): BaseUrl, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let survey = parse_id(&id)?;
    let key = form.idempotency_key()?.to_owned();
    let action = EditorAction::parse(form.get("action"))
        .ok_or_else(|| Refusal::field("action", "unknown", "This page is out of date. Open it in a new tab."))?;
    let revision: i64 = form.get("revision").parse().unwrap_or(0);
    let pairs = form.0;
    let posted = EditorSubmission { pairs: pairs.clone(), revision, action: action.clone() };
    let done = surveys::edit(&console.app, &scope, survey, posted, &key).await;
    if action == EditorAction::Autosave {
        return autosaved(done);
    }
    let edited = match done {
        Ok(edited) => edited,
        Err(Error::Domain(refusal @ (Refusal::Conflict(_) | Refusal::Invalid(_)))) => {
            let row = load(&console, &scope, &id).await?;
            let shown = refused_state(refusal, &pairs, &row, revision);
            return Ok(editor(&console, &scope, &origin, row, shown).await?);
        }
        Err(other) => return Err(other.into()),
    };
    let base = format!("/p/{slug}/surveys/{survey}/edit");
    if action == EditorAction::Publish {
        return match surveys::publish(&console.app, &scope, survey, edited.revision, &key).await {
            Ok(done) => {
                let mut message = match done.is_new {
                    true => format!("Version {} is live.", done.number),
                    false => format!("Live. Nothing has changed since version {}.", done.number),
                };
                let row = load(&console, &scope, &id).await?;
                if let (LaunchTrigger::Button { .. }, Some(rival)) =
                    (&row.draft.launch, surveys::competing_button(&console.app, &scope, &row).await?)
                {
                    message = format!("{message} {}", button_note(&rival));
                }
                Ok(console.redirect_with_message(&base, &message))
            }
            Err(Error::Domain(Refusal::Invalid(errors))) => {
                let row = load(&console, &scope, &id).await?;
                let shown = EditorPageState { status: StatusCode::UNPROCESSABLE_ENTITY, errors, ..EditorPageState::default() };
                Ok(editor(&console, &scope, &origin, row, shown).await?)
            }
            Err(other) => Err(other.into()),
        };
    }
    let url = edited.focus.map_or_else(|| base.clone(), |at| format!("{base}?at={at}#{at}"));
    let undo = edited.undo.map(|action| Undo { url: base, fields: vec![("action".into(), action)] });
    let message = edited.message.or_else(|| matches!(action, EditorAction::Save | EditorAction::Overwrite(_)).then(|| "Saved.".to_owned()));
    Ok(match message {
        Some(message) => console.redirect(&url, &Flash { message, is_error: false, undo }),
        None => Redirect::to(&url).into_response(),
    })
}

/// The page for a rejected post: the form keeps the submitted text.
fn refused_state(refusal: Refusal, pairs: &[(String, String)], row: &Survey, revision: i64) -> EditorPageState {
    let whole = pairs.iter().any(|(name, _)| name == "whole");
    let typed = whole.then(|| (SurveyBody::read_form(pairs, &row.draft, row.last_number), revision));
    match refusal {
        Refusal::Conflict(message) => {
            EditorPageState { status: StatusCode::CONFLICT, typed, conflict: Some(message), ..EditorPageState::default() }
        }
        Refusal::Invalid(errors) => {
            EditorPageState { status: StatusCode::UNPROCESSABLE_ENTITY, typed, errors, ..EditorPageState::default() }
        }
        _ => EditorPageState::default(),
    }
}

/// Response to an autosave: the revision as text, or the error.
fn autosaved(done: Result<surveys::SurveyEditOutcome>) -> PageResult {
    match done {
        Ok(edited) => Ok(edited.revision.to_string().into_response()),
        Err(other) => Err(other.into()),
    }
}

#[derive(Deserialize)]
struct PreviewQuery {
    version: Option<String>,
}

async fn preview(
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<PreviewQuery>,
    Nonce(nonce): Nonce,
    console: ConsoleRequest,
) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let survey = load(&console, &scope, &id).await?;
    let body = match query.version {
        None => survey.draft,
        Some(version) => {
            let version: VersionId = version.parse().map_err(|_| Refusal::NotFound)?;
            let found = console.app.store.survey_version(&scope, version).await?;
            found.filter(|v| v.survey == survey.id).ok_or(Refusal::NotFound)?.body
        }
    };
    let project = console.project()?;
    let look = RespondentPageContext {
        mode: DisplayMode::Preview,
        accent: project.accent.clone(),
        theme: project.theme,
        language: body.language.clone(),
        texts: texts::pick(None, &body.language, None),
        nonce,
        css: assets::url("respond.css"),
        js: assets::url("survey.js"),
    };
    let ticket = SurveyFormContext { survey: survey.id.to_string(), ..SurveyFormContext::default() };
    let html = app::render::document(move || view! { <SurveyPage look=look ticket=ticket body=body /> });
    // Only the editor may frame it.
    Ok((Extension(FramedBy(vec!["'self'".into()])), Html(html)).into_response())
}

async fn status(Path((slug, id)): Path<(String, String)>, console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let survey = parse_id(&id)?;
    form.idempotency_key()?;
    let status = SurveyStatus::parse(form.get("status"))
        .ok_or_else(|| Refusal::field("status", "unknown", "Choose to pause, resume or close the survey."))?;
    let was = SurveyStatus::parse(form.get("was"));
    surveys::set_status(&console.app, &scope, survey, was, status).await?;
    let message = match status {
        SurveyStatus::Live => "The survey is accepting responses again.",
        SurveyStatus::Paused => "Paused: the survey is not accepting responses for now.",
        SurveyStatus::Closed => "Closed: the survey no longer accepts responses.",
        SurveyStatus::Draft => "",
    };
    let undo = was.filter(|was| *was != status && *was != SurveyStatus::Draft).map(|was| Undo {
        url: format!("/p/{slug}/surveys/{survey}/status"),
        fields: vec![("was".into(), status.as_str().into()), ("status".into(), was.as_str().into())],
    });
    Ok(console.redirect(&format!("/p/{slug}/surveys/{survey}/edit"), &Flash { message: message.into(), is_error: false, undo }))
}

async fn duplicate(Path((slug, id)): Path<(String, String)>, console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let copy = surveys::duplicate(&console.app, &scope, parse_id(&id)?, form.idempotency_key()?).await?;
    Ok(console
        .redirect_with_message(&format!("/p/{slug}/surveys/{copy}/edit"), "This is the copy. People can answer it once you publish it."))
}
