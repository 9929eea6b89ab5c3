//! E-mails: their texts, in each language, and their form as messages.

pub(crate) mod messages;
pub(crate) mod mime;
mod texts;

pub use messages::{
    TicketMailBuilder, TicketMailDetails, WebhookMailBuilder, invitation, password_changed, password_reset, ticket_confirmation,
    ticket_link, ticket_reply,
};

pub use domain::mail::{MailContent, MailKind, MailMessage};
