//! Opaque cursors of lists in time order, and the URL of the next page.

use std::{fmt::Display, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Timestamp;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::problem::{ApiHandlerResult, ApiRejection, FieldProblem};

/// End of a page: the time and ID of its last item.
pub type PageCursor = (i64, String);

/// The refusal of an invalid cursor: malformed, or from another list.
pub fn invalid_cursor() -> ApiRejection {
    let detail = "This cursor is invalid. Start again without one.";
    ApiRejection::Protocol {
        status: axum::http::StatusCode::NOT_FOUND,
        code: "cursor",
        detail: detail.into(),
        faults: vec![FieldProblem::parameter("cursor", "cursor", detail)],
    }
}

/// The cursor for the items after the one with this time and ID.
#[must_use]
pub fn cursor(at: Timestamp, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{id}", at.0))
}

/// Parses a [`cursor`].
///
/// # Errors
/// Returns an error if it is not a cursor.
pub fn place(cursor: Option<&str>) -> ApiHandlerResult<Option<PageCursor>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (at, id) = text.split_once('.')?;
        Some((at.parse().ok()?, Uuid::try_parse(id).ok()?.to_string()))
    };
    read().map(Some).ok_or_else(invalid_cursor)
}

/// Truncates a list that was fetched with one extra item, and returns the cursor of the next page.
pub fn split_page<T>(items: &mut Vec<T>, limit: usize, end: impl Fn(&T) -> (Timestamp, Uuid)) -> Option<String> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|last| {
        let (at, id) = end(last);
        cursor(at, id)
    })
}

/// Same as [`split_page`], for a list in an order of its own: `mark` distinguishes its cursors from those of other lists, and `end` is what
/// the order goes by.
pub fn split_marked<T, E: Display>(items: &mut Vec<T>, limit: usize, mark: &str, end: impl Fn(&T) -> E) -> Option<String> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|last| URL_SAFE_NO_PAD.encode(format!("{mark}{}", end(last))))
}

/// Parses a cursor of [`split_marked`].
///
/// # Errors
/// Returns an error if it is not a cursor with this mark.
pub fn marked_place<E: FromStr>(cursor: Option<&str>, mark: &str) -> ApiHandlerResult<Option<E>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        text.strip_prefix(mark).filter(|end| !end.contains('\0'))?.parse().ok()
    };
    read().map(Some).ok_or_else(invalid_cursor)
}

/// One more than the page holds, for the database.
#[must_use]
pub fn fetch_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// The URL of the next page, with the same parameters.
#[must_use]
pub fn next(path: &str, cursor: Option<&str>, questions: &[(&str, Option<String>)]) -> Option<String> {
    let cursor = cursor?;
    let mut query = Serializer::new(String::new());
    for (name, value) in questions {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("cursor", cursor);
    Some(format!("{path}?{}", query.finish()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let id = Uuid::from_u128(7);
        assert_eq!(place(Some(&cursor(Timestamp(-5), id))).unwrap(), Some((-5, id.to_string())));
        assert!(place(Some("")).is_err() && place(Some("plain.1.2")).is_err());
    }

    proptest! {
        #[test]
        fn no_cursor_panics(text in ".*") {
            drop(place(Some(&text)));
        }
    }
}
