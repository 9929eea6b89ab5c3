//! Canned replies: the list with the form for a new one, and the edit page.

pub mod picker;

use domain::{
    FieldErrors,
    replies::{MAX_BODY, MAX_NAME, PLACEHOLDERS},
};
use leptos::prelude::*;

use crate::components::{
    badges::Badge,
    forms::{ErrorSummary, IdempotencyKey, TextArea, TextField},
    layout::{Empty, PageHead},
};

/// A reply, as the list shows it.
#[derive(Debug, Clone)]
pub struct ReplyRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The text.
    pub body: String,
    /// Words in braces that are not placeholders.
    pub unknown: Vec<String>,
    /// When it last changed, for display and machine-readable.
    pub updated: (String, String),
}

/// The form of a reply, with the stored or the submitted values.
#[derive(Debug, Clone, Default)]
pub struct ReplyForm {
    /// A fresh idempotency key.
    pub form_key: String,
    /// The version that the form was loaded from.
    pub version: i64,
    /// The name.
    pub name: String,
    /// The text.
    pub body: String,
    /// Validation errors.
    pub errors: FieldErrors,
    /// Names the author of a concurrent change.
    pub conflict: Option<String>,
}

/// The list.
#[derive(Debug, Clone)]
pub struct RepliesView {
    /// The project's name in URLs.
    pub slug: String,
    /// The replies, by name.
    pub rows: Vec<ReplyRow>,
    /// The form for a new one; `None` if the user cannot write replies.
    pub new: Option<ReplyForm>,
}

/// The page `/p/{slug}/replies`.
#[component]
pub fn RepliesPage(
    /// Its content.
    view: RepliesView,
) -> impl IntoView {
    let RepliesView { slug, rows, new } = view;
    let none = rows.is_empty();
    let can_write = new.is_some();
    let base = format!("/p/{slug}/replies");
    let key = new.as_ref().map(|n| n.form_key.clone()).unwrap_or_default();
    view! {
        <p class="small"><a href=format!("/p/{slug}/tickets")>"Tickets"</a></p>
        <PageHead title="Canned replies" lead="Reusable replies for tickets. Insert one while you write a reply; you can edit it before you send it." />
        <div id="replies" data-part>
            {new.map(|new| {
                let open = none || !new.errors.is_empty();
                view! {
                    <details class="card replies-new" open=open>
                        <summary class="button button-primary">"New reply"</summary>
                        <form method="post" action=base.clone() class="stack" data-enhance>
                            <Fields form=new />
                            <div class="form-actions"><button type="submit" class="button button-primary">"Save reply"</button></div>
                        </form>
                    </details>
                }
            })}
            {none.then(|| view! {
                <Empty title="No canned replies yet" text=if can_write {
                    "Save the replies you send often, such as how to reset a password or when a refund arrives. Create the first one above."
                } else {
                    "The replies your team sends often are listed here. Members with the role Triager can create them."
                } />
            })}
            {(!none).then(|| view! {
                <ul class="rows replies-list">
                    {rows.into_iter().map(|row| view! {
                        <li class="replies-row">
                            <div class="spread">
                                <h2>{if can_write {
                                    view! { <a href=format!("{base}/{}", row.id) data-row>{row.name.clone()}</a> }.into_any()
                                } else {
                                    row.name.clone().into_any()
                                }}</h2>
                                <span class="cluster small">
                                    <time class="muted" datetime=row.updated.1>{row.updated.0}</time>
                                    {can_write.then(|| view! {
                                        <form method="post" action=format!("{base}/{}/delete", row.id) data-enhance>
                                            <IdempotencyKey key=format!("{key}-{}", row.id) />
                                            <button type="submit" class="button button-quiet button-small" aria-label=format!("Delete {}", row.name)>"Delete"</button>
                                        </form>
                                    })}
                                </span>
                            </div>
                            <p class="replies-body">{row.body}</p>
                            {(!row.unknown.is_empty()).then(|| view! {
                                <p class="small"><Badge label="Check" tone="warn" /> " " {row.unknown.join(", ")} " is not a placeholder and is sent as is."</p>
                            })}
                        </li>
                    }).collect_view()}
                </ul>
            })}
        </div>
    }
    .into_any()
}

/// One reply.
#[derive(Debug, Clone)]
pub struct ReplyView {
    /// The project's name in URLs.
    pub slug: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The form.
    pub form: ReplyForm,
}

/// The page `/p/{slug}/replies/{id}`.
#[component]
pub fn ReplyPage(
    /// Its content.
    view: ReplyView,
) -> impl IntoView {
    let ReplyView { slug, id, name, form } = view;
    let base = format!("/p/{slug}/replies");
    let key = form.form_key.clone();
    view! {
        <p class="small"><a href=base.clone()>"Canned replies"</a></p>
        <PageHead title=name />
        <div id="reply" class="stack" data-part>
            {form.conflict.clone().map(|conflict| view! {
                <div class="notice notice-warn" role="alert">
                    <p>{conflict}" Your change was not saved; your text is still in the form below. Save again to overwrite it."</p>
                </div>
            })}
            <form method="post" action=format!("{base}/{id}") class="card stack" data-enhance>
                <input type="hidden" name="version" value=form.version />
                <Fields form=form />
                <div class="form-actions">
                    <button type="submit" class="button button-primary">"Save reply"</button>
                    <a class="button button-quiet" href=base.clone()>"Cancel"</a>
                </div>
            </form>
            <form method="post" action=format!("{base}/{id}/delete")>
                <IdempotencyKey key=format!("{key}-delete") />
                <button type="submit" class="button button-danger">"Delete this reply"</button>
            </form>
        </div>
    }
    .into_any()
}

#[component]
fn Fields(form: ReplyForm) -> impl IntoView {
    view! {
        <ErrorSummary errors=form.errors.clone() />
        <IdempotencyKey key=form.form_key />
        <TextField name="name" label="Name" value=form.name hint="The name your team sees." required=true maxlength=MAX_NAME autocomplete="off" errors=form.errors.clone() />
        <TextArea name="body" label="Text" value=form.body rows=7 required=true maxlength=MAX_BODY errors=form.errors />
        <dl class="placeholders small">
            {PLACEHOLDERS.iter().map(|(write, becomes)| view! { <dt><code>{*write}</code></dt><dd>{*becomes}</dd> }).collect_view()}
        </dl>
    }
    .into_any()
}
