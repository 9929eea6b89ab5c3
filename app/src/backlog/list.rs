//! The backlog as a list, ranked by the number of people who asked.

use domain::{
    FieldErrors,
    backlog::{BacklogStatus, MAX_BODY, MAX_TITLE},
};
use leptos::prelude::*;

use super::{people, pieces, tone};
use crate::components::{
    badges::Badge,
    forms::{ErrorSummary, IdempotencyKey, TextArea, TextField},
    layout::{Empty, PageHead, Pager},
};

/// One tab: items of one status, or all.
#[derive(Debug, Clone)]
pub struct StatusTab {
    /// The label.
    pub label: &'static str,
    /// Its URL.
    pub href: String,
    /// The number of items.
    pub count: i64,
    /// Whether it is the current one.
    pub is_current: bool,
}

/// One item of the list.
#[derive(Debug, Clone)]
pub struct BacklogRow {
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: BacklogStatus,
    /// Distinct people who asked for it.
    pub people: i64,
    /// Linked items of feedback.
    pub said: i64,
    /// Of these, critical ones.
    pub critical: i64,
    /// When it last changed, for display and machine-readable.
    pub updated: (String, String),
}

/// The form for a new item, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewItemInput {
    /// A fresh idempotency key.
    pub form_key: String,
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// View model of the list.
#[derive(Debug, Clone)]
pub struct BacklogView {
    /// The project's name in URLs.
    pub slug: String,
    /// The tabs.
    pub tabs: Vec<StatusTab>,
    /// The status shown, as its word; `all`; or empty for active items.
    pub status: String,
    /// The URL of the list with all statuses and the same query.
    pub all: String,
    /// The search query.
    pub query: String,
    /// The items of this page.
    pub rows: Vec<BacklogRow>,
    /// Whether the project has any item at all.
    pub is_empty: bool,
    /// The pages before and after this one.
    pub earlier: Option<String>,
    /// See [`BacklogView::earlier`].
    pub later: Option<String>,
    /// The form; `None` if the user cannot add items.
    pub new: Option<NewItemInput>,
}

/// The page.
#[component]
pub fn BacklogPage(
    /// Its content.
    view: BacklogView,
) -> impl IntoView {
    let BacklogView { slug, tabs, status, all, query, rows, is_empty, earlier, later, new } = view;
    let base = format!("/p/{slug}/backlog");
    let nothing = match (status.as_str(), query.is_empty()) {
        ("", true) => "Every item is shipped or declined.",
        (_, true) => "No item has this status.",
        ("all", _) => "No item has these words in its title or description.",
        _ => "No item here has these words in its title or description.",
    };
    view! {
        <PageHead title="Backlog" lead="Ranked by how many people asked." />
        {new.map(|new| view! { <NewItemForm new=new action=base.clone() is_first=is_empty /> })}
        <div id="backlog-list" class="stack" data-part>
            {(!is_empty).then(|| view! { <Toolbar base=base.clone() tabs=tabs status=status query=query.clone() /> })}
            {if is_empty {
                view! {
                    <Empty
                        title="Nothing in the backlog yet"
                        text="Items are things the team may build. Each item collects the feedback that asks for it, so you see how many people want it. Create the first one here, or from feedback in the inbox."
                    >
                        <a class="button" href=format!("/p/{slug}/inbox")>"Go to the inbox"</a>
                    </Empty>
                }.into_any()
            } else if rows.is_empty() {
                view! {
                    <Empty title="No items here" text=nothing>
                        <a class="button" href=all data-enhance data-waits="backlog-list">"Show all items"</a>
                    </Empty>
                }.into_any()
            } else {
                view! { <Rows rows=rows base=base /> }.into_any()
            }}
            <Pager back=earlier next=later waits="backlog-list" />
        </div>
    }
    .into_any()
}

#[component]
fn Toolbar(base: String, tabs: Vec<StatusTab>, status: String, query: String) -> impl IntoView {
    view! {
        <nav aria-label="Status">
            <ul class="tabs">
                {tabs.into_iter().map(|tab| view! {
                    <li><a href=tab.href aria-current=tab.is_current.then_some("page") data-enhance data-waits="backlog-rows">{tab.label}" "<span class="muted">{tab.count}</span></a></li>
                }).collect_view()}
            </ul>
        </nav>
        <form method="get" action=base class="toolbar" role="search" aria-label="Backlog" data-enhance data-waits="backlog-rows">
            {(!status.is_empty()).then(|| view! { <input type="hidden" name="status" value=status /> })}
            <label for="backlog-q" class="visually-hidden">"Search the backlog"</label>
            <input id="backlog-q" name="q" type="search" value=query placeholder="Search by words or #number" />
            <button type="submit" class="button">"Search" <kbd>"/"</kbd></button>
            <p class="keys-hint small muted"><kbd>"J"</kbd>" "<kbd>"K"</kbd>" move, "<kbd>"Enter"</kbd>" opens"</p>
        </form>
    }
    .into_any()
}

#[component]
fn Rows(rows: Vec<BacklogRow>, base: String) -> impl IntoView {
    view! {
        <div id="backlog-rows" class="table-wrap">
            <table class="table table-cards backlog-table">
                <thead>
                    <tr>
                        <th scope="col">"Item"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col" class="num">"People"</th>
                        <th scope="col" class="num">"Feedback"</th>
                        <th scope="col" class="num">"Changed"</th>
                    </tr>
                </thead>
                <tbody>
                    {rows.into_iter().map(|row| view! {
                        <tr>
                            <th scope="row">
                                <a href=format!("{base}/{}", row.number) data-row><span class="muted">{format!("#{} ", row.number)}</span>{row.title}</a>
                                {(row.critical > 0).then(|| view! { " " <Badge label=format!("{} critical", row.critical) tone="bad" /> })}
                            </th>
                            <td><Badge label=row.status.label() tone=tone(row.status) /></td>
                            <td class="num" data-label="People" title=people(row.people)>{row.people}</td>
                            <td class="num" data-label="Feedback" title=pieces(row.said)>{row.said}</td>
                            <td class="num muted" data-label="Changed"><time datetime=row.updated.1>{row.updated.0}</time></td>
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

/// The form, collapsed unless the list is empty or the form has errors.
#[component]
fn NewItemForm(new: NewItemInput, action: String, is_first: bool) -> impl IntoView {
    let open = !new.errors.is_empty();
    let form = view! {
            <form method="post" action=action class="stack">
                <ErrorSummary errors=new.errors.clone() />
                <IdempotencyKey key=new.form_key />
                <TextField name="title" label="Title" value=new.title required=true maxlength=MAX_TITLE errors=new.errors.clone() />
                <TextArea name="body" label="Description" hint="Optional." value=new.body rows=4 maxlength=MAX_BODY errors=new.errors />
                <div class="form-actions"><button type="submit" class="button button-primary">"Create item"</button></div>
            </form>
    };
    // Without any item, the form is the purpose of the page, so it is not collapsed.
    if is_first {
        view! { <section class="card stack backlog-first" aria-labelledby="new-item"><h2 id="new-item">"New item"</h2>{form}</section> }
            .into_any()
    } else {
        view! { <details class="card backlog-new" open=open><summary class="button button-primary">"New item"</summary>{form}</details> }
            .into_any()
    }
}
