//! Converts a [`TriageQuery`] into lookups in the index.

use std::{collections::BTreeSet, ops::Bound};

use domain::{
    Timestamp,
    triage::{Condition, FieldConditions, MatchContext, QueryConditions, QueryField, QueryTerm, ScoreFilter, TextCondition, TriageQuery},
};
use tantivy::{
    Term,
    query::{BooleanQuery, Query, RangeQuery},
    schema::Field as Column,
};

use crate::{
    engine::{Fields, column, comparable_score},
    tokenizer::{LanguageStemmer, MIN_PREFIX, QueryTerms, Token, TokenForm, max_typos, tokens},
};

/// Context for planning a query.
pub(crate) struct QueryContext<'a> {
    pub(crate) fields: Fields,
    /// The context that the query's filters depend on.
    pub(crate) matching: MatchContext<'a>,
    /// The languages in the index.
    pub(crate) languages: BTreeSet<String>,
}

/// A query as parts that are looked up one by one in each segment.
pub(crate) struct QueryPlan {
    /// Each must match, or must not match if negated.
    pub(crate) words: Vec<WordClause>,
    /// The query is not empty, but none of it can be looked up: nothing matches.
    pub(crate) is_void: bool,
    /// One for each filtered field; all must pass.
    pub(crate) tests: Vec<FieldFilters>,
}

/// Alternative matchers for one word or phrase of the query; the more of them match, and the higher their boost, the better.
pub(crate) struct WordClause {
    pub(crate) negated: bool,
    pub(crate) any: Vec<WordMatcher>,
}

/// One matcher and its weight. Metadata does not affect relevance (boost 0): a text comes before a match that is only in a page URL, and
/// the team's changes to a record (its tags) do not move it in any list.
pub(crate) struct WordMatcher {
    pub(crate) what: TermLookup,
    pub(crate) boost: f32,
}

impl WordMatcher {
    /// Returns whether the score of a match depends on the record.
    pub(crate) fn is_scored(&self) -> bool {
        self.boost > 0.0 && matches!(self.what, TermLookup::Term(_) | TermLookup::TermSequence(_))
    }
}

/// A lookup in the index.
pub(crate) enum TermLookup {
    /// One term; rare and frequently repeated terms score higher.
    Term(Term),
    /// Terms at these distances; rare ones score higher.
    TermSequence(Vec<(usize, Term)>),
    /// Words with this prefix, all with the same score.
    Prefix(Term),
    /// Words within this many edits, all with the same score.
    Fuzzy(Term, u8),
}

/// The conditions on one field.
pub(crate) struct FieldFilters {
    pub(crate) field: QueryField,
    /// At least one of them must hold, if any are required.
    pub(crate) any: Option<Vec<FilterLeaf>>,
    /// None of them may hold.
    pub(crate) none: Vec<FilterLeaf>,
}

/// One condition.
pub(crate) enum FilterLeaf {
    /// A column has this value.
    Value(&'static str, String),
    /// Any other filter.
    Query(Box<dyn Query>),
}

impl QueryContext<'_> {
    pub(crate) fn plan(&self, query: &TriageQuery) -> QueryPlan {
        let QueryConditions { fields, texts, matches_nothing } = query.conditions(&self.matching);
        let words = texts.into_iter().map(|TextCondition { negated, any }| {
            let any = any.into_iter().flat_map(query_terms).flat_map(|terms| self.word_matchers(&terms, negated)).collect();
            WordClause { negated, any }
        });
        let tests = fields.into_iter().map(|conditions| self.filters(conditions));
        QueryPlan { words: words.collect(), is_void: matches_nothing, tests: tests.collect() }
    }

    fn filters(&self, conditions: FieldConditions) -> FieldFilters {
        let FieldConditions { field, any, none } = conditions;
        let leaves = |conditions: Vec<Condition>| -> Vec<FilterLeaf> {
            conditions.into_iter().map(|condition| self.leaf(field, condition)).collect()
        };
        FieldFilters { field, any: any.map(leaves), none: leaves(none) }
    }

    fn leaf(&self, field: QueryField, condition: Condition) -> FilterLeaf {
        let time = |at: Timestamp| Term::from_field_i64(self.fields.created, at.0);
        let query = |low, high| FilterLeaf::Query(Box::new(RangeQuery::new(low, high)));
        match condition {
            Condition::Value(value) => FilterLeaf::Value(column(field), value),
            Condition::Score(range) => {
                FilterLeaf::Query(Box::new(BooleanQuery::intersection(range.into_iter().map(|filter| self.score(filter)).collect())))
            }
            Condition::Before(at) => query(Bound::Unbounded, Bound::Excluded(time(at))),
            Condition::After(at) => query(Bound::Included(time(at)), Bound::Unbounded),
        }
    }

