//! Conversion of one line of a file into feedback.

use crate::{
    Timestamp,
    clock::DAY_MS,
    feedback::{FeedbackKind, FeedbackStatus, normalize_tag, tag_rule},
    text::{line, multiline},
};

use super::{
    BoundMapping, DateParseError, ProblemKind, RowProblem, Target, UNREADABLE, is_blank_value, parse_contact_address, parse_score,
    problem::brief, read_date,
};

/// Most characters of a text.
pub const MAX_TEXT: usize = 20_000;
/// Most characters of the short fields.
const MAX_SHORT: usize = 200;
/// Most characters of a URL.
const MAX_URL: usize = 2_000;
/// Most tags of one row.
const MAX_TAGS: usize = 20;

/// The contents of one line of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedFeedback {
    /// The text.
    pub text: String,
    /// Sorted, in normal form.
    pub tags: Vec<String>,
    /// The score.
    pub score: Option<f64>,
    /// The maximum of its scale.
    pub score_max: Option<f64>,
    /// The kind of feedback.
    pub kind: FeedbackKind,
    /// The triage status.
    pub status: FeedbackStatus,
    /// Submission time, if the file contains it.
    pub created_at: Option<Timestamp>,
    /// BCP 47 primary language, if the file contains it.
    pub language: Option<String>,
    /// The page it was given on.
    pub page_url: Option<String>,
    /// The release it is about.
    pub release: Option<String>,
    /// The environment it was given in.
    pub environment: Option<String>,
    /// The person who gave it.
    pub contact: Option<ImportedContact>,
    /// The row's id in the source system.
    pub external_id: Option<String>,
}

/// The person who gave the feedback, as far as the file identifies them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedContact {
    /// Their id in the source system.
    pub external_id: Option<String>,
    /// Lower case.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
}

/// A row to import, and the values omitted from it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedRow {
    /// The feedback to store.
    pub feedback: ImportedFeedback,
    /// Cells of optional columns that could not be read and are omitted.
    pub left_out: Vec<RowProblem>,
}

impl BoundMapping {
    /// Reads one line's cells; missing cells at its end count as empty. An optional cell that cannot be read is omitted.
    ///
    /// # Errors
    /// The reason why the row cannot be imported.
    pub fn row(&self, fields: &[&str], now: Timestamp) -> Result<ImportedRow, RowProblem> {
        self.check_width(fields)?;
        let text = multiline(self.get(fields, Target::Text));
        let length = text.chars().count();
        if text.is_empty() {
            return Err(RowProblem::new(ProblemKind::NoText, "", "The text is empty."));
        }
        if text.contains(UNREADABLE) {
            let message = "The text contains bytes that are invalid in the chosen encoding. Choose another encoding.";
            return Err(RowProblem::new(ProblemKind::Encoding, &text.replace(UNREADABLE, "\u{FFFD}"), message));
        }
        if length > MAX_TEXT {
            let message =
                format!("The text has {length} characters, but the limit is {MAX_TEXT}. A closing quotation mark may be missing.");
            return Err(RowProblem::new(ProblemKind::TextTooLong, &text, message));
        }
        let mut left = SkippedCells::default();
        let (score, score_max) = self.score(fields, &mut left);
        let short = |target, most, left: &mut SkippedCells| left.short(self.get(fields, target), most, target.label());
        let feedback = ImportedFeedback {
            text,
            tags: self.tags(fields, &mut left),
            score,
            score_max,
            kind: self.kind(fields, &mut left),
            status: self.status(fields, &mut left),
            created_at: self.created_at(fields, now, &mut left),
            language: self.language(fields, &mut left),
            page_url: short(Target::PageUrl, MAX_URL, &mut left),
            release: short(Target::Release, MAX_SHORT, &mut left),
            environment: short(Target::Environment, MAX_SHORT, &mut left),
            contact: self.contact(fields, &mut left),
            external_id: short(Target::ExternalId, MAX_SHORT, &mut left),
        };
        Ok(ImportedRow { feedback, left_out: left.0 })
    }

