//! Spam rules for responses and tickets.

use crate::{surveys::Answer, tickets::NewTicket};

/// Name of the honeypot field, which people do not see and bots fill in.
pub const HONEYPOT: &str = "website";
/// No person finishes a form faster than this, in milliseconds.
pub const MIN_COMPLETION_MS: i64 = 2_000;
/// More links than this in one response or ticket count as a flood.
pub const MAX_LINKS: usize = 3;
/// A response with fewer answers takes no more time than a click.
const MIN_TIMED_ANSWERS: usize = 2;

/// Evidence about the submission of a form.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpamSignals {
    /// The hidden field was filled in.
    pub honeypot: bool,
    /// The page's signed render time was tampered with.
    pub forged_start: bool,
    /// Milliseconds between the page and this submission.
    pub elapsed_ms: Option<i64>,
}

impl SpamSignals {
    /// Reasons to suspect spam in a form with these texts; `is_timed` if people need some time to fill it in.
    fn reasons<'t>(self, texts: impl IntoIterator<Item = &'t str>, is_timed: bool) -> Vec<String> {
        let too_fast = is_timed && self.elapsed_ms.is_some_and(|ms| ms < MIN_COMPLETION_MS);
        let links: usize = texts.into_iter().map(count_links).sum();
        let found =
            [(self.honeypot, "honeypot"), (self.forged_start, "forged_start"), (too_fast, "too_fast"), (links > MAX_LINKS, "links")];
        found.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()).collect()
    }
}

/// Counts the web addresses in a text.
#[must_use]
pub fn count_links(text: &str) -> usize {
    let text = text.to_lowercase();
    text.matches("://").count() + text.matches("www.").count().saturating_sub(text.matches("://www.").count())
}

/// Reasons to suspect that a response is spam; stored words, empty if there are none.
#[must_use]
pub fn spam_reasons(signals: SpamSignals, answers: &[(String, Answer)], finished: bool) -> Vec<String> {
    signals.reasons(answers.iter().filter_map(|(_, answer)| answer.text()), finished && answers.len() >= MIN_TIMED_ANSWERS)
}

/// Reasons to suspect that a new ticket is spam; the same words as for responses.
#[must_use]
pub fn ticket_spam_reasons(signals: SpamSignals, ticket: &NewTicket) -> Vec<String> {
    signals.reasons([ticket.subject.as_str(), &ticket.message, &ticket.name], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<(String, Answer)> {
        list.iter().map(|text| ("q".to_owned(), Answer::Text((*text).to_owned()))).collect()
    }

    #[test]
    fn signals_are_named() {
        let links = "http://a https://b www.c https://www.d";
        let hasty = SpamSignals { elapsed_ms: Some(500), ..SpamSignals::default() };
        assert_eq!(
            spam_reasons(SpamSignals { honeypot: true, forged_start: true, ..hasty }, &texts(&["9", links]), true),
            ["honeypot", "forged_start", "too_fast", "links"]
        );
        assert!(spam_reasons(hasty, &texts(&["9"]), true).is_empty());
        assert!(spam_reasons(hasty, &texts(&["9", "see https://a.example"]), false).is_empty());
    }

    #[test]
    fn a_ticket_is_suspected_for_the_same_reasons() {
        let ticket = NewTicket { subject: "The map".into(), message: "It stays empty.".into(), ..NewTicket::default() };
        let calm = SpamSignals { elapsed_ms: Some(9_000), ..SpamSignals::default() };
        assert!(ticket_spam_reasons(calm, &ticket).is_empty());
        assert_eq!(ticket_spam_reasons(SpamSignals { elapsed_ms: Some(10), ..calm }, &ticket), ["too_fast"]);
        let links = NewTicket { message: "http://a http://b http://c".into(), name: "www.d".into(), ..ticket };
        assert_eq!(ticket_spam_reasons(SpamSignals { honeypot: true, ..calm }, &links), ["honeypot", "links"]);
    }
}
