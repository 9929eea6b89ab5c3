//! The list: rows with check boxes, bulk actions, pagination, and empty states.

use domain::{
    feedback::{FeedbackStatus, MAX_TAG},
    tickets::{Priority, TicketState},
    triage::MAX_MATCHING,
};
use leptos::prelude::*;

use super::{ScoreView, detail::CreateTag, tone};
use crate::{
    components::{
        badges::Badge,
        feedback_text::{HighlightSpan, Marked, wordless},
        forms::IdempotencyKey,
        layout,
        numbers::thousands,
    },
    desk::{priority_tone, state_label, state_tone},
};

/// One item of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowView {
    /// The item.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// URL of the inbox with this item open.
    pub url: String,
    /// Triage status.
    pub status: FeedbackStatus,
    /// The score given.
    pub score: Option<ScoreView>,
    /// The ticket, if it is one.
    pub ticket: Option<RowTicket>,
    /// The snippet with the best matches.
    pub snippet: Vec<HighlightSpan>,
    /// The URL of the page it came from, if only that matches.
    pub page: Option<Vec<HighlightSpan>>,
    /// Tags.
    pub tags: Vec<String>,
    /// The assignee.
    pub assignee: Option<String>,
    /// Where it came from: a survey's name, or the kind.
    pub source: String,
    /// The age, for display.
    pub age: String,
    /// The submission time, RFC 3339.
    pub at: String,
    /// Whether it is open in the detail pane.
    pub current: bool,
}

/// Ticket details shown in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowTicket {
    /// Its number.
    pub number: i64,
    /// Its subject, with matches marked.
    pub subject: Vec<HighlightSpan>,
    /// Who has to reply next.
    pub state: TicketState,
    /// Its priority.
    pub priority: Priority,
}

/// A bulk change that needs confirmation because the tag is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectedBulkEdit {
    /// Why.
    pub message: String,
    /// The tag as typed.
    pub tag: String,
    /// The items that were selected.
    pub items: Vec<String>,
}

