//! The layout of pages outside the console.

use leptos::prelude::*;

use crate::components::icons::Logo;

/// Logo, heading and content.
#[component]
pub fn SignedOutFrame(
    /// The `h1`.
    #[prop(into)]
    title: String,
    /// A line under it.
    #[prop(optional, into)]
    lead: Option<String>,
    /// The form.
    children: Children,
) -> impl IntoView {
    view! {
        <p class="door-mark"><Logo /><span>"Earshot"</span></p>
        <h1>{title}</h1>
        {lead.map(|lead| view! { <p class="lead">{lead}</p> })}
        {children()}
    }
}
