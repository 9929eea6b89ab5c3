//! The parser of [`TriageQuery`]: one pass over the characters.

use super::{
    Assignee, FieldFilter, HasFlag, MAX_PARTS, MAX_QUERY, MAX_WORDS, NOBODY, QueryDate, QueryError, QueryField, QueryPart, QueryTerm,
    ScoreFilter, TriageQuery,
};
use crate::{
    Day,
    feedback::{self, FeedbackKind, FeedbackStatus},
    text::{is_space, spaced},
    tickets::Priority,
};

/// A token of a query.
enum QueryToken {
    Part(QueryPart),
    Or,
    And,
}

pub(super) fn query(text: &str) -> Result<TriageQuery, QueryError> {
    let fail = |position: usize, message: String| QueryError { position, message };
    if let Some((position, _)) = text.char_indices().nth(MAX_QUERY) {
        let length = text.chars().count();
        return Err(fail(position, format!("This search has {length} characters, but the limit is {MAX_QUERY}.")));
    }
    let mut pieces: Vec<(usize, QueryToken)> = Vec::new();
    let (mut words, mut count) = (0, 0);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if is_space(c) {
            at += c.len_utf8();
            continue;
        }
        let start = at;
        let negated = c == '-' && negates(&text[at + 1..]);
        if negated {
            at += 1;
        }
        let what = if text[at..].starts_with(is_quote) {
            let (inside, end) = quoted(text, at);
            at = end;
            QueryTerm::Phrase(spaced(inside))
        } else {
            let word = &text[at..end_of_word(text, at)];
            let word_start = at;
            at += word.len();
            match (word, negated) {
                ("OR", false) => {
                    pieces.push((start, QueryToken::Or));
                    continue;
                }
                ("AND", false) => {
                    pieces.push((start, QueryToken::And));
                    continue;
                }
                _ => {}
            }
            match field(word, text[at..].starts_with(is_quote)) {
                FieldPrefix::Field(field, value_at) => {
                    let position = word_start + value_at;
                    let value = if position == at && text[at..].starts_with(is_quote) {
                        let (inside, end) = quoted(text, at);
                        at = end;
                        inside
                    } else {
                        &text[position..at]
                    };
                    let value = spaced(value);
                    if value.is_empty() {
                        return Err(fail(position, format!("Enter a value right after “{}:”.", field.as_str())));
                    }
                    QueryTerm::Test(test(field, &value).map_err(|message| fail(position, message))?)
                }
                FieldPrefix::Wrong(message) => return Err(fail(word_start, message)),
                FieldPrefix::None => QueryTerm::Word(word.to_owned()),
            }
        };
        count += 1;
        if !matches!(what, QueryTerm::Test(_)) && !is_marks(&what) {
            words += 1;
        }
        if words > MAX_WORDS || count > MAX_PARTS {
            return Err(fail(start, format!("This search is too long. Use at most {MAX_WORDS} words and {MAX_PARTS} parts.")));
        }
        pieces.push((start, QueryToken::Part(QueryPart { negated, what })));
    }
    // Punctuation between words is ignored. On its own it is searched for, so that such a query finds nothing instead of everything.
    let means = |piece: &QueryToken| !matches!(piece, QueryToken::Part(part) if is_marks(&part.what));
    if pieces.iter().any(|(_, piece)| means(piece)) {
        pieces.retain(|(_, piece)| means(piece));
    }
    Ok(TriageQuery { parts: joined(pieces)? })
}

/// Joins the operands of `OR`. `AND` between two parts is redundant. Without operands on both sides, they are the words themselves, as in
/// quotes.
fn joined(pieces: Vec<(usize, QueryToken)>) -> Result<Vec<QueryPart>, QueryError> {
    let mut parts: Vec<QueryPart> = Vec::new();
    let mut pieces = pieces.into_iter().peekable();
    let word = |word: &str| QueryPart { negated: false, what: QueryTerm::Phrase(word.to_owned()) };
    while let Some((at, piece)) = pieces.next() {
        let next = pieces.peek().map(|(_, piece)| match piece {
            QueryToken::Part(part) => part.clone(),
            QueryToken::Or => word("OR"),
            QueryToken::And => word("AND"),
        });
        let is_or = matches!(piece, QueryToken::Or);
        match piece {
            QueryToken::Part(part) => parts.push(part),
            QueryToken::Or | QueryToken::And if parts.is_empty() || next.is_none() => parts.push(word(if is_or { "OR" } else { "AND" })),
            QueryToken::And => {}
            QueryToken::Or => {
                let (Some(left), Some(right)) = (parts.last_mut(), next) else { continue };
                match (&mut left.what, right.what) {
                    _ if left.negated || right.negated => return Err(or(at)),
                    // Values of one field are alternatives anyway.
                    (QueryTerm::Test(a), QueryTerm::Test(b)) if a.field() == b.field() => continue,
                    (QueryTerm::Test(_), _) | (_, QueryTerm::Test(_)) => return Err(or(at)),
                    (QueryTerm::Any(any), what) => any.push(what),
                    (what, right) => *what = QueryTerm::Any(vec![what.clone(), right]),
                }
                pieces.next();
            }
        }
    }
    Ok(parts)
}

