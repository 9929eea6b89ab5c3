//! `/api/v1/feedback`: the inbox, for programs.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal, FieldErrors, Timestamp,
    accounts::{Role, Scope},
    feedback::FeedbackStatus,
    ids::{FeedbackId, StaffId},
    text::{is_blank, line},
    triage::TriageQuery,
};
use schemas::{Feedback, FeedbackDetail};
use search::{SearchRequest, Sort};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    state::{App, AppState},
    triage::{
        add::{self, FeedbackInput},
        list,
        patch::{FeedbackUpdate, patch},
    },
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    contact::{NewContact, address, all_fits},
    page,
    problem::{ApiHandlerResult, ApiRejection, FieldProblem},
    request::{self, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A score to add.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScore {
    /// From 0 to `max`.
    #[schema(minimum = 0, maximum = 100, example = 9)]
    value: f64,
    /// The top of the scale: a whole number from 1 to 10, or 100.
    #[schema(minimum = 1, maximum = 100, example = 10)]
    max: f64,
}

/// One page of feedback.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackList {
    items: Vec<Feedback>,
    /// Total number of results on all pages; null while the search index is being built.
    total: Option<usize>,
    /// For each field, how often each value occurs in the results; empty while the index is being built.
    #[schema(value_type = BTreeMap<String, FacetCounts>, example = json!({ "status": { "new": 12, "linked": 3 } }))]
    facets: BTreeMap<String, BTreeMap<String, usize>>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

/// How often each value of a field occurs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a name in the document")]
struct FacetCounts(BTreeMap<String, usize>);

/// The sort order.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = FeedbackOrder)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Best match first; newest first if the query has no words.
    #[default]
    Relevance,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

impl Order {
    fn sort(self) -> Sort {
        match self {
            Self::Relevance => Sort::Relevance,
            Self::Newest => Sort::Newest,
            Self::Oldest => Sort::Oldest,
        }
    }
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListFeedbackParams {
    /// A query as in the inbox: words, `"phrases"`, `this OR that`, `-not`, and fields like `status:new tag:billing score:<=6 after:7d`.
    /// A date, as in `before:2026-11-01`, starts at midnight in the project's time zone.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::triage::MAX_QUERY)))]
    #[param(max_length = 2000, example = "refund status:new score:<=6")]
    q: String,
    #[serde(default)]
    sort: Order,
    /// Number of items per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// Parses a query; an error is reported with its position in characters.
///
/// # Errors
/// 422.
pub fn query(text: &str) -> ApiHandlerResult<TriageQuery> {
    TriageQuery::parse(text).map_err(|error| {
        let before = text.get(..error.position).map_or(0, |text| text.chars().count());
        ApiRejection::invalid(vec![FieldProblem { position: Some(before), ..FieldProblem::parameter("q", "query", error.message) }])
    })
}

/// List and search feedback
///
/// Searches with the query language of the inbox and counts the results. Spam is excluded unless the query asks for it (`status:spam`).
/// Changes made by others while you page do not move items between pages; with relevance order, an item whose own text changes appears once more, at the end.
#[utoipa::path(get, path = "/api/v1/feedback", operation_id = "list_feedback", tag = "Feedback", params(ListFeedbackParams),
    responses((status = 200, description = "One page.", body = FeedbackList)))]
pub async fn list_feedback(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ListFeedbackParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let query = query(&asked.q)?;
    let ask = SearchRequest {
        query,
        me: scope.staff(),
        zone: app.store.zone(&scope).await?,
        sort: asked.sort.sort(),
        cursor: asked.cursor.clone(),
        limit: asked.limit,
    };
    let found = match list::page(&app, &scope, ask).await {
        Err(error) if asked.cursor.is_some() && matches!(error.refusal(), Some(Refusal::Invalid(_))) => return Err(page::invalid_cursor()),
        found => found?,
    };
    let counted = |values: Vec<(String, usize)>| values.into_iter().collect();
    let questions = [
        ("q", Some(asked.q).filter(|q| !q.is_empty())),
        ("sort", Some(asked.sort.sort().as_str().to_owned())),
        ("limit", Some(asked.limit.to_string())),
    ];
    let next = page::next("/api/v1/feedback", found.next.as_deref(), &questions);
    let view = FeedbackList {
        items: found.items.into_iter().map(Feedback::from).collect(),
        total: found.total,
        facets: found.facets.into_iter().map(|facet| (facet.field.as_str().to_owned(), counted(facet.values))).collect(),
        next_cursor: found.next,
    };
    write_outcome::page(&headers, &view, next)
}

async fn detail(app: &App, scope: &Scope, id: FeedbackId) -> ApiHandlerResult<FeedbackDetail> {
    let found = app.store.feedback_by_ids(scope, &[id]).await?.pop().ok_or(Refusal::NotFound)?;
    Ok(app.store.feedback_detail(found).await?.ok_or(Refusal::NotFound)?)
}

/// Read feedback
#[utoipa::path(get, path = "/api/v1/feedback/{feedback_id}", operation_id = "read_feedback", tag = "Feedback",
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The feedback.", body = FeedbackDetail)))]
pub async fn read_feedback(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &detail(&app, &caller.scope(Role::Viewer)?, FeedbackId(id)).await?)
}

