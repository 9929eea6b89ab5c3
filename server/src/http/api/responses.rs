//! `/api/v1/surveys/{survey_id}/responses` and `/api/v1/responses`: responses to surveys, and responses from elsewhere.

use std::collections::HashMap;

use axum::{extract::State, http::HeaderMap, response::Response as Http};
use domain::{
    DomainError as Refusal, FieldErrors, Timestamp,
    accounts::{Role, Scope},
    ids::{ResponseId, SurveyId},
    responses::ResponseContext,
    surveys::{
        self, AnswerShape,
        answer::{OTHER_CHOICE, OTHER_SUFFIX},
    },
    text::line,
};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    responses::{self, ResponseInput},
    state::{App, AppState},
};
use store::results::{ListedResponse, TimeRange};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    contact::{NewContact, address, all_fits},
    page,
    problem::{ApiHandlerResult, ApiRejection},
    request::{self, PathIds, QueryParams, WriteRequest},
    surveys::find,
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A response to a survey.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SurveyResponse)]
pub struct Response {
    id: Uuid,
    survey_id: Uuid,
    /// The survey version that was answered.
    version_id: Uuid,
    /// The feedback created from it.
    feedback_id: Option<Uuid>,
    /// The respondent, if known: name, e-mail address or your own ID.
    contact: Option<String>,
    /// `link`, `popover`, `inline`, `frame` or `api`.
    #[schema(example = "popover")]
    source: String,
    language: String,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    is_spam: bool,
    /// Why it is suspected to be spam.
    spam_reasons: Vec<String>,
    #[schema(format = DateTime)]
    started_at: String,
    /// Null while it is partial.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    answers: Vec<Answer>,
}

/// An answer: a number, a text or choices, depending on the question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    #[schema(example = "q1")]
    question_id: String,
    number: Option<u8>,
    text: Option<String>,
    /// IDs of choices.
    choices: Option<Vec<String>>,
    /// A free-text answer besides the choices.
    other: Option<String>,
}

/// One page of responses, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseList {
    items: Vec<Response>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

fn read_answer(question_id: String, value: &str) -> Option<Answer> {
    let none = Answer { question_id, number: None, text: None, choices: None, other: None };
    // Skip a row from a later version of the program, so that it does not hide the others.
    Some(match serde_json::from_str(value).ok()? {
        surveys::Answer::Number(number) => Answer { number: Some(number), ..none },
        surveys::Answer::Text(text) => Answer { text: Some(text), ..none },
        surveys::Answer::Choices { chosen, other } => Answer { choices: Some(chosen), other, ..none },
    })
}

