//! What other programs read: the shapes that API responses and webhook events share, with their schemas in the OpenAPI document.
//!
//! An event contains what the API returns, so each shape has one definition, below the crate that writes events.

mod backlog;
mod events;
mod feedback;
mod tickets;

pub use backlog::{BacklogItem, Evidence, Importance, ItemStatus, LinkedItem};
pub use events::{Event, EventData, TicketWithMessage, WebhookTest};
pub use feedback::{Contact, Feedback, FeedbackDetail, FeedbackWithContact, Score};
pub use tickets::{Attachment, Message, Priority, Requester, Ticket, TicketState};
