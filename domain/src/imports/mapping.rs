//! Which column of a file becomes what.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::words;
use crate::{Error, FieldErrors, feedback};

words! {
    /// What a column can become.
    Target {
        /// What was said. The one that every import needs.
        Text = "text" / "Text",
        /// One or several tags.
        Tag = "tag" / "Tags",
        /// A score.
        Score = "score" / "Score",
        /// The top of the score's scale.
        ScoreMax = "score_max" / "Score out of",
        /// When it was said.
        CreatedAt = "created_at" / "Date",
        /// The person's id in the system the file comes from.
        ContactId = "contact_id" / "Person: id",
        /// The person's e-mail address.
        ContactEmail = "contact_email" / "Person: e-mail",
        /// The person's name.
        ContactName = "contact_name" / "Person: name",
        /// The page it was said on.
        PageUrl = "page_url" / "Page address",
        /// The release it was said about.
        Release = "release" / "Release",
        /// The environment it was said in.
        Environment = "environment" / "Environment",
        /// The language it was said in.
        Language = "language" / "Language",
        /// What kind of feedback it is.
        Kind = "kind" / "Kind",
        /// How far triage has come.
        Status = "status" / "Status",
        /// The row's own id, by which it is known when the file is imported again.
        ExternalId = "external_id" / "Row id",
    }
}

impl Target {
    /// Column names that mean this, in normal form (see [`normal`]), the likeliest first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Text => &[
                "text",
                "message",
                "comment",
                "body",
                "feedback",
                "content",
                "description",
                "review",
                "answer",
                "verbatim",
                "query",
                "question",
                "nachricht",
                "kommentar",
                "texte",
            ],
            Self::Tag => {
                &["tag", "tags", "category", "categories", "label", "labels", "topic", "intent", "type", "kategorie", "schlagwort"]
            }
            Self::Score => &["score", "rating", "stars", "nps", "csat", "ces", "grade", "bewertung", "note"],
            Self::ScoreMax => &["scoremax", "maxscore", "outof", "scale"],
            Self::CreatedAt => &["createdat", "created", "date", "time", "timestamp", "submittedat", "submitted", "datum"],
            Self::ContactId => &["contactid", "userid", "customerid", "user", "customer"],
            Self::ContactEmail => &["contactemail", "email", "emailaddress", "useremail", "customeremail"],
            Self::ContactName => &["contactname", "name", "username", "customername", "fullname", "author"],
            Self::PageUrl => &["pageurl", "url", "page", "link"],
            Self::Release => &["release", "version", "appversion"],
            Self::Environment => &["environment", "env", "stage"],
            Self::Language => &["language", "lang", "locale", "sprache"],
            Self::Kind => &["kind", "source", "channel"],
            Self::Status => &["status", "state"],
            Self::ExternalId => &["externalid", "id", "rowid", "responseid", "feedbackid", "ticketid", "uuid"],
        }
    }
}

/// A name without case, spaces and punctuation: `E-Mail address` is `emailaddress`.
fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names of a header's columns as a person picks them: trimmed, unnamed ones numbered, repeated ones told apart.
#[must_use]
pub fn columns(header: &[String]) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let named = |(n, name): (usize, &String)| {
        let name = name.trim();
        let name = if name.is_empty() { format!("column {}", n + 1) } else { name.to_owned() };
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    };
    header.iter().enumerate().map(named).collect()
}

/// Which column becomes what, and what every row gets besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Target and column; tags may have several columns.
    pub columns: Vec<(Target, String)>,
    /// A tag that every row gets.
    pub add_tag: Option<String>,
}