/// Feedback to add.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFeedback)]
pub struct CreateFeedback {
    /// The text.
    #[validate(length(max = super::request::chars(domain::imports::MAX_TEXT)))]
    #[schema(min_length = 1, max_length = 20000, example = "The export forgets the last column.")]
    text: String,
    #[serde(default, deserialize_with = "super::request::object_or_null")]
    score: Option<NewScore>,
    #[validate(nested)]
    #[serde(default, deserialize_with = "super::request::object_or_null")]
    contact: Option<NewContact>,
    /// URL of the page it was given on. Only the query parameters that the project keeps are stored, and no fragment.
    #[serde(default)]
    #[validate(length(max = 2000))]
    #[schema(format = "uri", max_length = 2000, example = "https://shop.example/cart")]
    page_url: Option<String>,
    /// The release of your product.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, example = "2.4.1")]
    release: Option<String>,
    /// The environment, such as `production`.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, example = "production")]
    environment: Option<String>,
    /// BCP 47, primary language only; detected from the text by default.
    #[schema(pattern = "^[a-z]{2,3}$", example = "en")]
    language: Option<String>,
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["billing"]))]
    tags: Vec<String>,
    /// When it was given, for feedback from another system; now by default. Must not be in the future.
    #[serde(default)]
    #[schema(format = DateTime, example = "2026-05-04T09:30:00Z")]
    created_at: Option<String>,
    /// Your own ID for it. It must be unique within the project, including imported feedback: a duplicate is refused.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "helpdesk-4711")]
    external_id: Option<String>,
}

/// Add feedback
///
/// Adds feedback that was given elsewhere. It appears in the inbox as `new` and is searchable within a second.
#[utoipa::path(post, path = "/api/v1/feedback", operation_id = "create_feedback", tag = "Feedback", request_body = CreateFeedback,
    responses((status = 201, description = "The new feedback.", body = FeedbackDetail)))]
