//! The in-memory cache for each segment of the index: the records with each value of a column, the records of a project, and the time order
//! of all records. A segment never changes except for deleted records, so each entry is computed once, on first use, and dropped with the
//! segment.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use domain::ids::ProjectId;
use tantivy::{
    DocId, Opstamp, SegmentReader, Term,
    columnar::{Cardinality, StrColumn},
    index::SegmentId,
    schema::Field,
};

use crate::{bit_set::DocBitSet, postings::postings_of};

/// A set with fewer than one in this many records is stored as a list, which takes less memory.
const SPARSE: usize = 32;
/// For a column with more values than this, the cache also stores the value of each record: iterating over the matches once is then faster
/// than over that many sets.
const MANY: usize = 16;

/// The number of records with each value.
pub(crate) type ValueCounts = BTreeMap<String, usize>;

/// The cache, by segment.
#[derive(Debug, Default)]
pub(crate) struct SegmentCaches(LazyMap<SegmentId, SegmentCache>);

impl SegmentCaches {
    pub(crate) fn of(&self, segment: &SegmentReader) -> Arc<SegmentCache> {
        self.0.get_or(segment.segment_id(), SegmentCache::default)
    }

    /// Drops segments that no longer exist.
    pub(crate) fn retain_only(&self, segments: &[SegmentReader]) {
        let there: Vec<SegmentId> = segments.iter().map(SegmentReader::segment_id).collect();
        self.0.lock().retain(|segment, _| there.contains(segment));
    }
}

/// The cache of one segment.
#[derive(Debug, Default)]
pub(crate) struct SegmentCache {
    columns: LazyMap<&'static str, ColumnPostings>,
    projects: LazyMap<ProjectId, CompactDocSet>,
    by_time: LazyMap<(), Vec<DocId>>,
    /// The counts of all records of a project in the segment, with the deletion stamp they were made at: the facets of an inbox without a
    /// query.
    pub(crate) whole: LazyMap<ProjectId, (Option<Opstamp>, Vec<ValueCounts>)>,
}

impl SegmentCache {
    /// The records with each value of a column.
    pub(crate) fn values(&self, segment: &SegmentReader, name: &'static str) -> tantivy::Result<Arc<ColumnPostings>> {
        self.columns.get(name, || match segment.fast_fields().str(name)? {
            Some(column) => ColumnPostings::of(&column, segment.max_doc()),
            None => Ok(ColumnPostings::default()),
        })
    }

    /// The records of a project, including deleted ones.
    pub(crate) fn project(&self, segment: &SegmentReader, field: Field, project: ProjectId) -> tantivy::Result<DocBitSet> {
        let records = self.projects.get(project, || {
            let (set, _) = postings_of(segment, &Term::from_field_text(field, &project.to_string()))?;
            Ok(CompactDocSet::of(set, segment.max_doc()))
        })?;
        Ok(records.set(segment.max_doc()))
    }

    /// All records, oldest first.
    pub(crate) fn by_time(&self, segment: &SegmentReader) -> tantivy::Result<Arc<Vec<DocId>>> {
        self.by_time.get((), || {
            let columns = segment.fast_fields();
            let (created, high, low) = (columns.i64("created")?, columns.u64("id_high")?, columns.u64("id_low")?);
            let (at, id) = (|doc: DocId| created.first(doc), |doc: DocId| (high.first(doc), low.first(doc)));
            let mut order: Vec<DocId> = (0..segment.max_doc()).collect();
            // A merged segment consists of sorted runs, which a stable sort merges. Storing the keys beside them would take four times the
            // memory.
            order.sort_by(|a, b| at(*a).cmp(&at(*b)).then_with(|| id(*a).cmp(&id(*b))));
            Ok(order)
        })
    }
}

/// A map of values that are computed on first use.
#[derive(Debug)]
pub(crate) struct LazyMap<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for LazyMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> LazyMap<K, V> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes without holding the lock: two concurrent callers compute it twice, but neither waits.
    fn get(&self, key: K, make: impl FnOnce() -> tantivy::Result<V>) -> tantivy::Result<Arc<V>> {
        match self.find(&key) {
            Some(there) => Ok(there),
            None => Ok(self.put(key, make()?)),
        }
    }

    fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        Arc::clone(self.lock().entry(key).or_insert_with(|| Arc::new(make())))
    }

    pub(crate) fn find(&self, key: &K) -> Option<Arc<V>> {
        self.lock().get(key).map(Arc::clone)
    }

    pub(crate) fn put(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.lock().insert(key, Arc::clone(&value));
        value
    }
}

