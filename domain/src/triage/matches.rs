//! The meaning of a query: which feedback it matches. The search index, the list read from the database while the index is not available, and
//! everything else that applies a query use this definition.
//!
//! A record has *values* in the fields that are compared exactly ([`FeedbackFacts::values`]), and a query sets *conditions*
//! ([`TriageQuery::conditions`]). The index stores those values and looks up those conditions; [`QueryConditions::matches`] applies them
//! to one record. Whether a text contains a word is decided elsewhere, because only the search crate knows tokens and stems.

use std::borrow::Cow;

use uuid::Uuid;

use super::{Assignee, FieldFilter, HasFlag, QueryDate, QueryField, QueryTerm, ScoreFilter, TriageQuery};
use crate::{
    Timestamp, Zone, email,
    feedback::{Feedback, FeedbackStatus},
    ids::{StaffId, SurveyId},
    text::{cut, is_same_name, spaced},
    tickets::Priority,
};

/// The value of `assignee:` for unassigned feedback.
pub const NOBODY: &str = "none";

/// Longest value of an exactly compared field, in characters. Longer values are cut off, on both sides of the comparison.
const MAX_VALUE: usize = 200;

/// One piece of feedback with all facts that a query can filter by.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackFacts<'a> {
    /// The record.
    pub feedback: &'a Feedback,
    /// The priority of a ticket.
    pub priority: Option<Priority>,
    /// Linked to the backlog.
    pub linked: bool,
    /// Has a comment of the team.
    pub commented: bool,
    /// The contact has a name, an address or an id.
    pub contact_known: bool,
}

impl FeedbackFacts<'_> {
    /// The values that the record has in a field, as [`Condition::Value`] asks for them. Scores and times are compared as numbers instead, so
    /// their fields have none.
    #[must_use]
    pub fn values(&self, field: QueryField) -> Vec<Cow<'_, str>> {
        let word = |word: &'static str| vec![Cow::Borrowed(word)];
        let Feedback { kind, survey, release, environment, language, status, assignee, tags, .. } = self.feedback;
        match field {
            QueryField::Status => word(status.as_str()),
            QueryField::Kind => word(kind.as_str()),
            QueryField::Priority => self.priority.into_iter().map(|priority| Cow::Borrowed(priority.as_str())).collect(),
            QueryField::Tag => tags.iter().map(|tag| exact_value(tag)).collect(),
            QueryField::Assignee => vec![assignee.map_or(Cow::Borrowed(NOBODY), |id| Cow::Owned(id.to_string()))],
            QueryField::Has => self.flags().map(|flag| Cow::Borrowed(flag.as_str())).collect(),
            QueryField::Survey => survey.iter().map(|id| Cow::Owned(id.to_string())).collect(),
            QueryField::Release => optional_value(release.as_deref()),
            QueryField::Env => optional_value(environment.as_deref()),
            QueryField::Lang => optional_value(Some(language.as_str())),
            // `is:` is another way to write `status:`.
            QueryField::Score | QueryField::Before | QueryField::After | QueryField::Is => Vec::new(),
        }
    }

    fn flags(&self) -> impl Iterator<Item = HasFlag> {
        let Feedback { text, score, tags, .. } = self.feedback;
        let holds = move |flag: &HasFlag| match flag {
            HasFlag::Link => self.linked,
            HasFlag::Comment => self.commented,
            HasFlag::Contact => self.contact_known,
            HasFlag::Text => !text.trim().is_empty(),
            HasFlag::Score => score.is_some(),
            HasFlag::Tag => !tags.is_empty(),
        };
        HasFlag::ALL.iter().copied().filter(holds)
    }
}

/// The normal form of a value for comparison: white space as in the query language, without quotes, cut off after [`MAX_VALUE`].
fn exact_value(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_VALUE && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(cut(&spaced(&text.replace('"', " ")), MAX_VALUE).to_owned())
}

/// The value of a text that may be missing or blank.
fn optional_value(text: Option<&str>) -> Vec<Cow<'_, str>> {
    text.map(exact_value).filter(|value| !value.is_empty()).into_iter().collect()
}

