//! Pages of a list: the sort positions of results, cursors, and the best results.

use std::collections::BinaryHeap;

use domain::ids::FeedbackId;
use tantivy::Score as Relevance;
use uuid::Uuid;

use crate::Sort;

/// The sort position of a result: lower keys come first. It holds everything that orders results, so it is a place in the list that new
/// results do not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SortKey {
    relevance: u32,
    time: u64,
    id: u128,
}

/// The relevance of what comes after everything that has one: see [`SortKey::late`].
const LATE: u32 = 1 << 31;

impl SortKey {
    pub(crate) fn new(sort: Sort, relevance: Relevance, created: i64, id: u128) -> Self {
        let time = unsigned(created);
        match sort {
            Sort::Oldest => Self { relevance: 0, time, id },
            Sort::Newest => Self { relevance: 0, time: !time, id: !id },
            // The bits of floats that are not negative are ordered as they are, and the first of them is not set.
            Sort::Relevance => Self { relevance: LATE - 1 - relevance.max(0.0).to_bits(), time: !time, id: !id },
        }
    }

    /// The key of a record whose words were changed after the first page of a list by relevance was made: its relevance then is not
    /// known any more, so it comes after all others, the oldest first. It is not left out, whatever it is by its new words.
    pub(crate) fn late(created: i64, id: u128) -> Self {
        Self { relevance: LATE, time: unsigned(created), id }
    }

    /// How relevant it is.
    fn said(self) -> Relevance {
        if self.relevance >= LATE { Relevance::MIN } else { Relevance::from_bits(LATE - 1 - self.relevance) }
    }

    fn feedback(self, sort: Sort) -> FeedbackId {
        let as_it_is = sort == Sort::Oldest || self.relevance >= LATE;
        FeedbackId(Uuid::from_u128(if as_it_is { self.id } else { !self.id }))
    }
}

/// The order of the signed, kept among the unsigned.
fn unsigned(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

/// What the relevance of a record is computed with besides its own words. The first page of a list takes it from the index, and cursors
/// carry it on: so each page gives a record the same place, on any node, whatever is written meanwhile in any project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelevanceStats {
    /// [`IndexEngine::stamp`](crate::engine::Engine::stamp) when the list began.
    pub(crate) since: u64,
    /// How long what was said is on average, and how many stems it has, in 1/256 of a token; never 0.
    pub(crate) lengths: [u32; 2],
    /// For each word and phrase that must be there, how rare it is: half of all records have it, a quarter, an eighth, … From 1 to
    /// [`RAREST`].
    pub(crate) rarity: Vec<u8>,
}

/// What is found in one record of so many halved is as rare as can be.
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
        let [said, stems] = self.lengths;
        let rarity: String = self.rarity.iter().map(|n| format!("{n:02x}")).collect();
        format!("{:012x}{said:08x}{stems:08x}{rarity}", self.since)
    }
}

/// Where a page begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageBoundary {
    /// What comes after.
    After(SortKey),
    /// What comes before.
    Before(SortKey),
}

/// Reads a cursor of lists sorted this way, by a query that looks up so many words and phrases.
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

/// The page that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest {
    pub(crate) sort: Sort,
    pub(crate) place: Option<PageBoundary>,
    pub(crate) limit: usize,
}

impl PageRequest {
    /// Whether it ends at its place in the list, in place of beginning there.
    pub(crate) fn is_backward(&self) -> bool {
        matches!(self.place, Some(PageBoundary::Before(_)))
    }

    /// How many of `len` things that are in the order of their keys come before the place.
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

/// The best of what was offered so far, for one page.
pub(crate) struct TopCollector {
    pub(crate) page: PageRequest,
    /// Matches on all pages.
    pub(crate) total: usize,
    /// Whether anything was offered that is on the other side of the place.
    behind: bool,
    /// One more than the page takes, the worst of them first. Going backward, keys are turned around, so that the worst is the farthest
    /// from the place.
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

    fn keep(&self) -> usize {
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
        if self.heap.len() < self.keep() {
            self.heap.push(turned);
        } else if self.heap.peek().is_some_and(|worst| turned < *worst) {
            self.heap.pop();
            self.heap.push(turned);
        }
    }

    /// The relevance below which nothing can come onto the page.
    pub(crate) fn least(&self) -> Relevance {
        match self.page.place {
            // Better than the place, and then as near to it as can be: all that are better have to be seen.
            Some(PageBoundary::Before(place)) => place.said(),
            _ if self.heap.len() < self.keep() => Relevance::MIN,
            _ => self.heap.peek().map_or(Relevance::MIN, |worst| SortKey { relevance: worst.0, time: 0, id: 0 }.said()),
        }
    }

    /// What the page is; `measure` is what relevance was computed with.
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

/// What one search found.
#[derive(Debug)]
pub(crate) struct CollectedPage {
    /// On all pages.
    pub(crate) total: usize,
    /// The page.
    pub(crate) ids: Vec<FeedbackId>,
    /// The cursor of the page after, if there is one.
    pub(crate) next: Option<String>,
    /// The cursor of the page before, if there is one.
    pub(crate) prev: Option<String>,
}
