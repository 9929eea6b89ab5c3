//! `/api/v1/backlog`: items of work, and their links to feedback.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    backlog::{self, BacklogStatus},
    ids::{BacklogItemId, FeedbackId},
};
use schemas::{BacklogItem, Importance, ItemStatus};
use serde::{Deserialize, Serialize};
use service::{
    backlog::{
        LinkInput, UnlinkOptions,
        patch::{BacklogUpdate, patch},
    },
    error::Error,
    state::{App, AppState},
};
use store::backlog::BacklogFilter;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    page,
    problem::{ApiHandlerResult, ApiRejection},
    request::{self, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// One page of items, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacklogList {
    items: Vec<BacklogItem>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

/// A link from an item to feedback.
#[derive(Debug, Serialize, ToSchema)]
pub struct Link {
    feedback_id: Uuid,
    /// The quoted part of the feedback; null if the link is about all of it.
    quote: Option<String>,
    importance: Importance,
    #[schema(format = DateTime)]
    linked_at: String,
}

/// One page of links, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkList {
    items: Vec<Link>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

async fn find(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<backlog::BacklogItem> {
    Ok(app.store.backlog_item_by_id(scope, BacklogItemId(id)).await?.ok_or(Refusal::NotFound)?)
}

async fn with_evidence(app: &App, scope: &Scope, item: backlog::BacklogItem) -> ApiHandlerResult<BacklogItem> {
    let evidence = app.store.backlog_evidence(scope, &item).await?;
    Ok(BacklogItem::new(item, evidence.into()))
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListBacklogParams {
    /// Words in the title or description, or an item number.
    #[serde(default)]
    #[validate(length(max = 300))]
    #[param(max_length = 300, example = "export")]
    q: String,
    /// Only items with this status.
    status: Option<ItemStatus>,
    /// Number of items per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List backlog items
///
/// Newest first.
#[utoipa::path(get, path = "/api/v1/backlog", operation_id = "list_backlog_items", tag = "Backlog", params(ListBacklogParams),
    responses((status = 200, description = "One page.", body = BacklogList)))]
pub async fn list_backlog_items(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ListBacklogParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let after = page::place(asked.cursor.as_deref())?;
    let status = asked.status.map(BacklogStatus::from);
    let filter: BacklogFilter = service::backlog::filter(&asked.q, status);
    let mut items = app.store.backlog_page(&scope, &filter, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_page(&mut items, asked.limit, |item| (item.created_at, item.id.0));
    let mut evidence = app.store.evidence_of(&scope, &items).await?;
    let items = items
        .into_iter()
        .map(|item| (evidence.remove(&item.id).unwrap_or_default(), item))
        .map(|(e, item)| BacklogItem::new(item, e.into()))
        .collect();
    let questions = [
        ("q", Some(asked.q).filter(|q| !q.is_empty())),
        ("status", status.map(|s| s.as_str().to_owned())),
        ("limit", Some(asked.limit.to_string())),
    ];
    let next = page::next("/api/v1/backlog", next_cursor.as_deref(), &questions);
    write_outcome::page(&headers, &BacklogList { items, next_cursor }, next)
}

/// Read a backlog item
#[utoipa::path(get, path = "/api/v1/backlog/{item_id}", operation_id = "read_backlog_item", tag = "Backlog",
    params(("item_id" = Uuid, Path, description = "The item.")),
    responses((status = 200, description = "The item.", body = BacklogItem)))]
pub async fn read_backlog_item(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let item = find(&app, &scope, id).await?;
    write_outcome::conditional_response(&headers, &with_evidence(&app, &scope, item).await?)
}

/// An item to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewBacklogItem {
    #[validate(length(max = super::request::chars(domain::backlog::MAX_TITLE)))]
    #[schema(min_length = 1, max_length = 200, example = "Export keeps all columns")]
    title: String,
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::backlog::MAX_BODY)))]
    #[schema(max_length = 20000)]
    body: String,
}

/// Create a backlog item
#[utoipa::path(post, path = "/api/v1/backlog", operation_id = "create_backlog_item", tag = "Backlog", request_body = NewBacklogItem,
    responses((status = 201, description = "The new item.", body = BacklogItem)))]
pub async fn create_backlog_item(State(app): State<AppState>, sent: WriteRequest<NewBacklogItem>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let number = service::backlog::create(&app, &scope, &key, &body.title, &body.body).await?;
        let item = app.store.backlog_item(&scope, number).await?.ok_or(Refusal::NotFound)?;
        let location = format!("/api/v1/backlog/{}", item.id);
        Ok(WriteOutcome::created(location, &with_evidence(&app, &scope, item).await?)?)
    })
    .await
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct BacklogPatch {
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::backlog::MAX_TITLE)))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 200)]
    title: Option<String>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::backlog::MAX_BODY)))]
    #[schema(value_type = Option<String>, nullable = false, max_length = 20000)]
    body: Option<String>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<ItemStatus>, nullable = false)]
    status: Option<ItemStatus>,
}

