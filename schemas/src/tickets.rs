//! Support conversations.

use domain::{Timestamp, tickets as rules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How urgent a ticket is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The default.
    Normal,
    /// Soon.
    High,
    /// Before everything else.
    Urgent,
}

impl From<rules::Priority> for Priority {
    fn from(priority: rules::Priority) -> Self {
        match priority {
            rules::Priority::Low => Self::Low,
            rules::Priority::Normal => Self::Normal,
            rules::Priority::High => Self::High,
            rules::Priority::Urgent => Self::Urgent,
        }
    }
}

impl From<Priority> for rules::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
            Priority::Urgent => Self::Urgent,
        }
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// The team has to reply.
    Open,
    /// Waiting for the requester.
    Answered,
    /// Done.
    Closed,
}

impl From<rules::TicketState> for TicketState {
    fn from(state: rules::TicketState) -> Self {
        match state {
            rules::TicketState::Open => Self::Open,
            rules::TicketState::Answered => Self::Answered,
            rules::TicketState::Closed => Self::Closed,
        }
    }
}

impl From<TicketState> for rules::TicketState {
    fn from(state: TicketState) -> Self {
        match state {
            TicketState::Open => Self::Open,
            TicketState::Answered => Self::Answered,
            TicketState::Closed => Self::Closed,
        }
    }
}

/// A support conversation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ticket {
    id: Uuid,
    /// The number that the requester sees.
    #[schema(example = 81)]
    number: i64,
    /// The feedback that represents the ticket in the inbox.
    feedback_id: Uuid,
    #[schema(example = "Refund for order 81")]
    subject: String,
    /// The requester.
    requester: Requester,
    priority: Priority,
    state: TicketState,
    #[schema(format = DateTime)]
    first_response_at: Option<String>,
    #[schema(format = DateTime)]
    resolved_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// The person who asks for help.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Requester {
    #[schema(example = "ann@example.com")]
    email: String,
    name: Option<String>,
}

impl From<rules::Ticket> for Ticket {
    fn from(ticket: rules::Ticket) -> Self {
        Self {
            id: ticket.id.0,
            number: ticket.number,
            feedback_id: ticket.feedback.0,
            subject: ticket.subject,
            requester: Requester { email: ticket.email, name: ticket.name },
            priority: ticket.priority.into(),
            state: ticket.state.into(),
            first_response_at: ticket.first_response_at.map(Timestamp::rfc3339),
            resolved_at: ticket.resolved_at.map(Timestamp::rfc3339),
            created_at: ticket.created_at.rfc3339(),
            updated_at: ticket.updated_at.rfc3339(),
        }
    }
}

/// A message of a ticket.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    id: Uuid,
    /// `requester`, `staff`, or `note` for an internal note.
    #[schema(example = "requester")]
    author: &'static str,
    /// The team member who wrote it.
    author_name: Option<String>,
    body: String,
    attachments: Vec<Attachment>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A file attached to a message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attachment {
    id: Uuid,
    name: String,
    media_type: String,
    /// In bytes.
    size: i64,
}

impl From<rules::Message> for Message {
    fn from(message: rules::Message) -> Self {
        Self {
            id: message.id.0,
            author: message.author.as_str(),
            author_name: message.by_name,
            body: message.body,
            attachments: message.attachments.into_iter().map(Attachment::from).collect(),
            created_at: message.created_at.rfc3339(),
        }
    }
}

impl From<rules::TicketAttachment> for Attachment {
    fn from(file: rules::TicketAttachment) -> Self {
        Self { id: file.id.0, name: file.name, media_type: file.media_type, size: file.size }
    }
}