impl Mapping {
    /// Reads `text=COLUMN,tag=COLUMN,…`. A column name with a comma stands in double quotes.
    ///
    /// # Errors
    /// A sentence that names the part which is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut mapping = Self::default();
        let mut errors = FieldErrors::default();
        for part in split_quoted(text) {
            let Some((target, column)) = part.split_once('=') else {
                errors.add("map", "malformed", format!("“{part}” is not of the form target=COLUMN."));
                continue;
            };
            let (target, column) = (target.trim(), unquote(column));
            match Target::parse(target) {
                None => {
                    let known = Target::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
                    errors.add("map", "unknown", format!("“{target}” is not a target; these are: {known}."));
                }
                Some(_) if column.is_empty() => errors.add("map", "malformed", format!("“{target}=” names no column.")),
                Some(target) => mapping.set(target, &column, &mut errors, "map"),
            }
        }
        errors.into_result(mapping)
    }

    /// Reads a form's pairs (`text` = column, `tag` = column, …, `add_tag` = tag); empty values and other fields are left out.
    ///
    /// # Errors
    /// A message per field.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut mapping = Self::default();
        let mut errors = FieldErrors::default();
        for (name, value) in pairs {
            if name == "add_tag" && !value.trim().is_empty() {
                mapping.add_tag = feedback::tag(value);
                if mapping.add_tag.is_none() {
                    errors.add(
                        "add_tag",
                        "tag",
                        format!("A tag has up to {} characters, without comma, colon or quotation mark.", feedback::MAX_TAG),
                    );
                }
            } else if let (Some(target), false) = (Target::parse(name), value.is_empty()) {
                mapping.set(target, value, &mut errors, name);
            }
        }
        errors.into_result(mapping)
    }

    fn set(&mut self, target: Target, column: &str, errors: &mut FieldErrors, field: &str) {
        if target != Target::Tag && self.column(target).is_some() {
            errors.add(field, "twice", format!("“{}” is given twice; only tags can come from several columns.", target.as_str()));
        } else if !self.columns.iter().any(|(t, c)| *t == target && c == column) {
            self.columns.push((target, column.to_owned()));
        }
    }

    /// The form's pairs that [`Mapping::from_pairs`] reads back.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let columns = self.columns.iter().map(|(t, c)| (t.as_str().to_owned(), c.clone()));
        columns.chain(self.add_tag.iter().map(|t| ("add_tag".to_owned(), t.clone()))).collect()
    }

    /// The (first) column of a target.
    #[must_use]
    pub fn column(&self, target: Target) -> Option<&str> {
        self.columns.iter().find(|(t, _)| *t == target).map(|(_, c)| c.as_str())
    }

    /// What the names of a file's columns suggest. A file with one column is all text.
    #[must_use]
    pub fn guess(header: &[String]) -> Self {
        let names = columns(header);
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
        mapping
    }

    /// Ties the mapping to a file's header.
    ///
    /// # Errors
    /// When the text is not mapped, or a column is not in the file; the message names the columns that are.
    pub fn plan(&self, header: &[String]) -> Result<Plan, Error> {
        let names = columns(header);
        let mut errors = FieldErrors::default();
        let mut plan = Plan { columns: Vec::new(), fixed: Vec::new(), width: header.len(), add_tag: self.add_tag.clone() };
        for (target, column) in &self.columns {
            let wanted = column.trim();
            let exact = names.iter().position(|n| n == wanted);
            match exact.or_else(|| names.iter().position(|n| n.to_lowercase() == wanted.to_lowercase())) {
                Some(i) => plan.columns.push((*target, i)),
                None if is_fixed(*target, wanted) => plan.fixed.push((*target, wanted.to_owned())),
                None => {
                    let known = names.iter().map(|n| format!("“{n}”")).collect::<Vec<_>>().join(", ");
                    errors.add(target.as_str(), "no_column", format!("The file has no column “{wanted}”. It has {known}."));
                }
            }
        }
        if self.column(Target::Text).is_none() {
            errors.add("text", "required", "Choose the column that holds the text.");
        }
        if self.column(Target::ScoreMax).is_none()
            && let Some(scale) = self.column(Target::Score).and_then(known_scale)
        {
            plan.fixed.push((Target::ScoreMax, scale.to_owned()));
        }
        errors.into_result(plan)
    }
}