    fn score(&self, filter: ScoreFilter) -> Box<dyn Query> {
        let term = |n: f64| Term::from_field_f64(self.fields.score, comparable_score(n));
        let (low, high) = match filter {
            ScoreFilter::Is(n) => (Bound::Included(term(n)), Bound::Included(term(n))),
            ScoreFilter::Below(n) => (Bound::Unbounded, Bound::Excluded(term(n))),
            ScoreFilter::AtMost(n) => (Bound::Unbounded, Bound::Included(term(n))),
            ScoreFilter::Above(n) => (Bound::Excluded(term(n)), Bound::Unbounded),
            ScoreFilter::AtLeast(n) => (Bound::Included(term(n)), Bound::Unbounded),
            ScoreFilter::Between(low, high) => (Bound::Included(term(low)), Bound::Included(term(high))),
        };
        Box::new(RangeQuery::new(low, high))
    }

    fn word_matchers(&self, terms: &QueryTerms, negated: bool) -> Vec<WordMatcher> {
        let runs = terms.runs.iter().flat_map(|run| self.run(run));
        runs.chain(terms.words.iter().flat_map(|word| self.single(word, negated))).collect()
    }

    /// Matches adjacent tokens, in the text or in the metadata.
    fn run(&self, run: &[(usize, String)]) -> [WordMatcher; 2] {
        let within = |field: Column| match run {
            [(_, one)] => TermLookup::Term(Term::from_field_text(field, one)),
            _ => TermLookup::TermSequence(run.iter().map(|(distance, token)| (*distance, Term::from_field_text(field, token))).collect()),
        };
        [WordMatcher { what: within(self.fields.text), boost: 3.0 }, WordMatcher { what: within(self.fields.about), boost: 0.0 }]
    }

    fn single(&self, token: &Token, negated: bool) -> Vec<WordMatcher> {
        let f = &self.fields;
        let term = |field: Column| Term::from_field_text(field, &token.folded);
        let mut any = vec![
            WordMatcher { what: TermLookup::Term(term(f.text)), boost: 3.0 },
            WordMatcher { what: TermLookup::Term(term(f.about)), boost: 0.0 },
        ];
        if token.form == TokenForm::Single {
            return any;
        }
        for mut stems in self.languages.iter().filter_map(|language| LanguageStemmer::new(language)) {
            any.push(WordMatcher { what: TermLookup::Term(Term::from_field_text(f.stems, &stems.stem(&token.lower))), boost: 2.0 });
        }
        // Exclusion is exact: nobody intends to exclude words that are merely similar.
        if !negated {
            if token.folded.chars().count() >= MIN_PREFIX {
                any.push(WordMatcher { what: TermLookup::Prefix(term(f.text)), boost: 0.5 });
                any.push(WordMatcher { what: TermLookup::Prefix(term(f.about)), boost: 0.0 });
            }
            let errors = max_typos(&token.folded);
            if errors > 0 {
                any.push(WordMatcher { what: TermLookup::Fuzzy(term(f.text), errors), boost: 0.25 });
            }
        }
        any
    }
}

/// The lookups for a part of a query: one for each of its words and phrases, of which any may match; empty for filters, and for words and
/// phrases without a token, such as punctuation.
pub(crate) fn query_terms(what: &QueryTerm) -> Vec<QueryTerms> {
    let mut all = match what {
        QueryTerm::Word(word) => vec![QueryTerms::word(word)],
        QueryTerm::Phrase(phrase) => vec![QueryTerms::phrase(phrase)],
        QueryTerm::Any(any) => any.iter().flat_map(query_terms).collect(),
        QueryTerm::Test(_) => Vec::new(),
    };
    all.retain(|terms| !terms.is_empty());
    all
}

/// The number of required words and phrases that a query looks up.
pub(crate) fn looked_up(query: &TriageQuery) -> usize {
    query.texts().filter(|what| !query_terms(what).is_empty()).count()
}

/// Returns whether a query is not empty, but has nothing to look up: neither filters nor letters, digits or emoji.
#[must_use]
pub fn matches_nothing(query: &TriageQuery) -> bool {
    query.matches_nothing(is_searchable)
}

/// Whether a word or phrase has anything to look up: punctuation has nothing.
#[must_use]
pub fn is_searchable(text: &str) -> bool {
    !tokens(text).is_empty()
}
