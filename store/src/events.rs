//! Events for other programs, recorded in the transaction of the change itself.

use domain::{
    Timestamp,
    backlog::BacklogItem,
    feedback::Feedback,
    tickets::{MessageAuthor, Ticket},
    webhooks::EventKind,
};
use serde_json::{Value, json};

use crate::{Tx, error::Result};

/// Returns the event data of a backlog item.
#[must_use]
pub fn item_data(item: &BacklogItem) -> Value {
    json!({
        "id": item.id,
        "project_id": item.project,
        "number": item.number,
        "title": item.title,
        "body": item.body,
        "status": item.status.as_str(),
        "created_at": item.created_at.rfc3339(),
        "updated_at": item.updated_at.rfc3339(),
        "version": item.version,
    })
}

/// Returns the ticket with every field of the API's `Ticket`, under the same names.
fn ticket_data(ticket: &Ticket, said: Option<(MessageAuthor, &str)>) -> Value {
    json!({
        "id": ticket.id,
        "project_id": ticket.project,
        "number": ticket.number,
        "feedback_id": ticket.feedback,
        "subject": ticket.subject,
        "requester": { "email": ticket.email, "name": ticket.name },
        "priority": ticket.priority.as_str(),
        "state": ticket.state.as_str(),
        "first_response_at": ticket.first_response_at.map(Timestamp::rfc3339),
        "resolved_at": ticket.resolved_at.map(Timestamp::rfc3339),
        "created_at": ticket.created_at.rfc3339(),
        "updated_at": ticket.updated_at.rfc3339(),
        "message": said.map(|(author, body)| json!({ "author": author.as_str(), "body": body })),
    })
}

impl Tx<'_> {
    /// Publishes a ticket event with its message. Publishes neither internal notes nor events of a ticket withheld as suspected spam.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_event(
        &mut self,
        kind: EventKind,
        ticket: &Ticket,
        said: Option<(MessageAuthor, &str)>,
        now: Timestamp,
    ) -> Result<()> {
        if self.is_withheld(ticket.feedback, EventKind::TicketCreated).await? {
            return Ok(());
        }
        self.event(ticket.project, kind, &ticket_data(ticket, said), now).await
    }

    /// Publishes the withheld events of a ticket that is no longer classified as spam, if any: its creation, and the messages since.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publish_withheld_ticket(&mut self, feedback: &Feedback, now: Timestamp) -> Result<()> {
        if !self.release_event(feedback.id, EventKind::TicketCreated).await? {
            return Ok(());
        }
        let Some(ticket) = self.lock_ticket_of_feedback(feedback).await? else { return Ok(()) };
        let mut kind = EventKind::TicketCreated;
        for (author, body) in self.ticket_transcript(&ticket).await? {
            self.ticket_event(kind, &ticket, Some((author, &body)), now).await?;
            kind = EventKind::TicketMessageAdded;
        }
        Ok(())
    }

    /// Publishes an event that a backlog item was created, changed or deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn item_event(&mut self, kind: EventKind, item: &BacklogItem) -> Result<()> {
        self.event(item.project, kind, &item_data(item), item.updated_at).await
    }
}
