//! Highlighting of the words of a text that a query matched, by the same rules as the index.

use std::ops::Range;

use domain::triage::TriageQuery;

use crate::{
    query::query_terms,
    tokenizer::{LanguageStemmer, MIN_PREFIX, Token, TokenForm, has_stem, max_typos, tokens, within_edit_distance},
};

/// The byte ranges of `text` that the words and phrases of the query match, in order and not overlapping.
#[must_use]
pub fn highlight(query: &TriageQuery, text: &str, language: &str) -> Vec<Range<usize>> {
    if !query.has_text() {
        return Vec::new();
    }
    let mut stems = LanguageStemmer::new(language);
    let there = tokens(text);
    let there_stems: Vec<String> = match &mut stems {
        Some(stems) => there.iter().map(|t| if has_stem(t) { stems.stem(&t.lower) } else { String::new() }).collect(),
        None => Vec::new(),
    };
    // Several tokens may have the same position.
    let mut at: Vec<Vec<&Token>> = Vec::new();
    for token in &there {
        at.resize(at.len().max(token.position + 1), Vec::new());
        if let Some(tokens) = at.get_mut(token.position) {
            tokens.push(token);
        }
    }
    let mut hits: Vec<Range<usize>> = Vec::new();
    for terms in query.texts().flat_map(query_terms) {
        for run in &terms.runs {
            for begin in 0..at.len() {
                let one = |(distance, folded): &(usize, String)| at.get(begin + distance)?.iter().find(|t| t.folded == *folded).copied();
                if let Some(tokens) = run.iter().map(one).collect::<Option<Vec<&Token>>>() {
                    hits.extend(tokens.iter().map(|t| t.range.clone()));
                }
            }
        }
        for word in &terms.words {
            let is_single = word.form == TokenForm::Single;
            let stem = stems.as_mut().map(|s| s.stem(&word.lower));
            let errors = max_typos(&word.folded);
            let long = !is_single && word.folded.chars().count() >= MIN_PREFIX;
            for (n, token) in there.iter().enumerate() {
                let hit = token.folded == word.folded
                    || !is_single
                        && token.form != TokenForm::Single
                        && (has_stem(token) && stem.as_ref().is_some_and(|stem| there_stems.get(n) == Some(stem))
                            || long && token.folded.starts_with(&word.folded)
                            || errors > 0 && within_edit_distance(&word.folded, &token.folded, errors));
                if hit {
                    hits.push(token.range.clone());
                }
            }
        }
    }
    merged(hits)
}

fn merged(mut hits: Vec<Range<usize>>) -> Vec<Range<usize>> {
    hits.sort_by_key(|r| (r.start, r.end));
    let mut out: Vec<Range<usize>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match out.last_mut() {
            Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
            _ => out.push(hit),
        }
    }
    out
}

/// An excerpt of a text with the matches in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The excerpt.
    pub text: String,
    /// The matches, as byte ranges of the excerpt.
    pub ranges: Vec<Range<usize>>,
    /// Whether text before it was omitted.
    pub cut_before: bool,
    /// Whether text after it was omitted.
    pub cut_after: bool,
}

