//! Use cases of tickets: people ask for help without an account, the team answers. Triage and search use a ticket's feedback;
//! state and status change together, in one transaction, and every step is in the history.

pub mod files;
mod held_files;
mod links;
pub mod patch;
mod requester;
mod submission;
mod team;

use domain::{
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    history::HistoryChange,
    ids::{AttachmentId, FeedbackId},
    tickets::{Message, Ticket},
};
use store::{Act, Fingerprint, tickets::NewAttachment};

pub use held_files::{pending_form_key, retain_pending_files, store_pending_files};
pub use links::{LINK_PLACEHOLDER, LinkMailBuilder, by_token, link_at_send_time, link_token, renew_link, renew_shown_links, token};
pub use requester::{RequesterReply, requester_close, requester_reopen, requester_reply};
pub use submission::{TicketContext, TicketReceipt, TicketSubmission, signals, start_token, submit};
pub use team::{PriorityChange, StaffReply, add_note, change_priority, close, reopen, set_priority, staff_reply};

use crate::{
    error::{Error, Result},
    state::App,
};

/// A ticket with its messages.
#[derive(Debug, Clone)]
pub struct TicketConversation {
    /// The ticket.
    pub ticket: Ticket,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
}

/// Returns the requester's view of a ticket: everything except notes.
///
/// # Errors
/// When the database fails.
pub async fn public_conversation(app: &App, ticket: Ticket) -> Result<TicketConversation> {
    let messages = app.store.ticket_messages(&Scope::system(ticket.project), ticket.id, false).await?;
    Ok(TicketConversation { ticket, messages })
}

/// Returns the ticket of feedback, including notes; `None` for feedback without a ticket.
///
/// # Errors
/// A role too low; a database failure.
pub async fn read(app: &App, scope: &Scope, feedback: FeedbackId) -> Result<Option<TicketConversation>> {
    scope.require(Role::Viewer)?;
    let Some(ticket) = app.store.ticket_for_feedback(scope, feedback).await? else { return Ok(None) };
    let messages = app.store.ticket_messages(scope, ticket.id, true).await?;
    Ok(Some(TicketConversation { ticket, messages }))
}

/// Returns the fingerprint of a message: its words, the held files, and the bytes of new files.
async fn fingerprint(mut words: Vec<String>, pending_files: &[AttachmentId], files: &[NewAttachment]) -> Result<Fingerprint> {
    // Use the ids sent with the form: after the first attempt the files are no longer held.
    let pending_files = Fingerprint::of(pending_files.iter().map(ToString::to_string));
    let files = files.to_vec();
    // Hashing ten megabytes takes a while.
    let files = tokio::task::spawn_blocking(move || {
        Fingerprint::of(files.iter().flat_map(|new| [new.name.as_bytes(), new.media_type.as_bytes(), &new.bytes]))
    });
    words.push(pending_files.as_str().to_owned());
    words.push(files.await.map_err(|e| Error::internal("fingerprint", e))?.as_str().to_owned());
    Ok(Fingerprint::of(words))
}

/// Records a step: the history entry, and a status change if there is one.
async fn note(
    act: &mut Act<'_, '_>,
    ticket: &Ticket,
    feedback: &mut Feedback,
    said: Option<&HistoryChange>,
    status: FeedbackStatus,
) -> Result<()> {
    if status != FeedbackStatus::Spam {
        act.publish_withheld_ticket(feedback).await?;
    }
    // Before the status, which would otherwise move the ticket itself: this entry says more.
    act.update_ticket(ticket).await?;
    let before = feedback.status;
    feedback.status = status;
    if let Some(said) = said {
        act.record_on_feedback(feedback, said).await?;
    }
    if before != status {
        let moved = HistoryChange::Status { from: before.label().into(), to: status.label().into() };
        act.record_on_feedback(feedback, &moved).await?;
    }
    Ok(())
}
