//! Backlog items and their links to feedback.

use std::ops::Range;

use crate::{
    DomainError, FieldErrors, Timestamp,
    ids::{BacklogItemId, ProjectId},
    text::{cut, is_blank, limit, multiline, require, spaced, too_long},
    words::words,
};

words! {
    /// The progress of the work.
    BacklogStatus {
        /// Not decided.
        Open = "open" / "Open",
        /// Decided, not started.
        Planned = "planned" / "Planned",
        /// In progress.
        InProgress = "in_progress" / "In progress",
        /// Released to users.
        Shipped = "shipped" / "Shipped",
        /// Decided against.
        Declined = "declined" / "Declined",
    }
}

impl BacklogStatus {
    /// Returns whether the item is still open: undecided or unfinished.
    #[must_use]
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Shipped | Self::Declined)
    }
}

words! {
    /// The importance of an item to the person who gave the feedback, as judged by the team member who linked it.
    Importance {
        /// Nice to have.
        Nice = "nice" / "Nice to have",
        /// Wanted.
        Normal = "normal" / "Normal",
        /// A blocker for them.
        Critical = "critical" / "Critical",
    }
}

/// A unit of work for the product team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogItem {
    /// Identity.
    pub id: BacklogItemId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The number in URLs and on the screen: `#12`; counts up within the project.
    pub number: i64,
    /// One line.
    pub title: String,
    /// Several lines; may be empty.
    pub body: String,
    /// The progress of the work.
    pub status: BacklogStatus,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Incremented by each change; a write names the version it is based on.
    pub version: i64,
}

/// Longest title, in characters.
pub const MAX_TITLE: usize = 200;
/// Longest body, in characters.
pub const MAX_BODY: usize = 20_000;
/// Longest quote, in characters.
pub const MAX_QUOTE: usize = 2_000;

/// Title and body as stored, the title on one line.
///
/// # Errors
/// A message for each field that is invalid.
pub fn check_item(title: &str, body: &str) -> Result<(String, String), DomainError> {
    let mut errors = FieldErrors::default();
    let (title, body) = (spaced(title), multiline(body));
    require(&mut errors, "title", &title, MAX_TITLE, "Enter a title for the item.");
    limit(&mut errors, "body", &body, MAX_BODY);
    errors.into_result((title, body))
}

/// Finds `quote` in `text`. White space of any kind and length counts as one space, because selecting text in a browser changes it.
#[must_use]
pub fn find_quote(text: &str, quote: &str) -> Option<Range<usize>> {
    // Not `spaced`: the text may contain control characters, and so may a quote of it.
    let wanted = quote.split_whitespace().collect::<Vec<_>>().join(" ");
    if wanted.is_empty() {
        return None;
    }
    // The text with its white space collapsed, and the original position of each of its bytes.
    let mut flat = String::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            if !flat.ends_with(' ') {
                flat.push(' ');
                origin.push(at..at + c.len_utf8());
            }
        } else {
            flat.push(c);
            origin.extend(std::iter::repeat_n(at..at + c.len_utf8(), c.len_utf8()));
        }
    }
    let start = flat.find(&wanted)?;
    let first = origin.get(start)?.start;
    let last = origin.get(start + wanted.len() - 1)?.end;
    Some(first..last)
}

/// The quote as written in the text; `None` if it is empty.
///
/// # Errors
/// Returns an error if the text does not contain the quote, or the quote is too long.
pub fn check_quote(text: &str, quote: &str) -> Result<Option<String>, DomainError> {
    if is_blank(quote) {
        return Ok(None);
    }
    if let Some(message) = too_long(quote, MAX_QUOTE) {
        return Err(DomainError::field("quote", "too_long", message));
    }
    match find_quote(text, quote) {
        Some(at) => Ok(Some(text[at].to_owned())),
        None => Err(DomainError::field("quote", "not_in_text", "This quote is not in the feedback. Copy it from the text.")),
    }
}

/// A title made from the first sentence, cut at a word if it is long.
#[must_use]
pub fn suggest_title(text: &str) -> String {
    const LONGEST: usize = 100;
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    let mut end = line.len();
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let at_end = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if matches!(c, '。' | '！' | '？') || matches!(c, '.' | '!' | '?') && at_end {
            // A statement's full stop is omitted; a question keeps its mark.
            end = if matches!(c, '.' | '。') { at } else { at + c.len_utf8() };
            break;
        }
    }
    let sentence = spaced(&line[..end]);
    let start = cut(&sentence, LONGEST);
    if start == sentence {
        return sentence;
    }
    let at_word = start.rsplit_once(' ').map_or(start, |(head, _)| head);
    format!("{}…", at_word.trim_end_matches([',', ';', ':', '-']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_are_found_whatever_their_white_space() {
        let text = "It fails.\n\nAlways  on émigré pages, too.";
        assert_eq!(&text[find_quote(text, " fails. Always on ").unwrap()], "fails.\n\nAlways  on");
        assert_eq!(&text[find_quote(text, "émigré").unwrap()], "émigré");
        assert_eq!(&text[find_quote(text, "too.").unwrap()], "too.");
        assert_eq!(find_quote(text, "never"), None);
        assert_eq!(find_quote(text, "  "), None);
        assert!(check_quote(text, "never").is_err());
        assert_eq!(check_quote(text, " ").unwrap(), None);
    }

    #[test]
    fn titles_are_first_sentences() {
        assert_eq!(suggest_title("  \nThe export of v1.2 is slow. I wait.\nMore"), "The export of v1.2 is slow");
        assert_eq!(suggest_title("Where is it? I looked."), "Where is it?");
        assert_eq!(suggest_title("遅いです。とても"), "遅いです");
        assert_eq!(suggest_title(""), "");
        let long = suggest_title(&"word ".repeat(60));
        assert!(long.ends_with("word…") && long.chars().count() <= 100, "{long}");
    }

    #[test]
    fn an_item_needs_a_title() {
        assert_eq!(check_item(" a\n b ", " c ").unwrap(), ("a b".into(), "c".into()));
        assert!(check_item(" ", "").is_err() && check_item("\u{19}", "").is_err());
        assert!(check_item(&"x".repeat(201), "").is_err());
    }

    proptest! {
        #[test]
        fn any_part_of_a_text_is_found_in_it(text in "\\PC{0,40}[ \n\t]{0,3}\\PC{0,40}", a in 0_usize..80, b in 0_usize..80) {
            let part: String = text.chars().skip(a.min(b)).take(a.abs_diff(b)).collect();
            if !part.trim().is_empty() {
                let at = find_quote(&text, &part).unwrap();
                let squash = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
                prop_assert_eq!(squash(&text[at]), squash(&part));
            }
        }

        #[test]
        fn no_text_panics(text in ".*", quote in ".*") {
            drop(find_quote(&text, &quote));
            prop_assert!(suggest_title(&text).chars().count() <= 101);
        }
    }
}
