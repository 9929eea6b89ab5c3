//! The backlog: the list, one item with its feedback, and the panel that links feedback to items.

pub mod item;
pub mod link_panel;
pub mod list;

use domain::backlog::BacklogStatus;
pub use link_panel::{LinkCandidate, LinkPageView, LinkPanel, LinkPanelView, LinkedItemView};

/// The colour family of a status.
#[must_use]
pub fn tone(status: BacklogStatus) -> &'static str {
    match status {
        BacklogStatus::Open | BacklogStatus::Declined => "neutral",
        BacklogStatus::Planned => "info",
        BacklogStatus::InProgress => "warn",
        BacklogStatus::Shipped => "good",
    }
}

/// `1 person`, `2 people`.
#[must_use]
pub fn people(n: i64) -> String {
    if n == 1 { "1 person".into() } else { format!("{n} people") }
}

/// `1 item of feedback`, `2 items of feedback`.
#[must_use]
pub fn pieces(n: i64) -> String {
    if n == 1 { "1 item of feedback".into() } else { format!("{n} items of feedback") }
}
