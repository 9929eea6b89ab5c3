//! Outgoing mail. An e-mail is queued in the transaction of the change it reports, so that neither exists without the other; a job sends it,
//! retries for a day while the mail server does not accept it, and then marks it as failed where people see it.
//!
//! At least once: a letter that was sent and not yet noted as such is sent again, with the same Message-ID. What a letter says is forgotten
//! some days later, and its link, which may hold a secret, at once. Logs hold neither addresses nor texts.

mod deliver;
mod letters;
mod message;
mod operate;
mod texts;

pub use deliver::{Mailer, RETRY_MS, Sent, check_server, give_up, run_job, transmit};
pub use letters::{
    TicketLetter, TicketPost, WebhookPost, invitation, password_changed, password_reset, ticket_confirmation, ticket_link, ticket_reply,
};
pub use operate::{discard, restore, retry};

pub use domain::mail::{Content, Letter, LetterKind};
