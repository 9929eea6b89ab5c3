//! One item of feedback: text and details, actions, and history.

use domain::{
    FieldErrors,
    feedback::{FeedbackStatus, MAX_COMMENT, MAX_TAG},
};
use leptos::prelude::*;

use super::{ScoreView, tone};
use crate::{
    backlog::{LinkPanel, LinkPanelView},
    components::{
        badges::Badge,
        feedback_text::{HighlightSpan, Marked, wordless},
        forms::ActionFields,
        keys::{SEND_KEYS, SendKeys},
    },
    desk::{
        TicketView,
        answer::{AnswerForm, NoteForm, TicketForms},
        conversation::{Conversation, DeliveryNotice, RequesterLink, TicketBadges, TicketFacts},
    },
};

/// A comment by the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentView {
    /// The author.
    pub name: String,
    /// The text.
    pub body: String,
    /// The age, for display.
    pub age: String,
    /// When, RFC 3339.
    pub at: String,
}

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Name and action: `Ann commented`.
    pub text: String,
    /// The age, for display.
    pub age: String,
    /// When, RFC 3339.
    pub at: String,
}

/// One item.
#[derive(Debug, Clone)]
pub struct DetailView {
    /// The project's name in URLs.
    pub slug: String,
    /// The item.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// Whether the user can change anything.
    pub can_triage: bool,
    /// A fresh idempotency key for forms.
    pub form_key: String,
    /// This page's URL, where posts redirect to.
    pub return_to: String,
    /// The list without this item open; `None` on the item's own page.
    pub back: Option<String>,
    /// Triage status.
    pub status: FeedbackStatus,
    /// Its kind.
    pub kind: &'static str,
    /// The score given.
    pub score: Option<ScoreView>,
    /// The text, with matches marked.
    pub text: Vec<HighlightSpan>,
    /// Title and answer of each question that was answered.
    pub answers: Vec<(String, String)>,
    /// Whether the response was finished.
    pub finished: bool,
    /// Label and value of each contact detail.
    pub contact: Vec<(String, String)>,
    /// The page it was sent from, and whether that is safe to link.
    pub page: Option<(String, bool)>,
    /// Label and value of other details.
    pub facts: Vec<(&'static str, String)>,
    /// Why it was suspected spam.
    pub spam_reasons: Vec<String>,
    /// The assignee's id, or empty.
    pub assignee: String,
    /// Possible assignees: id and name.
    pub members: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<String>,
    /// Tags used in this project.
    pub known_tags: Vec<String>,
    /// Links to backlog items.
    pub links: LinkPanelView,
    /// Comments by the team, oldest first.
    pub comments: Vec<CommentView>,
    /// Events, newest first.
    pub history: Vec<EventView>,
    /// The submission time, for display.
    pub age: String,
    /// The submission time, RFC 3339.
    pub at: String,
    /// Validation errors.
    pub errors: FieldErrors,
    /// The comment as typed.
    pub typed_comment: String,
    /// The tag as typed.
    pub typed_tag: String,
    /// The support conversation, if it is one.
    pub ticket: Option<TicketView>,
}

/// The detail pane: the open item, or a placeholder.
#[component]
pub fn DetailPane(
    /// Its content.
    view: Option<DetailView>,
) -> impl IntoView {
    let open = view.is_some().then_some("");
    let (id, version) = view.as_ref().map(|v| (v.id.clone(), v.version)).unzip();
    view! {
        <section class="inbox-detail" id="inbox-detail" data-part data-open=open data-id=id data-version=version aria-label="Item">
            <p class="notice notice-info" id="detail-changed" role="status" hidden></p>
            {match view {
                Some(view) => view! { <Detail view=view /> }.into_any(),
                None => view! { <p class="inbox-detail-none muted">"Select an item to read it." " " <kbd>"J"</kbd> " " <kbd>"Enter"</kbd></p> }.into_any(),
            }}
        </section>
    }
    .into_any()
}

/// One item.
#[component]
pub fn Detail(
    /// Its content.
    view: DetailView,
) -> impl IntoView {
    let base = format!("/p/{}/feedback/{}", view.slug, view.id);
    let suspected = view.status == FeedbackStatus::Spam && !view.spam_reasons.is_empty();
    let back = view.back.clone();
    let on_own_page = back.is_none();
    let actions = view.can_triage.then(|| view! { <Actions view=view.clone() base=base.clone() /> });
    let links = view.links.clone();
    let scored = view.score.is_some();
    let talk = view! { <Talk view=view.clone() base=base.clone() /> };
    let tags_read_only = (!view.can_triage && !view.tags.is_empty()).then(|| {
        view! { <p class="cluster">{view.tags.iter().map(|tag| view! { <span class="tag">{tag.clone()}</span> }).collect_view()}</p> }
    });
    let title = if on_own_page { "h1" } else { "h2" };
    let ticket = view.ticket.clone();
    let is_ticket = ticket.is_some();
    let (class, heading) = match &ticket {
        Some(ticket) => (
            "detail-title ticket-title",
            view! { <span class="muted">{format!("#{} ", ticket.number)}</span> <Marked pieces=ticket.subject.clone() /> }.into_any(),
        ),
        None => ("detail-title", "Feedback".into_any()),
    };
    // A ticket's state implies its status, so the badge is shown only if the status buttons below do not show it.
    let status = (!is_ticket || !view.can_triage || view.status == FeedbackStatus::Spam)
        .then(|| view! { <Badge label=view.status.label() tone=tone(view.status) /> });
    let conversation = ticket.clone().map(|ticket| view! { <Ticket view=view.clone() ticket=ticket base=base.clone() /> });
    view! {
        {back.map(|url| view! { <p class="inbox-back"><a href=url data-enhance data-back>"Back to the list"</a></p> })}
        <div class="panel stack">
            <div class="spread">
                {if title == "h1" { view! { <h1 class=class>{heading}</h1> }.into_any() } else { view! { <h2 class=class>{heading}</h2> }.into_any() }}
                <span class="cluster">
                    {ticket.clone().map(|ticket| view! { <TicketBadges ticket=ticket /> })}
                    {status}
                    {view.score.map(|score| view! { <Badge label=score.label tone=score.tone /> })}
                    <time class="muted small" datetime=view.at>{view.age}</time>
                    {(!on_own_page).then(|| view! { <a class="small" href=base.clone()>"Link to this item"</a> })}
                </span>
            </div>
            {suspected.then(|| view! {
                <p class="notice notice-warn">"Suspected spam: " {view.spam_reasons.join(", ")} "."</p>
            })}
            {match ticket {
                Some(ticket) => view! { <TicketFacts ticket=ticket /> }.into_any(),
                None => view! {
                    <div class="detail-text" data-quote-source tabindex="0" role="region" aria-label="Feedback text">
                        {if view.text.is_empty() { view! { <span class="muted">{wordless(scored)}</span> }.into_any() } else { view! { <Marked pieces=view.text /> }.into_any() }}
                    </div>
                }.into_any(),
            }}
            {tags_read_only}
            {actions}
        </div>
        {conversation}
        <div class="panel"><LinkPanel view=links /></div>
        {(!view.answers.is_empty()).then(|| view! {
            <div class="panel stack">
                <h3>"All answers" {(!view.finished).then(|| view! { " " <Badge label="Not finished" /> })}</h3>
                <dl class="answers">
                    {view.answers.into_iter().map(|(question, answer)| view! { <dt>{question}</dt><dd>{answer}</dd> }).collect_view()}
                </dl>
            </div>
        })}
        <div class="panel stack">
            <h3>"Details"</h3>
            <dl class="facts">
                {view.contact.into_iter().map(|(label, value)| view! { <dt>{label}</dt><dd>{value}</dd> }).collect_view()}
                {view.page.map(|(url, safe)| view! {
                    <dt>"Page"</dt>
                    <dd>{if safe {
                        view! { <a href=url.clone() rel="noopener noreferrer nofollow" target="_blank">{url.clone()}</a> }.into_any()
                    } else {
                        url.into_any()
                    }}</dd>
                })}
                <dt>"Kind"</dt><dd>{view.kind}</dd>
                {view.facts.into_iter().map(|(label, value)| view! { <dt>{label}</dt><dd>{value}</dd> }).collect_view()}
            </dl>
        </div>
        {talk}
    }
    .into_any()
}

/// The conversation, with the forms that continue it.
#[component]
fn Ticket(view: DetailView, ticket: TicketView, base: String) -> impl IntoView {
    let DetailView { version, return_to, form_key, can_triage, .. } = view;
    view! {
        <div class="panel stack ticket" id="ticket">
            <Conversation messages=ticket.messages.clone() />
            {can_triage.then(|| view! {
                <DeliveryNotice ticket=ticket.clone() />
                <AnswerForm ticket=ticket.clone() base=base.clone() form_key=form_key.clone() version=version return_to=return_to.clone() />
                <RequesterLink ticket=ticket.clone() base=base.clone() form_key=form_key.clone() version=version return_to=return_to.clone() />
            })}
        </div>
        {can_triage.then(|| view! {
            <div class="panel note-panel"><NoteForm ticket=ticket base=base form_key=form_key version=version return_to=return_to /></div>
        })}
    }
    .into_any()
}

/// Status, assignee and tags; for a ticket, also its priority.
#[component]
fn Actions(view: DetailView, base: String) -> impl IntoView {
    let DetailView { version, return_to, form_key, status, assignee, members, tags, known_tags, errors, typed_tag, ticket, .. } = view;
    let is_new = errors.0.iter().any(|e| e.code == NEW_TAG);
    let tag_error = errors.message_for("add").map(ToOwned::to_owned);
    let tag_bad = tag_error.is_some();
    let create_tag = typed_tag.clone();
    let offered = [
        (FeedbackStatus::New, None),
        (FeedbackStatus::Triaged, Some("2")),
        (FeedbackStatus::Resolved, Some("E")),
        (FeedbackStatus::Spam, Some("S")),
    ];
    view! {
        <form method="post" action=format!("{base}/status") class="cluster" id="status-form" data-enhance>
            <ActionFields key=format!("{form_key}-s") version=version return_to=return_to.clone() />
            <span class="visually-hidden" id="status-label">"Status"</span>
            <span role="group" aria-labelledby="status-label" class="status-buttons">
                {offered.into_iter().map(|(to, key)| {
                    let current = to == status;
                    let label = if to == FeedbackStatus::New && status == FeedbackStatus::Spam { "Not spam" } else { to.label() };
                    view! {
                        <button type="submit" id=format!("status-{}", to.as_str()) name="status" value=to.as_str() class="button button-small" aria-pressed=if current { "true" } else { "false" }>
                            {label} {key.map(|key| view! { " " <kbd>{key}</kbd> })}
                        </button>
                    }
                }).collect_view()}
            </span>
        </form>
        <form method="post" action=format!("{base}/assign") class="cluster" id="assign-form" data-enhance>
            <ActionFields key=format!("{form_key}-a") version=version return_to=return_to.clone() />
            <label for="assignee">"Assignee" " " <kbd>"A"</kbd></label>
            <select id="assignee" name="assignee" class="fit" data-submit-on-enter>
                <option value="" selected=assignee.is_empty()>"Nobody"</option>
                {members.into_iter().map(|(id, name)| {
                    let selected = id == assignee;
                    view! { <option value=id selected=selected>{name}</option> }
                }).collect_view()}
            </select>
            <button type="submit" id="assign-send" class="button button-small">"Assign"</button>
        </form>
        {ticket.map(|ticket| view! { <TicketForms ticket=ticket base=base.clone() form_key=form_key.clone() version=version return_to=return_to.clone() /> })}
        <form method="post" action=format!("{base}/tags") class="tags-form" id="tags-form" data-enhance>
            <ActionFields key=format!("{form_key}-t") version=version return_to=return_to />
            // Enter in the field must add the tag: a browser activates the form's first button.
            <button type="submit" class="visually-hidden" tabindex="-1" aria-hidden="true">"Add tag"</button>
            <label for="add">"Tags" " " <kbd>"T"</kbd></label>
            {tags.into_iter().map(|tag| {
                let says = format!("Remove the tag {tag}");
                view! { <span class="tag">{tag.clone()}<button type="submit" name="remove" value=tag aria-label=says>"×"</button></span> }
            }).collect_view()}
            <input id="add" name="add" type="text" class="fit" value=typed_tag maxlength=MAX_TAG autocomplete="off" list="known-tags" placeholder="Add a tag"
                aria-invalid=tag_bad.then_some("true") aria-describedby=tag_bad.then_some("add-error") />
            <button type="submit" class="button button-small">"Add"</button>
            {tag_error.map(|message| view! { <p class="field-error" id="add-error">{message}</p> })}
            {is_new.then(|| view! { <CreateTag typed=create_tag /> })}
            <datalist id="known-tags">{known_tags.into_iter().map(|tag| view! { <option value=tag></option> }).collect_view()}</datalist>
        </form>
    }
    .into_any()
}

/// The error code for a tag that the project does not have yet: a typo must not create one.
pub const NEW_TAG: &str = "new_tag";

/// The button that creates and adds new tags.
#[component]
pub fn CreateTag(
    /// The text of the field: one tag, or several separated by commas.
    typed: String,
) -> impl IntoView {
    let says = match domain::feedback::normalize_tag(&typed) {
        Some(tag) => format!("Create tag “{tag}”"),
        None => format!("Create tags “{}”", typed.trim()),
    };
    view! { <button type="submit" name="create" value=typed class="button button-small create-tag" autofocus>{says}</button> }
}

/// Comments and history.
#[component]
fn Talk(view: DetailView, base: String) -> impl IntoView {
    let DetailView { id, version, return_to, form_key, can_triage, comments, history, errors, typed_comment, ticket, .. } = view;
    let error = errors.message_for("body").map(ToOwned::to_owned);
    let bad = error.is_some();
    let none = comments.is_empty();
    // For a ticket, the team's comments are notes in its conversation.
    let is_ticket = ticket.is_some();
    view! {
        {(!is_ticket || !none).then(|| view! { <div class="panel stack">
            <h3>"Comments"</h3>
            {none.then(|| view! { <p class="muted small">"No comments yet. Only your team sees them."</p> })}
            {(!none).then(|| view! {
                <ol class="comments">
                    {comments.into_iter().map(|c| view! {
                        <li><p class="small"><strong>{c.name}</strong> " " <time class="muted" datetime=c.at>{c.age}</time></p><p class="comment-body">{c.body}</p></li>
                    }).collect_view()}
                </ol>
            })}
            {(can_triage && !is_ticket).then(|| view! {
                <form method="post" action=format!("{base}/comments") class="stack" data-draft=id data-enhance>
                    <ActionFields key=format!("{form_key}-c") version=version return_to=return_to />
                    <div class="field" class:field-invalid=bad>
                        <label for="body">"Comment" " " <kbd>"C"</kbd></label>
                        {error.map(|message| view! { <p class="field-error" id="body-error">{message}</p> })}
                        <textarea id="body" name="body" rows="2" maxlength=MAX_COMMENT aria-invalid=bad.then_some("true") aria-describedby=bad.then_some("body-error")>{crate::components::forms::textarea_text(&typed_comment)}</textarea>
                    </div>
                    <div><button type="submit" id="comment-send" class="button button-small" data-send aria-keyshortcuts=SEND_KEYS>"Comment"<SendKeys /></button></div>
                </form>
            })}
        </div> })}
        <div class="panel stack">
            <h3>"History"</h3>
            <ol class="timeline" role="list">
                {history.into_iter().map(|e| view! { <li>{e.text} " " <time class="muted" datetime=e.at>{e.age}</time></li> }).collect_view()}
            </ol>
        </div>
    }
    .into_any()
}
