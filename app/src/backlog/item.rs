//! One backlog item with its linked feedback.

use domain::{
    FieldErrors,
    backlog::{BacklogStatus, Importance, MAX_BODY, MAX_TITLE},
    feedback::{FeedbackKind, FeedbackStatus},
};
use leptos::prelude::*;

use super::{people, pieces, tone};
use crate::components::{
    badges::Badge,
    feedback_text,
    forms::{ErrorSummary, IdempotencyKey, TextArea, TextField},
    layout::{Empty, PageHead, Pager},
};

/// A linked item of feedback.
#[derive(Debug, Clone)]
pub struct LinkedFeedbackView {
    /// Its id.
    pub id: String,
    /// The text before the quote, the quote, and the text after it; a text without a quote is all in the first.
    pub text: (String, String, String),
    /// A quote that is no longer in the text.
    pub lost_quote: Option<String>,
    /// Importance of the item to this person.
    pub importance: Importance,
    /// The person's name or address, if known.
    pub who: Option<String>,
    /// Its kind.
    pub kind: FeedbackKind,
    /// Triage status.
    pub status: FeedbackStatus,
    /// `3 of 10`.
    pub score: Option<String>,
    /// The submission time, for display and machine-readable.
    pub at: (String, String),
}

/// One line of the history.
#[derive(Debug, Clone)]
pub struct ItemHistoryLine {
    /// The name.
    pub who: String,
    /// The action, phrased to follow the name.
    pub what: String,
    /// A link to the feedback that it is about.
    pub href: Option<String>,
    /// When, for display and machine-readable.
    pub at: (String, String),
}

