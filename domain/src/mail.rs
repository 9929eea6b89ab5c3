//! E-mails: what they are for, and what they say.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Timestamp,
    ids::{MailId, ProjectId},
};

/// What an e-mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// To a requester: the ticket arrived, with the link.
    TicketConfirmation,
    /// To a requester: the team replied.
    TicketReply,
    /// To a requester: the link was renewed.
    TicketLink,
    /// To a person invited to a project.
    Invitation,
    /// To a person who forgot a password; whether the address has an account is looked up when it is sent, and the link is made then.
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

    /// The word in the table.
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

    /// For people.
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

    /// The kind of a word of the table.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// How many e-mails an hour anyone may have us send to an address that they typed.
    #[must_use]
    pub fn hourly_limit(self) -> Option<i64> {
        match self {
            Self::TicketConfirmation => Some(10),
            // Each of these links works until one is used, so one e-mail too many takes nothing from anyone.
            Self::PasswordReset => Some(6),
            _ => None,
        }
    }
}

/// What an e-mail says, in plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailContent {
    /// BCP 47 language of the texts.
    pub language: String,
    /// Who it comes from, beside the configured address: a project's name.
    pub from_name: Option<String>,
    /// Paragraphs before everything else.
    pub lead: Vec<String>,
    /// What a person wrote.
    pub quote: Option<String>,
    /// Paragraphs after that.
    pub after: Vec<String>,
    /// What the link does.
    pub link_label: String,
    /// Small print.
    pub footer: Vec<String>,
    /// Identifies the conversation, so that its e-mails form a thread.
    pub thread: Option<String>,
}

/// An e-mail to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailMessage {
    /// Identity; its Message-ID is made from it.
    pub id: MailId,
    /// Whose it is; `None` for e-mails about accounts.
    pub project: Option<ProjectId>,
    /// What it is for.
    pub kind: MailKind,
    /// What it is about: the id of the ticket, the invitation or the webhook.
    pub about: Option<Uuid>,
    /// To which address.
    pub to: String,
    /// Its subject line.
    pub subject: String,
    /// What it says.
    pub content: MailContent,
    /// Where its link leads; may be empty.
    pub link: String,
    /// When it becomes useless.
    pub not_after: Option<Timestamp>,
}
