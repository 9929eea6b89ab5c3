//! Problems with a row, or with one cell of it.

use serde::{Deserialize, Serialize};

use crate::{text::shorten, words::words};

words! {
    /// The kind of problem; problems are grouped by it.
    ProblemKind {
        /// The text cell is empty.
        NoText = "no_text" / "No text",
        /// The text is longer than the limit.
        TextTooLong = "text_too_long" / "Text longer than 20,000 characters",
        /// More cells than the header has columns.
        TooManyCells = "too_many_cells" / "More cells than columns",
        /// An unclosed quotation mark includes the lines after it.
        Quote = "quote" / "Quotation mark not closed",
        /// The row is larger than the limit.
        TooLarge = "too_large" / "Row larger than 1 MB",
        /// Bytes in the text that are not valid in the file's encoding.
        Encoding = "encoding" / "Invalid in this encoding",
        /// Bytes in an optional cell that are not valid in the file's encoding.
        Bytes = "bytes" / "Invalid in this encoding",
        /// The database rejected the row.
        Database = "database" / "Rejected by the database",
        /// Not a known date format.
        Date = "date" / "Not a date",
        /// Day and month of a date are ambiguous, and no order was chosen.
        DateOrder = "date_order" / "Day and month are ambiguous",
        /// A date later than tomorrow.
        Future = "future" / "Date in the future",
        /// Not a known score format.
        Score = "score" / "Not a score",
        /// A score below 0 or above the scale maximum.
        ScoreRange = "score_range" / "Score outside its scale",
        /// Not a valid scale maximum.
        ScoreMax = "score_max" / "Not a valid scale maximum",
        /// Not an e-mail address.
        Email = "email" / "Not an e-mail address",
        /// Not a tag.
        Tag = "tag" / "Not a tag",
        /// More tags than one record may have.
        Tags = "tags" / "More than 20 tags",
        /// Not a language code.
        Language = "language" / "Not a language code",
        /// Not a kind of feedback that an import can create.
        Kind = "kind" / "Not a kind of feedback",
        /// Not a status.
        Status = "status" / "Not a status",
        /// Longer than the field's limit.
        TooLong = "too_long" / "Value too long",
    }
}

impl ProblemKind {
    /// The label as it is written within a sentence.
    #[must_use]
    pub fn phrase(self) -> String {
        let (first, rest) = self.label().split_at(1);
        first.to_lowercase() + rest
    }

    /// The field that is omitted because of it; `None` if the whole row is.
    #[must_use]
    pub fn left_out(self) -> Option<&'static str> {
        Some(match self {
            Self::NoText | Self::TextTooLong | Self::TooManyCells | Self::Quote | Self::TooLarge | Self::Encoding | Self::Database => {
                return None;
            }
            Self::Date | Self::DateOrder | Self::Future => "date",
            Self::Score | Self::ScoreRange => "score",
            Self::ScoreMax => "scale maximum",
            Self::Email => "e-mail address",
            Self::Tag | Self::Tags => "tag",
            Self::Language => "language",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::TooLong | Self::Bytes => "value",
        })
    }
}

/// One problem of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// Its kind.
    pub fault: ProblemKind,
    /// The beginning of the invalid value; may be empty.
    pub value: String,
    /// The full message for people.
    pub message: String,
}

impl RowProblem {
    /// A problem with a value.
    #[must_use]
    pub fn new(fault: ProblemKind, value: &str, message: impl Into<String>) -> Self {
        Self { fault, value: brief(value), message: message.into() }
    }

    /// An unclosed quotation mark at `line` runs on to line `last`: to the end of the file, or to the next quotation mark.
    #[must_use]
    pub fn quote(line: u64, last: u64, at_end: bool) -> Self {
        let swallowed = last.saturating_sub(line);
        let lines = match swallowed {
            0 => String::new(),
            1 => format!(" The next line, {last}, was read as part of the same cell."),
            n => format!(" The next {n} lines, up to line {last}, were read as part of the same cell."),
        };
        let what = if at_end { "is never closed" } else { "is closed in the wrong place" };
        let advice = "Close it, or double it if it is part of the text.";
        Self::new(ProblemKind::Quote, "", format!("The quotation mark (\") opened on line {line} {what}.{lines} {advice}"))
    }

    /// The row is too large to store.
    #[must_use]
    pub fn too_large(line: u64, last: u64) -> Self {
        let text =
            format!("The row is larger than 1 MB: it runs from line {line} to line {last}. A closing quotation mark (\") may be missing.");
        Self::new(ProblemKind::TooLarge, "", text)
    }

    /// The database rejected the row.
    #[must_use]
    pub fn database() -> Self {
        Self::new(ProblemKind::Database, "", "The database rejected this row.")
    }
}

/// The beginning of a value, for messages.
pub(super) fn brief(text: &str) -> String {
    shorten(text, 40)
}

/// Rows with the same kind of problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemGroup {
    /// The kind of problem.
    pub fault: ProblemKind,
    /// Number of rows with it.
    pub rows: i64,
    /// The first of these rows.
    pub examples: Vec<ProblemExample>,
}

/// One row of a [`ProblemGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemExample {
    /// Its line in the file.
    pub line: i64,
    /// The beginning of the invalid value; may be empty.
    pub value: String,
}

/// Problems counted by kind, in the order of [`ProblemKind::ALL`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProblemCounts(Vec<ProblemGroup>);

impl ProblemCounts {
    /// Examples stored per kind.
    pub const EXAMPLES: usize = 3;

    /// Counts a row's problem.
    pub fn add(&mut self, line: i64, problem: &RowProblem) {
        self.join(ProblemGroup { fault: problem.fault, rows: 1, examples: vec![ProblemExample { line, value: problem.value.clone() }] });
    }

    /// Adds counts from elsewhere, for later rows.
    pub fn join(&mut self, group: ProblemGroup) {
        let Some(known) = self.0.iter_mut().find(|g| g.fault == group.fault) else {
            self.0.push(group);
            return self.0.sort_by_key(|g| g.fault);
        };
        known.rows += group.rows;
        known.examples.extend(group.examples);
        known.examples.truncate(Self::EXAMPLES);
    }

    /// All groups.
    #[must_use]
    pub fn all(&self) -> &[ProblemGroup] {
        &self.0
    }

    /// Groups of rows that failed (`true`), or that were imported without one field (`false`); the largest first.
    #[must_use]
    pub fn of(&self, lost: bool) -> Vec<ProblemGroup> {
        let mut groups: Vec<ProblemGroup> = self.0.iter().filter(|g| g.fault.left_out().is_none() == lost).cloned().collect();
        groups.sort_by_key(|g| std::cmp::Reverse(g.rows));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_counted_by_kind_with_the_first_examples() {
        let mut groups = ProblemCounts::default();
        for line in 2..502 {
            groups.add(line, &RowProblem::new(ProblemKind::Date, "tomorrow", "…"));
        }
        groups.add(7, &RowProblem::new(ProblemKind::NoText, "", "…"));
        let [date] = groups.of(false).try_into().unwrap();
        assert_eq!((date.rows, date.examples.len(), date.examples[2].line), (500, 3, 4));
        assert_eq!(groups.of(true).len(), 1);
    }

    #[test]
    fn a_quotation_mark_is_told_with_the_lines_it_swallows() {
        let text = RowProblem::quote(3, 5, true).message;
        assert!(
            text.contains("quotation mark (\") opened on line 3 is never closed") && text.contains("next 2 lines, up to line 5"),
            "{text}"
        );
    }
}
