//! Execution of one search: the matching records, the facet counts, and the requested page.
//!
//! In each segment every part of the query becomes a set of records, and the sets are combined. So words are looked up once, however many
//! facets exclude a part of the query; counting means counting intersections; and a page by time is read from the time order. Only
//! relevance is computed, and only for records that can reach the page.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use domain::{
    ids::ProjectId,
    triage::{QueryField, TriageQuery},
};
use tantivy::{
    DocId, Score, Searcher, SegmentReader, TERMINATED, Term,
    columnar::Column,
    query::{
        Bm25StatisticsProvider, BooleanQuery, BoostQuery, EnableScoring, FuzzyTermQuery, PhraseQuery, Query, Scorer, TermQuery, Weight,
    },
    schema::{Field as IndexField, IndexRecordOption},
};

use crate::{
    Facet, Sort,
    bit_set::DocBitSet,
    collector::{CollectedPage, PageRequest, RAREST, RelevanceStats, SortKey, TopCollector},
    engine::{Fields, IndexEngine, column},
    postings::{post, postings_of},
    query::{FieldFilters, FilterLeaf, QueryPlan, TermLookup, WordMatcher},
    segment_cache::{SegmentCache, ValueCounts},
};

/// Most values of one facet.
const MAX_VALUES: usize = 50;
/// If the query's terms have at least this many postings per match, the matches are scored one by one: scoring one match costs as much as
/// reading this many postings on the way to the best.
const RARE: usize = 32;
/// Tolerance: the same numbers summed in another order differ by less.
const ALIKE: Score = 1e-3;

/// Executes a plan for a project and counts the values of the fields in `count`. `measure` comes from the cursor of this list.
pub(crate) fn run(
    engine: &IndexEngine,
    project: ProjectId,
    query: &TriageQuery,
    plan: &QueryPlan,
    page: PageRequest,
    measure: Option<RelevanceStats>,
    count: &[QueryField],
) -> tantivy::Result<(CollectedPage, Vec<Facet>)> {
    // In this order: a change in between then counts as later than `since`, which is always correct.
    let since = engine.stamp();
    let searcher = engine.searcher();
    let scored = match page.sort {
        Sort::Relevance => Some(match measure {
            Some(measure) => ScoringModel::new(&searcher, engine.fields, plan, measure)?,
            None => ScoringModel::new(&searcher, engine.fields, plan, RelevanceStats::of(&searcher, engine.fields, plan, since)?)?,
        }),
        _ => None,
    };
    let mut counts = vec![ValueCounts::new(); count.len()];
    let mut top = TopCollector::new(page);
    // The largest segments first: their results exclude most others.
    let mut segments: Vec<&SegmentReader> = searcher.segment_readers().iter().collect();
    segments.sort_by_key(|segment| Reverse(segment.num_docs()));
    for segment in segments {
        let cache = engine.caches.of(segment);
        let mut all = cache.project(segment, engine.fields.project, project)?;
        if let Some(alive) = segment.alive_bitset() {
            (0..segment.max_doc()).filter(|doc| !alive.is_alive(*doc)).for_each(|doc| all.remove(doc));
        }
        if all.is_empty() || plan.is_void {
            continue;
        }
        let mut found: Vec<Vec<TermMatches>> = Vec::new();
        for words in &plan.words {
            let looked = look_up(&searcher, segment, &words.any, scored.as_ref().filter(|_| !words.negated))?;
            let mut any = DocBitSet::new(segment.max_doc());
            looked.iter().for_each(|one| any.add(&one.set));
            if words.negated {
                all.subtract(&any);
            } else {
                all.intersect(&any);
                found.push(looked);
            }
        }
        let mut passing = Vec::with_capacity(plan.tests.len());
        for tests in &plan.tests {
            passing.push((tests.field, pass(&searcher, segment, &cache, tests)?));
        }
        // The records that pass all filters except those on one field.
        let but = |field: Option<QueryField>| {
            let mut set = all.clone();
            passing.iter().filter(|(of, _)| Some(*of) != field).for_each(|(_, passing)| set.intersect(passing));
            set
        };
        let matches = but(None);
        let total = matches.len();
        let here = || -> tantivy::Result<Vec<ValueCounts>> {
            let one = |field: &QueryField| {
                let values = cache.values(segment, column(*field))?;
                if passing.iter().any(|(of, _)| of == field) {
                    let switched = but(Some(*field));
                    return Ok(values.count(&switched, switched.len()));
                }
                Ok(values.count(&matches, total))
            };
            count.iter().map(one).collect()
        };
        let deleted = segment.delete_opstamp();
        let here = match cache.whole.find(&project) {
            Some(whole) if query.is_empty() && whole.0 == deleted => whole,
            _ if query.is_empty() => cache.whole.put(project, (deleted, here()?)),
            _ => Arc::new((deleted, here()?)),
        };
        for (sum, counts) in counts.iter_mut().zip(&here.1) {
            for (value, n) in counts {
                match sum.get_mut(value) {
                    Some(sum) => *sum += n,
                    None => _ = sum.insert(value.clone(), *n),
                }
            }
        }
        top.total += total;
        if total == 0 {
            continue;
        }
        let keys = SortKeyReader::new(segment, top.page.sort)?;
        match &scored {
            Some(scored) => {
                let mut matches = matches;
                let changed = changed_since(segment, &matches, scored.measure.since)?;
                for doc in &changed {
                    matches.remove(*doc);
                    top.offer(keys.late(*doc));
                }
                scored.best(segment, &matches, total - changed.len(), &found, &keys, &mut top)?;
            }
            None => by_time(segment, &cache, &matches, total, &keys, &mut top)?,
        }
    }
    let facets = count.iter().zip(counts).map(|(field, counts)| {
        let mut values: Vec<(String, usize)> = counts.into_iter().collect();
        values.sort_by_key(|(_, n)| Reverse(*n));
        values.truncate(MAX_VALUES);
        Facet { field: *field, values }
    });
    Ok((top.collected(scored.as_ref().map(|scored| &scored.measure)), facets.collect()))
}