    /// A line with more cells than the header is misaligned: it has a wrong quotation mark or separator.
    fn check_width(&self, fields: &[&str]) -> Result<(), RowProblem> {
        let used = fields.iter().rposition(|f| !f.trim().is_empty()).map_or(0, |i| i + 1);
        if used > self.width {
            let message = format!(
                "The row has {used} cells, but the header has {}. A cell that contains a separator may be missing its quotation marks.",
                self.width
            );
            return Err(RowProblem::new(
                ProblemKind::TooManyCells,
                fields[self.width..].iter().find(|f| !f.trim().is_empty()).unwrap_or(&""),
                message,
            ));
        }
        Ok(())
    }

    fn get<'f>(&'f self, fields: &[&'f str], target: Target) -> &'f str {
        let column = self.columns.iter().find(|(t, _)| *t == target).and_then(|(_, i)| fields.get(*i).copied());
        column.or_else(|| self.fixed.iter().find(|(t, _)| *t == target).map(|(_, v)| v.as_str())).unwrap_or_default()
    }

    /// The score and the maximum of its scale: the cell's own (`4/5`), or else the mapped one.
    fn score(&self, fields: &[&str], left: &mut SkippedCells) -> (Option<f64>, Option<f64>) {
        let Some(cell) = left.value(self.get(fields, Target::Score)) else { return (None, None) };
        let Some(read) = parse_score(&cell) else {
            left.add(ProblemKind::Score, &cell, format!("The score “{}” is not a number.", brief(&cell)));
            return (None, None);
        };
        let mapped = left.value(self.get(fields, Target::ScoreMax)).and_then(|cell| {
            let max = parse_score(&cell).filter(|s| s.max.is_none()).map(|s| s.score).filter(|max| *max > 0.0 && *max <= 1000.0);
            if max.is_none() {
                left.add(ProblemKind::ScoreMax, &cell, format!("The scale maximum “{}” is not a number between 0 and 1000.", brief(&cell)));
            }
            max
        });
        let max = read.max.or(mapped).or(read.usual_max);
        let most = max.unwrap_or(1000.0);
        if !(0.0..=most.min(1000.0)).contains(&read.score) {
            left.add(ProblemKind::ScoreRange, &cell, format!("The score {} is not between 0 and {most}.", read.score));
            return (None, None);
        }
        (Some(read.score), max)
    }

    fn tags(&self, fields: &[&str], left: &mut SkippedCells) -> Vec<String> {
        let cells = self.columns.iter().filter(|(t, _)| *t == Target::Tag).filter_map(|(_, i)| fields.get(*i));
        let mut tags: Vec<String> = Vec::new();
        for one in cells.flat_map(|cell| cell.split([',', ';'])).filter_map(line).filter(|t| !is_blank_value(t)) {
            match normalize_tag(&one).filter(|t| !t.contains(UNREADABLE)) {
                Some(tag) => tags.push(tag),
                None => {
                    left.add(ProblemKind::Tag, &one, format!("“{}” is not a valid tag. {}", brief(&one), tag_rule()));
                }
            }
        }
        tags.sort();
        tags.dedup();
        let room = MAX_TAGS - usize::from(self.add_tag.is_some());
        if tags.len() > room {
            left.add(ProblemKind::Tags, &tags[room], format!("The row has {} tags, but the limit is {MAX_TAGS}.", tags.len()));
            tags.truncate(room);
        }
        tags.extend(self.add_tag.clone());
        tags.sort();
        tags.dedup();
        tags
    }

    /// Imported records are of kind `import` unless a column says otherwise. `ticket` is not possible: a ticket needs a conversation, and
    /// files contain none.
    fn kind(&self, fields: &[&str], left: &mut SkippedCells) -> FeedbackKind {
        let Some(cell) = left.value(self.get(fields, Target::Kind)) else { return FeedbackKind::Import };
        match FeedbackKind::parse(&word(&cell)) {
            Some(FeedbackKind::Ticket) => {
                left.add(ProblemKind::Kind, &cell, "Tickets cannot be imported because they need a conversation. The kind is “import”.");
                FeedbackKind::Import
            }
            Some(kind) => kind,
            None => {
                left.add(ProblemKind::Kind, &cell, format!("“{}” is not a kind of feedback.", brief(&cell)));
                FeedbackKind::Import
            }
        }
    }

    fn status(&self, fields: &[&str], left: &mut SkippedCells) -> FeedbackStatus {
        let Some(cell) = left.value(self.get(fields, Target::Status)) else { return FeedbackStatus::New };
        match word(&cell).as_str() {
            // Linked means linked to one of Earshot's backlog items, and an import creates no links.
            "linked" | "pending" | "in_progress" => FeedbackStatus::Triaged,
            "open" => FeedbackStatus::New,
            "closed" | "solved" | "done" => FeedbackStatus::Resolved,
            word => FeedbackStatus::parse(word).unwrap_or_else(|| {
                left.add(ProblemKind::Status, &cell, format!("“{}” is not a status.", brief(&cell)));
                FeedbackStatus::New
            }),
        }
    }

    fn created_at(&self, fields: &[&str], now: Timestamp, left: &mut SkippedCells) -> Option<Timestamp> {
        let cell = left.value(self.get(fields, Target::CreatedAt))?;
        match read_date(&cell, self.dates, &self.zone) {
            // One day of tolerance for clocks and time zones.
            Ok(at) if at.0 > now.0 + DAY_MS => {
                left.add(ProblemKind::Future, &cell, format!("The date “{}” is in the future.", brief(&cell)));
                None
            }
            Ok(at) => Some(at),
            Err(DateParseError::NotADate) => {
                left.add(ProblemKind::Date, &cell, format!("“{}” is not a date.", brief(&cell)));
                None
            }
            Err(DateParseError::AmbiguousOrder) => {
                let message = format!("“{}” is ambiguous. Choose whether the day or the month comes first.", brief(&cell));
                left.add(ProblemKind::DateOrder, &cell, message);
                None
            }
        }
    }

    fn language(&self, fields: &[&str], left: &mut SkippedCells) -> Option<String> {
        let cell = left.value(self.get(fields, Target::Language))?;
        let lower = cell.to_lowercase();
        let primary = lower.split(['-', '_']).next().unwrap_or_default();
        if (2..=3).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_lowercase()) {
            return Some(primary.to_owned());
        }
        left.add(ProblemKind::Language, &cell, format!("“{}” is not a language code like en or de-AT.", brief(&cell)));
        None
    }

