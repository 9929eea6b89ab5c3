//! What requesters do with their tickets: reply, close, reopen.

use domain::{
    Error as Refusal,
    accounts::Scope,
    feedback::Status,
    history::Change,
    ids::{AttachmentId, TicketId},
    projects::Project,
    tickets::{Author, MAX_OWN_MESSAGES, State, check_message, empty_message, status_after_request},
    webhooks::EventKind,
};
use store::{Once, tickets::NewAttachment};

use super::{
    Entries, fingerprint,
    held_files::{held_for, keep_files},
    note,
};
use crate::{error::Result, state::App};

/// What the requester adds to their ticket.
#[derive(Debug, Clone, Default)]
pub struct Addition {
    /// The text, as typed.
    pub body: String,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// Files that wait for this form and come along; see [`hold_files`](super::hold_files).
    pub kept: Vec<AttachmentId>,
}

/// Adds what the requester says to their ticket, once for each `key` and content; a closed one is open again.
///
/// # Errors
/// A message that does not fit; [`Refusal::Conflict`] when there are too many; not found.
pub async fn requester_reply(app: &App, project: &Project, ticket: TicketId, key: &str, addition: Addition) -> Result<()> {
    let Addition { body, files, kept } = addition;
    let form = held_for(project, &ticket.to_string(), key);
    let (scope, now, message, entries) = (Scope::system(project.id), app.now(), app.id(), Entries::new(app));
    // Whether a file comes along is known once the key is: what a first attempt took waits no more.
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone()], &kept, &files).await?;
    app.store
        .write_once(Once::form(format!("ticket-answer:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if usize::try_from(tx.requester_messages(&ticket).await?).unwrap_or(usize::MAX) >= MAX_OWN_MESSAGES {
                    return Err(Refusal::Conflict("This ticket has too many messages. Start a new one.".into()).into());
                }
                tx.insert_ticket_message(message, &ticket, Author::Requester, None, &body, now).await?;
                let files = keep_files(tx, &ticket, message, (&form, kept.len()), &files, now).await?;
                if files == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                if !body.is_empty() {
                    tx.extend_feedback_text(&mut feedback, &body).await?;
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_request(feedback.status, linked);
                let was_closed = ticket.state == State::Closed;
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Open, None, now);
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Wrote), status, now).await?;
                let [said, opened] = entries.told;
                tx.ticket_event(said, EventKind::TicketMessageAdded, &ticket, Some((Author::Requester, &body)), now).await?;
                if was_closed {
                    tx.ticket_event(opened, EventKind::TicketReopened, &ticket, None, now).await?;
                }
                Ok(())
            })
        })
        .await
}

/// The requester says that their ticket is solved; nothing happens to one that is closed.
///
/// # Errors
/// Not found.
pub async fn requester_close(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    let (scope, now, entries) = (Scope::system(project.id), app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state == State::Closed {
                    return Ok(());
                }
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Closed, Some(now), now);
                // What is taken for spam stays where the team put it.
                let status = if feedback.status == Status::Spam { Status::Spam } else { Status::Resolved };
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Solved), status, now).await?;
                tx.ticket_event(entries.told[0], EventKind::TicketClosed, &ticket, None, now).await
            })
        })
        .await
}

/// The requester opens their ticket again; nothing happens to one that is open.
///
/// # Errors
/// Not found.
pub async fn requester_reopen(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    let (scope, now, entries) = (Scope::system(project.id), app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state != State::Closed {
                    return Ok(());
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_request(feedback.status, linked);
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Open, None, now);
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Reopened), status, now).await?;
                tx.ticket_event(entries.told[0], EventKind::TicketReopened, &ticket, None, now).await
            })
        })
        .await
}
