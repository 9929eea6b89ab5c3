//! Tickets: support conversations. A ticket's feedback is searched and triaged; this is the conversation itself.

pub mod files;
pub mod image_limits;

use serde::{Deserialize, Serialize};

use crate::{
    DomainError, FieldErrors, Timestamp,
    email::{NO_EMAIL, is_email, lower_case},
    feedback::FeedbackStatus,
    ids::{ActorId, AttachmentId, FeedbackId, MessageId, ProjectId, TicketId},
    text::{limit, multiline, require, spaced},
    words::words,
};

words! {
    /// The party that has to act next.
    TicketState {
        /// The requester is waiting for the team.
        Open = "open" / "Open",
        /// The team has answered.
        Answered = "answered" / "Answered",
        /// Nobody is waiting.
        Closed = "closed" / "Closed",
    }
}

words! {
    /// The urgency, as judged by the team.
    #[derive(Default)]
    Priority {
        /// When there is time.
        Low = "low" / "Low",
        /// In the usual order.
        #[default]
        Normal = "normal" / "Normal",
        /// Before others.
        High = "high" / "High",
        /// Before everything.
        Urgent = "urgent" / "Urgent",
    }
}

words! {
    /// The author of a message, which also determines its readers.
    MessageAuthor {
        /// The person who asked for help.
        Requester = "requester" / "Requester",
        /// The team, to the requester.
        Staff = "staff" / "Team",
        /// The team, internally: never shown to anyone else.
        Note = "note" / "Internal note",
    }
}

/// Longest subject, in characters.
pub const MAX_SUBJECT: usize = 200;
/// Longest message, in characters.
pub const MAX_MESSAGE: usize = 10_000;
/// Longest name of a requester, in characters.
pub const MAX_NAME: usize = 100;
/// Most messages that a requester may add to one ticket, so that its text stays searchable and readable.
pub const MAX_REQUESTER_MESSAGES: usize = 200;

/// A support conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Identity.
    pub id: TicketId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The number in texts: `#12`; counts up within the project.
    pub number: i64,
    /// The feedback that is triaged and searched.
    pub feedback: FeedbackId,
    /// One line.
    pub subject: String,
    /// The address that replies go to.
    pub email: String,
    /// The requester's name, if given.
    pub name: Option<String>,
    /// The language in which they read the portal.
    pub language: String,
    /// Their browser.
    pub user_agent: Option<String>,
    /// The urgency, as judged by the team.
    pub priority: Priority,
    /// The party that has to act next.
    pub state: TicketState,
    /// Time of the team's first reply.
    pub first_response_at: Option<Timestamp>,
    /// Closing time, if it is closed.
    pub resolved_at: Option<Timestamp>,
    /// How often its secret link was renewed: earlier links do not work.
    pub link_generation: i64,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last message or change.
    pub updated_at: Timestamp,
}

impl Ticket {
    /// The requester's wait for the first reply, in milliseconds.
    #[must_use]
    pub fn first_response_ms(&self) -> Option<i64> {
        self.first_response_at.map(|at| at.0 - self.created_at.0)
    }

    /// Time from the first message to the last close, in milliseconds.
    #[must_use]
    pub fn resolution_ms(&self) -> Option<i64> {
        self.resolved_at.map(|at| at.0 - self.created_at.0)
    }
}

/// One message with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Identity.
    pub id: MessageId,
    /// Its author, which also determines its readers.
    pub author: MessageAuthor,
    /// The author: a team member or a program.
    pub by: Option<ActorId>,
    /// The author's name.
    pub by_name: Option<String>,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Its files.
    pub attachments: Vec<TicketAttachment>,
}

/// A file of a message, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketAttachment {
    /// Identity.
    pub id: AttachmentId,
    /// Its cleaned name.
    pub name: String,
    /// The type of its bytes; see [`files::FileType::media_type`].
    pub media_type: String,
    /// In bytes.
    pub size: i64,
}

impl TicketAttachment {
    /// Returns whether it is an image that Earshot re-encoded, which may be shown in a page.
    #[must_use]
    pub fn is_picture(&self) -> bool {
        files::FileType::parse(&self.media_type).is_picture()
    }
}

/// The portal's form, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTicket {
    /// One line.
    pub subject: String,
    /// The text.
    pub message: String,
    /// The address that replies go to.
    pub email: String,
    /// The requester's name; may be empty.
    pub name: String,
}