/// The names that a query can use for ids. Kinds that the query does not mention can be left empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectNames {
    /// Members of the project with their e-mail addresses.
    pub members: Vec<(StaffId, String)>,
    /// Its surveys with their names.
    pub surveys: Vec<(SurveyId, String)>,
}

impl ProjectNames {
    /// The ids of the members that `assignee:` names by e-mail address or id. An id need not be a member's: feedback stays assigned to people
    /// who left.
    fn members(&self, who: &str) -> Vec<Condition> {
        let address = email::canonical(who);
        let by_address = self.members.iter().filter(|(_, own)| email::canonical(own) == address).map(|(id, _)| id.0);
        id_conditions(who, by_address)
    }

    /// The ids of the surveys that `survey:` names by name or id.
    fn surveys(&self, asked: &str) -> Vec<Condition> {
        let by_name = self.surveys.iter().filter(|(_, own)| is_same_name(own, asked)).map(|(id, _)| id.0);
        id_conditions(asked, by_name)
    }
}

/// The conditions for a text that may be an id itself, and for the ids that have it as their name.
fn id_conditions(text: &str, named: impl Iterator<Item = Uuid>) -> Vec<Condition> {
    Uuid::try_parse(text).ok().into_iter().chain(named).map(|id| Condition::Value(id.to_string())).collect()
}

/// The context on which the meaning of a query depends.
#[derive(Debug, Clone, Copy)]
pub struct MatchContext<'a> {
    /// The time from which `7d` counts back.
    pub now: Timestamp,
    /// The zone of the days in `before:` and `after:`: the project's.
    pub zone: &'a Zone,
    /// The person that `assignee:me` means.
    pub me: Option<StaffId>,
    /// The members and surveys that the names in the query stand for.
    pub names: &'a ProjectNames,
    /// Whether a word or phrase has anything to search for: punctuation alone is ignored.
    pub is_searchable: fn(&str) -> bool,
}

/// One condition on a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The field has this value.
    Value(String),
    /// There is a score, and it passes all of these.
    Score(Vec<ScoreFilter>),
    /// Created before this time.
    Before(Timestamp),
    /// Created at this time or later.
    After(Timestamp),
}

/// The conditions of a query on one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConditions {
    /// The field.
    pub field: QueryField,
    /// At least one of these must hold; `None` if the query does not require any. An empty list, for a name that does not exist, matches
    /// nothing.
    pub any: Option<Vec<Condition>>,
    /// None of these may hold.
    pub none: Vec<Condition>,
}

impl FieldConditions {
    /// Whether a record fulfils them.
    #[must_use]
    pub fn hold(&self, facts: &FeedbackFacts<'_>) -> bool {
        let values = facts.values(self.field);
        let Feedback { score, created_at, .. } = facts.feedback;
        let holds = |condition: &Condition| match condition {
            Condition::Value(asked) => values.iter().any(|value| value == asked),
            Condition::Score(range) => score.is_some_and(|n| range.iter().all(|filter| filter.holds(n))),
            Condition::Before(time) => created_at < time,
            Condition::After(time) => created_at >= time,
        };
        self.any.as_ref().is_none_or(|any| any.iter().any(holds)) && !self.none.iter().any(holds)
    }
}

impl FieldFilter {
    /// Alternative conditions, of which one fulfils this filter: several if a name stands for several ids, none if it stands for none.
    fn conditions(&self, context: &MatchContext<'_>) -> Vec<Condition> {
        let value = |text: &str| vec![Condition::Value(exact_value(text).into_owned())];
        let time = |condition: fn(Timestamp) -> Condition, date: &QueryDate| vec![condition(date.at(context.now, context.zone))];
        match self {
            Self::Status(status) => value(status.as_str()),
            Self::Kind(kind) => value(kind.as_str()),
            Self::Priority(priority) => value(priority.as_str()),
            Self::Tag(text) | Self::Release(text) | Self::Env(text) | Self::Lang(text) => value(text),
            Self::Score(score) => vec![Condition::Score(vec![*score])],
            Self::Assignee(Assignee::Me) => context.me.iter().map(|me| Condition::Value(me.to_string())).collect(),
            Self::Assignee(Assignee::Nobody) => value(NOBODY),
            Self::Assignee(Assignee::Member(who)) => context.names.members(who),
            Self::Has(flag) => value(flag.as_str()),
            Self::Survey(asked) => context.names.surveys(asked),
            Self::Before(date) => time(Condition::Before, date),
            Self::After(date) => time(Condition::After, date),
        }
    }
}

