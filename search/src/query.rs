//! From a [`TriageQuery`] to what is looked up in the index.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

use domain::{
    Timestamp, Zone,
    feedback::Status,
    ids::StaffId,
    triage::{Assignee, Field, Score, Test, TriageQuery, What, When},
};
use tantivy::{
    Term,
    query::{BooleanQuery, EmptyQuery, Query, RangeQuery},
    schema::Field as Column,
};

use crate::{
    engine::{Fields, NOBODY, value},
    text::{Asked, Form, MIN_PREFIX, Stems, Token, typing_errors},
};

/// What a query needs to know besides itself.
pub(crate) struct Context<'a> {
    pub(crate) fields: Fields,
    pub(crate) me: Option<StaffId>,
    pub(crate) now: Timestamp,
    /// Whose days are meant.
    pub(crate) zone: &'a Zone,
    /// The languages that the index holds.
    pub(crate) languages: BTreeSet<String>,
    /// Ids of the members and surveys that the query names.
    pub(crate) names: &'a HashMap<(Field, String), Vec<String>>,
}

/// What a query asks, in pieces that are looked up one by one in each segment.
pub(crate) struct Plan {
    /// Each must match, or must not.
    pub(crate) words: Vec<Words>,
    /// Something was asked for, and none of it can be looked up: nothing matches.
    pub(crate) is_void: bool,
    /// One for each field that is tested; all must hold.
    pub(crate) tests: Vec<Tests>,
}

/// Ways to match one word or phrase of the query: any of them; the more of them, and the stronger, the better.
pub(crate) struct Words {
    pub(crate) negated: bool,
    pub(crate) any: Vec<Part>,
}

/// One way, and how much it says. What is about a record says nothing of its relevance: what someone said comes before what merely
/// stands in the address of a page, and what the team does to a record (its tags) moves it in no list.
pub(crate) struct Part {
    pub(crate) what: Find,
    pub(crate) boost: f32,
}

impl Part {
    /// Whether how good a match of it is depends on the record.
    pub(crate) fn is_scored(&self) -> bool {
        self.boost > 0.0 && matches!(self.what, Find::Term(_) | Find::Run(_))
    }
}

/// What is looked up.
pub(crate) enum Find {
    /// As good as it is rare and as it is often said.
    Term(Term),
    /// Terms at these distances, as good as they are rare.
    Run(Vec<(usize, Term)>),
    /// Words that begin so, all alike.
    Beginning(Term),
    /// Words that become this one by so many changes, all alike.
    Like(Term, u8),
}

/// The tests of one field.
pub(crate) struct Tests {
    pub(crate) field: Field,
    /// Any of them must hold, if there are some.
    pub(crate) any: Vec<Leaf>,
    /// None of them may hold.
    pub(crate) none: Vec<Leaf>,
}

/// One test.
pub(crate) enum Leaf {
    /// A column has a value.
    Value(&'static str, String),
    /// Anything else.
    Query(Box<dyn Query>),
}

impl Context<'_> {
    pub(crate) fn plan(&self, query: &TriageQuery) -> Plan {
        let words = query.parts.iter().filter_map(|part| {
            let any: Vec<Part> = asked(&part.what).iter().flat_map(|asked| self.ways(asked, part.negated)).collect();
            (!any.is_empty()).then_some(Words { negated: part.negated, any })
        });
        let tests =
            Field::ALL.iter().map(|field| self.tests(query, *field)).filter(|tests| !tests.any.is_empty() || !tests.none.is_empty());
        Plan { words: words.collect(), is_void: is_void(query), tests: tests.collect() }
    }

    fn tests(&self, query: &TriageQuery, field: Field) -> Tests {
        let all = |negated: bool| query.tests(field).filter(move |(not, _)| *not == negated).flat_map(|(_, test)| self.test(test));
        let any: Vec<Leaf> = match field {
            Field::Score => query.score_ranges().into_iter().flatten().map(|range| self.scores(&range)).collect(),
            _ => all(false).collect(),
        };
        let mut none: Vec<Leaf> = all(true).collect();
        if field == Field::Status && !query.wants_spam() {
            none.push(Leaf::Value("status", Status::Spam.as_str().to_owned()));
        }
        // A name that nobody has: the field was tested, and nothing passes.
        let nobody = any.is_empty() && query.tests(field).any(|(negated, _)| !negated);
        Tests { field, any: if nobody { vec![Leaf::Query(Box::new(EmptyQuery))] } else { any }, none }
    }

