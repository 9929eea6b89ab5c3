//! tantivy alone, in this process, on the index that the program built: the same documents in the same segments.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tantivy::{
    DocAddress, Index, Order, Score, Searcher, Term,
    aggregation::{AggContextParams, AggregationCollector, agg_req::Aggregations},
    collector::{Count, TopDocs},
    query::{BooleanQuery, FuzzyTermQuery, Occur, PhraseQuery, Query, TermQuery},
    schema::{Field, IndexRecordOption},
    tokenizer::{TextAnalyzer, WhitespaceTokenizer},
};

use super::{BaselineQuery, PAGE, TimesByClass};
use crate::{Result, load::LatencySamples};

/// Latencies of the first page only, and of the first page with the total and the counts of the seven inbox facets.
pub struct TantivyResult {
    pub page: TimesByClass,
    pub with_counts: TimesByClass,
    pub segments: usize,
}

/// Runs each query as a plain tantivy user would write it: words unchanged, in the text, without prefixes, stems or separation of projects,
/// and with typo tolerance only for queries with a typo.
pub fn run(index: &Path, mix: &[(String, Vec<BaselineQuery>)], budget: Duration) -> Result<TantivyResult> {
    let index = Index::open_in_dir(index)?;
    // Only needed to open it: terms are built below without them.
    for name in ["words", "stems"] {
        index.tokenizers().register(name, TextAnalyzer::from(WhitespaceTokenizer::default()));
    }
    let searcher = index.reader()?.searcher();
    let schema = index.schema();
    let (text, tag, status) = (schema.get_field("text")?, schema.get_field("tag")?, schema.get_field("status")?);
    let (mut page, mut with_counts) = (Vec::new(), Vec::new());
    for (class, asked) in mix {
        let (mut first, mut counted) = (LatencySamples::default(), LatencySamples::default());
        for (times, counts) in [(&mut first, false), (&mut counted, true)] {
            let end = Instant::now() + budget;
            // The first rounds warm up the caches.
            for round in 0..500 + asked.len() {
                let one = &asked[round % asked.len()];
                let query = query(one, text, tag, status);
                if round > 2 * asked.len() && Instant::now() > end {
                    break;
                }
                let started = Instant::now();
                let found = if matches!(one, BaselineQuery::Filter(..)) {
                    newest(&searcher, &*query, counts)?
                } else {
                    best(&searcher, &*query, counts)?
                };
                if round >= asked.len() {
                    times.push(started.elapsed());
                }
                if found == 0 {
                    return Err(format!("tantivy finds nothing for {one:?}").into());
                }
            }
        }
        page.push((class.clone(), Some(first.spread())));
        with_counts.push((class.clone(), Some(counted.spread())));
    }
    Ok(TantivyResult { page, with_counts, segments: searcher.segment_readers().len() })
}

fn query(asked: &BaselineQuery, text: Field, tag: Field, status: Field) -> Box<dyn Query> {
    let term = |word: &str| Term::from_field_text(text, word);
    let one = |word: &str| -> Box<dyn Query> { Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs)) };
    match asked {
        BaselineQuery::One(a) => one(a),
        BaselineQuery::And(a, b) => Box::new(BooleanQuery::new(vec![(Occur::Must, one(a)), (Occur::Must, one(b))])),
        BaselineQuery::Phrase(a, b) => Box::new(PhraseQuery::new(vec![term(a), term(b)])),
        BaselineQuery::Typo(a) => Box::new(FuzzyTermQuery::new(term(a), if a.chars().count() > 7 { 2 } else { 1 }, true)),
        BaselineQuery::Filter(a, b) => {
            let exact = |field, value: &str| -> Box<dyn Query> {
                Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
            };
            Box::new(BooleanQuery::new(vec![(Occur::Must, exact(tag, a)), (Occur::Must, exact(status, b))]))
        }
    }
}

fn best(searcher: &Searcher, query: &dyn Query, counts: bool) -> Result<usize> {
    let top = TopDocs::with_limit(PAGE).order_by_score();
    let found: Vec<(Score, DocAddress)> = if counts {
        let (found, total, _) = searcher.search(query, &(top, Count, facets()?))?;
        std::hint::black_box(total);
        found
    } else {
        searcher.search(query, &top)?
    };
    Ok(found.len())
}

fn newest(searcher: &Searcher, query: &dyn Query, counts: bool) -> Result<usize> {
    let top = TopDocs::with_limit(PAGE).order_by_fast_field::<i64>("created", Order::Desc);
    if counts {
        let (found, total, _) = searcher.search(query, &(top, Count, facets()?))?;
        std::hint::black_box(total);
        return Ok(found.len());
    }
    Ok(searcher.search(query, &top)?.len())
}

/// Counts column values with tantivy's own aggregations.
fn facets() -> Result<AggregationCollector> {
    let fields = ["status", "kind", "tag", "assignee", "survey", "lang", "release"];
    let all: serde_json::Map<String, serde_json::Value> =
        fields.iter().map(|f| ((*f).to_owned(), serde_json::json!({ "terms": { "field": f, "size": 50 } }))).collect();
    let asked: Aggregations = serde_json::from_value(serde_json::Value::Object(all))?;
    Ok(AggregationCollector::from_aggs(asked, AggContextParams::default()))
}
