//! The records that have a term, as a set.

use tantivy::{SegmentReader, Term, index::InvertedIndexReader, postings::TermInfo, schema::IndexRecordOption};

use crate::bit_set::DocBitSet;

/// The records that have a term, and their number; a set without capacity if there are none.
pub(crate) fn postings_of(segment: &SegmentReader, term: &Term) -> tantivy::Result<(DocBitSet, usize)> {
    let inverted = segment.inverted_index(term.field())?;
    let Some(info) = inverted.get_term_info(term)? else { return Ok((DocBitSet::default(), 0)) };
    let mut set = DocBitSet::new(segment.max_doc());
    post(&inverted, &info, &mut set)?;
    Ok((set, info.doc_freq as usize))
}

/// Adds the records of a term to a set.
pub(crate) fn post(inverted: &InvertedIndexReader, info: &TermInfo, set: &mut DocBitSet) -> tantivy::Result<()> {
    let mut block = inverted.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    while !block.docs().is_empty() {
        block.docs().iter().for_each(|doc| set.insert(*doc));
        block.advance();
    }
    Ok(())
}
