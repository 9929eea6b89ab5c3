//! What the team does with tickets: reply, leave notes, set the priority, close, reopen.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    history::HistoryChange,
    ids::{MessageId, TicketId},
    tickets::{MessageAuthor, Priority, TicketState, check_message, empty_message, status_after_reply},
    webhooks::EventKind,
    zone::UTC,
};
use store::{IdempotentWrite, Tx, tickets::NewAttachment};

use super::{
    TicketHistoryIds, fingerprint,
    held_files::keep_files,
    links::{letter_about, unsigned_path},
    note,
};
use crate::{
    error::Result,
    mail::{TicketMailBuilder, ticket_reply},
    state::App,
};

/// What the team says to the requester.
#[derive(Debug, Clone, Default)]
pub struct StaffReply {
    /// The text, as typed.
    pub body: String,
    /// Whether it also closes the ticket.
    pub close: bool,
    /// The feedback's version that was read before; `None` where nobody looked. What others said since is not talked over.
    pub seen: Option<i64>,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// The key under which more files wait for this answer; see [`store_pending_files`](super::hold_files).
    pub held: String,
}

/// Refuses a reply if others wrote after `seen`.
async fn unheard(tx: &mut Tx<'_>, scope: &Scope, feedback: &Feedback, seen: Option<i64>, now: Timestamp) -> Result<()> {
    let Some(seen) = seen.filter(|seen| *seen < feedback.version) else { return Ok(()) };
    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
    let other = since.into_iter().find(|event| match event.change {
        HistoryChange::Replied => event.by.is_none() || event.by != scope.staff(),
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

/// Replies to the requester, once for each `key` and content, and closes the ticket if asked to.
///
/// # Errors
/// A message that does not fit; [`Refusal::Conflict`] when someone else answered or the requester wrote since; a role too low; not found.
pub async fn staff_reply(app: &App, scope: &Scope, ticket: TicketId, key: &str, reply: StaffReply) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let StaffReply { body, close, seen, files, held } = reply;
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone(), close.to_string()], &[], &files).await?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketMailBuilder::new(app, &project, &language);
    let path = unsigned_path(&project, ticket);
    let (scope, now, message, entries) = (*scope, app.now(), app.id::<MessageId>(), TicketHistoryIds::new(app));
    let sent = app
        .store
        .write_idempotent(IdempotentWrite::form(format!("ticket-reply:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                tx.ensure_authorized(&scope, Role::Triager, now).await?;
                let (mut ticket, mut feedback) = tx.lock_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                unheard(tx, &scope, &feedback, seen, now).await?;
                // Before the message, which is told by itself.
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, close);
                if status != FeedbackStatus::Spam {
                    tx.publish_withheld_ticket(&feedback, now).await?;
                }
                tx.insert_ticket_message(message, &ticket, MessageAuthor::Staff, scope.staff(), &body, now).await?;
                if keep_files(tx, &ticket, message, (&held, 0), &files, now).await? == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                ticket.first_response_at = ticket.first_response_at.or(Some(now));
                let was_closed = ticket.state == TicketState::Closed;
                ticket.state = if close { TicketState::Closed } else { TicketState::Answered };
                ticket.resolved_at = close.then(|| ticket.resolved_at.unwrap_or(now));
                ticket.updated_at = now;
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&HistoryChange::Replied), status, now).await?;
                if let Some(post) = post {
                    let by = tx.staff_name(scope.staff()).await?.filter(|name| !name.is_empty()).unwrap_or(project.name);
                    tx.queue_mail(&ticket_reply(&post, letter_about(&ticket, &path), &by, &body, close), now).await?;
                }
                let [said, moved] = entries.told;
                tx.ticket_event(said, EventKind::TicketMessageAdded, &ticket, Some((MessageAuthor::Staff, &body)), now).await?;
                if close && !was_closed {
                    tx.ticket_event(moved, EventKind::TicketClosed, &ticket, None, now).await?;
                } else if was_closed && !close {
                    tx.ticket_event(moved, EventKind::TicketReopened, &ticket, None, now).await?;
                }
                Ok(message)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(sent)
}