/// The matches whose words were changed later than a stamp of the index.
fn changed_since(segment: &SegmentReader, matches: &DocBitSet, since: u64) -> tantivy::Result<Vec<DocId>> {
    let changed = segment.fast_fields().u64("changed")?;
    if changed.max_value() <= since {
        return Ok(Vec::new());
    }
    Ok(matches.iter().filter(|doc| changed.first(*doc).is_some_and(|at| at > since)).collect())
}

/// The matches of one matcher of a word in a segment.
struct TermMatches {
    set: DocBitSet,
    /// Number of postings of its term.
    postings: usize,
    is_term: bool,
    /// The score of every match, if it is constant.
    constant: Option<Score>,
    /// The score of each match, by record, for token sequences.
    scores: Vec<(DocId, Score)>,
}

fn look_up(
    searcher: &Searcher,
    segment: &SegmentReader,
    parts: &[WordMatcher],
    scored: Option<&ScoringModel>,
) -> tantivy::Result<Vec<TermMatches>> {
    let mut all: Vec<TermMatches> = Vec::with_capacity(parts.len());
    for (n, part) in parts.iter().enumerate() {
        // Prefix and fuzzy lookups include the exact matches of the same term, so its set is reused.
        let same =
            |term: &Term| parts.iter().take(n).position(|p| matches!(&p.what, TermLookup::Term(t) if t == term)).and_then(|at| all.get(at));
        let begin = |term: &Term| {
            same(term).filter(|looked| looked.postings > 0).map_or_else(|| DocBitSet::new(segment.max_doc()), |looked| looked.set.clone())
        };
        let mut looked = TermMatches { set: DocBitSet::default(), postings: 0, is_term: false, constant: None, scores: Vec::new() };
        match &part.what {
            TermLookup::Term(term) => {
                looked.is_term = part.is_scored();
                (looked.set, looked.postings) = postings_of(segment, term)?;
            }
            TermLookup::Prefix(term) => {
                looked.set = begin(term);
                let skip = same(term).is_some();
                let inverted = segment.inverted_index(term.field())?;
                let after = [term.serialized_value_bytes(), char::MAX.to_string().as_bytes()].concat();
                let mut terms = inverted.terms().range().ge(term.serialized_value_bytes()).lt(after).into_stream()?;
                while terms.advance() {
                    if !skip || terms.key() != term.serialized_value_bytes() {
                        post(&inverted, terms.value(), &mut looked.set)?;
                    }
                }
                looked.constant = Some(part.boost);
            }
            TermLookup::Fuzzy(term, errors) => {
                looked.set = begin(term);
                let skip = same(term).is_some();
                let inverted = segment.inverted_index(term.field())?;
                let automaton = FuzzyTermQuery::new(term.clone(), *errors, true).automaton()?;
                let mut terms = inverted.terms().search(&automaton).into_stream()?;
                while terms.advance() {
                    if !skip || terms.key() != term.serialized_value_bytes() {
                        post(&inverted, terms.value(), &mut looked.set)?;
                    }
                }
                looked.constant = Some(part.boost);
            }
            TermLookup::TermSequence(terms) => {
                looked.set = DocBitSet::new(segment.max_doc());
                let query = PhraseQuery::new_with_offset(terms.clone());
                if let Some(scored) = scored.filter(|_| part.is_scored()) {
                    let weight = query.weight(EnableScoring::enabled_from_statistics_provider(scored, searcher))?;
                    weight.for_each(segment, &mut |doc, score| {
                        looked.set.insert(doc);
                        looked.scores.push((doc, score * part.boost));
                    })?;
                } else {
                    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
                    fill(&*weight, segment, &mut looked.set)?;
                }
            }
        }
        all.push(looked);
    }
    Ok(all)
}

