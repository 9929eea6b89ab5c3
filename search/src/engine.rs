//! The index on disk: its schema, opening and writing it, and its position in the change sequence.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use domain::{feedback::Feedback, ids::FeedbackId, triage::QueryField};
use serde::{Deserialize, Serialize};
use tantivy::{
    DocSet, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, Term,
    indexer::LogMergePolicy,
    schema::{BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{TextAnalyzer, Token as IndexToken, TokenStream, Tokenizer, WhitespaceTokenizer},
};

use crate::{
    ChangePosition, IndexDocument,
    segment_cache::SegmentCaches,
    tokenizer::{LanguageStemmer, Token, has_stem, tokens},
};
use crate::{Error, Result};

/// Incremented with every change to the schema or the tokenizer: an index of another version is rebuilt.
pub(crate) const VERSION: u32 = 5;
/// The writer's memory budget, in bytes.
const WRITER_BYTES: usize = 50_000_000;
/// Segments with fewer records than this are merged as if of equal size. With tantivy's default of ten thousand, the first records are
/// rewritten with every few small commits until ten thousand have been added.
const SMALLEST: u32 = 1000;

/// The fields of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) id: Field,
    id_high: Field,
    id_low: Field,
    pub(crate) project: Field,
    pub(crate) created: Field,
    /// The text, folded, with positions.
    pub(crate) text: Field,
    /// Contact, page and tags, folded, with positions.
    pub(crate) about: Field,
    /// `en:wait`
    pub(crate) stems: Field,
    status: Field,
    kind: Field,
    priority: Field,
    tag: Field,
    assignee: Field,
    survey: Field,
    lang: Field,
    release: Field,
    environment: Field,
    pub(crate) score: Field,
    has: Field,
    /// A hash of the words, and the stamp of the commit that last changed them; 0 if they never changed.
    words: Field,
    changed: Field,
}

impl Fields {
    /// The columns of the fields that are compared exactly. Which values a record has in them is decided in the domain
    /// ([`domain::triage::FeedbackFacts::values`]).
    fn values(&self) -> [(QueryField, Field); 10] {
        [
            (QueryField::Status, self.status),
            (QueryField::Kind, self.kind),
            (QueryField::Priority, self.priority),
            (QueryField::Tag, self.tag),
            (QueryField::Assignee, self.assignee),
            (QueryField::Survey, self.survey),
            (QueryField::Lang, self.lang),
            (QueryField::Release, self.release),
            (QueryField::Env, self.environment),
            (QueryField::Has, self.has),
        ]
    }
}

/// The column with the values of a field.
pub(crate) fn column(field: QueryField) -> &'static str {
    match field {
        QueryField::Env => "environment",
        other => other.as_str(),
    }
}

/// A score as the index compares it: the bits of -0.0 come before those of 0.0.
pub(crate) fn comparable_score(score: f64) -> f64 {
    score + 0.0
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexed = |tokenizer: &str, option| {
        TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(option != IndexRecordOption::Basic)
    };
    let words = || TextOptions::default().set_indexing_options(indexed("words", IndexRecordOption::WithFreqsAndPositions));
    let exact = || TextOptions::default().set_indexing_options(indexed("raw", IndexRecordOption::Basic));
    // Filtered and counted by column only: posting lists for that many more fields would be a considerable part of the cost of each commit.
    let value = || TextOptions::default().set_fast("raw");
    let number = || NumericOptions::default().set_fast();
    let fields = Fields {
        id: schema.add_bytes_field("id", BytesOptions::default().set_indexed()),
        id_high: schema.add_u64_field("id_high", number()),
        id_low: schema.add_u64_field("id_low", number()),
        project: schema.add_text_field("project", exact()),
        created: schema.add_i64_field("created", number()),
        text: schema.add_text_field("text", words()),
        about: schema.add_text_field("about", words()),
        stems: schema.add_text_field("stems", TextOptions::default().set_indexing_options(indexed("stems", IndexRecordOption::WithFreqs))),
        status: schema.add_text_field("status", value()),
        kind: schema.add_text_field("kind", value()),
        priority: schema.add_text_field("priority", value()),
        tag: schema.add_text_field("tag", value()),
        assignee: schema.add_text_field("assignee", value()),
        survey: schema.add_text_field("survey", value()),
        lang: schema.add_text_field("lang", value()),
        release: schema.add_text_field("release", value()),
        environment: schema.add_text_field("environment", value()),
        score: schema.add_f64_field("score", number()),
        has: schema.add_text_field("has", value()),
        words: schema.add_u64_field("words", number()),
        changed: schema.add_u64_field("changed", number()),
    };
    (schema.build(), fields)
}

/// Written into every commit.
#[derive(Debug, Serialize, Deserialize)]
struct CommitPayload {
    version: u32,
    instance: String,
    tx: i64,
    seq: i64,
    /// The record that the change at this position is about: in another database, or after a restore of this one, it is a different record.
    #[serde(default)]
    about: Option<FeedbackId>,
    #[serde(default)]
    stamp: u64,
}

