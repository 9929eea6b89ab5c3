//! Tickets in the console: the conversation at the item of the inbox, and how the desk is doing.

pub mod answer;
pub mod conversation;
pub mod report;

use domain::{
    FieldErrors,
    tickets::{Author, Priority, State},
};

use crate::inbox::Piece;

pub use report::{DeskPage, DeskView};

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// Its name.
    pub name: String,
    /// Where it is fetched.
    pub url: String,
    /// `120 kB`.
    pub size: String,
    /// Whether it is a picture that may be shown.
    pub is_picture: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Who wrote it, and for whom.
    pub author: Author,
    /// Whether it came through the requester's link: from whoever has that.
    pub by_link: bool,
    /// Their name.
    pub name: String,
    /// The text, matches marked.
    pub body: Vec<Piece>,
    /// Its files.
    pub files: Vec<FileView>,
    /// How long ago, in words.
    pub age: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What a person typed for an answer, kept over a refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The key that the form was sent with, so that its files are found again; empty for a fresh form.
    pub key: String,
    /// The answer.
    pub answer: String,
    /// Names of files that wait for it.
    pub files: Vec<String>,
    /// The note.
    pub note: String,
    /// Who said something meanwhile, and that nothing was sent.
    pub conflict: Option<String>,
    /// What was refused.
    pub errors: FieldErrors,
}

/// Whether letters reach the requester.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing to say: letters go out.
    Fine,
    /// No mail server is set.
    Off,
    /// A letter did not go out yet and is tried again: why.
    Waiting(String),
    /// A letter was given up: why.
    Failed(String),
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketView {
    /// Its number.
    pub number: i64,
    /// Its subject, matches marked.
    pub subject: Vec<Piece>,
    /// Who has the next word.
    pub state: State,
    /// How urgent the team finds it.
    pub priority: Priority,
    /// What the requester is called: their name, else their address.
    pub requester: String,
    /// Where answers go.
    pub email: String,
    /// The page that shows what the requester sees.
    pub preview: String,
    /// Whether a renewed link can be mailed to the requester.
    pub mail: bool,
    /// How long the first answer took, or for how long there has been none: `answered after 2 h`, `waiting for 3 h`.
    pub first_response: String,
    /// How long it took until it was closed.
    pub resolution: Option<String>,
    /// Messages, oldest first.
    pub messages: Vec<MessageView>,
    /// Canned replies: id and name.
    pub replies: Vec<(String, String)>,
    /// Whether letters reach the requester.
    pub delivery: Delivery,
    /// What was typed and refused.
    pub typed: Typed,
}

/// How a state is told in the console.
#[must_use]
pub fn state_label(state: State) -> &'static str {
    match state {
        State::Open => "Open",
        State::Answered => "Waiting for requester",
        State::Closed => "Closed",
    }
}

/// Which colour a state has.
#[must_use]
pub fn state_tone(state: State) -> &'static str {
    match state {
        State::Open => "info",
        State::Answered => "warn",
        State::Closed => "good",
    }
}

/// Which colour a priority has; none where there is nothing to say.
#[must_use]
pub fn priority_tone(priority: Priority) -> Option<&'static str> {
    match priority {
        Priority::Low => Some("neutral"),
        Priority::Normal => None,
        Priority::High => Some("warn"),
        Priority::Urgent => Some("bad"),
    }
}

/// A size in bytes for people.
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
