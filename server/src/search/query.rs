//! From a [`TriageQuery`] to what tantivy runs. The project is always the first thing that must hold.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

use domain::{
    Timestamp,
    ids::{ProjectId, StaffId},
    triage::{Assignee, Field, Score, Test, TriageQuery, What},
};
use tantivy::{
    Term,
    query::{
        BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, Query,
        RangeQuery, TermQuery,
    },
    schema::{Field as Column, IndexRecordOption},
};

use super::{
    engine::{Fields, NOBODY, value},
    steady::Steady,
    text::{MIN_PREFIX, Stems, Token, tokens, typing_errors},
};

/// What a query needs to know besides itself.
pub(super) struct Context<'a> {
    pub(super) fields: Fields,
    pub(super) project: ProjectId,
    pub(super) me: Option<StaffId>,
    pub(super) now: Timestamp,
    /// The languages that the index holds.
    pub(super) languages: BTreeSet<String>,
    /// Ids of the members and surveys that the query names.
    pub(super) names: &'a HashMap<(Field, String), Vec<String>>,
}

type Clause = Box<dyn Query>;

impl Context<'_> {
    /// The query, without its tests of the field `skip`.
    pub(super) fn build(&self, query: &TriageQuery, skip: Option<Field>) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Clause)> = vec![(Occur::Must, silent(self.exact(self.fields.project, &self.project.to_string())))];
        for part in &query.parts {
            match &part.what {
                What::Word(word) => clauses.extend(self.word(word, part.negated).map(|c| must(part.negated, c))),
                What::Phrase(phrase) => clauses.extend(self.phrase(phrase).map(|c| must(part.negated, c))),
                What::Test(test) if part.negated && Some(test.field()) != skip => clauses.push(must(true, self.test(test))),
                What::Test(_) => {}
            }
        }
        for field in Field::ALL.iter().copied().filter(|field| Some(*field) != skip) {
            let any: Vec<Clause> = match field {
                Field::Score => query.score_ranges().into_iter().flatten().map(|all| self.scores(&all)).collect(),
                _ => query.tests(field).filter(|(negated, _)| !negated).map(|(_, test)| self.test(test)).collect(),
            };
            if !any.is_empty() {
                clauses.push((Occur::Must, silent(any_of(any))));
            }
        }
        if skip != Some(Field::Status) && !query.wants_spam() {
            clauses.push((Occur::MustNot, self.exact(self.fields.status, domain::feedback::Status::Spam.as_str())));
        }
        BooleanQuery::new(clauses)
    }

    fn exact(&self, field: Column, text: &str) -> Clause {
        Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
    }

    fn test(&self, test: &Test) -> Clause {
        let f = &self.fields;
        match test {
            Test::Status(status) => self.exact(f.status, status.as_str()),
            Test::Kind(kind) => self.exact(f.kind, kind.as_str()),
            Test::Priority(priority) => self.exact(f.priority, priority.as_str()),
            Test::Tag(tag) => self.exact(f.tag, &value(tag)),
            Test::Score(score) => self.scores(&[*score]),
            Test::Assignee(Assignee::Me) => match self.me {
                Some(me) => self.exact(f.assignee, &me.to_string()),
                None => Box::new(EmptyQuery),
            },
            Test::Assignee(Assignee::Nobody) => self.exact(f.assignee, NOBODY),
            Test::Assignee(Assignee::Member(who)) => self.named(f.assignee, Field::Assignee, who),
            Test::Has(flag) => self.exact(f.has, flag.as_str()),
            Test::Survey(survey) => self.named(f.survey, Field::Survey, survey),
            Test::Before(when) => {
                let end = Term::from_field_i64(f.created, when.at(self.now).0);
                Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(end)))
            }
            Test::After(when) => {
                let start = Term::from_field_i64(f.created, when.at(self.now).0);
                Box::new(RangeQuery::new(Bound::Included(start), Bound::Unbounded))
            }
            Test::Release(release) => self.exact(f.release, &value(release)),
            Test::Env(environment) => self.exact(f.environment, &value(environment)),
            Test::Lang(language) => self.exact(f.lang, language),
        }
    }

    fn named(&self, column: Column, field: Field, name: &str) -> Clause {
        let ids = self.names.get(&(field, name.to_owned())).map(Vec::as_slice).unwrap_or_default();
        any_of(ids.iter().map(|id| self.exact(column, id)).collect())
    }

    fn scores(&self, all: &[Score]) -> Clause {
        let term = |n: f64| Term::from_field_f64(self.fields.score, n);
        let one = |score: &Score| -> Clause {
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
        steady(Box::new(BooleanQuery::intersection(all.iter().map(one).collect())))
    }

    /// `None` for what has no token at all, such as punctuation.
    fn phrase(&self, text: &str) -> Option<Clause> {
        let parts: Vec<Token> = tokens(text).into_iter().filter(|t| !t.joined).collect();
        self.run(&parts)
    }

    /// Tokens next to each other, in what was said or in what is about it.
    fn run(&self, parts: &[Token]) -> Option<Clause> {
        let first = parts.first()?.position;
        let within = |field: Column| -> Clause {
            match parts {
                [one] => Box::new(TermQuery::new(Term::from_field_text(field, &one.folded), IndexRecordOption::WithFreqs)),
                _ => {
                    let terms = parts.iter().map(|t| (t.position - first, Term::from_field_text(field, &t.folded)));
                    steady(Box::new(PhraseQuery::new_with_offset(terms.collect())))
                }
            }
        };
        Some(sum_of(vec![boosted(within(self.fields.text), 3.0), boosted(within(self.fields.about), 1.0)]))
    }

    fn word(&self, word: &str, negated: bool) -> Option<Clause> {
        let all = tokens(word);
        let parts: Vec<Token> = all.iter().filter(|t| !t.joined).cloned().collect();
        if parts.len() == 1 {
            return parts.first().map(|part| self.single(part, negated));
        }
        let run = self.run(&parts)?;
        // The parts of a compound next to each other, or the compound written together.
        Some(match all.iter().find(|t| t.joined) {
            Some(joined) => sum_of(vec![run, self.single(joined, negated)]),
            None => run,
        })
    }

    fn single(&self, token: &Token, negated: bool) -> Clause {
        let f = &self.fields;
        let term = |field: Column| Term::from_field_text(field, &token.folded);
        let scored = |term: Term| -> Clause { Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) };
        let mut any: Vec<Clause> = vec![boosted(scored(term(f.text)), 3.0), boosted(scored(term(f.about)), 1.0)];
        if token.single {
            return sum_of(any);
        }
        for language in &self.languages {
            if let Some(mut stems) = Stems::new(language) {
                any.push(boosted(scored(Term::from_field_text(f.stems, &stems.stem(&token.lower))), 2.0));
            }
        }
        // Leaving something out is exact: nobody means "nothing that looks a little like it".
        if !negated {
            if token.folded.chars().count() >= MIN_PREFIX {
                any.extend([f.text, f.about].map(|field| constant(starting_with(field, &token.folded), 0.5)));
            }
            let errors = typing_errors(&token.folded);
            if errors > 0 {
                any.push(constant(Box::new(FuzzyTermQuery::new(term(f.text), errors, true)), 0.25));
            }
        }
        sum_of(any)
    }
}

