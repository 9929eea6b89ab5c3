//! Errors of use cases.

pub use store::{Error, Result};

/// Converts a search index error to a use-case error. (Neither crate depends on the other, so neither can implement `From`.)
#[must_use]
pub fn from_search(error: search::Error) -> Error {
    match error {
        search::Error::Refused(refusal) => Error::Domain(refusal),
        search::Error::Source(source) => source.downcast().map_or_else(|other| Error::Internal(other.to_string()), |own| *own),
        search::Error::Internal(text) => Error::Internal(text),
    }
}
