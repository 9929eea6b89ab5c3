//! `/api/v1/feedback/bulk` and `/api/v1/undo`: one change of many items of feedback, and taking it back.

use std::collections::BTreeSet;

use axum::{extract::State, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback::FeedbackStatus,
    ids::{FeedbackId, StaffId, UndoId},
};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    state::{App, AppState},
    triage::{self, FeedbackEdit, ItemVersion, add},
    undo,
};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::{
    feedback::{SettableStatus, query},
    problem::{ApiHandlerResult, ApiRejection, FieldProblem},
    request::{EmptyBody, PathIds, WriteRequest},
    write_outcome::{self, WriteOutcome},
};

/// A change of many items of feedback.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewBulkChange {
    #[validate(nested)]
    #[serde(deserialize_with = "super::request::object")]
    selection: BulkSelection,
    #[validate(nested)]
    #[serde(deserialize_with = "super::request::object")]
    change: BulkChange,
}

/// The feedback to change: either `items` or `query`.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "one_selection", skip_on_field_errors = false))]
pub struct BulkSelection {
    /// These items. One that someone else changed since the given version, in what you change, is skipped.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<BulkItem>>, nullable = false, min_items = 1, max_items = 500)]
    items: Option<Vec<BulkItem>>,
    /// All feedback that matches this query, as in `GET /api/v1/feedback`: up to 10,000 items.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::triage::MAX_QUERY)))]
    #[schema(value_type = Option<String>, nullable = false, max_length = 2000, example = "status:new tag:billing")]
    query: Option<String>,
}

fn one_selection(selection: &BulkSelection) -> Result<(), ValidationError> {
    let given = [selection.items.is_some(), selection.query.is_some()];
    exactly_one(&given, "Give either items or a query.")
}

/// An item at the version that you read.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkItem {
    id: Uuid,
    /// `version` of the item when you read it.
    #[serde(deserialize_with = "super::survey_drafts::revision")]
    #[schema(minimum = 1, maximum = 9007199254740991_i64, example = 3)]
    version: i64,
}

/// What to change: exactly one of these.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "one_change", skip_on_field_errors = false))]
pub struct BulkChange {
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<SettableStatus>, nullable = false)]
    status: Option<SettableStatus>,
    /// A member of the project; null to unassign.
    #[serde(default, deserialize_with = "super::request::set_or_null")]
    #[schema(value_type = Option<Uuid>)]
    assignee_id: Option<Option<Uuid>>,
    /// Tags to add.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, min_items = 1, max_items = 20)]
    add_tags: Option<Vec<String>>,
    /// Tags to remove.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, min_items = 1, max_items = 20)]
    remove_tags: Option<Vec<String>>,
}

fn one_change(change: &BulkChange) -> Result<(), ValidationError> {
    let BulkChange { status, assignee_id, add_tags, remove_tags } = change;
    let given = [status.is_some(), assignee_id.is_some(), add_tags.is_some(), remove_tags.is_some()];
    exactly_one(&given, "Give exactly one change.")
}

fn exactly_one(given: &[bool], message: &'static str) -> Result<(), ValidationError> {
    let is_one = given.iter().filter(|given| **given).count() == 1;
    if is_one { Ok(()) } else { Err(ValidationError::new("one_of").with_message(message.into())) }
}

impl BulkChange {
    /// The change of the use case; invalid tags are reported at their places.
    fn edit(&self) -> ApiHandlerResult<FeedbackEdit> {
        let tags = |typed: &[String], name: &str| {
            let read = if typed.is_empty() {
                Err(domain::FieldErrors::one("tags", "required", "Give at least one tag."))
            } else {
                add::tags(typed)
            };
            read.map_err(|errors| {
                let place = |field: &str| format!("/change/{}", field.replacen("tags", name, 1));
                ApiRejection::from(domain::DomainError::Invalid(errors)).at(place)
            })
        };
        Ok(match self {
            Self { status: Some(status), .. } => FeedbackEdit::Status(FeedbackStatus::from(*status)),
            Self { assignee_id: Some(to), .. } => FeedbackEdit::Assign(to.map(StaffId)),
            Self { add_tags: Some(typed), .. } => FeedbackEdit::Tags { add: tags(typed, "add_tags")?, remove: Vec::new() },
            Self { remove_tags, .. } => {
                FeedbackEdit::Tags { add: Vec::new(), remove: tags(remove_tags.as_deref().unwrap_or_default(), "remove_tags")? }
            }
        })
    }
}

