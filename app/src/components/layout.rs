//! Page furniture: headings with actions, empty states that teach, and the way to more pages.

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

/// What an empty page says: what belongs here, and the first step as children.
#[component]
pub fn Empty(
    /// What is not here yet.
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

/// Links to the neighbouring pages of a long list; nothing at all when the list fits on one.
#[component]
pub fn Pager(
    /// The page before, or the first one.
    back: Option<String>,
    /// The page after.
    next: Option<String>,
    /// The region that they replace.
    waits: &'static str,
    /// What the way back is called.
    #[prop(default = "Previous page")]
    back_label: &'static str,
    /// What the way on is called.
    #[prop(default = "Next page")]
    next_label: &'static str,
    /// What there are pages of, for screen readers.
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
