//! `/api/v1/surveys`: surveys with their questions.

use axum::{extract::State, http::HeaderMap};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
    surveys::{self, SurveyBody},
};
use serde::{Deserialize, Serialize};
use service::state::{App, AppState};
use store::surveys::Survey as Stored;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    page,
    problem::ApiHandlerResult,
    request::{self, PathIds, QueryParams},
    write_outcome,
};

/// A survey.
#[derive(Debug, Serialize, ToSchema)]
pub struct Survey {
    id: Uuid,
    /// The name that the team sees.
    #[schema(example = "After checkout")]
    name: String,
    /// `draft`, `live`, `paused` or `closed`.
    #[schema(example = "live")]
    status: String,
    /// The published version; null if it has never been published.
    version_id: Option<Uuid>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A survey with its questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyDetail {
    #[serde(flatten)]
    survey: Survey,
    /// The heading that respondents see.
    title: String,
    /// BCP 47.
    language: String,
    /// The questions of the published version, or of the draft if it has never been published.
    questions: Vec<Question>,
}

/// A question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Question {
    /// Stays the same across versions.
    #[schema(example = "q1")]
    id: String,
    /// `nps`, `csat`, `ces`, `rating`, `single_choice`, `multiple_choice`, `short_text`, `long_text`, `email` or `statement`.
    #[serde(rename = "type")]
    #[schema(example = "nps")]
    kind: String,
    title: String,
    hint: String,
    /// Whether a response needs an answer to this question to be finished.
    required: bool,
    /// The lowest number, if the question is answered with a number.
    min: Option<u8>,
    /// The highest number.
    max: Option<u8>,
    /// Maximum number of characters, if the question is answered with text.
    max_length: Option<usize>,
    /// The available choices.
    choices: Vec<Choice>,
    /// Whether a free-text answer can be given besides the choices.
    other: bool,
}

/// A choice.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    #[schema(example = "c1")]
    id: String,
    label: String,
}

/// One page of surveys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyList {
    items: Vec<Survey>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<&Stored> for Survey {
    fn from(survey: &Stored) -> Self {
        Self {
            id: survey.id.0,
            name: survey.name.clone(),
            status: survey.status.as_str().into(),
            version_id: survey.live_version.map(|version| version.0),
            created_at: survey.created_at.rfc3339(),
            updated_at: survey.updated_at.rfc3339(),
        }
    }
}

/// A question as respondents see it.
pub(super) fn question(question: surveys::Question) -> Question {
    let (choices, other) = question.kind.choices().unwrap_or((&[], false));
    let choices = choices.iter().map(|choice| Choice { id: choice.id.clone(), label: choice.label.clone() }).collect();
    let scale = question.kind.scale();
    Question {
        kind: question.kind.question_type().as_str().into(),
        min: scale.map(|(low, _)| low),
        max: scale.map(|(_, high)| high),
        max_length: question.kind.max_chars(),
        choices,
        other,
        id: question.id,
        title: question.title,
        hint: question.hint,
        required: question.required,
    }
}

/// A survey of the scope's project.
pub(super) async fn find(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Stored> {
    Ok(app.store.survey(scope, SurveyId(id)).await?.ok_or(Refusal::NotFound)?)
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSurveysParams {
    /// Number of surveys per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List surveys
#[utoipa::path(get, path = "/api/v1/surveys", operation_id = "list_surveys", tag = "Surveys", params(ListSurveysParams),
    responses((status = 200, description = "One page.", body = SurveyList)))]
pub async fn list_surveys(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ListSurveysParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let after = page::place(asked.cursor.as_deref())?;
    // There are never many: people create surveys by hand.
    let mut surveys: Vec<Stored> = app.store.surveys(&scope).await?.into_iter().map(|summary| summary.survey).collect();
    if let Some(after) = after {
        surveys.retain(|survey| (survey.created_at.0, survey.id.to_string()) < after);
    }
    let next_cursor = page::split_page(&mut surveys, asked.limit, |survey| (survey.created_at, survey.id.0));
    let next = page::next("/api/v1/surveys", next_cursor.as_deref(), &[("limit", Some(asked.limit.to_string()))]);
    write_outcome::page(&headers, &SurveyList { items: surveys.iter().map(Survey::from).collect(), next_cursor }, next)
}

/// Read a survey with its questions
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}", operation_id = "read_survey", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 200, description = "The survey.", body = SurveyDetail)))]
pub async fn read_survey(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &detail(&app, &caller.scope(Role::Viewer)?, id).await?)
}

/// A survey of the scope's project with its questions.
pub(super) async fn detail(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<SurveyDetail> {
    let stored = find(app, scope, id).await?;
    let survey = Survey::from(&stored);
    let body: SurveyBody = match stored.live_version {
        Some(version) => app.store.survey_version(scope, version).await?.ok_or(Refusal::NotFound)?.body,
        None => stored.draft,
    };
    let questions = body.questions.into_iter().map(question).collect();
    Ok(SurveyDetail { survey, title: body.title, language: body.language, questions })
}
