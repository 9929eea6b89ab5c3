//! Outgoing mail. An e-mail is queued in the transaction of the change it reports, so that neither exists without the other; a job sends it,
//! retries for a day while the mail server does not accept it, and then marks it as failed where people see it.
//!
//! At least once: a letter that was sent and not yet noted as such is sent again, with the same Message-ID. What a letter says is forgotten
//! some days later, and its link, which may hold a secret, at once. Logs hold neither addresses nor texts.

mod deliver;
mod messages;
mod mime;
mod operator_actions;
mod texts;

pub use deliver::{Mailer, RETRY_DELAYS_MS, SmtpOutcome, check_server, mark_dead, run_job, transmit};
pub use messages::{
    TicketMailBuilder, TicketMailDetails, WebhookMailBuilder, invitation, password_changed, password_reset, ticket_confirmation,
    ticket_link, ticket_reply,
};
pub use operator_actions::{discard, restore, retry};

pub use domain::mail::{MailContent, MailKind, MailMessage};