/// An open index.
pub(crate) struct IndexEngine {
    index: Index,
    reader: IndexReader,
    pub(crate) fields: Fields,
    pub(crate) caches: SegmentCaches,
    stamp: AtomicU64,
}

/// The index's information about the words of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextVersion {
    words: u64,
    changed: u64,
}

impl IndexEngine {
    /// Opens the index in `dir`, with its position, if it is complete, of this version and of this database.
    ///
    /// # Errors
    /// The reason why the index cannot be used.
    pub(crate) fn open(dir: &Path, instance: &str) -> Result<(Self, ChangePosition, Option<FeedbackId>)> {
        let index = Index::open_in_dir(dir).map_err(fault)?;
        let payload = index.load_metas().map_err(fault)?.payload.ok_or_else(|| Error::internal("search index", "it is not finished"))?;
        let payload: CommitPayload = serde_json::from_str(&payload)?;
        let (schema, fields) = schema();
        if payload.version != VERSION || index.schema() != schema {
            return Err(Error::internal("search index", "it has another version"));
        }
        if payload.instance != instance {
            return Err(Error::internal("search index", "it belongs to another database"));
        }
        let engine = Self::over(index, fields)?;
        engine.stamp.store(payload.stamp, Ordering::SeqCst);
        Ok((engine, ChangePosition { tx: payload.tx, seq: payload.seq }, payload.about))
    }

    /// A new, empty index in `dir`.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be written.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::internal("search index", e))?;
        let (schema, fields) = schema();
        Self::over(Index::create_in_dir(dir, schema).map_err(fault)?, fields)
    }

    fn over(index: Index, fields: Fields) -> Result<Self> {
        index.tokenizers().register("words", TextAnalyzer::from(WordTokenizer));
        index.tokenizers().register("stems", TextAnalyzer::from(WhitespaceTokenizer::default()));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(fault)?;
        Ok(Self { index, reader, fields, caches: SegmentCaches::default(), stamp: AtomicU64::new(0) })
    }

    pub(crate) fn writer(&self) -> Result<DocumentWriter> {
        let inner = self.index.writer_with_num_threads(1, WRITER_BYTES).map_err(fault)?;
        let mut merges = LogMergePolicy::default();
        merges.set_min_layer_size(SMALLEST);
        inner.set_merge_policy(Box::new(merges));
        Ok(DocumentWriter { inner, fields: self.fields })
    }

    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// The stamp of the commit visible to searches, or of an earlier one.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::SeqCst)
    }

    /// The last commit's information about those of `ids` that it contains.
    pub(crate) fn text_versions(&self, ids: &[FeedbackId]) -> tantivy::Result<HashMap<FeedbackId, TextVersion>> {
        let searcher = self.searcher();
        let mut known = HashMap::new();
        for segment in searcher.segment_readers() {
            let inverted = segment.inverted_index(self.fields.id)?;
            let columns = segment.fast_fields();
            let (words, changed) = (columns.u64("words")?, columns.u64("changed")?);
            for id in ids {
                let term = Term::from_field_bytes(self.fields.id, id.0.as_bytes());
                let Some(mut postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? else { continue };
                while postings.doc() != TERMINATED {
                    let doc = postings.doc();
                    if segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc)) {
                        let of = |column: &tantivy::columnar::Column<u64>| column.first(doc).unwrap_or_default();
                        known.insert(*id, TextVersion { words: of(&words), changed: of(&changed) });
                    }
                    postings.advance();
                }
            }
        }
        Ok(known)
    }

    /// Makes the last commit, which has this stamp, visible to searches.
    pub(crate) fn reload(&self, stamp: u64) -> Result<()> {
        self.reader.reload().map_err(fault)?;
        self.caches.retain_only(self.searcher().segment_readers());
        self.stamp.store(stamp, Ordering::SeqCst);
        Ok(())
    }

    /// Fills the caches that searches use, so that the first search need not; returns early if `stop` returns true.
    pub(crate) fn warm(&self, stop: impl Fn() -> bool) -> tantivy::Result<()> {
        for segment in self.searcher().segment_readers() {
            let cache = self.caches.of(segment);
            for field in crate::FACETS {
                if stop() {
                    return Ok(());
                }
                cache.values(segment, column(field))?;
            }
            cache.by_time(segment)?;
        }
        Ok(())
    }

    /// The languages in the index.
    pub(crate) fn languages(&self) -> tantivy::Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for segment in self.searcher().segment_readers() {
            found.extend(self.caches.of(segment).values(segment, "lang")?.names().map(ToOwned::to_owned));
        }
        Ok(found)
    }
}

/// The one writer of an index.
pub(crate) struct DocumentWriter {
    inner: IndexWriter,
    fields: Fields,
}

impl DocumentWriter {
    /// Removes a record; part of replacing it.
    pub(crate) fn remove(&self, id: FeedbackId) {
        self.inner.delete_term(Term::from_field_bytes(self.fields.id, id.0.as_bytes()));
    }