impl TriageQuery {
    /// The e-mail addresses of members that the query names: those that `ProjectNames::members` needs.
    pub fn named_members(&self) -> impl Iterator<Item = &str> {
        self.tests(QueryField::Assignee).filter_map(|(_, filter)| match filter {
            FieldFilter::Assignee(Assignee::Member(who)) if who.contains('@') => Some(who.as_str()),
            _ => None,
        })
    }

    /// Whether the query names a survey, so that `ProjectNames::surveys` matters.
    #[must_use]
    pub fn names_surveys(&self) -> bool {
        self.tests(QueryField::Survey).next().is_some()
    }

    /// Whether the query is not empty but has neither filters nor searchable words.
    #[must_use]
    pub fn matches_nothing(&self, is_searchable: fn(&str) -> bool) -> bool {
        self.is_void(&self.text_conditions(is_searchable))
    }

    fn is_void(&self, texts: &[TextCondition<'_>]) -> bool {
        !self.is_empty() && texts.is_empty() && !self.parts.iter().any(|part| matches!(part.what, QueryTerm::Test(_)))
    }

    fn text_conditions(&self, is_searchable: fn(&str) -> bool) -> Vec<TextCondition<'_>> {
        let texts = self.parts.iter().map(|part| TextCondition { negated: part.negated, any: searchable(&part.what, is_searchable) });
        texts.filter(|condition| !condition.any.is_empty()).collect()
    }

    /// The conditions that the query sets on a record. Spam is left out unless the query asks for it.
    #[must_use]
    pub fn conditions(&self, context: &MatchContext<'_>) -> QueryConditions<'_> {
        let texts = self.text_conditions(context.is_searchable);
        let fields = QueryField::ALL.iter().map(|field| self.field_conditions(*field, context));
        QueryConditions {
            fields: fields.filter(|conditions| conditions.any.is_some() || !conditions.none.is_empty()).collect(),
            matches_nothing: self.is_void(&texts),
            texts,
        }
    }

    fn field_conditions(&self, field: QueryField, context: &MatchContext<'_>) -> FieldConditions {
        let filters = |negated: bool| self.tests(field).filter(move |(not, _)| *not == negated).map(|(_, filter)| filter);
        let conditions = |negated: bool| -> Vec<Condition> { filters(negated).flat_map(|filter| filter.conditions(context)).collect() };
        let any = match field {
            QueryField::Score => self.score_ranges().map(|ranges| ranges.into_iter().map(Condition::Score).collect()),
            _ => filters(false).next().map(|_| conditions(false)),
        };
        let mut none = conditions(true);
        if field == QueryField::Status && !self.wants_spam() {
            none.push(Condition::Value(FeedbackStatus::Spam.as_str().to_owned()));
        }
        FieldConditions { field, any, none }
    }
}

/// The searchable words and phrases of a part of a query, of which one must match; none for a filter.
fn searchable(term: &QueryTerm, is_searchable: fn(&str) -> bool) -> Vec<&QueryTerm> {
    match term {
        QueryTerm::Word(text) | QueryTerm::Phrase(text) if is_searchable(text) => vec![term],
        QueryTerm::Any(terms) => terms.iter().flat_map(|term| searchable(term, is_searchable)).collect(),
        QueryTerm::Word(_) | QueryTerm::Phrase(_) | QueryTerm::Test(_) => Vec::new(),
    }
}

/// The condition of a query on the text of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct TextCondition<'a> {
    /// Whether the text must contain none of them, instead of at least one.
    pub negated: bool,
    /// Words and phrases.
    pub any: Vec<&'a QueryTerm>,
}

