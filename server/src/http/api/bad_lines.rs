//! `/api/v1/imports/{import_id}/bad-lines`: rows of a file that could not be imported.

use axum::{extract::State, http::HeaderMap};
use domain::accounts::Role;
use serde::Serialize;
use service::state::AppState;
use store::imports::BadLine as Stored;
use utoipa::ToSchema;

use super::{
    caller::ApiCaller,
    imports::find,
    lists::PageParams,
    page,
    problem::ApiHandlerResult,
    request::{PathIds, QueryParams},
    write_outcome,
};

/// A row that could not be imported.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadLine {
    /// The line of the file where the row begins.
    line: i64,
    /// Why it could not be imported, for people.
    reason: String,
}

/// One page of rows that could not be imported, in the order of the file.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadLineList {
    items: Vec<BadLine>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

/// Prefix of this list's cursors, so that a cursor of another list is rejected.
const MARK: &str = "line.";

/// List the bad lines of an import
///
/// The rows that could not be imported in its last run: the first 10,000. `rejected` of the import counts all.
#[utoipa::path(get, path = "/api/v1/imports/{import_id}/bad-lines", operation_id = "list_bad_lines", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import."), PageParams),
    responses((status = 200, description = "One page.", body = BadLineList)))]
pub async fn list_bad_lines(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let import = find(&app, &scope, id).await?;
    let after: i64 = page::marked_place(asked.cursor.as_deref(), MARK)?.unwrap_or_default();
    let mut lines = app.store.bad_lines(&scope, import.id, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_marked(&mut lines, asked.limit, MARK, |last| last.line);
    let next = asked.next(&format!("/api/v1/imports/{id}/bad-lines"), next_cursor.as_deref());
    let items = lines.into_iter().map(|Stored { line, reason }| BadLine { line, reason }).collect();
    write_outcome::page(&headers, &BadLineList { items, next_cursor }, next)
}
