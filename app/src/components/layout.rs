//! Layout components: page headings with actions, empty states, and pagination.

use leptos::prelude::*;

/// A page's heading with its actions on the right.
#[component]
pub fn PageHead(
    /// The `h1`.
    #[prop(into)]
    title: String,
    /// A line under it.
    #[prop(optional, into)]
    lead: Option<String>,
    /// Buttons and links.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="page-head">
            <div>
                <h1>{title}</h1>
                {lead.map(|lead| view! { <p class="lead">{lead}</p> })}
            </div>
            {children.map(|children| view! { <div class="page-actions">{children()}</div> })}
        </div>
    }
}

/// An empty state: what belongs here, with the first step as children.
#[component]
pub fn Empty(
    /// The heading.
    #[prop(into)]
    title: String,
    /// What belongs here and how it gets here.
    #[prop(into)]
    text: String,
    /// The first step.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| view! { <div class="empty-actions">{children()}</div> })}
        </div>
    }
}

/// Links to the previous and next page of a list; renders nothing if there is only one page.
#[component]
pub fn Pager(
    /// The page before, or the first one.
    back: Option<String>,
    /// The page after.
    next: Option<String>,
    /// The ids of the regions that they replace.
    waits: &'static str,
    /// Label of the link back.
    #[prop(default = "Previous page")]
    back_label: &'static str,
    /// Label of the link forward.
    #[prop(default = "Next page")]
    next_label: &'static str,
    /// The accessible label of the navigation.
    #[prop(default = "Pages")]
    label: &'static str,
) -> impl IntoView {
    (back.is_some() || next.is_some()).then(|| {
        view! {
            <nav class="cluster pager" aria-label=label>
                {back.map(|url| view! { <a class="button" href=url rel="prev" data-enhance data-waits=waits>{back_label}</a> })}
                {next.map(|url| view! { <a class="button" href=url rel="next" data-enhance data-waits=waits>{next_label}</a> })}
            </nav>
        }
    })
}
