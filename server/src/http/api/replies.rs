//! `/api/v1/replies`: canned replies to tickets.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::CannedReplyId,
    replies::{CannedReply as Stored, check_reply},
};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    replies,
    state::{App, AppState},
};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::{ApiHandlerResult, ApiRejection},
    request::{EmptyBody, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A text that the team answers tickets with.
#[derive(Debug, Serialize, ToSchema)]
pub struct CannedReply {
    id: Uuid,
    #[schema(example = "Refund sent")]
    name: String,
    body: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Increases with each change.
    version: i64,
}

/// One page of canned replies, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CannedReplyList {
    items: Vec<CannedReply>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for CannedReply {
    fn from(reply: Stored) -> Self {
        Self {
            id: reply.id.0,
            name: reply.name,
            body: reply.body,
            created_at: reply.created_at.rfc3339(),
            updated_at: reply.updated_at.rfc3339(),
            version: reply.version,
        }
    }
}

async fn one(app: &App, scope: &Scope, id: CannedReplyId) -> ApiHandlerResult<CannedReply> {
    Ok(app.store.reply(scope, id).await?.ok_or(Refusal::NotFound)?.into())
}

/// List canned replies
#[utoipa::path(get, path = "/api/v1/replies", operation_id = "list_replies", tag = "Canned replies", params(PageParams),
    responses((status = 200, description = "One page.", body = CannedReplyList)))]
pub async fn list_replies(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let replies = app.store.replies(&scope).await?;
    let end = |reply: &Stored| (reply.created_at, reply.id.0);
    lists::respond(&headers, (&asked, "/api/v1/replies"), replies, end, |replies, next_cursor| CannedReplyList {
        items: replies.into_iter().map(CannedReply::from).collect(),
        next_cursor,
    })
}

/// Read a canned reply
#[utoipa::path(get, path = "/api/v1/replies/{reply_id}", operation_id = "read_reply", tag = "Canned replies",
    params(("reply_id" = Uuid, Path, description = "The canned reply.")),
    responses((status = 200, description = "The canned reply.", body = CannedReply)))]
pub async fn read_reply(State(app): State<AppState>, caller: ApiCaller, PathIds([id]): PathIds<1>, headers: HeaderMap) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Viewer)?, CannedReplyId(id)).await?)
}

/// A canned reply to add.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewCannedReply {
    /// Unique within the project.
    #[validate(length(max = super::request::chars(domain::replies::MAX_NAME)))]
    #[schema(min_length = 1, max_length = 80, example = "Refund sent")]
    name: String,
    /// The text. Placeholders such as `{name}` are filled in when a member inserts the reply in the console.
    #[validate(length(max = super::request::chars(domain::replies::MAX_BODY)))]
    #[schema(min_length = 1, max_length = 10000, example = "We have refunded the payment.")]
    body: String,
}

/// Add a canned reply
#[utoipa::path(post, path = "/api/v1/replies", operation_id = "create_reply", tag = "Canned replies", request_body = NewCannedReply,
    responses((status = 201, description = "The new canned reply.", body = CannedReply)))]
pub async fn create_reply(State(app): State<AppState>, sent: WriteRequest<NewCannedReply>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let id = replies::create(&app, &scope, &key, &body.name, &body.body).await?;
        Ok(WriteOutcome::created(format!("/api/v1/replies/{id}"), &one(&app, &scope, id).await?)?)
    })
    .await
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CannedReplyPatch {
    /// Unique within the project.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::replies::MAX_NAME)))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 80)]
    name: Option<String>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::replies::MAX_BODY)))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 10000)]
    body: Option<String>,
}

/// Change a canned reply
#[utoipa::path(patch, path = "/api/v1/replies/{reply_id}", operation_id = "update_reply", tag = "Canned replies",
    request_body = CannedReplyPatch,
    params(("reply_id" = Uuid, Path, description = "The canned reply.")),
    responses((status = 200, description = "The updated canned reply.", body = CannedReply)))]
pub async fn update_reply(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<CannedReplyPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, id) = (sent.caller.scope(Role::Triager)?, CannedReplyId(id));
    write_outcome::idempotent(&app, &sent, async {
        let current = one(&app, &scope, id).await?;
        let name = body.name.as_deref().unwrap_or(&current.name);
        let text = body.body.as_deref().unwrap_or(&current.body);
        // An invalid request is refused regardless of the resource's state (RFC 9110, section 13.2.1).
        check_reply(name, text)?;
        write_outcome::require_if_match(&sent.headers, &current)?;
        let changed = replies::edit(&app, &scope, id, current.version, name, text).await;
        changed.map_err(|error: Error| ApiRejection::from(error).stale())?;
        Ok(WriteOutcome::changed(&one(&app, &scope, id).await?)?)
    })
    .await
}

/// Delete a canned reply
#[utoipa::path(delete, path = "/api/v1/replies/{reply_id}", operation_id = "delete_reply", tag = "Canned replies",
    params(("reply_id" = Uuid, Path, description = "The canned reply.")),
    responses((status = 204, description = "The canned reply is deleted.")))]
pub async fn delete_reply(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    write_outcome::delete(&app, &sent, replies::delete(&app, &scope, CannedReplyId(id))).await
}
