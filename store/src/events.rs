//! Events for other programs, recorded in the transaction of what happened.

use domain::{
    Timestamp,
    backlog::BacklogItem,
    feedback::Feedback,
    ids::EventId,
    tickets::{MessageAuthor, Ticket},
    webhooks::EventKind,
};
use serde_json::{Value, json};

use crate::{Tx, error::Result};

/// The event data of a backlog item.
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

/// The ticket with every field that the API's `Ticket` has, under the same names.
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
    /// Tells what happened in a ticket, and what was said. Notes of the team are told to nobody, and nothing of a ticket that was not told of
    /// because it looks like spam.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_event(
        &mut self,
        event: EventId,
        kind: EventKind,
        ticket: &Ticket,
        said: Option<(MessageAuthor, &str)>,
        now: Timestamp,
    ) -> Result<()> {
        if self.is_withheld(ticket.feedback, EventKind::TicketCreated).await? {
            return Ok(());
        }
        self.event(event, ticket.project, kind, &ticket_data(ticket, said), now).await
    }

    /// Tells of a ticket that is not taken for spam any more, if that was held back until now: that it was opened, and what was said since.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publish_withheld_ticket(&mut self, feedback: &Feedback, now: Timestamp) -> Result<()> {
        if !self.release_event(feedback.id, EventKind::TicketCreated).await? {
            return Ok(());
        }
        let Some(ticket) = self.lock_ticket_of_feedback(feedback).await? else { return Ok(()) };
        let mut kind = EventKind::TicketCreated;
        for (message, author, body) in self.ticket_transcript(&ticket).await? {
            // Each message is told once at most, so its id names what is told as well.
            self.ticket_event(EventId(message.0), kind, &ticket, Some((author, &body)), now).await?;
            kind = EventKind::TicketMessageAdded;
        }
        Ok(())
    }

    /// Tells that a backlog item was made, changed or removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn item_event(&mut self, event: EventId, kind: EventKind, item: &BacklogItem) -> Result<()> {
        self.event(event, item.project, kind, &item_data(item), item.updated_at).await
    }
}