fn or(position: usize) -> QueryError {
    let message = "Use OR between words or phrases, or between values of the same field (tag:a OR tag:b). To search for the word itself, write it in lowercase.";
    QueryError { position, message: message.into() }
}

/// Returns whether a `-` in front of `rest` negates it. In front of a digit or another dash it belongs to pasted text: `-1`, `--flag`.
fn negates(rest: &str) -> bool {
    rest.chars().next().is_some_and(|c| c != '-' && !c.is_numeric() && !is_space(c))
}

/// Returns whether a term is only punctuation.
pub(super) fn is_marks(what: &QueryTerm) -> bool {
    match what {
        QueryTerm::Word(text) | QueryTerm::Phrase(text) => text.chars().all(|c| c.is_ascii_punctuation() || c == ' '),
        QueryTerm::Any(_) | QueryTerm::Test(_) => false,
    }
}

/// The part of a word before the colon.
enum FieldPrefix {
    /// A field, and the position of its value.
    Field(QueryField, usize),
    /// Probably intended as a field, but not one: the error message.
    Wrong(String),
    /// No field: the word is text.
    None,
}

/// Field names of other programs whose equivalent here has another name, or does not exist.
const OTHERS: [(&str, &str); 22] = [
    ("attr", "Contact attributes cannot be searched."),
    ("attribute", "Contact attributes cannot be searched."),
    ("author", "Search for the name or the e-mail address itself."),
    ("contact", "Search for the name or the e-mail address itself, or for has:contact."),
    ("created", "Use after: and before:."),
    ("date", "Use after: and before:."),
    ("email", "Search for the e-mail address itself."),
    ("environment", "Use env:."),
    ("from", "Search for the name or the e-mail address itself."),
    ("label", "Use tag:."),
    ("labels", "Use tag:."),
    ("language", "Use lang:."),
    ("owner", "Use assignee:."),
    ("page", "Search for a part of the page address itself."),
    ("rating", "Use score:."),
    ("since", "Use after:."),
    ("state", "Use status:."),
    ("tags", "Use tag:."),
    ("type", "Use kind:."),
    ("until", "Use before:."),
    ("url", "Search for a part of the page address itself."),
    ("version", "Use release:."),
];

/// Parses the part of a word before the colon, which may be the full-width one of Chinese and Japanese keyboards. Only a prefix that looks
/// like a field counts: `C:\dir`, `std::vector` and `ad:33:af` are text.
fn field(word: &str, opens_quote: bool) -> FieldPrefix {
    let Some((at, colon)) = word.char_indices().find(|(_, c)| matches!(c, ':' | '：')) else { return FieldPrefix::None };
    let (name, value_at) = (&word[..at], at + colon.len_utf8());
    let (lower, rest) = (name.to_ascii_lowercase(), &word[value_at..]);
    match QueryField::parse(&lower) {
        _ if rest.starts_with(':') => return FieldPrefix::None,
        Some(field) => return FieldPrefix::Field(field, value_at),
        None if rest.starts_with(['/', '\\']) || rest.is_empty() && !opens_quote => return FieldPrefix::None,
        None => {}
    }
    let first = lower.split('.').next().unwrap_or_default();
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic());
    let other = OTHERS.iter().find(|(other, _)| *other == first && (first == lower || first.starts_with("attr")));
    let nearest = QueryField::ALL
        .iter()
        .filter(|field| is_name(&lower) && is_typing_error(&lower, field.as_str()))
        .map(|field| format!("{}:", field.as_str()));
    let hint = match (other, nearest.collect::<Vec<_>>()) {
        (Some((_, hint)), _) => (*hint).to_owned(),
        (None, near) if near.is_empty() => return FieldPrefix::None,
        (None, near) => format!("Did you mean {}?", near.join(" or ")),
    };
    let known = QueryField::ALL.iter().map(|f| format!("{}:", f.as_str())).collect::<Vec<_>>().join(" ");
    FieldPrefix::Wrong(format!(
        "There is no field “{name}:”. {hint} The fields are {known}. To search for the text itself, put it in quotes."
    ))
}

/// Returns whether a name is probably a typing error for a field: one letter added, omitted or swapped with its neighbour, in longer names
/// also one letter replaced. In short names that would turn too many ordinary words into errors.
fn is_typing_error(name: &str, field: &str) -> bool {
    let (a, b) = (name.as_bytes(), field.as_bytes());
    let begin = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    // The differing middle, between the equal beginning and end.
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    match (a, b) {
        ([_], []) | ([], [_]) => name.len() > 2 && field.len() > 2,
        ([x, y], [z, w]) => x == w && y == z,
        ([_], [_]) => name.len() > 3,
        _ => false,
    }
}

/// A quotation mark of any language. Phones and word processors insert these in place of `"`.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' | '『' | '』' | '＂')
}

