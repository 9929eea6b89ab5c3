//! Mapping of a file's columns to fields of feedback.

use serde::{Deserialize, Serialize};

use super::{
    DateOrder, DateOrderEvidence, Encoding, MAX_HEADER_ROWS, Target, column_names, infer_scale_max, is_blank_value, target::normal,
};
use crate::{DomainError, FieldErrors, Zone, feedback};

/// How to read a file, which column fills which target, and what every row gets in addition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMapping {
    /// Target and column; tags may have several columns.
    pub columns: Vec<(Target, String)>,
    /// A tag that every row gets.
    pub add_tag: Option<String>,
    /// The file's encoding; `None`: detect it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// The order of day and month in purely numeric dates; `None`: unknown or not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
    /// How many rows name the columns, at most [`MAX_HEADER_ROWS`]; `None`: detect it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_rows: Option<usize>,
}

/// The form's fields that are not targets, with their labels.
const SETTINGS: [(&str, &str); 4] =
    [("add_tag", "Tag on every row"), ("encoding", "Encoding"), ("dates", "Date order"), ("header_rows", "Header rows")];

impl ColumnMapping {
    /// Parses `text=COLUMN,tag=COLUMN,…`. A column name with a comma needs double quotes.
    ///
    /// # Errors
    /// A sentence that names the invalid part.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let mut mapping = Self::default();
        let mut errors = FieldErrors::default();
        for part in split_quoted(text) {
            let Some((target, column)) = part.split_once('=') else {
                errors.add("map", "malformed", format!("“{part}” does not have the form target=COLUMN."));
                continue;
            };
            let (target, column) = (target.trim(), unquote(column));
            match Target::parse(target) {
                None => {
                    let known = Target::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
                    errors.add("map", "unknown", format!("“{target}” is not a target. Use one of {known}."));
                }
                Some(_) if column.is_empty() => errors.add("map", "malformed", format!("“{target}=” does not name a column.")),
                Some(target) => mapping.set(target, &column, &mut errors, "map"),
            }
        }
        errors.into_result(mapping)
    }

    /// Reads a form's pairs (`text` = column, `tag` = column, …, `add_tag` = tag); empty values and other fields are ignored.
    ///
    /// # Errors
    /// A message per field.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DomainError> {
        let (mapping, errors) = Self::read_pairs(pairs);
        errors.into_result(mapping)
    }

    /// As [`ColumnMapping::from_pairs`], but also returns the valid part of an invalid form.
    #[must_use]
    pub fn read_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, FieldErrors) {
        let mut mapping = Self::default();
        let mut errors = FieldErrors::default();
        for (name, value) in pairs {
            if name == "add_tag" && !value.trim().is_empty() {
                mapping.add_tag = feedback::normalize_tag(value);
                if mapping.add_tag.is_none() {
                    errors.add("add_tag", "tag", feedback::tag_rule());
                }
            } else if name == "encoding" && !value.is_empty() {
                mapping.encoding = Encoding::parse(value);
                if mapping.encoding.is_none() {
                    errors.add("encoding", "unknown", "Choose one of the encodings.");
                }
            } else if name == "dates" && !value.is_empty() {
                mapping.dates = DateOrder::parse(value);
                if mapping.dates.is_none() {
                    errors.add("dates", "unknown", "Choose whether the day or the month comes first.");
                }
            } else if name == "header_rows" && !value.is_empty() {
                mapping.header_rows = value.parse().ok().filter(|n| (1..=MAX_HEADER_ROWS).contains(n));
                if mapping.header_rows.is_none() {
                    errors.add("header_rows", "unknown", format!("Choose a number from 1 to {MAX_HEADER_ROWS}."));
                }
            } else if let (Some(target), false) = (Target::parse(name), value.is_empty()) {
                mapping.set(target, value, &mut errors, name);
            }
        }
        (mapping, errors)
    }

    fn set(&mut self, target: Target, column: &str, errors: &mut FieldErrors, field: &str) {
        if target != Target::Tag && self.column(target).is_some() {
            errors.add(field, "twice", format!("“{}” is mapped twice. Only tags can come from several columns.", target.as_str()));
        } else if !self.columns.iter().any(|(t, c)| *t == target && c == column) {
            self.columns.push((target, column.to_owned()));
        }
    }

    /// The form pairs from which [`ColumnMapping::from_pairs`] restores the mapping.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let columns = self.columns.iter().map(|(t, c)| (t.as_str().to_owned(), c.clone()));
        columns.chain(self.settings().into_iter().map(|(name, value)| (name.to_owned(), value))).collect()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let values = [
            self.add_tag.clone(),
            self.encoding.map(|e| e.as_str().to_owned()),
            self.dates.map(|d| d.as_str().to_owned()),
            self.header_rows.map(|n| n.to_string()),
        ];
        SETTINGS.iter().zip(values).filter_map(|((name, _), value)| Some((*name, value?))).collect()
    }

    /// Returns whether a form field of this name is part of a mapping.
    #[must_use]
    pub fn is_field(name: &str) -> bool {
        Target::parse(name).is_some() || SETTINGS.iter().any(|(known, _)| *known == name)
    }

    /// Label and value of every setting that is set, for display.
    #[must_use]
    pub fn labelled_settings(&self) -> Vec<(&'static str, String)> {
        let columns = self.columns.iter().map(|(t, c)| (t.label(), c.clone()));
        let values = [
            self.add_tag.clone(),
            self.encoding.map(|e| e.label().to_owned()),
            self.dates.map(|d| d.label().to_owned()),
            self.header_rows.filter(|n| *n > 1).map(|n| n.to_string()),
        ];
        columns.chain(SETTINGS.iter().zip(values).filter_map(|((_, label), value)| Some((*label, value?)))).collect()
    }

    /// The (first) column of a target.
    #[must_use]
    pub fn column(&self, target: Target) -> Option<&str> {
        self.columns.iter().find(|(t, _)| *t == target).map(|(_, c)| c.as_str())
    }

    /// Guesses a mapping from a file's column names and first rows. A file with one column is all text.
    #[must_use]
    pub fn guess(header: &[String], rows: &[Vec<String>]) -> Self {
        let names = column_names(header);
        let normals: Vec<String> = names.iter().map(|n| normal(n)).collect();
        let mut taken = vec![false; names.len()];
        let mut mapping = Self::default();
        for target in Target::ALL {
            let found = target.names().iter().find_map(|name| (0..names.len()).find(|i| !taken[*i] && normals[*i] == *name));
            if let Some(i) = found {
                taken[i] = true;
                mapping.columns.push((*target, names[i].clone()));
            }
        }
        if let ([only], None) = (names.as_slice(), mapping.column(Target::Text)) {
            mapping.columns = vec![(Target::Text, only.clone())];
        }
        let cells = |column: &str| cells(&names, rows, column).collect::<Vec<_>>();
        // A column called "customer" may well contain e-mail addresses.
        if mapping.column(Target::ContactEmail).is_none()
            && let Some((target, column)) = mapping.columns.iter_mut().find(|(t, _)| matches!(t, Target::ContactName | Target::ContactId))
            && mostly(cells(column), |cell| super::parse_contact_address(cell).is_some())
        {
            *target = Target::ContactEmail;
        }
        if mapping.column(Target::ScoreMax).is_none()
            && let Some(column) = mapping.column(Target::Score)
            && let Some(scale) = known_scale(column).or_else(|| infer_scale_max(cells(column)))
        {
            mapping.columns.push((Target::ScoreMax, scale.to_owned()));
        }
        mapping.columns.sort_by_key(|(target, _)| *target);
        mapping
    }

    /// Evidence in a file's date column, if one is mapped, for the order of day and month.
    #[must_use]
    pub fn order(&self, header: &[String], rows: &[Vec<String>]) -> DateOrderEvidence {
        let names = column_names(header);
        self.column(Target::CreatedAt)
            .map_or(DateOrderEvidence::Irrelevant, |column| DateOrderEvidence::detect(cells(&names, rows, column)))
    }

    /// Renames each column from its name in `before` to the name at the same position in `after`: names change with the encoding.
    #[must_use]
    pub fn rename_columns(&self, before: &[String], after: &[String]) -> Self {
        let (before, after) = (column_names(before), column_names(after));
        let rename = |(target, column): &(Target, String)| {
            let same = position(&after, column).is_none().then(|| position(&before, column)).flatten();
            (*target, same.and_then(|i| after.get(i)).unwrap_or(column).clone())
        };
        Self { columns: self.columns.iter().map(rename).collect(), ..self.clone() }
    }

    /// Binds the mapping to a file's header; `zone` applies to times without a zone.
    ///
    /// # Errors
    /// Returns an error if the text is not mapped, or a column is not in the file; the message names the file's columns.
    pub fn plan(&self, header: &[String], zone: &Zone) -> Result<BoundMapping, DomainError> {
        let names = column_names(header);
        let mut errors = FieldErrors::default();
        let mut plan = BoundMapping {
            columns: Vec::new(),
            fixed: Vec::new(),
            width: header.len(),
            add_tag: self.add_tag.clone(),
            dates: self.dates,
            zone: zone.clone(),
        };
        for (target, column) in &self.columns {
            let wanted = column.trim();
            match position(&names, wanted) {
                Some(i) => plan.columns.push((*target, i)),
                None if is_fixed(*target, wanted) => plan.fixed.push((*target, wanted.to_owned())),
                None => {
                    let known = names.iter().map(|n| format!("“{n}”")).collect::<Vec<_>>().join(", ");
                    errors.add(target.as_str(), "no_column", format!("The file has no column “{wanted}”. Its columns are {known}."));
                }
            }
        }
        if self.column(Target::Text).is_none() {
            errors.add("text", "required", "Choose the column that contains the text.");
        }
        if self.column(Target::ScoreMax).is_none()
            && let Some(scale) = self.column(Target::Score).and_then(known_scale)
        {
            plan.fixed.push((Target::ScoreMax, scale.to_owned()));
        }
        errors.into_result(plan)
    }
}