    /// Adds a record. `known` is the index's information about its earlier version, with the stamp of the upcoming commit.
    pub(crate) fn add(&self, document: &IndexDocument, stems: &mut StemmerCache, known: Option<(TextVersion, u64)>) -> Result<()> {
        let mut doc = self.build(document, stems);
        let words = words(&document.feedback);
        let changed = known.map_or(0, |(known, stamp)| if known.words == words { known.changed } else { stamp });
        doc.add_u64(self.fields.words, words);
        doc.add_u64(self.fields.changed, changed);
        self.inner.add_document(doc).map_err(fault)?;
        Ok(())
    }

    /// Makes everything since the last commit durable, together with the resulting position.
    pub(crate) fn commit(&mut self, instance: &str, at: ChangePosition, about: Option<FeedbackId>, stamp: u64) -> Result<()> {
        let payload = CommitPayload { version: VERSION, instance: instance.to_owned(), tx: at.tx, seq: at.seq, about, stamp };
        let mut commit = self.inner.prepare_commit().map_err(fault)?;
        commit.set_payload(&serde_json::to_string(&payload)?);
        commit.commit().map_err(fault)?;
        Ok(())
    }

    /// Waits for running merges.
    pub(crate) fn close(self) {
        if let Err(error) = self.inner.wait_merging_threads() {
            tracing::warn!(search.error = %error, "the search index did not close cleanly; it is checked at the next start");
        }
    }

    fn build(&self, document: &IndexDocument, stems: &mut StemmerCache) -> TantivyDocument {
        let (f, feedback) = (&self.fields, &document.feedback);
        let (high, low) = feedback.id.0.as_u64_pair();
        let mut doc = TantivyDocument::default();
        doc.add_bytes(f.id, feedback.id.0.as_bytes());
        doc.add_u64(f.id_high, high);
        doc.add_u64(f.id_low, low);
        doc.add_text(f.project, feedback.project.to_string());
        doc.add_i64(f.created, feedback.created_at.0);
        doc.add_text(f.text, &feedback.text);
        doc.add_text(f.about, about(document));
        doc.add_text(f.stems, stems.of(&feedback.language, &feedback.text));
        let facts = document.facts();
        for (field, column) in f.values() {
            for value in facts.values(field) {
                doc.add_text(column, value);
            }
        }
        if let Some(score) = feedback.score {
            doc.add_f64(f.score, comparable_score(score));
        }
        doc
    }
}

/// A hash of the inputs to relevance, short to save space.
fn words(feedback: &Feedback) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&feedback.text, &feedback.language).hash(&mut hasher);
    hasher.finish() >> 32
}

fn about(document: &IndexDocument) -> String {
    let feedback = &document.feedback;
    let mut about = document.contact.clone();
    if let Some((number, _)) = document.ticket {
        about.push_str(&format!("\n#{number}"));
    }
    for more in feedback.page_url.iter().chain(&feedback.tags) {
        about.push('\n');
        about.push_str(more);
    }
    about
}

/// The stemmers, created once for each language encountered.
#[derive(Default)]
pub(crate) struct StemmerCache(HashMap<String, Option<LanguageStemmer>>);

impl StemmerCache {
    fn of(&mut self, language: &str, text: &str) -> String {
        let stems = self.0.entry(language.to_owned()).or_insert_with(|| LanguageStemmer::new(language));
        let Some(stems) = stems else { return String::new() };
        tokens(text).iter().filter(|token| has_stem(token)).map(|t| stems.stem(&t.lower)).collect::<Vec<_>>().join(" ")
    }
}

/// Converts any tantivy error.
pub(crate) fn fault(error: impl std::fmt::Display) -> Error {
    Error::internal("search index", error)
}

/// Passes our tokens to tantivy.
#[derive(Clone)]
struct WordTokenizer;

struct WordTokenStream {
    tokens: std::vec::IntoIter<Token>,
    now: IndexToken,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordTokenStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordTokenStream {
        WordTokenStream { tokens: tokens(text).into_iter(), now: IndexToken::default() }
    }
}

impl TokenStream for WordTokenStream {
    fn advance(&mut self) -> bool {
        let Some(token) = self.tokens.next() else { return false };
        self.now = IndexToken {
            offset_from: token.range.start,
            offset_to: token.range.end,
            position: token.position,
            text: token.folded,
            position_length: 1,
        };
        true
    }

    fn token(&self) -> &IndexToken {
        &self.now
    }

    fn token_mut(&mut self) -> &mut IndexToken {
        &mut self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_compared_exactly_has_its_column() {
        let (schema, fields) = schema();
        for field in QueryField::ALL {
            let columns = fields.values().into_iter().filter(|(of, _)| of == field);
            let names: Vec<&str> = columns.map(|(_, column)| schema.get_field_name(column)).collect();
            match field {
                // Numbers, and another way to write `status:`.
                QueryField::Score | QueryField::Before | QueryField::After | QueryField::Is => assert!(names.is_empty()),
                other => assert_eq!(names, [column(*other)]),
            }
        }
    }
}
