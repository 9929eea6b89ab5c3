//! One line of a file as feedback.

use crate::{
    Timestamp,
    clock::DAY_MS,
    email,
    feedback::{Kind, MAX_TAG, Status, tag},
};

use super::{Plan, Target};

/// Most characters of a text.
pub const MAX_TEXT: usize = 20_000;
/// Most characters of the short fields.
const MAX_SHORT: usize = 200;
/// Most characters of an address.
const MAX_URL: usize = 2_000;
/// Most tags of one row.
const MAX_TAGS: usize = 20;

/// What one line of a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFeedback {
    /// What was said.
    pub text: String,
    /// Sorted, in normal form.
    pub tags: Vec<String>,
    /// The score.
    pub score: Option<f64>,
    /// The top of its scale.
    pub score_max: Option<f64>,
    /// What kind of feedback.
    pub kind: Kind,
    /// How far triage has come.
    pub status: Status,
    /// When it was said, if the file knows.
    pub created_at: Option<Timestamp>,
    /// BCP 47 primary language, if the file knows.
    pub language: Option<String>,
    /// The page it was said on.
    pub page_url: Option<String>,
    /// The release it was said about.
    pub release: Option<String>,
    /// The environment it was said in.
    pub environment: Option<String>,
    /// Who said it.
    pub contact: Option<NewContact>,
    /// The row's id in the system it comes from.
    pub external_id: Option<String>,
}

/// Who said it, as far as the file knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewContact {
    /// Their id in the system the file comes from.
    pub external_id: Option<String>,
    /// Lower case.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
}

impl Plan {
    /// Reads one line's fields.
    ///
    /// # Errors
    /// The reason why the line cannot go in, as a sentence for a person.
    pub fn row(&self, fields: &[&str], now: Timestamp) -> Result<NewFeedback, String> {
        self.check_width(fields)?;
        let text = clean(self.get(fields, Target::Text), true);
        let length = text.chars().count();
        if text.is_empty() {
            return Err("The text is empty.".into());
        }
        if length > MAX_TEXT {
            return Err(format!("The text has {length} characters; the most is {MAX_TEXT}. Perhaps a quotation mark is not closed."));
        }
        let score = number(self.get(fields, Target::Score), "score")?;
        let score_max = number(self.get(fields, Target::ScoreMax), "top of the scale")?;
        if let Some(max) = score_max.filter(|max| *max <= 0.0 || *max > 1000.0) {
            return Err(format!("The top of the scale, {max}, is not between 0 and 1000."));
        }
        let most = score_max.unwrap_or(1000.0);
        if let Some(score) = score.filter(|score| *score < 0.0 || *score > most) {
            return Err(format!("The score {score} is not between 0 and {most}."));
        }
        Ok(NewFeedback {
            text,
            tags: self.tags(fields)?,
            score,
            score_max: score.and(score_max),
            kind: word(self.get(fields, Target::Kind), Kind::Api, Kind::parse, "kind")?,
            status: self.status(fields)?,
            created_at: created_at(self.get(fields, Target::CreatedAt), now)?,
            language: language(self.get(fields, Target::Language))?,
            page_url: short(self.get(fields, Target::PageUrl), MAX_URL, "page address")?,
            release: short(self.get(fields, Target::Release), MAX_SHORT, "release")?,
            environment: short(self.get(fields, Target::Environment), MAX_SHORT, "environment")?,
            contact: self.contact(fields)?,
            external_id: short(self.get(fields, Target::ExternalId), MAX_SHORT, "row id")?,
        })
    }

    /// A line with fewer or more fields than the header has slipped: a quotation mark or separator is wrong in it.
    fn check_width(&self, fields: &[&str]) -> Result<(), String> {
        let used = fields.iter().rposition(|f| !f.trim().is_empty()).map_or(0, |i| i + 1);
        if fields.len() < self.width || used > self.width {
            return Err(format!("The line has {} fields; the header has {}.", fields.len(), self.width));
        }
        Ok(())
    }

