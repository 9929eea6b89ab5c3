//! Lists without filters, and lists that are short enough to be cut into pages in memory.

use axum::http::HeaderMap;
use domain::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{page, problem::ApiHandlerResult, request};

/// Query parameters of a list without filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuestions {
    /// Number of items per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 400)]
    pub cursor: Option<String>,
}

impl PageQuestions {
    /// Sorts all items, the newest first, and keeps those of the page that was asked for. Gives the cursor of the next page.
    ///
    /// # Errors
    /// When the cursor is none of ours.
    pub fn cut<T>(&self, items: &mut Vec<T>, end: impl Fn(&T) -> (Timestamp, Uuid)) -> ApiHandlerResult<Option<String>> {
        items.sort_by_key(|item| std::cmp::Reverse(end(item)));
        if let Some(after) = page::place(self.cursor.as_deref())? {
            items.retain(|item| {
                let (at, id) = end(item);
                (at.0, id.to_string()) < after
            });
        }
        Ok(page::split_page(items, self.limit, end))
    }

    /// The address of the next page of the list at `path`.
    #[must_use]
    pub fn next(&self, path: &str, cursor: Option<&str>) -> Option<String> {
        page::next(path, cursor, &[("limit", Some(self.limit.to_string()))])
    }
}

/// Responds with one page of a list; see [`super::write_outcome::page`].
///
/// # Errors
/// Never in practice.
pub fn answer(
    headers: &HeaderMap,
    (asked, path): (&PageQuestions, &str),
    view: &impl serde::Serialize,
    cursor: Option<&str>,
) -> ApiHandlerResult {
    super::write_outcome::page(headers, view, asked.next(path, cursor))
}