/// The edit form, with the stored or the submitted values.
#[derive(Debug, Clone)]
pub struct EditItemForm {
    /// A fresh idempotency key.
    pub form_key: String,
    /// The version that the form was loaded from.
    pub version: i64,
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// Validation errors.
    pub errors: FieldErrors,
    /// Names the author of a concurrent change.
    pub conflict: Option<String>,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct ItemView {
    /// The project's name in URLs.
    pub slug: String,
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its status.
    pub status: BacklogStatus,
    /// Distinct people who asked for it.
    pub people: i64,
    /// Linked items of feedback.
    pub pieces: i64,
    /// Of these, critical ones.
    pub critical: i64,
    /// This page of the feedback.
    pub said: Vec<LinkedFeedbackView>,
    /// The pages before and after.
    pub earlier: Option<String>,
    /// See [`ItemView::earlier`].
    pub later: Option<String>,
    /// Events, newest first.
    pub history: Vec<ItemHistoryLine>,
    /// The form; `None` if the user cannot edit.
    pub edit: Option<EditItemForm>,
}

/// The page.
#[component]
pub fn ItemPage(
    /// Its content.
    view: ItemView,
) -> impl IntoView {
    let ItemView { slug, number, title, body, status, history, edit, .. } = view.clone();
    let base = format!("/p/{slug}/backlog/{number}");
    let lead = match view.pieces {
        0 => "No feedback is linked yet.".to_owned(),
        n => format!("{} · {}", people(view.people), pieces(n)),
    };
    let forms = edit.clone();
    view! {
        <p class="small"><a href=format!("/p/{slug}/backlog")>"Backlog"</a></p>
        <div id="item" class="stack" data-part>
            <PageHead title=format!("#{number} {title}") lead=lead>
                <Badge label=status.label() tone=tone(status) />
                {(view.critical > 0).then(|| view! { <Badge label=format!("{} critical", view.critical) tone="bad" /> })}
            </PageHead>
            {edit.as_ref().and_then(|e| e.conflict.clone()).map(|conflict| view! {
                <div class="notice notice-warn" role="alert">
                    <p>{conflict}" Your change was not saved. This page shows the current version of the item; your text is still in the form below. Save again to overwrite it."</p>
                </div>
            })}
            {(!body.is_empty()).then(|| view! {
                <div class="prose">{body.split('\n').map(str::trim).filter(|l| !l.is_empty()).map(|l| view! { <p>{l.to_owned()}</p> }).collect_view()}</div>
            })}
            {forms.map(|edit| view! { <ItemForms edit=edit base=base.clone() status=status /> })}
            <Evidence view=view />
            <section class="stack" aria-labelledby="history-title">
                <h2 id="history-title">"History"</h2>
                <ol class="timeline">
                    {history.into_iter().map(|entry| view! {
                        <li>
                            <strong>{entry.who}</strong>" "
                            {match entry.href { Some(href) => view! { <a href=href>{entry.what}</a> }.into_any(), None => entry.what.into_any() }}
                            " "<time class="muted small" datetime=entry.at.1>{entry.at.0}</time>
                        </li>
                    }).collect_view()}
                </ol>
            </section>
        </div>
    }
    .into_any()
}

#[component]
fn ItemForms(edit: EditItemForm, base: String, status: BacklogStatus) -> impl IntoView {
    let open = !edit.errors.is_empty() || edit.conflict.is_some();
    view! {
        <form method="post" action=format!("{base}/status") class="cluster" data-enhance>
            <IdempotencyKey key=format!("{}-status", edit.form_key) />
            <input type="hidden" name="version" value=edit.version />
            <label for="status">"Status"</label>
            <select id="status" name="status">
                {BacklogStatus::ALL.iter().map(|s| view! { <option value=s.as_str() selected=*s == status>{s.label()}</option> }).collect_view()}
            </select>
            <button type="submit" class="button">"Change status"</button>
        </form>
        <details class="card" open=open>
            <summary>"Edit title and description"</summary>
            <form method="post" action=base class="stack" data-enhance>
                <ErrorSummary errors=edit.errors.clone() />
                <IdempotencyKey key=edit.form_key />
                <input type="hidden" name="version" value=edit.version />
                <TextField name="title" label="Title" value=edit.title required=true maxlength=MAX_TITLE errors=edit.errors.clone() />
                <TextArea name="body" label="Description" value=edit.body rows=6 maxlength=MAX_BODY errors=edit.errors />
                <div class="form-actions"><button type="submit" class="button button-primary">"Save"</button></div>
            </form>
        </details>
    }
    .into_any()
}

#[component]
fn Evidence(view: ItemView) -> impl IntoView {
    let ItemView { slug, number, said, earlier, later, edit, .. } = view;
    let inbox = format!("/p/{slug}/inbox");
    let none = said.is_empty();
    view! {
        <section id="evidence" class="stack" aria-labelledby="evidence-title">
            <h2 id="evidence-title">"What people said"</h2>
            {none.then(|| view! {
                <Empty title="Nothing linked yet" text="Open feedback in the inbox and link it to this item. It appears here with the quoted text.">
                    <a class="button" href=inbox>"Go to the inbox"</a>
                </Empty>
            })}
            <ul id="item-feedback" class="rows backlog-said">
                {said.into_iter().map(|piece| {
                    let unlink = edit.as_ref().map(|edit| view! {
                        <form method="post" action=format!("/p/{slug}/feedback/{}/unlink", piece.id) data-enhance>
                            <IdempotencyKey key=format!("{}-{}", edit.form_key, piece.id) />
                            <input type="hidden" name="item" value=number />
                            <input type="hidden" name="return_to" value=format!("/p/{slug}/backlog/{number}") />
                            <button type="submit" class="button button-quiet button-small">"Unlink"</button>
                        </form>
                    });
                    let (before, quote, after) = piece.text;
                    let (wordless, scored) = (before.is_empty() && quote.is_empty() && after.is_empty(), piece.score.is_some());
                    view! {
                        <li class="stack">
                            <p class="backlog-text">{wordless.then(|| view! { <span class="muted">{feedback_text::wordless(scored)}</span> })}{before}{(!quote.is_empty()).then(|| view! { <mark>{quote}</mark> })}{after}</p>
                            {piece.lost_quote.map(|quote| view! { <blockquote class="quote">{quote}</blockquote> })}
                            <div class="spread small">
                                <span class="cluster muted">
                                    <strong class="backlog-who">{piece.who.unwrap_or_else(|| "Anonymous".into())}</strong>
                                    <span>{piece.kind.label()}</span>
                                    {piece.score.map(|score| view! { <span>"Score "{score}</span> })}
                                    <time datetime=piece.at.1>{piece.at.0}</time>
                                    {(piece.importance != Importance::Normal).then(|| view! {
                                        <Badge label=piece.importance.label() tone=if piece.importance == Importance::Critical { "bad" } else { "neutral" } />
                                    })}
                                    {(piece.status == FeedbackStatus::Spam).then(|| view! { <Badge label="Spam, not counted" tone="warn" /> })}
                                </span>
                                <span class="cluster">
                                    <a href=format!("/p/{slug}/feedback/{}", piece.id)>"Open feedback"</a>
                                    {unlink}
                                </span>
                            </div>
                        </li>
                    }.into_any()
                }).collect_view()}
            </ul>
            <Pager back=earlier next=later waits="item-feedback" label="Pages of feedback" />
        </section>
    }
    .into_any()
}