    fn get<'f>(&'f self, fields: &[&'f str], target: Target) -> &'f str {
        let column = self.columns.iter().find(|(t, _)| *t == target).and_then(|(_, i)| fields.get(*i).copied());
        column.or_else(|| self.fixed.iter().find(|(t, _)| *t == target).map(|(_, v)| v.as_str())).unwrap_or_default()
    }

    fn tags(&self, fields: &[&str]) -> Result<Vec<String>, String> {
        let cells = self.columns.iter().filter(|(t, _)| *t == Target::Tag).filter_map(|(_, i)| fields.get(*i));
        let mut tags: Vec<String> = self.add_tag.iter().cloned().collect();
        for one in cells.flat_map(|cell| cell.split([',', ';'])).map(|t| clean(t, false)).filter(|t| !t.is_empty()) {
            tags.push(
                tag(&one).ok_or_else(|| {
                    format!("“{}” is not a tag: up to {MAX_TAG} characters, without colon or quotation mark.", brief(&one))
                })?,
            );
        }
        tags.sort();
        tags.dedup();
        if tags.len() > MAX_TAGS {
            return Err(format!("The line has {} tags; the most is {MAX_TAGS}.", tags.len()));
        }
        Ok(tags)
    }

    fn status(&self, fields: &[&str]) -> Result<Status, String> {
        let status = word(self.get(fields, Target::Status), Status::New, Status::parse, "status")?;
        // Linked means linked to a backlog item of ours, and an import links nothing.
        Ok(if status == Status::Linked { Status::Triaged } else { status })
    }

    fn contact(&self, fields: &[&str]) -> Result<Option<NewContact>, String> {
        let typed = short(self.get(fields, Target::ContactEmail), 254, "e-mail address")?;
        let email = typed.as_deref().and_then(email::read);
        if let Some(wrong) = typed.filter(|_| email.is_none()) {
            return Err(format!("“{}” is not an e-mail address.", brief(&wrong)));
        }
        let external_id = short(self.get(fields, Target::ContactId), MAX_SHORT, "person's id")?;
        let name = short(self.get(fields, Target::ContactName), MAX_SHORT, "person's name")?;
        let known = external_id.is_some() || email.is_some() || name.is_some();
        Ok(known.then_some(NewContact { external_id, email, name }))
    }
}

/// Without control characters and outer white space; line ends as line feeds, if `lines` may stay at all.
fn clean(text: &str, lines: bool) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept = text.chars().filter_map(|c| match c {
        '\n' | '\t' if lines => Some(c),
        '\n' | '\t' => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    });
    kept.collect::<String>().trim().to_owned()
}

/// The beginning of a value, to show in a reason.
fn brief(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

fn short(text: &str, most: usize, what: &str) -> Result<Option<String>, String> {
    let text = clean(text, false);
    if text.chars().count() > most {
        return Err(format!("The {what} is longer than {most} characters."));
    }
    Ok((!text.is_empty()).then_some(text))
}

fn number(text: &str, what: &str) -> Result<Option<f64>, String> {
    let text = clean(text, false);
    if text.is_empty() {
        return Ok(None);
    }
    let number: Option<f64> = text.parse().ok().or_else(|| text.replacen(',', ".", 1).parse().ok());
    number.filter(|n| n.is_finite()).map(Some).ok_or_else(|| format!("The {what} “{}” is not a number.", brief(&text)))
}

fn word<T>(text: &str, default: T, parse: impl Fn(&str) -> Option<T>, what: &str) -> Result<T, String> {
    let text = clean(text, false).to_lowercase().replace([' ', '-'], "_");
    if text.is_empty() { Ok(default) } else { parse(&text).ok_or_else(|| format!("“{}” is not a {what}.", brief(&text))) }
}

fn language(text: &str) -> Result<Option<String>, String> {
    let text = clean(text, false).to_lowercase();
    let primary = text.split(['-', '_']).next().unwrap_or_default();
    if primary.is_empty() {
        return Ok(None);
    }
    if (2..=3).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_lowercase()) {
        return Ok(Some(primary.to_owned()));
    }
    Err(format!("“{}” is not a language code like en or de-AT.", brief(&text)))
}