/// Everything that a query requires of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryConditions<'a> {
    /// All of these must hold; at most one for each field.
    pub fields: Vec<FieldConditions>,
    /// And all of these.
    pub texts: Vec<TextCondition<'a>>,
    /// See [`TriageQuery::matches_nothing`].
    pub matches_nothing: bool,
}

impl QueryConditions<'_> {
    /// Whether a record matches. `contains_text` returns whether the record contains a single word or phrase.
    #[must_use]
    pub fn matches(&self, facts: &FeedbackFacts<'_>, mut contains_text: impl FnMut(&QueryTerm) -> bool) -> bool {
        !self.matches_nothing
            && self.fields.iter().all(|conditions| conditions.hold(facts))
            && self.texts.iter().all(|condition| condition.any.iter().any(|term| contains_text(term)) != condition.negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feedback::FeedbackKind, ids::FeedbackId};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn feedback() -> Feedback {
        Feedback {
            id: FeedbackId(id(1)),
            project: id(2).into(),
            kind: FeedbackKind::Ticket,
            text: "card lost".into(),
            score: Some(6.0),
            score_max: Some(10.0),
            contact: None,
            survey: Some(id(3).into()),
            response: None,
            page_url: None,
            release: Some(" 2.4.1  \"beta\" ".into()),
            environment: Some("production".into()),
            language: "en".into(),
            status: FeedbackStatus::New,
            assignee: Some(id(4).into()),
            tags: vec!["billing".into(), "card-arrival".into()],
            spam_reasons: vec![],
            created_at: NOW.plus_days(-5),
            updated_at: NOW,
            version: 1,
        }
    }

    fn facts(feedback: &Feedback) -> FeedbackFacts<'_> {
        FeedbackFacts { feedback, priority: Some(Priority::High), linked: true, commented: false, contact_known: true }
    }

    /// Whether a query matches, asked by the member 4; words are found where they stand between spaces.
    fn matches(query: &str, feedback: &Feedback) -> bool {
        let names = ProjectNames {
            members: vec![(id(4).into(), "ann@bücher.example".into()), (id(5).into(), "bob@x.example".into())],
            surveys: vec![(id(3).into(), "After  Checkout".into()), (id(6).into(), "NPS".into()), (id(7).into(), "nps".into())],
        };
        let context = MatchContext {
            now: NOW,
            zone: &Zone::default(),
            me: Some(id(4).into()),
            names: &names,
            is_searchable: |text| text.chars().any(char::is_alphanumeric),
        };
        let query = TriageQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e:?}"));
        query.conditions(&context).matches(&facts(feedback), |term| match term {
            QueryTerm::Word(text) | QueryTerm::Phrase(text) => format!(" {} ", feedback.text).contains(&format!(" {text} ")),
            QueryTerm::Any(_) | QueryTerm::Test(_) => panic!("{term} is no single word or phrase"),
        })
    }

    #[test]
    fn each_field_has_its_condition() {
        let feedback = feedback();
        for yes in [
            "status:new",
            "is:new",
            "kind:ticket",
            "priority:high",
            "tag:billing",
            "tag:\"Card arrival\"",
            "score:6",
            "score:<=6",
            "score:>=6",
            "score:5..6",
            "score:<6.5 score:>5.5",
            "assignee:me",
            "assignee:Ann@xn--bcher-kva.example",
            "assignee:00000000-0000-0000-0000-000000000004",
            "assignee:00000000000000000000000000000004",
            "has:link",
            "has:contact",
            "has:text",
            "has:score",
            "has:tag",
            "survey:\"after checkout\"",
            "survey:00000000-0000-0000-0000-000000000003",
            "before:4d",
            "after:5d",
            "after:1w before:1d",
            "release:\"2.4.1 beta\"",
            "env:production",
            "lang:en",
            "lang:en-GB",
        ] {
            assert!(matches(yes, &feedback), "{yes}");
            let is_one = TriageQuery::parse(yes).is_ok_and(|query| query.parts.len() == 1);
            assert!(!is_one || !matches(&format!("-{yes}"), &feedback), "-{yes}");
        }
        for no in [
            "status:triaged",
            "kind:api",
            "priority:low",
            "tag:card",
            "score:<6",
            "score:>6",
            "score:7",
            "assignee:none",
            "assignee:bob@x.example",
            "assignee:eve@x.example",
            "has:comment",
            "survey:nps",
            "survey:\"no such\"",
            "before:5d",
            "after:4d",
            "release:2.4.1",
            "env:test",
            "lang:de",
        ] {
            assert!(!matches(no, &feedback), "{no}");
            assert!(matches(&format!("-{no}"), &feedback), "-{no}");
        }
    }

    #[test]
    fn what_is_missing_is_no_value() {
        let bare = Feedback {
            text: " ".into(),
            score: None,
            survey: None,
            release: Some("  ".into()),
            environment: None,
            language: String::new(),
            assignee: None,
            tags: vec![],
            ..feedback()
        };
        for no in ["score:>=0", "score:<0", "survey:nps", "has:text", "has:score", "has:tag", "assignee:me", "release:x", "lang:en"] {
            assert!(!matches(no, &bare) && matches(&format!("-{no}"), &bare), "{no}");
        }
        assert!(matches("assignee:none", &bare) && !matches("-assignee:none", &bare));
        let empty = [QueryField::Tag, QueryField::Survey, QueryField::Release, QueryField::Env, QueryField::Lang];
        assert!(empty.iter().all(|field| facts(&bare).values(*field).is_empty()));
    }

    #[test]
    fn any_within_a_field_and_all_between_fields() {
        let feedback = feedback();
        for yes in [
            "status:triaged status:new",
            "tag:none tag:billing kind:ticket",
            "assignee:eve@x.example assignee:me",
            "score:1 score:>5 score:2..3",
            "-tag:other -tag:more",
            "tag:billing -tag:other",
        ] {
            assert!(matches(yes, &feedback), "{yes}");
        }
        for no in
            ["status:new kind:api", "tag:billing -tag:card-arrival", "-tag:other -tag:billing", "score:>=3 score:<=5", "tag:a score:6"]
        {
            assert!(!matches(no, &feedback), "{no}");
        }
    }

    #[test]
    fn spam_is_matched_only_where_it_is_asked_for() {
        let spam = Feedback { status: FeedbackStatus::Spam, ..feedback() };
        for yes in ["is:spam", "status:spam", "status:new status:spam card"] {
            assert!(matches(yes, &spam), "{yes}");
        }
        for no in ["", "card", "kind:ticket", "-status:new", "-is:spam", "is:spam -is:spam"] {
            assert!(!matches(no, &spam), "{no}");
        }
        assert!(matches("", &feedback()) && !matches("is:spam", &feedback()));
    }

    #[test]
    fn words_are_left_to_the_caller_and_marks_mean_nothing() {
        let feedback = feedback();
        for yes in ["card", "\"card lost\" lost", "-cash", "cash OR card", "cash OR — OR lost", "card — …", "-— card", "— has:text"]
        {
            assert!(matches(yes, &feedback), "{yes}");
        }
        for no in ["cash", "\"lost card\"", "-card", "cash OR coin", "cash — …", "—", "— …", "-—", "card has:comment"] {
            assert!(!matches(no, &feedback), "{no}");
        }
    }

    #[test]
    fn values_are_compared_tidied_and_cut_off() {
        assert_eq!(exact_value("2.4.1"), "2.4.1");
        assert_eq!(exact_value(" a\t\"b\"\u{1}ä "), "a b ä");
        assert_eq!(exact_value(&"x".repeat(300)), "x".repeat(MAX_VALUE));
        assert_eq!(exact_value(&"ä".repeat(150)), "ä".repeat(150));
    }
}
