//! Texts as the index sees them: tokens, folded, with the stems of their language.

mod characters;
mod folding;
mod stems;
mod terms;
mod tokens;
mod typos;

pub use folding::{fold, normalize};
pub use stems::{LanguageStemmer, has_stem};
pub use terms::QueryTerms;
pub use tokens::{Token, TokenForm, tokens};
pub use typos::{max_typos, within_edit_distance};

/// Fewest letters that match as the beginning of a word.
pub const MIN_PREFIX: usize = 3;
