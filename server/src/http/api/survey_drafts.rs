//! `/api/v1/surveys`: creating surveys, editing their drafts, publishing, pausing and closing.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
    surveys::SurveyStatus,
    text::spaced,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use service::{
    error::Error,
    state::{App, AppState},
    surveys::{self, DraftPatch},
};
use store::surveys::Survey as Stored;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    draft::{DraftLaunch, DraftQuestion, place, whole},
    problem::{ApiHandlerResult, ApiRejection},
    request::{EmptyBody, PathIds, WriteRequest},
    surveys::{SurveyDetail, detail, find},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// The draft of a survey: what the editor shows. Publishing it makes it what people answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyDraft {
    survey_id: Uuid,
    /// Increases with each change of the draft.
    revision: i64,
    /// Whether it differs from the published version; true if the survey has never been published.
    has_changes: bool,
    /// The name that the team sees.
    #[schema(example = "After checkout")]
    name: String,
    /// The heading that respondents see.
    title: String,
    /// The introduction before the questions; may be empty.
    intro: String,
    /// In the order they are asked.
    questions: Vec<DraftQuestion>,
    /// The thank-you message.
    thanks: String,
    /// Language of the texts (BCP 47).
    #[schema(example = "en")]
    language: String,
    launch: DraftLaunch,
}

async fn view(app: &App, scope: &Scope, survey: Stored) -> ApiHandlerResult<SurveyDraft> {
    let published = match survey.live_version {
        Some(version) => app.store.survey_version(scope, version).await?,
        None => None,
    };
    let body = survey.draft;
    Ok(SurveyDraft {
        survey_id: survey.id.0,
        revision: survey.revision,
        has_changes: published.is_none_or(|version| version.body != body),
        name: survey.name,
        title: body.title,
        intro: body.intro,
        questions: body.questions.into_iter().map(DraftQuestion::from).collect(),
        thanks: body.thanks,
        language: body.language,
        launch: body.launch.into(),
    })
}

/// The name of a survey as stored; an error if it has no visible character.
fn name(sent: &str) -> Result<String, Refusal> {
    Some(spaced(sent)).filter(|name| !name.is_empty()).ok_or_else(|| Refusal::field("name", "required", "Enter a name for the survey."))
}

/// What a new survey starts from.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SurveyTemplate {
    /// NPS with reason.
    Nps,
    /// Satisfaction after support.
    Csat,
    /// Effort after a task.
    Ces,
    /// Feature feedback.
    Feature,
    /// Cancellation.
    Churn,
    /// Onboarding.
    Onboarding,
    /// Problem report.
    Bug,
    /// No questions.
    #[default]
    Blank,
}

impl SurveyTemplate {
    fn key(self) -> &'static str {
        match self {
            Self::Nps => "nps",
            Self::Csat => "csat",
            Self::Ces => "ces",
            Self::Feature => "feature",
            Self::Churn => "churn",
            Self::Onboarding => "onboarding",
            Self::Bug => "bug",
            Self::Blank => "blank",
        }
    }
}

/// A survey to create: a template, and what is given here in place of the template’s.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewSurvey {
    /// The name that the team sees.
    #[validate(length(max = super::request::chars(domain::surveys::draft::MAX_TITLE)))]
    #[schema(min_length = 1, max_length = 120, example = "After checkout")]
    name: String,
    /// What it starts from. Templates are in English.
    #[serde(default)]
    #[schema(value_type = Option<SurveyTemplate>, nullable = false)]
    template: SurveyTemplate,
    /// The heading that respondents see: at most 120 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    title: Option<String>,
    /// The introduction before the questions: at most 2000 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    intro: Option<String>,
    /// All questions, in order. Omit their IDs and those of their choices.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<DraftQuestion>>, nullable = false, max_items = 50)]
    questions: Option<Vec<DraftQuestion>>,
    /// The thank-you message: at most 2000 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    thanks: Option<String>,
    /// Language of the texts (BCP 47); that of the project by default.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    language: Option<String>,
    /// What makes the widget show it.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<DraftLaunch>, nullable = false)]
    launch: Option<DraftLaunch>,
}

