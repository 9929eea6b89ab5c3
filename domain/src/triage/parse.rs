//! From text to [`TriageQuery`] in one pass over the characters.

use super::{Assignee, Field, Flag, MAX_PARTS, MAX_QUERY, MAX_WORDS, Part, QueryError, Score, Test, TriageQuery, What, When};
use crate::{
    Timestamp,
    feedback::{self, Kind, Status},
    tickets::Priority,
};

pub(super) fn query(text: &str) -> Result<TriageQuery, QueryError> {
    let fail = |position: usize, message: String| QueryError { position, message };
    if text.len() > MAX_QUERY {
        let mut position = MAX_QUERY;
        while !text.is_char_boundary(position) {
            position -= 1;
        }
        return Err(fail(position, format!("This search is too long; {MAX_QUERY} characters are allowed.")));
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut words = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if is_space(c) {
            at += c.len_utf8();
            continue;
        }
        let start = at;
        let negated = c == '-';
        if negated {
            at += 1;
        }
        let what = if text[at..].starts_with('"') {
            let (inside, end) = quoted(text, at);
            at = end;
            let phrase = spaced(inside);
            if phrase.is_empty() { None } else { Some(What::Phrase(phrase)) }
        } else {
            let end = end_of_word(text, at);
            let word = &text[at..end];
            let word_start = at;
            at = end;
            let opens_quote = text[end..].starts_with('"');
            match word.split_once(':').filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => match Field::parse(&name.to_ascii_lowercase()) {
                    Some(field) => {
                        let value_at = word_start + name.len() + 1;
                        let value = if rest.is_empty() && opens_quote {
                            let (inside, end) = quoted(text, at);
                            at = end;
                            inside
                        } else {
                            rest
                        };
                        let position = value_at.min(text.len());
                        let value = spaced(value);
                        if value.is_empty() {
                            return Err(fail(position, format!("Write a value right after “{}:”.", field.as_str())));
                        }
                        Some(What::Test(test(field, &value).map_err(|message| fail(position, message))?))
                    }
                    None if rest.starts_with("//") || rest.is_empty() && !opens_quote => Some(What::Word(word.to_owned())),
                    None => return Err(fail(word_start, unknown(name))),
                },
                None if word.chars().all(|c| c.is_ascii_punctuation()) => None,
                None => Some(What::Word(word.to_owned())),
            }
        };
        let Some(what) = what else { continue };
        if !matches!(what, What::Test(_)) {
            words += 1;
        }
        if words > MAX_WORDS || parts.len() >= MAX_PARTS {
            return Err(fail(start, format!("Too many words; {MAX_WORDS} words and {MAX_PARTS} parts are allowed.")));
        }
        parts.push(Part { negated, what });
    }
    Ok(TriageQuery { parts })
}

/// Control characters separate too: databases do not take all of them.
fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic())
}

fn spaced(text: &str) -> String {
    text.split(is_space).filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What stands in the quotes that open at `at`, and where the text goes on; a quote that nobody closed ends with the text.
fn quoted(text: &str, at: usize) -> (&str, usize) {
    let inside = &text[at + 1..];
    inside.find('"').map_or((inside, text.len()), |end| (&inside[..end], at + 1 + end + 1))
}

fn end_of_word(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| is_space(c) || c == '"').map_or(text.len(), |n| at + n)
}

fn unknown(name: &str) -> String {
    let known = Field::ALL.iter().map(|f| format!("{}:", f.as_str())).collect::<Vec<_>>().join(" ");
    format!("There is no field “{name}:”. Fields are {known}. To search for the text itself, put it in quotes.")
}

fn one_of(what: &str, values: impl Iterator<Item = &'static str>) -> String {
    format!("{what} is one of {}.", values.collect::<Vec<_>>().join(", "))
}

pub(super) fn test(field: Field, value: &str) -> Result<Test, String> {
    let value = spaced(&value.replace('"', " "));
    if value.is_empty() {
        return Err(format!("Write a value right after “{}:”.", field.as_str()));
    }
    let lower = value.to_lowercase();
    Ok(match field {
        Field::Status | Field::Is => {
            Test::Status(Status::parse(&lower).ok_or_else(|| one_of("A status", Status::ALL.iter().map(|s| s.as_str())))?)
        }
        Field::Kind => {
            let kind = if lower == "survey" { Some(Kind::SurveyResponse) } else { Kind::parse(&lower) };
            Test::Kind(kind.ok_or_else(|| one_of("A kind", Kind::ALL.iter().map(|k| k.as_str())))?)
        }
        Field::Priority => {
            Test::Priority(Priority::parse(&lower).ok_or_else(|| one_of("A priority", Priority::ALL.iter().map(|p| p.as_str())))?)
        }
        Field::Tag => Test::Tag(
            feedback::tag(&value).ok_or_else(|| format!("A tag has no commas or colons and at most {} characters.", feedback::MAX_TAG))?,
        ),
        Field::Score => Test::Score(score(&value).ok_or("A score is written like score:6, score:<=6, score:>8 or score:7..8.")?),
        Field::Assignee => Test::Assignee(match lower.as_str() {
            "me" => Assignee::Me,
            "none" => Assignee::Nobody,
            _ => Assignee::Member(lower),
        }),
        Field::Has => Test::Has(Flag::parse(&lower).ok_or_else(|| one_of("What it has", Flag::ALL.iter().map(|f| f.as_str())))?),
        Field::Survey => Test::Survey(value),
        Field::Before => Test::Before(when(&lower)?),
        Field::After => Test::After(when(&lower)?),
        Field::Release => Test::Release(value),
        Field::Env => Test::Env(value),
        Field::Lang => {
            let primary = lower.split(['-', '_']).next().unwrap_or_default();
            let fits = (2..=8).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_alphabetic());
            Test::Lang(fits.then(|| primary.to_owned()).ok_or("A language is written like lang:en or lang:de.")?)
        }
    })
}

fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.len() <= 20 && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    text.parse().ok().filter(|n: &f64| plain && n.is_finite())
}

fn score(text: &str) -> Option<Score> {
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(low)?, number(high)?);
        return (low <= high).then_some(Score::Between(low, high));
    }
    if let Some(n) = text.strip_prefix("<=") {
        return number(n).map(Score::AtMost);
    }
    if let Some(n) = text.strip_prefix(">=") {
        return number(n).map(Score::AtLeast);
    }
    if let Some(n) = text.strip_prefix('<') {
        return number(n).map(Score::Below);
    }
    if let Some(n) = text.strip_prefix('>') {
        return number(n).map(Score::Above);
    }
    number(text.strip_prefix('=').unwrap_or(text)).map(Score::Is)
}

fn when(text: &str) -> Result<When, String> {
    let wrong = || "A time is a day like 2026-11-23, or 7d, 2w, 3m for so many days, weeks, months ago.".to_owned();
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.len() == 10 {
        return Timestamp::from_day(text).map(When::Day).ok_or_else(wrong);
    }
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let n = digits.parse::<u32>().ok().filter(|n| *n <= 100_000).ok_or_else(wrong)?;
    match unit {
        "d" => Ok(When::DaysAgo(n)),
        "w" => Ok(When::WeeksAgo(n)),
        "m" => Ok(When::MonthsAgo(n)),
        _ => Err(wrong()),
    }
}
