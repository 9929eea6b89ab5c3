//! `/api/v1/feedback`: the inbox, for programs.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    Error as Refusal, FieldErrors, Timestamp,
    accounts::{Role, Scope},
    feedback::{self, Status},
    ids::{FeedbackId, StaffId},
    triage::TriageQuery,
};
use search::{Ask, Sort};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    state::{App, AppState},
    triage::{
        add::{self, NewFeedback},
        list,
        patch::{Patch, patch},
    },
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    answer::{self, Written, inner_key},
    caller::Caller,
    contact::{Contact, NewContact, address, all_fits, text},
    page,
    problem::{Answered, Fault, Refused},
    sent::{self, Asked, Ids, Sent},
};

/// A piece of feedback.
#[derive(Debug, Serialize, ToSchema)]
pub struct Feedback {
    id: Uuid,
    /// What brought it: `survey_response`, `ticket`, `idea`, `usability`, `api` or `import`.
    #[schema(example = "api")]
    kind: String,
    /// What was said; empty where there is only a score.
    text: String,
    /// The score, where one was given.
    score: Option<Score>,
    /// `new`, `triaged`, `linked`, `resolved` or `spam`.
    #[schema(example = "new")]
    status: String,
    /// Who takes care of it.
    assignee_id: Option<Uuid>,
    tags: Vec<String>,
    survey_id: Option<Uuid>,
    response_id: Option<Uuid>,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    /// BCP 47.
    #[schema(example = "en")]
    language: String,
    /// Why it was suspected to be spam.
    spam_reasons: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Grows with each change.
    version: i64,
}

/// A piece of feedback with who said it and what it is linked to.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackDetail {
    #[serde(flatten)]
    feedback: Feedback,
    /// What your system calls it, for feedback that was added or imported with an id of its own.
    external_id: Option<String>,
    /// Who said it, as far as known.
    contact: Option<Contact>,
    /// The backlog items that it is linked to.
    links: Vec<LinkedItem>,
}

/// A backlog item that feedback is linked to.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkedItem {
    /// The item’s number.
    number: i64,
    title: String,
    /// `open`, `planned`, `in_progress`, `shipped` or `declined`.
    status: String,
    /// The words that are meant; null for all of it.
    quote: Option<String>,
    /// `nice`, `normal` or `critical`.
    importance: String,
}

/// A score on its scale.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Score {
    /// From 0 to `max`.
    #[schema(minimum = 0, maximum = 100, example = 9)]
    value: f64,
    /// The top of the scale: 10 for NPS, 5 for satisfaction.
    #[schema(minimum = 1, maximum = 100, example = 10)]
    max: f64,
}

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
    /// How many there are on all pages; null while the search index is being built.
    total: Option<usize>,
    /// For each field how often each value occurs among what was found; empty while the index is being built.
    #[schema(example = json!({ "status": { "new": 12, "linked": 3 } }))]
    facets: BTreeMap<String, BTreeMap<String, usize>>,
    /// Leads to the page after; null on the last.
    next_cursor: Option<String>,
}

impl From<feedback::Feedback> for Feedback {
    fn from(item: feedback::Feedback) -> Self {
        Self {
            id: item.id.0,
            kind: item.kind.as_str().into(),
            text: item.text,
            score: item.score.zip(item.score_max).map(|(value, max)| Score { value, max }),
            status: item.status.as_str().into(),
            assignee_id: item.assignee.map(|staff| staff.0),
            tags: item.tags,
            survey_id: item.survey.map(|survey| survey.0),
            response_id: item.response.map(|response| response.0),
            page_url: item.page_url,
            release: item.release,
            environment: item.environment,
            language: item.language,
            spam_reasons: item.spam_reasons,
            created_at: item.created_at.rfc3339(),
            updated_at: item.updated_at.rfc3339(),
            version: item.version,
        }
    }
}

/// In which order feedback comes.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Best first; newest first when the query asks for no words.
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

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackQuestions {
    /// A query as in the inbox: words, `"phrases"`, `this OR that`, `-not`, and fields like `status:new tag:billing score:<=6 after:7d`.
    /// A day, as in `before:2026-11-01`, begins at midnight in the project's time zone.
    #[serde(default, deserialize_with = "sent::at_most::<500, _>")]
    #[param(max_length = 500, example = "refund status:new score:<=6")]
    q: String,
    #[serde(default)]
    #[param(inline)]
    sort: Order,
    /// How many items a page has.
    #[serde(default = "sent::page", deserialize_with = "sent::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` of the page before.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// Reads a query; what is not understood is refused at its place, counted in characters.
///
/// # Errors
/// 422.
pub fn query(text: &str) -> Answered<TriageQuery> {
    TriageQuery::parse(text).map_err(|error| {
        let before = text.get(..error.position).map_or(0, |text| text.chars().count());
        Refused::invalid(vec![Fault { position: Some(before), ..Fault::parameter("q", "query", error.message) }])
    })
}

/// List and search feedback
///
/// Finds with the query language of the inbox, and counts what it finds. Spam is left out unless the query asks for it (`status:spam`).
/// What others write meanwhile moves nothing from one page to another; by relevance, an item whose own text changes comes once more, at the end.
#[utoipa::path(get, path = "/api/v1/feedback", operation_id = "list_feedback", tag = "Feedback", params(FeedbackQuestions),
    responses((status = 200, description = "One page.", body = FeedbackList)))]