/// The text in the quotes that open at `at`, and the position after them; an unclosed quote extends to the end. Only `"` closes `"`, so
/// that names with other quotes in them can be written; other quotes close each other.
fn quoted(text: &str, at: usize) -> (&str, usize) {
    let open = text[at..].chars().next().unwrap_or('"');
    let inside = &text[at + open.len_utf8()..];
    let closing = inside.char_indices().find(|(_, c)| if open == '"' { *c == '"' } else { is_quote(*c) });
    match closing {
        Some((end, c)) => (&inside[..end], at + open.len_utf8() + end + c.len_utf8()),
        None => (inside, text.len()),
    }
}

fn end_of_word(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| is_space(c) || is_quote(c)).map_or(text.len(), |n| at + n)
}

fn one_of(what: &str, values: impl Iterator<Item = &'static str>) -> String {
    format!("{what} Use one of {}.", values.collect::<Vec<_>>().join(", "))
}

pub(super) fn test(field: QueryField, value: &str) -> Result<FieldFilter, String> {
    let value = spaced(&value.replace('"', " "));
    if value.is_empty() {
        return Err(format!("Enter a value right after “{}:”.", field.as_str()));
    }
    let lower = value.to_lowercase();
    Ok(match field {
        QueryField::Status | QueryField::Is => FieldFilter::Status(
            FeedbackStatus::parse(&lower).ok_or_else(|| one_of("Unknown status.", FeedbackStatus::ALL.iter().map(|s| s.as_str())))?,
        ),
        QueryField::Kind => {
            let kind = if lower == "survey" { Some(FeedbackKind::SurveyResponse) } else { FeedbackKind::parse(&lower) };
            FieldFilter::Kind(kind.ok_or_else(|| one_of("Unknown kind.", FeedbackKind::ALL.iter().map(|k| k.as_str())))?)
        }
        QueryField::Priority => FieldFilter::Priority(
            Priority::parse(&lower).ok_or_else(|| one_of("Unknown priority.", Priority::ALL.iter().map(|p| p.as_str())))?,
        ),
        QueryField::Tag => FieldFilter::Tag(
            feedback::normalize_tag(&value)
                .ok_or_else(|| format!("Tags can be up to {} characters, without commas or colons.", feedback::MAX_TAG))?,
        ),
        QueryField::Score => FieldFilter::Score(score(&value).ok_or("Write a score like score:6, score:<=6, score:>8 or score:7..8.")?),
        QueryField::Assignee => FieldFilter::Assignee(match lower.as_str() {
            "me" => Assignee::Me,
            NOBODY => Assignee::Nobody,
            _ => Assignee::Member(lower),
        }),
        QueryField::Has => FieldFilter::Has(
            HasFlag::parse(&lower).ok_or_else(|| one_of("Unknown value for has:.", HasFlag::ALL.iter().map(|f| f.as_str())))?,
        ),
        QueryField::Survey => FieldFilter::Survey(value),
        QueryField::Before => FieldFilter::Before(when(&lower)?),
        QueryField::After => FieldFilter::After(when(&lower)?),
        QueryField::Release => FieldFilter::Release(value),
        QueryField::Env => FieldFilter::Env(value),
        QueryField::Lang => {
            let primary = lower.split(['-', '_']).next().unwrap_or_default();
            let fits = (2..=8).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_alphabetic());
            FieldFilter::Lang(fits.then(|| primary.to_owned()).ok_or("Write a language like lang:en or lang:de.")?)
        }
    })
}

fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.len() <= 20 && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    text.parse().ok().filter(|n: &f64| plain && n.is_finite())
}

fn score(text: &str) -> Option<ScoreFilter> {
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(low)?, number(high)?);
        return (low <= high).then_some(ScoreFilter::Between(low, high));
    }
    if let Some(n) = text.strip_prefix("<=") {
        return number(n).map(ScoreFilter::AtMost);
    }
    if let Some(n) = text.strip_prefix(">=") {
        return number(n).map(ScoreFilter::AtLeast);
    }
    if let Some(n) = text.strip_prefix('<') {
        return number(n).map(ScoreFilter::Below);
    }
    if let Some(n) = text.strip_prefix('>') {
        return number(n).map(ScoreFilter::Above);
    }
    number(text.strip_prefix('=').unwrap_or(text)).map(ScoreFilter::Is)
}

fn when(text: &str) -> Result<QueryDate, String> {
    let wrong = || "Write a date like 2026-11-23, or 7d, 2w or 3m for that many days, weeks or months ago.".to_owned();
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.len() == 10 {
        return Day::parse(text).map(QueryDate::Day).ok_or_else(wrong);
    }
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let n = digits.parse::<u32>().ok().filter(|n| *n <= 100_000).ok_or_else(wrong)?;
    match unit {
        "d" => Ok(QueryDate::DaysAgo(n)),
        "w" => Ok(QueryDate::WeeksAgo(n)),
        "m" => Ok(QueryDate::MonthsAgo(n)),
        _ => Err(wrong()),
    }
}