/// The outcome of a change of many items.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkOutcome {
    /// How many items changed.
    changed: usize,
    /// How many already had the value.
    unchanged: usize,
    /// Why the other items were skipped, one sentence each.
    conflicts: Vec<String>,
    /// Takes the change back, for seven days: `POST /api/v1/undo/{undo_id}`. Null if nothing changed.
    undo_id: Option<Uuid>,
}

/// Change many items of feedback
///
/// Makes one change of the items, or of all feedback that matches a query. Items are changed all at once, matches in batches. Refused with 409
/// if all items were changed by someone else, and while an earlier request with the same key is still running; with 422 if one of the items
/// does not exist; with 503 while the search index is not up to date enough to say what matches.
#[utoipa::path(post, path = "/api/v1/feedback/bulk", operation_id = "bulk_update_feedback", tag = "Feedback", request_body = NewBulkChange,
    responses((status = 200, description = "What changed.", body = BulkOutcome)))]
pub async fn bulk_update_feedback(State(app): State<AppState>, sent: WriteRequest<NewBulkChange>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    sent.once()?;
    let work = {
        let app = app.clone();
        async move {
            let edit = body.change.edit()?;
            let outcome = match (body.selection.items, body.selection.query) {
                (Some(items), _) => {
                    let items: Vec<_> = items.iter().map(|item| ItemVersion { id: FeedbackId(item.id), version: item.version }).collect();
                    match triage::edit(&app, &scope, &items, edit).await {
                        Err(Error::Domain(Refusal::NotFound)) => return Err(unknown(&app, &scope, &items).await?),
                        outcome => outcome,
                    }
                }
                (None, text) => triage::edit_matching(&app, &scope, &query_of(text.as_deref().unwrap_or_default())?, edit).await,
            };
            let outcome = outcome.map_err(|error| {
                ApiRejection::from(error).at(|field| match field {
                    "assignee" => "/change/assignee_id".to_owned(),
                    "status" => "/change/status".to_owned(),
                    "add" => "/change/add_tags".to_owned(),
                    _ => "/selection".to_owned(),
                })
            })?;
            Ok(WriteOutcome::changed(&BulkOutcome {
                changed: outcome.changed,
                unchanged: outcome.same,
                conflicts: outcome.conflicts,
                undo_id: outcome.undo.map(|undo| undo.0),
            })?)
        }
    };
    write_outcome::to_completion(&app, sent, work).await
}

/// The refusal of a selection with items that are not in the project.
async fn unknown(app: &App, scope: &Scope, items: &[ItemVersion]) -> ApiHandlerResult<ApiRejection> {
    let ids: Vec<_> = items.iter().map(|item| item.id).collect();
    let found: BTreeSet<_> = app.store.feedback_by_ids(scope, &ids).await?.into_iter().map(|feedback| feedback.id).collect();
    let missing = ids.iter().enumerate().filter(|(_, id)| !found.contains(id));
    let fault = |(at, _)| FieldProblem::at(format!("/selection/items/{at}/id"), "unknown", "The project has no such feedback.");
    Ok(ApiRejection::invalid(missing.map(fault).collect()))
}

/// A query in the body: its error is reported there.
fn query_of(text: &str) -> ApiHandlerResult<domain::triage::TriageQuery> {
    query(text).map_err(|refusal| match refusal {
        ApiRejection::Protocol { status, code, detail, faults } => {
            let in_body = |fault: FieldProblem| FieldProblem { pointer: Some("/selection/query".into()), parameter: None, ..fault };
            ApiRejection::Protocol { status, code, detail, faults: faults.into_iter().map(in_body).collect() }
        }
        other => other,
    })
}

/// The outcome of an undo.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndoOutcome {
    /// How many items changed back.
    changed: usize,
    /// How many already had the earlier value.
    unchanged: usize,
    /// Why the other items stay as they are, one sentence each.
    conflicts: Vec<String>,
}

/// Undo a change
///
/// Takes back a change that this key made in the last seven days, once. What has changed again since stays; if that is everything, the
/// request is refused with 409, as it is while an earlier request with the same key is still running.
#[utoipa::path(post, path = "/api/v1/undo/{undo_id}", operation_id = "undo_change", tag = "Feedback",
    params(("undo_id" = Uuid, Path, description = "`undo_id` of the change.")),
    responses((status = 200, description = "What changed back.", body = UndoOutcome)))]
pub async fn undo_change(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    sent.once()?;
    let work = {
        let app = app.clone();
        async move {
            let done = undo::undo(&app, &scope, UndoId(id)).await?;
            Ok(WriteOutcome::changed(&UndoOutcome { changed: done.changed, unchanged: done.same, conflicts: done.conflicts })?)
        }
    };
    write_outcome::to_completion(&app, sent, work).await
}
