//! Requester actions on tickets: reply, close, reopen.

use domain::{
    DomainError as Refusal,
    accounts::Scope,
    feedback::FeedbackStatus,
    history::HistoryChange,
    ids::{AttachmentId, TicketId},
    projects::Project,
    tickets::{MAX_REQUESTER_MESSAGES, MessageAuthor, TicketState, check_message, empty_message, status_after_request},
};
use store::{
    IdempotencyScope, IdempotentWrite,
    tickets::{NewAttachment, TicketChange},
};

use super::{
    fingerprint,
    held_files::{keep_files, pending_form_key},
    note,
};
use crate::{error::Result, state::App};

/// A requester's reply to their ticket.
#[derive(Debug, Clone, Default)]
pub struct RequesterReply {
    /// The text, as typed.
    pub body: String,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// Held files of this form to include; see [`store_pending_files`](super::store_pending_files).
    pub pending_files: Vec<AttachmentId>,
}

/// Adds the requester's reply to their ticket, once for each `key` and content; reopens a closed ticket.
///
/// # Errors
/// An invalid message; [`Refusal::Conflict`] if there are too many; not found.
pub async fn requester_reply(app: &App, project: &Project, ticket: TicketId, key: &str, addition: RequesterReply) -> Result<()> {
    let RequesterReply { body, files, pending_files } = addition;
    let form = pending_form_key(project, &ticket.to_string(), key);
    // Whether there is a file is only known after the key check: a first attempt consumes the held files.
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone()], &pending_files, &files).await?;
    app.store
        .act_once(
            app.context(&Scope::system(project.id)),
            IdempotentWrite::form(&IdempotencyScope::TicketAnswer(ticket), key, content),
            move |act| {
                Box::pin(async move {
                    let now = act.now();
                    let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                    if usize::try_from(act.requester_messages(&ticket).await?).unwrap_or(usize::MAX) >= MAX_REQUESTER_MESSAGES {
                        return Err(Refusal::Conflict("This ticket has too many messages. Start a new one.".into()).into());
                    }
                    let message = act.insert_ticket_message(&ticket, MessageAuthor::Requester, &body).await?;
                    let files = keep_files(act, &ticket, message, (&form, pending_files.len()), &files, now).await?;
                    if files == 0 && body.is_empty() {
                        return Err(empty_message().into());
                    }
                    if !body.is_empty() {
                        act.extend_feedback_text(&mut feedback, &body).await?;
                    }
                    let linked = act.link_count(feedback.id).await? > 0;
                    let status = status_after_request(feedback.status, linked);
                    let was_closed = ticket.state == TicketState::Closed;
                    (ticket.state, ticket.resolved_at, ticket.updated_at) = (TicketState::Open, None, now);
                    note(act, &ticket, &mut feedback, Some(&HistoryChange::Wrote), status).await?;
                    act.ticket_event(&ticket, TicketChange::MessageAdded(message)).await?;
                    if was_closed {
                        act.ticket_event(&ticket, TicketChange::Reopened).await?;
                    }
                    Ok(())
                })
            },
        )
        .await
}

/// Closes a ticket that the requester marks as solved; does nothing if it is already closed.
///
/// # Errors
/// Not found.
pub async fn requester_close(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    app.store
        .act(app.context(&Scope::system(project.id)), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state == TicketState::Closed {
                    return Ok(());
                }
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (TicketState::Closed, Some(now), now);
                // Spam stays spam, as the team decided.
                let status = if feedback.status == FeedbackStatus::Spam { FeedbackStatus::Spam } else { FeedbackStatus::Resolved };
                note(act, &ticket, &mut feedback, Some(&HistoryChange::Solved), status).await?;
                act.ticket_event(&ticket, TicketChange::Closed).await
            })
        })
        .await
}

/// Reopens the requester's ticket; does nothing if it is open.
///
/// # Errors
/// Not found.
pub async fn requester_reopen(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    app.store
        .act(app.context(&Scope::system(project.id)), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (mut ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state != TicketState::Closed {
                    return Ok(());
                }
                let linked = act.link_count(feedback.id).await? > 0;
                let status = status_after_request(feedback.status, linked);
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (TicketState::Open, None, now);
                note(act, &ticket, &mut feedback, Some(&HistoryChange::Reopened), status).await?;
                act.ticket_event(&ticket, TicketChange::Reopened).await
            })
        })
        .await
}
