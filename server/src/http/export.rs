//! `/p/{slug}/export`: the page and the files.

use app::{
    export::{ExportPage, ExportView},
    shell::Nav,
};
use axum::{
    Router,
    body::Body,
    extract::Query,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    projects::Project,
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::Result,
    export::{self, ExportFormat, ExportSubject},
    state::AppState,
};

use super::{console::ConsoleRequest, error::PageResult};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new().route("/p/{slug}/export", get(show)).route("/p/{slug}/export/file", get(file))
}

/// Query parameters of an export.
#[derive(Debug, Deserialize)]
struct ExportQuery {
    #[serde(default)]
    what: String,
    #[serde(default)]
    survey: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    format: String,
}

async fn show(console: ConsoleRequest, Query(wanted): Query<ExportQuery>) -> PageResult {
    page(&console, StatusCode::OK, wanted, FieldErrors::default()).await
}

async fn page(console: &ConsoleRequest, status: StatusCode, wanted: ExportQuery, errors: FieldErrors) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let surveys = console.app.store.export_surveys(&scope).await?;
    let view = ExportView {
        slug: console.project()?.slug.clone(),
        zone: console.present().zone.into(),
        may_export: scope.require(Role::Triager).is_ok(),
        query: wanted.q,
        errors,
        surveys: surveys.into_iter().map(|(id, name)| (id.to_string(), name)).collect(),
    };
    Ok(console.page_with(status, "Export", Nav::Settings, move || view! { <ExportPage view=view /> }))
}

async fn file(console: ConsoleRequest, Query(wanted): Query<ExportQuery>) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let what = match ExportSubject::read(&wanted.what, &wanted.survey, &wanted.q) {
        Ok(what) => what,
        Err(Refusal::Invalid(errors)) => return page(&console, StatusCode::UNPROCESSABLE_ENTITY, wanted, errors).await,
        Err(error) => return Err(error.into()),
    };
    let project = console.project()?;
    Ok(answer(&console.app, &scope, console.session_hash(), project, what, wanted.format.parse()?).await?)
}

/// Streams a file while it is generated. If that fails, the connection is aborted, so that a partial file is not mistaken for a complete
/// one.
///
/// # Errors
/// As [`export::begin_in`].
pub async fn answer(
    app: &AppState,
    scope: &Scope,
    session: Option<String>,
    project: &Project,
    what: ExportSubject,
    format: ExportFormat,
) -> Result<Response> {
    let name = export::file_name(&project.slug, &what, format, project.zone.day(app.now()));
    let pieces = export::begin_in(app, scope, session, what, format).await?;
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