async fn views(app: &App, scope: &Scope, survey: SurveyId, rows: Vec<ListedResponse>) -> ApiHandlerResult<Vec<Response>> {
    let ids: Vec<ResponseId> = rows.iter().map(|row| row.id).collect();
    let mut answers: HashMap<ResponseId, Vec<Answer>> = HashMap::new();
    for (response, question, value) in app.store.answers_of(scope, &ids).await? {
        answers.entry(response).or_default().extend(read_answer(question, &value));
    }
    let view = |row: ListedResponse| {
        let mut own = answers.remove(&row.id).unwrap_or_default();
        own.sort_by(|a, b| a.question_id.len().cmp(&b.question_id.len()).then_with(|| a.question_id.cmp(&b.question_id)));
        Response {
            id: row.id.0,
            survey_id: survey.0,
            version_id: row.version.0,
            feedback_id: row.feedback.map(|feedback| feedback.0),
            contact: row.contact,
            source: row.source,
            language: row.language,
            page_url: row.page_url,
            release: row.release,
            environment: row.environment,
            is_spam: row.is_spam,
            spam_reasons: row.spam_reasons,
            started_at: row.started_at.rfc3339(),
            finished_at: row.finished_at.map(Timestamp::rfc3339),
            answers: own,
        }
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn one(app: &App, scope: &Scope, id: ResponseId) -> ApiHandlerResult<Response> {
    let (survey, _) = app.store.version_of_response(scope, id).await?.ok_or(Refusal::NotFound)?;
    let row = app.store.response_row(scope, survey, id).await?.ok_or(Refusal::NotFound)?;
    Ok(views(app, scope, survey, vec![row]).await?.pop().ok_or(Refusal::NotFound)?)
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListResponsesParams {
    /// `only` lists suspected spam, which is otherwise excluded.
    spam: Option<Spam>,
    /// Number of responses per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// Which spam to list.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[schema(as = SpamFilter)]
#[serde(rename_all = "snake_case")]
pub enum Spam {
    /// Only spam.
    Only,
    /// No spam.
    Without,
}

/// List the responses to a survey
///
/// Newest first, with their answers.
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}/responses", operation_id = "list_responses", tag = "Responses",
    params(("survey_id" = Uuid, Path, description = "The survey."), ListResponsesParams),
    responses((status = 200, description = "One page.", body = ResponseList)))]
pub async fn list_responses(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<ListResponsesParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let survey = find(&app, &scope, id).await?.id;
    let after = match page::place(asked.cursor.as_deref())? {
        None => None,
        Some((at, id)) => Some((Timestamp(at), id.parse().map_err(|_| page::invalid_cursor())?)),
    };
    let always = TimeRange { from: Timestamp(i64::MIN), until: Timestamp(i64::MAX) };
    let spam = matches!(asked.spam, Some(Spam::Only));
    let mut rows = app.store.responses_page(&scope, survey, always, spam, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_page(&mut rows, asked.limit, |row| (row.started_at, row.id.0));
    let items = views(&app, &scope, survey, rows).await?;
    let path = format!("/api/v1/surveys/{id}/responses");
    let questions = [("spam", spam.then(|| "only".to_owned())), ("limit", Some(asked.limit.to_string()))];
    let next = page::next(&path, next_cursor.as_deref(), &questions);
    write_outcome::page(&headers, &ResponseList { items, next_cursor }, next)
}

/// Read a response with its answers
#[utoipa::path(get, path = "/api/v1/responses/{response_id}", operation_id = "read_response", tag = "Responses",
    params(("response_id" = Uuid, Path, description = "The response.")),
    responses((status = 200, description = "The response.", body = Response)))]
pub async fn read_response(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Viewer)?, ResponseId(id)).await?)
}

/// A response that was given elsewhere.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewResponse {
    /// At most one per question.
    #[validate(nested)]
    #[schema(max_items = 50)]
    answers: Vec<NewAnswer>,
    /// Whether the response is complete, which is the default. If so, all required questions must be answered.
    #[serde(default = "yes")]
    finished: bool,
    #[validate(nested)]
    #[serde(default, deserialize_with = "super::request::object_or_null")]
    contact: Option<NewContact>,
    /// URL of the page it was given on. Only the query parameters that the project keeps are stored, and no fragment.
    #[serde(default)]
    #[validate(length(max = 2000))]
    #[schema(format = "uri", max_length = 2000)]
    page_url: Option<String>,
    /// The release of your product.
    #[serde(default)]
    #[validate(length(max = 100))]
    #[schema(max_length = 100)]
    release: Option<String>,
    /// The environment, such as `production`.
    #[serde(default)]
    #[validate(length(max = 100))]
    #[schema(max_length = 100)]
    environment: Option<String>,
}

fn yes() -> bool {
    true
}

/// An answer to one question: exactly one of `number`, `text` and `choices`, depending on the question.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    #[validate(length(max = 20))]
    #[schema(min_length = 1, max_length = 20, example = "q1")]
    question_id: String,
    #[serde(default, deserialize_with = "super::request::whole")]
    #[schema(minimum = 0, maximum = 10, example = 9)]
    number: Option<u8>,
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::surveys::question::MAX_ANSWER)))]
    #[schema(max_length = 10000)]
    text: Option<String>,
    /// IDs of choices.
    #[schema(max_items = 50)]
    choices: Option<Vec<String>>,
    /// A free-text answer besides the choices, if the question offers it.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::surveys::answer::MAX_OTHER)))]
    #[schema(max_length = 500)]
    other: Option<String>,
}