/// Create a survey
///
/// It begins as a draft that nobody can answer; publish it to open it. A draft may be incomplete: its texts and questions are checked when it
/// is published.
#[utoipa::path(post, path = "/api/v1/surveys", operation_id = "create_survey", tag = "Surveys", request_body = NewSurvey,
    responses((status = 201, description = "The new survey.", body = SurveyDetail)))]
pub async fn create_survey(State(app): State<AppState>, sent: WriteRequest<NewSurvey>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let name = name(&body.name)?;
        let wanted = DraftPatch {
            name: None,
            title: body.title,
            intro: body.intro,
            questions: body.questions.map(|all| all.into_iter().map(Into::into).collect()),
            thanks: body.thanks,
            language: body.language,
            launch: body.launch.map(Into::into),
        };
        let id = surveys::create_from(&app, &scope, &name, body.template.key(), wanted, &key).await?;
        Ok(WriteOutcome::created(format!("/api/v1/surveys/{id}"), &detail(&app, &scope, id.0).await?)?)
    })
    .await
}

/// Duplicate a survey
///
/// Makes a new survey from its draft.
#[utoipa::path(post, path = "/api/v1/surveys/{survey_id}/duplicate", operation_id = "duplicate_survey", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 201, description = "The copy.", body = SurveyDetail)))]
pub async fn duplicate_survey(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let copy = surveys::duplicate(&app, &scope, SurveyId(id), &key).await?;
        Ok(WriteOutcome::created(format!("/api/v1/surveys/{copy}"), &detail(&app, &scope, copy.0).await?)?)
    })
    .await
}

/// A status that can be set. `draft` is what a survey begins with.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettableSurveyStatus {
    /// Accepts responses.
    Live,
    /// Accepts no responses for now.
    Paused,
    /// No longer accepts responses.
    Closed,
}

impl From<SettableSurveyStatus> for SurveyStatus {
    fn from(status: SettableSurveyStatus) -> Self {
        match status {
            SettableSurveyStatus::Live => Self::Live,
            SettableSurveyStatus::Paused => Self::Paused,
            SettableSurveyStatus::Closed => Self::Closed,
        }
    }
}

/// Fields to change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SurveyPatch {
    status: SettableSurveyStatus,
}

/// Pause, resume or close a survey
///
/// The survey must have been published. Name, texts and questions are changed in its draft.
#[utoipa::path(patch, path = "/api/v1/surveys/{survey_id}", operation_id = "update_survey", tag = "Surveys", request_body = SurveyPatch,
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 200, description = "The updated survey.", body = SurveyDetail)))]
pub async fn update_survey(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<SurveyPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::idempotent(&app, &sent, async {
        let stored = find(&app, &scope, id).await?;
        write_outcome::require_if_match(&sent.headers, &detail(&app, &scope, id).await?)?;
        let changed = surveys::set_status(&app, &scope, stored.id, Some(stored.status), body.status.into()).await;
        changed.map_err(|error: Error| ApiRejection::from(error).stale())?;
        Ok(WriteOutcome::changed(&detail(&app, &scope, id).await?)?)
    })
    .await
}

