//! `/api/v1/export/…`: all data of one kind in one response, as a file.

use axum::{extract::State, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
};
use serde::Deserialize;
use service::{
    export::{self, ExportSubject},
    state::AppState,
};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::{
    caller::ApiCaller,
    feedback::query,
    problem::ApiHandlerResult,
    request::{PathIds, QueryParams},
};
use crate::http::export::answer;

/// The file format.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ExportFormat)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Jsonl,
    /// RFC 4180 with a header line. Values that a spreadsheet could interpret as a formula are prefixed with `'`.
    Csv,
    /// Like `csv` with a byte order mark, for Excel.
    CsvBom,
    /// An Excel workbook in which texts are never formulas.
    Xlsx,
}

/// Query parameters of an export.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// The file format.
    #[serde(default)]
    format: Format,
}

/// Query parameters of the feedback export.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackExportParams {
    /// The file format.
    #[serde(default)]
    format: Format,
    /// Only feedback that matches this query, as in `GET /api/v1/feedback`; by default all of it, including spam.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::triage::MAX_QUERY)))]
    #[param(max_length = 2000, example = "status:new after:7d")]
    q: String,
}

async fn file(app: &AppState, scope: &Scope, what: ExportSubject, format: Format) -> ApiHandlerResult<Response> {
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let format = match format {
        Format::Jsonl => export::ExportFormat::Jsonl,
        Format::Csv => export::ExportFormat::Csv,
        Format::CsvBom => export::ExportFormat::CsvBom,
        Format::Xlsx => export::ExportFormat::Xlsx,
    };
    Ok(answer(app, scope, None, &project, what, format).await?)
}

/// Export feedback
///
/// All feedback of the project, or the results of a query, oldest first, streamed. Times are in the project's time zone with their UTC offset. Everything that existed when the export started is included exactly once.
/// If the export fails, the connection is closed early. Requires a key with the `write` scope.
#[utoipa::path(get, path = "/api/v1/export/feedback", operation_id = "export_feedback", tag = "Export", params(FeedbackExportParams),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_feedback(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<FeedbackExportParams>,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Triager)?;
    let what = if asked.q.trim().is_empty() { ExportSubject::Feedback } else { ExportSubject::Matching(query(&asked.q)?) };
    file(&app, &scope, what, asked.format).await
}

/// Export the responses to a survey
///
/// One row per response and one column per question, across all versions of the survey. Otherwise like the feedback export.
#[utoipa::path(get, path = "/api/v1/export/surveys/{survey_id}/responses", operation_id = "export_responses", tag = "Export",
    params(("survey_id" = Uuid, Path, description = "The survey."), ExportParams),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_responses(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([survey]): PathIds<1>,
    QueryParams(asked): QueryParams<ExportParams>,
) -> ApiHandlerResult {
    file(&app, &caller.scope(Role::Triager)?, ExportSubject::Responses(SurveyId(survey)), asked.format).await
}

/// Export the backlog
///
/// Every item with the IDs of its linked feedback. Otherwise like the feedback export.
#[utoipa::path(get, path = "/api/v1/export/backlog", operation_id = "export_backlog", tag = "Export", params(ExportParams),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_backlog(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ExportParams>,
) -> ApiHandlerResult {
    file(&app, &caller.scope(Role::Triager)?, ExportSubject::Backlog, asked.format).await
}