/// The answers as a form would send them; invalid ones are added to `errors`.
fn pairs(answers: &[NewAnswer], body: &surveys::SurveyBody, errors: &mut FieldErrors) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (at, answer) in answers.iter().enumerate() {
        let id = &answer.question_id;
        let place = format!("answers/{at}");
        let Some(question) = body.questions.iter().find(|q| q.id == *id && q.kind.takes_answer()) else {
            errors.add(&format!("{place}/question_id"), "unknown", format!("The survey has no question “{id}” that can be answered."));
            continue;
        };
        if answers.iter().take(at).any(|earlier| earlier.question_id == *id) {
            errors.add(&format!("{place}/question_id"), "duplicate", format!("“{id}” is answered twice."));
            continue;
        }
        let (wanted, is_there) = match question.kind.answer_shape() {
            AnswerShape::Scale { .. } => ("number", answer.number.is_some()),
            AnswerShape::Choice { .. } => ("choices", answer.choices.is_some() || answer.other.is_some()),
            AnswerShape::Text { .. } | AnswerShape::Email | AnswerShape::None => ("text", answer.text.is_some()),
        };
        let others = [
            ("number", answer.number.is_some()),
            ("text", answer.text.is_some()),
            ("choices", answer.choices.is_some() || answer.other.is_some()),
        ];
        if !is_there || others.iter().any(|(name, there)| *there && *name != wanted) {
            errors.add(&place, "type", format!("Answer “{id}” with “{wanted}” and nothing else."));
            continue;
        }
        pairs.extend(answer.number.map(|number| (id.clone(), number.to_string())));
        pairs.extend(answer.text.clone().map(|text| (id.clone(), text)));
        pairs.extend(answer.choices.iter().flatten().map(|choice| (id.clone(), choice.clone())));
        if let Some(other) = &answer.other {
            pairs.extend([(id.clone(), OTHER_CHOICE.to_owned()), (format!("{id}{OTHER_SUFFIX}"), other.clone())]);
        }
    }
    pairs
}

/// Add a response
///
/// Adds a response to a published survey, with the same rules as the widget. It appears in the inbox as feedback.
#[utoipa::path(post, path = "/api/v1/surveys/{survey_id}/responses", operation_id = "create_response", tag = "Responses",
    request_body = NewResponse,
    params(("survey_id" = Uuid, Path, description = "The survey.")),
    responses((status = 201, description = "The new response.", body = Response)))]
pub async fn create_response(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewResponse>,
) -> ApiHandlerResult<Http> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        // First check that it belongs to this project, so that nothing is revealed about others.
        find(&app, &scope, id).await?;
        let target = responses::target(&app, SurveyId(id), None).await.map_err(|error| match error.refusal() {
            Some(Refusal::NotFound) => Refusal::Conflict("This survey has never been published, so it cannot be answered.".into()).into(),
            _ => error,
        })?;
        let mut errors = FieldErrors::default();
        let NewResponse { answers, finished, contact, page_url, release, environment } = body;
        let pairs = pairs(&answers, &target.body, &mut errors);
        let context = ResponseContext {
            source: "api".into(),
            page_url: address(&mut errors, "page_url", page_url.as_deref()),
            release: release.as_deref().and_then(line),
            environment: environment.as_deref().and_then(line),
            contact: contact.and_then(|contact| contact.read("contact", &mut errors)).unwrap_or_default(),
            ..ResponseContext::default()
        };
        all_fits(errors)?;
        let submission = ResponseInput { pairs, finished, context, ..ResponseInput::default() };
        let receipt = responses::begin(&app, &target, &key, &submission).await.map_err(|error: Error| {
            // An error of a question belongs to its answer; a missing answer belongs to the list.
            ApiRejection::from(error).at(|question| match answers.iter().position(|answer| answer.question_id == question) {
                Some(at) => format!("/answers/{at}"),
                None => "/answers".to_owned(),
            })
        })?;
        Ok(WriteOutcome::created(format!("/api/v1/responses/{}", receipt.id), &one(&app, &scope, receipt.id).await?)?)
    })
    .await
}