/// Whether the value itself may stand where a column's name is expected: `score_max=5`, `kind=ticket`, `status=triaged`.
fn is_fixed(target: Target, value: &str) -> bool {
    match target {
        Target::ScoreMax => value.parse::<f64>().is_ok_and(|n| n > 0.0 && n <= 1000.0),
        Target::Kind => feedback::Kind::parse(value).is_some(),
        Target::Status => feedback::Status::parse(value).is_some_and(|s| s != feedback::Status::Linked),
        _ => false,
    }
}

/// The top of the scale that a score column of this name has by definition.
fn known_scale(column: &str) -> Option<&'static str> {
    match normal(column).as_str() {
        "nps" => Some("10"),
        "csat" => Some("5"),
        "ces" => Some("7"),
        _ => None,
    }
}

/// A mapping tied to a file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) columns: Vec<(Target, usize)>,
    pub(super) fixed: Vec<(Target, String)>,
    pub(super) width: usize,
    pub(super) add_tag: Option<String>,
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

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_command_line_names_targets_and_columns() {
        let mapping = Mapping::parse("text=Message, tag=\"Area, sub\",tag=type,score_max=10").unwrap();
        assert_eq!(mapping.column(Target::Text), Some("Message"));
        assert_eq!(mapping.columns[1], (Target::Tag, "Area, sub".into()));
        assert_eq!(mapping.columns.len(), 4);
        for wrong in ["text", "text=", "colour=x", "text=a,text=b"] {
            assert!(Mapping::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_form_reads_back_what_it_shows() {
        let mapping = Mapping { add_tag: Some("spring".into()), ..Mapping::parse("text=a,tag=b,tag=c").unwrap() };
        let pairs = mapping.pairs();
        assert_eq!(Mapping::from_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))).unwrap(), mapping);
        assert!(Mapping::from_pairs([("add_tag", "a:b")]).is_err());
        assert_eq!(Mapping::from_pairs([("score", ""), ("idempotency_key", "x")]).unwrap(), Mapping::default());
    }

    #[test]
    fn names_suggest_a_mapping() {
        let guess = Mapping::guess(&header(&["ID", "E-Mail", "Comment", "Category", "Rating", "Created at", "?"]));
        assert_eq!(guess.column(Target::Text), Some("Comment"));
        assert_eq!(guess.column(Target::Tag), Some("Category"));
        assert_eq!(guess.column(Target::ContactEmail), Some("E-Mail"));
        assert_eq!(guess.column(Target::ExternalId), Some("ID"));
        assert_eq!(guess.column(Target::CreatedAt), Some("Created at"));
        assert_eq!(Mapping::guess(&header(&["whatever"])).column(Target::Text), Some("whatever"));
        assert_eq!(Mapping::guess(&header(&["a", "b"])).column(Target::Text), None);
    }

    #[test]
    fn columns_have_names_that_can_be_told_apart() {
        assert_eq!(columns(&header(&["a", " a ", "", "b"])), header(&["a", "a (2)", "column 3", "b"]));
    }

    #[test]
    fn a_plan_needs_the_text_and_columns_that_exist() {
        let head = header(&["Text", "n"]);
        assert!(Mapping::parse("text=text,score=n,score_max=5,kind=ticket").unwrap().plan(&head).is_ok());
        let Error::Invalid(errors) = Mapping::parse("tag=area").unwrap().plan(&head).unwrap_err() else { panic!() };
        assert!(errors.at("tag").unwrap().contains("“Text”, “n”"), "{errors:?}");
        assert!(errors.at("text").is_some());
        assert!(Mapping::parse("text=text,score_max=-1").unwrap().plan(&head).is_err());
        assert!(Mapping::parse("text=text,status=linked").unwrap().plan(&head).is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".*", names in prop::collection::vec(".*", 0..6)) {
            drop(Mapping::guess(&names).plan(&names));
            drop(Mapping::parse(&text).map(|m| m.plan(&names)));
        }

        #[test]
        fn columns_are_unique_unless_named_to_collide(names in prop::collection::vec("[a-c]{0,1}", 0..8)) {
            let mut out = columns(&names);
            prop_assert_eq!(out.len(), names.len());
            out.sort();
            out.dedup();
            prop_assert_eq!(out.len(), names.len());
        }
    }
}