    fn contact(&self, fields: &[&str], left: &mut SkippedCells) -> Option<ImportedContact> {
        let found = left.value(self.get(fields, Target::ContactEmail)).and_then(|cell| {
            let found = parse_contact_address(&cell);
            if found.is_none() {
                left.add(ProblemKind::Email, &cell, format!("“{}” is not an e-mail address.", brief(&cell)));
            }
            found
        });
        let (email, with_it) = found.unzip();
        let external_id = left.short(self.get(fields, Target::ContactId), MAX_SHORT, "Person: ID");
        let name = left.short(self.get(fields, Target::ContactName), MAX_SHORT, "Person: name");
        let name = name.or_else(|| with_it.flatten().filter(|name| name.chars().count() <= MAX_SHORT));
        let known = external_id.is_some() || email.is_some() || name.is_some();
        known.then_some(ImportedContact { external_id, email, name })
    }
}

/// The cells of a row that could not be read.
#[derive(Default)]
struct SkippedCells(Vec<RowProblem>);

impl SkippedCells {
    fn add(&mut self, fault: ProblemKind, value: &str, message: impl Into<String>) {
        self.0.push(RowProblem::new(fault, value, message));
    }

    /// The cleaned cell of an optional column; `None` if it has no value.
    fn value(&mut self, cell: &str) -> Option<String> {
        let cell = line(cell)?;
        if cell.contains(UNREADABLE) {
            let message = "A cell contains bytes that are invalid in the chosen encoding.";
            self.add(ProblemKind::Bytes, &cell.replace(UNREADABLE, "\u{FFFD}"), message);
            return None;
        }
        (!is_blank_value(&cell)).then_some(cell)
    }

    fn short(&mut self, cell: &str, most: usize, what: &str) -> Option<String> {
        let cell = self.value(cell)?;
        if cell.chars().count() > most {
            self.add(ProblemKind::TooLong, &cell, format!("The value for “{what}” is longer than {most} characters."));
            return None;
        }
        Some(cell)
    }
}

