//! Events for other programs, recorded in the transaction of the change itself.

use domain::{
    Timestamp,
    backlog::BacklogItem,
    feedback::Feedback,
    ids::{EndpointId, EventId, MessageId, ProjectId},
    tickets::Ticket,
    webhooks::EventKind,
};
use schemas::{EventData, TicketWithMessage, WebhookTest};

use crate::{Act, Tx, error::Result, tickets::TicketChange, webhooks::NewEvent};

/// What happened to a backlog item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemChange {
    /// It was created.
    Created,
    /// Its title, description or status changed.
    Updated,
    /// It was removed.
    Deleted,
}

impl ItemChange {
    fn kind(self) -> EventKind {
        match self {
            Self::Created => EventKind::BacklogItemCreated,
            Self::Updated => EventKind::BacklogItemUpdated,
            Self::Deleted => EventKind::BacklogItemDeleted,
        }
    }
}

impl Tx<'_> {
    /// Publishes a ticket event. Its message must have its files already, and must not be a note. Publishes no events of a ticket withheld as
    /// suspected spam.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_event(&mut self, ticket: &Ticket, change: TicketChange, now: Timestamp) -> Result<()> {
        if self.is_withheld(ticket.feedback, EventKind::TicketCreated).await? {
            return Ok(());
        }
        let Some(slug) = self.project_that_listens(ticket.project, change.kind()).await? else { return Ok(()) };
        let what = match change {
            TicketChange::Created(message) => EventData::TicketCreated(self.with_message(ticket, message).await?),
            TicketChange::MessageAdded(message) => EventData::TicketMessageAdded(self.with_message(ticket, message).await?),
            TicketChange::Closed => EventData::TicketClosed(Box::new(ticket.clone().into())),
            TicketChange::Reopened => EventData::TicketReopened(Box::new(ticket.clone().into())),
        };
        let url = self.page_url(&slug, &format!("feedback/{}", ticket.feedback));
        self.insert_events(&[NewEvent::new(ticket.project, url, what, now)?]).await
    }

    async fn with_message(&mut self, ticket: &Ticket, message: MessageId) -> Result<Box<TicketWithMessage>> {
        let message = self.ticket_message(ticket, message).await?;
        Ok(Box::new(TicketWithMessage::new(ticket.clone(), message)))
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
        for (n, message) in self.ticket_transcript(&ticket).await?.into_iter().enumerate() {
            let change = if n == 0 { TicketChange::Created(message) } else { TicketChange::MessageAdded(message) };
            self.ticket_event(&ticket, change, now).await?;
        }
        Ok(())
    }

    /// Publishes an event that a backlog item was created, changed or deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn item_event(&mut self, item: &BacklogItem, change: ItemChange) -> Result<()> {
        let Some(slug) = self.project_that_listens(item.project, change.kind()).await? else { return Ok(()) };
        let evidence = self.backlog_evidence(item).await?;
        let data = Box::new(schemas::BacklogItem::new(item.clone(), evidence.into()));
        let page = self.page_url(&slug, &format!("backlog/{}", item.number));
        let (url, what) = match change {
            ItemChange::Created => (page, EventData::BacklogItemCreated(data)),
            ItemChange::Updated => (page, EventData::BacklogItemUpdated(data)),
            ItemChange::Deleted => (None, EventData::BacklogItemDeleted(data)),
        };
        self.insert_events(&[NewEvent::new(item.project, url, what, item.updated_at)?]).await
    }

    /// Publishes a test event to one endpoint, whatever its subscriptions. Returns its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn test_event(&mut self, project: ProjectId, endpoint: EndpointId, now: Timestamp) -> Result<EventId> {
        let slug = self.project_slug(project).await?;
        let url = slug.and_then(|slug| self.page_url(&slug, &format!("webhooks/{endpoint}")));
        let what = EventData::Test(WebhookTest { webhook_id: endpoint.0 });
        self.insert_event_for(&NewEvent::new(project, url, what, now)?, endpoint).await
    }
}

impl Act<'_, '_> {
    /// Publishes a ticket event; see [`Tx::ticket_event`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_event(&mut self, ticket: &Ticket, change: TicketChange) -> Result<()> {
        let now = self.now();
        Tx::ticket_event(self, ticket, change, now).await
    }

    /// Publishes the withheld events of a ticket that is no longer classified as spam; see [`Tx::publish_withheld_ticket`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publish_withheld_ticket(&mut self, feedback: &Feedback) -> Result<()> {
        let now = self.now();
        Tx::publish_withheld_ticket(self, feedback, now).await
    }

    /// Publishes a test event to one endpoint; see [`Tx::test_event`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn test_event(&mut self, endpoint: EndpointId) -> Result<EventId> {
        let (project, now) = (self.project(), self.now());
        Tx::test_event(self, project, endpoint, now).await
    }
}
