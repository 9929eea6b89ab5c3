//! Mail settings.

use domain::Secret;
use lettre::message::Mailbox;

/// Settings for outgoing mail.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The mail server URL, in lettre's format. Contains a password: never logged.
    pub server: Secret<String>,
    /// The sender.
    pub from: Mailbox,
    /// Base of the links in e-mails. From the configuration and never from a request: a person who triggers an e-mail to someone else must
    /// not choose where its link leads.
    pub base: String,
    /// Whether the user name and password would be sent unencrypted to another machine.
    pub exposed: bool,
    /// Trusted authorities besides the machine's, as DER certificates: none outside tests.
    pub authorities: Vec<Vec<u8>>,
}