/// A set of records of a segment.
#[derive(Debug)]
enum CompactDocSet {
    Dense(DocBitSet),
    Sparse(Vec<DocId>),
}

impl CompactDocSet {
    fn of(set: DocBitSet, records: DocId) -> Self {
        if set.len() * SPARSE < records as usize { Self::Sparse(set.iter().collect()) } else { Self::Dense(set) }
    }

    /// The empty set, with capacity for `many` records.
    fn with_room(many: usize, records: DocId) -> Self {
        if many * SPARSE < records as usize { Self::Sparse(Vec::with_capacity(many)) } else { Self::Dense(DocBitSet::new(records)) }
    }

    /// Adds a record; must be higher than all others in the set.
    fn push(&mut self, doc: DocId) {
        match self {
            Self::Dense(set) => set.insert(doc),
            Self::Sparse(list) => list.push(doc),
        }
    }

    fn add_to(&self, set: &mut DocBitSet) {
        match self {
            Self::Dense(own) => set.add(own),
            Self::Sparse(list) => list.iter().for_each(|doc| set.insert(*doc)),
        }
    }

    fn set(&self, records: DocId) -> DocBitSet {
        match self {
            Self::Dense(own) => own.clone(),
            Self::Sparse(_) => {
                let mut set = DocBitSet::new(records);
                self.add_to(&mut set);
                set
            }
        }
    }

    fn common(&self, matches: &DocBitSet) -> usize {
        match self {
            Self::Dense(own) => own.common(matches),
            Self::Sparse(list) => list.iter().filter(|doc| matches.holds(**doc)).count(),
        }
    }
}

/// The records with each value of one column of one segment.
#[derive(Debug, Default)]
pub(crate) struct ColumnPostings {
    /// Sorted by name.
    having: Vec<(String, CompactDocSet)>,
    /// The value whose count is derived: if each record has exactly one value, it has all records that the others do not.
    rest: Option<usize>,
    numbered: Option<ValueOrdinals>,
}

/// The values of the records, by ordinal.
#[derive(Debug)]
struct ValueOrdinals {
    /// The first value of each record; [`u16::MAX`] if it has none.
    first: Vec<u16>,
    /// The other values of records with several.
    more: Vec<(DocId, u16)>,
}

impl ValueOrdinals {
    /// Returns `None` if there are too many values for 16-bit ordinals.
    fn of(column: &StrColumn, records: DocId) -> Option<Self> {
        let number = |ord: u64| u16::try_from(ord).unwrap_or(u16::MAX);
        let (mut first, mut more) = (Vec::with_capacity(records as usize), Vec::new());
        for doc in 0..records {
            let mut values = column.term_ords(doc);
            first.push(values.next().map_or(u16::MAX, number));
            more.extend(values.map(|ord| (doc, number(ord))));
        }
        (column.num_terms() < usize::from(u16::MAX)).then_some(Self { first, more })
    }

    fn count(&self, values: usize, matches: &DocBitSet) -> Vec<usize> {
        let mut counts = vec![0; values];
        let mut one = |number: u16| {
            if let Some(n) = counts.get_mut(usize::from(number)) {
                *n += 1;
            }
        };
        matches.iter().filter_map(|doc| self.first.get(doc as usize)).for_each(|number| one(*number));
        self.more.iter().filter(|(doc, _)| matches.holds(*doc)).for_each(|(_, number)| one(*number));
        counts
    }
}