pub async fn create_feedback(State(app): State<AppState>, sent: WriteRequest<CreateFeedback>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let mut errors = FieldErrors::default();
        let new = FeedbackInput {
            page_url: address(&mut errors, "page_url", body.page_url.as_deref()),
            release: body.release.as_deref().and_then(line),
            environment: body.environment.as_deref().and_then(line),
            person: body.contact.and_then(|contact| contact.read("contact", &mut errors)),
            score: body.score.map(|score| (score.value, score.max)),
            language: body.language,
            text: body.text,
            tags: body.tags,
            created_at: body.created_at.as_deref().and_then(|text| time("created_at", text, &mut errors)),
            external_id: body.external_id.as_deref().and_then(|id| external_id(id, &mut errors)),
        };
        if new.language.as_deref().is_some_and(|l| !(2..=3).contains(&l.len()) || !l.bytes().all(|b| b.is_ascii_lowercase())) {
            errors.add("language", "language", "Use a lowercase language code like en.");
        }
        if new.score.is_some_and(|(_, max)| !SCALES.contains(&max)) {
            errors.add("score/max", "range", "The maximum of a scale must be a whole number from 1 to 10, or 100.");
        }
        if is_blank(&new.text) {
            errors.add("text", "required", "Provide the text.");
        }
        all_fits(errors)?;
        let id = add::add(&app, &scope, &key, new).await?;
        Ok(WriteOutcome::created(format!("/api/v1/feedback/{id}"), &detail(&app, &scope, id).await?)?)
    })
    .await
}

/// A time in RFC 3339 format.
fn time(field: &str, text: &str, errors: &mut FieldErrors) -> Option<Timestamp> {
    let read = Timestamp::parse(text).filter(|at| text.contains('T') && at.0 >= 0);
    if read.is_none() {
        errors.add(field, "time", "Use a time like 2026-05-04T09:30:00Z.");
    }
    read
}

/// An ID of another system.
fn external_id(text: &str, errors: &mut FieldErrors) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
        errors.add("external_id", "external_id", "Use an ID of visible characters, or omit it.");
        return None;
    }
    Some(trimmed.to_owned())
}

/// The possible scale maximums.
pub const SCALES: [f64; 11] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 100.0];

/// A status that can be set. `linked` is set by linking.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettableStatus {
    /// Not yet reviewed.
    New,
    /// Reviewed.
    Triaged,
    /// Done.
    Resolved,
    /// Spam, hidden by default.
    Spam,
}

impl From<SettableStatus> for FeedbackStatus {
    fn from(status: SettableStatus) -> Self {
        match status {
            SettableStatus::New => Self::New,
            SettableStatus::Triaged => Self::Triaged,
            SettableStatus::Resolved => Self::Resolved,
            SettableStatus::Spam => Self::Spam,
        }
    }
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct FeedbackPatch {
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<SettableStatus>, nullable = false)]
    status: Option<SettableStatus>,
    /// A member of the project; null to unassign.
    #[serde(default, deserialize_with = "super::request::set_or_null")]
    #[schema(value_type = Option<Uuid>)]
    assignee_id: Option<Option<Uuid>>,
    /// The complete new set of tags.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, max_items = 20)]
    tags: Option<Vec<String>>,
}

/// Triage feedback
///
/// Changes status, assignee and tags. If any value is invalid, nothing is changed.
#[utoipa::path(patch, path = "/api/v1/feedback/{feedback_id}", operation_id = "update_feedback", tag = "Feedback", request_body = FeedbackPatch,
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The updated feedback.", body = FeedbackDetail)))]
pub async fn update_feedback(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<FeedbackPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, id) = (sent.caller.scope(Role::Triager)?, FeedbackId(id));
    write_outcome::idempotent(&app, &sent, async {
        let current = detail(&app, &scope, id).await?;
        // An invalid request is refused regardless of the resource's state (RFC 9110, section 13.2.1).
        let tags = body.tags.as_deref().map(service::triage::add::tags).transpose().map_err(Refusal::Invalid)?;
        write_outcome::require_if_match(&sent.headers, &current)?;
        let status = body.status.map(FeedbackStatus::from);
        let wanted = FeedbackUpdate { status, assignee: body.assignee_id.map(|staff| staff.map(StaffId)), tags };
        patch(&app, &scope, id, current.version(), wanted).await.map_err(|error: Error| ApiRejection::from(error).stale())?;
        Ok(WriteOutcome::changed(&detail(&app, &scope, id).await?)?)
    })
    .await
}