/// Change a backlog item
#[utoipa::path(patch, path = "/api/v1/backlog/{item_id}", operation_id = "update_backlog_item", tag = "Backlog", request_body = BacklogPatch,
    params(("item_id" = Uuid, Path, description = "The item.")),
    responses((status = 200, description = "The updated item.", body = BacklogItem)))]
pub async fn update_backlog_item(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<BacklogPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    write_outcome::idempotent(&app, &sent, async {
        let item = find(&app, &scope, id).await?;
        let current = with_evidence(&app, &scope, item.clone()).await?;
        // An invalid request is refused regardless of the resource's state (RFC 9110, section 13.2.1).
        let (title, text) = backlog::check_item(body.title.as_deref().unwrap_or(&item.title), body.body.as_deref().unwrap_or(&item.body))?;
        write_outcome::require_if_match(&sent.headers, &current)?;
        let wanted = BacklogUpdate { title, body: text, status: body.status.map(Into::into) };
        let changed = patch(&app, &scope, item.number, item.version, wanted).await;
        changed.map_err(|error: Error| ApiRejection::from(error).stale())?;
        let item = find(&app, &scope, id).await?;
        Ok(WriteOutcome::changed(&with_evidence(&app, &scope, item).await?)?)
    })
    .await
}

/// Query parameters of the list of links.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListLinksParams {
    /// Number of links per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List the links of an item
///
/// The feedback linked to the item, most recently linked first.
#[utoipa::path(get, path = "/api/v1/backlog/{item_id}/links", operation_id = "list_links", tag = "Backlog",
    params(("item_id" = Uuid, Path, description = "The item."), ListLinksParams),
    responses((status = 200, description = "One page.", body = LinkList)))]
pub async fn list_links(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<ListLinksParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let item = find(&app, &scope, id).await?;
    let after = page::place(asked.cursor.as_deref())?;
    let mut links = app.store.linked_feedback(&scope, &item, after, page::fetch_limit(asked.limit), 0).await?;
    let next_cursor = page::split_page(&mut links, asked.limit, |link| (link.linked_at, link.feedback.0));
    let items = links
        .into_iter()
        .map(|link| Link {
            feedback_id: link.feedback.0,
            quote: link.quote,
            importance: link.importance.into(),
            linked_at: link.linked_at.rfc3339(),
        })
        .collect();
    let path = format!("/api/v1/backlog/{id}/links");
    let next = page::next(&path, next_cursor.as_deref(), &[("limit", Some(asked.limit.to_string()))]);
    write_outcome::page(&headers, &LinkList { items, next_cursor }, next)
}

/// How feedback is linked.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// The part of the feedback to quote; all of it by default.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::backlog::MAX_QUOTE)))]
    #[schema(max_length = 2000)]
    quote: Option<String>,
    #[serde(default)]
    importance: Importance,
}

/// The linked item and feedback.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkedPair {
    item_id: Uuid,
    feedback_id: Uuid,
    /// Whether the link is new.
    is_new: bool,
}

/// Link feedback to an item
///
/// Linking again updates the quote and importance. New or triaged feedback becomes `linked`. The quote must occur in the feedback’s text.
#[utoipa::path(put, path = "/api/v1/backlog/{item_id}/links/{feedback_id}", operation_id = "link_feedback", tag = "Backlog",
    request_body = Option<NewLink>,
    params(("item_id" = Uuid, Path, description = "The item."), ("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 200, description = "The link exists.", body = LinkedPair)))]
pub async fn link_feedback(
    State(app): State<AppState>,
    PathIds([id, feedback]): PathIds<2>,
    sent: WriteRequest<NewLink>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    write_outcome::idempotent(&app, &sent, async {
        let item = find(&app, &scope, id).await?;
        let quoting = LinkInput { quote: body.quote.unwrap_or_default(), importance: body.importance.into() };
        let linked = service::backlog::link(&app, &scope, FeedbackId(feedback), item.number, quoting).await?;
        Ok(WriteOutcome::changed(&LinkedPair { item_id: id, feedback_id: feedback, is_new: linked.is_new })?)
    })
    .await
}

/// Remove a link
///
/// Feedback with no remaining links becomes `triaged`. Removing a link that does not exist also succeeds.
#[utoipa::path(delete, path = "/api/v1/backlog/{item_id}/links/{feedback_id}", operation_id = "unlink_feedback", tag = "Backlog",
    params(("item_id" = Uuid, Path, description = "The item."), ("feedback_id" = Uuid, Path, description = "The feedback.")),
    responses((status = 204, description = "The link does not exist.")))]
pub async fn unlink_feedback(
    State(app): State<AppState>,
    PathIds([id, feedback]): PathIds<2>,
    sent: WriteRequest<request::EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, _) = sent.open();
    let scope = sent.caller.scope(Role::Triager)?;
    write_outcome::idempotent(&app, &sent, async {
        let item = find(&app, &scope, id).await?;
        service::backlog::unlink(&app, &scope, FeedbackId(feedback), item.number, UnlinkOptions::default()).await?;
        Ok(WriteOutcome::gone())
    })
    .await
}