fn fill(weight: &dyn Weight, segment: &SegmentReader, set: &mut DocBitSet) -> tantivy::Result<()> {
    weight.for_each_no_score(segment, &mut |docs| docs.iter().for_each(|doc| set.insert(*doc)))
}

/// The records of a segment that pass the filters on one field.
fn pass(searcher: &Searcher, segment: &SegmentReader, cache: &SegmentCache, tests: &FieldFilters) -> tantivy::Result<DocBitSet> {
    let any = |leaves: &[FilterLeaf]| -> tantivy::Result<DocBitSet> {
        let mut set = DocBitSet::new(segment.max_doc());
        for leaf in leaves {
            match leaf {
                FilterLeaf::Value(column, value) => cache.values(segment, column)?.add_to(value, &mut set),
                FilterLeaf::Query(query) => fill(&*query.weight(EnableScoring::disabled_from_searcher(searcher))?, segment, &mut set)?,
            }
        }
        Ok(set)
    };
    let mut passing = match &tests.any {
        Some(leaves) => any(leaves)?,
        None => DocBitSet::full(segment.max_doc()),
    };
    if !tests.none.is_empty() {
        passing.subtract(&any(&tests.none)?);
    }
    Ok(passing)
}

/// Creates the sort keys of a segment's records.
struct SortKeyReader {
    sort: Sort,
    created: Column<i64>,
    high: Column<u64>,
    low: Column<u64>,
}

impl SortKeyReader {
    fn new(segment: &SegmentReader, sort: Sort) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        Ok(Self { sort, created: columns.i64("created")?, high: columns.u64("id_high")?, low: columns.u64("id_low")? })
    }

    fn of(&self, doc: DocId, relevance: Score) -> SortKey {
        SortKey::new(self.sort, relevance, self.created.first(doc).unwrap_or_default(), self.id(doc))
    }

    fn late(&self, doc: DocId) -> SortKey {
        SortKey::late(self.created.first(doc).unwrap_or_default(), self.id(doc))
    }

    fn id(&self, doc: DocId) -> u128 {
        u128::from(self.high.first(doc).unwrap_or_default()) << 64 | u128::from(self.low.first(doc).unwrap_or_default())
    }
}

/// Offers the matches nearest to the boundary in time order.
fn by_time(
    segment: &SegmentReader,
    cache: &SegmentCache,
    matches: &DocBitSet,
    total: usize,
    keys: &SortKeyReader,
    top: &mut TopCollector,
) -> tantivy::Result<()> {
    // For few matches among many records, iterating over the matches is faster than over the records.
    if total.saturating_mul(total) < top.page.limit.saturating_mul(segment.max_doc() as usize) {
        matches.iter().for_each(|doc| top.offer(keys.of(doc, 0.0)));
        return Ok(());
    }
    let order = cache.by_time(segment)?;
    let len = order.len();
    let at = |n: usize| order.get(if keys.sort == Sort::Oldest { n } else { len - 1 - n }).copied().unwrap_or(TERMINATED);
    let begin = top.page.begin(len, |n| keys.of(at(n), 0.0));
    let ahead = &mut (begin..len).map(at).filter(|doc| matches.holds(*doc));
    let behind = &mut (0..begin).rev().map(at).filter(|doc| matches.holds(*doc));
    let (wanted, others): (&mut dyn Iterator<Item = DocId>, &mut dyn Iterator<Item = DocId>) =
        if top.page.is_backward() { (behind, ahead) } else { (ahead, behind) };
    for doc in wanted.take(top.page.limit.saturating_add(1)) {
        top.offer(keys.of(doc, 0.0));
    }
    // One is enough to show that others exist.
    others.take(1).for_each(|doc| top.offer(keys.of(doc, 0.0)));
    Ok(())
}

