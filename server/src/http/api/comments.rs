//! `/api/v1/feedback/{feedback_id}/comments`: the team's internal comments on feedback.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::FeedbackId,
    text::is_blank,
};
use serde::{Deserialize, Serialize};
use service::{
    state::{App, AppState},
    triage,
};
use store::triage::Comment as Stored;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::ApiHandlerResult,
    request::{PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A comment of the team on feedback. The person who gave the feedback never sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    id: Uuid,
    /// The name of the member or key that wrote it.
    #[schema(example = "Ann Archer")]
    author_name: String,
    body: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// One page of comments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommentList {
    items: Vec<Comment>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for Comment {
    fn from(comment: Stored) -> Self {
        Self { id: comment.id.0, author_name: comment.name, body: comment.body, created_at: comment.at.rfc3339() }
    }
}

/// The comments on feedback of the scope's project.
async fn on(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Vec<Stored>> {
    let id = FeedbackId(id);
    app.store.feedback_by_ids(scope, &[id]).await?.pop().ok_or(Refusal::NotFound)?;
    Ok(app.store.comments_on(scope, id).await?)
}

async fn one(app: &App, scope: &Scope, feedback: Uuid, id: Uuid) -> ApiHandlerResult<Comment> {
    let found = on(app, scope, feedback).await?.into_iter().find(|comment| comment.id.0 == id);
    Ok(found.ok_or(Refusal::NotFound)?.into())
}

/// List the comments on feedback
///
/// The team’s comments on a piece of feedback. Internal notes on a ticket are among the ticket’s messages.
#[utoipa::path(get, path = "/api/v1/feedback/{feedback_id}/comments", operation_id = "list_comments", tag = "Feedback",
    params(("feedback_id" = Uuid, Path, description = "The feedback."), PageParams),
    responses((status = 200, description = "One page.", body = CommentList)))]
pub async fn list_comments(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let (comments, path) = (on(&app, &scope, id).await?, format!("/api/v1/feedback/{id}/comments"));
    let end = |comment: &Stored| (comment.at, comment.id.0);
    lists::respond(&headers, (&asked, &path), comments, end, |comments, next_cursor| CommentList {
        items: comments.into_iter().map(Comment::from).collect(),
        next_cursor,
    })
}

/// Read a comment
#[utoipa::path(get, path = "/api/v1/feedback/{feedback_id}/comments/{comment_id}", operation_id = "read_comment", tag = "Feedback",
    params(("feedback_id" = Uuid, Path, description = "The feedback."), ("comment_id" = Uuid, Path, description = "The comment.")),
    responses((status = 200, description = "The comment.", body = Comment)))]
pub async fn read_comment(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([feedback, id]): PathIds<2>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Viewer)?, feedback, id).await?)
}

/// A comment to write.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    #[validate(length(max = super::request::chars(domain::feedback::MAX_COMMENT)))]
    #[schema(min_length = 1, max_length = 10000, example = "Three customers asked for this last week.")]
    body: String,
}

/// Comment on feedback
#[utoipa::path(post, path = "/api/v1/feedback/{feedback_id}/comments", operation_id = "create_comment", tag = "Feedback",
    request_body = NewComment,
    params(("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 201, description = "The new comment.", body = Comment)))]
pub async fn create_comment(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewComment>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        if is_blank(&body.body) {
            return Err(Refusal::field("body", "required", "Write the comment.").into());
        }
        let comment = triage::comment(&app, &scope, FeedbackId(id), &body.body, &key).await?;
        let location = format!("/api/v1/feedback/{id}/comments/{comment}");
        Ok(WriteOutcome::created(location, &one(&app, &scope, id, comment.0).await?)?)
    })
    .await
}
