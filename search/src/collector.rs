//! Paging: the sort keys of results, cursors, and the selection of the best results.

use std::collections::BinaryHeap;

use domain::ids::FeedbackId;
use tantivy::Score as Relevance;
use uuid::Uuid;

use crate::Sort;

/// The sort position of a result: lower keys come first. It contains everything that orders results, so new results do not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SortKey {
    relevance: u32,
    time: u64,
    id: u128,
}

/// The relevance of results that come after all results with a relevance: see [`SortKey::late`].
const LATE: u32 = 1 << 31;

impl SortKey {
    pub(crate) fn new(sort: Sort, relevance: Relevance, created: i64, id: u128) -> Self {
        let time = unsigned(created);
        match sort {
            Sort::Oldest => Self { relevance: 0, time, id },
            Sort::Newest => Self { relevance: 0, time: !time, id: !id },
            // The bits of non-negative floats sort like the floats, and their sign bit is 0.
            Sort::Relevance => Self { relevance: LATE - 1 - relevance.max(0.0).to_bits(), time: !time, id: !id },
        }
    }

    /// The key of a record whose words were changed after the first page of a list by relevance was made: its relevance at that time is no
    /// longer known, so it comes after all others, the oldest first. It is always included, whatever its relevance by the new words.
    pub(crate) fn late(created: i64, id: u128) -> Self {
        Self { relevance: LATE, time: unsigned(created), id }
    }

    /// The relevance score.
    fn relevance(self) -> Relevance {
        if self.relevance >= LATE { Relevance::MIN } else { Relevance::from_bits(LATE - 1 - self.relevance) }
    }

    fn feedback(self, sort: Sort) -> FeedbackId {
        let as_it_is = sort == Sort::Oldest || self.relevance >= LATE;
        FeedbackId(Uuid::from_u128(if as_it_is { self.id } else { !self.id }))
    }
}

/// Maps signed to unsigned numbers, preserving their order.
fn unsigned(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

/// The inputs to the relevance of a record besides its own words. The first page of a list takes them from the index, and cursors carry
/// them along: so each page gives a record the same position, on any node, regardless of concurrent writes in any project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelevanceStats {
    /// [`IndexEngine::stamp`](crate::engine::IndexEngine::stamp) at the start of the list.
    pub(crate) since: u64,
    /// Average lengths of the text and of its stems, in 1/256 of a token; never 0.
    pub(crate) lengths: [u32; 2],
    /// Rarity of each required word and phrase: half of all records have it, a quarter, an eighth, … From 1 to [`RAREST`].
    pub(crate) rarity: Vec<u8>,
}

/// The highest rarity: found in one of 2²⁰ records, or fewer.
pub(crate) const RAREST: u8 = 20;

impl RelevanceStats {
    fn parse(digits: &str) -> Option<Self> {
        let rarity = digits.get(28..)?.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let measure = Self {
            since: u64::from_str_radix(digits.get(..12)?, 16).ok()?,
            lengths: [u32::from_str_radix(digits.get(12..20)?, 16).ok()?, u32::from_str_radix(digits.get(20..28)?, 16).ok()?],
            rarity: rarity.collect::<Option<_>>()?,
        };
        let is_sound = measure.lengths.iter().all(|n| *n > 0) && measure.rarity.iter().all(|n| (1..=RAREST).contains(n));
        is_sound.then_some(measure)
    }

    fn write(&self) -> String {
        let [words, stems] = self.lengths;
        let rarity: String = self.rarity.iter().map(|n| format!("{n:02x}")).collect();
        format!("{:012x}{words:08x}{stems:08x}{rarity}", self.since)
    }
}

/// The boundary of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageBoundary {
    /// The page begins after this key.
    After(SortKey),
    /// The page ends before this key.
    Before(SortKey),
}

/// Parses a cursor for lists with this sort order and a query with `words` words and phrases to look up.
pub(crate) fn parse_cursor(text: &str, sort: Sort, words: usize) -> Option<(PageBoundary, Option<RelevanceStats>)> {
    let rest = text.strip_prefix(letter(sort))?;
    let (direction, digits) = rest.split_at_checked(1)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (key, measure) = digits.split_at_checked(56)?;
    let key = SortKey {
        relevance: u32::from_str_radix(key.get(..8)?, 16).ok()?,
        time: u64::from_str_radix(key.get(8..24)?, 16).ok()?,
        id: u128::from_str_radix(key.get(24..)?, 16).ok()?,
    };
    let measure = match sort {
        Sort::Relevance => Some(RelevanceStats::parse(measure).filter(|measure| measure.rarity.len() == words)?),
        _ if measure.is_empty() => None,
        _ => return None,
    };
    match direction {
        "a" => Some((PageBoundary::After(key), measure)),
        "b" => Some((PageBoundary::Before(key), measure)),
        _ => None,
    }
}

