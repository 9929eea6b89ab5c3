//! One pass over what a query matches: how many, the page asked for, and the counts of each facet.

use std::collections::{BTreeMap, BinaryHeap};

use domain::ids::FeedbackId;
use tantivy::{
    DocId, Score as Relevance, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar::{Column, StrColumn},
};
use uuid::Uuid;

use super::Sort;

/// Where a result stands: lower keys come first. It holds everything that orders results, so it is a place in the list that new
/// results do not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    relevance: u32,
    time: u64,
    id: u128,
}

impl Key {
    fn new(sort: Sort, relevance: Relevance, created: i64, id: u128) -> Self {
        // The order of the signed, kept among the unsigned.
        let time = created.cast_unsigned() ^ (1 << 63);
        match sort {
            Sort::Oldest => Self { relevance: 0, time, id },
            Sort::Newest => Self { relevance: 0, time: !time, id: !id },
            // The bits of floats that are not negative are ordered as they are.
            Sort::Relevance => Self { relevance: !relevance.max(0.0).to_bits(), time: !time, id: !id },
        }
    }

    fn feedback(self, sort: Sort) -> FeedbackId {
        FeedbackId(Uuid::from_u128(if sort == Sort::Oldest { self.id } else { !self.id }))
    }
}

/// Where a page begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// What comes after.
    After(Key),
    /// What comes before.
    Before(Key),
}

/// Reads a cursor of lists sorted this way.
pub(super) fn parse_cursor(text: &str, sort: Sort) -> Option<Place> {
    let rest = text.strip_prefix(letter(sort))?;
    let (direction, digits) = rest.split_at_checked(1)?;
    if digits.len() != 56 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let key = Key {
        relevance: u32::from_str_radix(digits.get(..8)?, 16).ok()?,
        time: u64::from_str_radix(digits.get(8..24)?, 16).ok()?,
        id: u128::from_str_radix(digits.get(24..)?, 16).ok()?,
    };
    match direction {
        "a" => Some(Place::After(key)),
        "b" => Some(Place::Before(key)),
        _ => None,
    }
}

fn cursor(sort: Sort, direction: char, key: Key) -> String {
    format!("{}{direction}{:08x}{:016x}{:032x}", letter(sort), key.relevance, key.time, key.id)
}

fn letter(sort: Sort) -> char {
    match sort {
        Sort::Relevance => 'r',
        Sort::Newest => 'n',
        Sort::Oldest => 'o',
    }
}

/// What to collect.
pub(super) struct Pass {
    pub(super) sort: Sort,
    /// Whether the relevance of each match is to be computed.
    pub(super) scored: bool,
    pub(super) place: Option<Place>,
    pub(super) limit: usize,
    /// Names of the columns to count.
    pub(super) count: Vec<&'static str>,
}

/// What one pass found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) total: usize,
    /// Matches on the other side of the place.
    behind: usize,
    /// At most one more than the limit, in order.
    keys: Vec<Key>,
    pub(super) counts: Vec<BTreeMap<String, usize>>,
}

impl Collected {
    /// The page: its ids, and the cursors after and before it.
    pub(super) fn page(mut self, pass: &Pass) -> (Vec<FeedbackId>, Option<String>, Option<String>) {
        let backward = matches!(pass.place, Some(Place::Before(_)));
        let more = self.keys.len() > pass.limit;
        if more && backward {
            self.keys.remove(0);
        }
        self.keys.truncate(pass.limit);
        let (has_next, has_prev) = if backward { (self.behind > 0, more) } else { (more, self.behind > 0) };
        let next = self.keys.last().filter(|_| has_next).map(|key| cursor(pass.sort, 'a', *key));
        let prev = self.keys.first().filter(|_| has_prev).map(|key| cursor(pass.sort, 'b', *key));
        (self.keys.iter().map(|key| key.feedback(pass.sort)).collect(), next, prev)
    }
}

