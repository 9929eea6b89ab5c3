//! Texts as the index sees them: tokens, folded, with the stems of their language.

mod characters;
mod folding;
mod stems;
mod terms;
mod tokens;
mod typos;

pub use folding::{fold, plain};
pub use stems::{Stems, has_stem};
pub use terms::Asked;
pub use tokens::{Form, Token, tokens};
pub use typos::{typing_errors, within};

/// Fewest letters that match as the beginning of a word.
pub const MIN_PREFIX: usize = 3;
