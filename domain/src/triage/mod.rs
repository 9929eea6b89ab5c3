//! The query language of the inbox: `words "phrase" -not status:new score:<=6`.
//!
//! Repeating a field means "any of these"; different fields, words and phrases must all match; `-` in front of a term negates it, and `OR`
//! between words or phrases matches any of them. Values with spaces need quotes. Text that is not a field is a word: `12:30`, `std::vector`
//! and `https://…` are searched for. So are `--flag` and `-1`, which are usually pasted rather than intended as operators.

mod matches;
mod parse;

use std::{fmt, ops::Range};

pub use matches::{Condition, FeedbackFacts, FieldConditions, MatchContext, NOBODY, ProjectNames, QueryConditions, TextCondition};
use serde::{Deserialize, Serialize};

use crate::{
    Day, Timestamp, Zone,
    clock::DAY_MS,
    feedback::{FeedbackKind, FeedbackStatus},
    tickets::Priority,
    words::words,
};

/// Most items that one bulk change to all matches of a query may affect.
pub const MAX_MATCHING: usize = 10_000;
/// Longest query, in characters.
pub const MAX_QUERY: usize = 2000;
/// Most words and phrases in one query.
pub const MAX_WORDS: usize = 32;
/// Most parts of any kind in one query.
pub const MAX_PARTS: usize = 64;

/// A query syntax error with its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Byte offset into the query, on a character boundary.
    pub position: usize,
    /// Message for the person who wrote the query.
    pub message: String,
}

/// A parsed inbox query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TriageQuery {
    /// In the order written.
    pub parts: Vec<QueryPart>,
}

/// One part of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryPart {
    /// Written with `-` in front: must not match.
    pub negated: bool,
    /// The term to match.
    pub what: QueryTerm,
}

/// The term of one part of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum QueryTerm {
    /// A word, in any of its forms.
    Word(String),
    /// Words next to each other, as written.
    Phrase(String),
    /// Any of these words and phrases.
    Any(Vec<QueryTerm>),
    /// A field filter.
    Test(FieldFilter),
}

words! {
    /// The fields of the query language.
    QueryField {
        /// The triage status.
        Status = "status" / "Status",
        /// The source of the feedback.
        Kind = "kind" / "Kind",
        /// The urgency of a ticket.
        Priority = "priority" / "Priority",
        /// A tag.
        Tag = "tag" / "Tag",
        /// The score.
        Score = "score" / "Score",
        /// The person it is assigned to.
        Assignee = "assignee" / "Assignee",
        /// Presence of something, such as a link.
        Has = "has" / "Has",
        /// The survey that it answers.
        Survey = "survey" / "Survey",
        /// Submitted before this time.
        Before = "before" / "Before",
        /// Submitted at or after this time.
        After = "after" / "After",
        /// The release it is about.
        Release = "release" / "Release",
        /// The environment it was given in.
        Env = "env" / "Environment",
        /// Its language.
        Lang = "lang" / "Language",
        /// Another way to filter by status: `is:spam`.
        Is = "is" / "Is",
    }
}

words! {
    /// Values of `has:`.
    HasFlag {
        /// A link to the backlog.
        Link = "link" / "a backlog link",
        /// A team comment.
        Comment = "comment" / "a comment",
        /// A known contact.
        Contact = "contact" / "a contact",
        /// Any text.
        Text = "text" / "words",
        /// A score.
        Score = "score" / "a score",
        /// A tag.
        Tag = "tag" / "a tag",
    }
}

/// The assignee in a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignee {
    /// The person searching.
    Me,
    /// Unassigned.
    Nobody,
    /// A member by e-mail address or id.
    Member(String),
}

/// A point in time as written in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryDate {
    /// The beginning of a day in the project's zone.
    Day(Day),
    /// This many days before now.
    DaysAgo(u32),
    /// This many weeks before now.
    WeeksAgo(u32),
    /// This many months of 30 days before now.
    MonthsAgo(u32),
}

impl QueryDate {
    /// The point in time that it denotes at `now` in a zone.
    #[must_use]
    pub fn at(self, now: Timestamp, zone: &Zone) -> Timestamp {
        let ago = |n: u32, days: i64| now.plus_ms(-(i64::from(n).saturating_mul(days).saturating_mul(DAY_MS)));
        match self {
            Self::Day(day) => zone.start_of_day(day),
            Self::DaysAgo(n) => ago(n, 1),
            Self::WeeksAgo(n) => ago(n, 7),
            Self::MonthsAgo(n) => ago(n, 30),
        }
    }
}