/// Why the list is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmptyReason {
    /// There is no feedback yet.
    NothingYet {
        /// Whether the user can publish surveys and import.
        can_admin: bool,
    },
    /// No item matches the query: each part that can be removed, with the URL of the inbox without it.
    NoHits(Vec<(String, String)>),
    /// The query has no searchable words.
    NoWords,
    /// There are results, but not on this page.
    Elsewhere {
        /// The heading.
        title: String,
        /// Why.
        text: &'static str,
        /// The link: label and URL.
        link: (&'static str, String),
    },
    /// The query has a syntax error.
    BadQuery,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListView {
    /// The project's name in URLs.
    pub slug: String,
    /// Whether the user can change anything.
    pub can_triage: bool,
    /// A fresh idempotency key for forms.
    pub form_key: String,
    /// This page's URL, where posts redirect to.
    pub return_to: String,
    /// A notice about this list, such as that the index is not available.
    pub notice: Option<String>,
    /// The items.
    pub rows: Vec<RowView>,
    /// Why there are none.
    pub empty: Option<EmptyReason>,
    /// The number of items on all pages, if known.
    pub total: Option<usize>,
    /// The query that they match.
    pub query: String,
    /// URL of their export, if the user can export and there is a query.
    pub export: Option<String>,
    /// The page before.
    pub prev: Option<String>,
    /// The page after.
    pub next: Option<String>,
    /// Possible assignees: id and name.
    pub members: Vec<(String, String)>,
    /// A bulk change that was not made.
    pub bulk: Option<RejectedBulkEdit>,
}

/// The list region.
#[component]
pub fn InboxList(
    /// Its content.
    view: ListView,
) -> impl IntoView {
    let ListView { slug, can_triage, form_key, return_to, notice, rows, empty, total, query, export, prev, next, members, bulk } = view;
    let count = match total {
        Some(1) => "1 item".to_owned(),
        Some(n) => format!("{} items", thousands(n)),
        None => String::new(),
    };
    let base = slug.clone();
    let rows = (!rows.is_empty()).then(|| {
        let here = rows.len();
        let selected = bulk.as_ref().map(|b| b.items.clone()).unwrap_or_default();
        let rows = rows.into_iter().map(|row| {
            let checked = selected.contains(&row.id);
            view! { <Row row=row can_triage=can_triage checked=checked /> }
        });
        let rows = rows.collect_view();
        let list = view! { <ul class="inbox-rows" aria-label="Feedback">{rows}</ul> };
        if can_triage {
            view! {
                <form method="post" action=format!("/p/{slug}/feedback/bulk") class="bulk-form" id="bulk" data-enhance>
                    <IdempotencyKey key=format!("{form_key}-bulk") />
                    <input type="hidden" name="return_to" value=return_to.clone() />
                    <input type="hidden" name="q" id="bulk-q" value=query />
                    <input type="hidden" name="all" id="bulk-all" value="" />
                    <label class="select-page small muted">
                        <input type="checkbox" id="check-page" autocomplete="off" />
                        "Select all on this page"
                    </label>
                    <Bulk members=members refused=bulk />
                    {total.filter(|total| *total > here).map(|total| view! { <Offer here=here total=total /> })}
                    {list}
                </form>
                // Sent by a shortcut on a row that is not open; the island fills it in.
                <form method="post" id="quick" data-base=format!("/p/{slug}/feedback") data-enhance hidden>
                    <IdempotencyKey key=format!("{form_key}-quick") />
                    <input type="hidden" name="version" value="" />
                    <input type="hidden" name="status" value="" />
                    <input type="hidden" name="return_to" value=return_to />
                </form>
            }
            .into_any()
        } else {
            list.into_any()
        }
    });
    view! {
        <section class="inbox-list" id="inbox-list" data-part aria-label="Results">
            {notice.map(|notice| view! { <p class="notice notice-warn" role="status">{notice}</p> })}
            <p class="inbox-count small muted" id="inbox-count">{count}" " {export.map(|url| view! { <a href=url>"Export results"</a> " " })}<button type="button" class="button button-quiet button-small keys-button" data-opens="keys">"Shortcuts" <kbd>"?"</kbd></button></p>
            {rows}
            {empty.map(|why| view! { <Nothing why=why slug=base /> })}
            {(prev.is_some() || next.is_some()).then(|| view! {
                <nav class="pager" aria-label="Pages">
                    <span>{prev.map(|url| view! { <a class="button button-small" href=url data-enhance data-waits="inbox-list" data-page="prev" rel="prev">"Previous" <kbd>"["</kbd></a> })}</span>
                    <span>{next.map(|url| view! { <a class="button button-small" href=url data-enhance data-waits="inbox-list" data-page="next" rel="next">"Next" <kbd>"]"</kbd></a> })}</span>
                </nav>
            })}
        </section>
    }
    .into_any()
}

/// Offers to select all matches on every page. The island shows it once the whole page is selected.
#[component]
fn Offer(here: usize, total: usize) -> impl IntoView {
    let all = thousands(total);
    let page = format!("All {here} on this page are selected. ");
    view! {
        <p class="select-all small" id="select-all" role="status" hidden>
            {if total > MAX_MATCHING {
                view! { <span>{page}{format!("{all} match; at most {} can be changed at once. Narrow the search to select them all.", thousands(MAX_MATCHING))}</span> }.into_any()
            } else {
                view! {
                    <span data-selected="page">{page}<button type="button" class="button button-quiet button-small" id="select-matching">{format!("Select all {all} that match")}</button></span>
                    <span data-selected="all" hidden>{format!("All {all} that match are selected. ")}<button type="button" class="button button-quiet button-small" id="select-page">"Only this page"</button></span>
                }.into_any()
            }}
        </p>
    }
    .into_any()
}

/// Bulk actions. Enter in the tag field adds the tag, because that button comes first.
#[component]
fn Bulk(members: Vec<(String, String)>, refused: Option<RejectedBulkEdit>) -> impl IntoView {
    let typed = refused.as_ref().map(|r| r.tag.clone()).unwrap_or_default();
    let bad = refused.is_some();
    view! {
        <div class="bulk" role="group" aria-label="Change all selected items">
            <button type="submit" name="do" value="tag" class="visually-hidden" tabindex="-1" aria-hidden="true">"Add tag"</button>
            <span class="bulk-count small" id="bulk-count" aria-live="polite">"Selected:"</span>
            <button type="submit" name="do" value="status:resolved" class="button button-small">"Resolve" <kbd>"E"</kbd></button>
            <button type="submit" name="do" value="status:triaged" class="button button-small">"Triaged"</button>
            <button type="submit" name="do" value="status:spam" class="button button-small">"Spam" <kbd>"S"</kbd></button>
            <button type="submit" name="do" value="status:new" class="button button-small">"New"</button>
            <span class="bulk-pair">
                <label for="bulk-assignee" class="visually-hidden">"Assign selected to"</label>
                <select id="bulk-assignee" name="assignee">
                    <option value="">"Nobody"</option>
                    {members.into_iter().map(|(id, name)| view! { <option value=id>{name}</option> }).collect_view()}
                </select>
                <button type="submit" name="do" value="assign" class="button button-small">"Assign"</button>
            </span>
            <span class="bulk-pair">
                <label for="bulk-tag" class="visually-hidden">"Tag for selected"</label>
                <input id="bulk-tag" name="tag" type="text" value=typed placeholder="Tag" maxlength=MAX_TAG autocomplete="off" list="known-tags"
                    aria-invalid=bad.then_some("true") aria-describedby=bad.then_some("bulk-refused") />
                <button type="submit" name="do" value="tag" class="button button-small">"Add"</button>
                <button type="submit" name="do" value="untag" class="button button-small">"Remove"</button>
            </span>
            {refused.map(|refused| view! {
                <p class="field-error" id="bulk-refused">{refused.message}</p>
                <CreateTag typed=refused.tag />
            })}
        </div>
    }
    .into_any()
}

#[component]
fn Row(row: RowView, can_triage: bool, checked: bool) -> impl IntoView {
    let link = format!("open-{}", row.id);
    let scored = row.score.is_some();
    let bare = row.snippet.is_empty() && row.ticket.is_some();
    view! {
        <li class="inbox-row" id=format!("row-{}", row.id) data-id=row.id.clone() data-version=row.version data-status=row.status.as_str() data-open=row.current.then_some("")>
            {can_triage.then(|| view! {
                <label class="row-select">
                    <input type="checkbox" class="row-check" name="item" value=format!("{}:{}", row.id, row.version) checked=checked aria-labelledby=link.clone() />
                </label>
            })}
            <a class="row-link" id=link.clone() href=row.url data-enhance data-waits="inbox-detail" aria-current=row.current.then_some("true")>
                <span class="row-meta">
                    <Badge label=row.status.label() tone=tone(row.status) />
                    {row.ticket.as_ref().map(|ticket| view! {
                        {(ticket.state == TicketState::Answered).then(|| view! { <Badge label=state_label(ticket.state) tone=state_tone(ticket.state) /> })}
                        {priority_tone(ticket.priority).map(|tone| view! { <Badge label=ticket.priority.label() tone=tone /> })}
                    })}
                    {row.score.map(|score| view! { <Badge label=score.label tone=score.tone /> })}
                    <span class="row-source">{row.source}</span>
                    <time class="row-age" datetime=row.at>{row.age}</time>
                </span>
                {row.ticket.map(|ticket| view! {
                    <span class="row-subject"><span class="row-number">{format!("#{} ", ticket.number)}</span><Marked pieces=ticket.subject /></span>
                })}
                <span class="row-text">
                    {if bare { ().into_any() } else if row.snippet.is_empty() { view! { <span class="muted">{wordless(scored)}</span> }.into_any() } else { view! { <Marked pieces=row.snippet /> }.into_any() }}
                </span>
                {row.page.map(|page| view! { <span class="row-page small muted">"On page "<Marked pieces=page /></span> })}
                {(!row.tags.is_empty() || row.assignee.is_some()).then(|| view! {
                    <span class="row-tags">
                        {row.tags.into_iter().map(|tag| view! { <span class="tag">{tag}</span> }).collect_view()}
                        {row.assignee.map(|name| view! { <span class="row-assignee"><span class="visually-hidden">"Assigned to "</span>{name}</span> })}
                    </span>
                })}
            </a>
        </li>
    }
    .into_any()
}

#[component]
fn Nothing(why: EmptyReason, slug: String) -> impl IntoView {
    match why {
        EmptyReason::NothingYet { can_admin } => view! {
            <layout::Empty title="No feedback yet" text="All feedback arrives here: survey responses, imports and tickets. Publish a survey and put it on your site.">
                {can_admin.then(|| view! {
                    <a class="button button-primary" href=format!("/p/{slug}/surveys")>"Create a survey"</a>
                    <a class="button" href=format!("/p/{slug}/embed")>"Put it on your site"</a>
                    <a class="button" href=format!("/p/{slug}/imports")>"Import a file"</a>
                })}
                {(!can_admin).then(|| view! { <a class="button" href=format!("/p/{slug}/surveys")>"View surveys"</a> })}
            </layout::Empty>
        }
        .into_any(),
        EmptyReason::NoHits(parts) => view! {
            <layout::Empty title="No results" text="Remove a filter or clear the search.">
                {parts.into_iter().map(|(part, url)| view! { <a class="button" href=url data-enhance data-waits="inbox-list">"Without " <code>{part}</code></a> }).collect_view()}
                <a class="button button-quiet" href=format!("/p/{slug}/inbox") data-enhance data-waits="inbox-list">"Clear the search"</a>
            </layout::Empty>
        }
        .into_any(),
        EmptyReason::NoWords => view! {
            <layout::Empty title="Nothing to search for" text="This search contains only punctuation, which is ignored. Enter a word, a number or an emoji.">
                <a class="button button-quiet" href=format!("/p/{slug}/inbox") data-enhance data-waits="inbox-list">"Clear the search"</a>
            </layout::Empty>
        }
        .into_any(),
        EmptyReason::Elsewhere { title, text, link: (label, url) } => view! {
            <layout::Empty title=title text=text>
                <a class="button button-primary" href=url data-enhance data-waits="inbox-list">{label}</a>
            </layout::Empty>
        }
        .into_any(),
        EmptyReason::BadQuery => view! { <p class="muted">"Fix the search above to see results."</p> }.into_any(),
    }
}
