//! The page of a list: where results stand, the cursors that say so, and the best of what is offered.

use std::collections::BinaryHeap;

use domain::ids::FeedbackId;
use tantivy::Score as Relevance;
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
    pub(super) fn new(sort: Sort, relevance: Relevance, created: i64, id: u128) -> Self {
        // The order of the signed, kept among the unsigned.
        let time = created.cast_unsigned() ^ (1 << 63);
        match sort {
            Sort::Oldest => Self { relevance: 0, time, id },
            Sort::Newest => Self { relevance: 0, time: !time, id: !id },
            // The bits of floats that are not negative are ordered as they are.
            Sort::Relevance => Self { relevance: !relevance.max(0.0).to_bits(), time: !time, id: !id },
        }
    }

    /// How relevant it is.
    fn said(self) -> Relevance {
        Relevance::from_bits(!self.relevance)
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

/// The page that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) sort: Sort,
    pub(super) place: Option<Place>,
    pub(super) limit: usize,
}

impl Page {
    /// Whether it ends at its place in the list, in place of beginning there.
    pub(super) fn is_backward(&self) -> bool {
        matches!(self.place, Some(Place::Before(_)))
    }

    /// How many of `len` things that are in the order of their keys come before the place.
    pub(super) fn begin(&self, len: usize, key: impl Fn(usize) -> Key) -> usize {
        let is_before = |key: Key| match self.place {
            None => false,
            Some(Place::After(place)) => key <= place,
            Some(Place::Before(place)) => key < place,
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
pub(super) struct Top {
    pub(super) page: Page,
    /// Matches on all pages.
    pub(super) total: usize,
    /// Whether anything was offered that is on the other side of the place.
    behind: bool,
    /// One more than the page takes, the worst of them first. Going backward, keys are turned around, so that the worst is the farthest
    /// from the place.
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

impl Top {
    pub(super) fn new(page: Page) -> Self {
        Self { page, total: 0, behind: false, heap: BinaryHeap::new() }
    }

    fn keep(&self) -> usize {
        self.page.limit.saturating_add(1)
    }

    pub(super) fn offer(&mut self, key: Key) {
        let is_wanted = match self.page.place {
            None => true,
            Some(Place::After(place)) => key > place,
            Some(Place::Before(place)) => key < place,
        };
        if !is_wanted {
            self.behind = true;
            return;
        }
        let turned = Turned::new(key, self.page.is_backward());
        if self.heap.len() < self.keep() {
            self.heap.push(turned);
        } else if self.heap.peek().is_some_and(|worst| turned < *worst) {
            self.heap.pop();
            self.heap.push(turned);
        }
    }

    /// The relevance below which nothing can come onto the page.
    pub(super) fn least(&self) -> Relevance {
        match self.page.place {
            // Better than the place, and then as near to it as can be: all that are better have to be seen.
            Some(Place::Before(place)) => place.said(),
            _ if self.heap.len() < self.keep() => Relevance::MIN,
            _ => self.heap.peek().map_or(Relevance::MIN, |worst| Relevance::from_bits(!worst.0)),
        }
    }

    /// What the page is.
    pub(super) fn collected(self) -> Collected {
        let (page, backward) = (self.page, self.page.is_backward());
        let mut keys: Vec<Key> = self.heap.into_iter().map(|turned| turned.key(backward)).collect();
        keys.sort_unstable();
        let more = keys.len() > page.limit;
        if more && backward {
            keys.remove(0);
        }
        keys.truncate(page.limit);
        let (has_next, has_prev) = if backward { (self.behind, more) } else { (more, self.behind) };
        Collected {
            total: self.total,
            ids: keys.iter().map(|key| key.feedback(page.sort)).collect(),
            next: keys.last().filter(|_| has_next).map(|key| cursor(page.sort, 'a', *key)),
            prev: keys.first().filter(|_| has_prev).map(|key| cursor(page.sort, 'b', *key)),
        }
    }
}

/// What one search found.
#[derive(Debug)]
pub(super) struct Collected {
    /// On all pages.
    pub(super) total: usize,
    /// The page.
    pub(super) ids: Vec<FeedbackId>,
    /// The cursor of the page after, if there is one.
    pub(super) next: Option<String>,
    /// The cursor of the page before, if there is one.
    pub(super) prev: Option<String>,
}
