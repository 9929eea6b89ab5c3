//! The triage inbox and changes of feedback.

mod actions;
mod detail;
mod events;
mod item;
mod names;
mod page;
mod params;
mod redirects;
mod ticket;
mod ticket_view;

use app::components::feedback_text::HighlightSpan;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use domain::triage::highlight_spans;

use super::attachments::BODY_LIMIT;
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/inbox", get(page::show))
        .route("/p/{slug}/events", get(events::stream))
        .route("/p/{slug}/undo", post(actions::undo))
        .route("/p/{slug}/feedback/bulk", post(actions::bulk))
        .route("/p/{slug}/feedback/{id}", get(item::show))
        .route("/p/{slug}/feedback/{id}/status", post(actions::status))
        .route("/p/{slug}/feedback/{id}/assign", post(actions::assign))
        .route("/p/{slug}/feedback/{id}/tags", post(actions::tags))
        .route("/p/{slug}/feedback/{id}/comments", post(actions::comment))
        .route("/p/{slug}/feedback/{id}/note", post(ticket::note))
        .route("/p/{slug}/feedback/{id}/priority", post(ticket::priority))
        .route("/p/{slug}/feedback/{id}/reopen", post(ticket::reopen))
        .route("/p/{slug}/feedback/{id}/as-requester", get(ticket::as_requester))
        .route("/p/{slug}/feedback/{id}/new-link", post(ticket::new_link))
        .route("/p/{slug}/feedback/{id}/files/{file}", get(ticket::file))
}

/// Replies with files, with larger limits for size and time than other requests.
pub fn uploads() -> Router<WebState> {
    Router::new().route("/p/{slug}/feedback/{id}/answer", post(ticket::answer)).layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// A URL of the inbox with these parameters, without empty ones.
pub(super) fn inbox_url(slug: &str, params: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in params.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { format!("/p/{slug}/inbox") } else { format!("/p/{slug}/inbox?{query}") }
}

/// Splits a text at its matches.
fn pieces(text: &str, ranges: &[std::ops::Range<usize>]) -> Vec<HighlightSpan> {
    highlight_spans(text, ranges).into_iter().map(|(hit, text)| HighlightSpan { hit, text: text.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parameters_are_left_out() {
        assert_eq!(inbox_url("a", &[("q", ""), ("sort", "")]), "/p/a/inbox");
        assert_eq!(inbox_url("a", &[("q", "a b&c"), ("item", "1")]), "/p/a/inbox?q=a+b%26c&item=1");
    }
}