impl fmt::Display for QueryDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::DaysAgo(n) => write!(f, "{n}d"),
            Self::WeeksAgo(n) => write!(f, "{n}w"),
            Self::MonthsAgo(n) => write!(f, "{n}m"),
        }
    }
}

/// A comparison with a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum ScoreFilter {
    /// Exactly this.
    Is(f64),
    /// Less.
    Below(f64),
    /// This or less.
    AtMost(f64),
    /// More.
    Above(f64),
    /// This or more.
    AtLeast(f64),
    /// From the first to the second, both included.
    Between(f64, f64),
}

impl ScoreFilter {
    /// Returns whether a score matches.
    #[must_use]
    pub fn holds(self, score: f64) -> bool {
        match self {
            // Exact, as in the index.
            Self::Is(n) => Self::Between(n, n).holds(score),
            Self::Below(n) => score < n,
            Self::AtMost(n) => score <= n,
            Self::Above(n) => score > n,
            Self::AtLeast(n) => score >= n,
            Self::Between(low, high) => score >= low && score <= high,
        }
    }
}

impl fmt::Display for ScoreFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(n) => write!(f, "{n}"),
            Self::Below(n) => write!(f, "<{n}"),
            Self::AtMost(n) => write!(f, "<={n}"),
            Self::Above(n) => write!(f, ">{n}"),
            Self::AtLeast(n) => write!(f, ">={n}"),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

/// A filter on a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FieldFilter {
    /// `status:new`
    Status(FeedbackStatus),
    /// `kind:ticket`
    Kind(FeedbackKind),
    /// `priority:urgent`
    Priority(Priority),
    /// `tag:billing`
    Tag(String),
    /// `score:<=6`
    Score(ScoreFilter),
    /// `assignee:me`
    Assignee(Assignee),
    /// `has:link`
    Has(HasFlag),
    /// `survey:"After checkout"`: a name or an id.
    Survey(String),
    /// `before:2026-11-01`
    Before(QueryDate),
    /// `after:7d`
    After(QueryDate),
    /// `release:2.4.1`
    Release(String),
    /// `env:production`
    Env(String),
    /// `lang:de`
    Lang(String),
}

impl FieldFilter {
    /// Parses the value of a field.
    ///
    /// # Errors
    /// A message about the invalid value, for the person who wrote it.
    pub fn parse(field: QueryField, value: &str) -> Result<Self, String> {
        parse::test(field, value)
    }

    /// The field that it filters by.
    #[must_use]
    pub fn field(&self) -> QueryField {
        match self {
            Self::Status(_) => QueryField::Status,
            Self::Kind(_) => QueryField::Kind,
            Self::Priority(_) => QueryField::Priority,
            Self::Tag(_) => QueryField::Tag,
            Self::Score(_) => QueryField::Score,
            Self::Assignee(_) => QueryField::Assignee,
            Self::Has(_) => QueryField::Has,
            Self::Survey(_) => QueryField::Survey,
            Self::Before(_) => QueryField::Before,
            Self::After(_) => QueryField::After,
            Self::Release(_) => QueryField::Release,
            Self::Env(_) => QueryField::Env,
            Self::Lang(_) => QueryField::Lang,
        }
    }

    /// The value as written, without quotes.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Status(status) => status.as_str().into(),
            Self::Kind(kind) => kind.as_str().into(),
            Self::Priority(priority) => priority.as_str().into(),
            Self::Tag(text) | Self::Survey(text) | Self::Release(text) | Self::Env(text) | Self::Lang(text) => text.clone(),
            Self::Score(score) => score.to_string(),
            Self::Assignee(Assignee::Me) => "me".into(),
            Self::Assignee(Assignee::Nobody) => NOBODY.into(),
            Self::Assignee(Assignee::Member(who)) => who.clone(),
            Self::Has(flag) => flag.as_str().into(),
            Self::Before(when) | Self::After(when) => when.to_string(),
        }
    }
}

impl fmt::Display for FieldFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        // Two colons in a row are text, as in `std::vector`.
        let quote = if value.starts_with(':') || value.contains(|c: char| c.is_whitespace() || parse::is_quote(c)) { "\"" } else { "" };
        write!(f, "{}:{quote}{value}{quote}", self.field().as_str())
    }
}

impl fmt::Display for QueryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        self.what.fmt(f)
    }
}

