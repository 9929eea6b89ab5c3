//! Links of one item of feedback to backlog items: existing links, a search, and a form that creates a new item.

use domain::{
    FieldErrors,
    backlog::{BacklogStatus, Importance, MAX_QUOTE, MAX_TITLE},
};
use leptos::prelude::*;

use super::{people, tone};
use crate::components::{
    badges::Badge,
    feedback_text,
    forms::{ErrorSummary, IdempotencyKey},
    layout::PageHead,
};

/// An item that is linked.
#[derive(Debug, Clone)]
pub struct LinkedItemView {
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: BacklogStatus,
    /// The quoted text.
    pub quote: Option<String>,
    /// Its importance.
    pub importance: Importance,
}

/// An item that can be linked.
#[derive(Debug, Clone)]
pub struct LinkCandidate {
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: BacklogStatus,
    /// Distinct people who asked for it.
    pub people: i64,
}

/// View model of the panel. Filled by `server::http::backlog::link_panel`.
#[derive(Debug, Clone)]
pub struct LinkPanelView {
    /// The project's name in URLs.
    pub slug: String,
    /// The feedback's id.
    pub feedback: String,
    /// Where a post redirects to.
    pub return_to: String,
    /// A fresh idempotency key for the forms.
    pub form_key: String,
    /// Whether the user can link.
    pub can_edit: bool,
    /// Linked items.
    pub linked: Vec<LinkedItemView>,
    /// The path of the page, for the search form.
    pub search_path: String,
    /// The rest of the page's query, kept by the search form.
    pub search_keeps: Vec<(String, String)>,
    /// The search query.
    pub query: String,
    /// The search results; without a search, the most requested items.
    pub hits: Vec<LinkCandidate>,
    /// The title of a new item.
    pub new_title: String,
    /// The quoted text, as typed.
    pub quote: String,
    /// The chosen importance.
    pub importance: Importance,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// The panel. Selecting text in an element marked `data-quote-source` fills the quote; without JavaScript, people paste it.
#[component]
pub fn LinkPanel(
    /// Its content.
    view: LinkPanelView,
) -> impl IntoView {
    let LinkPanelView { slug, feedback, return_to, form_key, can_edit, linked, .. } = view.clone();
    let none = linked.is_empty();
    let base = format!("/p/{slug}/feedback/{feedback}");
    view! {
        <section id="link-panel" class="link-panel stack" data-part aria-labelledby="link-panel-title">
            <h2 id="link-panel-title">"Backlog items"</h2>
            {none.then(|| view! { <p class="muted small">"Not linked to a backlog item yet."</p> })}
            {(!none).then(|| view! {
                <ul class="rows link-panel-linked">
                    {linked.into_iter().map(|item| {
                        let unlink = can_edit.then(|| view! {
                            <form method="post" action=format!("{base}/unlink") data-enhance>
                                <IdempotencyKey key=format!("{form_key}-un{}", item.number) />
                                <input type="hidden" name="item" value=item.number />
                                <input type="hidden" name="return_to" value=return_to.clone() />
                                <button type="submit" class="button button-quiet button-small" aria-label=format!("Unlink #{}", item.number)>"Unlink"</button>
                            </form>
                        });
                        view! {
                            <li class="link-panel-item">
                                <div class="spread">
                                    <a href=format!("/p/{slug}/backlog/{}", item.number)><span class="muted">{format!("#{} ", item.number)}</span>{item.title}</a>
                                    <span class="cluster">
                                        <Badge label=item.status.label() tone=tone(item.status) />
                                        {(item.importance != Importance::Normal).then(|| view! { <Badge label=item.importance.label() /> })}
                                        {unlink}
                                    </span>
                                </div>
                                {item.quote.map(|quote| view! { <blockquote class="quote">{quote}</blockquote> })}
                            </li>
                        }
                    }).collect_view()}
                </ul>
            })}
            {can_edit.then(|| view! { <LinkForms view=view base=base /> })}
        </section>
    }
    .into_any()
}

/// The search and the form that links or creates.
#[component]
fn LinkForms(view: LinkPanelView, base: String) -> impl IntoView {
    let LinkPanelView { return_to, form_key, search_path, search_keeps, query, hits, new_title, quote, importance, errors, .. } = view;
    let searched = !query.is_empty();
    let nothing = hits.is_empty();
    let quote_error = errors.message_for("quote").map(ToOwned::to_owned);
    let (quote_bad, title_bad) = (quote_error.is_some(), errors.message_for("title").is_some());
    let title_error = errors.message_for("title").map(ToOwned::to_owned);
    view! {
        <form method="get" action=search_path class="cluster link-panel-search" data-enhance data-waits="link-hits" role="search" aria-label="Backlog items">
            {search_keeps.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value /> }).collect_view()}
            <label for="link_q" class="visually-hidden">"Find a backlog item by title or number"</label>
            <input id="link_q" name="link_q" type="search" value=query placeholder="Find an item by title or number" autocomplete="off" />
            <button type="submit" class="button button-small">"Find"</button>
        </form>
        <form method="post" action=format!("{base}/link") class="stack link-panel-form" data-enhance>
            <ErrorSummary errors=errors />
            <IdempotencyKey key=form_key />
            <input type="hidden" name="return_to" value=return_to />
            // Enter in the title must create the item: browsers activate the form's first button, otherwise some item's "Link".
            <button type="submit" formaction=format!("{base}/backlog") class="visually-hidden" tabindex="-1" aria-hidden="true">"Create and link"</button>
            {(searched && nothing).then(|| view! { <p class="muted small">"No item has these words in its title or description."</p> })}
            {(!nothing).then(|| view! {
                <ul id="link-hits" class="rows link-panel-hits" aria-label=if searched { "Items found" } else { "Items requested by the most people" }>
                    {hits.into_iter().map(|hit| view! {
                        <li class="spread">
                            <span>
                                <span class="muted">{format!("#{} ", hit.number)}</span>{hit.title}" "
                                <span class="muted small">{format!("{} · {}", hit.status.label(), people(hit.people))}</span>
                            </span>
                            <button type="submit" class="button button-small" name="item" value=hit.number aria-label=format!("Link #{}", hit.number)>"Link"</button>
                        </li>
                    }).collect_view()}
                </ul>
            })}
            <div class="field" class:field-invalid=title_bad>
                <label for="title">"Or create a new item"</label>
                {title_error.map(|e| view! { <p class="field-error" id="title-error">{e}</p> })}
                <div class="cluster link-panel-new">
                    <input id="title" name="title" type="text" value=new_title maxlength=MAX_TITLE />
                    <button type="submit" class="button button-small" formaction=format!("{base}/backlog")>"Create and link"</button>
                </div>
            </div>
            <div class="field" class:field-invalid=quote_bad>
                <label for="quote">"Quote"</label>
                <p class="hint" id="quote-hint">"Optional. Select text above, or paste it, to quote only part of it."</p>
                {quote_error.map(|e| view! { <p class="field-error" id="quote-error">{e}</p> })}
                <textarea id="quote" name="quote" rows="2" maxlength=MAX_QUOTE data-quote-target aria-describedby="quote-hint">{crate::components::forms::textarea_text(&quote)}</textarea>
            </div>
            <div class="field">
                <label for="importance">"Importance"</label>
                <select id="importance" name="importance">
                    {Importance::ALL.iter().map(|i| view! {
                        <option value=i.as_str() selected=*i == importance>{i.label()}</option>
                    }).collect_view()}
                </select>
            </div>
        </form>
    }
    .into_any()
}

/// A page with only the feedback's text and the panel: shown when a link was rejected, and usable on its own.
#[derive(Debug, Clone)]
pub struct LinkPageView {
    /// The feedback's text.
    pub text: String,
    /// The panel.
    pub panel: LinkPanelView,
}

/// The page of [`LinkPageView`].
#[component]
pub fn LinkPage(
    /// Its content.
    view: LinkPageView,
) -> impl IntoView {
    let back = view.panel.return_to.clone();
    let wordless = view.text.trim().is_empty();
    view! {
        <PageHead title="Link feedback">
            <a class="button" href=back>"Back"</a>
        </PageHead>
        {wordless.then(|| view! { <p class="muted">{feedback_text::wordless(false)}</p> })}
        <div class="card prose" data-quote-source hidden=wordless>
            {view.text.split('\n').map(str::trim).filter(|l| !l.is_empty()).map(|l| view! { <p>{l.to_owned()}</p> }).collect_view()}
        </div>
        <LinkPanel view=view.panel />
    }
    .into_any()
}