/// RFC 3339, a day, or a day and a time in UTC without the `T`.
fn created_at(text: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let text = clean(text, false);
    if text.is_empty() {
        return Ok(None);
    }
    let with_zone = || {
        let (day, time) = text.split_once([' ', 'T'])?;
        let time = time.trim_end_matches('Z');
        let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
        Timestamp::parse(&format!("{day}T{time}{seconds}Z"))
    };
    let at = Timestamp::parse(&text)
        .or_else(with_zone)
        .ok_or_else(|| format!("“{}” is not a date like 2026-11-23 or 2026-11-23T10:30:00Z.", brief(&text)))?;
    // A day of grace for clocks and time zones.
    if at.0 > now.0 + DAY_MS {
        return Err(format!("The date {} is in the future.", at.day()));
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Mapping, *};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn read(map: &str, header: &[&str], fields: &[&str]) -> Result<NewFeedback, String> {
        let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
        Mapping::parse(map).unwrap().plan(&header).unwrap().row(fields, NOW)
    }

    #[test]
    fn a_full_row_is_read() {
        let row = read(
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
        assert_eq!(row.text, "Hi\nthere");
        assert_eq!(row.tags, ["card-arrival", "new"]);
        assert_eq!((row.score, row.score_max), (Some(7.5), Some(10.0)));
        assert_eq!(row.created_at, Timestamp::parse("2026-11-20T08:30:00Z"));
        assert_eq!(row.contact.unwrap().email.as_deref(), Some("a@b.example"));
        assert_eq!((row.language.as_deref(), row.status, row.kind), (Some("de"), Status::Resolved, Kind::Api));
    }

    #[test]
    fn bad_lines_say_why() {
        let reason =
            |fields: &[&str]| read("text=t,score=s,score_max=5,created_at=d,contact_email=e", &["t", "s", "d", "e"], fields).unwrap_err();
        assert_eq!(reason(&[" ", "", "", ""]), "The text is empty.");
        assert!(reason(&["a", "ten", "", ""]).contains("not a number"));
        assert!(reason(&["a", "-1", "", ""]).contains("between 0 and 5"));
        assert!(reason(&["a", "", "yesterday", ""]).contains("not a date"));
        assert!(reason(&["a", "", "2999-01-01", ""]).contains("future"));
        assert!(reason(&["a", "", "", "nobody"]).contains("e-mail"));
        assert_eq!(reason(&["a", ""]), "The line has 2 fields; the header has 4.");
        assert!(reason(&["a", "", "", "", "more"]).contains("5 fields"));
        assert!(reason(&[&"x".repeat(MAX_TEXT + 1), "", "", ""]).contains("20001 characters"));
    }

    #[test]
    fn empty_fields_at_the_end_are_no_harm() {
        assert!(read("text=t", &["t", "u"], &["a", "", "", ""]).is_ok());
    }

    #[test]
    fn a_column_that_names_a_well_known_score_brings_its_scale() {
        assert_eq!(read("text=t,score=nps", &["t", "NPS"], &["a", "9"]).unwrap().score_max, Some(10.0));
        assert_eq!(read("text=t,score=s", &["t", "s"], &["a", "9"]).unwrap().score_max, None);
        assert!(read("text=t,score=csat", &["t", "csat"], &["a", "9"]).is_err());
    }

    #[test]
    fn linked_rows_come_in_as_triaged() {
        assert_eq!(read("text=t,status=s", &["t", "s"], &["a", "linked"]).unwrap().status, Status::Triaged);
    }

    proptest! {
        #[test]
        fn what_goes_in_keeps_the_limits(fields in prop::collection::vec(".{0,60}", 6)) {
            let all: Vec<&str> = fields.iter().map(String::as_str).collect();
            if let Ok(row) = read("text=a,tag=b,score=c,created_at=d,language=e,contact_name=f", &["a", "b", "c", "d", "e", "f"], &all) {
                prop_assert!(!row.text.is_empty() && row.text.chars().count() <= MAX_TEXT && !row.text.contains('\0'));
                prop_assert!(row.tags.iter().all(|t| tag(t).as_deref() == Some(t)));
                prop_assert!(row.score.is_none_or(|s| (0.0..=1000.0).contains(&s)));
            }
        }
    }
}
