//! The tantivy index that follows the change sequence. tantivy's types stay in here.