/// A cell in the form of a stored word: `In progress` becomes `in_progress`.
fn word(cell: &str) -> String {
    cell.to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::ColumnMapping, *};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn row(map: &str, header: &[&str], fields: &[&str]) -> Result<ImportedRow, RowProblem> {
        let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
        ColumnMapping::parse(map).unwrap().plan(&header, &crate::zone::UTC).unwrap().row(fields, NOW)
    }

    fn read(map: &str, header: &[&str], fields: &[&str]) -> ImportedFeedback {
        row(map, header, fields).unwrap().feedback
    }

    #[test]
    fn a_full_row_is_read() {
        let row = row(
            "text=t,tag=g,score=s,score_max=10,created_at=d,contact_email=e,contact_name=n,language=l,status=st,external_id=i,page_url=u",
            &["t", "g", "s", "d", "e", "n", "l", "st", "i", "u"],
            &[
                " Hi\r\nthere\0 ",
                "Card Arrival; new,new",
                "7,5",
                "2026-11-20 08:30",
                "A@B.example",
                "Ann",
                "de-AT",
                "Resolved",
                "x1",
                "https://a/",
            ],
        )
        .unwrap();
        assert_eq!(row.left_out, []);
        let row = row.feedback;
        assert_eq!(row.text, "Hi\nthere");
        assert_eq!(row.tags, ["card-arrival", "new"]);
        assert_eq!((row.score, row.score_max), (Some(7.5), Some(10.0)));
        assert_eq!(row.created_at, Timestamp::parse("2026-11-20T08:30:00Z"));
        assert_eq!(row.contact.unwrap().email.as_deref(), Some("a@b.example"));
        assert_eq!((row.language.as_deref(), row.status, row.kind), (Some("de"), FeedbackStatus::Resolved, FeedbackKind::Import));
    }

    #[test]
    fn only_the_text_can_cost_the_row() {
        let problem = |fields: &[&str]| row("text=t,score=s", &["t", "s"], fields).unwrap_err();
        assert_eq!((problem(&[" ", ""]).fault, problem(&[" ", ""]).message.as_str()), (ProblemKind::NoText, "The text is empty."));
        assert_eq!(problem(&["a", "", "more"]).fault, ProblemKind::TooManyCells);
        let long = problem(&[&"x".repeat(MAX_TEXT + 1), ""]);
        assert!(long.fault == ProblemKind::TextTooLong && long.message.contains("20001 characters"));
        assert_eq!(problem(&[&format!("M{UNREADABLE}ller"), ""]).fault, ProblemKind::Encoding);
    }

    #[test]
    fn c19_c20_optional_cells_that_cannot_be_read_are_left_out_and_named() {
        let map = "text=t,score=s,score_max=5,created_at=d,contact_email=e,language=l,kind=k,status=st,release=r,tag=g";
        let header = ["t", "s", "d", "e", "l", "k", "st", "r", "g"];
        let long = "x".repeat(MAX_SHORT + 1);
        for (column, cell, fault) in [
            (1, "ten", ProblemKind::Score),
            (1, "-1", ProblemKind::ScoreRange),
            (1, "6", ProblemKind::ScoreRange),
            (2, "yesterday", ProblemKind::Date),
            (2, "2999-01-01", ProblemKind::Future),
            (2, "01/02/2020", ProblemKind::DateOrder),
            (3, "nobody", ProblemKind::Email),
            (4, "English", ProblemKind::Language),
            (5, "rant", ProblemKind::Kind),
            (5, "ticket", ProblemKind::Kind),
            (6, "odd", ProblemKind::Status),
            (7, long.as_str(), ProblemKind::TooLong),
            (8, "a:b", ProblemKind::Tag),
            (7, "1\u{FDD0}0", ProblemKind::Bytes),
        ] {
            let mut fields = ["Hi", "", "", "", "", "", "", "", ""];
            fields[column] = cell;
            let read = row(map, &header, &fields).unwrap();
            assert_eq!(read.left_out.iter().map(|p| p.fault).collect::<Vec<_>>(), [fault], "{cell}");
            assert!(fault.left_out().is_some());
            assert_eq!(read.feedback, row(map, &header, &["Hi"]).unwrap().feedback, "{cell}");
        }
        let nothing = ["Hi", "n/a", "NULL", "-", "nan", "#N/A", "None", "--", "n/a; -"];
        let read = row(map, &header, &nothing).unwrap();
        assert_eq!((read.left_out, read.feedback.contact, read.feedback.score), (vec![], None, None));
    }

    #[test]
    fn c07_cells_missing_at_the_end_are_empty() {
        assert_eq!(read("text=t,contact_email=e", &["t", "c", "e"], &["a"]).contact, None);
        assert_eq!(read("text=t", &["t", "u"], &["a", "", "", ""]).text, "a");
    }

    #[test]
    fn c19_an_address_brings_its_name_unless_a_column_does() {
        let contact = |fields: &[&str]| read("text=t,contact_email=e,contact_name=n", &["t", "e", "n"], fields).contact.unwrap();
        assert_eq!(contact(&["a", "Ann Lee <Ann@x.example>"]).name.as_deref(), Some("Ann Lee"));
        assert_eq!(contact(&["a", "Ann Lee <Ann@x.example>"]).email.as_deref(), Some("ann@x.example"));
        assert_eq!(contact(&["a", "Ann Lee <ann@x.example>", "Dr Lee"]).name.as_deref(), Some("Dr Lee"));
    }

    #[test]
    fn c22_a_scores_own_scale_goes_before_the_mapped_one() {
        let score = |cell: &str| {
            let row = read("text=t,score=s,score_max=5", &["t", "s"], &["a", cell]);
            (row.score, row.score_max)
        };
        assert_eq!(score("4/5"), (Some(4.0), Some(5.0)));
        assert_eq!(score("★★★★☆"), (Some(4.0), Some(5.0)));
        assert_eq!(score("4 stars"), (Some(4.0), Some(5.0)));
        assert_eq!(score("80 %"), (Some(80.0), Some(100.0)));
        assert_eq!(score("9/5"), (None, None));
    }

    #[test]
    fn a_column_that_names_a_well_known_score_brings_its_scale() {
        assert_eq!(read("text=t,score=nps", &["t", "NPS"], &["a", "9"]).score_max, Some(10.0));
        assert_eq!(read("text=t,score=s", &["t", "s"], &["a", "9"]).score_max, None);
        assert_eq!(read("text=t,score=csat", &["t", "csat"], &["a", "9"]).score, None);
    }

    #[test]
    fn other_systems_words_for_a_status_are_known() {
        let status = |cell: &str| read("text=t,status=s", &["t", "s"], &["a", cell]).status;
        assert_eq!(status("linked"), FeedbackStatus::Triaged);
        assert_eq!(
            (status("Open"), status("In progress"), status("Closed")),
            (FeedbackStatus::New, FeedbackStatus::Triaged, FeedbackStatus::Resolved)
        );
    }

    #[test]
    fn too_many_tags_are_cut_and_the_imports_own_stays() {
        let many = (0..30).map(|n| format!("t{n}")).collect::<Vec<_>>().join(";");
        let header: Vec<String> = ["t", "g"].map(String::from).into();
        let mapping = ColumnMapping { add_tag: Some("spring".into()), ..ColumnMapping::parse("text=t,tag=g").unwrap() };
        let read = mapping.plan(&header, &crate::zone::UTC).unwrap().row(&["a", &many], NOW).unwrap();
        assert!(read.feedback.tags.len() == MAX_TAGS && read.feedback.tags.contains(&"spring".to_owned()));
        assert_eq!(read.left_out[0].fault, ProblemKind::Tags);
    }

    proptest! {
        #[test]
        fn what_goes_in_keeps_the_limits(fields in prop::collection::vec(".{0,60}", 6)) {
            let all: Vec<&str> = fields.iter().map(String::as_str).collect();
            if let Ok(row) = row("text=a,tag=b,score=c,created_at=d,language=e,contact_name=f", &["a", "b", "c", "d", "e", "f"], &all) {
                let row = row.feedback;
                prop_assert!(!row.text.is_empty() && row.text.chars().count() <= MAX_TEXT && !row.text.contains('\0'));
                prop_assert!(row.tags.iter().all(|t| normalize_tag(t).as_deref() == Some(t)));
                prop_assert!(row.score.is_none_or(|s| (0.0..=1000.0).contains(&s)));
            }
        }
    }
}