/// Read the draft of a survey
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}/draft", operation_id = "read_draft", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 200, description = "The draft.", body = SurveyDraft)))]
pub async fn read_draft(State(app): State<AppState>, caller: ApiCaller, PathIds([id]): PathIds<1>, headers: HeaderMap) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let survey = find(&app, &scope, id).await?;
    write_outcome::conditional_response(&headers, &view(&app, &scope, survey).await?)
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SurveyDraftPatch {
    /// The name that the team sees.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::surveys::draft::MAX_TITLE)))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 120)]
    name: Option<String>,
    /// The heading that respondents see: at most 120 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    title: Option<String>,
    /// The introduction before the questions: at most 2000 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    intro: Option<String>,
    /// All questions, in order. One with an ID is that question of the draft, and one without is new; those that are left out are deleted.
    /// The type of a question can change only between `single_choice` and `multiple_choice`, or `short_text` and `long_text`.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<DraftQuestion>>, nullable = false, max_items = 50)]
    questions: Option<Vec<DraftQuestion>>,
    /// The thank-you message: at most 2000 characters when it is published.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    thanks: Option<String>,
    /// Language of the texts (BCP 47).
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<String>, nullable = false)]
    language: Option<String>,
    /// What makes the widget show it.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<DraftLaunch>, nullable = false)]
    launch: Option<DraftLaunch>,
}

/// Change the draft of a survey
///
/// What people answer stays as it is until the draft is published. A draft may be incomplete: its texts and questions are checked then.
/// The state before the change can be restored in the editor.
#[utoipa::path(patch, path = "/api/v1/surveys/{survey_id}/draft", operation_id = "update_draft", tag = "Surveys",
    request_body = SurveyDraftPatch,
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 200, description = "The updated draft.", body = SurveyDraft)))]
pub async fn update_draft(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<SurveyDraftPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::idempotent(&app, &sent, async {
        let survey = find(&app, &scope, id).await?;
        // An invalid request is refused regardless of the resource's state (RFC 9110, section 13.2.1).
        let name = body.name.as_deref().map(name).transpose()?;
        let revision = survey.revision;
        write_outcome::require_if_match(&sent.headers, &view(&app, &scope, survey).await?)?;
        let wanted = DraftPatch {
            name,
            title: body.title,
            intro: body.intro,
            questions: body.questions.map(|all| all.into_iter().map(Into::into).collect()),
            thanks: body.thanks,
            language: body.language,
            launch: body.launch.map(Into::into),
        };
        let changed = surveys::patch_draft(&app, &scope, SurveyId(id), revision, wanted).await;
        changed.map_err(|error: Error| ApiRejection::from(error).stale())?;
        let survey = find(&app, &scope, id).await?;
        Ok(WriteOutcome::changed(&view(&app, &scope, survey).await?)?)
    })
    .await
}

/// The draft to publish.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewPublication {
    /// The `revision` of the draft that you read. Another one is refused with 409, so that nothing is published that you have not seen.
    #[serde(deserialize_with = "revision")]
    #[schema(minimum = 1, maximum = 9007199254740991_i64, example = 3)]
    revision: i64,
}

/// For `#[serde(deserialize_with)]`: a version, which JSON may write as `3.0`.
///
/// # Errors
/// Returns an error if it is not a whole number of 1 or more.
pub(super) fn revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = whole(f64::deserialize(deserializer)?).filter(|number| *number >= 1);
    number.ok_or_else(|| D::Error::custom("this must be a whole number of 1 or more"))
}

/// What people answer now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Publication {
    version_id: Uuid,
    /// Counts the versions of the survey from 1.
    number: i64,
    /// Whether a version was created; not if the draft is what was published before.
    is_new: bool,
}

/// Publish the draft of a survey
///
/// Checks the draft, makes it the next version, and opens the survey to responses. If something is missing, the errors point to its place in
/// the draft.
#[utoipa::path(post, path = "/api/v1/surveys/{survey_id}/publish", operation_id = "publish_survey", tag = "Surveys",
    request_body = NewPublication,
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 200, description = "The published version.", body = Publication)))]
pub async fn publish_survey(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewPublication>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let survey = find(&app, &scope, id).await?;
        let done = surveys::publish(&app, &scope, survey.id, body.revision, &key).await;
        let done = done.map_err(|error: Error| ApiRejection::from(error).at(|field| place(field, &survey.draft)))?;
        Ok(WriteOutcome::changed(&Publication { version_id: done.version.0, number: done.number, is_new: done.is_new })?)
    })
    .await
}