pub async fn list_feedback(
    State(app): State<AppState>,
    caller: Caller,
    Asked(asked): Asked<FeedbackQuestions>,
    headers: HeaderMap,
) -> Answered {
    let scope = caller.scope(Role::Viewer)?;
    let query = query(&asked.q)?;
    let ask = Ask {
        query,
        me: scope.staff(),
        zone: app.store.zone(&scope).await?,
        sort: asked.sort.sort(),
        cursor: asked.cursor.clone(),
        limit: asked.limit,
    };
    let found = match list::page(&app, &scope, ask).await {
        Err(error) if asked.cursor.is_some() && matches!(error.refusal(), Some(Refusal::Invalid(_))) => return Err(page::lost()),
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
    answer::page(&headers, &view, next)
}

async fn detail(app: &App, scope: &Scope, id: FeedbackId) -> Answered<FeedbackDetail> {
    let item = app.store.feedback_by_ids(scope, &[id]).await?.pop().ok_or(Refusal::NotFound)?;
    let contact = app.store.person_behind(scope, &item).await?.map(|person| Contact::of(person, &item));
    let links = app.store.linked_items(scope, id).await?;
    let links = links
        .into_iter()
        .map(|link| LinkedItem {
            number: link.number,
            title: link.title,
            status: link.status.as_str().into(),
            quote: link.quote,
            importance: link.importance.as_str().into(),
        })
        .collect();
    let external_id = app.store.feedback_external_id(scope, id).await?;
    Ok(FeedbackDetail { feedback: item.into(), external_id, contact, links })
}

/// Read feedback
#[utoipa::path(get, path = "/api/v1/feedback/{feedback_id}", operation_id = "read_feedback", tag = "Feedback",
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The feedback.", body = FeedbackDetail)))]
pub async fn read_feedback(State(app): State<AppState>, caller: Caller, Ids([id]): Ids<1>, headers: HeaderMap) -> Answered {
    answer::found(&headers, &detail(&app, &caller.scope(Role::Viewer)?, FeedbackId(id)).await?)
}

/// Feedback to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFeedback)]
pub struct FeedbackInput {
    /// What was said.
    #[serde(deserialize_with = "super::sent::at_most::<20000, _>")]
    #[schema(min_length = 1, max_length = 20000, example = "The export forgets the last column.")]
    text: String,
    score: Option<NewScore>,
    contact: Option<NewContact>,
    /// The page it was said on. Of its query only the parameters that the project keeps are stored, and no fragment.
    #[serde(default, deserialize_with = "super::sent::at_most_or_null::<2000, _>")]
    #[schema(format = "uri", max_length = 2000, example = "https://shop.example/cart")]
    page_url: Option<String>,
    /// The release it is about.
    #[serde(default, deserialize_with = "super::sent::at_most_or_null::<200, _>")]
    #[schema(max_length = 200, example = "2.4.1")]
    release: Option<String>,
    /// The environment.
    #[serde(default, deserialize_with = "super::sent::at_most_or_null::<200, _>")]
    #[schema(max_length = 200, example = "production")]
    environment: Option<String>,
    /// BCP 47, the primary language only; found out from the text when left out.
    #[schema(pattern = "^[a-z]{2,3}$", example = "en")]
    language: Option<String>,
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["billing"]))]
    tags: Vec<String>,
    /// When it was said, for feedback that comes from another system; now when left out. Not in the future.
    #[serde(default)]
    #[schema(format = DateTime, example = "2026-05-04T09:30:00Z")]
    created_at: Option<String>,
    /// What your system calls it. A project has one piece of feedback for each, imported ones included: a second one is refused.
    #[serde(default, deserialize_with = "super::sent::at_most_or_null::<200, _>")]
    #[schema(min_length = 1, max_length = 200, example = "helpdesk-4711")]
    external_id: Option<String>,
}

/// Add feedback
///
/// Something that was said elsewhere. It comes into the inbox as `new` and is found within a second.
#[utoipa::path(post, path = "/api/v1/feedback", operation_id = "create_feedback", tag = "Feedback", request_body = FeedbackInput,
    responses((status = 201, description = "The new feedback.", body = FeedbackDetail)))]
