//! The triage inbox: search, filters and list on the left, one item on the right.
//!
//! The state is in the URL: `q` (query), `sort`, `cursor` (page) and `item` (the open item). Regions that change are parts, see
//! [`crate::islands::enhance`]; shortcuts, selection and live updates are in [`crate::islands::inbox`].

pub mod detail;
pub mod help;
pub mod list;
pub mod search;

use leptos::prelude::*;

pub use detail::{Detail, DetailView};
pub use list::{EmptyReason, ListView, RejectedBulkEdit, RowTicket, RowView};
pub use search::{FacetValue, FacetView, QueryErrorView, SearchView};

use crate::islands::inbox::InboxKeys;

/// A score with the maximum of its scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreView {
    /// `3 of 10`.
    pub label: String,
    /// `good`, `neutral` or `bad`.
    pub tone: &'static str,
}

/// How a score on a scale up to `max` is shown. Ten is the scale of NPS; on other scales the upper quarter is good and the lower half bad.
#[must_use]
pub fn score(score: Option<f64>, max: Option<f64>) -> Option<ScoreView> {
    let score = score?;
    let Some(max) = max else { return Some(ScoreView { label: score.to_string(), tone: "neutral" }) };
    let share = if (max - 10.0).abs() < f64::EPSILON { score / 10.0 } else { (score - 1.0) / (max - 1.0).max(1.0) };
    let (good, bad) = if (max - 10.0).abs() < f64::EPSILON { (0.9, 0.65) } else { (0.75, 0.5) };
    let tone = if share >= good {
        "good"
    } else if share < bad {
        "bad"
    } else {
        "neutral"
    };
    Some(ScoreView { label: format!("{score} of {max}"), tone })
}

/// The colour family of a status.
#[must_use]
pub fn tone(status: domain::feedback::FeedbackStatus) -> &'static str {
    use domain::feedback::FeedbackStatus;
    match status {
        FeedbackStatus::New => "info",
        FeedbackStatus::Triaged => "warn",
        FeedbackStatus::Linked | FeedbackStatus::Resolved => "good",
        FeedbackStatus::Spam => "bad",
    }
}

/// The whole inbox.
#[derive(Debug, Clone)]
pub struct InboxView {
    /// The project's name in URLs.
    pub slug: String,
    /// Search and filters.
    pub search: SearchView,
    /// The list.
    pub list: ListView,
    /// The open item.
    pub detail: Option<DetailView>,
}

/// The page `/p/{slug}/inbox`.
#[component]
pub fn InboxPage(
    /// Its content.
    view: InboxView,
) -> impl IntoView {
    let InboxView { slug, search, list, detail } = view;
    view! {
        <div class="inbox">
            <h1 class="visually-hidden">"Inbox"</h1>
            <search::SearchBar view=search />
            <div class="inbox-live" data-events=format!("/p/{slug}/events") role="status" aria-live="polite"></div>
            <div class="inbox-panes">
                <list::InboxList view=list />
                <detail::DetailPane view=detail />
            </div>
            <InboxKeys />
        </div>
    }
    .into_any()
}

/// The page `/p/{slug}/feedback/{id}`: one item at its own URL.
#[component]
pub fn FeedbackPage(
    /// Its content.
    view: DetailView,
) -> impl IntoView {
    let slug = view.slug.clone();
    view! {
        <div class="inbox inbox-single">
            <nav aria-label="Breadcrumb"><a href=format!("/p/{slug}/inbox")>"Inbox"</a></nav>
            <div class="inbox-live" data-events=format!("/p/{slug}/events") role="status" aria-live="polite"></div>
            <detail::DetailPane view=Some(view) />
            <InboxKeys />
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn scores_have_a_tone_on_their_own_scale() {
        let tone = |value, max| score(Some(value), Some(max)).unwrap().tone;
        assert_eq!([tone(6.0, 10.0), tone(7.0, 10.0), tone(9.0, 10.0)], ["bad", "neutral", "good"]);
        assert_eq!([tone(2.0, 5.0), tone(3.0, 5.0), tone(4.0, 5.0)], ["bad", "neutral", "good"]);
        assert_eq!(score(Some(4.5), Some(5.0)).unwrap().label, "4.5 of 5");
        assert_eq!(score(None, Some(5.0)), None);
    }
}
