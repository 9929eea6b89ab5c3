//! The queue of outgoing mail. An e-mail is queued in the transaction of the change it reports, so that neither exists without the other; a
//! job sends it, retries for a day while the mail server does not accept it, and then marks it as failed where people can see it.
//!
//! Delivery is at least once: an e-mail sent but not yet recorded as sent is sent again with the same Message-ID. Its content is deleted
//! some days later, and its link, which may contain a secret, immediately. Logs contain neither addresses nor texts.

mod deliver;
mod operator_actions;

pub(crate) use deliver::MailJob;
pub use deliver::{RETRY_DELAYS_MS, transmit};
pub use operator_actions::{discard, restore, retry};