/// The excerpt of about `length` characters with the most matches, cut between words; the beginning if there are no matches.
#[must_use]
pub fn snippet(text: &str, ranges: &[Range<usize>], length: usize) -> Snippet {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let count = starts.len() - 1;
    if count <= length {
        return Snippet { text: text.to_owned(), ranges: ranges.to_vec(), cut_before: false, cut_after: false };
    }
    let char_of = |byte: usize| starts.partition_point(|s| *s < byte).min(count);
    // The window that begins a little before a match and contains the most matches; the earliest if several do.
    let lead = length / 5;
    let mut best = (0, 0);
    for range in ranges {
        let from = char_of(range.start).saturating_sub(lead).min(count - length);
        let (low, high) = (starts[from], starts[from + length]);
        // Ranges are sorted and do not overlap: count those before `high` minus those before `low`.
        let held = ranges.partition_point(|r| r.end <= high).saturating_sub(ranges.partition_point(|r| r.start < low));
        if held > best.0 {
            best = (held, from);
        }
    }
    let (mut low, mut high) = (starts[best.1], starts[best.1 + length]);
    let touches = |at: usize| ranges.iter().any(|r| r.start < at && at < r.end);
    if low > 0 {
        // Start at the next word, unless that would omit a match.
        let next = text[low..high].char_indices().find(|(_, c)| c.is_whitespace()).map(|(at, c)| low + at + c.len_utf8());
        if let Some(next) = next.filter(|next| next - low <= 40 && !ranges.iter().any(|r| r.start >= low && r.start < *next)) {
            low = next;
        }
    }
    if high < text.len() {
        let last = text[low..high].char_indices().rev().find(|(_, c)| c.is_whitespace()).map(|(at, _)| low + at);
        if let Some(last) = last.filter(|last| high - last <= 40 && *last > low && !touches(*last)) {
            high = last;
        }
    }
    let inside = ranges.iter().filter_map(|r| {
        let (start, end) = (r.start.max(low), r.end.min(high));
        (start < end).then(|| start - low..end - low)
    });
    Snippet { text: text[low..high].to_owned(), ranges: inside.collect(), cut_before: low > 0, cut_after: high < text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks<'t>(query: &str, text: &'t str, language: &str) -> Vec<&'t str> {
        highlight(&TriageQuery::parse(query).unwrap(), text, language).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn the_rules_of_the_index() {
        assert_eq!(marks("wait CARD", "I am still waiting on my card?", "en"), ["waiting", "card"]);
        assert_eq!(marks("delivry", "The delivery is late", "en"), ["delivery"]);
        assert_eq!(marks("cafe", "Café au lait", "fr"), ["Café"]);
        assert_eq!(marks("\"my card\"", "my card, your card, my card", "en"), ["my", "card", "my", "card"]);
        assert_eq!(marks("karten", "Die Kartenzahlung und die Karte", "de"), ["Kartenzahlung", "Karte"]);
        assert_eq!(marks("pih", "the pi-h probe", "en"), ["pi-h"]);
        assert_eq!(marks("pi-h", "a pih probe, a pi-h probe", "en"), ["pih", "pi-h"]);
        assert_eq!(marks("届かない", "カードが届かないです", "ja"), ["届かない"]);
        assert_eq!(marks("-card status:new", "card", "en"), Vec::<&str>::new());
    }

    #[test]
    fn snippets_hold_the_matches() {
        let text = format!("{} the card is lost {}", "word ".repeat(100), "word ".repeat(100));
        let ranges = highlight(&TriageQuery::parse("card lost").unwrap(), &text, "en");
        let found = snippet(&text, &ranges, 200);
        assert!(found.cut_before && found.cut_after && found.text.chars().count() <= 200);
        assert_eq!(found.ranges.iter().map(|r| &found.text[r.clone()]).collect::<Vec<_>>(), ["card", "lost"]);
        assert_eq!(snippet("short", &[], 200).text, "short");
    }

    proptest::proptest! {
        #[test]
        fn ranges_are_apart_in_order_and_inside(query in "[a-zé日 \"-]{0,20}", text in "[a-zé日😀 .-]{0,60}", length in 1_usize..40) {
            if let Ok(query) = TriageQuery::parse(&query) {
                let ranges = highlight(&query, &text, "en");
                assert!(ranges.windows(2).all(|w| w[0].end < w[1].start));
                assert!(ranges.iter().all(|r| text.get(r.clone()).is_some_and(|t| !t.is_empty())));
                let piece = snippet(&text, &ranges, length);
                assert!(piece.ranges.iter().all(|r| piece.text.get(r.clone()).is_some()));
            }
        }
    }
}