fn must(not: bool, clause: Clause) -> (Occur, Clause) {
    if not { (Occur::MustNot, steady(clause)) } else { (Occur::Must, clause) }
}

fn steady(clause: Clause) -> Clause {
    Box::new(Steady(clause))
}

fn boosted(clause: Clause, boost: f32) -> Clause {
    Box::new(BoostQuery::new(clause, boost))
}

fn constant(clause: Clause, score: f32) -> Clause {
    Box::new(ConstScoreQuery::new(clause, score))
}

/// Must hold, and says nothing about how good a result is.
fn silent(clause: Clause) -> Clause {
    constant(clause, 0.0)
}

/// Any of them; the more of them, and the stronger, the better.
fn sum_of(clauses: Vec<Clause>) -> Clause {
    Box::new(BooleanQuery::union(clauses))
}

fn any_of(mut clauses: Vec<Clause>) -> Clause {
    match clauses.len() {
        0 => Box::new(EmptyQuery),
        1 => clauses.remove(0),
        _ => Box::new(BooleanQuery::union(clauses)),
    }
}

fn starting_with(field: Column, prefix: &str) -> Clause {
    let after: String = prefix.chars().chain([char::MAX]).collect();
    let (low, high) = (Term::from_field_text(field, prefix), Term::from_field_text(field, &after));
    Box::new(InvertedIndexRangeQuery::new(Bound::Included(low), Bound::Excluded(high)))
}
