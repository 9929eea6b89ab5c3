//! Status badges. The text always accompanies the colour.

use leptos::prelude::*;

/// A status as a small pill. `tone` is one of `neutral`, `info`, `good`, `warn`, `bad`.
#[component]
pub fn Badge(
    /// The text.
    #[prop(into)]
    label: String,
    /// The colour family.
    #[prop(default = "neutral")]
    tone: &'static str,
) -> impl IntoView {
    view! { <span class=format!("badge badge-{tone}")>{label}</span> }
}
