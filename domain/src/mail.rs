//! E-mails: kinds and content.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Timestamp, ids::ProjectId};

/// The purpose of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// To a requester: confirms a new ticket, with the link.
    TicketConfirmation,
    /// To a requester: the team replied.
    TicketReply,
    /// To a requester: the link was renewed.
    TicketLink,
    /// To a person invited to a project.
    Invitation,
    /// To a person who forgot a password; the account is looked up, and the link created, only when the e-mail is sent.
    PasswordReset,
    /// To a person whose password was changed.
    PasswordChanged,
    /// To the admins of a project: a webhook was turned off because it failed for days.
    WebhookDisabled,
}

impl MailKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::TicketConfirmation,
        Self::TicketReply,
        Self::TicketLink,
        Self::Invitation,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::WebhookDisabled,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TicketConfirmation => "ticket_confirmation",
            Self::TicketReply => "ticket_reply",
            Self::TicketLink => "ticket_link",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::WebhookDisabled => "webhook_off",
        }
    }

    /// The label for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::TicketConfirmation => "Ticket confirmation",
            Self::TicketReply => "Ticket reply",
            Self::TicketLink => "New ticket link",
            Self::Invitation => "Invitation",
            Self::PasswordReset => "Password reset",
            Self::PasswordChanged => "Password changed",
            Self::WebhookDisabled => "Webhook turned off",
        }
    }

    /// Parses the word in the database.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Limit on e-mails per hour that anyone may trigger to an address that they entered.
    #[must_use]
    pub fn hourly_limit(self) -> Option<i64> {
        match self {
            Self::TicketConfirmation => Some(10),
            // Each of these links works until one is used, so an extra e-mail invalidates nothing.
            Self::PasswordReset => Some(6),
            _ => None,
        }
    }
}

/// The content of an e-mail, in plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailContent {
    /// BCP 47 language of the texts.
    pub language: String,
    /// The sender's name beside the configured address: the project's name.
    pub from_name: Option<String>,
    /// Paragraphs before everything else.
    pub lead: Vec<String>,
    /// A person's own words.
    pub quote: Option<String>,
    /// Paragraphs after the quote.
    pub after: Vec<String>,
    /// The label of the link.
    pub link_label: String,
    /// Small print.
    pub footer: Vec<String>,
    /// Identifies the conversation, so that its e-mails form a thread.
    pub thread: Option<String>,
}

/// An e-mail to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailMessage {
    /// The project it belongs to; `None` for e-mails about accounts.
    pub project: Option<ProjectId>,
    /// Its purpose.
    pub kind: MailKind,
    /// The related record: the id of the ticket, the invitation or the webhook.
    pub about: Option<Uuid>,
    /// The recipient's address.
    pub to: String,
    /// Its subject line.
    pub subject: String,
    /// Its content.
    pub content: MailContent,
    /// The link's URL; may be empty.
    pub link: String,
    /// The time after which it is useless.
    pub not_after: Option<Timestamp>,
}
