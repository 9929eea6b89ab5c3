//! `/api/v1/tags`: the tags in use.

use axum::{extract::State, http::HeaderMap};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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

fn after(cursor: Option<&str>) -> ApiHandlerResult<String> {
    let Some(cursor) = cursor else { return Ok(String::new()) };
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let tag = text.as_deref().and_then(|text| text.strip_prefix(MARK)).filter(|tag| !tag.contains('\0'));
    tag.map(ToOwned::to_owned).ok_or_else(page::invalid_cursor)
}

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
    let mut tags = app.store.tag_counts(&scope, &after(asked.cursor.as_deref())?, page::fetch_limit(asked.limit)).await?;
    let more = tags.len() > asked.limit;
    tags.truncate(asked.limit);
    let next_cursor = tags.last().filter(|_| more).map(|(tag, _)| URL_SAFE_NO_PAD.encode(format!("{MARK}{tag}")));
    let next = asked.next("/api/v1/tags", next_cursor.as_deref());
    let items = tags.into_iter().map(|(name, feedback)| Tag { name, feedback }).collect();
    write_outcome::page(&headers, &TagList { items, next_cursor }, next)
}