impl Collector for Pass {
    type Fruit = Collected;
    type Child = Segment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Segment> {
        let columns = segment.fast_fields();
        let counted = self.count.iter().map(|name| {
            let column = columns.str(name)?;
            let counts = vec![0; column.as_ref().map_or(0, |c| c.num_terms())];
            Ok((column, counts))
        });
        Ok(Segment {
            sort: self.sort,
            place: self.place,
            keep: self.limit.saturating_add(1),
            paged: self.limit > 0,
            created: columns.i64("created")?,
            high: columns.u64("id_high")?,
            low: columns.u64("id_low")?,
            counted: counted.collect::<tantivy::Result<_>>()?,
            total: 0,
            behind: 0,
            heap: BinaryHeap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.scored
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Collected>>) -> tantivy::Result<Collected> {
        let mut all = Collected { counts: vec![BTreeMap::new(); self.count.len()], ..Collected::default() };
        for segment in segments {
            let segment = segment?;
            all.total += segment.total;
            all.behind += segment.behind;
            all.keys.extend(segment.keys);
            for (sum, counts) in all.counts.iter_mut().zip(segment.counts) {
                for (value, n) in counts {
                    *sum.entry(value).or_default() += n;
                }
            }
        }
        all.keys.sort_unstable();
        let keep = self.limit.saturating_add(1);
        if matches!(self.place, Some(Place::Before(_))) {
            all.keys.drain(..all.keys.len().saturating_sub(keep));
        }
        all.keys.truncate(keep);
        Ok(all)
    }
}

/// The pass over one segment.
pub(super) struct Segment {
    sort: Sort,
    place: Option<Place>,
    keep: usize,
    paged: bool,
    created: Column<i64>,
    high: Column<u64>,
    low: Column<u64>,
    counted: Vec<(Option<StrColumn>, Vec<usize>)>,
    total: usize,
    behind: usize,
    /// The worst of those kept on top. Going backward, keys are turned around, so that "worst" is the farthest from the place.
    heap: BinaryHeap<Turned>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turned(u32, u64, u128);

impl Turned {
    fn new(key: Key, backward: bool) -> Self {
        if backward { Self(!key.relevance, !key.time, !key.id) } else { Self(key.relevance, key.time, key.id) }
    }

    fn key(self, backward: bool) -> Key {
        if backward { Key { relevance: !self.0, time: !self.1, id: !self.2 } } else { Key { relevance: self.0, time: self.1, id: self.2 } }
    }
}

impl SegmentCollector for Segment {
    type Fruit = tantivy::Result<Collected>;

    fn collect(&mut self, doc: DocId, relevance: Relevance) {
        self.total += 1;
        for (column, counts) in &mut self.counted {
            if let Some(column) = column {
                for ord in column.term_ords(doc) {
                    if let Some(n) = usize::try_from(ord).ok().and_then(|ord| counts.get_mut(ord)) {
                        *n += 1;
                    }
                }
            }
        }
        if !self.paged {
            return;
        }
        let id = u128::from(self.high.first(doc).unwrap_or_default()) << 64 | u128::from(self.low.first(doc).unwrap_or_default());
        let key = Key::new(self.sort, relevance, self.created.first(doc).unwrap_or_default(), id);
        let (wanted, backward) = match self.place {
            None => (true, false),
            Some(Place::After(place)) => (key > place, false),
            Some(Place::Before(place)) => (key < place, true),
        };
        if !wanted {
            self.behind += 1;
            return;
        }
        let turned = Turned::new(key, backward);
        if self.heap.len() < self.keep {
            self.heap.push(turned);
        } else if self.heap.peek().is_some_and(|worst| turned < *worst) {
            self.heap.pop();
            self.heap.push(turned);
        }
    }

    fn harvest(self) -> Self::Fruit {
        let mut counts = Vec::with_capacity(self.counted.len());
        for (column, numbers) in self.counted {
            let mut named = BTreeMap::new();
            if let Some(column) = column {
                for (ord, n) in (0_u64..).zip(numbers).filter(|(_, n)| *n > 0) {
                    let mut name = String::new();
                    if column.ord_to_str(ord, &mut name)? {
                        named.insert(name, n);
                    }
                }
            }
            counts.push(named);
        }
        let backward = matches!(self.place, Some(Place::Before(_)));
        let keys = self.heap.into_iter().map(|turned| turned.key(backward)).collect();
        Ok(Collected { total: self.total, behind: self.behind, keys, counts })
    }
}