/// The index of a column, by its exact name, or else ignoring case.
fn position(names: &[String], wanted: &str) -> Option<usize> {
    let wanted = wanted.trim();
    let exact = names.iter().position(|n| n == wanted);
    exact.or_else(|| names.iter().position(|n| n.to_lowercase() == wanted.to_lowercase()))
}

fn cells<'a>(names: &[String], rows: &'a [Vec<String>], column: &str) -> impl Iterator<Item = &'a str> {
    let at = position(names, column);
    rows.iter().filter_map(move |row| at.and_then(|i| row.get(i))).map(String::as_str)
}

/// Returns whether most of the non-blank cells satisfy `is_such`.
fn mostly(cells: Vec<&str>, is_such: impl Fn(&str) -> bool) -> bool {
    let values: Vec<&str> = cells.into_iter().filter(|c| !is_blank_value(c)).collect();
    !values.is_empty() && values.iter().filter(|v| is_such(v)).count() * 2 > values.len()
}

/// Returns whether a value may be written in place of a column name: `score_max=5`, `kind=ticket`, `status=triaged`.
fn is_fixed(target: Target, value: &str) -> bool {
    match target {
        Target::ScoreMax => value.parse::<f64>().is_ok_and(|n| n > 0.0 && n <= 1000.0),
        Target::Kind => feedback::FeedbackKind::parse(value).is_some(),
        Target::Status => feedback::FeedbackStatus::parse(value).is_some_and(|s| s != feedback::FeedbackStatus::Linked),
        _ => false,
    }
}

