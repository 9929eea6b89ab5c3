//! `/api/v1/tags`: the tags in use.

use axum::{extract::State, http::HeaderMap};
use domain::accounts::Role;
use serde::Serialize;
use service::state::AppState;
use utoipa::ToSchema;

use super::{caller::ApiCaller, lists::PageParams, page, problem::ApiHandlerResult, request::QueryParams, write_outcome};

/// A tag in use.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tag {
    #[schema(example = "billing")]
    name: String,
    /// How much feedback has it, spam included.
    feedback: i64,
}

/// One page of tags, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagList {
    items: Vec<Tag>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

/// Prefix of this list's cursors, so that a cursor of another list is rejected.
const MARK: &str = "tag.";

/// List tags
///
/// The tags in use, with how much feedback has each.
#[utoipa::path(get, path = "/api/v1/tags", operation_id = "list_tags", tag = "Feedback", params(PageParams),
    responses((status = 200, description = "One page.", body = TagList)))]
pub async fn list_tags(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let after: String = page::marked_place(asked.cursor.as_deref(), MARK)?.unwrap_or_default();
    let mut tags = app.store.tag_counts(&scope, &after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_marked(&mut tags, asked.limit, MARK, |(tag, _)| tag.clone());
    let next = asked.next("/api/v1/tags", next_cursor.as_deref());
    let items = tags.into_iter().map(|(name, feedback)| Tag { name, feedback }).collect();
    write_outcome::page(&headers, &TagList { items, next_cursor }, next)
}