impl NewTicket {
    /// Normalises the form: trimmed, the address in lower case.
    ///
    /// # Errors
    /// A message for each field that is invalid.
    pub fn checked(self) -> Result<Self, FieldErrors> {
        let ticket = Self {
            subject: spaced(&self.subject),
            message: multiline(&self.message),
            email: lower_case(&self.email),
            name: spaced(&self.name),
        };
        let mut errors = FieldErrors::default();
        require(&mut errors, "subject", &ticket.subject, MAX_SUBJECT, "Describe in a few words what this is about.");
        require(&mut errors, "message", &ticket.message, MAX_MESSAGE, NO_MESSAGE);
        if ticket.email.is_empty() {
            errors.add("email", "required", "Enter your e-mail address so that we can reply.");
        } else if !is_email(&ticket.email) {
            errors.add("email", "email", NO_EMAIL);
        }
        limit(&mut errors, "name", &ticket.name, MAX_NAME);
        if errors.is_empty() { Ok(ticket) } else { Err(errors) }
    }

    /// The text of its feedback.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n\n{}", self.subject, self.message)
    }
}

/// The message for a reply without text and files.
const NO_MESSAGE: &str = "Enter a message.";

/// Normalises the text of a message; it may be empty if there is a file.
///
/// # Errors
/// Returns an error if there is neither text nor file, or the text is too long.
pub fn check_message(body: &str, has_files: bool) -> Result<String, DomainError> {
    let body = multiline(body);
    let mut errors = FieldErrors::default();
    if has_files {
        limit(&mut errors, "message", &body, MAX_MESSAGE);
    } else {
        require(&mut errors, "message", &body, MAX_MESSAGE, NO_MESSAGE);
    }
    errors.into_result(body)
}

/// The error for a message that has neither text nor file.
#[must_use]
pub fn empty_message() -> DomainError {
    DomainError::field("message", "required", NO_MESSAGE)
}

/// The feedback's status after the team acted for the requester: at least triaged, whatever it was before.
#[must_use]
pub fn status_after_reply(before: FeedbackStatus, linked: bool, closed: bool) -> FeedbackStatus {
    match before {
        _ if closed => FeedbackStatus::Resolved,
        FeedbackStatus::New | FeedbackStatus::Spam | FeedbackStatus::Resolved if linked => FeedbackStatus::Linked,
        FeedbackStatus::New | FeedbackStatus::Spam | FeedbackStatus::Resolved => FeedbackStatus::Triaged,
        other => other,
    }
}

/// The feedback's status after the requester wrote again or reopened the ticket: a resolved one needs another look.
#[must_use]
pub fn status_after_request(before: FeedbackStatus, linked: bool) -> FeedbackStatus {
    match before {
        FeedbackStatus::Resolved if linked => FeedbackStatus::Linked,
        FeedbackStatus::Resolved => FeedbackStatus::New,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> NewTicket {
        NewTicket {
            subject: " The\nmap ".into(),
            message: " stays\r\nempty\0 ".into(),
            email: " Ann@Example.com ".into(),
            name: String::new(),
        }
    }

    #[test]
    fn a_ticket_is_tidied() {
        let checked = ticket().checked().unwrap();
        assert_eq!((checked.subject.as_str(), checked.message.as_str()), ("The map", "stays\nempty"));
        assert_eq!(checked.email, "ann@example.com");
        assert_eq!(checked.text(), "The map\n\nstays\nempty");
    }

    #[test]
    fn each_field_says_what_is_wrong() {
        let bad = NewTicket { subject: " ".into(), message: "x".repeat(MAX_MESSAGE + 1), email: "ann".into(), name: "n".repeat(101) };
        let errors = bad.checked().unwrap_err();
        let codes: Vec<_> = errors.0.iter().map(|e| (e.field.as_str(), e.code.as_str())).collect();
        assert_eq!(codes, [("subject", "required"), ("message", "too_long"), ("email", "email"), ("name", "too_long")]);
        assert!(NewTicket { message: "é".repeat(MAX_MESSAGE), ..ticket() }.checked().is_ok());
        assert_eq!(NewTicket::default().checked().unwrap_err().0.len(), 3);
    }

    #[test]
    fn a_file_may_stand_without_words() {
        assert_eq!(check_message(" ", true).unwrap(), "");
        assert!(check_message("\n", false).is_err());
        assert!(check_message(&"x".repeat(MAX_MESSAGE + 1), true).is_err());
    }

    #[test]
    fn status_and_state_go_together() {
        assert_eq!(status_after_reply(FeedbackStatus::New, false, false), FeedbackStatus::Triaged);
        assert_eq!(status_after_reply(FeedbackStatus::Linked, true, false), FeedbackStatus::Linked);
        assert_eq!(status_after_reply(FeedbackStatus::Linked, true, true), FeedbackStatus::Resolved);
        assert_eq!(status_after_reply(FeedbackStatus::Resolved, true, false), FeedbackStatus::Linked);
        assert_eq!(status_after_request(FeedbackStatus::Resolved, false), FeedbackStatus::New);
        assert_eq!(status_after_request(FeedbackStatus::Spam, false), FeedbackStatus::Spam);
    }
}