/// The number of records that rarity refers to.
const AMONG: u64 = 1 << RAREST;

impl RelevanceStats {
    /// The inputs to relevance for the current index.
    fn of(searcher: &Searcher, fields: Fields, plan: &QueryPlan, since: u64) -> tantivy::Result<Self> {
        let records = searcher.total_num_docs()?.max(1);
        let length = |field: IndexField| -> tantivy::Result<u32> {
            let tokens = searcher.total_num_tokens(field)?;
            Ok(u32::try_from(tokens.saturating_mul(256) / records).unwrap_or(u32::MAX).max(1))
        };
        let mut rarity = Vec::new();
        for words in plan.words.iter().filter(|words| !words.negated) {
            // A word is as common as its most common form, a sequence as its rarest token.
            let mut common = 0;
            for part in words.any.iter().filter(|part| part.is_scored()) {
                let frequency = match &part.what {
                    TermLookup::Term(term) => searcher.doc_freq(term)?,
                    TermLookup::TermSequence(terms) => {
                        terms.iter().map(|(_, term)| searcher.doc_freq(term)).try_fold(u64::MAX, |least, n| n.map(|n| least.min(n)))?
                    }
                    TermLookup::Prefix(_) | TermLookup::Fuzzy(..) => 0,
                };
                common = common.max(frequency);
            }
            let halved = u8::try_from((records / common.max(1)).max(1).ilog2()).unwrap_or(RAREST);
            rarity.push(halved.clamp(1, RAREST));
        }
        Ok(Self { since, lengths: [length(fields.text)?, length(fields.stems)?], rarity })
    }
}

/// The relevance model.
struct ScoringModel {
    measure: RelevanceStats,
    fields: Fields,
    /// How many of [`AMONG`] records contain each term.
    frequencies: HashMap<Term, u64>,
    /// Each term of the required words, in their order.
    terms: Vec<Box<dyn Weight>>,
    /// The union of these terms, which skips records that cannot score high enough; `None` if there are token sequences, which it does not
    /// support.
    union: Option<Box<dyn Weight>>,
}

/// Provides the statistics of the list's first page to tantivy.
impl Bm25StatisticsProvider for ScoringModel {
    fn total_num_tokens(&self, field: IndexField) -> tantivy::Result<u64> {
        Ok(u64::from(self.length(field)).saturating_mul(AMONG / 256))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(AMONG)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        Ok(self.frequencies.get(term).copied().unwrap_or(1))
    }
}

