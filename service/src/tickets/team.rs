//! Team actions on tickets: reply, add notes, set the priority, close, reopen.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    history::HistoryChange,
    ids::{MessageId, TicketId},
    tickets::{MessageAuthor, Priority, TicketState, check_message, empty_message, status_after_reply},
    zone::UTC,
};
use store::{
    Act, IdempotencyScope, IdempotentWrite,
    tickets::{NewAttachment, TicketChange},
};

use super::{
    fingerprint,
    held_files::keep_files,
    links::{mail_about, unsigned_path},
    note,
};
use crate::{
    error::Result,
    mail::{TicketMailBuilder, ticket_reply},
    state::App,
};

/// A team member's reply to the requester.
#[derive(Debug, Clone, Default)]
pub struct StaffReply {
    /// The text, as typed.
    pub body: String,
    /// Whether it also closes the ticket.
    pub close: bool,
    /// The feedback's version that the author saw; `None` if unknown. The reply is refused if others wrote since.
    pub seen: Option<i64>,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// The key under which more files are held for this reply; see [`store_pending_files`](super::store_pending_files).
    pub held: String,
}

/// Refuses a reply if others wrote after `seen`.
async fn refuse_if_answered_since(act: &mut Act<'_, '_>, feedback: &Feedback, seen: Option<i64>) -> Result<()> {
    let (actor, now) = (act.actor_id(), act.now());
    let Some(seen) = seen.filter(|seen| *seen < feedback.version) else { return Ok(()) };
    let since = act.history_since(feedback.project, feedback.id, seen).await?;
    let other = since.into_iter().find(|event| match event.change {
        HistoryChange::Replied => event.by.is_none() || event.by != actor,
        HistoryChange::Wrote | HistoryChange::Solved | HistoryChange::Reopened => true,
        _ => false,
    });
    match other {
        None => Ok(()),
        Some(event) => {
            let why =
                format!("{} {} {}. Read that first, then send your reply.", event.name, event.change.sentence(), UTC.ago(event.at, now));
            Err(Refusal::Conflict(why).into())
        }
    }
}

/// Replies to the requester, once for each `key` and content, and closes the ticket if requested.
///
/// # Errors
/// An invalid message; [`Refusal::Conflict`] if someone else replied or the requester wrote since; a role too low; not found.
pub async fn staff_reply(app: &App, scope: &Scope, ticket: TicketId, key: &str, reply: StaffReply) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let StaffReply { body, close, seen, files, held } = reply;
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone(), close.to_string()], &[], &files).await?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketMailBuilder::new(&app.settings, &project, &language);
    let path = unsigned_path(&project, ticket);
    let sent = app
        .store
        .act_once(app.context(scope), IdempotentWrite::form(&IdempotencyScope::TicketReply(ticket), key, content), move |act| {
            Box::pin(async move {
                let (actor, now) = (act.actor_id(), act.now());
                act.ensure_authorized(Role::Triager).await?;
                let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                refuse_if_answered_since(act, &feedback, seen).await?;
                // Before the message, which has an event of its own.
                let linked = act.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, close);
                if status != FeedbackStatus::Spam {
                    act.publish_withheld_ticket(&feedback).await?;
                }
                let message = act.insert_ticket_message(&ticket, MessageAuthor::Staff, &body).await?;
                if keep_files(act, &ticket, message, (&held, 0), &files, now).await? == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                ticket.first_response_at = ticket.first_response_at.or(Some(now));
                let was_closed = ticket.state == TicketState::Closed;
                ticket.state = if close { TicketState::Closed } else { TicketState::Answered };
                ticket.resolved_at = close.then(|| ticket.resolved_at.unwrap_or(now));
                ticket.updated_at = now;
                note(act, &ticket, &mut feedback, Some(&HistoryChange::Replied), status).await?;
                if let Some(post) = post {
                    let by = act.actor_name(actor).await?.filter(|name| !name.is_empty()).unwrap_or(project.name);
                    act.queue_mail(&ticket_reply(&post, mail_about(&ticket, &path), &by, &body, close)).await?;
                }
                act.ticket_event(&ticket, TicketChange::MessageAdded(message)).await?;
                if close && !was_closed {
                    act.ticket_event(&ticket, TicketChange::Closed).await?;
                } else if was_closed && !close {
                    act.ticket_event(&ticket, TicketChange::Reopened).await?;
                }
                Ok(message)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(sent)
}

/// Adds a note for the team, once for each `key` and content. The requester never sees it.
///
/// # Errors
/// An invalid text; a role too low; not found.
pub async fn add_note(app: &App, scope: &Scope, ticket: TicketId, key: &str, body: &str, files: Vec<NewAttachment>) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let body = check_message(body, !files.is_empty())?;
    let content = fingerprint(vec![body.clone()], &[], &files).await?;
    app.store
        .act_once(app.context(scope), IdempotentWrite::form(&IdempotencyScope::TicketNote(ticket), key, content), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                let message = act.insert_ticket_message(&ticket, MessageAuthor::Note, &body).await?;
                keep_files(act, &ticket, message, ("", 0), &files, now).await?;
                act.record_on_feedback(&mut feedback, &HistoryChange::Noted).await?;
                Ok(message)
            })
        })
        .await
}