pub async fn create_feedback(State(app): State<AppState>, sent: Sent<FeedbackInput>) -> Answered<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, inner_key(&sent)?);
    answer::once(&app, &sent, async {
        let mut errors = FieldErrors::default();
        let new = NewFeedback {
            page_url: address(&mut errors, "page_url", body.page_url.as_deref()),
            release: text(body.release.as_deref()),
            environment: text(body.environment.as_deref()),
            person: body.contact.and_then(|contact| contact.read("contact", &mut errors)),
            score: body.score.map(|score| (score.value, score.max)),
            language: body.language,
            text: body.text,
            tags: body.tags,
            created_at: body.created_at.as_deref().and_then(|text| time("created_at", text, &mut errors)),
            external_id: body.external_id.as_deref().and_then(|id| external_id(id, &mut errors)),
        };
        if new.language.as_deref().is_some_and(|l| !(2..=3).contains(&l.len()) || !l.bytes().all(|b| b.is_ascii_lowercase())) {
            errors.add("language", "language", "Write a language like en, in small letters.");
        }
        if new.score.is_some_and(|(_, max)| !SCALES.contains(&max)) {
            errors.add("score/max", "range", "A scale goes up to a whole number from 1 to 10, or to 100.");
        }
        if new.text.chars().all(|c| c.is_whitespace() || c.is_control()) {
            errors.add("text", "required", "Say what was said.");
        }
        all_fits(errors)?;
        let id = add::add(&app, &scope, &key, new).await?;
        Ok(Written::created(format!("/api/v1/feedback/{id}"), &detail(&app, &scope, id).await?)?)
    })
    .await
}

/// A time as RFC 3339 has it.
fn time(field: &str, text: &str, errors: &mut FieldErrors) -> Option<Timestamp> {
    let read = Timestamp::parse(text).filter(|at| text.contains('T') && at.0 >= 0);
    if read.is_none() {
        errors.add(field, "time", "Write a time like 2026-05-04T09:30:00Z.");
    }
    read
}

/// An id of another system.
fn external_id(text: &str, errors: &mut FieldErrors) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
        errors.add("external_id", "external_id", "Give an id of visible characters, or leave it out.");
        return None;
    }
    Some(trimmed.to_owned())
}

/// The tops of scales that there are.
pub const SCALES: [f64; 11] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 100.0];

/// A status that can be set. `linked` comes with a link.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettableStatus {
    /// Nobody has looked yet.
    New,
    /// Looked at.
    Triaged,
    /// Done with.
    Resolved,
    /// Out of the way.
    Spam,
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackPatch {
    #[serde(default, deserialize_with = "super::sent::set")]
    #[schema(value_type = Option<SettableStatus>, nullable = false)]
    status: Option<SettableStatus>,
    /// A member of the project; null: nobody.
    #[serde(default, deserialize_with = "super::sent::set_or_null")]
    #[schema(value_type = Option<Uuid>)]
    assignee_id: Option<Option<Uuid>>,
    /// All tags that it is to have.
    #[serde(default, deserialize_with = "super::sent::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, max_items = 20)]
    tags: Option<Vec<String>>,
}

/// Triage feedback
///
/// Changes status, assignee and tags: all of it or, when anything does not fit, nothing.
#[utoipa::path(patch, path = "/api/v1/feedback/{feedback_id}", operation_id = "update_feedback", tag = "Feedback", request_body = FeedbackPatch,
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The feedback as it is now.", body = FeedbackDetail)))]
pub async fn update_feedback(State(app): State<AppState>, Ids([id]): Ids<1>, sent: Sent<FeedbackPatch>) -> Answered<Response> {
    let (sent, body) = sent.open();
    let (scope, id) = (sent.caller.scope(Role::Triager)?, FeedbackId(id));
    answer::once(&app, &sent, async {
        let current = detail(&app, &scope, id).await?;
        // What can never be done is refused whatever the state is (RFC 9110, section 13.2.1).
        let tags = body.tags.as_deref().map(service::triage::add::tags).transpose().map_err(Refusal::Invalid)?;
        answer::demand_match(&sent.headers, &current)?;
        let status = body.status.map(|status| match status {
            SettableStatus::New => Status::New,
            SettableStatus::Triaged => Status::Triaged,
            SettableStatus::Resolved => Status::Resolved,
            SettableStatus::Spam => Status::Spam,
        });
        let wanted = Patch { status, assignee: body.assignee_id.map(|staff| staff.map(StaffId)), tags };
        patch(&app, &scope, id, current.feedback.version, wanted).await.map_err(|error: Error| Refused::from(error).stale())?;
        Ok(Written::changed(&detail(&app, &scope, id).await?)?)
    })
    .await
}
