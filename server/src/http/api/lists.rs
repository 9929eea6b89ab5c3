//! Lists without filters, and lists that are short enough to be paged in memory.

use std::cmp::Reverse;

use axum::http::HeaderMap;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;
use validator::Validate;

use super::{page, problem::ApiHandlerResult, request, write_outcome};

/// Query parameters of a list without filters.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Number of items per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 400)]
    pub cursor: Option<String>,
}

impl PageParams {
    /// The URL of the next page of the list at `path`.
    #[must_use]
    pub fn next(&self, path: &str, cursor: Option<&str>) -> Option<String> {
        page::next(path, cursor, &[("limit", Some(self.limit.to_string()))])
    }
}

/// Sorts all items of the list at `path`, newest first, and responds with the requested page. `end` returns the sort key of an item; `view`
/// makes the response from the items and the cursor of the next page.
///
/// # Errors
/// Returns an error if the cursor is invalid.
pub fn respond<T, V: Serialize>(
    headers: &HeaderMap,
    (asked, path): (&PageParams, &str),
    mut items: Vec<T>,
    end: impl Fn(&T) -> (Timestamp, Uuid),
    view: impl FnOnce(Vec<T>, Option<String>) -> V,
) -> ApiHandlerResult {
    items.sort_by_key(|item| Reverse(end(item)));
    if let Some(after) = page::place(asked.cursor.as_deref())? {
        items.retain(|item| {
            let (at, id) = end(item);
            (at.0, id.to_string()) < after
        });
    }
    let next_cursor = page::split_page(&mut items, asked.limit, end);
    let next = asked.next(path, next_cursor.as_deref());
    write_outcome::page(headers, &view(items, next_cursor), next)
}
