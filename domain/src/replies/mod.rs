//! Canned replies: prepared texts for answering tickets.

use crate::{
    DomainError, FieldErrors, Timestamp,
    ids::{CannedReplyId, ProjectId},
    text::{is_blank, multiline, require, spaced},
};

/// A prepared text with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannedReply {
    /// Identity.
    pub id: CannedReplyId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Its name, unique within the project.
    pub name: String,
    /// The text, with placeholders.
    pub body: String,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Incremented by each change; a write names the version it is based on.
    pub version: i64,
}

/// Longest name, in characters.
pub const MAX_NAME: usize = 80;
/// Longest text, in characters.
pub const MAX_BODY: usize = 10_000;
/// Most replies of one project: the team selects from a single list.
pub const MAX_REPLIES: i64 = 200;

/// The placeholders of a text, and their replacements.
pub const PLACEHOLDERS: &[(&str, &str)] = &[
    ("{name}", "the requester’s name, or “there” if it is unknown"),
    ("{number}", "the ticket’s number"),
    ("{subject}", "the ticket’s subject"),
    ("{link}", "the requester’s link to the ticket, inserted when the reply is sent"),
    ("{me}", "your name"),
];

/// Values for the placeholders of a text.
#[derive(Debug, Clone, Default)]
pub struct PlaceholderValues<'a> {
    /// The requester's name, if known.
    pub name: Option<&'a str>,
    /// The ticket's number.
    pub number: i64,
    /// The ticket's subject.
    pub subject: &'a str,
    /// The placeholder for the requester's link to the ticket.
    pub link: &'a str,
    /// The name of the person replying.
    pub me: &'a str,
}

impl PlaceholderValues<'_> {
    /// Returns the text with its placeholders filled in. Inserted values are not expanded again, and unknown placeholders are left
    /// unchanged.
    #[must_use]
    pub fn fill(&self, body: &str) -> String {
        let mut out = String::with_capacity(body.len());
        let mut rest = body;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let Some((placeholder, _)) = PLACEHOLDERS.iter().find(|(p, _)| from.starts_with(p)) else {
                out.push('{');
                rest = &from[1..];
                continue;
            };
            match *placeholder {
                "{name}" => out.push_str(self.name.filter(|n| !is_blank(n)).unwrap_or("there")),
                "{number}" => out.push_str(&self.number.to_string()),
                "{subject}" => out.push_str(self.subject),
                "{link}" => out.push_str(self.link),
                _ => out.push_str(self.me),
            }
            rest = &from[placeholder.len()..];
        }
        out.push_str(rest);
        out
    }
}

/// Words in braces that look like placeholders but are not: probably mistyped.
#[must_use]
pub fn unknown_placeholders(body: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in body.split('{').skip(1) {
        let Some((word, _)) = piece.split_once('}') else { continue };
        let plain = !word.is_empty() && word.len() <= 20 && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        let written = format!("{{{word}}}");
        if plain && !PLACEHOLDERS.iter().any(|(p, _)| *p == written) && !found.contains(&written) {
            found.push(written);
        }
    }
    found
}

/// Name and text as stored, the name on one line.
///
/// # Errors
/// A message for each field that is invalid.
pub fn check_reply(name: &str, body: &str) -> Result<(String, String), DomainError> {
    let mut errors = FieldErrors::default();
    let (name, body) = (spaced(name), multiline(body));
    require(&mut errors, "name", &name, MAX_NAME, "Enter a name for the reply.");
    require(&mut errors, "body", &body, MAX_BODY, "Enter the text of the reply.");
    errors.into_result((name, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_what_is_none_stays() {
        let filling = PlaceholderValues { name: Some("{number}"), number: 12, subject: "Till", link: "https://x/t", me: "Ann" };
        assert_eq!(filling.fill("Hi {name}, {number} {subject} {link} {me} {nmae} { {"), "Hi {number}, 12 Till https://x/t Ann {nmae} { {");
        assert_eq!(PlaceholderValues::default().fill("Hi {name}{"), "Hi there{");
        assert_eq!(PlaceholderValues { name: Some(" "), ..PlaceholderValues::default() }.fill("{name}ü"), "thereü");
    }

    #[test]
    fn mistyped_placeholders_are_found() {
        assert_eq!(unknown_placeholders("{nmae} {name} {nmae} {Link} { x } {} {\"a\":1}"), ["{nmae}", "{Link}"]);
        assert!(unknown_placeholders("a { b").is_empty());
    }

    #[test]
    fn a_reply_has_a_name_and_a_text() {
        assert_eq!(check_reply(" On \n the way ", " Soon. ").unwrap(), ("On the way".into(), "Soon.".into()));
        let Err(DomainError::Invalid(errors)) = check_reply(" ", "") else { panic!() };
        assert!(errors.message_for("name").is_some() && errors.message_for("body").is_some());
        assert!(check_reply(&"n".repeat(MAX_NAME + 1), "a").is_err());
        assert!(check_reply("a", &"ü".repeat(MAX_BODY + 1)).is_err());
    }
}