/// A change of a ticket's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorityChange {
    /// The previous priority.
    pub from: Priority,
    /// The feedback's current version.
    pub version: i64,
}

/// Sets a ticket's priority, regardless of changes by others; `false` if it already had this priority.
///
/// # Errors
/// A role too low; not found.
pub async fn set_priority(app: &App, scope: &Scope, ticket: TicketId, priority: Priority) -> Result<bool> {
    Ok(change_priority(app, scope, ticket, priority, None).await?.is_some())
}

/// Sets a ticket's priority; `None` if it already had this priority. `seen` is the feedback's version that the person saw, if known.
///
/// # Errors
/// [`Refusal::Conflict`] if someone else has changed the priority since; a role too low; not found.
pub async fn change_priority(
    app: &App,
    scope: &Scope,
    ticket: TicketId,
    priority: Priority,
    seen: Option<i64>,
) -> Result<Option<PriorityChange>> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.priority == priority {
                    return Ok(None);
                }
                if let Some(seen) = seen.filter(|seen| *seen < feedback.version) {
                    let since = act.history_since(feedback.project, feedback.id, seen).await?;
                    if let Some(event) = since.into_iter().find(|e| matches!(e.change, HistoryChange::Prioritised { .. })) {
                        let why = format!("{} {} {}.", event.name, event.change.sentence(), UTC.ago(event.at, now));
                        return Err(Refusal::Conflict(format!("{why} Your change was not applied.")).into());
                    }
                }
                let from = std::mem::replace(&mut ticket.priority, priority);
                let change = HistoryChange::Prioritised { from: from.label().into(), to: priority.label().into() };
                ticket.updated_at = now;
                act.update_ticket(&ticket).await?;
                let version = act.record_on_feedback(&mut feedback, &change).await?;
                Ok(Some(PriorityChange { from, version }))
            })
        })
        .await
}

/// Closes a ticket without a message; `false` if it was already closed.
///
/// # Errors
/// A role too low; not found.
pub async fn close(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, true).await
}

/// Reopens a ticket; `false` if it was already open.
///
/// # Errors
/// A role too low; not found.
pub async fn reopen(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, false).await
}

async fn turn(app: &App, scope: &Scope, ticket: TicketId, closed: bool) -> Result<bool> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                if closed == (ticket.state == TicketState::Closed) {
                    return Ok(false);
                }
                let linked = act.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, closed);
                ticket.state = if closed { TicketState::Closed } else { TicketState::Open };
                (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                note(act, &ticket, &mut feedback, None, status).await?;
                let change = if closed { TicketChange::Closed } else { TicketChange::Reopened };
                act.ticket_event(&ticket, change).await?;
                Ok(true)
            })
        })
        .await
}