impl ColumnPostings {
    fn of(column: &StrColumn, records: DocId) -> tantivy::Result<Self> {
        let place = |ord: u64| usize::try_from(ord).unwrap_or(usize::MAX);
        // Two passes, so that every list has its final capacity from the start.
        let mut counts = vec![0; column.num_terms()];
        for ord in (0..records).flat_map(|doc| column.term_ords(doc)) {
            if let Some(n) = counts.get_mut(place(ord)) {
                *n += 1;
            }
        }
        let largest = counts.iter().enumerate().max_by_key(|(_, n)| **n).map(|(n, _)| n);
        let rest = largest.filter(|_| column.ords().get_cardinality() == Cardinality::Full);
        let mut having = Vec::with_capacity(counts.len());
        for (ord, n) in (0_u64..).zip(counts) {
            let mut name = String::new();
            column.ord_to_str(ord, &mut name)?;
            having.push((name, CompactDocSet::with_room(n, records)));
        }
        for doc in 0..records {
            for ord in column.term_ords(doc) {
                if let Some((_, of)) = having.get_mut(place(ord)) {
                    of.push(doc);
                }
            }
        }
        let numbered = if having.len() > MANY { ValueOrdinals::of(column, records) } else { None };
        Ok(Self { having, rest, numbered })
    }

    /// The names of all values.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.having.iter().map(|(name, _)| name.as_str())
    }

    /// Adds the records that have a value.
    pub(crate) fn add_to(&self, value: &str, set: &mut DocBitSet) {
        if let Ok(n) = self.having.binary_search_by(|(name, _)| name.as_str().cmp(value))
            && let Some((_, records)) = self.having.get(n)
        {
            records.add_to(set);
        }
    }

    /// Counts the matches with each value; `total` is the number of matches.
    pub(crate) fn count(&self, matches: &DocBitSet, total: usize) -> ValueCounts {
        let counts = match &self.numbered {
            Some(numbered) => numbered.count(self.having.len(), matches),
            None => self.count_by_intersection(matches, total),
        };
        self.names().zip(counts).filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
    }

    fn count_by_intersection(&self, matches: &DocBitSet, total: usize) -> Vec<usize> {
        let is_rest = |n: usize| self.rest == Some(n);
        let count = |(n, (_, records)): (usize, &(String, CompactDocSet))| if is_rest(n) { 0 } else { records.common(matches) };
        let mut counts: Vec<usize> = self.having.iter().enumerate().map(count).collect();
        let others: usize = counts.iter().sum();
        if let Some(rest) = self.rest.and_then(|n| counts.get_mut(n)) {
            *rest = total.saturating_sub(others);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use tantivy::{
        Index, TantivyDocument,
        schema::{STRING, Schema},
    };

    use super::*;

    #[test]
    fn both_ways_to_count_agree() {
        let mut schema = Schema::builder();
        let text = || STRING | tantivy::schema::FAST;
        let (one, some) = (schema.add_text_field("one", text()), schema.add_text_field("some", text()));
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads::<TantivyDocument>(1, 20_000_000).unwrap();
        for n in 0..1000_usize {
            let mut doc = TantivyDocument::default();
            doc.add_text(one, if n % 300 == 7 { "rare" } else { ["a", "b", "b"][n % 3] });
            // Many values, and records with none, one or several.
            for m in (2..40).filter(|m| n % m == 1) {
                doc.add_text(some, format!("{m}"));
            }
            writer.add_document(doc).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let segment = searcher.segment_reader(0);
        let cache = SegmentCache::default();
        for name in ["one", "some"] {
            let values = cache.values(segment, name).unwrap();
            assert_eq!(values.numbered.is_some(), name == "some");
            let numbered = ValueOrdinals::of(&segment.fast_fields().str(name).unwrap().unwrap(), segment.max_doc()).unwrap();
            for step in [1, 3, 7, 500] {
                let mut matches = DocBitSet::new(segment.max_doc());
                (0..segment.max_doc()).step_by(step).for_each(|doc| matches.insert(doc));
                let counts = values.count_by_intersection(&matches, matches.len());
                assert_eq!(numbered.count(counts.len(), &matches), counts, "{name} {step}");
            }
        }
        let full = DocBitSet::full(segment.max_doc());
        let counts = cache.values(segment, "one").unwrap().count(&full, 1000);
        assert_eq!(counts.iter().map(|(name, n)| (name.as_str(), *n)).collect::<Vec<_>>(), [("a", 334), ("b", 662), ("rare", 4)]);
        assert_eq!(cache.values(segment, "some").unwrap().count(&full, 1000).get("2"), Some(&500));
        assert!(cache.values(segment, "none").unwrap().count(&full, 1000).is_empty());
        let mut odd = DocBitSet::new(segment.max_doc());
        cache.values(segment, "some").unwrap().add_to("2", &mut odd);
        assert_eq!(odd.len(), 500);
    }
}
