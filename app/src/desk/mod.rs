//! Tickets in the console: the conversation in the inbox, and the desk report.

pub mod answer;
pub mod conversation;
pub mod report;

use domain::{
    FieldErrors,
    tickets::{MessageAuthor, Priority, TicketState},
};

use crate::{components::feedback_text::HighlightSpan, replies::picker::ReplyOptions};

pub use report::{DeskPage, DeskView};

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// `120 kB`.
    pub size: String,
    /// Whether it is an image that can be displayed.
    pub is_picture: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// The kind of author.
    pub author: MessageAuthor,
    /// Whether it was sent through the requester's link, so possibly by anyone who has the link.
    pub by_link: bool,
    /// Their name.
    pub name: String,
    /// The text, with matches marked.
    pub body: Vec<HighlightSpan>,
    /// Its files.
    pub files: Vec<FileView>,
    /// The age, for display.
    pub age: String,
    /// When, RFC 3339.
    pub at: String,
}

/// Text from a rejected submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerDraft {
    /// The idempotency key that the form was sent with, used to find its files again; empty for a fresh form.
    pub key: String,
    /// The reply.
    pub answer: String,
    /// Names of the files already uploaded for it.
    pub files: Vec<String>,
    /// The note.
    pub note: String,
    /// Names the author of an intervening message, and says that nothing was sent.
    pub conflict: Option<String>,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Whether e-mails reach the requester.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailDeliveryState {
    /// E-mails are delivered.
    Fine,
    /// No mail server is configured.
    Off,
    /// An e-mail was not sent yet and will be retried, with the reason.
    Waiting(String),
    /// An e-mail failed permanently, with the reason.
    Failed(String),
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketView {
    /// Its number.
    pub number: i64,
    /// Its subject, with matches marked.
    pub subject: Vec<HighlightSpan>,
    /// Who has to reply next.
    pub state: TicketState,
    /// Its priority.
    pub priority: Priority,
    /// The requester's name, else their address.
    pub requester: String,
    /// The requester's e-mail address.
    pub email: String,
    /// URL of the preview of the requester's page.
    pub preview: String,
    /// Whether a renewed link can be e-mailed to the requester.
    pub mail: bool,
    /// The first response time, or the waiting time so far: `answered after 2 h`, `waiting for 3 h`.
    pub first_response: String,
    /// The time until it was closed.
    pub resolution: Option<String>,
    /// Messages, oldest first.
    pub messages: Vec<MessageView>,
    /// The canned replies that can be inserted.
    pub replies: ReplyOptions,
    /// Whether e-mails reach the requester.
    pub delivery: MailDeliveryState,
    /// The submitted values of a rejected form.
    pub typed: AnswerDraft,
}

/// Label of a state in the console.
#[must_use]
pub fn state_label(state: TicketState) -> &'static str {
    match state {
        TicketState::Open => "Open",
        TicketState::Answered => "Waiting for requester",
        TicketState::Closed => "Closed",
    }
}

/// The colour family of a state.
#[must_use]
pub fn state_tone(state: TicketState) -> &'static str {
    match state {
        TicketState::Open => "info",
        TicketState::Answered => "warn",
        TicketState::Closed => "good",
    }
}

/// The colour family of a priority; `None` for normal priority.
#[must_use]
pub fn priority_tone(priority: Priority) -> Option<&'static str> {
    match priority {
        Priority::Low => Some("neutral"),
        Priority::Normal => None,
        Priority::High => Some("warn"),
        Priority::Urgent => Some("bad"),
    }
}

/// A size in bytes for display.
#[must_use]
pub fn size(bytes: i64) -> String {
    match bytes {
        ..1000 => format!("{} B", bytes.max(0)),
        1000..1_000_000 => format!("{} kB", (bytes + 500) / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        assert_eq!([size(-1), size(999), size(1_499), size(999_400), size(1_250_000)], ["0 B", "999 B", "1 kB", "999 kB", "1.2 MB"]);
    }
}
