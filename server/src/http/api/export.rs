//! `/api/v1/export/…`: everything of one kind in one answer, as a file.

use axum::{extract::State, response::Response};
use domain::{
    Error as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
};
use serde::Deserialize;
use service::{
    export::{self, What},
    state::AppState,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    caller::Caller,
    feedback::query,
    problem::Answered,
    sent::{self, Asked, Ids},
};
use crate::http::export::answer;

/// How it is written.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A JSON object on each line.
    #[default]
    Jsonl,
    /// RFC 4180, with a line of names. What a spreadsheet could take for a formula gets a `'` before it.
    Csv,
    /// The same with a byte order mark, for Excel.
    CsvBom,
    /// An Excel workbook, whose texts are never formulas.
    Xlsx,
}

/// How to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuestions {
    /// How it is written.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// How to export feedback, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackExportQuestions {
    /// How it is written.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Only what this query finds, as in `GET /api/v1/feedback`; all of it, spam too, when left out.
    #[serde(default, deserialize_with = "sent::at_most::<500, _>")]
    #[param(max_length = 500, example = "status:new after:7d")]
    q: String,
}

async fn file(app: &AppState, scope: &Scope, what: What, format: Format) -> Answered<Response> {
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let format = match format {
        Format::Jsonl => export::Format::Jsonl,
        Format::Csv => export::Format::Csv,
        Format::CsvBom => export::Format::CsvBom,
        Format::Xlsx => export::Format::Xlsx,
    };
    Ok(answer(app, scope, None, &project, what, format).await?)
}

/// Export feedback
///
/// All feedback of the project, or what a query finds, the oldest first, made while it is sent. Times are those of the project's time zone, with their offset from UTC. What was there at the beginning is in it once.
/// If it cannot be completed, the connection breaks off. Needs a key that may write.
#[utoipa::path(get, path = "/api/v1/export/feedback", operation_id = "export_feedback", tag = "Export", params(FeedbackExportQuestions),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_feedback(State(app): State<AppState>, caller: Caller, Asked(asked): Asked<FeedbackExportQuestions>) -> Answered {
    let scope = caller.scope(Role::Triager)?;
    let what = if asked.q.trim().is_empty() { What::Feedback } else { What::Matching(query(&asked.q)?) };
    file(&app, &scope, what, asked.format).await
}

/// Export the responses to a survey
///
/// One row for each response, one column for each question, over all versions of the survey. As the export of feedback otherwise.
#[utoipa::path(get, path = "/api/v1/export/surveys/{survey_id}/responses", operation_id = "export_responses", tag = "Export",
    params(("survey_id" = Uuid, Path, description = "The survey."), ExportQuestions),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_responses(
    State(app): State<AppState>,
    caller: Caller,
    Ids([survey]): Ids<1>,
    Asked(asked): Asked<ExportQuestions>,
) -> Answered {
    file(&app, &caller.scope(Role::Triager)?, What::Responses(SurveyId(survey)), asked.format).await
}

/// Export the backlog
///
/// Every item with the ids of the feedback behind it. As the export of feedback otherwise.
#[utoipa::path(get, path = "/api/v1/export/backlog", operation_id = "export_backlog", tag = "Export", params(ExportQuestions),
    responses((status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"), (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn export_backlog(State(app): State<AppState>, caller: Caller, Asked(asked): Asked<ExportQuestions>) -> Answered {
    file(&app, &caller.scope(Role::Triager)?, What::Backlog, asked.format).await
}
