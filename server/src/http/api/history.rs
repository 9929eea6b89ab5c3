//! What happened to feedback and backlog items.

use axum::{extract::State, http::HeaderMap};
use domain::{
    DomainError as Refusal,
    accounts::Role,
    ids::{BacklogItemId, FeedbackId},
};
use serde::Serialize;
use service::state::AppState;
use store::history::HistoryEntry;
use utoipa::ToSchema;

use super::{caller::ApiCaller, problem::ApiHandlerResult, request::PathIds, write_outcome};

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryChange {
    /// The name of the member or key; null for Earshot itself and for visitors.
    by: Option<String>,
    /// What they did, for people: a phrase after their name. Its words may change.
    #[schema(example = "changed the status from New to Triaged")]
    what: String,
    #[schema(format = DateTime)]
    at: String,
}

/// The latest 200 changes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    items: Vec<HistoryChange>,
}

impl From<Vec<HistoryEntry>> for History {
    fn from(entries: Vec<HistoryEntry>) -> Self {
        let change = |entry: HistoryEntry| HistoryChange { by: entry.by, what: entry.change.sentence(), at: entry.at.rfc3339() };
        Self { items: entries.into_iter().map(change).collect() }
    }
}

/// Read the history of feedback
#[utoipa::path(get, path = "/api/v1/feedback/{feedback_id}/history", operation_id = "read_feedback_history", tag = "Feedback",
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The history.", body = History)))]
pub async fn read_feedback_history(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let (scope, id) = (caller.scope(Role::Viewer)?, FeedbackId(id));
    app.store.feedback_by_ids(&scope, &[id]).await?.pop().ok_or(Refusal::NotFound)?;
    write_outcome::conditional_response(&headers, &History::from(app.store.history_entries(&scope, id).await?))
}

/// Read the history of a backlog item
#[utoipa::path(get, path = "/api/v1/backlog/{item_id}/history", operation_id = "read_backlog_item_history", tag = "Backlog",
    params(("item_id" = Uuid, Path, description = "The item.")),
    responses((status = 200, description = "The history.", body = History)))]
pub async fn read_backlog_item_history(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let (scope, id) = (caller.scope(Role::Viewer)?, BacklogItemId(id));
    app.store.backlog_item_by_id(&scope, id).await?.ok_or(Refusal::NotFound)?;
    write_outcome::conditional_response(&headers, &History::from(app.store.history_entries(&scope, id).await?))
}