impl ScoringModel {
    fn new(searcher: &Searcher, fields: Fields, plan: &QueryPlan, measure: RelevanceStats) -> tantivy::Result<Self> {
        let words = || plan.words.iter().filter(|words| !words.negated);
        let parts = || words().flat_map(|words| &words.any).filter(|part| part.is_scored());
        let mut frequencies = HashMap::new();
        for (words, rarity) in words().zip(&measure.rarity) {
            for part in words.any.iter().filter(|part| part.is_scored()) {
                let frequency = AMONG >> rarity;
                match &part.what {
                    TermLookup::Term(term) => _ = frequencies.entry(term.clone()).or_insert(frequency),
                    TermLookup::TermSequence(terms) => {
                        terms.iter().for_each(|(_, term)| _ = frequencies.entry(term.clone()).or_insert(frequency))
                    }
                    TermLookup::Prefix(_) | TermLookup::Fuzzy(..) => {}
                }
            }
        }
        let query = |part: &WordMatcher| -> Option<Box<dyn Query>> {
            let TermLookup::Term(term) = &part.what else { return None };
            Some(Box::new(BoostQuery::new(Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)), part.boost)))
        };
        let queries: Vec<Box<dyn Query>> = parts().filter_map(query).collect();
        let mut scored = Self { measure, fields, frequencies, terms: Vec::new(), union: None };
        let scoring = EnableScoring::enabled_from_statistics_provider(&scored, searcher);
        let terms = queries.iter().map(|query| query.weight(scoring)).collect::<tantivy::Result<_>>()?;
        let union = match parts().any(|part| matches!(part.what, TermLookup::TermSequence(_))) {
            true => None,
            false => Some(BooleanQuery::union(queries).weight(scoring)?),
        };
        (scored.terms, scored.union) = (terms, union);
        Ok(scored)
    }

    /// The average length of a field, in 1/256 of a token.
    fn length(&self, field: IndexField) -> u32 {
        let [words, stems] = self.measure.lengths;
        if field == self.fields.stems { stems } else { words }
    }

    /// The factor by which the best score in a block of postings may exceed the segment's estimate. For each block, the segment stores the
    /// record that is best by the segment's own average length; by another average, a different record may be best, but its score differs
    /// by no more than the two averages do.
    fn doubt(&self, segment: &SegmentReader) -> tantivy::Result<Score> {
        let mut doubt: Score = 1.0;
        for field in [self.fields.text, self.fields.stems] {
            let tokens = segment.inverted_index(field)?.total_num_tokens();
            if tokens > 0 {
                let ratio = tokens as Score * 256.0 / (segment.max_doc().max(1) as Score * self.length(field) as Score);
                doubt = doubt.max(ratio).max(ratio.recip());
            }
        }
        Ok(doubt)
    }

    /// Offers the matches that can reach the page.
    fn best(
        &self,
        segment: &SegmentReader,
        matches: &DocBitSet,
        total: usize,
        found: &[Vec<TermMatches>],
        keys: &SortKeyReader,
        top: &mut TopCollector,
    ) -> tantivy::Result<()> {
        let mut relevance = SegmentScorer {
            terms: self.terms.iter().map(|weight| weight.scorer(segment, 1.0)).collect::<tantivy::Result<_>>()?,
            found: found.iter().flatten().filter(|looked| !looked.is_term).map(|looked| (looked, 0)).collect(),
        };
        let postings: usize = found.iter().flatten().filter(|looked| looked.is_term).map(|looked| looked.postings).sum();
        let union = self.union.as_ref().filter(|_| total.saturating_mul(RARE) > postings);
        let Some(union) = union else {
            matches.iter().for_each(|doc| top.offer(keys.of(doc, relevance.of(doc))));
            return Ok(());
        };
        // A record qualifies if its terms score as high as the last record of the page, minus the most that its other matches can add.
        let more = relevance.most_constant() + ALIKE;
        let doubt = self.doubt(segment)?;
        let enough = |least: Score| ((least - more) / doubt).min(least - more);
        union.for_each_pruning(enough(top.least()), segment, &mut |doc, said| {
            if matches.holds(doc) && said + relevance.constant(doc) + ALIKE >= top.least() {
                top.offer(keys.of(doc, relevance.of(doc)));
            }
            enough(top.least())
        })?;
        // Records without any of the terms, which match by prefix or similarity only.
        if top.least() <= more {
            let mut others = matches.clone();
            found.iter().flatten().filter(|looked| looked.is_term).for_each(|looked| others.subtract(&looked.set));
            // Scorers only move forward, and are at the end.
            let mut relevance = SegmentScorer { terms: Vec::new(), found: relevance.found };
            others.iter().for_each(|doc| top.offer(keys.of(doc, relevance.of(doc))));
        }
        Ok(())
    }
}

/// The relevance of a segment's records, which must be requested in ascending order.
struct SegmentScorer<'a> {
    terms: Vec<Box<dyn Scorer>>,
    /// Matches other than terms, each with the number of its scores already passed.
    found: Vec<(&'a TermMatches, usize)>,
}

impl SegmentScorer<'_> {
    /// Sums in the same order for each record, so that the result is the same on each page.
    fn of(&mut self, doc: DocId) -> Score {
        let mut sum = self.constant(doc);
        for scorer in &mut self.terms {
            if scorer.doc() < doc {
                scorer.seek(doc);
            }
            if scorer.doc() == doc {
                sum += scorer.score();
            }
        }
        for (looked, behind) in &mut self.found {
            while looked.scores.get(*behind).is_some_and(|(other, _)| *other < doc) {
                *behind += 1;
            }
            sum += looked.scores.get(*behind).filter(|(other, _)| *other == doc).map_or(0.0, |(_, score)| *score);
        }
        sum
    }

    /// The sum of the constant scores of a record.
    fn constant(&self, doc: DocId) -> Score {
        self.found.iter().filter_map(|(looked, _)| looked.constant.filter(|_| looked.set.holds(doc))).sum()
    }

    fn most_constant(&self) -> Score {
        self.found.iter().filter_map(|(looked, _)| looked.constant.filter(|_| !looked.set.is_empty())).sum()
    }
}
