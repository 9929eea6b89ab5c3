//! E-mails: their texts, in each language, their form as messages, and the connection to the mail server.

mod messages;
mod mime;
mod texts;
mod transport;

pub(crate) use messages::RESET_MS;
pub use messages::{
    TicketMailBuilder, TicketMailDetails, WebhookMailBuilder, invitation, password_changed, password_reset, ticket_confirmation,
    ticket_link, ticket_reply,
};
pub(crate) use mime::MimeParts;
pub use transport::{Mailer, SmtpOutcome, check_server};

pub use domain::mail::{MailContent, MailKind, MailMessage};