/// Leaves a note for the team, once for each `key` and content. The requester never sees it.
///
/// # Errors
/// A text that does not fit; a role too low; not found.
pub async fn add_note(app: &App, scope: &Scope, ticket: TicketId, key: &str, body: &str, files: Vec<NewAttachment>) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let body = check_message(body, !files.is_empty())?;
    let content = fingerprint(vec![body.clone()], &[], &files).await?;
    let (scope, now, message, entry) = (*scope, app.now(), app.id::<MessageId>(), app.id());
    app.store
        .write_idempotent(IdempotentWrite::form(format!("ticket-note:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                let (ticket, mut feedback) = tx.lock_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                tx.insert_ticket_message(message, &ticket, MessageAuthor::Note, scope.staff(), &body, now).await?;
                keep_files(tx, &ticket, message, ("", 0), &files, now).await?;
                tx.update_feedback_with_history(&mut feedback, scope.staff(), entry, now, &HistoryChange::Noted).await?;
                Ok(message)
            })
        })
        .await
}

/// A ticket that is more or less urgent than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorityChange {
    /// How urgent it was.
    pub from: Priority,
    /// The feedback's version now.
    pub version: i64,
}

/// Says how urgent a ticket is, whatever others said; `false` when it was so already.
///
/// # Errors
/// A role too low; not found.
pub async fn set_priority(app: &App, scope: &Scope, ticket: TicketId, priority: Priority) -> Result<bool> {
    Ok(change_priority(app, scope, ticket, priority, None).await?.is_some())
}

/// Says how urgent a ticket is; `None` when it was so already. `seen` is the feedback's version that was read before, where someone looked.
///
/// # Errors
/// [`Refusal::Conflict`] when someone else changed the priority since; a role too low; not found.
pub async fn change_priority(
    app: &App,
    scope: &Scope,
    ticket: TicketId,
    priority: Priority,
    seen: Option<i64>,
) -> Result<Option<PriorityChange>> {
    scope.require(Role::Triager)?;
    let (scope, now, entry) = (*scope, app.now(), app.id());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.lock_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.priority == priority {
                    return Ok(None);
                }
                if let Some(seen) = seen.filter(|seen| *seen < feedback.version) {
                    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
                    if let Some(event) = since.into_iter().find(|e| matches!(e.change, HistoryChange::Prioritised { .. })) {
                        let why = format!("{} {} {}.", event.name, event.change.sentence(), UTC.ago(event.at, now));
                        return Err(Refusal::Conflict(format!("{why} Your change was not applied.")).into());
                    }
                }
                let from = std::mem::replace(&mut ticket.priority, priority);
                let change = HistoryChange::Prioritised { from: from.label().into(), to: priority.label().into() };
                ticket.updated_at = now;
                tx.update_ticket(&ticket).await?;
                let version = tx.update_feedback_with_history(&mut feedback, scope.staff(), entry, now, &change).await?;
                Ok(Some(PriorityChange { from, version }))
            })
        })
        .await
}

/// Closes a ticket without a word; `false` when it was closed already.
///
/// # Errors
/// A role too low; not found.
pub async fn close(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, true).await
}

/// Opens a ticket again; `false` when it was open already.
///
/// # Errors
/// A role too low; not found.
pub async fn reopen(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, false).await
}

async fn turn(app: &App, scope: &Scope, ticket: TicketId, closed: bool) -> Result<bool> {
    scope.require(Role::Triager)?;
    let (scope, now, entries) = (*scope, app.now(), TicketHistoryIds::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.lock_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if closed == (ticket.state == TicketState::Closed) {
                    return Ok(false);
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, closed);
                ticket.state = if closed { TicketState::Closed } else { TicketState::Open };
                (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                note(tx, &scope, &ticket, &mut feedback, entries, None, status, now).await?;
                let kind = if closed { EventKind::TicketClosed } else { EventKind::TicketReopened };
                tx.ticket_event(entries.told[0], kind, &ticket, None, now).await?;
                Ok(true)
            })
        })
        .await
}
