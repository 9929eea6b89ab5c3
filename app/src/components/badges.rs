//! Status words with a shape and colour; the word always stands beside the colour.

use leptos::prelude::*;

/// A status as a small pill. `tone` is one of `neutral`, `info`, `good`, `warn`, `bad`.
#[component]
pub fn Badge(
    /// The word.
    #[prop(into)]
    label: String,
    /// The colour family.
    #[prop(default = "neutral")]
    tone: &'static str,
) -> impl IntoView {
    view! { <span class=format!("badge badge-{tone}")>{label}</span> }
}