impl fmt::Display for QueryTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Phrase(phrase) => write!(f, "\"{phrase}\""),
            Self::Test(test) => test.fmt(f),
            Self::Any(any) => {
                for (n, what) in any.iter().enumerate() {
                    if n > 0 {
                        f.write_str(" OR ")?;
                    }
                    what.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for TriageQuery {
    /// The canonical text: parsing it gives the same query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.parts.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}

impl TriageQuery {
    /// Parses a query. Never panics.
    ///
    /// # Errors
    /// A message about the syntax error, and its position.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::query(text)
    }

    /// Returns whether the query is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The words and phrases that must match.
    pub fn texts(&self) -> impl Iterator<Item = &QueryTerm> {
        self.parts.iter().filter(|p| !p.negated && !matches!(p.what, QueryTerm::Test(_))).map(|p| &p.what)
    }

    /// Returns whether any word or phrase must match, so that ranking by relevance is meaningful.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.texts().next().is_some()
    }

    /// The filters on a field, with whether each is negated.
    pub fn tests(&self, field: QueryField) -> impl Iterator<Item = (bool, &FieldFilter)> {
        self.parts.iter().filter_map(move |part| match &part.what {
            QueryTerm::Test(test) if test.field() == field => Some((part.negated, test)),
            _ => None,
        })
    }

    /// Returns whether the query asks for spam; otherwise spam is excluded.
    #[must_use]
    pub fn wants_spam(&self) -> bool {
        self.tests(QueryField::Status).any(|(negated, test)| !negated && *test == FieldFilter::Status(FeedbackStatus::Spam))
    }

    /// The score filters as ranges of which any may match; `None` if the query has no score filter. Separate lower and upper bounds
    /// (`score:>=3 score:<=6`) mean the range between them if there is one.
    #[must_use]
    pub fn score_ranges(&self) -> Option<Vec<Vec<ScoreFilter>>> {
        let asked: Vec<ScoreFilter> = self
            .tests(QueryField::Score)
            .filter_map(|(negated, test)| match test {
                FieldFilter::Score(score) if !negated => Some(*score),
                _ => None,
            })
            .collect();
        if asked.is_empty() {
            return None;
        }
        let low = asked.iter().filter_map(|s| if let ScoreFilter::Above(n) | ScoreFilter::AtLeast(n) = s { Some((*n, *s)) } else { None });
        let high = asked.iter().filter_map(|s| if let ScoreFilter::Below(n) | ScoreFilter::AtMost(n) = s { Some((*n, *s)) } else { None });
        let (low, high) = (low.min_by(|a, b| a.0.total_cmp(&b.0)), high.max_by(|a, b| a.0.total_cmp(&b.0)));
        match (low, high) {
            (Some((from, low)), Some((to, high))) if from <= to => {
                let others = asked.iter().filter(|s| matches!(s, ScoreFilter::Is(_) | ScoreFilter::Between(..)));
                Some(others.map(|s| vec![*s]).chain([vec![low, high]]).collect())
            }
            _ => Some(asked.into_iter().map(|s| vec![s]).collect()),
        }
    }

    /// Returns whether the query contains `field:value` (not negated).
    #[must_use]
    pub fn has(&self, field: QueryField, value: &str) -> bool {
        FieldFilter::parse(field, value).is_ok_and(|test| self.parts.contains(&QueryPart { negated: false, what: QueryTerm::Test(test) }))
    }

    /// Returns the query with `field:value` added; unchanged if the value is invalid for the field.
    #[must_use]
    pub fn with(&self, field: QueryField, value: &str) -> Self {
        let mut query = self.clone();
        if let Ok(test) = FieldFilter::parse(field, &value.replace('"', " ")) {
            query.parts.retain(|part| part.what != QueryTerm::Test(test.clone()) && !parse::is_marks(&part.what));
            query.parts.push(QueryPart { negated: false, what: QueryTerm::Test(test) });
        }
        query
    }

    /// Returns the query without `field:value`.
    #[must_use]
    pub fn without(&self, field: QueryField, value: &str) -> Self {
        let mut query = self.clone();
        if let Ok(test) = FieldFilter::parse(field, value) {
            query.parts.retain(|part| part.what != QueryTerm::Test(test.clone()));
        }
        query
    }
}

/// Splits a text into parts, each with whether it is to be highlighted.
#[must_use]
pub fn highlight_spans<'t>(text: &'t str, ranges: &[Range<usize>]) -> Vec<(bool, &'t str)> {
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut at = 0;
    for range in ranges {
        if range.start < at {
            continue;
        }
        let (Some(before), Some(hit)) = (text.get(at..range.start), text.get(range.clone())) else { break };
        if !before.is_empty() {
            pieces.push((false, before));
        }
        pieces.push((true, hit));
        at = range.end;
    }
    if let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        pieces.push((false, rest));
    }
    pieces
}

#[cfg(test)]
mod tests;
