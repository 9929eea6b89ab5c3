//! What webhooks receive.

use domain::{Timestamp, ids::ProjectId, tickets, webhooks::EventKind};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BacklogItem, FeedbackWithContact, Message, Ticket};

/// The body of a webhook request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// When it happened. A retry has the same time.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The project in which it happened.
    project_id: Uuid,
    /// The page about it in the console; null if there is none, or if this installation has no public URL.
    #[schema(example = "https://feedback.example.com/p/shop/backlog/12")]
    url: Option<String>,
    #[serde(flatten)]
    what: EventData,
}

impl Event {
    /// Returns what receivers get.
    #[must_use]
    pub fn new(project: ProjectId, url: Option<String>, what: EventData, at: Timestamp) -> Self {
        Self { timestamp: at.rfc3339(), project_id: project.0, url, what }
    }
}

/// What happened, and the representation of what it is about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", content = "data")]
pub enum EventData {
    /// Feedback arrived
    #[serde(rename = "feedback.created")]
    FeedbackCreated(Box<FeedbackWithContact>),
    /// Feedback, its tags, status, assignee or links changed, or its author added to it
    #[serde(rename = "feedback.updated")]
    FeedbackUpdated(Box<FeedbackWithContact>),
    /// Someone opened a ticket
    #[serde(rename = "ticket.created")]
    TicketCreated(Box<TicketWithMessage>),
    /// The requester or the team added a message to a ticket
    #[serde(rename = "ticket.message_added")]
    TicketMessageAdded(Box<TicketWithMessage>),
    /// A ticket was closed
    #[serde(rename = "ticket.closed")]
    TicketClosed(Box<Ticket>),
    /// A closed ticket was reopened
    #[serde(rename = "ticket.reopened")]
    TicketReopened(Box<Ticket>),
    /// A backlog item was created
    #[serde(rename = "backlog_item.created")]
    BacklogItemCreated(Box<BacklogItem>),
    /// A backlog item's title, description or status changed
    #[serde(rename = "backlog_item.updated")]
    BacklogItemUpdated(Box<BacklogItem>),
    /// A backlog item was removed because its creation was undone
    #[serde(rename = "backlog_item.deleted")]
    BacklogItemDeleted(Box<BacklogItem>),
    /// Someone tests a webhook
    #[serde(rename = "webhook.test")]
    Test(WebhookTest),
}

impl EventData {
    /// Returns the kind of the event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::FeedbackCreated(_) => EventKind::FeedbackCreated,
            Self::FeedbackUpdated(_) => EventKind::FeedbackUpdated,
            Self::TicketCreated(_) => EventKind::TicketCreated,
            Self::TicketMessageAdded(_) => EventKind::TicketMessageAdded,
            Self::TicketClosed(_) => EventKind::TicketClosed,
            Self::TicketReopened(_) => EventKind::TicketReopened,
            Self::BacklogItemCreated(_) => EventKind::BacklogItemCreated,
            Self::BacklogItemUpdated(_) => EventKind::BacklogItemUpdated,
            Self::BacklogItemDeleted(_) => EventKind::BacklogItemDeleted,
            Self::Test(_) => EventKind::Test,
        }
    }
}

/// A ticket with the message that opened it or was added.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketWithMessage {
    #[serde(flatten)]
    ticket: Ticket,
    /// The message; never an internal note.
    message: Message,
}

impl TicketWithMessage {
    /// Returns a ticket with one of its messages.
    #[must_use]
    pub fn new(ticket: tickets::Ticket, message: tickets::Message) -> Self {
        Self { ticket: ticket.into(), message: message.into() }
    }
}

/// What a test is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookTest {
    /// The webhook that is tested.
    pub webhook_id: Uuid,
}
