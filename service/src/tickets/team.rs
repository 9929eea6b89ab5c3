//! What the team does with tickets: reply, leave notes, set the priority, close, reopen.

use domain::{
    Error as Refusal, Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, Status},
    history::Change,
    ids::{MessageId, TicketId},
    tickets::{Author, Priority, State, check_message, empty_message, status_after_reply},
    webhooks::EventKind,
    zone::UTC,
};
use store::{Once, Tx, tickets::NewAttachment};

use super::{
    Entries, fingerprint,
    held_files::keep_files,
    links::{letter_about, unsigned_path},
    note,
};
use crate::{
    error::Result,
    mail::{TicketPost, ticket_reply},
    state::App,
};

/// What the team says to the requester.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The text, as typed.
    pub body: String,
    /// Whether it also closes the ticket.
    pub close: bool,
    /// The feedback's version that was read before; `None` where nobody looked. What others said since is not talked over.
    pub seen: Option<i64>,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// The key under which more files wait for this answer; see [`hold_files`](super::hold_files).
    pub held: String,
}

/// Refuses a reply if others wrote after `seen`.
async fn unheard(tx: &mut Tx<'_>, scope: &Scope, feedback: &Feedback, seen: Option<i64>, now: Timestamp) -> Result<()> {
    let Some(seen) = seen.filter(|seen| *seen < feedback.version) else { return Ok(()) };
    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
    let other = since.into_iter().find(|event| match event.change {
        Change::Replied => event.by.is_none() || event.by != scope.staff(),
        Change::Wrote | Change::Solved | Change::Reopened => true,
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
pub async fn staff_reply(app: &App, scope: &Scope, ticket: TicketId, key: &str, reply: Reply) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let Reply { body, close, seen, files, held } = reply;
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone(), close.to_string()], &[], &files).await?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketPost::new(app, &project, &language);
    let path = unsigned_path(&project, ticket);
    let (scope, now, message, entries) = (*scope, app.now(), app.id::<MessageId>(), Entries::new(app));
    let sent = app
        .store
        .write_once(Once::form(format!("ticket-reply:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                tx.still(&scope, Role::Triager, now).await?;
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                unheard(tx, &scope, &feedback, seen, now).await?;
                // Before the message, which is told by itself.
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, close);
                if status != Status::Spam {
                    tx.tell_withheld_ticket(&feedback, now).await?;
                }
                tx.insert_ticket_message(message, &ticket, Author::Staff, scope.staff(), &body, now).await?;
                if keep_files(tx, &ticket, message, (&held, 0), &files, now).await? == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                ticket.first_response_at = ticket.first_response_at.or(Some(now));
                let was_closed = ticket.state == State::Closed;
                ticket.state = if close { State::Closed } else { State::Answered };
                ticket.resolved_at = close.then(|| ticket.resolved_at.unwrap_or(now));
                ticket.updated_at = now;
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Replied), status, now).await?;
                if let Some(post) = post {
                    let by = tx.staff_name(scope.staff()).await?.filter(|name| !name.is_empty()).unwrap_or(project.name);
                    tx.queue_letter(&ticket_reply(&post, letter_about(&ticket, &path), &by, &body, close), now).await?;
                }
                let [said, moved] = entries.told;
                tx.ticket_event(said, EventKind::TicketMessageAdded, &ticket, Some((Author::Staff, &body)), now).await?;
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
        .write_once(Once::form(format!("ticket-note:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                let (ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                tx.insert_ticket_message(message, &ticket, Author::Note, scope.staff(), &body, now).await?;
                keep_files(tx, &ticket, message, ("", 0), &files, now).await?;
                tx.note_on_feedback(&mut feedback, scope.staff(), entry, now, &Change::Noted).await?;
                Ok(message)
            })
        })
        .await
}

/// A ticket that is more or less urgent than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prioritised {
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
    Ok(prioritise(app, scope, ticket, priority, None).await?.is_some())
}

/// Says how urgent a ticket is; `None` when it was so already. `seen` is the feedback's version that was read before, where someone looked.
///
/// # Errors
/// [`Refusal::Conflict`] when someone else changed the priority since; a role too low; not found.
pub async fn prioritise(app: &App, scope: &Scope, ticket: TicketId, priority: Priority, seen: Option<i64>) -> Result<Option<Prioritised>> {
    scope.require(Role::Triager)?;
    let (scope, now, entry) = (*scope, app.now(), app.id());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.priority == priority {
                    return Ok(None);
                }
                if let Some(seen) = seen.filter(|seen| *seen < feedback.version) {
                    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
                    if let Some(event) = since.into_iter().find(|e| matches!(e.change, Change::Prioritised { .. })) {
                        let why = format!("{} {} {}.", event.name, event.change.sentence(), UTC.ago(event.at, now));
                        return Err(Refusal::Conflict(format!("{why} Your change was not applied.")).into());
                    }
                }
                let from = std::mem::replace(&mut ticket.priority, priority);
                let change = Change::Prioritised { from: from.label().into(), to: priority.label().into() };
                ticket.updated_at = now;
                tx.update_ticket(&ticket).await?;
                let version = tx.note_on_feedback(&mut feedback, scope.staff(), entry, now, &change).await?;
                Ok(Some(Prioritised { from, version }))
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
    let (scope, now, entries) = (*scope, app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if closed == (ticket.state == State::Closed) {
                    return Ok(false);
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, closed);
                ticket.state = if closed { State::Closed } else { State::Open };
                (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                note(tx, &scope, &ticket, &mut feedback, entries, None, status, now).await?;
                let kind = if closed { EventKind::TicketClosed } else { EventKind::TicketReopened };
                tx.ticket_event(entries.told[0], kind, &ticket, None, now).await?;
                Ok(true)
            })
        })
        .await
}
