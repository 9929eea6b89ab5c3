//! `/api/v1/surveys/{survey_id}/versions`: published versions, which never change.

use axum::{extract::State, http::HeaderMap};
use domain::{DomainError as Refusal, accounts::Role, ids::VersionId};
use serde::Serialize;
use service::state::AppState;
use store::surveys::SurveyVersion as Stored;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::ApiHandlerResult,
    request::{PathIds, QueryParams},
    surveys::{Question, find, question},
    write_outcome,
};

/// A published version of a survey.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyVersion {
    id: Uuid,
    survey_id: Uuid,
    /// Counts the versions of the survey from 1.
    number: i64,
    /// The name of the member or key that published it, if known.
    published_by: Option<String>,
    #[schema(format = DateTime)]
    published_at: String,
    /// The heading that respondents see.
    title: String,
    /// BCP 47.
    language: String,
    questions: Vec<Question>,
}

/// One page of versions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyVersionList {
    items: Vec<SurveyVersion>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for SurveyVersion {
    fn from(version: Stored) -> Self {
        Self {
            id: version.id.0,
            survey_id: version.survey.0,
            number: version.number,
            published_by: version.published_by,
            published_at: version.published_at.rfc3339(),
            title: version.body.title,
            language: version.body.language,
            questions: version.body.questions.into_iter().map(question).collect(),
        }
    }
}

/// List the published versions of a survey
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}/versions", operation_id = "list_survey_versions", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey."), PageParams),
    responses((status = 200, description = "One page.", body = SurveyVersionList)))]
pub async fn list_survey_versions(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let survey = find(&app, &scope, id).await?;
    let (versions, path) = (app.store.survey_versions(&scope, survey.id).await?, format!("/api/v1/surveys/{id}/versions"));
    let end = |version: &Stored| (version.published_at, version.id.0);
    lists::respond(&headers, (&asked, &path), versions, end, |versions, next_cursor| SurveyVersionList {
        items: versions.into_iter().map(SurveyVersion::from).collect(),
        next_cursor,
    })
}

/// Read a published version of a survey
///
/// Responses name the version that they answer.
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}/versions/{version_id}", operation_id = "read_survey_version", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey."), ("version_id" = Uuid, Path, description = "The version.")),
    responses((status = 200, description = "The version.", body = SurveyVersion)))]
pub async fn read_survey_version(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([survey, version]): PathIds<2>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let found = app.store.survey_version(&scope, VersionId(version)).await?.filter(|found| found.survey.0 == survey);
    write_outcome::conditional_response(&headers, &SurveyVersion::from(found.ok_or(Refusal::NotFound)?))
}
