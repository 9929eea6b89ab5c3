//! Sets of a segment's records: one bit per record, so that set operations process 64 records at a time.

use tantivy::DocId;

/// A set of records of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DocBitSet(Vec<u64>);

impl DocBitSet {
    /// The empty set, with capacity for `records` records.
    pub(crate) fn new(records: DocId) -> Self {
        Self(vec![0; records.div_ceil(64) as usize])
    }

    /// All records.
    pub(crate) fn full(records: DocId) -> Self {
        let mut set = Self(vec![u64::MAX; records.div_ceil(64) as usize]);
        if let Some(last) = set.0.last_mut().filter(|_| !records.is_multiple_of(64)) {
            *last = (1 << (records % 64)) - 1;
        }
        set
    }

    pub(crate) fn insert(&mut self, doc: DocId) {
        if let Some(word) = self.0.get_mut(doc as usize / 64) {
            *word |= 1 << (doc % 64);
        }
    }

    pub(crate) fn remove(&mut self, doc: DocId) {
        if let Some(word) = self.0.get_mut(doc as usize / 64) {
            *word &= !(1 << (doc % 64));
        }
    }

    pub(crate) fn holds(&self, doc: DocId) -> bool {
        self.0.get(doc as usize / 64).is_some_and(|word| word >> (doc % 64) & 1 == 1)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The size of the intersection.
    pub(crate) fn common(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// Iterates in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = DocId> + '_ {
        (0_u32..).zip(&self.0).flat_map(|(n, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(n * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(docs: &[DocId]) -> DocBitSet {
        let mut set = DocBitSet::new(130);
        docs.iter().for_each(|doc| set.insert(*doc));
        set
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = of(&[0, 63, 64, 129]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        assert!(set.holds(64) && !set.holds(65) && !set.holds(4000));
        assert_eq!((set.len(), set.is_empty(), DocBitSet::new(130).is_empty()), (4, false, true));
        for records in [0, 1, 63, 64, 65, 130] {
            assert_eq!(DocBitSet::full(records).iter().collect::<Vec<_>>(), (0..records).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sets_are_joined() {
        let (a, b) = (of(&[0, 63, 64, 129]), of(&[1, 63, 129]));
        let with = |change: fn(&mut DocBitSet, &DocBitSet)| {
            let mut set = a.clone();
            change(&mut set, &b);
            set
        };
        assert_eq!(a.common(&b), 2);
        assert_eq!(with(DocBitSet::add), of(&[0, 1, 63, 64, 129]));
        assert_eq!(with(DocBitSet::intersect), of(&[63, 129]));
        assert_eq!(with(DocBitSet::subtract), of(&[0, 64]));
        let mut without = a.clone();
        without.remove(63);
        assert_eq!(without, of(&[0, 64, 129]));
    }
}
