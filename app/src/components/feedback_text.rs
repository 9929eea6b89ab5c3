//! The text of feedback: with matches marked, or the placeholder for a missing one.

use leptos::prelude::*;

/// A part of a text, marked if it matches the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HighlightSpan {
    /// Whether to mark it.
    pub hit: bool,
    /// The text.
    pub text: String,
}

/// The placeholder for a missing text.
#[must_use]
pub fn wordless(scored: bool) -> &'static str {
    if scored { "No text, only a score." } else { "No text." }
}

/// A text with its matches marked.
#[component]
pub fn Marked(
    /// In display order.
    pieces: Vec<HighlightSpan>,
) -> impl IntoView {
    pieces
        .into_iter()
        .map(|piece| if piece.hit { view! { <mark>{piece.text}</mark> }.into_any() } else { piece.text.into_any() })
        .collect_view()
}