fn cursor(sort: Sort, direction: char, key: SortKey, measure: Option<&RelevanceStats>) -> String {
    let measure = measure.map(RelevanceStats::write).unwrap_or_default();
    format!("{}{direction}{:08x}{:016x}{:032x}{measure}", letter(sort), key.relevance, key.time, key.id)
}

fn letter(sort: Sort) -> char {
    match sort {
        Sort::Relevance => 'r',
        Sort::Newest => 'n',
        Sort::Oldest => 'o',
    }
}

/// The requested page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest {
    pub(crate) sort: Sort,
    pub(crate) place: Option<PageBoundary>,
    pub(crate) limit: usize,
}

impl PageRequest {
    /// Returns whether the page ends at its boundary instead of beginning there.
    pub(crate) fn is_backward(&self) -> bool {
        matches!(self.place, Some(PageBoundary::Before(_)))
    }

    /// The number of the `len` records, sorted by key, that are before the boundary.
    pub(crate) fn begin(&self, len: usize, key: impl Fn(usize) -> SortKey) -> usize {
        let is_before = |key: SortKey| match self.place {
            None => false,
            Some(PageBoundary::After(place)) => key <= place,
            Some(PageBoundary::Before(place)) => key < place,
        };
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(key(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Collects the best results offered so far, for one page.
pub(crate) struct TopCollector {
    pub(crate) page: PageRequest,
    /// Matches on all pages.
    pub(crate) total: usize,
    /// Whether any result on the other side of the boundary was offered.
    behind: bool,
    /// One more than the page needs, the worst of them first. For backward paging, keys are inverted, so that the worst is the farthest
    /// from the boundary.
    heap: BinaryHeap<HeapKey>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct HeapKey(u32, u64, u128);

impl HeapKey {
    fn new(key: SortKey, backward: bool) -> Self {
        if backward { Self(!key.relevance, !key.time, !key.id) } else { Self(key.relevance, key.time, key.id) }
    }

    fn key(self, backward: bool) -> SortKey {
        if backward {
            SortKey { relevance: !self.0, time: !self.1, id: !self.2 }
        } else {
            SortKey { relevance: self.0, time: self.1, id: self.2 }
        }
    }
}

impl TopCollector {
    pub(crate) fn new(page: PageRequest) -> Self {
        Self { page, total: 0, behind: false, heap: BinaryHeap::new() }
    }

    fn capacity(&self) -> usize {
        self.page.limit.saturating_add(1)
    }

    pub(crate) fn offer(&mut self, key: SortKey) {
        let is_wanted = match self.page.place {
            None => true,
            Some(PageBoundary::After(place)) => key > place,
            Some(PageBoundary::Before(place)) => key < place,
        };
        if !is_wanted {
            self.behind = true;
            return;
        }
        let turned = HeapKey::new(key, self.page.is_backward());
        if self.heap.len() < self.capacity() {
            self.heap.push(turned);
        } else if self.heap.peek().is_some_and(|worst| turned < *worst) {
            self.heap.pop();
            self.heap.push(turned);
        }
    }

    /// The relevance below which no record can reach the page.
    pub(crate) fn least(&self) -> Relevance {
        match self.page.place {
            // The page has the results better than the boundary that are nearest to it, so all better ones must be examined.
            Some(PageBoundary::Before(place)) => place.relevance(),
            _ if self.heap.len() < self.capacity() => Relevance::MIN,
            _ => self.heap.peek().map_or(Relevance::MIN, |worst| SortKey { relevance: worst.0, time: 0, id: 0 }.relevance()),
        }
    }

    /// Builds the page; `measure` contains the inputs to relevance.
    pub(crate) fn collected(self, measure: Option<&RelevanceStats>) -> CollectedPage {
        let (page, backward) = (self.page, self.page.is_backward());
        let mut keys: Vec<SortKey> = self.heap.into_iter().map(|turned| turned.key(backward)).collect();
        keys.sort_unstable();
        let more = keys.len() > page.limit;
        if more && backward {
            keys.remove(0);
        }
        keys.truncate(page.limit);
        let (has_next, has_prev) = if backward { (self.behind, more) } else { (more, self.behind) };
        CollectedPage {
            total: self.total,
            ids: keys.iter().map(|key| key.feedback(page.sort)).collect(),
            next: keys.last().filter(|_| has_next).map(|key| cursor(page.sort, 'a', *key, measure)),
            prev: keys.first().filter(|_| has_prev).map(|key| cursor(page.sort, 'b', *key, measure)),
        }
    }
}

/// The result of one search.
#[derive(Debug)]
pub(crate) struct CollectedPage {
    /// Matches on all pages.
    pub(crate) total: usize,
    /// The results of the page, in order.
    pub(crate) ids: Vec<FeedbackId>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
    /// The cursor of the previous page, if there is one.
    pub(crate) prev: Option<String>,
}
