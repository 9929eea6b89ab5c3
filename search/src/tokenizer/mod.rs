//! Tokenization of texts for the index: folded tokens, with the stems of their language.

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

/// Minimum length of a word for prefix matching, in characters.
pub const MIN_PREFIX: usize = 3;