/// The scale maximum that the name of a score column implies by definition.
fn known_scale(column: &str) -> Option<&'static str> {
    match normal(column).as_str() {
        "nps" => Some("10"),
        "csat" => Some("5"),
        "ces" => Some("7"),
        _ => None,
    }
}

/// A mapping bound to a file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundMapping {
    pub(super) columns: Vec<(Target, usize)>,
    pub(super) fixed: Vec<(Target, String)>,
    pub(super) width: usize,
    pub(super) add_tag: Option<String>,
    pub(super) dates: Option<DateOrder>,
    pub(super) zone: Zone,
}

impl BoundMapping {
    /// The number of columns in the file.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
}

fn split_quoted(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => {
                quoted ^= c == '"';
                part.push(c);
            }
        }
    }
    parts.push(part);
    parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

fn unquote(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).map_or_else(|| text.to_owned(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::imports::count_header_rows;

    fn merge_header_rows(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_command_line_names_targets_and_columns() {
        let mapping = ColumnMapping::parse("text=Message, tag=\"Area, sub\",tag=type,score_max=10").unwrap();
        assert_eq!(mapping.column(Target::Text), Some("Message"));
        assert_eq!(mapping.columns[1], (Target::Tag, "Area, sub".into()));
        assert_eq!(mapping.columns.len(), 4);
        for wrong in ["text", "text=", "colour=x", "text=a,text=b"] {
            assert!(ColumnMapping::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_form_reads_back_what_it_shows() {
        let mapping = ColumnMapping {
            add_tag: Some("spring".into()),
            encoding: Some(Encoding::Macintosh),
            dates: Some(DateOrder::DayFirst),
            header_rows: Some(2),
            ..ColumnMapping::parse("text=a,tag=b,tag=c").unwrap()
        };
        let pairs = mapping.pairs();
        assert_eq!(ColumnMapping::from_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))).unwrap(), mapping);
        assert!(ColumnMapping::from_pairs([("add_tag", "a:b")]).is_err());
        assert_eq!(ColumnMapping::from_pairs([("score", ""), ("idempotency_key", "x")]).unwrap(), ColumnMapping::default());
    }

    #[test]
    fn names_suggest_a_mapping() {
        let guess = ColumnMapping::guess(&merge_header_rows(&["ID", "E-Mail", "Comment", "Category", "Rating", "Created at", "?"]), &[]);
        assert_eq!(guess.column(Target::Text), Some("Comment"));
        assert_eq!(guess.column(Target::Tag), Some("Category"));
        assert_eq!(guess.column(Target::ContactEmail), Some("E-Mail"));
        assert_eq!(guess.column(Target::ExternalId), Some("ID"));
        assert_eq!(guess.column(Target::CreatedAt), Some("Created at"));
        assert_eq!(ColumnMapping::guess(&merge_header_rows(&["whatever"]), &[]).column(Target::Text), Some("whatever"));
        assert_eq!(ColumnMapping::guess(&merge_header_rows(&["a", "b"]), &[]).column(Target::Text), None);
    }

    #[test]
    fn b8_values_suggest_the_scale_and_who_the_customer_is() {
        let names = merge_header_rows(&["Message", "Customer", "Rating"]);
        let guess = ColumnMapping::guess(&names, &[merge_header_rows(&["Fine", "Ann Lee", "4"]), merge_header_rows(&["Bad", "", "n/a"])]);
        assert_eq!((guess.column(Target::ContactName), guess.column(Target::ContactId)), (Some("Customer"), None));
        assert_eq!(guess.column(Target::ScoreMax), Some("5"));
        assert!(guess.plan(&names, &crate::zone::UTC).is_ok());
        let guess = ColumnMapping::guess(
            &names,
            &[merge_header_rows(&["Fine", "ann@example.com", "9"]), merge_header_rows(&["Bad", "bo@example.com", ""])],
        );
        assert_eq!((guess.column(Target::ContactEmail), guess.column(Target::ContactName)), (Some("Customer"), None));
        assert_eq!(guess.column(Target::ScoreMax), Some("10"));
        assert_eq!(
            ColumnMapping::guess(&merge_header_rows(&["Text", "NPS"]), &[merge_header_rows(&["a", "3"])]).column(Target::ScoreMax),
            Some("10")
        );
    }

    #[test]
    fn columns_keep_their_place_when_their_names_change() {
        let mapping = ColumnMapping::parse("text=GrÃ¶ÃŸe,score=n").unwrap();
        let renamed = mapping.rename_columns(&merge_header_rows(&["n", "GrÃ¶ÃŸe"]), &merge_header_rows(&["n", "Größe"]));
        assert_eq!(renamed.columns, [(Target::Text, "Größe".into()), (Target::Score, "n".into())]);
    }

    #[test]
    fn settings_are_read_from_the_form() {
        let fields = [("text", "t"), ("encoding", "shift_jis"), ("dates", "mdy"), ("header_rows", "2")];
        let mapping = ColumnMapping::from_pairs(fields).unwrap();
        assert_eq!(
            (mapping.encoding, mapping.dates, mapping.header_rows),
            (Some(Encoding::ShiftJis), Some(DateOrder::MonthFirst), Some(2))
        );
        assert_eq!(mapping.pairs().len(), 4);
        for wrong in [("encoding", "utf-7"), ("dates", "ymd"), ("header_rows", "0"), ("header_rows", "4")] {
            assert!(ColumnMapping::from_pairs([wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_plan_needs_the_text_and_columns_that_exist() {
        let head = merge_header_rows(&["Text", "n"]);
        assert!(ColumnMapping::parse("text=text,score=n,score_max=5,kind=ticket").unwrap().plan(&head, &crate::zone::UTC).is_ok());
        let DomainError::Invalid(errors) = ColumnMapping::parse("tag=area").unwrap().plan(&head, &crate::zone::UTC).unwrap_err() else {
            panic!()
        };
        assert!(errors.message_for("tag").unwrap().contains("“Text”, “n”"), "{errors:?}");
        assert!(errors.message_for("text").is_some());
        assert!(ColumnMapping::parse("text=text,score_max=-1").unwrap().plan(&head, &crate::zone::UTC).is_err());
        assert!(ColumnMapping::parse("text=text,status=linked").unwrap().plan(&head, &crate::zone::UTC).is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".*", names in prop::collection::vec(".*", 0..6)) {
            drop(ColumnMapping::guess(&names, std::slice::from_ref(&names)).plan(&names, &crate::zone::UTC));
            drop((count_header_rows(&[names.clone(), names.clone()]), super::super::header(std::slice::from_ref(&names))));
            drop(ColumnMapping::parse(&text).map(|m| m.plan(&names, &crate::zone::UTC)));
        }
    }
}