    fn test(&self, test: &Test) -> Vec<Leaf> {
        let f = &self.fields;
        let is = |column: &'static str, text: &str| vec![Leaf::Value(column, text.to_owned())];
        let time = |low, high| vec![Leaf::Query(Box::new(RangeQuery::new(low, high)))];
        let at = |when: &When| Term::from_field_i64(f.created, when.at(self.now, self.zone).0);
        match test {
            Test::Status(status) => is("status", status.as_str()),
            Test::Kind(kind) => is("kind", kind.as_str()),
            Test::Priority(priority) => is("priority", priority.as_str()),
            Test::Tag(tag) => is("tag", &value(tag)),
            Test::Score(score) => vec![self.scores(&[*score])],
            Test::Assignee(Assignee::Me) => self.me.iter().flat_map(|me| is("assignee", &me.to_string())).collect(),
            Test::Assignee(Assignee::Nobody) => is("assignee", NOBODY),
            Test::Assignee(Assignee::Member(who)) => self.named("assignee", Field::Assignee, who),
            Test::Has(flag) => is("has", flag.as_str()),
            Test::Survey(survey) => self.named("survey", Field::Survey, survey),
            Test::Before(when) => time(Bound::Unbounded, Bound::Excluded(at(when))),
            Test::After(when) => time(Bound::Included(at(when)), Bound::Unbounded),
            Test::Release(release) => is("release", &value(release)),
            Test::Env(environment) => is("environment", &value(environment)),
            Test::Lang(language) => is("lang", language),
        }
    }

    fn named(&self, column: &'static str, field: Field, name: &str) -> Vec<Leaf> {
        let ids = self.names.get(&(field, name.to_owned())).map(Vec::as_slice).unwrap_or_default();
        ids.iter().map(|id| Leaf::Value(column, id.clone())).collect()
    }

    fn scores(&self, all: &[Score]) -> Leaf {
        let term = |n: f64| Term::from_field_f64(self.fields.score, n);
        let one = |score: &Score| -> Box<dyn Query> {
            let (low, high) = match *score {
                Score::Is(n) => (Bound::Included(term(n)), Bound::Included(term(n))),
                Score::Below(n) => (Bound::Unbounded, Bound::Excluded(term(n))),
                Score::AtMost(n) => (Bound::Unbounded, Bound::Included(term(n))),
                Score::Above(n) => (Bound::Excluded(term(n)), Bound::Unbounded),
                Score::AtLeast(n) => (Bound::Included(term(n)), Bound::Unbounded),
                Score::Between(low, high) => (Bound::Included(term(low)), Bound::Included(term(high))),
            };
            Box::new(RangeQuery::new(low, high))
        };
        Leaf::Query(Box::new(BooleanQuery::intersection(all.iter().map(one).collect())))
    }

    fn ways(&self, asked: &Asked, negated: bool) -> Vec<Part> {
        let runs = asked.runs.iter().flat_map(|run| self.run(run));
        runs.chain(asked.words.iter().flat_map(|word| self.single(word, negated))).collect()
    }

    /// Tokens next to each other, in what was said or in what is about it.
    fn run(&self, run: &[(usize, String)]) -> [Part; 2] {
        let within = |field: Column| match run {
            [(_, one)] => Find::Term(Term::from_field_text(field, one)),
            _ => Find::Run(run.iter().map(|(distance, token)| (*distance, Term::from_field_text(field, token))).collect()),
        };
        [Part { what: within(self.fields.text), boost: 3.0 }, Part { what: within(self.fields.about), boost: 0.0 }]
    }

    fn single(&self, token: &Token, negated: bool) -> Vec<Part> {
        let f = &self.fields;
        let term = |field: Column| Term::from_field_text(field, &token.folded);
        let mut any = vec![Part { what: Find::Term(term(f.text)), boost: 3.0 }, Part { what: Find::Term(term(f.about)), boost: 0.0 }];
        if token.form == Form::Single {
            return any;
        }
        for mut stems in self.languages.iter().filter_map(|language| Stems::new(language)) {
            any.push(Part { what: Find::Term(Term::from_field_text(f.stems, &stems.stem(&token.lower))), boost: 2.0 });
        }
        // Leaving something out is exact: nobody means "nothing that looks a little like it".
        if !negated {
            if token.folded.chars().count() >= MIN_PREFIX {
                any.push(Part { what: Find::Beginning(term(f.text)), boost: 0.5 });
                any.push(Part { what: Find::Beginning(term(f.about)), boost: 0.0 });
            }
            let errors = typing_errors(&token.folded);
            if errors > 0 {
                any.push(Part { what: Find::Like(term(f.text), errors), boost: 0.25 });
            }
        }
        any
    }
}

/// What a part of a query looks up: each of its words and phrases, of which any may match; nothing for tests, and for what has no token,
/// such as punctuation.
pub(crate) fn asked(what: &What) -> Vec<Asked> {
    let mut all = match what {
        What::Word(word) => vec![Asked::word(word)],
        What::Phrase(phrase) => vec![Asked::phrase(phrase)],
        What::Any(any) => any.iter().flat_map(asked).collect(),
        What::Test(_) => Vec::new(),
    };
    all.retain(|asked| !asked.is_empty());
    all
}

/// How many words and phrases that must be there a query looks up.
pub(crate) fn looked_up(query: &TriageQuery) -> usize {
    query.texts().filter(|what| !asked(what).is_empty()).count()
}

/// Whether a query asks for something, and none of it can be looked up: it has neither tests nor letters, digits or emoji.
#[must_use]
pub fn is_void(query: &TriageQuery) -> bool {
    !query.is_empty() && query.parts.iter().all(|part| !matches!(part.what, What::Test(_)) && asked(&part.what).is_empty())
}
