//! The settings of mail.

use domain::Secret;
use lettre::message::Mailbox;

/// How mail goes out.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The mail server, as lettre reads it. Holds a password: never logged.
    pub server: Secret<String>,
    /// The sender.
    pub from: Mailbox,
    /// What links in e-mails begin with. As configured and never as a request says: whoever asks for an e-mail to someone else must not
    /// choose where its link leads.
    pub base: String,
    /// Whether name and password would travel in the clear to another machine.
    pub exposed: bool,
    /// Authorities to trust besides those of the machine, certificates in DER: none outside of tests.
    pub authorities: Vec<Vec<u8>>,
}
